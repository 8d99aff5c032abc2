"""Terminal output, in which control characters from files and names are escaped."""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO

__all__ = ["INVISIBLE", "escape", "guarded", "one_line", "say", "wrapped"]

INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "\u2800\ufff9-\ufffb\U00013430-\U0001343f\U00016fe4\U0001d159"
)
r"""Characters without a shape, as ranges inside the brackets of a regular expression.

The first two lines are Unicode's property Default_Ignorable_Code_Point (DerivedCoreProperties.txt, 16.0): soft hyphens,
fillers, zero-width characters, overrides of the direction of writing, variation selectors and tags. The third has the
blank of Braille, annotations, joiners of hieroglyphs, Khitan's filler and the note without a head.
"""
# With them controls of ASCII and Latin-1 but tab and newline, separators of lines, and halves of surrogate pairs.
_ACTS = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{INVISIBLE}]")


def escape(text: str) -> str:
    r"""Return text in which every character that acts on a terminal is written out, such as `\u001b`."""
    return _ACTS.sub(_written, text)


def one_line(text: str) -> str:
    r"""Return foreign text as a part of a line, with line feeds and tabs escaped, too.

    >>> one_line("a\nb")
    'a\\nb'
    """
    return escape(text).replace("\n", r"\n").replace("\t", r"\t")


def say(text: str, indent: int = 0, err: bool = False) -> None:
    """Print text, its lines wrapped where a terminal, or the variable COLUMNS, sets a width.

    Args:
        text: What is printed.
        indent: Number of blanks before a continued line; 0 for as many as its first line has.
        err: Whether it goes to standard error.
    """
    stream = sys.stderr if err else sys.stdout
    # Output to a file or another program is not wrapped, so that each finding stays on one line.
    known = "COLUMNS" in os.environ or (stream is not None and stream.isatty())
    print(
        wrapped(text, shutil.get_terminal_size().columns, indent) if known else text, file=stream, flush=True
    )


def wrapped(text: str, width: int, indent: int = 0) -> str:
    """Return text whose lines are broken at blanks, never inside a word or a command.

    Args:
        text: Lines of any length. Commands and quoted texts are kept whole, to be copied; a command begins with
            `gridbench` or `pip install` and ends at the next mark of punctuation that a blank follows.
        width: Characters of a line; only a longer word or command exceeds it.
        indent: Number of blanks before a continued line; 0 for as many as its first line has.

    Returns:
        The text; a command that is longer than a line stays where it is.

    Example:
        >>> print(wrapped("one two three: gridbench run --method grid", 30))
        one two three:
        gridbench run --method grid
    """
    return "\n".join(_broken(line, width, indent) for line in text.split("\n"))


_QUOTED = r"""(?<![^\s=:(\[])(?:'[^'\n]*'|"[^"\n]*")"""
_PROGRAM = r"(?<![^\s(])(?:gridbench|hf|pip install|rm|unzip) "
_COMMAND = re.compile(rf"{_PROGRAM}(?:{_QUOTED}|\.\.\.|[^\s).,;:]|[).,;:]+(?!\s|$)| (?!$))+")
_KEPT = re.compile(f"{_COMMAND.pattern}|{_QUOTED}")


def _broken(line: str, width: int, indent: int) -> str:
    if len(line) <= width:
        return line
    command = next((match for match in _COMMAND.finditer(line) if len(match[0]) > width), None)
    if command:
        # It would not fit on its own line either.
        before, after = line[: command.start()], line[command.end() :]
        first = (before if len(before) <= width else f"{_broken(before, width, indent)} ") + command[0]
        mark, _, rest = after.partition(" ")
        return first + mark + ("\n" + _broken(rest, width, indent) if rest.strip() else "")
    joined = _KEPT.sub(lambda match: match[0].replace(" ", "\0"), line)
    # A long word, such as a hash, is indented as far as it fits.
    longest = max(map(len, joined.split()), default=0)
    indent = min(indent or len(line) - len(line.lstrip()), max(width - longest, 2))
    return textwrap.fill(
        joined,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
        expand_tabs=False,
    ).replace("\0", " ")


def _written(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class _Guard(io.TextIOBase):
    """A text stream that escapes what is written to it; `trusted` is the stream itself, for gridbench's own styles."""

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
    """Escape everything written to standard output and standard error inside the block."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        stream if stream is None or isinstance(stream, _Guard) else _Guard(stream) for stream in before
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
