"""A rich console that escapes untrusted text and never truncates words in tables; it imports in 0.1 s."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from typing import Any

import rich.console
from rich.cells import cell_len
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from gridbench.core.terminal import escape

__all__ = ["Console"]


class Console(rich.console.Console):
    """rich's console, whose styles reach the terminal and whose texts are escaped and hold no markup."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, **settings})

    @property
    def file(self) -> Any:
        """The stream that is written to."""
        stream: Any = self._file or (sys.stderr if self.stderr else sys.stdout)
        stream = getattr(stream, "rich_proxied_file", stream)
        return getattr(stream, "trusted", stream) or io.StringIO()

    @file.setter
    def file(self, new_file: Any) -> None:
        """Set the stream."""
        self._file = new_file

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError, as `print` does; rich would end the process, which looks like a plug-in's doing."""
        raise BrokenPipeError

    def print(self, *objects: Any, **settings: Any) -> None:
        """Print objects; a table is as wide as its longest words need, even where the terminal is narrower."""
        size = self.size
        widths = [_fit(table, size.width) for table in objects if isinstance(table, Table)]
        if widths:
            # Pass both: with the width alone, rich assumes 80 columns on a dumb terminal.
            self.size = rich.console.ConsoleDimensions(max(size.width, *widths), size.height)
        super().print(*objects, **settings)
        if widths:
            self.size = size

    def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
        """Render something, its texts escaped."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(escape(segment.text), segment.style)


def _fit(table: Table, width: int) -> int:
    """Give each column the width of its longest word and a share of the rest; return the table's total width."""
    columns = table.columns
    _, right, _, left = table.padding
    between = len(columns) + (1 if table.show_edge else -1) if table.box else 0
    free = width - between - len(columns) * (left + right) + (0 if table.pad_edge else left + right)
    texts = [[_plain(cell) for cell in (column.header, *column.cells)] for column in columns]
    widest = [max(map(_width, own)) for own in texts]
    widths = [
        most if column.no_wrap else max(_width(word) for text in own for word in text.split() or [""])
        for column, own, most in zip(columns, texts, widest, strict=True)
    ]
    for _ in range(free - sum(widths)):
        # The column with the most wrapped lines gets the next character.
        most, at = max(
            (most / max(own, 1), at) for at, (most, own) in enumerate(zip(widest, widths, strict=True))
        )
        if most <= 1:
            break
        widths[at] += 1
    for column, own in zip(columns, widths, strict=True):
        column.width = own
    return width + max(0, sum(widths) - free)


def _plain(cell: Any) -> str:
    return escape(cell.plain if isinstance(cell, Text) else str(cell))


def _width(text: str) -> int:
    return max((cell_len(line) for line in text.splitlines()), default=0)
