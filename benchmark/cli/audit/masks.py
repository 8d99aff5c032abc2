"""`gridbench audit` for label maps: prints the findings and writes corrected masks."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridbench.core.terminal import say
from gridbench.errors import InputError

if TYPE_CHECKING:
    from gridbench.audit.audit import Folding
    from gridbench.audit.masks.audit import MaskAudit
    from gridbench.datasets import Archive
    from gridbench.plan import Plan
    from gridbench.records.runner import Execution

__all__ = ["GEOGRAPHIC_FORMATS", "apply_to_masks", "audit_label_maps", "export_findings", "print_mask_audit"]

GEOGRAPHIC_FORMATS = ("geojson", "gpkg")


def audit_label_maps(
    plan: Plan, folding: Folding, out: Path, execution: Execution, members: int, top: int
) -> tuple[MaskAudit, Path, Path]:
    """Audit label maps and write the list and the page; return the audit and where both are."""
    from gridbench.audit.masks.audit import audit_masks
    from gridbench.audit.masks.correction import write_mask_list
    from gridbench.audit.masks.page import write_mask_page

    found = audit_masks(plan, folding, out, execution, members)
    return found, write_mask_list(found, plan.archive, 10 * top), write_mask_page(found, plan.archive, top)


def print_mask_audit(found: MaskAudit, listed: Path, page: Path, where: Sequence[str]) -> None:
    """Print what was found in label maps, how far to go, and what to do next."""
    from gridbench.audit.expectation import Expectation, advice
    from gridbench.audit.skill import warning

    document = found.document
    config = document["config"]
    lines = [
        f"Audited {document['regions']} regions in the label maps of {document['images']} images of "
        f"{document['dataset']}: {len(document['folds'])} folds, {config['method']} with {config['loss']}, "
        f"{config['epochs']} epochs, {document['seconds']:.0f} s.",
        f"Kept together in a fold: {document['together']}.",
        f"{len(found)} findings. {advice(Expectation(**document['expected']))}",
        "Of errors planted on purpose, the list would show before it stops: "
        + ", ".join(f"{100 * row['found']:.0f} % of {name}" for name, row in document["planted"].items())
        + ".",
    ]
    poor = warning(document["skill"])
    lines[2:2] = [f"Warning: {poor}"] if poor else []
    if found.injected is not None:
        look = document["expected"]["look"]
        right = int((found.injected[:look] >= 0.5).sum())
        lines.append(
            f"Of the first {look}, {right} were changed on purpose (--slnir); your own errors count as false."
        )
    lines += [f"List:   {listed}", f"Page:   {page}"]
    command = shlex.join(
        [
            "gridbench",
            "audit",
            "apply",
            str(found.folder),
            "--decisions",
            "decisions.csv",
            "--out",
            "corrected",
            *where,
        ]
    )
    lines.append(f"Next:   open the page, decide, export decisions.csv, and: {command}")
    for line in lines:
        say(line)


def apply_to_masks(
    folder: Path,
    cache: Path | None,
    *,
    decisions: Path | None,
    top: str | None,
    splits: str,
    out: Path,
    images: bool,
    force: bool,
    with_injected_noise: bool,
) -> None:
    """Write corrected masks from an audit of label maps, and the table of their classes."""
    from gridbench.audit.export import write_images
    from gridbench.audit.masks.audit import read_mask_audit
    from gridbench.audit.masks.correction import mask_paths, write_masks
    from gridbench.core.csv_files import csv_text
    from gridbench.core.files import check_folder, check_free, write_bytes
    from gridbench.datasets import default_cache
    from gridbench.datasets.open import open_archive

    found, archive = read_mask_audit(folder, lambda name: open_archive(name, cache or default_cache()))
    if found.injected is not None and not with_injected_noise:
        raise InputError(
            f"The maps audited in {str(folder)!r} hold noise that was put in on purpose (--slnir), so corrected ones "
            "would not be yours. Audit again without --slnir, or say --with-injected-noise for an experiment."
        )
    accepted = _accepted(found, archive, decisions, top)
    maps = _maps(found, archive, accepted, splits)
    masks, table = out / "masks", out / "classes.csv"
    targets = [masks, table, *([out / "images"] if images else [])]
    for path in (out, masks, *{path.parent for path in mask_paths(archive, masks)}):
        check_folder(path)
    check_free(targets, force)
    out.mkdir(parents=True, exist_ok=True)
    count = write_masks(archive, maps, masks)
    rows = [["name", "value"], *([name, str(c)] for c, name in enumerate(archive.class_names))]
    write_bytes(table, csv_text(rows).encode())
    changed = int((maps != archive.label_maps).sum())
    say(
        f"{masks}: {count} masks, {len(accepted)} findings accepted, {changed} pixels differ from the archive."
    )
    if images:
        say(f"{write_images(archive, out / 'images')} images written to {out / 'images'}.")
    words = ["gridbench", "data", "prepare", "folder", "--data", str(out) if images else "YOUR-FOLDER"]
    words += [] if images else ["--masks", str(masks), "--classes", str(table)]
    words += ["--name", f"{archive.name}-corrected", *([] if cache is None else ["--cache", str(cache)])]
    say(f"Next: {shlex.join(words)}")


def export_findings(
    folder: Path, cache: Path | None, *, kind: str, out: Path, top: int | None, force: bool
) -> None:
    """Write the findings of an audit of label maps as outlines in degrees."""
    from gridbench.audit.exchange.geography import GEOGRAPHIC
    from gridbench.audit.masks.audit import read_mask_audit
    from gridbench.audit.masks.correction import mask_features
    from gridbench.core.files import check_free, write_bytes
    from gridbench.datasets import default_cache
    from gridbench.datasets.open import open_archive

    if kind not in GEOGRAPHIC:
        raise InputError(
            f"--format is {kind!r}. Findings of label maps are exported as {' or '.join(GEOGRAPHIC_FORMATS)} alone."
        )
    found, archive = read_mask_audit(folder, lambda name: open_archive(name, cache or default_cache()))
    check_free([out], force)
    count = max(1, found.document["expected"]["look"] if top is None else top)
    features = mask_features(found, archive, count)
    write_bytes(out, GEOGRAPHIC[kind](features))
    say(
        f"{out}: {len(features)} of the first {min(count, len(found))} findings, all whose coordinates are known."
    )


def _accepted(found: MaskAudit, archive: Archive, decisions: Path | None, top: str | None) -> list[int]:
    """Return the positions of the findings to apply.

    Raises:
        InputError: `--top` is neither auto nor a number up to where errors are certain.
    """
    from gridbench.audit.correction import ACCEPT
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
                f"--top is {top!r}. Of this list, the first {line} findings are errors with a probability that "
                "certainly exceeds one half; take --top auto, or decide about more on the page."
            )
        unseen = [at for at in range(count) if at not in decided]
        mended = round(float(found.scores[unseen].sum()))
        say(
            f"Changed unseen: {len(unseen)} findings; expected to mend {mended} and to break {len(unseen) - mended}."
        )
        accepted += unseen
    return sorted(set(accepted))


def _maps(found: MaskAudit, archive: Archive, accepted: Sequence[int], splits: str) -> Any:
    """Return the label maps of the whole archive with what was accepted, in the training split or in all."""
    import numpy as np

    from gridbench.audit.masks.correction import corrected_maps

    training = set(archive.indices("train").tolist())
    inside = [at for at in accepted if int(found.positions[found.images[at]]) in training]
    if splits == "train" and len(inside) < len(accepted):
        say(
            f"{len(accepted) - len(inside)} changes of validation and test maps were left out; --splits all makes them."
        )
    maps = np.array(archive.label_maps)
    maps[found.positions] = corrected_maps(found, inside if splits == "train" else accepted)
    return maps
