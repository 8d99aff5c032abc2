"""Audits of scene labels: folds, held-out scores, and the audit folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.audit.calibration import calibrate
from gridbench.audit.correction import replacement
from gridbench.audit.cross_validation import check_auditable, divide, predict_held_out
from gridbench.audit.estimate import estimate_errors
from gridbench.audit.expectation import expect, plant
from gridbench.audit.ranking import Suspects, evidence_of_margins, rank_labels, shifted
from gridbench.audit.skill import skill_of_labels
from gridbench.audit.stored import FOLDS, common_facts, read_stored, write_stored
from gridbench.core.streams import numpy_stream
from gridbench.datasets import Archive
from gridbench.datasets.archive.groups import groupings_of
from gridbench.datasets.archive.single_labels import with_single_labels
from gridbench.errors import InputError, counted
from gridbench.metrics.confident import confident_learning
from gridbench.plan import Plan
from gridbench.records.runner import Execution
from gridbench.training.corrupt import corrupt_training_labels, training_images

__all__ = [
    "Audit",
    "Folding",
    "audit_folder",
    "audit_labels",
    "fold_of_images",
    "read_audit",
]

Array = npt.NDArray[Any]

FOLDS_WANTED = 5
OURS, CONFIDENT = "audit", "confident learning"


@dataclass(frozen=True)
class Folding:
    """How the training images are divided.

    Attributes:
        count: Number of folds; None takes 5, or as many as there are groups if these are fewer.
        by_image: Assign single images even where the archive has groups. Otherwise groups are kept together, by the
            coarsest grouping that has enough of them for the folds.
        pattern: Regular expression that finds the group in an image's name; see `groupings_of`.
    """

    count: int | None = None
    by_image: bool = False
    pattern: str | None = None


@dataclass(frozen=True, eq=False)
class Audit:
    """Results of an audit, as stored in its folder.

    Attributes:
        folder: The audit's folder.
        document: Settings, folds, estimates and calibration; the content of audit.json.
        positions: (N,) positions of the audited images in the archive.
        given: (N, C) audited labels.
        before: (N, C) labels before noise was injected; None without injected noise.
        probabilities: (N, C) held-out predictions.
        scores: (N, C) probability that each label is wrong.
        margins: Mean margins of the given labels in training, (N, C), or (N, 1) with one label per image; None without.
    """

    folder: Path
    document: dict[str, Any]
    positions: Array
    given: Array
    before: Array | None
    probabilities: Array
    scores: Array
    margins: Array | None = None

    @property
    def injected(self) -> bool:
        """Whether noise was injected into the audited labels."""
        return self.before is not None

    @property
    def exclusive(self) -> bool:
        """Whether each image has exactly one label, so that a finding replaces it by another."""
        return bool(self.document["level"] == "single")

    def ranked(self, kind: str = "both") -> Suspects:
        """Return the labels in the order of their suspicion; see `rank_labels`."""
        return rank_labels(self.given, self.scores, "wrong" if self.exclusive else kind)

    def replacements(self, i: int, label: int, wrong: bool) -> list[int]:
        """Return the classes that should replace a wrong label of image `i`; see `replacement`."""
        return replacement(self.given[i], self.probabilities[i], label, wrong, self.exclusive)


def fold_of_images(plan: Plan, folding: Folding) -> tuple[Array, str]:
    """Divide the training images of a plan, the same way for the same seed.

    Args:
        plan: The plan of a run on all audited images.
        folding: How they are divided.

    Returns:
        (N,) fold of each image, and in words what was kept together.

    Raises:
        InputError: There are fewer groups than folds, or the pattern does not fit.
    """
    train = training_images(plan.archive, plan.config.train_size)
    rng = numpy_stream(plan.config.seed, "audit")
    count = folding.count or min(FOLDS_WANTED, len(train))
    known = [] if folding.by_image else groupings_of(plan.archive, folding.pattern)
    divisions = [(each.words, [each.groups[i] for i in train]) for each in known]
    fitting = [pair for pair in divisions if len(set(pair[1])) >= count] or divisions[-1:]
    if not fitting:
        return divide(len(train), count, rng), "nothing (images were dealt out singly)"
    words, groups = fitting[0]
    return divide(len(train), folding.count or min(count, len(set(groups))), rng, groups), words


def audit_folder(root: Path, plan: Plan, fold_of: Array, members: int = 1) -> Path:
    """Return the folder of an audit, whose name is derived from the audited data and the settings."""
    content = f"{plan.id} {hashlib.sha256(fold_of.astype('<i8').tobytes()).hexdigest()}"
    content += f" {members} members" if members > 1 else ""
    return root / f"{plan.folder_name[:-10]}{hashlib.sha256(content.encode()).hexdigest()[:10]}"


def audit_labels(plan: Plan, folding: Folding, root: Path, execution: Execution, members: int = 1) -> Audit:
    """Score every training label of a plan with networks trained without its image; finished folds are reused.

    Args:
        plan: The plan of a run on all audited images; its noise, if any, is injected before they are divided.
        folding: How they are divided.
        root: Folder of audits.
        execution: How the folds are computed; `runs` is not used.
        members: Networks for each fold, on seeds of their own; their predictions are averaged.

    Returns:
        The audit, written to its folder.

    Raises:
        InputError: The method or loss cannot audit labels, the images cannot be divided, or all have the same labels.
        RunFailed: A fold started and could not be finished; the same command goes on.
    """
    check_auditable(plan)
    fold_of, together = fold_of_images(plan, folding)
    folder = audit_folder(root, plan, fold_of, members)
    positions = training_images(plan.archive, plan.config.train_size)
    corruption = corrupt_training_labels(plan)
    given = np.asarray(corruption.labels != 0, dtype=np.uint8)
    if (given == given[0]).all():
        raise InputError(
            f"All {counted(len(given), 'image')} of {plan.archive.name!r} that would be audited have the same labels, "
            "so none contradicts another. Audit an archive whose labels differ."
        )
    inside = replace(execution, runs=folder / FOLDS, keep="light")
    held_out = predict_held_out(plan, fold_of, inside, members)
    probabilities = held_out.probabilities
    before = np.asarray(plan.archive.scene_labels[positions] != 0, dtype=np.uint8)
    rng = numpy_stream(plan.config.seed, "audit/bootstrap")
    single = plan.level == "single"
    estimate = estimate_errors(given, probabilities, rng, exclusive=single)
    evidence = evidence_of_margins(estimate.scores, held_out.margins)
    expected = expect(estimate, given, probabilities, rng, evidence, single)
    planted = plant(estimate, given, probabilities, expected.k, rng, single)
    scores = np.where(given, 1, not single) * shifted(estimate.scores, evidence)
    confident = confident_learning(given, probabilities, single)
    seconds = sum(sum(record.environment()["seconds"].values()) for record in held_out.records)
    document = common_facts(plan, folder, fold_of, together, corruption, seconds, members)
    injected = document["injected"] is not None
    document |= {
        "labels": int(given.sum()),
        "noise_rate": estimate.document(),
        "expected": asdict(expected),
        "planted": asdict(planted),
        "margins": held_out.margins is not None,
        "skill": skill_of_labels(given, probabilities, fold_of),
        "confident_learning_found": int(confident.found.sum()),
        "calibration": calibrate(given, before, {OURS: scores, CONFIDENT: confident.score}, single)
        if injected
        else None,
    }
    arrays = {
        "positions": positions,
        "given": given,
        "probabilities": probabilities,
        "scores": scores,
        "fold": fold_of,
    }
    if injected:
        arrays["before"] = before
    if held_out.margins is not None:
        arrays["margins"] = held_out.margins
    write_stored(folder, document, arrays)
    return _audit(folder, document, arrays)


def read_audit(folder: Path, cache: Path | None) -> tuple[Audit, Archive]:
    """Read a finished audit of scene labels or single labels, and open the archive that it is of.

    Args:
        folder: The audit's folder.
        cache: The cache folder of the archive; None for the user's own.

    Raises:
        InputError: There is no finished audit, or the archive has changed since.
    """
    document, arrays, archive = read_stored(folder, False, cache)
    audit = _audit(folder, document, arrays)
    return audit, with_single_labels(archive) if audit.exclusive else archive


def _audit(folder: Path, document: dict[str, Any], arrays: Mapping[str, Array]) -> Audit:
    return Audit(
        folder,
        document,
        arrays["positions"],
        arrays["given"],
        arrays.get("before"),
        arrays["probabilities"],
        arrays["scores"],
        arrays.get("margins"),
    )
