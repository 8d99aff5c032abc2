"""Expected precision along the ranking of an audit, stopping points, and the effect of unreviewed changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.audit.estimate import ENDS, Estimate, estimate_errors, evidence_of, scores_of
from gridbench.audit.ranking import shifted
from gridbench.errors import counted

__all__ = ["Expectation", "Planted", "advice", "beyond_page", "expect", "leading", "plant", "points"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

LONGEST, POINTS = 0.2, 60
"""Share of all labels for which precision is expected, and at how many lengths of the list at most."""

MISFIT, OPTIMISM = 0.1, 0.2
"""By how much the interval of precision is widened: at both ends in absolute terms, and at the lower one by a share.
Chosen as the margins of the rates are."""

WORTH_CHANGING, WORTH_LOOKING = 0.5, 0.2
"""Probability of being wrong above which labels are changed without review, and down to which they deserve a look."""

PLANTINGS, LEAST_PLANTED = 10, 0.02
"""How often errors are planted, and the smallest share of the labels that is changed each time."""


def points(longest: int) -> Array:
    """Return the lengths of the list, rising, at which expected precision is reported."""
    return np.unique(np.geomspace(1, max(longest, 1), POINTS).round().astype(int))


@dataclass(frozen=True)
class Expectation:
    """Expected precision of the first labels of a ranking.

    Attributes:
        k: Lengths of the list.
        precision: Expected share of errors among the first k.
        low: Lower end of its 95 % interval.
        high: Upper end.
        change: Number of leading labels that may be changed without review, since the lower end of the interval of
            their probability to be wrong exceeds one half; may be 0.
        look: Number of leading labels worth reviewing; of those after them, fewer than one in five is expected to be
            wrong.
    """

    k: list[int]
    precision: list[float]
    low: list[float]
    high: list[float]
    change: int
    look: int

    def expected_errors(self, count: int) -> tuple[int, int]:
        """Return how many of the first `count` labels are expected to be errors, and how many are right."""
        if not count:
            return 0, 0
        share = float(np.interp(count, self.k, self.precision))
        right = round(share * count)
        return right, count - right


def expect(
    estimate: Estimate,
    given: Array,
    probabilities: Array,
    rng: np.random.Generator,
    evidence: Floats | None = None,
    exclusive: bool = False,
) -> Expectation:
    """Return what the list ordered by an estimate's scores, and by evidence beside them, is expected to hold.

    Args:
        estimate: The fitted calibration curve and its resamples.
        given: (N, C) labels.
        probabilities: (N, C) that it was fitted to.
        rng: Draws how many of the uncertain labels turn out wrong.
        evidence: (N, C) what else is added to the log-odds that each label is wrong.
        exclusive: Whether each image has exactly one label, so that only given ones are listed.
    """
    beside = np.zeros(estimate.scores.shape) if evidence is None else evidence
    scores = shifted(estimate.scores, beside)
    order = np.argsort(-scores, axis=None, kind="stable")
    listed = len(scores) if exclusive else order.size
    order = order[: max(1, int(LONGEST * listed))]
    odds, others = (values.ravel()[order] for values in evidence_of(probabilities, exclusive))
    says = (np.asarray(given) != 0).ravel()[order]
    usual, beside = scores.ravel()[order], beside.ravel()[order]
    classes = order % estimate.scores.shape[1]
    curves = [shifted(scores_of(each[classes], odds, others, says), beside) for each in estimate.drawn]
    drawn = np.stack(curves or [usual])
    ks = points(len(order))
    mean = np.cumsum(drawn, 1)[:, ks - 1] / ks
    spread = np.sqrt(np.cumsum(np.maximum(drawn * (1 - drawn), 0), 1)[:, ks - 1]) / ks
    low, high = np.percentile((mean + spread * rng.standard_normal(mean.shape)).clip(0, 1), ENDS, axis=0)
    value = np.cumsum(usual)[ks - 1] / ks
    certain = (1 - OPTIMISM) * np.percentile(drawn, ENDS[0], axis=0) - MISFIT > WORTH_CHANGING
    behind = np.flatnonzero(~certain)
    return Expectation(
        ks.tolist(),
        value.tolist(),
        np.minimum((1 - OPTIMISM) * low - MISFIT, value).clip(0).tolist(),
        np.maximum(high + MISFIT, value).clip(max=1).tolist(),
        int(behind[0]) if len(behind) else len(order),
        int((usual >= WORTH_LOOKING).sum()),
    )


def leading(count: int, noun: str, plural: str = "") -> str:
    """Return the beginning of a list in words.

    >>> leading(1, "label"), leading(3, "label")
    ('the first label', 'the first 3 labels')
    """
    return f"the first {noun}" if count == 1 else f"the first {counted(count, noun, plural)}"


def advice(expected: Expectation) -> str:
    """Return advice in words: how many labels to review, and how many may be changed without review."""
    right, _ = expected.expected_errors(expected.look)
    look = (
        f"Look at {leading(expected.look, 'entry', 'entries')} of the list: "
        f"{f'about {right} errors are' if right > 1 else 'about one error is'} expected there; "
        "further down fewer than one in five."
        if expected.look
        else "In no part of the list is one label in five expected to be an error."
    )
    right, wrong = expected.expected_errors(expected.change)
    change = (
        f"Changing {leading(expected.change, 'entry', 'entries')} unseen is expected to mend {right} and to "
        f"break {wrong}."
        if expected.change
        else "None should be changed unseen: of no entry is it certain that it is more probably wrong than right."
    )
    return f"{look} {change}"


def beyond_page(expected: Expectation, shown: int, command: str = "the same command with") -> str:
    """Return in words that a page ends before the stopping line, and how to make one that does not; else nothing.

    Args:
        expected: What is expected of the list.
        shown: How many entries the page shows.
        command: The command that made the page; with `--top N` it makes one of N entries.
    """
    if shown >= expected.look:
        return ""
    return (
        f"The page shows {leading(shown, 'entry', 'entries')} alone, and keeps your decisions when it is made again "
        f"with more: {command} --top {expected.look}"
    )


@dataclass(frozen=True)
class Planted:
    """How labels that were corrupted on purpose are found and counted.

    Attributes:
        share: Share of all labels that was corrupted.
        estimated: By how much the estimated share of errors rose, on average.
        recall: Share of them among the first `k` labels, for each k of the expectation.
    """

    share: float
    estimated: float
    recall: list[float]


def plant(
    estimate: Estimate,
    given: Array,
    probabilities: Array,
    ks: list[int],
    rng: np.random.Generator,
    exclusive: bool = False,
) -> Planted:
    """Corrupt a few labels on purpose, several times, and search for them with the same held-out predictions only.

    A held-out prediction does not depend on the image's own labels, so nothing is trained again; margins do depend on
    them, and are left out. As many are corrupted as are estimated to be wrong, 2 % at least, removed and added in equal
    number.

    Args:
        estimate: Of the labels as given.
        given: (N, C) labels.
        probabilities: (N, C) held-out predictions.
        ks: Lengths of the list.
        rng: Decides which.
        exclusive: Whether each image has exactly one label: then another one takes its place.
    """
    if exclusive:
        return _plant_exclusive(estimate, np.asarray(given) != 0, probabilities, ks, rng)
    flat = (np.asarray(given) != 0).ravel()
    each = max(1, round(max(estimate.errors.value, LEAST_PLANTED) * flat.size / 2))
    sides = [np.flatnonzero(flat), np.flatnonzero(~flat)]
    recall, rise = np.zeros(len(ks)), 0.0
    for _ in range(PLANTINGS):
        picked = np.concatenate([rng.permutation(side)[: min(each, len(side) // 2)] for side in sides])
        changed = flat.copy()
        changed[picked] ^= True
        again = estimate_errors(changed.reshape(np.shape(given)), probabilities, rng, 0)
        rank = np.empty(flat.size, dtype=np.int64)
        rank[np.argsort(-again.scores, axis=None, kind="stable")] = np.arange(flat.size)
        recall += [(rank[picked] < k).mean() for k in ks] if len(picked) else 0
        rise += again.errors.value - estimate.errors.value
    share = len(picked) / flat.size
    return Planted(share, rise / PLANTINGS, (recall / PLANTINGS).tolist())


def _plant_exclusive(
    estimate: Estimate, given: Array, probabilities: Array, ks: list[int], rng: np.random.Generator
) -> Planted:
    """Give some images of one label each another one, and look for these."""
    count, classes = given.shape
    each = min(max(1, round(max(estimate.wrong.value, LEAST_PLANTED) * count)), count) if classes > 1 else 0
    recall, rise = np.zeros(len(ks)), 0.0
    for _ in range(PLANTINGS if each else 0):
        picked = rng.permutation(count)[:each]
        where = given.argmax(1)
        where[picked] = (where[picked] + rng.integers(1, classes, each)) % classes
        again = estimate_errors(np.eye(classes)[where], probabilities, rng, 0, exclusive=True)
        rank = np.empty(count, dtype=np.int64)
        rank[np.argsort(-again.scores.max(1), kind="stable")] = np.arange(count)
        recall += [(rank[picked] < k).mean() for k in ks]
        rise += again.wrong.value - estimate.wrong.value
    return Planted(each / count, rise / PLANTINGS, (recall / PLANTINGS).tolist())
