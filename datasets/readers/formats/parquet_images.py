"""Reads Parquet files that hold images and labels, as data sets of the Hugging Face hub do."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.dataset import Progress, silent
from gridbench.datasets.readers.base import Plan
from gridbench.datasets.readers.files import FileIndex, walk_files
from gridbench.datasets.readers.formats.embedded import EmbeddedOptions, plan_embedded
from gridbench.datasets.readers.rasters.limits import Limits, limits_for
from gridbench.datasets.readers.rasters.raster import Raster, Shape, read_raster, read_shape
from gridbench.datasets.readers.source_files import Unreadable, open_regular
from gridbench.datasets.readers.splitting import SPLIT_WORDS, read_split
from gridbench.datasets.readers.tables.flags import is_class_column
from gridbench.datasets.readers.tables.hub_classes import class_names_of, with_names
from gridbench.datasets.readers.tables.key_column import TableOptions, columns_named
from gridbench.datasets.readers.tables.label_checks import refuse_mixed_numbers, refuse_variants
from gridbench.datasets.readers.tables.label_table import LabelTable, interpret_table, sorted_names
from gridbench.datasets.readers.tables.rows import RawTable
from gridbench.datasets.readers.tables.spreadsheets import cell_text
from gridbench.errors import InputError, counted, reason_of

__all__ = ["plan_parquet"]

_KEY = "file"
_SPLIT_IN_NAME = re.compile(r"^([a-z]+)(?:[-_.]|$)")


@dataclass(frozen=True)
class _EncodedImage:
    path: Path
    column: str
    row_group: int
    row: int
    limits: Limits

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    def shape(self) -> Shape:
        return read_shape(self._name, self.limits, self._content())

    def read(self) -> Raster:
        return read_raster(self._name, None, self.limits, self._content())

    @property
    def _name(self) -> Path:
        return Path(f"{self.path}, row group {self.row_group}, row {self.row}")

    def _content(self) -> bytes:
        value = _row_group(self.path, self.column, self.row_group)[self.row]
        content = value.get("bytes") if isinstance(value, dict) else value
        if not isinstance(content, bytes):
            raise Unreadable(self._name, "has no bytes of an image")
        return content


@functools.lru_cache(maxsize=2)
def _row_group(path: Path, column: str, row_group: int) -> list[Any]:
    import pyarrow.parquet as pq

    rows: list[Any] = (
        pq.ParquetFile(path).read_row_group(row_group, columns=[column]).column(column).to_pylist()
    )
    return rows


def plan_parquet(
    root: Path,
    label_columns: Sequence[str],
    options: EmbeddedOptions,
    progress: Progress = silent,
    clean_column: str | None = None,
) -> Plan:
    """Plan an archive from a Parquet file or from those below a folder.

    Args:
        root: The file or folder.
        label_columns: Columns of the labels, as for tables; empty to find them.
        options: How images are packed.
        progress: Progress callback.
        clean_column: Column of the clean labels; None without.

    Raises:
        InputError: A file cannot be read, or images or labels are not found.
    """
    paths = [root] if root.is_file() else [p for p in walk_files(root) if p.suffix.lower() == ".parquet"]
    if not paths:
        raise InputError(f"There is no Parquet file below {root}.")
    splits = _splits_in_names(paths, options.split is not None)
    rows = _read_rows(sorted(paths), splits)
    names = rows.names
    if len(set(names)) < len(names):
        names = [_place_name(*place) for place in rows.places]
    if len(set(names)) < len(names):
        raise InputError(f"Two Parquet files below {root} have the same name; rename one.")
    table = RawTable(
        root,
        [_KEY, *rows.columns],
        [[name, *cells] for name, cells in zip(names, rows.cells, strict=True)],
        list(range(1, len(names) + 1)),
    )
    labels, clean = _labels_and_clean(table, label_columns, clean_column)
    split = rows.split
    if "split" in labels.columns:
        split = [read_split(word) for word in labels.columns["split"]]
    limits = limits_for(options.max_pixels)
    report: dict[str, Any] = {
        "reading": [
            f"images: the column {rows.image!r} of {counted(len(paths), 'Parquet file')}, {counted(len(names), 'row')}",
            *labels.reading,
            *([] if clean_column is None else [f"clean labels: the column {clean_column!r}"]),
        ],
        "notes": list(labels.notes),
        "source": str(root),
    }
    if splits and "split" not in labels.columns:
        report["reading"].append("split: the names of the files")

    def image(position: int) -> _EncodedImage:
        path, group, row = rows.places[position]
        return _EncodedImage(path, rows.image, group, row, limits)

    return plan_embedded(
        "parquet",
        names,
        image,
        labels.class_names,
        labels.labels,
        clean,
        split or None,
        options,
        report,
        progress,
    )


def _labels_and_clean(
    table: RawTable, label_columns: Sequence[str], clean_column: str | None
) -> tuple[LabelTable, NDArray[np.uint8] | None]:
    """Return the labels, and (N, C) the clean ones of the same classes.

    Raises:
        InputError: There is no such column of clean labels, or labels or clean labels cannot be understood.
    """
    files = FileIndex({row[0]: Path(row[0]) for row in table.rows})
    if clean_column is None:
        return interpret_table(table, None, files, TableOptions(_KEY, tuple(label_columns))), None
    clean_at = columns_named(table, [clean_column], "--clean-column")[0]
    if clean_column in label_columns:
        raise InputError(f"--clean-column and --label-columns both name the column {clean_column!r}.")
    noisy_at = [i for i in range(len(table.header)) if i != clean_at]
    labels = interpret_table(_part(table, noisy_at), None, files, TableOptions(_KEY, tuple(label_columns)))
    part = _part(table, [0, clean_at])
    if is_class_column(part, 1):
        # Two classes by number, and not one class that images have or lack.
        part.header[1] = "label"
    clean = interpret_table(part, None, files, TableOptions(_KEY, (part.header[1],)))
    columns_of = ("the labels", f"the column {clean_column!r}").__getitem__
    refuse_variants([labels.class_names, clean.class_names], columns_of)
    refuse_mixed_numbers([labels.class_names, clean.class_names], columns_of)
    # Columns of 0 and 1 keep their order.
    classes = labels.class_names
    if not set(clean.class_names) <= set(classes):
        classes = sorted_names([classes, clean.class_names])
    return replace(labels, class_names=classes, labels=_in_order(labels, classes)), _in_order(clean, classes)


def _part(table: RawTable, columns: Sequence[int]) -> RawTable:
    rows = [[row[i] for i in columns] for row in table.rows]
    return RawTable(table.path, [table.header[i] for i in columns], rows, table.lines)


def _in_order(table: LabelTable, classes: Sequence[str]) -> NDArray[np.uint8]:
    """Return (N, C) the labels of a table by the given classes, which are at least its own."""
    labels = np.zeros((len(table.keys), len(classes)), dtype=np.uint8)
    labels[:, [classes.index(name) for name in table.class_names]] = table.labels
    return labels


@dataclass
class _Rows:
    """What the files hold, row by row.

    Attributes:
        image: Column of the encoded images.
        columns: The other columns.
        names: Name of each image: the one that its file had, else its place.
        places: File, row group and row in the group of each image.
        cells: The other columns' values as cells of a table.
        split: Split of each image; empty where the names of the files say none.
    """

    image: str = ""
    columns: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    places: list[tuple[Path, int, int]] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    split: list[str] = field(default_factory=list)


def _read_rows(paths: Sequence[Path], splits: Mapping[Path, str]) -> _Rows:
    """Read everything but the images.

    Raises:
        InputError: A file cannot be read, has other columns than the first, or no one column of images.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    found, first = _Rows(), None
    for path in paths:
        try:
            open_regular(path).close()
            file = pq.ParquetFile(path)
            schema = file.schema_arrow
            if first is None:
                first, found.image = schema, _image_column(path, schema)
                found.columns = [name for name in schema.names if name != found.image]
            elif schema.names != first.names:
                raise InputError(f"{path} has other columns than {paths[0]}: {', '.join(schema.names)}.")
            classes = class_names_of(schema)
            for group in range(file.num_row_groups):
                rows = file.read_row_group(group, columns=found.columns).to_pylist()
                given = [_path_of(value) for value in _row_group(path, found.image, group)]
                for row, values in enumerate(rows):
                    found.places.append((path, group, row))
                    found.names.append(given[row] or _place_name(path, group, row))
                    found.cells.append(
                        [_cell(with_names(values[name], classes.get(name, ()))) for name in found.columns]
                    )
                found.split += [splits[path]] * len(rows) if splits else []
        except Unreadable as error:
            raise InputError(f"{error}.") from error
        except (OSError, ValueError, pa.ArrowException) as error:
            raise InputError(f"{path} cannot be read as Parquet: {reason_of(error, path)}.") from error
    return found


def _place_name(path: Path, group: int, row: int) -> str:
    return f"{path.stem}-{group:03d}-{row:05d}"


def _image_column(path: Path, schema: Any) -> str:
    import pyarrow.types as types

    found = [
        field.name
        for field in schema
        if types.is_binary(field.type)
        or types.is_large_binary(field.type)
        or (types.is_struct(field.type) and "bytes" in [child.name for child in field.type])
    ]
    if len(found) != 1:
        have = ", ".join(found) or "none"
        raise InputError(f"{path} must have one column with the bytes of images; it has {have}.")
    return str(found[0])


def _cell(value: object) -> str:
    """Return a value as a cell of a table, lists as JSON."""

    def word(one: object) -> str:
        if isinstance(one, (dict, list)):
            raise ValueError(f"the label {one} is a record or a list of lists; labels are numbers or names")
        return str(int(one)) if isinstance(one, bool) else cell_text(one)

    return json.dumps([word(one) for one in value]) if isinstance(value, list) else word(value)


def _path_of(value: object) -> str:
    path = value.get("path") if isinstance(value, dict) else None
    return Path(path).stem if isinstance(path, str) else ""


def _splits_in_names(paths: Sequence[Path], by_shares: bool) -> dict[Path, str]:
    """Return the split of each file when all names begin with one, as in train-00000-of-00002.parquet.

    Raises:
        InputError: The names of some files say a split, those of others none, and it is not divided by shares.
    """
    found = {}
    for path in paths:
        match = _SPLIT_IN_NAME.match(path.name.lower())
        word = SPLIT_WORDS.get(match[1]) if match else None
        found[path] = word or SPLIT_WORDS.get(path.parent.name.lower(), "")
    other = next((path for path, word in found.items() if not word), None)
    if other is not None and len({*found.values(), ""}) > 2 and not by_shares:
        raise InputError(
            f"{other} belongs to no split, and the names of other files say one. Leave it out, or divide all images by "
            "shares: --split 70/10/20"
        )
    return found if other is None and len(set(found.values())) > 1 else {}
