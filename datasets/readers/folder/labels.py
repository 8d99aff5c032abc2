"""Scene labels of a user's images: from a table, from several, or from the names of the folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from gridbench.datasets.readers.files import FileIndex
from gridbench.datasets.readers.folder.layout import FoundFiles, split_of_name
from gridbench.datasets.readers.folder.parallel_folders import refuse_parallel_folders
from gridbench.datasets.readers.formats.annotations import ANNOTATION_SUFFIXES, annotation_table
from gridbench.datasets.readers.formats.drawn import Outlines
from gridbench.datasets.readers.tables import LabelTable, TableOptions, read_label_table
from gridbench.datasets.readers.tables.label_checks import (
    folded_name,
    number_form,
    refuse_combinations,
    refuse_mixed_numbers,
    refuse_variants,
    says_no_label,
)
from gridbench.datasets.readers.tables.label_table import refuse_alike
from gridbench.errors import InputError, counted

__all__ = ["MatchedTable", "folder_labels", "match_tables"]

_LISTED_TABLES = 3


@dataclass(frozen=True)
class MatchedTable:
    """A table of scene labels whose rows have found their images.

    Attributes:
        table: The table.
        row_of: Key of an image -> its row; images without a row are not in it.
    """

    table: LabelTable
    row_of: Mapping[str, int]

    def labels(self, key: str) -> tuple[int, ...]:
        """Return the (C,) labels of an image."""
        return tuple(int(value) for value in self.table.labels[self.row_of[key]])

    def column(self, name: str, key: str) -> str:
        """Return what an image's row has in another column."""
        return self.table.columns[name][self.row_of[key]]


def match_tables(
    files: Mapping[str, Path],
    found: FoundFiles,
    class_names: Sequence[str] | None,
    options: TableOptions,
) -> MatchedTable:
    """Read tables of labels and match their rows to the images that each is about.

    Args:
        files: Prefix of the images' keys -> table, as `label_files` returns.
        found: The images.
        class_names: The known classes, or None.
        options: What the user said about the tables.

    Raises:
        InputError: A table cannot be read or matched, or two do not have the same classes.
    """
    parts = []
    for prefix, path in files.items():
        below = {key: image for key, image in found.images.items() if key.startswith(prefix)}
        beside = {key: image for key, image in found.images.items() if path.parent in image.parents}
        index = FileIndex(below or beside or found.images)
        if path.suffix.lower() in ANNOTATION_SUFFIXES:
            table = annotation_table(path, class_names, index, options)
        else:
            table = read_label_table(path, class_names, index, options)
        parts.append((prefix, table, index.match(table.keys, str(path))))
    if len(parts) == 1:
        return MatchedTable(parts[0][1], parts[0][2])
    if class_names is None:
        _refuse_names_of_others(list(files.values()), [table for _, table, _ in parts], options)
    return _joined(list(files.values()), parts)


def _refuse_names_of_others(
    paths: Sequence[Path], tables: Sequence[LabelTable], options: TableOptions
) -> None:
    """Refuse names that are another spelling, or a combination, of names in another table, as within one table.

    Raises:
        InputError: With the table of the name.
    """

    def where(position: int) -> str:
        return str(paths[position])

    names = [table.class_names for table in tables]
    refuse_variants(names, where)
    refuse_mixed_numbers(names, where)
    if options.separator is None and not any(table.has_class_columns or table.outlines for table in tables):
        refuse_combinations(names, where, "none")


def _joined(paths: Sequence[Path], parts: Sequence[tuple[str, LabelTable, dict[str, int]]]) -> MatchedTable:
    """Put tables below each other; columns of 0 and 1 must be the same in all, listed names may differ."""
    names = sorted({name for _, table, _ in parts for name in table.class_names})
    first = parts[0][1]
    for path, (_, table, _) in zip(paths, parts, strict=True):
        if table.has_class_columns and set(table.class_names) != set(first.class_names):
            odd = sorted(set(table.class_names) ^ set(first.class_names))
            raise InputError(
                f"{paths[0]} and {path} do not have the same columns of classes: {', '.join(odd[:5])}."
            )
    ordered = list(first.class_names) if first.has_class_columns else names
    if all(table.class_names == first.class_names for _, table, _ in parts):
        ordered = list(first.class_names)
    labels = np.zeros((sum(len(table.keys) for _, table, _ in parts), len(ordered)), dtype=np.uint8)
    keys: list[str] = []
    row_of: dict[str, int] = {}
    columns: dict[str, list[str]] = {}
    outlines: list[Outlines] = []
    split: list[str] = []
    for path, (prefix, table, rows) in zip(paths, parts, strict=True):
        start = len(keys)
        places = [ordered.index(name) for name in table.class_names]
        labels[start : start + len(table.keys), places] = table.labels
        for key, row in rows.items():
            if key in row_of:
                raise InputError(f"{path} and another table both have a row for the image {key}.")
            row_of[key] = start + row
        keys += [prefix + key for key in table.keys]
        outlines += table.outlines or []
        split += [split_of_name(prefix.partition("/")[0]) or ""] * len(table.keys)
        for name, words in table.columns.items():
            columns.setdefault(name, []).extend(words)
    for name, words in columns.items():
        if len(words) < len(keys):
            one, other = (
                next(
                    path for path, part in zip(paths, parts, strict=True) if (name in part[1].columns) == has
                )
                for has in (True, False)
            )
            raise InputError(
                f"{one} has a column that gives the {name}, and {other} has none. Give it to all tables or to none."
            )
    if all(split):
        columns.setdefault("split", split)
    notes = tuple(note for _, table, _ in parts for note in table.notes)
    reading = tuple(line for _, table, _ in parts[:_LISTED_TABLES] for line in table.reading)
    if len(parts) > _LISTED_TABLES:
        more = sum(len(table.keys) for _, table, _ in parts[_LISTED_TABLES:])
        reading += (
            f"  and {counted(len(parts) - _LISTED_TABLES, 'more table')} of {counted(more, 'row')}, read by the "
            "names of the columns",
        )
    joined = LabelTable(
        keys,
        tuple(ordered),
        labels,
        columns,
        notes,
        reading,
        first.has_class_columns,
        outlines if len(outlines) == len(keys) else None,
    )
    return MatchedTable(joined, row_of)


def folder_labels(found: FoundFiles, class_names: Sequence[str] | None) -> MatchedTable | None:
    """Take the class of each image from the folder that it is in; None when the folders are not classes.

    Every image must lie in a folder of its own class, below folders of the splits or directly.

    Raises:
        InputError: A folder is none of the known classes.
    """
    first = 1 if found.split else 0
    parts = {key: PurePosixPath(key).parts for key in found.images}
    if any(len(each) != first + 2 for each in parts.values()):
        return None
    folders = [each[first] for each in parts.values()]
    names = tuple(class_names) if class_names is not None else tuple(sorted(set(folders)))
    if len(set(folders)) < 2:
        return None
    refuse_alike(sorted(set(folders)), "folders of classes", lambda name: number_form(folded_name(name)))
    notes: list[str] = []
    if class_names is None:
        images = list(found.images.values())
        refuse_mixed_numbers([[folder] for folder in folders], lambda row: str(images[row].parent))
        notes = _refuse_other_folders(found, parts, first)
    unknown = sorted(set(folders) - set(names))
    if unknown:
        raise InputError(f"The folder {unknown[0]!r} is none of the classes {', '.join(names[:10])}.")
    labels = np.zeros((len(folders), len(names)), dtype=np.uint8)
    labels[np.arange(len(folders)), [names.index(folder) for folder in folders]] = 1
    columns = {"split": [found.split[key] for key in parts]} if found.split else {}
    reading = (
        f"labels: the folder of each image, {counted(len(set(folders)), 'class', 'classes')}, one label an image",
    )
    table = LabelTable(list(parts), names, labels, columns, tuple(notes), reading)
    return MatchedTable(table, {key: row for row, key in enumerate(parts)})


def _refuse_other_folders(found: FoundFiles, parts: Mapping[str, tuple[str, ...]], level: int) -> list[str]:
    """Refuse folders that may be no classes, and return what the user should look at.

    Raises:
        InputError: A folder is called as if its images had no label, or holds the masks of another's images.
    """
    folders: dict[str, dict[str, Path]] = {}
    for key, each in parts.items():
        path = found.images[key]
        folders.setdefault(each[level], {})["/".join([*each[:level], path.name[: -len(path.suffix)]])] = path
    unlabelled = next((name for name in sorted(folders) if says_no_label(name)), None)
    if unlabelled is not None:
        raise InputError(
            f"The folder {unlabelled!r} may be a class, or hold images without a label. Move it elsewhere, or list the "
            "classes with --classes FILE, one name a line."
        )
    return refuse_parallel_folders(folders)
