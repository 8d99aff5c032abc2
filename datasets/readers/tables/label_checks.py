"""Checks of label cells and class names for invalid and ambiguous content."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from gridbench.core.terminal import INVISIBLE
from gridbench.errors import InputError

__all__ = [
    "NUMBER",
    "TAKE_OUT",
    "UNFIT",
    "decoded_again",
    "folded_name",
    "has_half",
    "how_alike",
    "number_form",
    "refuse_combinations",
    "refuse_entities",
    "refuse_flags_in_a_row",
    "refuse_halves",
    "refuse_mixed_numbers",
    "refuse_repetitions",
    "refuse_variants",
    "refuse_vectors",
]

NUMBER = re.compile(r"[+-]?\d+(\.0*)?", re.ASCII)
"""A whole number, with or without a point."""
_ENTITY = re.compile(r"&(?:#\w+|\w+);")
UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")
"""Characters that no name has, such as those that control a terminal, or stand for letters that were lost."""
TAKE_OUT = "Take it out; if it stands for a letter, save the file as UTF-8 where the letter is still there."
_ACCENTS = re.compile("([A-Za-z])[\u0300-\u036f]+")
_LEAST_FLAGS = 3
_FLAGS = {"0", "1", "0.", "1.", "0.0", "1.0", "true", "false"}
_WORDS_BETWEEN = (" and ",)
_WITHIN_NAMES = "-_"
"""Signs that join the words of a name as blanks do, and divide labels now and then."""
_APOSTROPHES = str.maketrans(dict.fromkeys("`\u00b4\u02bc\u2018\u2019\u2032", "'"))
_MARKS = "?!*.,:;() "
"""Signs that people put before or behind a label that they doubt, or leave there by mistake."""
_OF_ONE_NAME = "'\u2019\"()[]{}%"
"""Signs that are part of a name."""


def number_form(name: str) -> str:
    """Return a whole number in the form in which 1, 01 and 1.0 are equal, and any other name as it is."""
    return str(int(float(name))) if len(name) < 16 and NUMBER.fullmatch(name) else name


def decoded_again(name: str) -> str:
    """Return a name whose UTF-8 bytes were read as Latin letters, as a program for Windows reads them, as it was.

    >>> decoded_again("W\u00c3\u00a4lder") == "W\u00e4lder"
    True
    """
    if name.isascii():
        return name
    try:
        return name.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return name


@lru_cache(maxsize=10_000)
def folded_name(name: str) -> str:
    """Return a name in a form in which spellings that differ in case, blanks, dashes and the like are equal.

    So are those that were read in another encoding. A number is itself: -1 is not 1.
    """
    if NUMBER.fullmatch(name):
        return name
    visible = unicodedata.normalize("NFKC", re.sub(f"[{INVISIBLE}]", "", decoded_again(name)))
    return re.sub(r"[\s_\u2010-\u2015-]+", " ", visible.translate(_APOSTROPHES)).strip().casefold()


def refuse_vectors(cells: Sequence[str], where: Callable[[int], str]) -> None:
    """Refuse cells such as `1 0 0 1` or `[true, false]`, which list signs for the classes instead of their names.

    Raises:
        InputError: With the place of the first.
    """
    words = {
        cell: [word for word in re.split(r"[\s,;|\[\]\"']+", cell.lower()) if word] for cell in set(cells)
    }
    lengths = {len(found) for found in words.values() if found}
    # Numbers of classes, such as 0 1 beside 3, are not all zeros and ones, and not equally many.
    if len(lengths) == 1 and lengths != {1} and all(_FLAGS.issuperset(found) for found in words.values()):
        row = next(row for row, cell in enumerate(cells) if words[cell])
        raise InputError(
            f"{where(row)}: {cells[row]!r} are zeros and ones, no names. Give each class a column of its own, or list "
            "the classes' names."
        )


def refuse_flags_in_a_row(cells: Sequence[str], where: Callable[[int], str]) -> None:
    """Refuse cells such as `0110`, which may be a sign for each class without anything between them.

    Raises:
        InputError: With the place of the first, when all have the same number of signs and some have two ones.
    """
    first = next((cell for cell in cells if cell.startswith("0")), "")
    if len(first) < _LEAST_FLAGS:
        return
    found = {cell for cell in cells if cell}
    several = len(found) >= _LEAST_FLAGS and any(cell.count("1") > 1 for cell in found)
    if several and all(len(cell) == len(first) and set(cell) <= {"0", "1"} for cell in found):
        raise InputError(
            f"{where(cells.index(first))}: {first!r} may be a class, or a sign for each of {len(first)} classes. Give "
            "each class a column of its own; or say that it is a class: --separator none"
        )


def refuse_entities(cells: Sequence[str], where: Callable[[int], str]) -> None:
    """Refuse cells such as `soil &amp; rock`, in which HTML writes a sign with a semicolon, which divides labels.

    Raises:
        InputError: With the place of the first.
    """
    for row, cell in enumerate(cells):
        found = next((word for word in _ENTITY.findall(cell) if html.unescape(word) != word), None)
        if found is not None:
            raise InputError(
                f"{where(row)}: {cell!r} holds {found}, by which HTML writes {html.unescape(found)!r}. Write the sign "
                "itself; or say what divides the labels with --separator."
            )


def refuse_repetitions(divided: Sequence[Sequence[str]], where: Callable[[int], str]) -> None:
    """Refuse a label that is repeated in one cell.

    Raises:
        InputError: With the place of the first.
    """
    for row, names in enumerate(divided):
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{where(row)}: the label {twice!r} is there twice.")


def has_half(name: str) -> bool:
    """Whether a bracket of a name is opened and not closed, or the reverse."""
    return any(name.count(one) != name.count(other) for one, other in ("()", "[]", "{}"))


def refuse_halves(divided: Sequence[Sequence[str]], where: Callable[[int], str]) -> None:
    """Refuse names of which one opens a bracket and another of the same cell closes it, as `a (b` and `c)`.

    Raises:
        InputError: With the place of the first.
    """
    for row, names in enumerate(divided):
        halves = [name for name in names if has_half(name)]
        if len(halves) > 1:
            raise InputError(
                f"{where(row)}: {halves[0]!r} and {halves[1]!r} are halves of what stands in brackets. Divide labels "
                "by semicolons, or list the classes with --classes FILE."
            )


def refuse_combinations(divided: Sequence[Sequence[str]], where: Callable[[int], str], chosen: str) -> None:
    """Refuse names such as "water+sand" beside "water" and "sand": they may be several labels.

    Args:
        divided: Names in each cell.
        where: Returns the place of a row's cell.
        chosen: What divided the cells, one of the choices of --separator.

    Raises:
        InputError: With the place of the first, and the option that decides.
    """
    rows: dict[str, int] = {}
    for row, names in enumerate(divided):
        for name in names:
            rows.setdefault(name, row)
    for separator in (*_WORDS_BETWEEN, *_signs(rows), *_WITHIN_NAMES, " "):
        parts = {
            name: found for name in rows if len(found := [part.strip() for part in name.split(separator)]) > 1
        }
        places: dict[str, set[int]] = {}
        for found in parts.values():
            for place, part in enumerate(found):
                places.setdefault(part, set()).add(place)
        # Signs that join words leave them in place; words of lists change places, or combine in many ways.
        combined = len(parts) >= 2 * len(places)
        for name, found in parts.items():
            words = [part for part in found if not part.isnumeric()]
            if separator == " ":
                several = False
            elif separator in _WITHIN_NAMES:
                several = combined
            else:
                several = any(len(places[part]) > 1 for part in words)
                # Of "water+sand" beside "water", sand may never be alone.
                several = several or (separator not in _WORDS_BETWEEN and any(part in rows for part in words))
            if all(found) and (several or all(part in rows for part in found)):
                raise InputError(
                    f"{where(rows[name])}: {name!r} may be one class or the labels {', '.join(found)}. Divide labels "
                    f"by semicolons; or say that it is one class: --separator {chosen}"
                )


def _signs(names: Iterable[str]) -> list[str]:
    """Return the signs of names, and runs of them such as `->`, by which their labels may be divided, sorted."""
    runs = {run for name in names for run in re.findall(r"[^\w\s]+", name)}
    joins = set(_WITHIN_NAMES + _OF_ONE_NAME)
    return sorted({sign for run in runs for sign in (run, *run) if not set(sign) <= joins})


def refuse_variants(divided: Sequence[Sequence[str]], where: Callable[[int], str]) -> None:
    """Refuse names that differ in case, blanks, dashes, accents and signs at their ends only, and equal numbers.

    Raises:
        InputError: With the place of the first.
    """
    first: dict[str, tuple[str, int]] = {}
    for row, names in enumerate(divided):
        for name in names:
            form = _without_accents(number_form(folded_name(name)))
            spelling, at = first.setdefault(form.strip(_MARKS) or form, (name, row))
            if spelling != name:
                how = _difference(name, spelling)
                raise InputError(
                    f"{where(row)}: {name!r} and {spelling!r} (row of {where(at)}) {how}. "
                    "Write them alike, or list the classes with --classes FILE."
                )


def _without_accents(name: str) -> str:
    """Return a name without the marks above and below Latin letters; those of other scripts make other letters."""
    if name.isascii():
        return name
    return unicodedata.normalize("NFC", _ACCENTS.sub(r"\1", unicodedata.normalize("NFD", name)))


def how_alike(name: str, spelling: str) -> str:
    """Return what two names differ in that `folded_name` makes equal."""
    if decoded_again(name) != name or decoded_again(spelling) != spelling:
        return "are one name in two encodings"
    return (
        "differ in case, blanks or signs only"
        if _has_signs(name, spelling)
        else "differ in case or blanks only"
    )


def _has_signs(*names: str) -> bool:
    """Whether a name holds a dash or an apostrophe of another form than the keyboard's."""
    return any(re.search("[\u2010-\u2015]", name) or name != name.translate(_APOSTROPHES) for name in names)


def _difference(name: str, spelling: str) -> str:
    if folded_name(name) == folded_name(spelling):
        return how_alike(name, spelling)
    if _without_accents(folded_name(name)) == _without_accents(folded_name(spelling)):
        return "differ in accents only"
    return (
        "are the same number"
        if name.strip(_MARKS) == name and spelling.strip(_MARKS) == spelling
        else (f"differ in signs at their ends only, such as one of {' '.join(_MARKS.strip())}")
    )


def refuse_mixed_numbers(divided: Sequence[Sequence[str]], where: Callable[[int], str]) -> None:
    """Refuse numbers among names: they may be the numbers of the classes that are called by their names elsewhere.

    Raises:
        InputError: With the place of the first number and the first name.
    """
    first: dict[bool, tuple[str, int]] = {}
    for row, names in enumerate(divided):
        for name in names:
            first.setdefault(NUMBER.fullmatch(name) is not None, (name, row))
    if len(first) == 2:
        (number, at), (name, other) = first[True], first[False]
        raise InputError(
            f"{where(at)}: {number!r} is a number and {name!r} ({where(other)}) a name. Both may be classes, or one "
            "class in two forms. List the classes with --classes FILE: one name per line, or, if numbers stand for "
            "names, a table with the columns value and name."
        )
