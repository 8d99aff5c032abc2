"""Inexact boundaries: some classes of a label map are dilated by a few pixels, which erodes their neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.core.labels import is_labelled
from gridbench.noise.core.corruption import Corruption, Ints
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.model import NoiseModel
from gridbench.noise.core.rates import realisable
from gridbench.noise.core.regions import pixel_corruption
from gridbench.parameters import parameter
from gridbench.registry import register_noise

__all__ = ["Boundary", "Parameters"]

Strengths = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Parameters:
    """How far boundaries move at most."""

    width: int = parameter(5, "pixels that a boundary moves at most", "ours", low=1)


@register_noise()
class Boundary(NoiseModel):
    """The rate is the share of labelled pixels whose class changes: exactly floor(P * rate / 100) of P.

    In each map the classes are put in a random order of strength. Step by step every labelled pixel takes the
    strongest class among itself and its four neighbours, so that strong classes dilate and weak ones erode. The
    steps are as few as the rate allows; of the pixels that the last one would change, as many as are still wanted
    are drawn uniformly from all maps together.
    """

    levels = ("pixel",)
    Parameters = Parameters

    def corrupt_maps(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Move boundaries."""
        clean, num_classes = labels.maps, labels.num_classes
        pixels = labels.class_pixels
        ranks = rng.permuted(np.tile(np.arange(1, num_classes + 1, dtype=np.uint16), (len(clean), 1)), axis=1)
        reach = self._reach(clean, ranks)
        totals = reach.sum(axis=0)
        why = f"no boundary moves by more than {self.parameters.width} pixels (parameter width)"
        wanted = realisable(int(pixels.sum()), int(totals[-1]), rate, "labelled pixels", why)
        full = int(np.searchsorted(totals, wanted, side="right")) - 1
        last = (
            _spread(np.diff(reach, axis=1)[:, full], wanted - int(totals[full]), rng)
            if full < len(totals) - 1
            else None
        )
        noisy = clean.copy()
        affected = np.zeros(num_classes, dtype=np.int64)
        for sample, rank in enumerate(ranks):
            some = 0 if last is None else int(last[sample])
            if reach[sample, full] + some == 0:
                continue
            start = _strength(clean[sample], rank)
            now = start
            for _ in range(full):
                now = _step(now)
            if some:
                grown = _step(now)
                fresh = np.flatnonzero((now == start) & (grown != start))
                chosen = rng.choice(fresh, some, replace=False, shuffle=False)
                now = now.copy()
                now.reshape(-1)[chosen] = grown.reshape(-1)[chosen]
            place = now != start
            affected += np.bincount(clean[sample][place].astype(np.int64), minlength=num_classes)
            noisy[sample][place] = np.argsort(rank)[now[place].astype(np.int64) - 1]
        return pixel_corruption(clean, noisy, rate, pixels.sum(axis=0), affected)

    def _reach(self, clean: npt.NDArray[Any], ranks: Strengths) -> Ints:
        """Count the pixels of each map that differ from the clean one after 0, 1, ... steps: (N, width + 1)."""
        reach = np.zeros((len(clean), self.parameters.width + 1), dtype=np.int64)
        for sample, rank in enumerate(ranks):
            start = _strength(clean[sample], rank)
            now = start
            for step in range(1, self.parameters.width + 1):
                now = _step(now)
                reach[sample, step] = np.count_nonzero(now != start)
                if reach[sample, step] == reach[sample, step - 1] == 0:
                    break
        return reach


def _strength(one: npt.NDArray[Any], rank: Strengths) -> Strengths:
    """Return the strength of each pixel's class (H, W), 0 for ignored ones."""
    known = is_labelled(one)
    return np.where(known, rank[np.where(known, one, 0)], 0).astype(np.uint16)


def _step(now: Strengths) -> Strengths:
    grown = now.copy()
    np.maximum(grown[1:], now[:-1], out=grown[1:])
    np.maximum(grown[:-1], now[1:], out=grown[:-1])
    np.maximum(grown[:, 1:], now[:, :-1], out=grown[:, 1:])
    np.maximum(grown[:, :-1], now[:, 1:], out=grown[:, :-1])
    grown[now == 0] = 0
    return grown


def _spread(fresh: Ints, wanted: int, rng: np.random.Generator) -> Ints:
    """Divide a uniform draw of `wanted` pixels over maps with so many fresh ones: (N,)."""
    counts: Ints = rng.multivariate_hypergeometric(fresh, wanted, method="marginals")
    return counts
