"""Error probability of each region of the label maps, calibrated on synthetic errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.audit.estimate import ENDS
from gridbench.audit.expectation import MISFIT, OPTIMISM, WORTH_CHANGING, WORTH_LOOKING, Expectation, points
from gridbench.audit.masks.curve import DRAWS, fit_curves, likeness
from gridbench.audit.masks.log_odds import log_odds
from gridbench.audit.masks.planting import plant_errors, plant_shifts
from gridbench.audit.masks.regions import MISSING, Candidate, displaced, find_regions, find_shift

__all__ = ["Certainty", "rank_regions"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

MOST_MAPS = 400
"""Maps into which each kind of error is planted; more change the curves by less than their intervals."""

HELD_BY = 0.5
"""A candidate is of a planted error when at least half of it was changed on purpose."""

Found = list[tuple[int, Candidate]]


@dataclass(frozen=True, eq=False)
class Certainty:
    """The findings of all maps, the most certain first, and how certain they are.

    Attributes:
        images: (M,) position of each finding's map.
        findings: The findings.
        scores: (M,) probability that each is an error.
        expected: Expected precision along the list.
        planted: Kind of planted error -> `maps` that hold one, and `found`: the share of these in which it would stand
            above the stopping line.
        regions: Number of regions of the maps that were compared with the prediction.
    """

    images: Array
    findings: list[Candidate]
    scores: Floats
    expected: Expectation
    planted: dict[str, dict[str, float]]
    regions: int


@dataclass(frozen=True, eq=False)
class Calibrated:
    """How candidates of one kind compare with planted errors; the first row is the likeliest, the others are drawn.

    Attributes:
        alike: (1 + DRAWS, M) how probably each candidate looks like a planted error for some reason.
        shares: (1 + DRAWS,) share of errors in what does.
    """

    alike: Floats
    shares: Floats


def rank_regions(maps: Array, codes: Array, rng: np.random.Generator) -> Certainty:
    """Find what predictions contradict in label maps, and order it by the probability that it is an error.

    A held-out prediction does not depend on the map of its own image, so errors that are planted on purpose are looked
    for with the same predictions. By evidence and size, they are compared with everything in the maps as given, agreed
    with or not: a logistic curve with two asymptotes tells how much of it looks like a planted error. How much of that
    is an error, and how much a mistake of the model that looks the same, depends on how many there are. Displaced maps,
    regions of the maps and predicted objects have a curve each. A map that looks displaced rather than not is compared
    after it was moved back.

    Args:
        maps: (N, H, W) label maps; 255 is left alone.
        codes: (N, C, H, W) coded log-odds of models that have not seen the image.
        rng: Decides what is planted, and the resampling.
    """
    chosen = np.sort(rng.permutation(len(maps))[:MOST_MAPS])
    every = np.arange(len(maps))
    reached: dict[str, list[tuple[int, float]]] = {}
    counts: dict[str, int] = {}

    shifts = _shifts(maps, codes, every)
    moved, which = plant_shifts(maps[chosen], rng)
    counts["shifted maps"], reached["shifted maps"] = len(which), []
    planted = [("shifted maps", i, one) for i, one in _shifts(moved, codes[chosen], which)]
    parts = [_calibrate(shifts, planted, reached, rng)]

    current = np.array(maps)
    for (i, one), alike in zip(shifts, parts[0].alike[0], strict=True):
        if alike >= WORTH_CHANGING:
            current[i] = displaced(maps[i], *one.moved)
    found = _regions(current, codes, every)
    planted = []
    for name, corrupted in plant_errors(current[chosen], codes.shape[1], rng):
        changed = corrupted != current[chosen]
        which = np.flatnonzero(changed.any((1, 2)))
        counts[name], reached[name] = len(which), []
        hits = (
            (name, i, one)
            for i, one in _regions(corrupted, codes[chosen], which)
            if changed[i].ravel()[one.pixels].mean() >= HELD_BY
        )
        planted += hits
    for objects in (False, True):
        ours = [(i, one) for i, one in found if (one.kind == MISSING) == objects]
        theirs = [each for each in planted if (each[2].kind == MISSING) == objects]
        parts.append(_calibrate(ours, theirs, reached, rng))
    return _joined([shifts, *_split(found)], parts, counts, reached, rng)


def _shifts(maps: Array, codes: Array, which: Array) -> Found:
    found = ((int(i), find_shift(maps[i], log_odds(codes[i]))) for i in which)
    return [(i, one) for i, one in found if one is not None]


def _regions(maps: Array, codes: Array, which: Array) -> Found:
    return [(int(i), one) for i in which for one in find_regions(maps[i], log_odds(codes[i]))]


def _split(found: Found) -> list[Found]:
    return [[pair for pair in found if (pair[1].kind == MISSING) == objects] for objects in (False, True)]


def _calibrate(
    ours: Found,
    planted: Sequence[tuple[str, int, Candidate]],
    reached: dict[str, list[tuple[int, float]]],
    rng: np.random.Generator,
) -> Calibrated:
    """Calibrate candidates of one kind on planted ones.

    Args:
        ours: Candidates of the maps as given.
        planted: Kind of planted error, map and candidate, of those that hold one.
        reached: Given the map and score that each planted one would have.
        rng: Draws from the posterior.
    """
    if not ours or not planted:
        return Calibrated(np.zeros((1 + DRAWS, len(ours))), np.ones(1 + DRAWS))
    candidates = [*(one for _, one in ours), *(one for _, _, one in planted)]
    values = np.array([(one.evidence, np.log(len(one.pixels))) for one in candidates])
    theirs = np.arange(len(values)) >= len(ours)
    curves = fit_curves(values, theirs, rng)
    alike = np.stack([likeness(each, values) for each in curves])
    for (name, i, _), score in zip(planted, alike[0, len(ours) :] * curves[0, 0], strict=True):
        reached[name].append((i, float(score)))
    return Calibrated(alike[:, : len(ours)], curves[:, 0])


def _joined(
    groups: Sequence[Found],
    parts: Sequence[Calibrated],
    counts: dict[str, int],
    reached: dict[str, list[tuple[int, float]]],
    rng: np.random.Generator,
) -> Certainty:
    """Return all contradicted parts in one list, the most certain first."""
    found = [pair for group in groups for pair in group]
    alike = np.concatenate([part.alike for part in parts], 1)
    drawn = np.concatenate([part.alike * part.shares[:, None] for part in parts], 1)
    scores = drawn[0]
    contradicted = np.flatnonzero([one.evidence > 0 for _, one in found])
    order = contradicted[np.argsort(-scores[contradicted], kind="stable")]
    planted = {
        name: {
            "maps": counts[name],
            "found": len({i for i, score in reached[name] if score >= WORTH_LOOKING}) / max(1, counts[name]),
        }
        for name in counts
    }
    return Certainty(
        np.array([found[k][0] for k in order], dtype=np.int64),
        [found[k][1] for k in order],
        scores[order],
        _expect(drawn[:, order], alike[1:, order], rng),
        planted,
        len(groups[1]),
    )


def _expect(drawn: Floats, alike: Floats, rng: np.random.Generator) -> Expectation:
    """Return the expected precision along a list; see `gridbench.audit.expectation.expect`, here of regions.

    The upper end is that of the case that all that looks like an error is one. Both ends are widened as those of scene
    labels are.

    Args:
        drawn: (1 + R, M) probability that each is an error: the mean, and draws from the posterior.
        alike: (R, M) draws of the likeness to planted errors.
        rng: Draws how many turn out to be errors.
    """
    scores, drawn = drawn[0], drawn[1:]
    if not len(scores):
        return Expectation([0], [0.0], [0.0], [1.0], 0, 0)
    ks = points(len(scores))
    value = np.cumsum(scores)[ks - 1] / ks
    low, high = (
        np.percentile(_precisions(each, ks, rng), end, axis=0)
        for each, end in zip((drawn, alike), ENDS, strict=True)
    )
    certain = (1 - OPTIMISM) * np.percentile(drawn, ENDS[0], axis=0) - MISFIT > WORTH_CHANGING
    behind = np.flatnonzero(~certain)
    return Expectation(
        ks.tolist(),
        value.tolist(),
        np.minimum((1 - OPTIMISM) * low - MISFIT, value).clip(0).tolist(),
        np.maximum((1 + OPTIMISM) * high + MISFIT, value).clip(max=1).tolist(),
        int(behind[0]) if len(behind) else len(scores),
        int((scores >= WORTH_LOOKING).sum()),
    )


def _precisions(drawn: Floats, ks: Array, rng: np.random.Generator) -> Floats:
    """Return (R, K) draws of the precision of the first k, of (R, M) draws of the probability of each."""
    mean = np.cumsum(drawn, 1)[:, ks - 1] / ks
    spread = np.sqrt(np.cumsum(drawn * (1 - drawn), 1)[:, ks - 1].clip(0)) / ks
    found: Floats = (mean + spread * rng.standard_normal(mean.shape)).clip(0, 1)
    return found
