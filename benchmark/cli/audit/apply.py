"""`gridbench audit apply`: corrected labels from decisions, or from the most suspicious labels."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridbench.cli.audit.masks import apply_to_masks
from gridbench.cli.options import cache_option
from gridbench.core.terminal import say
from gridbench.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gridbench.audit.audit import Audit
    from gridbench.datasets import Archive

__all__ = ["apply"]

OF_LABELS = {
    "kind_of_file",
    "prefix",
    "original",
    "key_column",
    "label_columns",
    "separator",
    "kind",
    "beyond_line",
}
"""Options that say nothing about masks."""


@click.command()
@click.argument("audit", metavar="AUDIT", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--decisions",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="decisions.csv as the page exports it, or with --from a file of an annotation tool; what is accepted is "
    "changed.",
)
@click.option(
    "--from",
    "kind_of_file",
    type=click.Choice(["page", "label-studio", "cvat", "coco", "fiftyone"]),
    default="page",
    show_default=True,
    help="What wrote the decisions. In files of annotation tools, labels that differ from the audited ones are "
    "accepted changes.",
)
@click.option(
    "--prefix",
    default="",
    metavar="TEXT",
    help="Prefix of the image names in a file of an annotation tool.",
)
@click.option(
    "--labels",
    "original",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The table that the archive was prepared from: labels.csv keeps its rows and all its columns.",
)
@click.option(
    "--key-column", metavar="NAME", help="Column of --labels that names the images, as when it was prepared."
)
@click.option(
    "--label-columns",
    multiple=True,
    metavar="NAME",
    help="Columns of --labels that hold the labels; again for more.",
)
@click.option("--separator", metavar="WORD", help="Separator of the labels in a cell of --labels.")
@click.option(
    "--top",
    metavar="N|P%|auto",
    help="Change the N most suspicious labels, or the first P % of all, unseen; auto: as many as are "
    "more probably wrong than right, with certainty. More are refused.",
)
@click.option(
    "--beyond-line",
    is_flag=True,
    help="Change more than that unseen, though it may break more than it mends.",
)
@click.option(
    "--kind",
    type=click.Choice(["both", "wrong", "missing"]),
    default="both",
    show_default=True,
    help="Which labels --top counts.",
)
@click.option(
    "--splits",
    type=click.Choice(["train", "all"]),
    default="train",
    show_default=True,
    help="Change training labels only, or validation and test labels, too, if they were audited.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Output folder for labels.csv or the masks.",
)
@click.option(
    "--force", is_flag=True, help="Replace a labels.csv, clean_labels.csv or images that are there."
)
@click.option(
    "--images",
    is_flag=True,
    help="Write the images too, so that DIR can be prepared as it is (tiles, built-in).",
)
@click.option(
    "--with-injected-noise", is_flag=True, help="Go on although the audited labels hold injected noise."
)
@cache_option
def apply(
    audit: Path,
    decisions: Path | None,
    kind_of_file: str,
    prefix: str,
    original: Path | None,
    key_column: str | None,
    label_columns: tuple[str, ...],
    separator: str | None,
    top: str | None,
    beyond_line: bool,
    kind: str,
    splits: str,
    out: Path,
    images: bool,
    force: bool,
    with_injected_noise: bool,
    cache: Path | None,
) -> None:
    """Write corrected labels from an audit as a table that `gridbench data prepare folder` reads.

    AUDIT is the folder that `gridbench audit` named. With both --decisions and --top, the
    first of the list are changed unless they were rejected. Validation and test labels stay as they are, unless
    --splits all changes them, too.

    Of an audit of label maps, DIR gets corrected masks (PNG, or GeoTIFF with the image's coordinates where it has
    some) and classes.csv instead.

    \b
      gridbench audit apply audits/FOLDER --decisions decisions.csv \\
        --out corrected
      gridbench data prepare folder --data my/archive \\
        --labels corrected/labels.csv --name mine-corrected
    """  # noqa: D301
    from gridbench.audit.audit import read_audit
    from gridbench.audit.correction import correct
    from gridbench.audit.export import label_table, original_table, write_images
    from gridbench.audit.masks.audit import is_mask_audit
    from gridbench.core.files import check_folder, check_free, write_bytes
    from gridbench.datasets import default_cache
    from gridbench.datasets.open import open_archive
    from gridbench.datasets.readers.tables.key_column import TableOptions

    if decisions is None and top is None:
        raise InputError("Say what to change: --decisions FILE, --top N, or both.")
    if is_mask_audit(audit):
        _refuse_options_of_labels()
        apply_to_masks(
            audit,
            cache,
            decisions=decisions,
            top=top,
            splits=splits,
            out=out,
            images=images,
            force=force,
            with_injected_noise=with_injected_noise,
        )
        return
    found, archive = read_audit(audit, lambda name: open_archive(name, cache or default_cache()))
    if found.injected and not with_injected_noise:
        raise InputError(
            f"The labels audited in {str(audit)!r} hold noise that was put in on purpose (--slnir), so corrected ones "
            "would not be yours. Audit again without --slnir, or say --with-injected-noise for an experiment."
        )
    if found.exclusive and kind != "both":
        raise InputError(
            f"--kind is {kind!r}; each image of this audit has one label, so a finding is of both kinds."
        )
    decided = _decided(found, archive, decisions, kind_of_file, prefix)
    changes = _changes(found, decided, top, kind, beyond_line)
    training = set(archive.indices("train").tolist())
    elsewhere = [pair for pair in changes if int(found.positions[pair[0]]) not in training]
    if splits == "train":
        changes = sorted(set(changes) - set(elsewhere))
        if elsewhere:
            say(
                f"{len(elsewhere)} changes of validation and test labels were left out; --splits all makes them."
            )
    elif elsewhere:
        say(
            f"{len(elsewhere)} validation and test labels change: scores on them cannot be compared with those on "
            f"{archive.name}."
        )
    labels = archive.scene_labels.copy()
    labels[found.positions] = correct(found.given, changes)
    if found.exclusive:
        _check_single(labels, archive)
    targets = [out / "labels.csv"]
    targets += [out / "clean_labels.csv"] if found.injected else []
    targets += [out / "images"] if images else []
    check_folder(out)
    check_free([path for path in targets if not _is_ours(path, archive)], force)
    table, unused = label_table(archive, labels), 0
    if original is not None:
        options = TableOptions(key_column, label_columns, separator)
        table, unused = original_table(archive, labels, original, options)
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(out / "labels.csv", table)
    empty = int((labels.sum(1) == 0).sum())
    added = sum(found.given[i, c] == 0 for i, c in changes)
    say(f"{out / 'labels.csv'}: {added} labels added, {len(changes) - added} taken away.")
    if unused:
        say(f"{unused} rows of {original} are of no image of {archive.name}; they stay as they were.")
    if empty:
        say(f"{empty} images are left without a label; `data prepare folder` leaves them out.")
    if found.injected:
        truth = archive.scene_labels if archive.clean_scene_labels is None else archive.clean_scene_labels
        write_bytes(out / "clean_labels.csv", label_table(archive, truth))
        say(f"{out / 'clean_labels.csv'}: the labels before noise was injected.")
    if images:
        say(f"{write_images(archive, out / 'images')} images written to {out / 'images'}.")
    words = ["gridbench", "data", "prepare", "folder", "--data", str(out) if images else "YOUR-FOLDER"]
    words += [] if images else ["--labels", str(out / "labels.csv")]
    words += ["--clean-labels", str(out / "clean_labels.csv")] if found.injected else []
    words += ["--name", f"{archive.name}-corrected", *([] if cache is None else ["--cache", str(cache)])]
    say(f"Next: {shlex.join(words)}")


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


def _refuse_options_of_labels() -> None:
    """Refuse what says nothing about masks, if it was given.

    Raises:
        InputError: With the option and those that masks have.
    """
    context = click.get_current_context()
    for parameter in context.command.params:
        given = context.get_parameter_source(str(parameter.name)) is not click.core.ParameterSource.DEFAULT
        if given and parameter.name in OF_LABELS:
            raise InputError(
                f"{parameter.opts[0]} is about tables of labels, and this is an audit of label maps. For those there "
                "are --decisions, --top, --splits, --out, --images and --force."
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


def _decided(
    found: Audit, archive: Archive, decisions: Path | None, kind: str, prefix: str
) -> dict[tuple[int, int], str]:
    """Read the decisions of the page or of an annotation tool, and say how many there are."""
    from gridbench.audit.correction import ACCEPT, REJECT, UNSURE, read_decisions
    from gridbench.audit.exchange import import_decisions

    if decisions is None:
        return {}
    names = [archive.names[i] for i in found.positions]
    if kind == "page":
        decided = read_decisions(decisions, names, archive.class_names)
    else:
        decided = import_decisions(kind, decisions, found.given, names, archive.class_names, prefix)
    counts = {word: sum(each == word for each in decided.values()) for word in (ACCEPT, REJECT, UNSURE)}
    say(f"{decisions}: {counts[ACCEPT]} labels to change, {counts[REJECT]} to keep, {counts[UNSURE]} unsure.")
    return decided


def _changes(
    found: Audit, decided: Mapping[tuple[int, int], str], top: str | None, kind: str, beyond: bool
) -> list[tuple[int, int]]:
    """Return the (image, class) pairs to turn over."""
    from gridbench.audit.correction import ACCEPT, changes_of

    chosen = {pair for pair, word in decided.items() if word == ACCEPT}
    if top is not None:
        ranked = found.ranked(kind)
        line = found.document["expected"]["change"]
        certain = set(changes_of(found.ranked().first(line)))
        if top == "auto":
            first = [pair for pair in changes_of(ranked.first(line)) if pair in certain]
        else:
            first = changes_of(ranked.first(_count(top, len(ranked))))
        if not beyond and not certain.issuperset(first):
            allowed = f"Of the list, only the first {line} are" if line else "No label of the list is"
            raise InputError(
                f"--top is {top!r}. {allowed} wrong with a probability that certainly exceeds one half; "
                "changing more unseen may break more labels than it mends. Decide about them on the page, "
                "take --top auto, or insist with --beyond-line."
            )
        unseen = [pair for pair in first if pair not in decided]
        mended = round(sum(float(found.scores[pair]) for pair in unseen))
        say(
            f"Changed unseen: {len(unseen)} labels; expected to mend {mended} and to break {len(unseen) - mended}."
        )
        chosen |= set(unseen)
    if found.exclusive:
        # Somebody who names another label of an image in an annotation tool has chosen what takes the place.
        added = {i for i, c in chosen if not found.given[i, c]}
        chosen |= {(i, k) for i, c in chosen if i not in added for k in found.instead(i, c, True)}
    return sorted(chosen)


def _count(text: str, total: int) -> int:
    """Read `N` or `P%` of `total`.

    Raises:
        InputError: It is neither, or more than there are.
    """
    count, percent = -1, text.endswith("%")
    number = text[:-1] if percent else text
    # What int and float read besides: digits of other scripts, 1_000, inf and blanks.
    if re.fullmatch(r"\d+(\.\d+)?" if percent else r"\d{1,18}", number, re.ASCII):
        share = Decimal(number) / 100
        count = int(total * share) if percent and share <= 1 else -1 if percent else int(number)
    if not 0 < count <= total:
        raise InputError(
            f"--top is {text!r}; allowed is a number from 1 to {total}, a share such as 5%, or auto."
        )
    return count
