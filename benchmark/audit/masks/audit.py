"""Audits of label maps: folds, suspicious regions, and the audit folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.audit.audit import Folding, audit_folder, fold_of_images
from gridbench.audit.cross_validation import train_folds
from gridbench.audit.masks.certainty import rank_regions
from gridbench.audit.masks.regions import Candidate
from gridbench.audit.skill import skill_of_maps
from gridbench.audit.stored import FOLDS, common_facts, read_stored, write_stored
from gridbench.core.labels import IGNORE
from gridbench.core.streams import numpy_stream
from gridbench.datasets import Archive
from gridbench.errors import InputError
from gridbench.plan import Plan
from gridbench.records.runner import Execution
from gridbench.training.corrupt import corrupt_training_labels, training_images

__all__ = ["MaskAudit", "audit_masks", "read_mask_audit"]

Array = npt.NDArray[Any]

LARGEST = 4 * 2**30
"""Bytes of predictions, one for each class and pixel, that are held in memory at once."""


@dataclass(frozen=True, eq=False)
class MaskAudit:
    """Results of an audit of label maps, as stored in its folder.

    Attributes:
        folder: The audit's folder.
        document: Settings, folds and expectation; the content of audit.json.
        positions: (N,) positions of the audited images in the archive.
        given: (N, H, W) label maps as they were audited.
        images: (M,) position among the audited images of each finding, the most certain first.
        findings: The findings; their pixels are positions in the whole flat map.
        scores: (M,) probability that each is an error.
        injected: (M,) share of each finding's pixels that was changed on purpose; None when no noise was injected.
    """

    folder: Path
    document: dict[str, Any]
    positions: Array
    given: Array
    images: Array
    findings: list[Candidate]
    scores: Array
    injected: Array | None

    def __len__(self) -> int:
        return len(self.findings)


def audit_masks(
    plan: Plan, folding: Folding, root: Path, execution: Execution, members: int = 1
) -> MaskAudit:
    """Find regions of label maps that contradict held-out predictions; finished folds are reused.

    Args:
        plan: The plan of a run on all audited images with a loss of pixels; its noise, if any, is injected first.
        folding: How the images are divided.
        root: Folder of audits.
        execution: How the folds are computed; `runs` is not used.
        members: Networks for each fold, on seeds of their own; their log-odds are averaged.

    Returns:
        The audit, written to its folder.

    Raises:
        InputError: The method or loss cannot audit maps, the images cannot be divided, there are too many, or their
            maps hold a single class.
        RunFailed: A fold started and could not be finished; the same command goes on.
    """
    fold_of, together = fold_of_images(plan, folding)
    folder = audit_folder(root, plan, fold_of, members)
    positions = training_images(plan.archive, plan.config.train_size)
    corruption = corrupt_training_labels(plan)
    given = np.asarray(corruption.labels)
    if len(np.unique(given[given != IGNORE])) < 2:
        raise InputError(
            f"The label maps of {plan.archive.name!r} that would be audited hold one class or none, so no region "
            "contradicts another. Audit an archive whose maps hold several."
        )
    needed = given.size * plan.archive.num_classes
    if needed > LARGEST:
        raise InputError(
            f"The predictions of {len(given)} maps of {given.shape[1]} x {given.shape[2]} pixels and "
            f"{plan.archive.num_classes} classes take {needed / 2**30:.0f} GiB; {LARGEST / 2**30:.0f} can be audited "
            f"at once. Audit a part: --train-size {int(len(given) * LARGEST / needed)}"
        )
    total, seconds = None, 0.0
    inside = replace(execution, runs=folder / FOLDS, keep="light")
    for record in train_folds(plan, fold_of, inside, members):
        arrays = record.retrieval()
        codes = arrays["probabilities"]
        if total is None:
            # Codes are steps of log-odds, so their mean is that of the log-odds.
            total = np.zeros((len(given), *codes.shape[1:]), np.uint8 if members == 1 else np.uint16)
        total[arrays["positions"]] += codes
        seconds += sum(record.environment()["seconds"].values())
    assert total is not None, "there are two folds at least"
    codes = total if members == 1 else (total // members).astype(np.uint8)
    top, left = ((whole - part) // 2 for whole, part in zip(given.shape[1:], codes.shape[2:], strict=True))
    height, width = codes.shape[2:]
    seen = given[:, top : top + height, left : left + width]
    found = rank_regions(seen, codes, numpy_stream(plan.config.seed, "audit/regions"))
    findings = [_in_whole_map(one, (top, left), width, given.shape[2]) for one in found.findings]
    changed = given != np.asarray(plan.archive.label_maps)[positions] if len(corruption.changed) else None
    document = common_facts(plan, folder, fold_of, together, corruption, seconds, members) | {
        "regions": found.regions,
        "expected": asdict(found.expected),
        "planted": found.planted,
        "skill": skill_of_maps(seen, codes.argmax(1), fold_of),
    }
    injected = None
    if changed is not None:
        shares = [
            changed[i].ravel()[one.pixels].mean() for i, one in zip(found.images, findings, strict=True)
        ]
        injected = np.array(shares, dtype=np.float64)
    audit = MaskAudit(folder, document, positions, given, found.images, findings, found.scores, injected)
    write_stored(folder, document, _arrays(audit))
    return audit


def read_mask_audit(folder: Path, cache: Path | None) -> tuple[MaskAudit, Archive]:
    """Read a finished audit of label maps and open the archive that it is of.

    Args:
        folder: The audit's folder.
        cache: The cache folder of the archive; None for the user's own.

    Raises:
        InputError: There is no finished audit, or the archive has changed since.
    """
    document, arrays, archive = read_stored(folder, True, cache)
    return _audit(folder, document, arrays), archive


def _in_whole_map(one: Candidate, corner: tuple[int, int], width: int, whole: int) -> Candidate:
    rows, columns = np.divmod(one.pixels, width)
    return replace(one, pixels=(rows + corner[0]) * whole + columns + corner[1])


def _arrays(audit: MaskAudit) -> dict[str, Array]:
    findings = audit.findings
    none = [np.zeros(0, dtype=np.int64)]
    facts = [(one.kind, one.given, one.suspected, *one.moved, len(one.pixels)) for one in findings]
    arrays = {
        "positions": audit.positions,
        "given": audit.given,
        "images": audit.images,
        "facts": np.array(facts, dtype=np.int64).reshape(len(findings), 6),
        "evidence": np.array([one.evidence for one in findings], dtype=np.float64),
        "pixels": np.concatenate([*none, *(one.pixels for one in findings)]),
        "becomes": np.concatenate([*none, *(one.becomes for one in findings)]).astype(np.uint8),
        "scores": audit.scores,
    }
    return arrays if audit.injected is None else {**arrays, "injected": audit.injected}


def _audit(folder: Path, document: dict[str, Any], arrays: dict[str, Array]) -> MaskAudit:
    ends = np.cumsum(arrays["facts"][:, 5])
    pixels, becomes = (np.split(arrays[name], ends[:-1]) for name in ("pixels", "becomes"))
    findings = [
        Candidate(kind, float(evidence), places, classes, given, suspected, (down, across))
        for (kind, given, suspected, down, across, _), evidence, places, classes in zip(
            arrays["facts"].tolist(), arrays["evidence"], pixels, becomes, strict=False
        )
    ]
    return MaskAudit(
        folder,
        document,
        arrays["positions"],
        arrays["given"],
        arrays["images"],
        findings,
        arrays["scores"],
        arrays.get("injected"),
    )
