"""The table of a user's classes: their names, and the values or colours that stand for them in masks."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gridbench.errors import InputError

__all__ = ["ClassTable", "parse_colour", "read_class_table", "read_text", "table_of_names"]

Colour = tuple[int, int, int]

_NAME_COLUMNS = ("name", "class", "label", "class_name")
_VALUE_COLUMNS = ("value", "index", "id")
_COLOUR_COLUMNS = ("color", "colour", "hex", "rgb")


@dataclass(frozen=True)
class ClassTable:
    """Classes in their order.

    Attributes:
        names: Names of the C classes.
        values: Value in one-band masks -> class; None stands for pixels that are to be ignored.
        colours: Colour in masks -> class; empty when no colours were given.
    """

    names: tuple[str, ...]
    values: dict[int, int | None]
    colours: dict[Colour, int | None]


def table_of_names(names: Sequence[str]) -> ClassTable:
    """Return the table in which masks hold each class's position, and 255 is ignored."""
    values: dict[int, int | None] = {i: i for i in range(len(names))}
    values[255] = None
    return ClassTable(tuple(names), values, {})


def read_class_table(path: Path, ignore: Sequence[str] = ()) -> ClassTable:
    """Read a class table.

    A `.txt` holds one name a line, in the order of the masks' values. A `.csv` or `.tsv` has a header with `name`
    and, as needed, `value` and `color` (`#3C1098`, or three numbers).

    Args:
        path: The file.
        ignore: Names of rows that are no class: their pixels are ignored.

    Raises:
        InputError: The file is missing, a name or value or colour is there twice, or cannot be read.
    """
    text = read_text(path)
    if path.suffix.lower() == ".txt":
        names = [line.strip() for line in text.splitlines() if line.strip()]
        rows: list[tuple[str, int | None, Colour | None]] = [(name, i, None) for i, name in enumerate(names)]
    else:
        rows = _read_rows(path, text)
    unknown = [name for name in ignore if name not in {row[0] for row in rows}]
    if unknown:
        raise InputError(f"There is no class {unknown[0]!r} in {path}, so it cannot be ignored.")
    return _assemble(path, rows, set(ignore))


def parse_colour(text: str) -> Colour | None:
    """Return (red, green, blue) of `#3C1098`, `60 16 152` or `60,16,152`; None when it is no colour."""
    word = text.strip()
    if re.fullmatch(r"#?[0-9A-Fa-f]{6}", word):
        number = int(word.lstrip("#"), 16)
        return number >> 16, number >> 8 & 255, number & 255
    parts = [part for part in re.split(r"[\s,;()\[\]]+", word) if part]
    if len(parts) == 3 and all(part.isdigit() and int(part) < 256 for part in parts):
        return int(parts[0]), int(parts[1]), int(parts[2])
    return None


def read_text(path: Path) -> str:
    """Read a text file, whatever its line ends, with or without a byte order mark.

    Raises:
        InputError: It is missing, or it is no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}).") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


def _read_rows(path: Path, text: str) -> list[tuple[str, int | None, Colour | None]]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    header = [field.strip().lower() for field in reader.fieldnames or []]
    reader.fieldnames = header
    name_column = next((column for column in _NAME_COLUMNS if column in header), None)
    if name_column is None:
        raise InputError(
            f"{path} needs a header with the column `name`; it has {', '.join(header) or 'none'}."
        )
    value_column = next((column for column in _VALUE_COLUMNS if column in header), None)
    colour_column = next((column for column in _COLOUR_COLUMNS if column in header), None)
    rows = []
    for number, row in enumerate(reader):
        name = (row[name_column] or "").strip()
        if not name:
            continue
        value: int | None = None if colour_column and not value_column else number
        colour = None
        if value_column and (row[value_column] or "").strip():
            value = _integer(path, row[value_column])
        if colour_column and (row[colour_column] or "").strip():
            colour = parse_colour(row[colour_column])
            if colour is None:
                raise InputError(f"{path}: {row[colour_column]!r} of {name!r} is no colour; write #RRGGBB.")
        rows.append((name, value, colour))
    return rows


def _integer(path: Path, word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise InputError(f"{path}: {word!r} is no whole number.") from None


def _assemble(
    path: Path, rows: Sequence[tuple[str, int | None, Colour | None]], ignored: set[str]
) -> ClassTable:
    names: list[str] = []
    values: dict[int, int | None] = {}
    colours: dict[Colour, int | None] = {}
    for name, value, colour in rows:
        kept = name not in ignored
        if kept and name in names:
            raise InputError(f"{path} holds the class {name!r} twice.")
        target = len(names) if kept else None
        if kept:
            names.append(name)
        if value is not None:
            if value in values:
                raise InputError(f"{path} gives the value {value} to two classes.")
            values[value] = target
        if colour is not None:
            if colour in colours:
                raise InputError(f"{path} gives the colour {colour} to two classes.")
            colours[colour] = target
    if not names:
        raise InputError(f"{path} holds no class.")
    if values:
        values.setdefault(255, None)
    return ClassTable(tuple(names), values, colours)
