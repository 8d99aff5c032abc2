"""Reads tables of scene labels: a column for each class, or one column that lists names."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.readers.classtable import read_text
from gridbench.errors import InputError, nearest

__all__ = ["LabelTable", "read_label_table", "read_rows"]

_KEY_COLUMNS = (
    "file",
    "filename",
    "file_name",
    "image",
    "image_name",
    "name",
    "path",
    "id",
    "image\\label",
    "",
)
_LIST_COLUMNS = ("labels", "label", "classes", "class", "tags")
_OTHER_COLUMNS = ("split", "group")
_BINARY = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "true": 1, "false": 0, "": 0}
_SEPARATORS = re.compile(r"\s*[;|]\s*")


@dataclass(frozen=True)
class LabelTable:
    """Scene labels by file name.

    Attributes:
        keys: Name of each row's file, as written.
        class_names: Names of the C classes.
        labels: (N, C) uint8 in {0, 1}.
        columns: Other columns, such as `split` and `group`: name -> one word a row.
        notes: What is worth knowing about the file.
    """

    keys: list[str]
    class_names: tuple[str, ...]
    labels: NDArray[np.uint8]
    columns: dict[str, list[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_label_table(path: Path, class_names: Sequence[str] | None = None) -> LabelTable:
    """Read scene labels from `.csv`, `.tsv`, `.txt` (tabs) or `.xlsx`.

    The first column, or one called `file`, `image`, `name` or the like, names the file. Then either one column
    called `labels` lists class names divided by `;` or `|`, or each class has a column of 0 and 1.

    Args:
        path: The file.
        class_names: The known classes; None to take them from the file.

    Raises:
        InputError: The file cannot be read, a name is there twice, or a label is not among the known classes.
    """
    rows = read_rows(path)
    if len(rows) < 2:
        raise InputError(f"{path} holds no labels; it needs a header and one row for each image.")
    header = [cell.strip() for cell in rows[0]]
    body = [row + [""] * (len(header) - len(row)) for row in rows[1:]]
    lowered = [cell.lower() for cell in header]
    key = next((lowered.index(name) for name in _KEY_COLUMNS if name in lowered), 0)
    keys = [row[key].strip() for row in body]
    _refuse_duplicates(path, keys)
    listing = next(
        (lowered.index(n) for n in _LIST_COLUMNS if n in lowered and lowered.index(n) != key), None
    )
    if listing is not None and not _all_binary(body, listing):
        others = [i for i in range(len(header)) if i not in (key, listing)]
        columns = {lowered[i]: [row[i].strip() for row in body] for i in others}
        cells = [row[listing] for row in body]
        names = tuple(class_names) if class_names is not None else _names_in(cells)
        return LabelTable(keys, names, _multi_hot(path, keys, cells, names), columns)
    return _from_columns(path, header, body, key, keys, class_names)


def read_rows(path: Path) -> list[list[str]]:
    """Return the cells of a table as text, without blank rows.

    Raises:
        InputError: The file is missing or of another kind.
    """
    suffix = path.suffix.lower()
    if suffix == ".xlsx":
        return _read_xlsx(path)
    if suffix not in (".csv", ".tsv", ".txt"):
        raise InputError(f"{path} is no table; known are .csv, .tsv, .txt and .xlsx.")
    text = read_text(path)
    first = text.partition("\n")[0]
    delimiter = "\t" if "\t" in first else ";" if ";" in first and "," not in first else ","
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    return [row for row in rows if any(cell.strip() for cell in row)]


def _read_xlsx(path: Path) -> list[list[str]]:
    import zipfile

    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (OSError, KeyError, zipfile.BadZipFile, InvalidFileException) as error:
        raise InputError(f"{path} cannot be read as a workbook: {error}.") from error
    try:
        sheet = book.worksheets[0]
        rows = [
            ["" if cell is None else str(cell) for cell in row] for row in sheet.iter_rows(values_only=True)
        ]
    finally:
        book.close()
    return [row for row in rows if any(cell.strip() for cell in row)]


def _from_columns(
    path: Path,
    header: list[str],
    body: list[list[str]],
    key: int,
    keys: list[str],
    class_names: Sequence[str] | None,
) -> LabelTable:
    others = [i for i in range(len(header)) if i != key]
    notes: list[str] = []
    if class_names is None:
        used = [i for i in others if header[i].lower() not in _OTHER_COLUMNS and _all_binary(body, i)]
    else:
        place = {name: i for i, name in enumerate(header) if i != key}
        missing = [name for name in class_names if name not in place]
        if missing:
            hint = nearest(missing[0], place)
            raise InputError(f"{path} has no column for the class {missing[0]!r}.{hint}")
        used = [place[name] for name in class_names]
        for i in used:
            if not _all_binary(body, i):
                raise InputError(f"{path}: the column {header[i]!r} must hold 0 and 1.")
    if not used:
        raise InputError(
            f"{path} holds no labels: it needs a column `labels` with names divided by ;, or a column of 0 and 1 "
            f"for each class. Its columns are {', '.join(header)}."
        )
    unused = [header[i] for i in others if i not in used and header[i].lower() not in _OTHER_COLUMNS]
    if unused:
        notes.append(f"columns of {path.name} that are not used as classes: {', '.join(unused)}")
    labels = np.array([[_BINARY[row[i].strip().lower()] for i in used] for row in body], dtype=np.uint8)
    columns = {header[i].lower(): [row[i].strip() for row in body] for i in others if i not in used}
    return LabelTable(keys, tuple(header[i] for i in used), labels, columns, tuple(notes))


def _all_binary(body: list[list[str]], column: int) -> bool:
    cells = {row[column].strip().lower() for row in body}
    return cells <= set(_BINARY) and cells != {""}


def _names_in(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({name for cell in cells for name in _SEPARATORS.split(cell.strip()) if name}))


def _multi_hot(
    path: Path, keys: Sequence[str], cells: Sequence[str], class_names: Sequence[str]
) -> NDArray[np.uint8]:
    column = {name: i for i, name in enumerate(class_names)}
    labels = np.zeros((len(cells), len(class_names)), dtype=np.uint8)
    for row, cell in enumerate(cells):
        word = cell.strip()
        # A name may hold the separator itself, so the whole cell is tried as one name first.
        for name in [word] if word in column else _SEPARATORS.split(word):
            if name in column:
                labels[row, column[name]] = 1
            elif name:
                hint = nearest(name, class_names) or " Names in one cell are divided by ; or |."
                raise InputError(f"{path}: the label {name!r} of {keys[row]} is not among the classes.{hint}")
    return labels


def _refuse_duplicates(path: Path, keys: Sequence[str]) -> None:
    seen: set[str] = set()
    for key in keys:
        if not key:
            raise InputError(f"{path} has a row without a file name.")
        if key in seen:
            raise InputError(f"{path} names the file {key} twice.")
        seen.add(key)
