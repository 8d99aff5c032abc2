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
)
from gridbench.datasets.readers.tables.label_table import refuse_alike
from gridbench.datasets.readers.tables.no_labels import says_no_label
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
    tables = [table for _, table, _ in parts]
    classes = _common_classes(paths, tables)
    _refuse_partial_columns(paths, tables)
    labels = np.zeros((sum(len(table.keys) for table in tables), len(classes)), dtype=np.uint8)
    keys: list[str] = []
    row_of: dict[str, int] = {}
    columns: dict[str, list[str]] = {}
    outlines: list[Outlines] = []
    split: list[str] = []
    for path, (prefix, table, rows) in zip(paths, parts, strict=True):
        start = len(keys)
        places = [classes.index(name) for name in table.class_names]
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
    if all(split):
        columns.setdefault("split", split)
    joined = LabelTable(
        keys,
        classes,
        labels,
        columns,
        tuple(note for table in tables for note in table.notes),
        _reading_of_all(tables),
        tables[0].has_class_columns,
        outlines if len(outlines) == len(keys) else None,
    )
    return MatchedTable(joined, row_of)


def _common_classes(paths: Sequence[Path], tables: Sequence[LabelTable]) -> tuple[str, ...]:
    """Return the classes of all tables: in the order of the first if it has columns or all agree, else sorted.

    Raises:
        InputError: Tables with a column for each class do not have the same classes.
    """
    first = tables[0]
    for path, table in zip(paths, tables, strict=True):
        if table.has_class_columns and set(table.class_names) != set(first.class_names):
            odd = sorted(set(table.class_names) ^ set(first.class_names))
            raise InputError(
                f"{paths[0]} and {path} do not have the same columns of classes: {', '.join(odd[:5])}."
            )
    if first.has_class_columns or all(table.class_names == first.class_names for table in tables):
        return first.class_names
    return tuple(sorted({name for table in tables for name in table.class_names}))


def _refuse_partial_columns(paths: Sequence[Path], tables: Sequence[LabelTable]) -> None:
    """Refuse a column, such as the split, that only some of the tables have.

    Raises:
        InputError: With a table that has it and one that has not.
    """
    for name in dict.fromkeys(name for table in tables for name in table.columns):
        has = [name in table.columns for table in tables]
        if not all(has):
            one, other = paths[has.index(True)], paths[has.index(False)]
            raise InputError(
                f"{one} has a column that gives the {name}, and {other} has none. Give it to all tables or to none."
            )


def _reading_of_all(tables: Sequence[LabelTable]) -> tuple[str, ...]:
    """Return how the first tables were read, and the number of the others."""
    reading = tuple(line for table in tables[:_LISTED_TABLES] for line in table.reading)
    if len(tables) > _LISTED_TABLES:
        more = sum(len(table.keys) for table in tables[_LISTED_TABLES:])
        reading += (
            f"  and {counted(len(tables) - _LISTED_TABLES, 'more table')} of {counted(more, 'row')}, read by the "
            "names of the columns",
        )
    return reading


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
        f"labels: the folder of each image, {counted(len(set(folders)), 'class', 'classes')}, one label per image",
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
            "classes with --classes FILE, one name per line."
        )
    return refuse_parallel_folders(folders)
