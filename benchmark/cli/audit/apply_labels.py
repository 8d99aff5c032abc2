"""Corrected scene labels and single labels, written as a table that `gridbench data prepare folder` reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridbench.cli.audit.choice import chosen_changes, decided_labels
from gridbench.cli.audit.corrected import Request
from gridbench.core.terminal import say
from gridbench.errors import InputError, counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gridbench.audit.audit import Audit
    from gridbench.datasets import Archive

__all__ = ["LabelOptions", "apply_to_labels"]


@dataclass(frozen=True)
class LabelOptions:
    """Options of `gridbench audit apply` that masks do not have.

    Attributes:
        kind_of_file: What wrote the decisions: `page`, or an annotation tool.
        prefix: Prefix of the image names in a file of an annotation tool.
        original: The table that the archive was prepared from, to keep its rows and columns.
        key_column: Its column of image names.
        label_columns: Its columns of labels.
        separator: Separator of the labels in one of its cells.
        kind: Which labels `--top` counts: `both`, `wrong` or `missing`.
        beyond_line: Whether `--top` may go beyond the labels that are more probably wrong than right.
    """

    kind_of_file: str
    prefix: str
    original: Path | None
    key_column: str | None
    label_columns: tuple[str, ...]
    separator: str | None
    kind: str
    beyond_line: bool


def apply_to_labels(request: Request, options: LabelOptions) -> None:
    """Write corrected labels from an audit of labels.

    Raises:
        InputError: The audit, the decisions or the options do not fit, or files are in the way.
    """
    from gridbench.audit.audit import read_audit
    from gridbench.audit.correction import correct
    from gridbench.audit.export import label_table, original_table
    from gridbench.core.files import all_or_nothing, check_folder, check_free, write_bytes
    from gridbench.datasets.readers.tables.key_column import TableOptions

    out, original = request.out, options.original
    found, archive = read_audit(request.folder, request.cache)
    request.refuse_injected(found.injected, "labels")
    if found.exclusive and options.kind != "both":
        raise InputError(
            f"--kind is {options.kind!r}; each image of this audit has one label, so a finding is of both kinds."
        )
    # Print nothing until everything has been checked.
    said: list[str] = []
    decided = decided_labels(found, archive, request.decisions, options.kind_of_file, options.prefix, said)
    changes = chosen_changes(found, decided, request.top, options.kind, options.beyond_line, said)
    changes = _in_splits(changes, found, archive, request.splits, said)
    labels = archive.scene_labels.copy()
    labels[found.positions] = correct(found.given, changes)
    if found.exclusive:
        _check_single(labels, archive)
    names = [
        "labels.csv",
        *(["clean_labels.csv"] if found.injected else []),
        *(["images"] if request.images else []),
    ]
    check_folder(out)
    check_free([out / name for name in names if not _is_ours(out / name, archive)], request.force)
    table, unused = label_table(archive, labels), 0
    if original is not None:
        columns = TableOptions(options.key_column, options.label_columns, options.separator)
        table, unused = original_table(archive, labels, original, columns)
    for line in said:
        say(line)
    with all_or_nothing(out):
        write_bytes(out / "labels.csv", table)
        if found.injected:
            truth = archive.scene_labels if archive.clean_scene_labels is None else archive.clean_scene_labels
            write_bytes(out / "clean_labels.csv", label_table(archive, truth))
        images = request.write_images(archive)
    empty = int((labels.sum(1) == 0).sum())
    added = sum(found.given[i, c] == 0 for i, c in changes)
    say(f"{out / 'labels.csv'}: {counted(added, 'label')} added, {len(changes) - added} taken away.")
    if unused:
        say(f"Left unchanged: {counted(unused, 'row')} of {original} for no image of {archive.name}.")
    if empty:
        say(f"Without a label now: {counted(empty, 'image')}, which `data prepare folder` leaves out.")
    clean = []
    if found.injected:
        clean = ["--clean-labels", str(out / "clean_labels.csv")]
        say(f"{out / 'clean_labels.csv'}: the labels before noise was injected.")
    request.finish(archive, images, ["--labels", str(out / "labels.csv")], clean)


def _in_splits(
    changes: list[tuple[int, int]], found: Audit, archive: Archive, splits: str, said: list[str]
) -> list[tuple[int, int]]:
    """Return the changes in the training split or in all splits, and append to the messages what is left out."""
    training = set(archive.indices("train").tolist())
    inside = [pair for pair in changes if int(found.positions[pair[0]]) in training]
    others = len(changes) - len(inside)
    if others and splits == "train":
        said.append(
            f"Left out: {counted(others, 'change')} of validation and test labels; --splits all makes them."
        )
    elif others:
        said.append(
            f"Changed: {counted(others, 'label')} of validation and test images; "
            f"scores on them cannot be compared with those on {archive.name}."
        )
    return inside if splits == "train" else changes


def _check_single(labels: NDArray[Any], archive: Archive) -> None:
    """Refuse corrected labels of which an image has several or none.

    Raises:
        InputError: With the first image.
    """
    for i, count in enumerate(labels.sum(1).tolist()):
        if count != 1:
            raise InputError(
                f"With these decisions the image {archive.names[i]!r} would have {count} labels; each image of this "
                "audit has exactly one. Decide for one label of it."
            )


def _is_ours(path: Path, archive: Archive) -> bool:
    """Tell a table that an earlier call wrote: it has the archive's order, which no table of the user's has."""
    from gridbench.audit.export import label_table
    from gridbench.core.files import LARGEST_TABLE, read_text

    expected = label_table(archive, archive.scene_labels).decode().splitlines()
    try:
        found = read_text(path, LARGEST_TABLE).splitlines()
    except (OSError, ValueError):
        return False
    flags = 2 * archive.num_classes
    return found[:1] == expected[:1] and [line[:-flags] for line in found] == [
        line[:-flags] for line in expected
    ]
