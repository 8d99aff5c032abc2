"""Corrected masks from an audit of label maps, and the table of their classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridbench.cli.audit.corrected import Request
from gridbench.core.terminal import say
from gridbench.errors import InputError, counted

if TYPE_CHECKING:
    from gridbench.audit.masks.audit import MaskAudit
    from gridbench.datasets import Archive

__all__ = ["apply_to_masks"]


def apply_to_masks(request: Request) -> None:
    """Write corrected masks from an audit of label maps, and the table of their classes.

    Raises:
        InputError: The audit or the decisions do not fit, or files are in the way.
    """
    from gridbench.audit.masks.audit import read_mask_audit
    from gridbench.audit.masks.correction import mask_paths, write_masks
    from gridbench.core.csv_files import csv_text
    from gridbench.core.files import all_or_nothing, check_folder, check_free, write_bytes

    out = request.out
    found, archive = read_mask_audit(request.folder, request.cache)
    request.refuse_injected(found.injected is not None, "maps")
    # Print nothing until everything has been checked.
    said: list[str] = []
    accepted = _accepted(found, archive, request.decisions, request.top, said)
    maps = _maps(found, archive, accepted, request.splits, said)
    masks, table = out / "masks", out / "classes.csv"
    for path in (out, masks, *{path.parent for path in mask_paths(archive, masks)}):
        check_folder(path)
    check_free([masks, table, *([out / "images"] if request.images else [])], request.force)
    for line in said:
        say(line)
    rows = [["name", "value"], *([name, str(c)] for c, name in enumerate(archive.class_names))]
    with all_or_nothing(out):
        count = write_masks(archive, maps, masks)
        write_bytes(table, csv_text(rows).encode())
        images = request.write_images(archive)
    changed = int((maps != archive.label_maps).sum())
    say(
        f"{masks}: {counted(count, 'mask')}, {counted(len(accepted), 'finding')} accepted, "
        f"{counted(changed, 'pixel')} changed."
    )
    request.finish(archive, images, ["--masks", str(masks), "--classes", str(table)])


def _accepted(
    found: MaskAudit, archive: Archive, decisions: Path | None, top: str | None, said: list[str]
) -> list[int]:
    """Return the positions of the findings to apply, and append the number of unreviewed ones to the messages.

    Raises:
        InputError: `--top` is neither auto nor a number up to where errors are certain.
    """
    from gridbench.audit.correction import ACCEPT
    from gridbench.audit.expectation import leading
    from gridbench.audit.masks.correction import decided_findings

    decided = {} if decisions is None else decided_findings(decisions, found, archive)
    accepted = [at for at, word in decided.items() if word == ACCEPT]
    if top is not None:
        line = found.document["expected"]["change"]
        count = (
            line if top == "auto" else int(top) if top.isascii() and top.isdecimal() and len(top) < 10 else -1
        )
        if not 0 <= count <= line or (not count and top != "auto"):
            raise InputError(
                f"--top is {top!r}; allowed is auto{f', or a number from 1 to {line}' if line else ''}: "
                + (f"only {leading(line, 'finding')} of the list" if line else "no finding of the list")
                + (" is an error" if line <= 1 else " are errors")
                + " with a probability that certainly exceeds one half. Decide about more on the page."
            )
        unseen = [at for at in range(count) if at not in decided]
        mended = round(float(found.scores[unseen].sum()))
        said.append(
            f"Changed unseen: {counted(len(unseen), 'finding')}; expected to mend {mended} and to break "
            f"{len(unseen) - mended}."
        )
        accepted += unseen
    return sorted(set(accepted))


def _maps(found: MaskAudit, archive: Archive, accepted: Sequence[int], splits: str, said: list[str]) -> Any:
    """Return the label maps of the whole archive with what was accepted, in the training split or in all."""
    import numpy as np

    from gridbench.audit.masks.correction import corrected_maps

    training = set(archive.indices("train").tolist())
    inside = [at for at in accepted if int(found.positions[found.images[at]]) in training]
    if splits == "train" and len(inside) < len(accepted):
        said.append(
            f"Left out: {counted(len(accepted) - len(inside), 'change')} of validation and test maps; --splits all "
            "makes them."
        )
    maps = np.array(archive.label_maps)
    maps[found.positions] = corrected_maps(found, inside if splits == "train" else accepted)
    return maps
