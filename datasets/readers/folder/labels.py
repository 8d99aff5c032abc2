"""Scene labels of a user's images: from a table, from one table a folder, or from the names of the folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from gridbench.datasets.readers.files import FileIndex
from gridbench.datasets.readers.folder.layout import FoundFiles, first_file, split_folders
from gridbench.datasets.readers.folder.parallel_folders import refuse_parallel_folders
from gridbench.datasets.readers.folder.split_lists import is_name_list
from gridbench.datasets.readers.formats.annotations import ANNOTATION_SUFFIXES, annotation_table
from gridbench.datasets.readers.formats.drawn import Outlines
from gridbench.datasets.readers.splitting import SPLIT_WORDS
from gridbench.datasets.readers.tables import LabelTable, TableOptions, read_label_table
from gridbench.datasets.readers.tables.label_checks import folded_name, number_form, says_no_label
from gridbench.datasets.readers.tables.label_table import refuse_alike
from gridbench.datasets.readers.tables.rows import TABLE_SUFFIXES, read_text
from gridbench.errors import InputError, counted

__all__ = [
    "LABEL_FILES",
    "MatchedTable",
    "folder_labels",
    "label_files",
    "match_tables",
    "other_tables",
    "unread_label_files",
]

LABEL_FILES = tuple(f"labels{suffix}" for suffix in TABLE_SUFFIXES)
_OTHER_LABEL_FILES = ("multilabel.csv", "multilabels.csv", "multi-labels.xlsx")
_TABLE_FOLDERS = {"labels", "label", "tables"}
_ONE_TABLE_EACH = {".csv", ".tsv", ".xlsx", ".parquet"}
_LISTED_TABLES = 3
_ANNOTATION_FILES = (
    "labels.json",
    "labels.jsonl",
    "annotations.json",
    "_annotations.coco.json",
    "annotations.xml",
)


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


def label_files(root: Path) -> dict[str, Path]:
    """Return the tables of labels in their usual places: prefix of the images that each is about -> file.

    One `labels.csv` is about all images (prefix ""); else `train/labels.csv`, `val/labels.csv` and so on, or
    `train.csv`, `val.csv` and so on, are about the images of one split, or `labels/beach.csv` about those below a
    folder `beach`.
    """
    whole = first_file(root, (*LABEL_FILES, *_ANNOTATION_FILES, *_OTHER_LABEL_FILES))
    if whole is not None:
        return {"": whole}
    names = (*LABEL_FILES, *_ANNOTATION_FILES)
    inner = {
        f"{folder.name}/": first_file(folder, names) or _roboflow_table(folder)
        for folder in split_folders(root)
    }
    named = {prefix: path for prefix, path in inner.items() if path is not None}
    if named:
        return named
    beside = {
        path.stem.lower(): path
        for path in sorted(root.iterdir())
        if path.suffix.lower() in TABLE_SUFFIXES and not is_name_list(path)
    }
    splits = {f"{stem}/": path for stem, path in beside.items() if stem in SPLIT_WORDS}
    if len(splits) > 1:
        return splits
    folders = [
        path for path in sorted(root.iterdir()) if path.is_dir() and path.name.lower() in _TABLE_FOLDERS
    ]
    files = [path for folder in folders for path in sorted(folder.iterdir())]
    tables = {f"{path.stem}/": path for path in files if path.suffix.lower() in _ONE_TABLE_EACH}
    return tables if len(tables) == len(files) else {}


def _roboflow_table(folder: Path) -> Path | None:
    """Return Roboflow's table of multi-labels in a folder; its export of masks calls the table of classes the same."""
    path = first_file(folder, ("_classes.csv",))
    return path if path is not None and read_text(path).lower().startswith("filename,") else None


def unread_label_files(root: Path, read: Sequence[Path]) -> list[str]:
    """Return the names of files in a folder that are called as tables of labels are, beside the one that is read."""
    names = {*LABEL_FILES, *_ANNOTATION_FILES, *_OTHER_LABEL_FILES}
    return sorted(path.name for path in root.iterdir() if path.name.lower() in names and path not in read)


def other_tables(root: Path, known: Sequence[str]) -> list[str]:
    """Return the names of further tables in a folder, which may be the one that the user means."""
    return sorted(
        p.name for p in root.iterdir() if p.suffix.lower() in TABLE_SUFFIXES and p.name not in known
    )


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
        index = FileIndex(below or found.images)
        if path.suffix.lower() in ANNOTATION_SUFFIXES:
            table = annotation_table(path, class_names, index, options)
        else:
            table = read_label_table(path, class_names, index, options)
        parts.append((prefix, table, index.match(table.keys, str(path))))
    if len(parts) == 1:
        return MatchedTable(parts[0][1], parts[0][2])
    return _joined(list(files.values()), parts)


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
        split += [SPLIT_WORDS.get(prefix.rstrip("/").lower(), "")] * len(table.keys)
        for name, words in table.columns.items():
            columns.setdefault(name, []).extend(words)
    columns = {name: words for name, words in columns.items() if len(words) == len(keys)}
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
