"""The numbers of classes in masks, where only the order of the classes is given; ambiguous ones are refused."""

from __future__ import annotations

from collections.abc import Sequence

from gridbench.datasets.readers.masks.codebook import MaskContent
from gridbench.datasets.readers.masks.contradictions import HOW_TO_SAY, listing
from gridbench.errors import InputError

__all__ = ["class_numbers"]

_BACKGROUND = {
    "background",
    "other",
    "others",
    "none",
    "unlabeled",
    "unlabelled",
    "clutter",
    "void",
    "no",
    "negative",
}
MOST_UNKNOWN = 16
"""Number of unknown values above which masks are not what was drawn: JPEG leaves dozens beside every edge."""


def class_numbers(
    seen: set[int], content: MaskContent, names: Sequence[str], what: str
) -> tuple[dict[int, int | None], str]:
    """Find whether masks number the classes from 0 or from 1.

    Args:
        seen: The values that occur.
        content: What all masks hold.
        names: The classes in their order.
        what: The masks, for messages.

    Returns:
        Value -> class, None for no class; and the reason in words.

    Raises:
        InputError: Two readings fit, or none does.
    """
    count = len(names)
    declared = {int(n) for n in content.nodata if float(n).is_integer()} & seen - {255}
    if declared:
        return _beside_declared(seen, declared, count, what)
    _refuse_ambiguous_255(seen, content, names, what)
    if seen == {0, 255} and count == 2:
        reason = f"0 is {names[0]} and 255 is {names[1]}, as there are two classes and two values"
        return {0: 0, 255: 1}, reason
    inside = seen - {255}
    if count == 1 and len(inside) > 1:
        raise InputError(
            f"The {what} hold {listing(sorted(inside))} and there is one class: name the class of the other pixels "
            f"too. {HOW_TO_SAY}."
        )
    if count in inside and max(inside) == count:
        if 0 not in inside:
            reason = f"1 to {count} are the classes in order: 0 never occurs and {count} does"
            return _in_order(count, 1), reason
        raise InputError(
            f"The {what} hold {listing(sorted(inside))}, that is {len(inside)} values for {count} "
            f"classes: 0 may be no data and 1 to {count} the classes, or 0 to {count - 1} the classes and {count} no "
            f"data. {HOW_TO_SAY}."
        )
    if inside and 0 not in inside and max(inside) < count:
        raise InputError(
            f"The {what} hold {listing(sorted(inside))}, never 0 and never {count}, so they may count the "
            f"{count} classes from 0 or from 1. {HOW_TO_SAY}."
        )
    absent = set(range(count)) - seen
    unknown = sorted(value for value in inside if value >= count or value < 0)
    if unknown and (absent or count in inside or len(unknown) > MOST_UNKNOWN):
        if absent:
            why = f"and never {listing(sorted(absent))}"
        elif len(unknown) > MOST_UNKNOWN:
            why = "which looks like a mask that was saved with loss"
        else:
            why = f"beside all of 0 to {count - 1}"
        raise InputError(
            f"The {what} hold {listing(unknown)}, which none of the {count} classes has when they count "
            f"from 0, {why}. {HOW_TO_SAY}."
        )
    return _in_order(count, 0), f"0 to {count - 1} are the classes in order"


def _refuse_ambiguous_255(seen: set[int], content: MaskContent, names: Sequence[str], what: str) -> None:
    """Refuse masks in which 255 may be a class as well as no data.

    Raises:
        InputError: With the classes that it may be.
    """
    if 255 not in seen:
        return
    count, inside = len(names), seen - {255}
    if inside == {0} and count == 2:
        if names[1].casefold() in _BACKGROUND and names[0].casefold() not in _BACKGROUND:
            raise InputError(
                f"The {what} hold 0 and 255, and of the classes {names[0]!r} and {names[1]!r} either may "
                f"be 0. {HOW_TO_SAY}."
            )
        return
    if len(seen) <= 2 and count <= 2:
        raise InputError(
            f"The {what} hold {listing(sorted(seen))} and there "
            f"{'is one class' if count == 1 else 'are two classes'}: 255 may be a class or no data. {HOW_TO_SAY}."
        )
    if count == 2 and inside == {0, 1} and 1 not in content.beside_255:
        raise InputError(
            f"Some of the {what} hold 1 and others 255, none of them both, and there are two classes: 255 may be "
            f"{names[1]!r} or no data. {HOW_TO_SAY}."
        )
    if count > 2 and inside == set(range(count - 1)):
        raise InputError(
            f"The {what} hold {listing(sorted(seen))}, as many values as there are classes: 255 may be "
            f"{names[-1]!r} or no data. {HOW_TO_SAY}."
        )


def _in_order(count: int, first: int) -> dict[int, int | None]:
    """Return the codes of classes that are numbered in their order from `first` on; 255 is not a class."""
    return {255: None, **{first + c: c for c in range(count)}}


def _beside_declared(
    seen: set[int], declared: set[int], count: int, what: str
) -> tuple[dict[int, int | None], str]:
    """Find the first class number in masks whose files declare a number that they hold as no data."""
    if len(declared) > 1:
        raise InputError(
            f"The {what} declare several numbers that they hold as no data: {listing(sorted(declared))}. {HOW_TO_SAY}."
        )
    (value,) = declared
    rest = seen - {value, 255}
    if value == 0 and count in rest and max(rest) == count:
        reason = f"1 to {count} are the classes in order, and the files declare 0 as no data"
        return {**_in_order(count, 1), 0: None}, reason
    if not 0 <= value < count and rest <= set(range(count)) and 0 in rest:
        reason = f"0 to {count - 1} are the classes in order, and the files declare {value} as no data"
        return {**_in_order(count, 0), value: None}, reason
    raise InputError(
        f"The {what} declare {value} as no data and hold {listing(sorted(rest))} beside it; there are "
        f"{count} classes. {HOW_TO_SAY}."
    )
