"""The share of the gap between plain training and the oracle that a method closes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from gridbench.leaderboard.tables.cells import Cell
from gridbench.leaderboard.tables.matching import Counterparts

__all__ = ["SMALLEST_GAP", "with_gap_closed"]

SMALLEST_GAP = 0.01
"""Where noise cost the plain method less than this (one point of NDCG), a share of it says nothing."""


def with_gap_closed(cells: Sequence[Cell]) -> list[Cell]:
    """Compute (method - plain) / (oracle - plain) wherever all three were measured.

    Plain is the method named after its loss, oracle the plain method trained on clean labels, both with the
    same loss, noise rate and every other setting that is not the method's own. Only seeds that all three have on one
    machine count.

    Args:
        cells: Cells of one metric.

    Returns:
        The cells, those of methods with `gap_closed` in percent: negative when the method did worse than plain
        training. The plain ones, whose share is 0 by definition, and reference rows have none.
    """
    if not any(cell.reference for cell in cells) or "ndcg@" not in cells[0].metric:
        return list(cells)
    known = Counterparts(cells)
    return [
        replace(cell, gap_closed=_gap_closed(cell, known.plain(cell), known.oracle(cell))) for cell in cells
    ]


def _gap_closed(cell: Cell, plain: Cell | None, oracle: Cell | None) -> float | None:
    if cell.reference or cell is plain or plain is None or oracle is None:
        return None
    seeds = list(cell.paired_values(plain, oracle))
    if not seeds:
        return None
    own, floor, ceiling = (
        math.fsum(side.values[seed] for seed in seeds) / len(seeds) for side in (cell, plain, oracle)
    )
    return 100 * (own - floor) / (ceiling - floor) if ceiling - floor >= SMALLEST_GAP else None
