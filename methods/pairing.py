"""Choice of the loss of a method: the given one, or the default of the method at a level of labels."""

from __future__ import annotations

from collections.abc import Sequence

from gridbench.errors import InputError
from gridbench.methods.base import ANY_LOSS, Loss, Method
from gridbench.registry import LOSSES, METHODS

__all__ = ["LEVELS", "chosen_loss", "kin_of", "losses_at", "losses_of", "plain_loss", "usual_loss"]

LEVELS = {"scene": "several scene labels per image", "pixel": "label maps", "single": "one label per image"}
"""Level of labels -> what it is of."""

_USUAL = {"scene": "bce", "pixel": "pce", "single": "ce"}


def losses_at(level: str) -> list[str]:
    """Return the names of the losses over labels of a level."""
    return [name for name in LOSSES if LOSSES.get(name).task.level == level]


def losses_of(method: type[Method], level: str | None = None) -> list[str]:
    """Return the names of the losses that a method supports, at one level of labels or at all levels.

    Signed losses are excluded for methods that support every loss but take a small loss as evidence of a clean label.
    """
    names = list(method.losses)
    if method.losses == ANY_LOSS:
        names = [name for name in LOSSES if not (method.compares_losses and LOSSES.get(name).signed)]
    return names if level is None else [name for name in names if LOSSES.get(name).task.level == level]


def usual_loss(method: type[Method], level: str | None = None) -> str | None:
    """Return the name of the default loss of a method; None for a method that trains nothing.

    Args:
        method: The method.
        level: Level of labels that it must learn from; None for the method's own.

    Raises:
        InputError: The method has no loss of that level.
    """
    if not method.losses:
        return None
    names = losses_of(method, level)
    if not names:
        raise InputError(
            f"The method {method.name!r} does not learn from {LEVELS[level or 'scene']} (--level {level}); it "
            f"supports the losses {', '.join(method.losses)}.{_kin_methods(method, level)}"
        )
    usual = _USUAL[level or "scene"]
    return usual if method.losses == ANY_LOSS else names[0]


def plain_loss(loss: str) -> str:
    """Return the loss of plain training on the labels that a loss learns from: bce, ce or pce."""
    return _USUAL[LOSSES.get(loss).task.level]


def chosen_loss(method: type[Method], loss: str | None, level: str | None) -> type[Loss] | None:
    """Return the loss that a method trains with; None when it trains nothing.

    Args:
        method: The method.
        loss: Name of the requested loss; None for the default of the method.
        level: Requested level of labels; None for that of the loss.

    Raises:
        InputError: The combination is not supported; the message names a supported loss of the same family.
    """
    if not method.losses:
        if loss is not None:
            raise InputError(f"The method {method.name!r} trains nothing, so it takes no --loss.")
        return None
    found: type[Loss] = LOSSES.get(loss or usual_loss(method, level) or "")
    names = losses_of(method)
    if found.name not in names:
        because = method.because
        if method.losses == ANY_LOSS:
            because = "it takes a small loss as evidence of a clean label, and that loss may be negative for any label"
        kin = [name for name in kin_of(found.name) if name in names]
        raise InputError(
            f"The method {method.name!r} does not support the loss {found.name!r}; it supports "
            f"{', '.join(names)}" + (f", because {because}." if because else ".") + _closest(kin)
        )
    if level is not None and found.task.level != level:
        kin = [name for name in kin_of(found.name) if LOSSES.get(name).task.level == level]
        raise InputError(
            f"The loss {found.name!r} learns from {LEVELS[found.task.level]}, not from {LEVELS[level]} "
            f"(--level {level}). Losses that do: {', '.join(losses_at(level))}.{_closest(kin)}"
        )
    return found


def kin_of(loss: str) -> list[str]:
    """Return the losses of the same family: ce over one label per image, bce over several, pce over pixels.

    Example:
        >>> kin_of("bce")
        ['ce', 'pce']
    """
    return _kin(loss, LOSSES.names())


def _kin(name: str, known: Sequence[str]) -> list[str]:
    stems = [name, *([name[1:]] if name[:1] in ("b", "p") else [])]
    stem = next((each for each in reversed(stems) if each in known), name)
    return [each for each in (stem, f"b{stem}", f"p{stem}") if each in known and each != name]


def _kin_methods(method: type[Method], level: str | None) -> str:
    """Name the plain methods of the family of a plain method, at a level."""
    if method.name not in LOSSES:
        return ""
    return _closest(
        [name for name in kin_of(method.name) if name in METHODS and name in losses_at(level or "scene")]
    )


def _closest(kin: Sequence[str]) -> str:
    return f" Of the same family: {', '.join(kin)}." if kin else ""
