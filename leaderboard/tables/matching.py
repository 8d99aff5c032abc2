"""Which cell of another method belongs beside a cell: the same in everything that is not the method's own."""

from __future__ import annotations

from collections.abc import Sequence

from gridbench.leaderboard.tables.cells import Cell

__all__ = ["Counterparts"]

_OWNED = ("method", "versions.method", "plugin", "parameters.")


class Counterparts:
    """Finds the cell of another method at the same setting.

    Args:
        cells: Cells of one metric; only these can be asked about.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._settings = {id(cell): _setting(cell) for cell in cells}
        self._known: dict[tuple[object, str], list[Cell]] = {}
        for cell in cells:
            self._known.setdefault((self._settings[id(cell)], cell.text("method")), []).append(cell)

    def plain(self, cell: Cell) -> Cell | None:
        """Return plain training with the cell's loss: the method named after it."""
        return self._agreeing(cell, cell.text("loss"))

    def oracle(self, cell: Cell) -> Cell | None:
        """Return the plain method trained on clean labels."""
        return self._agreeing(cell, "oracle")

    def method(self, cell: Cell, name: str) -> Cell | None:
        """Return a method's cell; None when it has none or several with other parameters."""
        found = self._known.get((self._settings[id(cell)], name), [])
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
    return (("origin", cell.origin), *own)
