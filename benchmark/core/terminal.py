"""Terminal output, in which control characters from files and names are escaped."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO

__all__ = ["escape", "guarded"]

# Controls of ASCII and Latin-1 but tab and newline, soft hyphens, zero-width characters, marks and overrides of the
# direction of writing, invisible operators, tags, and halves of surrogate pairs.
_ACTS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)


def escape(text: str) -> str:
    r"""Return text in which every character that acts on a terminal is written out, such as `\u001b`."""
    return _ACTS.sub(_written, text)


def _written(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class _Guard(io.TextIOBase):
    """A text stream that escapes what is written to it; `trusted` is the stream itself, for styles of our own."""

    def __init__(self, trusted: TextIO) -> None:
        self.trusted = trusted

    def write(self, text: str) -> int:
        self.trusted.write(escape(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:  # type: ignore[override]
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self.trusted.flush()

    def isatty(self) -> bool:
        return self.trusted.isatty()

    def fileno(self) -> int:
        return self.trusted.fileno()

    def writable(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.trusted.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self.trusted.errors

    def close(self) -> None:
        """Leave the stream open: it belongs to the process."""


@contextmanager
def guarded() -> Iterator[None]:
    """Escape whatever is written to standard output and standard error meanwhile."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        stream if stream is None or isinstance(stream, _Guard) else _Guard(stream) for stream in before
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
