"""`gridbench audit` for label maps: the audit, its summary, and the export of its findings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gridbench.cli.audit.summary import next_steps
from gridbench.cli.options import typed_command
from gridbench.core.terminal import say
from gridbench.errors import InputError, counted, method_in_words

if TYPE_CHECKING:
    from gridbench.audit.audit import Folding
    from gridbench.audit.masks.audit import MaskAudit
    from gridbench.plan import Plan
    from gridbench.records.runner import Execution

__all__ = ["GEOGRAPHIC_FORMATS", "audit_label_maps", "export_findings", "print_mask_audit"]

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


def print_mask_audit(found: MaskAudit, listed: Path, page: Path, where: Sequence[str], shown: int) -> None:
    """Print what was found in label maps, how far to go, and what to do next."""
    from gridbench.audit.expectation import Expectation, advice, beyond_page
    from gridbench.audit.skill import warning

    document = found.document
    config, expected = document["config"], Expectation(**document["expected"])
    method = method_in_words(config["method"], config["loss"])
    lines = [
        f"Audited {counted(document['regions'], 'region')} in the label maps of "
        f"{counted(document['images'], 'image')} of "
        f"{document['dataset']}: {len(document['folds'])} folds, {method}, "
        f"{counted(config['epochs'], 'epoch')}, {document['seconds']:.0f} s.",
        f"Kept together in a fold: {document['together']}.",
        f"{counted(len(found), 'finding')}. {advice(expected)}"
        if len(found)
        else "No finding: no region of the maps contradicts what the networks see.",
        "Of errors planted on purpose, the list would show before it stops: "
        + ", ".join(f"{100 * row['found']:.0f} % of {name}" for name, row in document["planted"].items())
        + ".",
    ]
    poor = warning(document["skill"])
    lines[2:2] = [f"Warning: {poor}"] if poor else []
    more = beyond_page(expected, shown, typed_command())
    lines += [more] if more else []
    look = expected.look
    if found.injected is not None and look:
        right = int((found.injected[:look] >= 0.5).sum())
        lines.append(
            f"Of the first {look}, {right} were changed on purpose (--slnir); your own errors count as false."
        )
    lines += [f"List:   {listed}", f"Page:   {page}"]
    if found.injected is not None:
        lines.append(
            "The maps hold noise that was put in on purpose; to correct your own, audit without --slnir."
        )
    elif len(found):
        lines += next_steps(found.folder, expected.change, where)
    for line in lines:
        say(line)


def export_findings(
    folder: Path, cache: Path | None, *, kind: str, out: Path, top: int | None, force: bool
) -> None:
    """Write the findings of an audit of label maps as outlines in degrees."""
    from gridbench.audit.exchange.geography import GEOGRAPHIC
    from gridbench.audit.masks.audit import read_mask_audit
    from gridbench.audit.masks.correction import mask_features
    from gridbench.core.files import check_free, write_bytes

    if kind not in GEOGRAPHIC:
        raise InputError(
            f"--format is {kind!r}. Findings of label maps are exported as {' or '.join(GEOGRAPHIC_FORMATS)} alone."
        )
    found, archive = read_mask_audit(folder, cache)
    check_free([out], force)
    count = max(1, found.document["expected"]["look"] if top is None else top)
    features = mask_features(found, archive, count)
    write_bytes(out, GEOGRAPHIC[kind](features))
    say(
        f"{out}: {len(features)} of the first {counted(min(count, len(found)), 'finding')}, all whose coordinates "
        "are known."
    )
