"""The errors that a user can cause, and how their messages are worded (a leaf: standard library only)."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "AlreadyPrinted",
    "GridbenchError",
    "InputError",
    "RunFailed",
    "as_sentence",
    "counted",
    "in_words",
    "method_in_words",
    "nearest",
    "on_a_screen",
    "reason_of",
]

_LONGEST = 1600
_TAIL = 500


class GridbenchError(Exception):
    """An error with a message meant for the person at the keyboard; the CLI prints it without a traceback."""

    exit_code = 1


class InputError(GridbenchError, ValueError):
    """Something the user gave is wrong, and nothing has run yet (exit code 2)."""

    exit_code = 2


class RunFailed(GridbenchError, RuntimeError):
    """A run started and could not be finished (exit code 1)."""


class AlreadyPrinted(GridbenchError):
    """A command has printed what is wrong, and ends with exit code 1."""


def on_a_screen(message: str) -> str:
    """Return a message without its middle when it would fill more than a screen of 24 lines and 80 columns."""
    if len(message) <= _LONGEST:
        return message
    return f"{message[: _LONGEST - _TAIL - 7]} [...] {message[-_TAIL:]}"


def in_words(error: BaseException) -> str:
    """Return the type and message of an error, of gridbench's own errors only the message."""
    if isinstance(error, SystemExit):
        return f"SystemExit: the plug-in ended the process ({error.code})"
    try:
        message = reason_of(error) or type(error).__name__
    # A plug-in's own error may fail to say what it is.
    except BaseException:
        message = "its message cannot be read"
    return message if isinstance(error, GridbenchError) else f"{type(error).__name__}: {message}"


def as_sentence(message: str) -> str:
    """Return a message with a full stop where it has none, as those of other libraries, so that another can follow.

    Examples:
        >>> as_sentence("index out of range"), as_sentence("What?")
        ('index out of range.', 'What?')
    """
    return message if message.endswith((".", "!", "?")) else f"{message}."


def reason_of(error: BaseException, path: object = None) -> str:
    """Return the message of an error; one of the operating system in its words, without the number.

    Args:
        error: The error.
        path: The path that the surrounding message names, which is then left out here.
    """
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    if error.filename is None or str(error.filename) == str(path):
        return error.strerror
    return f"{error.strerror}: {str(error.filename)!r}"


def counted(number: int | None, noun: str, plural: str = "") -> str:
    """Return a number with its noun in the singular or plural.

    Args:
        number: Number of things.
        noun: The noun in the singular.
        plural: Its plural, unless that is the noun with an s.

    Examples:
        >>> counted(1, "record"), counted(0, "record"), counted(2, "class", "classes")
        ('1 record', '0 records', '2 classes')
    """
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def method_in_words(method: str, loss: str | None) -> str:
    """Return the name of a method with its loss, where that has another name.

    >>> method_in_words("grid", "bce"), method_in_words("bce", "bce"), method_in_words("random", None)
    ('grid with bce', 'bce', 'random')
    """
    return f"{method} with {loss}" if loss and loss != method else method


def nearest(name: str, known: Iterable[str]) -> str:
    """Name the closest known spelling as the tail of a message.

    Args:
        name: What the user typed.
        known: The spellings that exist.

    Returns:
        `" Did you mean 'grid'?"`, or an empty string when nothing is close.
    """
    lowered = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    return f" Did you mean {lowered[close[0]]!r}?" if close else ""
