"""The type of a callback that reports how far the building of an archive has come."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress", "silent"]

Progress = Callable[[int, int, str], None]
"""Called with (done, total, message); total is 0 while it is not known."""


def silent(done: int, total: int, message: str) -> None:
    """Report nothing."""
