"""Reads tables of scene labels: a column for each class, or one column that lists names."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.readers.base import first_lines
from gridbench.datasets.readers.files import FileIndex
from gridbench.datasets.readers.formats.drawn import Outlines
from gridbench.datasets.readers.splitting import read_split
from gridbench.datasets.readers.tables.column_words import EMPTY, SPLIT_FLAGS
from gridbench.datasets.readers.tables.columns import Columns, find_columns
from gridbench.datasets.readers.tables.flags import binary
from gridbench.datasets.readers.tables.key_column import TableOptions, column_word, shortened
from gridbench.datasets.readers.tables.label_cells import divide_cells
from gridbench.datasets.readers.tables.label_checks import (
    TAKE_OUT,
    UNFIT,
    folded_name,
    how_alike,
    number_form,
    refuse_mixed_numbers,
    refuse_variants,
)
from gridbench.datasets.readers.tables.rows import RawTable, read_raw_table
from gridbench.errors import InputError, counted, nearest

__all__ = ["LabelTable", "interpret_table", "read_label_table", "refuse_alike", "sorted_names"]

_LISTED_COLUMNS = 20


@dataclass(frozen=True)
class LabelTable:
    """Scene labels by file name.

    Attributes:
        keys: Name of each row's file, as written.
        class_names: Names of the C classes.
        labels: (N, C) uint8 in {0, 1}.
        columns: `split` and `group` where the table has them: name -> one word a row.
        notes: Notes about the file.
        reading: What each column was understood as, one line each.
        has_class_columns: Whether each class has a column of 0 and 1.
        outlines: What was drawn in the image of each row, when the labels come from an annotation tool; else None.
    """

    keys: list[str]
    class_names: tuple[str, ...]
    labels: NDArray[np.uint8]
    columns: dict[str, list[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    reading: tuple[str, ...] = ()
    has_class_columns: bool = False
    outlines: list[Outlines] | None = None


def read_label_table(
    path: Path,
    class_names: Sequence[str] | None = None,
    files: FileIndex | None = None,
    options: TableOptions | None = None,
) -> LabelTable:
    """Read scene labels from `.csv`, `.tsv`, `.txt`, `.xlsx` or `.parquet`.

    One column names the image files. Then either one column lists class names, or each class has a column of 0 and 1.
    Columns of the split and of groups are used; all others are reported.

    Args:
        path: The file.
        class_names: The known classes; None to take them from the file.
        files: The image files, among which the key column is found; None to go by the columns' names.
        options: What the user said about the table.

    Raises:
        InputError: The file cannot be read, has two readings, or a row or cell is not what it should be.
    """
    return interpret_table(read_raw_table(path), class_names, files, options or TableOptions())


def interpret_table(
    table: RawTable, class_names: Sequence[str] | None, files: FileIndex | None, options: TableOptions
) -> LabelTable:
    """Understand the cells of a table; the arguments are those of `read_label_table`.

    Raises:
        InputError: The table has two readings, or a row or cell is not what it should be.
    """
    columns = find_columns(table, files, options, class_names)
    keys = table.column(columns.key)
    _refuse_bad_keys(table, keys, columns)
    notes: tuple[str, ...] = ()
    if columns.listings:
        listed, notes = _listed_names(table, columns, options, class_names)
        names = tuple(class_names) if class_names is not None else sorted_names(listed)
        if not names:
            raise InputError(f"The column {table.header[columns.listings[0]]!r} of {table.path} is empty.")
        position = {name: c for c, name in enumerate(names)}
        labels = np.zeros((len(keys), len(names)), dtype=np.uint8)
        for row, found in enumerate(listed):
            labels[row, [position[name] for name in found]] = 1
    else:
        if options.separator is not None:
            raise InputError(
                f"--separator divides the labels of one cell, and {table.path} has a column of 0 and 1 for each class."
            )
        names, labels = _class_columns(table, columns, class_names)
    others = _other_columns(table, columns)
    reading = _reading(table, columns, files)
    notes += tuple(columns.notes)
    return LabelTable(keys, names, labels, others, notes, reading, not columns.listings)


def _listed_names(
    table: RawTable, columns: Columns, options: TableOptions, class_names: Sequence[str] | None
) -> tuple[list[list[str]], tuple[str, ...]]:
    """Return the labels of each row by name, those of several columns together, and notes on their spelling."""
    listed: list[list[str]] = [[] for _ in table.rows]
    notes: tuple[str, ...] = ()
    for i in columns.listings:
        where = functools.partial(table.where, column=i)
        cells = divide_cells(
            table.column(i), where, table.header[i], options.separator, class_names, options.numbers
        )
        listed = [list(dict.fromkeys([*row, *found])) for row, found in zip(listed, cells.names, strict=True)]
        columns.reasons[i] = f"labels, divided by {cells.divided_by}"
        notes += cells.notes
    if class_names is None:
        where = functools.partial(table.where, column=columns.listings[0])
        refuse_variants(listed, where)
        if options.separator is None:
            refuse_mixed_numbers(listed, where)
    return listed, notes


def _class_columns(
    table: RawTable, columns: Columns, class_names: Sequence[str] | None
) -> tuple[tuple[str, ...], NDArray[np.uint8]]:
    used = columns.classes
    if class_names is not None:
        place = {table.header[i].casefold(): i for i in columns.classes}
        missing = [name for name in class_names if name.casefold() not in place]
        if missing:
            hint = nearest(missing[0], table.header)
            raise InputError(f"{table.path} has no column for the class {missing[0]!r}.{hint}")
        used = [place[name.casefold()] for name in class_names]
    names = tuple(class_names) if class_names is not None else tuple(table.header[i] for i in used)
    refuse_alike(names, f"columns of {table.path}")
    if class_names is None:
        _refuse_renamed_columns(table, names)
    labels = np.zeros((len(table.rows), len(used)), dtype=np.uint8)
    for c, i in enumerate(used):
        cells = table.column(i)
        values = {cell: binary(cell) for cell in set(cells)}
        if None in values.values():
            row, cell = next((row, cell) for row, cell in enumerate(cells) if values[cell] is None)
            what = repr(cell) if cell else "the empty cell"
            unknown = (
                " Where it is not known whether an image has a class, take the row out, or write 0."
                if cell.lower() in EMPTY or number_form(cell) == "-1"
                else ""
            )
            raise InputError(
                f"{table.where(row, i)}: {what} is neither 0 nor 1. Write 0 or 1 (or yes and no, true and false); "
                f"if the column is not a class, name those that are with --label-columns.{unknown}"
            )
        labels[:, c] = [values[cell] == 1 for cell in cells]
        columns.reasons[i] = f"class, 1 in {counted(int(labels[:, c].sum()), 'row')}"
    if len(used) == 1 and not labels.all() and class_names is None:
        raise InputError(
            f"{table.path} has one column of 0 and 1, {names[0]!r}, so images with 0 would have no label. "
            "Write names into it and call "
            "it label, or add a column for the other class."
        )
    return names, labels


def _refuse_renamed_columns(table: RawTable, names: Sequence[str]) -> None:
    """Refuse `water.1` beside `water`, as pandas calls the second of two columns of one name.

    Raises:
        InputError: With the two columns.
    """
    for name in names:
        first = re.sub(r"(?<=\D)\.\d+$", "", name)
        if first != name and first in names:
            raise InputError(
                f"{table.path} has the columns {first!r} and {name!r}: pandas renames the second of two columns of one "
                "name so. Take one out, or list the classes with --classes FILE if both are classes."
            )


def _other_columns(table: RawTable, columns: Columns) -> dict[str, list[str]]:
    others = {}
    if columns.split is not None:
        one = SPLIT_FLAGS.get(column_word(table, columns.split))
        flags = {1: one or "", 0: "test" if one == "train" else "train"}
        words = []
        for row, cell in enumerate(table.column(columns.split)):
            if not cell:
                raise InputError(
                    f"{table.where(row, columns.split)} (file {table.rows[row][columns.key]}) is empty: write train, "
                    "val or test, or take the row out."
                )
            try:
                known = None if one is None else binary(cell)
                words.append(read_split(cell) if known is None else flags[known])
            except InputError as error:
                raise InputError(
                    f"{table.where(row, columns.split)} (file {table.rows[row][columns.key]}): {error}"
                ) from error
        counts = ", ".join(f"{word} {words.count(word)}" for word in ("train", "val", "test"))
        columns.reasons[columns.split] = f"split: {counts}"
        others["split"] = words
    if columns.group is not None:
        words = table.column(columns.group)
        if "" in words:
            raise InputError(
                f"{table.where(words.index(''), columns.group)} is empty; each image needs a group."
            )
        nothing = next((word for word in words if word.casefold() in EMPTY), None)
        if nothing is not None:
            raise InputError(
                f"{table.where(words.index(nothing), columns.group)}: {nothing!r} is not a group. Give each image "
                "without one a group of its own."
            )
        refuse_alike(sorted(set(words)), f"groups of {table.path}", lambda word: number_form(word.casefold()))
        columns.reasons[columns.group] = f"group: {counted(len(set(words)), 'group')}"
        others["group"] = words
    return others


def _reading(table: RawTable, columns: Columns, files: FileIndex | None) -> tuple[str, ...]:
    lines = [f"{table.path.name}: {counted(len(table.rows), 'row')}, columns divided by {table.divided_by}"]
    matched = (
        ""
        if files is None
        else f"; there is an image for {counted(sum(bool(files.find(c)) for c in table.column(columns.key)), 'row')}"
    )
    columns.reasons[columns.key] = f"name of the image file{matched}"
    width = min(max(len(name) for name in table.header), 30)
    words = [f"  {name or '(no name)':{width}}  {columns.reasons[i]}" for i, name in enumerate(table.header)]
    lines += first_lines(words[:_LISTED_COLUMNS], "columns", _LISTED_COLUMNS)
    if len(table.header) > _LISTED_COLUMNS:
        rest = range(_LISTED_COLUMNS, len(table.header))
        unused = [table.header[i] for i in rest if columns.reasons[i].startswith("not used")]
        lines.append(
            f"  and {len(rest)} more columns"
            + (f"; not used: {shortened(', '.join(unused))}" if unused else "")
        )
    return tuple(lines)


def refuse_alike(names: Sequence[str], what: str, form: Callable[[str], str] = folded_name) -> None:
    """Refuse names that differ in case or blanks only, or as `form` says.

    Args:
        names: Different names.
        what: What they are, for the message.
        form: Brings spellings of one name to one form.

    Raises:
        InputError: Two of them are alike, or one holds a character that no name has.
    """
    first: dict[str, str] = {}
    for name in names:
        if UNFIT.search(name):
            raise InputError(f"The {what}: {name!a} holds a character that no name has. {TAKE_OUT}")
        other = first.setdefault(form(name), name)
        if other != name:
            how = how_alike(other, name) if folded_name(other) == folded_name(name) else "are the same number"
            raise InputError(f"The {what} {other!r} and {name!r} {how}. Write them alike.")


def _refuse_bad_keys(table: RawTable, keys: Sequence[str], columns: Columns) -> None:
    column = columns.key
    seen: dict[str, int] = {}
    for row, key in enumerate(keys):
        if not key:
            raise InputError(f"{table.where(row, column)} is empty: the row has no file name.")
        if key in seen:
            raise InputError(
                f"{table.path} names the file {key} twice, in rows {table.lines[seen[key]]} and "
                f"{table.lines[row]}. Give each "
                f"image one row; several labels stand in one cell, divided by semicolons.{_how_to_join(table, columns)}"
            )
        seen[key] = row


def _how_to_join(table: RawTable, columns: Columns) -> str:
    """Return how pandas puts rows of one image together, where a row holds one label of an image."""
    if not columns.listings:
        return ""
    key, label = (table.header[i] for i in (columns.key, columns.listings[0]))
    return (
        f" If each row holds one label of its image, pandas joins them: table.groupby({key!r})[{label!r}].agg(lambda "
        "names: ';'.join(sorted(set(names)))).to_csv('labels.csv')"
    )


def sorted_names(cells: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return the different names in cells, sorted, as numbers where all are."""
    names = {name for cell in cells for name in cell}
    if all(name.isdecimal() for name in names):
        return tuple(sorted(names, key=int))
    return tuple(sorted(names))
