"""rich's console for texts that come from files and names; importing it takes a tenth of a second."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from typing import Any

import rich.console
from rich.segment import Segment

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

    def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
        """Render something, its texts escaped."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(escape(segment.text), segment.style)
