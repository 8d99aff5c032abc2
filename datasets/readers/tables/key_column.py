"""Finds the column of a table that names the image files."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from gridbench.datasets.readers.files import RASTER_SUFFIXES, FileIndex
from gridbench.datasets.readers.tables.column_words import INDEX_NAMES, KEY_NAMES, LIST_NAMES
from gridbench.datasets.readers.tables.rows import RawTable
from gridbench.errors import InputError, nearest

__all__ = [
    "TableOptions",
    "column_word",
    "columns_named",
    "find_key_column",
    "refuse_missing_header",
    "shortened",
]


@dataclass(frozen=True)
class TableOptions:
    """User options for a table of labels; None where they are detected from the table.

    Attributes:
        key_column: Column that names the image files.
        label_columns: Columns of the classes, or one column that lists them.
        separator: Separator of the labels in one cell: semicolon, bar, comma, blank, or none.
        split_column: Column of train, val and test.
    """

    key_column: str | None = None
    label_columns: tuple[str, ...] = ()
    separator: str | None = None
    split_column: str | None = None


def find_key_column(table: RawTable, files: FileIndex | None, options: TableOptions) -> int:
    """Choose the column whose cells name the image files; a mere row number beside it does not count.

    Args:
        table: The table.
        files: The image files; None to go by the column's name.
        options: What the user said.

    Raises:
        InputError: No column names the images, or two do and disagree.
    """
    if options.key_column is not None:
        return columns_named(table, [options.key_column], "--key-column")[0]
    lowered = [name.lower() for name in table.header]
    by_name = next((lowered.index(name) for name in KEY_NAMES if name in lowered), 0)
    if files is None:
        return by_name
    matches = {i: [files.find(cell) for cell in table.column(i)] for i in range(len(table.header))}
    counts = {i: sum(map(bool, found)) for i, found in matches.items()}
    names = {i: len({tuple(f) for f in found if f}) for i, found in matches.items()}
    # A column that names each file again and again, such as a fold beside files called 0.png to 4.png, is no key.
    single = [i for i in counts if 2 * names[i] >= counts[i] > 0] or list(counts)
    best = max(counts[i] for i in single)
    if best == 0:
        shown = "; ".join(
            f"{name or 'without a name'}: {table.rows[0][i]}" for i, name in enumerate(table.header)
        )
        refuse_missing_header(table, files, by_name)
        raise InputError(
            f"No column of {table.path} names the images. Its first row is {shortened(shown)}. {_example(files)}"
        )
    fitting = [i for i in single if 2 * counts[i] >= best]
    full = [i for i in fitting if 2 * sum(map(files.has_full_name, table.column(i))) >= counts[i]]
    fitting = full or fitting
    if len(fitting) > 1:
        fitting = [i for i in fitting if not _is_row_number(table, i)] or fitting
    different = [i for i in fitting if matches[i] != matches[fitting[0]]]
    if different:
        words = " and ".join(repr(table.header[i]) for i in [fitting[0], *different])
        raise InputError(
            f"The columns {words} of {table.path} name images and disagree: the first row has "
            f"{table.rows[0][fitting[0]]!r} and {table.rows[0][different[0]]!r}. Say which one names the "
            "image of a row: "
            f"--key-column {shlex.quote(table.header[fitting[0]])}"
        )
    key = by_name if by_name in fitting else fitting[0]
    if 2 * best < len(table.rows) and 2 * best < len(files) and key not in full:
        raise InputError(
            f"{table.path}: the column {table.header[key]!r} names only {best} of {len(files)} images. If "
            "it is the column of "
            f"file names, say so: --key-column {shlex.quote(table.header[key])}"
        )
    return key


def refuse_missing_header(table: RawTable, files: FileIndex | None, key: int) -> None:
    """Refuse a table whose first row is about an image.

    Raises:
        InputError: With an example of a header.
    """
    name = table.header[key]
    suffix = "." + name.rpartition(".")[2].lower() if "." in name else ""
    is_file = suffix in RASTER_SUFFIXES or (files is not None and bool(files.find(name)))
    repeated = [
        cell
        for i, cell in enumerate(table.header)
        if i != key and cell in table.column(i) and column_word(table, i) not in LIST_NAMES
    ]
    if is_file or repeated:
        raise InputError(
            f"The first row of {table.path} is {shortened(', '.join(table.header))}: it looks like an image's "
            "and not like a header. "
            "Put a first row with the names of the columns, such as file,labels or file,water,trees."
        )


def _is_row_number(table: RawTable, i: int) -> bool:
    numbers = [str(n) for n in range(len(table.rows) + 1)]
    return column_word(table, i) in INDEX_NAMES and table.column(i) in (numbers[:-1], numbers[1:])


def columns_named(table: RawTable, names: Sequence[str], option: str) -> list[int]:
    """Return the columns that an option names.

    Raises:
        InputError: There is none of such a name, or it is named twice.
    """
    if len(names) == 1 and names[0] not in table.header and "," in names[0]:
        names = [name.strip() for name in names[0].split(",")]
    missing = [name for name in names if name not in table.header]
    if missing:
        raise InputError(
            f"{option}: {table.path} has no column {missing[0]!r}.{nearest(missing[0], table.header)} Its columns are "
            f"{shortened(', '.join(table.header))}."
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{option} names the column {twice!r} twice.")
    return [table.header.index(name) for name in names]


def column_word(table: RawTable, i: int) -> str:
    """Return the name of a column in lower case, with underscores for blanks."""
    return table.header[i].lower().replace(" ", "_") if table.header[i] != "Unnamed: 0" else "unnamed: 0"


def _example(files: FileIndex) -> str:
    return f"The images are called {', '.join(files.examples())}." if len(files) else "There are no images."


def shortened(text: str, most: int = 200) -> str:
    """Return a text for a message, cut where it is long."""
    return text if len(text) <= most else text[: most - 3] + "..."
