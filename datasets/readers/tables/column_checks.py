"""Checks of the columns that hold labels, or lie beside those that do, for a second reading."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from gridbench.datasets.readers.tables.column_words import ANSWERS, EMPTY, LIST_NAMES, VERDICTS
from gridbench.datasets.readers.tables.flags import is_unsure
from gridbench.datasets.readers.tables.key_column import column_word, shortened
from gridbench.datasets.readers.tables.rows import RawTable
from gridbench.errors import InputError, counted

__all__ = [
    "is_numeric",
    "refuse_amounts",
    "refuse_answers",
    "refuse_objects_beside_flags",
    "refuse_other_labels",
    "refuse_verdicts",
]


def is_numeric(table: RawTable, i: int) -> bool:
    """Whether all filled cells of a column are numbers."""
    return all(cell.lstrip("+-").replace(".", "", 1).isdigit() for cell in set(table.column(i)) if cell)


def refuse_other_labels(table: RawTable, listing: int, rest: Sequence[int]) -> None:
    """Refuse a second column that may hold the labels, or more of them.

    Such as labels before and after a correction, which are the same words in other rows, or `label2` beside `label`.

    Raises:
        InputError: With the option that names one of them.
    """
    cells = table.column(listing)
    words = set(cells)
    numbers = is_numeric(table, listing)
    for i in rest:
        others = table.column(i)
        found = set(others) - {""}
        if i == listing or not found or others == cells:
            continue
        one, other = shlex.quote(table.header[listing]), shlex.quote(table.header[i])
        if len(found) > 1 and found <= words and (not numbers or _may_be_other_numbers(table, listing, i)):
            differ = sum(a != b for a, b in zip(cells, others, strict=True))
            raise InputError(
                f"{table.path}: the columns {table.header[listing]!r} and {table.header[i]!r} hold the same words and "
                f"differ in {counted(differ, 'row')}. Say which are the labels: --label-columns {one}; the truth "
                "behind noisy labels is a table of its own (--clean-labels FILE)."
            )
        word = column_word(table, i)
        if word not in LIST_NAMES and _without_number(word) in LIST_NAMES and not is_numeric(table, i):
            raise InputError(
                f"{table.path}: the column {table.header[i]!r} may hold more labels beside those of "
                f"{table.header[listing]!r}. Say which are the labels: --label-columns {one}, or --label-columns {one} "
                f"--label-columns {other}: an image has the labels of all."
            )


def _may_be_other_numbers(table: RawTable, listing: int, i: int) -> bool:
    """Whether a column is called as one of labels and its numbers do not follow from the labels, as a group's do."""
    word = column_word(table, i)
    pairs = set(zip(table.column(listing), table.column(i), strict=True))
    follows = len(pairs) == len({one for one, _ in pairs})
    return bool({*word.split("_")} & LIST_NAMES) and not is_unsure(word) and not follows


def _without_number(word: str) -> str:
    return re.sub(r"_*\d+$", "", word)


def refuse_answers(table: RawTable, columns: Sequence[int]) -> None:
    """Refuse several columns of words such as `ja` and `nein`, which say whether an image has a class.

    Raises:
        InputError: With what to write in their place.
    """
    cells = {cell for i in columns for cell in table.column(i)} - {""}
    if len(columns) < 2 or not cells or not all(cell.casefold() in ANSWERS for cell in cells):
        return
    words = {value: [cell for cell in sorted(cells) if ANSWERS[cell.casefold()] == value] for value in (1, 0)}
    instead = " and ".join(f"{value} for {' or '.join(map(repr, of))}" for value, of in words.items() if of)
    empty = "" if words[0] else ", and 0 in the empty cells"
    raise InputError(
        f"{table.path}: the columns {shortened(', '.join(table.header[i] for i in columns))} say whether an image has "
        f"a class. Write {instead}{empty}."
    )


def refuse_amounts(table: RawTable, columns: Sequence[int]) -> None:
    """Refuse several columns of numbers that are not called label1, label2 and so on: they may be shares or counts.

    Raises:
        InputError: With the option that says that they are numbers of classes.
    """
    called = {_without_number(column_word(table, i)) for i in columns}
    if len(called) < 2 or not all(is_numeric(table, i) for i in columns):
        return
    names = " and ".join(repr(table.header[i]) for i in columns[:2])
    raise InputError(
        f"{table.path}: the columns {names} hold numbers, which may be those of classes, or shares or counts of a "
        "class. Write 1 or 0 into the column of each class; or say that they are classes: --separator none"
    )


def refuse_objects_beside_flags(table: RawTable, binaries: Sequence[int], rest: Sequence[int]) -> None:
    """Refuse columns of 0 and 1 that may be no classes, beside one whose cells are objects, as VGG VIA writes.

    Raises:
        InputError: With the column of objects.
    """
    if not binaries or not all(is_unsure(column_word(table, i)) for i in binaries):
        return
    objects = [
        i for i in rest if any(cell[:1] + cell[-1:] == "{}" and ":" in cell for cell in table.column(i))
    ]
    if objects:
        names = shortened(", ".join(table.header[i] for i in binaries))
        raise InputError(
            f"{table.path}: the columns of 0 and 1 ({names}) may be no classes, and {table.header[objects[-1]]!r} "
            "holds objects. Write the names of each image's classes into a column `labels`, divided by ;, or give the "
            "tool's export in COCO JSON; or name the columns of classes: --label-columns NAME, again for more."
        )


def refuse_verdicts(table: RawTable, unused: Sequence[int]) -> None:
    """Refuse a column that says of some rows that they do not hold, as `answer` does with `reject` in Prodigy's tables.

    Args:
        table: The table.
        unused: Columns that are not used.

    Raises:
        InputError: With the number of such rows.
    """
    for i in unused:
        cells = [cell.casefold() for cell in table.column(i)]
        bad = [cell for cell in cells if VERDICTS.get(cell) is False]
        if bad and all(cell in VERDICTS or cell in EMPTY for cell in cells):
            raise InputError(
                f"{table.path}: the column {table.header[i]!r} says {bad[0]!r} in {counted(len(bad), 'row')}, whose "
                "labels may be wrong. Take such rows out, or the column if the labels hold all the same; or name the "
                "columns of labels with --label-columns."
            )
