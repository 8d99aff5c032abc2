"""The table of a user's classes: their names, and their values or colours in masks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gridbench.core.labels import IGNORE
from gridbench.datasets.readers.files import canonical
from gridbench.datasets.readers.tables.label_checks import TAKE_OUT, UNFIT, has_half
from gridbench.datasets.readers.tables.rows import RawTable, read_raw_table, read_text
from gridbench.errors import InputError, nearest

__all__ = ["NO_CLASS", "ClassTable", "parse_colour", "read_class_table", "with_codes"]

Colour = tuple[int, int, int]
_TRIPLE = r"\d{1,3}[\s,]+\d{1,3}[\s,]+\d{1,3}"
_CELLS = re.compile(rf"\|.*\||(?!{_TRIPLE}[\s,:;]+[^\s\d,:;])\d+([\s,;:|]+\d+)+[\s,;:|].*")
"""A line of several cells: bars around, or more numbers than a colour before the name, as QGIS and GDAL write."""
_Row = tuple[str, int | None, Colour | None]

_NAME_COLUMNS = ("name", "class", "label", "class_name", "classname", "label_name", "category", "title")
_PLURALS = ("names", "classes", "labels", "class_names", "label_names", "categories", "classnames")
_VALUE_COLUMNS = ("value", "pixel_value", "index", "id", "class_id", "label_id", "code", "grey", "gray")
_CERTAIN = ("value", "pixel_value")
_COLOUR_COLUMNS = ("color", "colour", "hex", "rgb", "color_hex", "hex_color")
_CHANNELS = (("r", "g", "b"), ("red", "green", "blue"))
_HEADER = {
    *(*_NAME_COLUMNS, *_PLURALS, *_VALUE_COLUMNS, *_COLOUR_COLUMNS, "alpha", "a", ""),
    *(word for trio in _CHANNELS for word in trio),
}
"""Words of which the first line of a list may be a header."""
NO_CLASS = {"", "ignore", "ignored", "nodata", "no data", "no_data", "no class"}
"""What a value or colour of no class is called in a table of masks."""


@dataclass(frozen=True)
class ClassTable:
    """Classes in their order.

    Attributes:
        names: Names of the C classes.
        values: Value in one-band masks -> class; None means pixels that are to be ignored. Empty when no values
            were given.
        colours: Colour in masks -> class; empty when no colours were given.
        unclear: Columns that may each hold the values and differ; empty where one is sure.
        path: The file of the values and colours; None where the table was not read.
        numbered: Further columns that give each class another number -> these numbers, in the order of the classes.
    """

    names: tuple[str, ...]
    values: dict[int, int | None]
    colours: dict[Colour, int | None]
    unclear: tuple[str, ...] = ()
    path: Path | None = None
    numbered: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def require_values(self) -> dict[int, int | None]:
        """Return the values of the classes.

        Raises:
            InputError: Two columns may hold them and differ.
        """
        if self.unclear:
            columns = " and ".join(map(repr, self.unclear))
            raise InputError(
                f"{self.path} has the columns {columns}, which differ, and either may hold the values of the masks. "
                "Call the one that does value, or leave the other one out."
            )
        return self.values

    def refuse_other_numbers(self, seen: set[int]) -> None:
        """Refuse to count classes in their order when a column numbers them otherwise, and masks hold its numbers.

        Raises:
            InputError: With the column.
        """
        for name, numbers in self.numbered.items():
            if seen <= set(numbers) and numbers != tuple(range(len(numbers))):
                raise InputError(
                    f"{self.path} has no column `value`, and the column {name!r} holds numbers that the masks hold, "
                    "too. Call it value if these stand for the classes, or take it out."
                )


def read_class_table(path: Path, ignore: Sequence[str] = (), of_masks: bool = False) -> ClassTable:
    """Read a class table.

    A `.txt` holds one name per line, in the order of the masks' values, or a value (`1 water`) or colour
    (`0 0 255 water`) before each name. Other tables have a header with `name` and, as needed, `value`
    and `color` (`#3C1098`, or three numbers) or `r`, `g`, `b`.

    Args:
        path: The file.
        ignore: Names of rows that are no class: their pixels are ignored.
        of_masks: Whether it says what the values in masks are, so that rows called `ignore` are no class, too.

    Raises:
        InputError: The file is missing, a name or value or colour is there twice, or cannot be read.
    """
    rows, unclear = _read(path, blank_names=of_masks)
    unknown = [name for name in ignore if name not in {row[0] for row in rows}]
    if unknown:
        raise InputError(
            f"--ignore-class: there is no class {unknown[0]!r} in "
            f"{path}.{nearest(unknown[0], [row[0] for row in rows])}"
        )
    # A row of this name that has a value or colour is not a class in any table of masks.
    coded = [name for name, value, colour in rows if of_masks or value is not None or colour is not None]
    ignored = {*ignore, *(name for name in coded if name.casefold() in NO_CLASS)}
    # A class may have several values or colours, each in a row of its own.
    uncoded = {name for name, value, colour in rows if value is None and colour is None}
    names: list[str] = []
    for name, _, _ in rows:
        if name not in ignored and (name in uncoded or name not in names):
            names.append(name)
    odd = next((name for name in names if UNFIT.search(name)), None)
    if odd is not None:
        raise InputError(f"{path}: {odd!a} holds a character that no name has. {TAKE_OUT}")
    for folded in {name.casefold() for name in names}:
        alike = [name for name in names if name.casefold() == folded]
        if len(alike) > 1:
            what = (
                f"the class {alike[0]!r} twice"
                if alike[0] == alike[1]
                else f"{alike[0]!r} and {alike[1]!r}, which differ in case only"
            )
            raise InputError(f"{path} holds {what}.")
    if not 0 < len(names) < IGNORE:
        raise InputError(f"{path} holds {len(names) or 'no'} classes; an archive has 1 to {IGNORE - 1}.")
    table = _with_rows(path, names, rows, ignored, unclear)
    return (
        table if table.values or path.suffix.lower() == ".txt" else replace(table, numbered=_numbered(path))
    )


def with_codes(table: ClassTable, path: Path) -> ClassTable:
    """Return known classes with the values and colours of another table; a value without a class is called `ignore`.

    Raises:
        InputError: The table cannot be read, or names a class that is not known.
    """
    found, unclear = _read(path, blank_names=True)
    rows = [row for row in found if row[1] is not None or row[2] is not None]
    if not rows:
        raise InputError(f"{path} gives no value and no colour; it needs a column value, color, or r, g, b.")
    ignored = {row[0] for row in rows if row[0].casefold() in NO_CLASS and row[0] not in table.names}
    unknown = [row[0] for row in rows if row[0] not in table.names and row[0] not in ignored]
    if unknown:
        raise InputError(
            f"{path}: {unknown[0]!r} is none of the classes.{nearest(unknown[0], table.names)} A value "
            "without a class is called ignore."
        )
    return _with_rows(path, table.names, rows, ignored, unclear)


def parse_colour(text: str) -> Colour | None:
    """Return (red, green, blue) of `#3C1098`, `60 16 152` or `60,16,152`; None when it is not a colour."""
    word = text.strip()
    if hexadecimal := re.fullmatch(r"(?:#|0[xX])?([0-9A-Fa-f]{6})", word):
        number = int(hexadecimal[1], 16)
        return number >> 16, number >> 8 & 255, number & 255
    parts = [part for part in re.split(r"[\s,;()\[\]]+", word) if part]
    numbers = [int(float(part)) for part in parts if re.fullmatch(r"\d{1,3}(\.0*)?", part, re.ASCII)]
    if len(parts) == len(numbers) == 3 and max(numbers) < 256:
        return numbers[0], numbers[1], numbers[2]
    return None


def _read(path: Path, blank_names: bool = False) -> tuple[list[_Row], tuple[str, ...]]:
    """Return the rows, and the columns that may each hold the values and differ."""
    if path.suffix.lower() == ".txt":
        return _read_lines(path), ()
    table = read_raw_table(path)
    header = [name.lower().replace(" ", "_") for name in table.header]
    name_column = next((column for column in _NAME_COLUMNS if column in header), None)
    if name_column is None:
        raise InputError(
            f"{path} needs a header with the column `name`; it has {', '.join(table.header) or 'none'}."
        )
    names = table.column(header.index(name_column))
    values, unclear = _values(table, header)
    colours = _colours(table, header, names)
    rows = [
        (name, value, colour)
        for name, value, colour in zip(names, values, colours, strict=True)
        if name or (blank_names and (value is not None or colour is not None))
    ]
    return rows, unclear


def _numbered(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the columns of a table that hold another whole number in each row."""
    table = read_raw_table(path)
    found = {}
    for i, name in enumerate(table.header):
        cells = table.column(i)
        known = name.lower() in {*_COLOUR_COLUMNS, *(word for trio in _CHANNELS for word in trio)}
        if (
            not known
            and all(re.fullmatch(r"\d{1,9}", cell, re.ASCII) for cell in cells)
            and len(set(cells)) == len(cells)
        ):
            found[name] = tuple(map(int, cells))
    return found


def _read_lines(path: Path) -> list[_Row]:
    """Read one name per line; numbers before every name are its value, or its colour when there are three."""
    lines = [canonical(line.strip().rstrip(",;").rstrip()) for line in read_text(path).splitlines()]
    lines = [line for line in lines if line]
    _refuse_other_lines(path, lines)
    for form in (
        rf"(?P<colour>{_TRIPLE})[\s,:;]+(?P<name>.*\S)",
        rf"(?P<name>.*\w)[\s,:;=(]+(?P<colour>{_TRIPLE})\)?",
    ):
        coloured = [re.fullmatch(form, line) for line in lines]
        parsed = [(match["name"], parse_colour(match["colour"])) for match in coloured if match]
        if 0 < len(lines) == len(parsed) and all(colour is not None for _, colour in parsed):
            return [(name, None, colour) for name, colour in parsed]
    found = [
        {line: match for line in lines if (match := re.fullmatch(form, line))}
        for form in (r"(?P<value>\d+)[\s,:;=.)]+(?P<name>\D.*)", r"(?P<name>.*\w)[\s,:;=]+(?P<value>\d+)")
    ]
    for valued in found:
        rows: list[_Row] = [(match["name"].strip(), int(match["value"]), None) for match in valued.values()]
        # "class 1" and "class 2" are names; "water 1" and "sand 2" have a value behind the name.
        if 0 < len(lines) == len(rows) == len({name for name, _, _ in rows}):
            return rows
    for valued in found:
        names = {match["name"].strip() for match in valued.values()}
        if (
            1
            < len(names)
            == len(valued)
            == len({match["value"] for match in valued.values()})
            > len(lines) / 2
        ):
            odd = next(line for line in lines if line not in valued)
            raise InputError(
                f"{path}: {odd!r} has no number, and other lines do. Give each class its value, or save a .csv with "
                "the columns name and value."
            )
    return [(line, None, None) for line in lines]


def _refuse_other_lines(path: Path, lines: Sequence[str]) -> None:
    """Refuse a text whose lines are not all classes: one more line at its beginning moves every class of a mask."""
    first = lines[0] if lines else ""
    words = [re.sub(r"[\s_-]+", "_", word.strip().lower()) for word in re.split(r"[,;|\t]", first)]
    if set(words) <= _HEADER and not {*_NAME_COLUMNS, *_PLURALS}.isdisjoint(words):
        raise InputError(
            f"{path} begins with {first!r}, which looks like a header. A .txt has none: take the line out, or save "
            "the file as .csv."
        )
    comment = next((line for line in lines if line.startswith(("#", "//"))), None)
    if comment is not None:
        raise InputError(f"{path} holds the line {comment[:40]!r}, which looks like a comment. Take it out.")
    if len(lines) > 1 and all(line[0] in "-*'\"" for line in lines):
        raise InputError(
            f"{path} begins with {first!r}, and every line with such a sign, as in YAML or Python. Write one name "
            "per line."
        )
    half = next((line for line in lines if has_half(line) or line.endswith((":", "="))), None)
    if half is not None:
        raise InputError(
            f"{path} holds the line {half[:40]!r}, as in JSON, YAML or Python. Write one name per line."
        )
    row = next((line for line in lines if _CELLS.fullmatch(line)), None)
    if row is not None:
        raise InputError(
            f"{path} holds the line {row[:40]!r}, as tables of several columns do. Save a .csv with a header such as "
            "value,r,g,b,name, or write one name per line."
        )
    signs = {",": "commas", ";": "semicolons", "|": "bars", "\t": "tabs"}
    if len(lines) == 1 and (sign := next((sign for sign in signs if sign in first), "")):
        raise InputError(f"{path} holds one line with {signs[sign]}. Write one name per line.")


def _values(table: RawTable, header: Sequence[str]) -> tuple[list[int | None], tuple[str, ...]]:
    named = [name for name in _VALUE_COLUMNS if name in header]
    if not named:
        return [None] * len(table.rows), ()
    values = _whole_numbers(table, header.index(named[0]))
    if named[0] in _CERTAIN:
        return values, ()
    others = [
        name for name in named[1:] if table.column(header.index(name)) != table.column(header.index(named[0]))
    ]
    return values, (named[0], others[0]) if others else ()


def _whole_numbers(table: RawTable, at: int) -> list[int | None]:
    values: list[int | None] = []
    for row, cell in enumerate(table.column(at)):
        number = re.fullmatch(r"([+-]?\d+)(\.0+)?", cell)
        if cell and not number:
            raise InputError(f"{table.where(row, at)}: {cell!r} is not a whole number.")
        values.append(int(number.group(1)) if number else None)
    return values


def _colours(table: RawTable, header: Sequence[str], names: Sequence[str]) -> list[Colour | None]:
    channels = next((trio for trio in _CHANNELS if set(trio) <= set(header)), None)
    column = next((name for name in _COLOUR_COLUMNS if name in header), None)
    if channels is not None:
        cells = [" ".join(row[header.index(channel)] for channel in channels) for row in table.rows]
    elif column is not None:
        cells = table.column(header.index(column))
    else:
        return [None] * len(names)
    colours = []
    for row, cell in enumerate(cells):
        colour = parse_colour(cell) if cell.strip() else None
        if colour is None and cell.strip():
            raise InputError(
                f"{table.path}, row {table.lines[row]}: {cell!r} of {names[row]!r} is not a colour; write "
                "#RRGGBB, or three numbers from 0 to 255."
            )
        colours.append(colour)
    return colours


def _with_rows(
    path: Path, names: Sequence[str], rows: Sequence[_Row], ignored: set[str], unclear: tuple[str, ...]
) -> ClassTable:
    values: dict[int, int | None] = {}
    colours: dict[Colour, int | None] = {}
    for name, value, colour in rows:
        target = None if name in ignored else names.index(name)
        if value is not None:
            if value in values:
                raise InputError(f"{path} gives the value {value} to two classes.")
            values[value] = target
        if colour is not None:
            if colour in colours:
                raise InputError(f"{path} gives the colour {colour} to two classes.")
            colours[colour] = target
    return ClassTable(tuple(names), values, colours, unclear, path)
