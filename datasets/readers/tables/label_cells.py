"""Divides cells that list labels: by semicolons, bars, commas or blanks, or as Python and JSON lists."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gridbench.datasets.readers.tables.label_checks import (
    TAKE_OUT,
    UNFIT,
    folded_name,
    number_form,
    refuse_combinations,
    refuse_entities,
    refuse_flags_in_a_row,
    refuse_halves,
    refuse_repetitions,
    refuse_variants,
    refuse_vectors,
)
from gridbench.datasets.readers.tables.no_labels import refuse_no_names
from gridbench.errors import InputError, nearest

__all__ = ["SEPARATORS", "Cells", "UnknownLabel", "divide_cells"]

SEPARATORS = {"semicolon": ";", "bar": "|", "comma": ",", "blank": " ", "none": ""}
_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""")
_ESCAPED = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)")
_OBJECT = re.compile(r"""\[?\{\s*(?:'[^']*'|"[^"]*")\s*:""")
_WRAPPED = re.compile(r"[A-Za-z_.]+\(\s*[\[({]")
"""A list as Python prints those of other types, such as `array(['a'], dtype=object)`."""
_DECIMAL = re.compile(r"[+-]?\d+(,\d+)?", re.ASCII)
_BLANKS = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_CURLY = ("\u201c\u201d", "\u2018\u2019", "\u201e\u201c", "\u00ab\u00bb")
_PLURAL = {"labels", "tags", "classes", "categories", "targets"}


class UnknownLabel(InputError):
    """A label that is none of the known classes."""


@dataclass(frozen=True)
class Cells:
    """The labels of each row, and how they were separated.

    Attributes:
        names: Labels in each cell.
        divided_by: The separator of the labels in a cell, in words.
        notes: What the reader should know, such as spellings that were taken for one class.
    """

    names: list[list[str]]
    divided_by: str
    notes: tuple[str, ...] = ()


def divide_cells(
    cells: Sequence[str],
    where: Callable[[int], str],
    header: str = "labels",
    separator: str | None = None,
    class_names: Sequence[str] | None = None,
    numbers: Mapping[str, str] | None = None,
) -> Cells:
    """Divide cells into the names of labels.

    Args:
        cells: (N,) cells of one column.
        where: Returns the place of a row's cell, for messages.
        header: Name of the column; a plural such as `labels` announces lists.
        separator: One of SEPARATORS; None to find out.
        class_names: The known classes, or None.
        numbers: Number of a known class -> its name, for cells that hold numbers.

    Raises:
        InputError: There is more than one way to divide them, a cell says nothing, or a label is not a known class.
    """
    for row, cell in enumerate(cells):
        if "\n" in cell or "\r" in cell or "\t" in cell:
            raise InputError(
                f"{where(row)}: {cell!r} holds a line break or tab. Divide labels by semicolons."
            )
    # No-break and other wide spaces are blanks.
    cells = [cell if cell.isascii() else _BLANKS.sub(" ", cell) for cell in cells]
    refuse_vectors(cells, where)
    chosen = separator or "none"
    if separator is None and class_names is None:
        refuse_flags_in_a_row(cells, where)
        refuse_entities(cells, where)
    if separator is None and (lists := _bracketed(cells, where)) is not None:
        divided, words = lists, "commas in brackets"
    elif separator is None and class_names is not None:
        divided, words = _by_known_names(cells, (*class_names, *(numbers or ())))
    else:
        chosen = separator or _find_separator(cells, where, header)
        divided, words = _divide(cells, SEPARATORS[chosen]), _words(chosen)
    refuse_repetitions(divided, where)
    if class_names is None:
        refuse_halves(divided, where)
        refuse_no_names(divided, where, None if separator is not None else chosen)
        refuse_variants(divided, where)
        if separator is None:
            refuse_combinations(divided, where, chosen)
        return Cells(divided, words)
    return _canonical(divided, words, class_names, numbers or {}, where)


def _divide(cells: Sequence[str], separator: str) -> list[list[str]]:
    # Rows with the same cell share one list, which nobody changes.
    parts = {cell: _parts(cell, separator) for cell in set(cells)}
    return [parts[cell] for cell in cells]


def _parts(cell: str, separator: str) -> list[str]:
    words = [cell] if not separator else cell.split() if separator == " " else cell.split(separator)
    return [name for word in words if (name := _plain(word))]


def _plain(word: str) -> str:
    """Return a name without blanks and one pair of quotes around it."""
    word = word.strip()
    if len(word) > 1 and ((word[0] == word[-1] and word[0] in "'\"") or word[0] + word[-1] in _CURLY):
        word = word[1:-1].strip()
    return word


def _bracketed(cells: Sequence[str], where: Callable[[int], str]) -> list[list[str]] | None:
    """Return the names in `['a', 'b']`, `["a"]`, `[a, b]`, `{a, b}` or `('a',)`; None when no cell is such a list."""
    pairs = {"[": "]", "{": "}", "(": ")"}

    def is_list(cell: str) -> bool:
        return (
            cell[:1] in pairs
            and cell[-1:] == pairs[cell[0]]
            and (cell[0] != "(" or bool(_QUOTED.search(cell)))
        )

    filled = [row for row, cell in enumerate(cells) if cell]
    objects = next((row for row in filled if _OBJECT.match(cells[row])), None)
    wrapped = next((row for row in filled if _WRAPPED.match(cells[row])), None)
    if wrapped is not None:
        raise InputError(
            f"{where(wrapped)}: {cells[wrapped]:.80} is a list as Python prints it; lists in brackets alone are read: "
            "write ['a', 'b'], or names divided by ; (in pandas: column.map(';'.join))."
        )
    if objects is not None:
        raise InputError(
            f"{where(objects)}: {cells[objects]:.80} holds objects, and labels are names. Write the names of each "
            "image's classes into a column `labels`, such as ['a', 'b'], or give the tool's export in JSON (COCO, "
            "Label Studio), of which objects are read."
        )
    listed = [row for row in filled if is_list(cells[row])]
    if not listed:
        return None
    if len(listed) < len(filled):
        odd = next(row for row in filled if row not in set(listed))
        raise InputError(
            f"{where(odd)}: {cells[odd]!r} is not a list in brackets, and {cells[listed[0]]!r} is."
        )
    return [_in_brackets(cell[1:-1], where, row) if cell else [] for row, cell in enumerate(cells)]


def _in_brackets(inside: str, where: Callable[[int], str], row: int) -> list[str]:
    names = _of_json(f"[{inside}]")
    if names is None and not _QUOTED.search(inside):
        words = _divide([inside], ",")[0]
        if len(words) == 1 and re.search(r"\S\s+\S", words[0]):
            raise InputError(
                f"{where(row)}: [{inside}] may be one label or several. Divide labels by commas."
            )
        return words
    if names is None:
        if _QUOTED.sub("", inside).strip(" ,;\n\t"):
            raise InputError(f"{where(row)}: [{inside}] cannot be read as a list. Write it like ['a', 'b'].")
        names = [_ESCAPED.sub(_unescaped, one or other) for one, other in _QUOTED.findall(inside)]
    odd = next((name for name in names if UNFIT.search(name)), None)
    if odd is not None:
        raise InputError(f"{where(row)}: {odd!a} holds a character that no name has. {TAKE_OUT}")
    return [stripped for name in names if (stripped := name.strip())]


def _of_json(text: str) -> list[str] | None:
    """Return the texts of a list in JSON, None where it is no such list."""
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return names if names and all(isinstance(name, str) for name in names) else None


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1][1:], 16)) if len(match[1]) > 1 else match[1]


def _by_known_names(cells: Sequence[str], class_names: Sequence[str]) -> tuple[list[list[str]], str]:
    """Divide by the separator that leaves the fewest cells with an unknown name."""
    known = {_form(name) for name in class_names}

    def unknown(rows: Sequence[Sequence[str]]) -> int:
        return sum(not all(_form(name) in known for name in row) for row in rows)

    def try_separator(word: str) -> list[list[str]]:
        # A name may hold the separator itself, so the whole cell is tried as one name first.
        parts = _divide(cells, SEPARATORS[word])
        return [[cell] if _form(cell) in known else row for cell, row in zip(cells, parts, strict=True)]

    tried = {word: try_separator(word) for word in SEPARATORS}
    best = min(tried, key=lambda word: unknown(tried[word]))
    if all(tried[word] == tried["none"] for word in tried if unknown(tried[word]) == unknown(tried[best])):
        best = "none"
    return tried[best], _words(best)


def _find_separator(cells: Sequence[str], where: Callable[[int], str], header: str) -> str:
    """Find the separator when no class is known: what the cells leave open is refused."""
    strong = [word for word in ("semicolon", "bar") if any(SEPARATORS[word] in cell for cell in cells)]
    if len(strong) == 2:
        row = next(i for i, cell in enumerate(cells) if ";" in cell or "|" in cell)
        raise InputError(
            f"{where(row)}: some cells hold ; and some hold |. Say what divides labels: --separator semicolon or "
            "--separator bar."
        )
    if strong:
        return strong[0]
    for word in ("comma", "blank"):
        rows = [i for i, cell in enumerate(cells) if SEPARATORS[word] in cell]
        if not rows:
            continue
        if word == "comma" and all(_DECIMAL.fullmatch(cell) for cell in cells if cell):
            raise InputError(
                f"{where(rows[0])}: {cells[rows[0]]!r} may be two classes or a number with a decimal comma. If they "
                "are classes, say so: --separator comma"
            )
        verdict = _is_list(cells, SEPARATORS[word])
        if (
            verdict is None
            and word == "blank"
            and header.lower() not in _PLURAL
            and not _shares_words(cells, " ")
        ):
            verdict = False
        if verdict is None:
            parts = _divide([cells[rows[0]]], SEPARATORS[word])[0]
            raise InputError(
                f"{where(rows[0])}: {cells[rows[0]]!r} may be one class or the {len(parts)} classes "
                f"{', '.join(parts)}. "
                f"Say which: --separator none or --separator {word}; or name the classes with --classes FILE."
            )
        if verdict:
            return word
    return "none"


def _shares_words(cells: Sequence[str], separator: str) -> bool:
    """Whether a word occurs in two different cells."""
    words = [word for row in _divide(sorted(set(cells)), separator) for word in set(row)]
    return len(words) > len(set(words))


def _is_list(cells: Sequence[str], separator: str) -> bool | None:
    """Tell lists from names that hold the separator: True for lists for certain, None when both are possible.

    Names such as "dense residential" and "Beaches, dunes, sands" have words in common too, but always at the same
    place; so lists by commas show words at different places, and lists by blanks at least twice as many combinations
    as words.
    """
    distinct = _divide(sorted(set(cells)), separator)
    places: dict[str, set[int]] = {}
    for row in distinct:
        for place, name in enumerate(row):
            places.setdefault(name, set()).add(place)
    several = sum(len(row) > 1 for row in distinct)
    varied = any(len(found) > 1 for found in places.values())
    if several >= 2 * len(places) or (separator == "," and varied):
        return None if _has_inseparable_words(distinct) else True
    return None


def _has_inseparable_words(distinct: Sequence[Sequence[str]]) -> bool:
    """Whether two words are adjacent wherever either occurs, as those of a name that contains the separator are."""
    cells_of: dict[str, set[int]] = {}
    for cell, row in enumerate(distinct):
        for name in row:
            cells_of.setdefault(name, set()).add(cell)
    pairs = {pair for row in distinct for pair in itertools.pairwise(row)}
    return any(cells_of[one] == cells_of[other] for one, other in pairs)


def _canonical(
    divided: Sequence[Sequence[str]],
    words: str,
    class_names: Sequence[str],
    numbers: Mapping[str, str],
    where: Callable[[int], str],
) -> Cells:
    """Spell every label as the known class; a class's number means that class unless it is itself a name."""
    spellings: dict[str, list[str]] = {}
    for name in class_names:
        spellings.setdefault(_form(name), []).append(name)
    for number, name in numbers.items():
        spellings.setdefault(number, [name])
    known = set(class_names)
    changed: dict[str, str] = {}
    result = []
    for row, names in enumerate(divided):
        spelt = []
        for name in names:
            found = spellings.get(_form(name), [])
            if name not in known and len(found) != 1:
                hint = nearest(name, class_names) or (
                    " Where labels are numbers, --classes FILE is a table with the columns value and name."
                    if name.isdecimal()
                    else " Names in one cell are divided by ; or |."
                )
                raise UnknownLabel(f"{where(row)}: the label {name!r} is not among the classes.{hint}")
            if name not in known:
                changed[name] = found[0]
            spelt.append(name if name in known else found[0])
        if len(set(spelt)) < len(spelt):
            raise InputError(f"{where(row)}: {', '.join(names)} name a class twice.")
        result.append(spelt)
    return Cells(result, words, _spelling_notes(changed))


def _form(name: str) -> str:
    return number_form(folded_name(name))


def _spelling_notes(changed: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(
        f"the label {name!r} is read as the class {known!r}" for name, known in sorted(changed.items())
    )


def _words(separator: str) -> str:
    plural = {"none": "nothing (one class a cell)"}
    return plural.get(separator, separator + "s")
