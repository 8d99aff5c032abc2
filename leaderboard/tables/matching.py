"""Matching of cells between methods with otherwise equal settings, and the gap closed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from gridbench.leaderboard.tables.cells import Cell

__all__ = ["SMALLEST_GAP", "Counterparts", "with_gap_closed"]

SMALLEST_GAP = 0.01
"""Where noise cost the plain method less than this (one point of NDCG), a share of it says nothing."""

_OWNED = ("method", "versions.method", "plugin", "parameters.")


class Counterparts:
    """Finds the cell of another method at the same setting.

    Args:
        cells: Cells of one metric; only these can be asked about.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._settings = {id(cell): _setting(cell) for cell in cells}
        self._known: dict[tuple[object, str], list[Cell]] = {}
        self._with_any_loss: dict[tuple[object, str], list[Cell]] = {}
        self._losses: dict[str, set[str]] = {}
        for cell in cells:
            setting, method = self._settings[id(cell)], cell.text("method")
            self._known.setdefault((setting, method), []).append(cell)
            self._with_any_loss.setdefault((_without_loss(setting), method), []).append(cell)
            self._losses.setdefault(method, set()).add(cell.text("loss"))

    def plain(self, cell: Cell) -> Cell | None:
        """Return plain training with the cell's loss: the method named after it."""
        return self._agreeing(cell, cell.text("loss"))

    def oracle(self, cell: Cell) -> Cell | None:
        """Return the plain method trained on clean labels."""
        return self._agreeing(cell, "oracle")

    def method(self, cell: Cell, name: str) -> Cell | None:
        """Return a method's cell with the same loss, or with its own if it has only one loss in all cells.

        None when it has none or several with other parameters.
        """
        found = self._known.get((self._settings[id(cell)], name), [])
        if not found and len(self._losses.get(name, ())) == 1:
            found = self._with_any_loss.get((_without_loss(self._settings[id(cell)]), name), [])
        return found[0] if len(found) == 1 else self._agreeing(cell, name)

    def _agreeing(self, cell: Cell, method: str) -> Cell | None:
        """Return the one cell of a method that agrees in all parameters both have: those of the loss."""
        found = [
            other
            for other in self._known.get((self._settings[id(cell)], method), [])
            if all(
                cell.text(name) == other.text(name)
                for name in cell.settings.keys() & other.settings.keys()
                if name.startswith("parameters.")
            )
        ]
        return found[0] if len(found) == 1 else None


def _setting(cell: Cell) -> tuple[tuple[str, str], ...]:
    """Return everything that must be equal; a plug-in or method version is the method's own."""
    own = sorted((name, cell.text(name)) for name in cell.settings if not name.startswith(_OWNED))
    return (("origin", cell.run.origin), *own)


def _without_loss(setting: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in setting if name not in ("loss", "versions.loss"))


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
    if not any(cell.run.reference for cell in cells) or "ndcg@" not in cells[0].metric:
        return list(cells)
    known = Counterparts(cells)
    return [
        replace(cell, gap_closed=_gap_closed(cell, known.plain(cell), known.oracle(cell))) for cell in cells
    ]


def _gap_closed(cell: Cell, plain: Cell | None, oracle: Cell | None) -> float | None:
    if cell.run.reference or cell is plain or plain is None or oracle is None:
        return None
    seeds = list(cell.paired_values(plain, oracle))
    if not seeds:
        return None
    own, floor, ceiling = (
        math.fsum(side.values[seed] for seed in seeds) / len(seeds) for side in (cell, plain, oracle)
    )
    return 100 * (own - floor) / (ceiling - floor) if ceiling - floor >= SMALLEST_GAP else None
