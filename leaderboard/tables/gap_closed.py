"""The share of the NDCG lost to label noise that a method won back."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gridbench.leaderboard.tables.cells import Cell
from gridbench.leaderboard.tables.matching import Counterparts

__all__ = ["SMALLEST_LOSS", "won_back"]

SMALLEST_LOSS = 0.01
"""Where noise cost the plain method less than this (one point of NDCG), a share of it says nothing."""


def won_back(cells: Sequence[Cell]) -> dict[int, float]:
    """Compute (method - plain) / (oracle - plain) wherever all three were measured.

    Plain is the method named after its loss, oracle the plain method trained on clean labels, both with the
    same loss, noise rate and every other setting that is not the method's own. Only seeds that all three have on one
    machine count.

    Args:
        cells: Cells of one metric.

    Returns:
        `id(cell)` -> percent, for the cells of methods (not for the plain ones, whose share is 0 by
        definition, nor for reference rows). Negative when the method did worse than plain training.
    """
    if not any(cell.reference for cell in cells) or "ndcg@" not in cells[0].metric:
        return {}
    known = Counterparts(cells)
    shares = {}
    for cell in cells:
        plain, oracle = known.plain(cell), known.oracle(cell)
        if cell.reference or cell is plain or plain is None or oracle is None:
            continue
        seeds = list(cell.paired_values(plain, oracle))
        if not seeds:
            continue
        floor, ceiling = (_mean(side, seeds) for side in (plain, oracle))
        if ceiling - floor >= SMALLEST_LOSS:
            shares[id(cell)] = 100 * (_mean(cell, seeds) - floor) / (ceiling - floor)
    return shares


def _mean(cell: Cell, seeds: Sequence[int]) -> float:
    return math.fsum(cell.values[seed] for seed in seeds) / len(seeds)
