"""Columns of 0 and 1: which of them are classes, and which may be something else."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence

from gridbench.datasets.readers.tables.column_words import (
    BINARY,
    EMPTY,
    INDEX_NAMES,
    NO_CLASSES,
    NO_LABELS,
    PANDAS_INDEX,
    SPLIT_FLAGS,
    UNSURE,
    UNSURE_PREFIXES,
    UNSURE_SUFFIXES,
)
from gridbench.datasets.readers.tables.key_column import column_word, shortened
from gridbench.datasets.readers.tables.label_checks import number_form
from gridbench.datasets.readers.tables.rows import RawTable
from gridbench.errors import InputError

__all__ = [
    "binary",
    "is_class_column",
    "is_never_a_class",
    "is_unsure",
    "may_hold_labels",
    "refuse_flags_beside_words",
    "refuse_unsure_classes",
]


def binary(cell: str) -> int | None:
    """Return 0 or 1 for 0, 1, 1.00, true, false, yes and no; None for anything else.

    >>> binary("1.00"), binary("No"), binary("-1"), binary("")
    (1, 0, None, None)
    """
    word = cell.lower()
    if word in BINARY:
        return BINARY[word]
    try:
        number = float(word)
    except ValueError:
        return None
    return int(number) if number in (0.0, 1.0) else None


def is_class_column(table: RawTable, i: int) -> bool:
    """Whether at least half of a column's filled cells are 0, 1, yes, no, true or false, or all are -1, 0 and 1."""
    filled = {cell: n for cell, n in Counter(table.column(i)).items() if cell.lower() not in EMPTY}
    flags = sum(n for cell, n in filled.items() if binary(cell) is not None)
    negative = sum(n for cell, n in filled.items() if number_form(cell) == "-1")
    return bool(filled) and (
        2 * flags >= sum(filled.values()) or 0 < flags == sum(filled.values()) - negative
    )


def is_never_a_class(word: str) -> bool:
    """Whether a column of this name holds no class, such as a fold or pandas' index."""
    return word in NO_CLASSES or PANDAS_INDEX.fullmatch(word) is not None


def is_unsure(word: str) -> bool:
    """Whether a column of this name may be a class, or say something else about the image."""
    return (
        word in UNSURE | INDEX_NAMES | NO_LABELS
        or word.startswith(UNSURE_PREFIXES)
        or word.endswith(UNSURE_SUFFIXES)
    )


def refuse_unsure_classes(table: RawTable, binaries: Sequence[int], listing: Sequence[int]) -> None:
    """Refuse columns of 0 and 1 that may be something else than classes, when there are others beside them.

    Raises:
        InputError: With the options that name the other columns.
    """
    unsure = [i for i in binaries if is_unsure(column_word(table, i))]
    if unsure and len(unsure) < len(binaries):
        names = " ".join(
            f"--label-columns {shlex.quote(table.header[i])}" for i in binaries if i not in unsure
        )
        if listing:
            names = f"--label-columns {shlex.quote(table.header[listing[0]])}, or {names}"
        what = "a split" if column_word(table, unsure[0]) in SPLIT_FLAGS else "something else about the image"
        raise InputError(
            f"{table.path}: the column {table.header[unsure[0]]!r} may be a class or {what}. Name the "
            f"column{'' if listing else 's'} of {'labels' if listing else 'classes'}: {shortened(names)}"
        )


def refuse_flags_beside_words(table: RawTable, binaries: Sequence[int], rest: Sequence[int]) -> None:
    """Refuse columns of 0 and 1 that leave images without a label, or never change, beside one that may hold labels.

    A column of words of which each is in several rows may hold the labels whatever its name; then columns such as
    `geprüft` are not classes.

    Raises:
        InputError: With the options for either reading.
    """
    words = next((i for i in rest if i not in binaries and may_hold_labels(table, i)), None)
    if words is None:
        return
    columns = [table.column(i) for i in binaries]
    ones = [{cell for cell in set(column) if binary(cell) == 1} for column in columns]
    constant = any(len(set(map(binary, set(column)))) == 1 for column in columns)
    empty = any(
        not any(cell in one for cell, one in zip(row, ones, strict=True))
        for row in zip(*columns, strict=True)
    )
    if constant or empty or all(is_unsure(column_word(table, i)) for i in binaries):
        names = ",".join(table.header[i] for i in binaries)
        raise InputError(
            f"{table.path}: the labels may be the words of the column {table.header[words]!r}, or the columns of 0 and "
            f"1 ({shortened(names)}). Say which: --label-columns {shlex.quote(table.header[words])} or --label-columns "
            f"{shortened(shlex.quote(names))}"
        )


def may_hold_labels(table: RawTable, i: int) -> bool:
    """Whether a column holds a few words, each in several rows, as one of labels does."""
    if column_word(table, i) in NO_CLASSES | NO_LABELS:
        return False
    found = {cell for cell in set(table.column(i)) if cell.lower() not in EMPTY}
    plain = [word for word in found if not any(character.isdigit() for character in word)]
    return 1 < len(found) <= len(table.rows) / 2 and 2 * len(plain) >= len(found)
