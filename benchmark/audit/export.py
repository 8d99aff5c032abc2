"""Output files of an audit: the ranked list, corrected labels, and images."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.audit.audit import Audit
from gridbench.audit.exchange.images import ImageNames
from gridbench.audit.ranking import Suspects
from gridbench.core.csv_files import csv_text
from gridbench.core.files import image_paths, open_file, write_bytes
from gridbench.datasets import Archive
from gridbench.datasets.archive.layout import SPLITS
from gridbench.datasets.readers.tables.columns import find_columns
from gridbench.datasets.readers.tables.flags import binary
from gridbench.datasets.readers.tables.key_column import TableOptions
from gridbench.datasets.readers.tables.label_cells import SEPARATORS, divide_cells
from gridbench.datasets.readers.tables.rows import RawTable, read_raw_table
from gridbench.errors import InputError, counted

__all__ = [
    "LIST",
    "label_table",
    "list_table",
    "original_table",
    "split_names",
    "write_images",
    "write_list",
]

Array = npt.NDArray[Any]

LIST = "audit.csv"
SEPARATOR = ";"
LONGEST_HEADER = 2**20


def list_table(audit: Audit, archive: Archive, suspects: Suspects) -> tuple[list[str], list[list[str]]]:
    """Return the header and a row for each suspicious label, the most suspicious first."""
    header = ["rank", "sample", "label", "kind", "score", "probability", "suggested", "given"]
    header += [*(["margin"] if audit.margins is not None else []), *(["injected"] if audit.injected else [])]
    names, classes = archive.names, archive.class_names
    rows = []
    for at in range(len(suspects)):
        i, label, wrong = int(suspects.samples[at]), int(suspects.labels[at]), bool(suspects.wrong[at])
        given, seen = audit.given[i], audit.probabilities[i]
        row = [
            str(at + 1),
            names[audit.positions[i]],
            classes[label],
            "wrong" if wrong else "missing",
            f"{suspects.scores[at]:.4f}",
            f"{seen[label]:.4f}",
            SEPARATOR.join(classes[c] for c in audit.replacements(i, label, wrong)),
            SEPARATOR.join(classes[c] for c in np.flatnonzero(given)),
        ]
        if audit.margins is not None:
            row.append(f"{np.broadcast_to(audit.margins, audit.given.shape)[i, label]:.4f}")
        if audit.before is not None:
            row.append(str(int(given[label] != audit.before[i, label])))
        rows.append(row)
    return header, rows


def write_list(audit: Audit, archive: Archive, suspects: Suspects) -> Path:
    """Write the ranked list as audit.csv and return where it is."""
    header, rows = list_table(audit, archive, suspects)
    path = audit.folder / LIST
    write_bytes(path, _csv([header, *rows]))
    return path


def split_names(archive: Archive) -> list[str]:
    """Return the split of each image of an archive."""
    words = [""] * len(archive)
    for split in SPLITS:
        for i in archive.indices(split):
            words[i] = split
    return words


def label_table(archive: Archive, labels: Array) -> bytes:
    """Return labels.csv: file, split, group and a column of 0 and 1 for each class, as `data prepare folder` reads it.

    Args:
        archive: The archive, for names, splits and classes.
        labels: (N, C) labels of all its images.
    """
    known = {"file": archive.names, "split": split_names(archive)}
    if archive.sample_groups is not None:
        known["group"] = archive.sample_groups
    rows = zip(zip(*known.values(), strict=True), labels.astype(int).tolist(), strict=True)
    return _csv([[*known, *archive.class_names], *([*words, *row] for words, row in rows)])


def original_table(archive: Archive, labels: Array, path: Path, options: TableOptions) -> tuple[bytes, int]:
    """Return the table that an archive was prepared from with corrected labels, all other columns as they were.

    Args:
        archive: The archive.
        labels: (N, C) corrected labels of all its images.
        path: The table, in any format that `data prepare folder` reads.
        options: What the user said about the table when it was prepared.

    Returns:
        CSV with the rows and columns of the table, and a column of the split where it has none; and how many of its
        rows are of no image of the archive, and stay as they are.

    Raises:
        InputError: The table cannot be read, lacks an image, or its labels are not those of the archive.
    """
    table = read_raw_table(path)
    columns = find_columns(table, None, options, archive.class_names)
    names = ImageNames(str(path), archive.names)
    found = [names.candidates(cell) for cell in table.column(columns.key)]
    rows = {next(iter(places)): row for row, places in enumerate(found) if len(places) == 1}
    missing = [name for i, name in enumerate(archive.names) if i not in rows]
    if missing or len(rows) < sum(map(bool, found)):
        what = (
            f"no row of its own for {counted(len(missing), 'image')}, such as {missing[0]!r}"
            if missing
            else "several rows for one"
        )
        raise InputError(
            f"{path} has {what}. Give the table that {archive.name!r} was prepared from (its column "
            f"{table.header[columns.key]!r} is read as the name of the image). Leave out --labels if it was prepared "
            "from several tables, or cut into tiles, which share the row of their image."
        )
    if len(columns.listings) > 1:
        raise InputError(
            f"{path} has the labels in several columns, into which corrections cannot be written. Leave out --labels."
        )
    if columns.listings:
        _write_names(table, columns.listings[0], archive, labels, rows, options)
    else:
        _write_flags(table, columns.classes, archive, labels, rows)
    header, cells = table.header, table.rows
    if columns.split is None:
        words = split_names(archive)
        splits = {row: words[i] for i, row in rows.items()}
        header, cells = [*header, "split"], [[*row, splits.get(at, "")] for at, row in enumerate(cells)]
    return csv_text([header, *cells], _end_of_lines(path)).encode(), len(cells) - len(rows)


def _end_of_lines(path: Path) -> str:
    """Return the line ending of a table, so that a comparison of both files shows only the corrections."""
    with open_file(path) as file:
        return "\r\n" if file.readline(LONGEST_HEADER).endswith(b"\r\n") else "\n"


def _write_flags(
    table: RawTable, columns: Sequence[int], archive: Archive, labels: Array, rows: Mapping[int, int]
) -> None:
    """Write the cells of a table of 0 and 1 whose label has changed."""
    place = {name.casefold(): c for c, name in enumerate(archive.class_names)}
    for at in columns:
        c = place[table.header[at].casefold()]
        for i, row in rows.items():
            _check_given(table, at, row, binary(table.rows[row][at]) == archive.scene_labels[i, c])
            if labels[i, c] != archive.scene_labels[i, c]:
                table.rows[row][at] = str(int(labels[i, c]))


def _write_names(
    table: RawTable,
    at: int,
    archive: Archive,
    labels: Array,
    rows: Mapping[int, int],
    options: TableOptions,
) -> None:
    """Write the lists of names that have changed, divided as the table divides them; by semicolons if in brackets."""
    classes = archive.class_names
    cells = divide_cells(
        table.column(at), lambda row: table.where(row, at), table.header[at], options.separator, classes
    )
    known = (mark for word, mark in SEPARATORS.items() if mark and cells.divided_by == f"{word}s")
    separator = next(known, "")
    whole = not separator and not cells.divided_by.startswith("nothing")
    for i, row in rows.items():
        given = {classes[c] for c in np.flatnonzero(archive.scene_labels[i])}
        _check_given(table, at, row, set(cells.names[row]) == given)
        if whole or (labels[i] != archive.scene_labels[i]).any():
            table.rows[row][at] = (separator or SEPARATOR).join(classes[c] for c in np.flatnonzero(labels[i]))


def _check_given(table: RawTable, column: int, row: int, same: Any) -> None:
    if not same:
        raise InputError(
            f"{table.where(row, column)}: {table.rows[row][column]!r:.80} is not the label that was audited. Give the "
            "table as it was when the archive was prepared, or leave out --labels."
        )


def write_images(archive: Archive, folder: Path) -> int:
    """Write the images of an archive as files of their names: PNG where that can hold them, else TIFF.

    Args:
        archive: The archive.
        folder: Output folder, created if it does not exist.

    Returns:
        How many were written.

    Raises:
        InputError: Two images would have the same file.
    """
    group = archive.groups[0]
    plain = len(archive.groups) == 1 and group.pixels.dtype == np.uint8 and len(group.bands) in (1, 3)
    paths = image_paths(folder, archive.names, [".png" if plain else ".tif"] * len(archive))
    for i, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = archive.gather(np.array([i])).numpy()[0]
        kind = group.pixels.dtype
        whole = pixels.round().clip(0, np.iinfo(kind).max).astype(kind)
        write_bytes(path, _png(whole) if plain else _tiff(whole))
    return len(paths)


def _png(pixels: Array) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).save(buffer, format="PNG")
    return buffer.getvalue()


def _tiff(pixels: Array) -> bytes:
    import warnings

    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.io import MemoryFile

    bands, height, width = pixels.shape
    shape = {"driver": "GTiff", "count": bands, "height": height, "width": width, "dtype": str(pixels.dtype)}
    with warnings.catch_warnings(), MemoryFile() as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(**shape) as target:
            target.write(pixels)
        return bytes(memory.read())


def _csv(rows: Iterable[Sequence[Any]]) -> bytes:
    return csv_text(rows).encode()
