"""Comparison of archives before and after a correction: changed labels, and retrained scores on shared labels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gridbench.audit.cross_validation import ProgressPart
from gridbench.datasets import Archive
from gridbench.datasets.archive.layout import SPLITS
from gridbench.errors import InputError
from gridbench.evaluation.predictions import CleanLabels, score_predictions
from gridbench.evaluation.retrieval import Splits, score_method
from gridbench.plan import Plan
from gridbench.records.runner import Execution, execute
from gridbench.training.experiment import BaseExperiment, Outcome

__all__ = ["Changes", "ComparedExperiment", "Shared", "changes_between", "retrain", "shared_between"]

Array = npt.NDArray[Any]

COMPARED = 1
"""Raised when other images or labels are scored."""


@dataclass(frozen=True)
class Changes:
    """Differences between two archives whose images are matched by name.

    Attributes:
        images: Number of images in both, only in the first and only in the second.
        moved: Images that are in another split.
        classes: Classes in both.
        dropped: Classes that only the first has.
        introduced: Classes that only the second has.
        added: Split of the second -> class -> labels added to images that are in both.
        removed: The same, labels taken away.
        changed: Split -> images in both whose labels of common classes differ.
        relabelled: Images in both whose label map differs; None where an archive has no maps.
    """

    images: tuple[int, int, int]
    moved: int
    classes: tuple[str, ...]
    dropped: tuple[str, ...]
    introduced: tuple[str, ...]
    added: Mapping[str, Mapping[str, int]]
    removed: Mapping[str, Mapping[str, int]]
    changed: Mapping[str, int]
    relabelled: int | None


@dataclass(frozen=True, eq=False)
class Shared:
    """Images and labels on which both archives of a comparison are scored.

    Attributes:
        splits: Split -> (before (n,), after (n,)) positions of the images in the two archives.
        labels: (before (N, C), after (N', C')) labels to compare with; rows of other images are not used.
        left_out: Split -> images in that split of both archives that are not scored, since their labels differ.
        clean: Whether the labels are the clean ones of an archive that has a second table.
        same_classes: Whether both have the same classes, so that predictions can be scored, too.
    """

    splits: Mapping[str, tuple[Array, Array]]
    labels: tuple[Array, Array]
    left_out: Mapping[str, int]
    clean: bool
    same_classes: bool


def _match(before: Archive, after: Archive) -> tuple[Array, Array, list[str], Array, Array]:
    """Return positions of the images that are in both, their common classes, and the columns of these."""
    place = {name: i for i, name in enumerate(after.names)}
    pairs = [(i, place[name]) for i, name in enumerate(before.names) if name in place]
    ours, theirs = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    known = {name: c for c, name in enumerate(after.class_names)}
    classes = [name for name in before.class_names if name in known]
    columns = np.array([before.class_names.index(name) for name in classes], dtype=np.int64)
    return ours, theirs, classes, columns, np.array([known[name] for name in classes], dtype=np.int64)


def _split_of(archive: Archive) -> Array:
    found = np.empty(len(archive), dtype=np.int64)
    for at, split in enumerate(SPLITS):
        found[archive.indices(split)] = at
    return found


def _maps_differ(before: Archive, after: Archive, ours: Array, theirs: Array, clean: bool = False) -> Array:
    first, second = ((a.true_label_maps if clean else a.label_maps) for a in (before, after))
    assert first is not None
    assert second is not None
    pairs = zip(ours.tolist(), theirs.tolist(), strict=True)
    return np.array([not np.array_equal(first[i], second[j]) for i, j in pairs], dtype=bool)


def changes_between(before: Archive, after: Archive) -> Changes:
    """Count the images, classes and given labels in which two archives differ; images are matched by name."""
    ours, theirs, classes, columns, others = _match(before, after)
    splits = _split_of(after)[theirs]
    one = before.scene_labels[np.ix_(ours, columns)] != 0
    two = after.scene_labels[np.ix_(theirs, others)] != 0

    def by_class(where: Array) -> dict[str, dict[str, int]]:
        counts = {split: where[splits == at].sum(0) for at, split in enumerate(SPLITS)}
        return {
            split: {name: int(n) for name, n in zip(classes, found, strict=True) if n}
            for split, found in counts.items()
        }

    differ = (one != two).any(1)
    maps = before.has_maps and after.has_maps
    return Changes(
        (len(ours), len(before) - len(ours), len(after) - len(theirs)),
        int((_split_of(before)[ours] != splits).sum()),
        tuple(classes),
        tuple(name for name in before.class_names if name not in classes),
        tuple(name for name in after.class_names if name not in classes),
        by_class(two & ~one),
        by_class(one & ~two),
        {split: int(differ[splits == at].sum()) for at, split in enumerate(SPLITS)},
        int(_maps_differ(before, after, ours, theirs).sum()) if maps else None,
    )


def shared_between(before: Archive, after: Archive, level: str) -> Shared:
    """Return the images and labels on which both archives are scored.

    These are the images that both have in the same split. Their labels are the clean ones where an archive has a
    second table; images on whose labels the two disagree are left out.

    Args:
        before: The archive before the correction, with the labels of the level as its scene labels.
        after: The archive after it.
        level: What is learnt from: scene, single or pixel.

    Raises:
        InputError: The two have no image, no class or no test image in common.
    """
    ours, theirs, classes, columns, others = _match(before, after)
    both = f"{before.name!r} and {after.name!r}"
    for what, found in (("image", ours), ("class", classes)):
        if not len(found):
            raise InputError(
                f"The archives {both} have no {what} of the same name, so nothing can be compared. Prepare the "
                "corrected labels with the same images: gridbench data prepare folder --help"
            )
    clean = [archive.clean_scene_labels is not None for archive in (before, after)]
    own = before.true_scene_labels if clean[0] or not clean[1] else None
    other = after.true_scene_labels if clean[1] or not clean[0] else None
    one = None if own is None else own[np.ix_(ours, columns)] != 0
    two = None if other is None else other[np.ix_(theirs, others)] != 0
    shared = one if one is not None else two
    assert shared is not None
    differ = np.zeros(len(ours), dtype=bool) if one is None or two is None else (one != two).any(1)
    if level == "pixel":
        differ |= _maps_differ(before, after, ours, theirs, clean=True)
    first, second = _split_of(before)[ours], _split_of(after)[theirs]
    splits, left_out = {}, {}
    for at, split in enumerate(SPLITS):
        here = (first == at) & (second == at)
        splits[split] = (ours[here & ~differ], theirs[here & ~differ])
        left_out[split] = int((here & differ).sum())
    if not len(splits["test"][0]):
        raise InputError(
            f"The archives {both} have no test image in common on whose labels they agree, so nothing can be scored. "
            "Keep the splits when you prepare the corrected labels (the column `split` of labels.csv)."
        )
    labels = []
    for archive, rows, places in ((before, ours, columns), (after, theirs, others)):
        table = np.zeros(archive.scene_labels.shape, dtype=np.uint8)
        table[np.ix_(rows, places)] = shared
        labels.append(table)
    same = set(before.class_names) == set(after.class_names)
    return Shared(splits, (labels[0], labels[1]), left_out, any(clean), same)


class ComparedExperiment(BaseExperiment):
    """A run scored on the images and labels that two archives share.

    Args:
        plan: The plan of the run, from `compared_plan`.
        device: Where to compute.
        shared: What is scored.
        side: 0 for the archive before the correction, 1 for the one after it.
    """

    def __init__(self, plan: Plan, device: torch.device, shared: Shared, side: int) -> None:
        super().__init__(plan, device)
        self._scored = Splits(**{split: pair[side] for split, pair in shared.splits.items()})
        self._labels, self._same_classes = shared.labels[side], shared.same_classes

    def score(self, keep_predictions: bool = False) -> Outcome:
        """Retrieve and predict only the shared images.

        Args:
            keep_predictions: Not used: the scores are what is kept.
        """
        assert self.trainer is not None
        config, archive = self.plan.config, self.plan.archive
        best = self.trainer.use_best() if config.select == "best" else None
        settings = {name: getattr(config, name) for name in ("k", "distance", "ideal", "seed")}
        self._shown = {split: self.evaluation_set(self._scored[split]) for split in SPLITS}
        found, _ = score_method(self.method, self.shown, self._scored, self._labels, settings)
        metrics = {
            f"{prefix}{name}": float(values.mean())
            for prefix, pair in found.items()
            for name, values in pair.scores.items()
        }
        if self._same_classes:
            clean = CleanLabels(self._labels, lambda at: self._as_evaluated(archive.true_label_maps[at]))
            task = self.objective.task if self.objective else None
            predictions = score_predictions(task, self.predictions, self._scored, clean, archive.class_names)
            metrics |= predictions.metrics
        return Outcome({"schema": 1, "id": self.plan.id, "metrics": metrics, "best_epoch": best}, {}, {})


def compared_plan(plan: Plan, shared: Shared, side: int) -> Plan:
    """Return the plan of a run scored on shared images, with its own identity."""
    digest = hashlib.sha256(f"{COMPARED} {shared.same_classes}".encode())
    for split in SPLITS:
        digest.update(shared.splits[split][side].astype("<i8").tobytes())
        digest.update(shared.labels[side][shared.splits[split][side]].tobytes())
    return replace(plan, versions={**plan.versions, "compared": digest.hexdigest()})


def retrain(
    plans: Callable[[int], tuple[Plan, Plan]], shared: Shared, seeds: Sequence[int], execution: Execution
) -> tuple[dict[str, dict[int, float]], dict[str, dict[int, float]]]:
    """Train on both archives with each seed and score the shared images; finished runs are read.

    Args:
        plans: Seed -> plans of the runs before and after.
        shared: What is scored.
        seeds: The seeds.
        execution: Where the records go, and how they are computed.

    Returns:
        Metric -> seed -> value, before and after.

    Raises:
        RunFailed: A run started and could not be finished.
    """
    scores: tuple[dict[str, dict[int, float]], ...] = ({}, {})
    for at, seed in enumerate(seeds):
        for side, plan in enumerate(plans(seed)):
            inside = execution
            if execution.progress is not None:
                part = ProgressPart(2 * at + side, 2 * len(seeds), execution.progress.epoch)
                inside = replace(execution, progress=part)
            build = partial(ComparedExperiment, shared=shared, side=side)
            record = execute(compared_plan(plan, shared, side), inside, build)
            for name, value in record.metrics.items():
                scores[side].setdefault(name, {})[seed] = value
    return scores[0], scores[1]
