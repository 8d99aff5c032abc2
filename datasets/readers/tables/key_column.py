"""Finds the column of a table that names the image files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import unquote

from gridbench.core.terminal import INVISIBLE
from gridbench.datasets.readers.files import RASTER_SUFFIXES, FileIndex
from gridbench.datasets.readers.tables.column_words import (
    INDEX_NAMES,
    KEY_NAMES,
    LIST_NAMES,
    PANDAS_INDEX,
)
from gridbench.datasets.readers.tables.label_checks import decoded_again
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


_ROUNDED = re.compile(r"\d[.,]?\d*E\+?\d+", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class TableOptions:
    """User options for a table of labels; None where they are detected from the table.

    Attributes:
        key_column: Column that names the image files.
        label_columns: Columns of the classes, or one column that lists them.
        separator: Separator of the labels in one cell: semicolon, bar, comma, blank, or none.
        split_column: Column of train, val and test.
        numbers: Number of a class, as a table of the classes gives it -> its name; labels may be written as either.
    """

    key_column: str | None = None
    label_columns: tuple[str, ...] = ()
    separator: str | None = None
    split_column: str | None = None
    numbers: Mapping[str, str] = field(default_factory=dict, compare=False)


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
    words = [column_word(table, i) for i in range(len(table.header))]
    by_name = next((words.index(name) for name in KEY_NAMES if name in words), 0)
    if files is None:
        return by_name
    matches = {i: [files.find(cell) for cell in table.column(i)] for i in range(len(table.header))}
    counts = {i: sum(map(bool, found)) for i, found in matches.items()}
    names = {i: len({tuple(f) for f in found if f}) for i, found in matches.items()}
    # A column that names each file again and again, such as a fold beside files called 0.png to 4.png, is not a key.
    single = [i for i in counts if 2 * names[i] >= counts[i] > 0] or list(counts)
    best = max(counts[i] for i in single)
    if best == 0:
        shown = "; ".join(
            f"{name or 'without a name'}: {table.rows[0][i]}" for i, name in enumerate(table.header)
        )
        refuse_missing_header(table, files, by_name)
        where = f" ({table.divided_by})" if "sheet" in table.divided_by else ""
        raise InputError(
            f"No column of {table.path}{where} names the images. Its first row is {shortened(shown)}. "
            f"{_example(files)}{_difference(table, files) or _rounded(table)}"
        )
    fitting = [i for i in single if 2 * counts[i] >= best]
    full = [i for i in fitting if 2 * sum(map(files.has_full_name, table.column(i))) >= counts[i]]
    fitting = full or fitting
    if len(fitting) > 1:
        fitting = [i for i in fitting if not _is_row_number(table, i)] or fitting
    different = [i for i in fitting if matches[i] != matches[fitting[0]]]
    if different:
        both = " and ".join(repr(table.header[i]) for i in [fitting[0], *different])
        raise InputError(
            f"The columns {both} of {table.path} name images and disagree: the first row has "
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
    forms = [_form(cell) for cell in table.column(key)]
    # Of t99 above t1, t2 and so on there may be no image.
    is_file = is_file or (_form(name) != name and 2 * forms.count(_form(name)) > len(forms))
    repeated = [
        cell
        for i, cell in enumerate(table.header)
        if i != key and cell in table.column(i) and column_word(table, i) not in LIST_NAMES
    ]
    # Of a table without a header, the first row has the name of an image where headers have "file" or "image_id".
    repeated = [] if {*column_word(table, key).split("_")} & {*KEY_NAMES} else repeated
    numbers = not is_file and all(map(str.isdecimal, table.header))
    if is_file or repeated:
        looks = (
            "holds numbers, as pandas writes where columns have no names"
            if numbers
            else "looks like an image's and not like a header"
        )
        raise InputError(
            f"The first row of {table.path} is {shortened(', '.join(table.header))}: it {looks}. "
            "Put a first row with the names of the columns, such as file,labels or file,water,trees."
        )


def _form(name: str) -> str:
    """Return a name with one sign for each number in it."""
    return re.sub(r"\d+", "#", name)


def _is_row_number(table: RawTable, i: int) -> bool:
    numbers = [str(n) for n in range(len(table.rows) + 1)]
    word = column_word(table, i)
    return (word in INDEX_NAMES or PANDAS_INDEX.fullmatch(word) is not None) and table.column(i) in (
        numbers[:-1],
        numbers[1:],
    )


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
    """Return the name of a column in lower case, with underscores for blanks, dashes, points and capitals within."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", table.header[i])
    return re.sub(r"[\s._:?-]+", "_", name).strip("_").lower()


def _example(files: FileIndex) -> str:
    return f"The images are called {', '.join(files.examples())}." if len(files) else "There are no images."


def _difference(table: RawTable, files: FileIndex) -> str:
    """Return a sentence on what the names of images and of a column differ in, nothing when they have nothing alike."""
    folds: dict[str, Callable[[str], str]] = {
        "capitals": str.lower,
        "blanks, dashes or underscores": lambda name: re.sub(r"[\s_-]+", "", name),
        "commas or zeros of numbers": lambda name: re.sub(r",(?=\d{3})|\.0+$", "", name),
        "quotes around them": lambda name: name.strip("'\"\u2018\u2019\u201c\u201d"),
        "their encoding": decoded_again,
        "their endings": lambda name: name.removesuffix(PurePosixPath(name).suffix),
        "the folders before the name": lambda name: PurePosixPath(name.replace("\\", "/")).name,
        "zeros before numbers": lambda name: re.sub(r"(?<!\d)0+(?=\d)", "", name),
        "signs that addresses write as numbers": lambda name: unquote(name).partition("?")[0],
        "invisible signs": lambda name: re.sub(f"[{INVISIBLE}]", "", name),
    }

    def everything(name: str) -> str:
        for fold in (*folds.values(), *folds.values()):
            name = fold(name)
        return name

    for word, fold in (*folds.items(), ("more than one of these: " + ", ".join(folds), everything)):
        known = {fold(name) for key in files.names() for name in (key, key.rpartition("/")[2])}
        for i, name in enumerate(table.header):
            cells = table.column(i)
            found = sum(fold(cell) in known for cell in cells)
            if 2 * found >= min(len(cells), len(files)) and found > 1:
                return f" The names in the column {name!r} differ from them in {word}: write them alike."
    return ""


def _rounded(table: RawTable) -> str:
    """Return a sentence on a number such as 1.23457E+11, as spreadsheets write long ones; empty without."""
    for row in table.rows:
        number = next((cell for cell in row if _ROUNDED.fullmatch(cell)), None)
        if number is not None:
            return f" {number} is a rounded number, as spreadsheets write long ones: give the column the format Text."
    return ""


def shortened(text: str, most: int = 200) -> str:
    """Return a text for a message, cut where it is long."""
    return text if len(text) <= most else text[: most - 3] + "..."
