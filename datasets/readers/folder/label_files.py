"""Where tables of labels are found by their names, and what a folder without them may have instead."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path

from gridbench.datasets.readers.files import is_raster, other_kinds, walk_files
from gridbench.datasets.readers.folder.layout import files_called, split_folders, split_of_name
from gridbench.datasets.readers.folder.split_lists import is_name_list
from gridbench.datasets.readers.formats.annotations import ANNOTATION_SUFFIXES
from gridbench.datasets.readers.source_files import Unreadable, open_regular
from gridbench.datasets.readers.splitting import SPLIT_WORDS
from gridbench.datasets.readers.tables.rows import TABLE_SUFFIXES
from gridbench.datasets.readers.tables.spreadsheets import read_parquet
from gridbench.errors import InputError

__all__ = ["CLASS_FILES", "METADATA_FILES", "label_files", "nothing_to_learn", "unread_label_files"]

_LOOK = 1000
CLASS_FILES = ("classes.csv", "classes.tsv", "classes.txt", "classes.xlsx", "class_dict.csv")
_LABEL_FILES = tuple(f"labels{suffix}" for suffix in TABLE_SUFFIXES)
METADATA_FILES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
"""What Hugging Face calls tables about the images beside them, which may give labels or anything else."""
_TABLE_FOLDERS = {"labels", "label", "tables"}
_ONE_TABLE_EACH = {".csv", ".tsv", ".xlsx", ".parquet"}
_ALL_LABEL_FILES = (
    *_LABEL_FILES,
    "labels.json",
    "labels.jsonl",
    "annotations.json",
    "_annotations.coco.json",
    "annotations.xml",
    "multilabel.csv",
    "multilabels.csv",
    "multi-labels.xlsx",
    "_classes.csv",
    *METADATA_FILES,
)
_ONLY_WITH_COLUMN = {"_classes.csv": "filename", **dict.fromkeys(METADATA_FILES, "file_name")}
"""Names of tables of labels that other files have, too -> a column that those lack."""


def label_files(root: Path) -> dict[str, Path]:
    """Return the tables of labels in their usual places: prefix of the images that each is about -> file.

    One `labels.csv` is about all images (prefix ""); else `train/labels.csv`, `val/labels.csv` and so on, or
    `train.csv`, `val.csv` and so on, are about the images of one split, or `labels/beach.csv` about those below a
    folder `beach`. A `metadata.csv` with a column `file_name` is one where no other is beside it, and may lie in a
    folder below that of the split or of all images, too.
    """
    whole = _tables_in(root)
    if whole:
        return {"": whole[0]}
    inner = {f"{folder.name}/": next(iter(_tables_in(folder)), None) for folder in split_folders(root)}
    named = {prefix: path for prefix, path in inner.items() if path is not None}
    named = named or {f"{path.parent.relative_to(root).as_posix()}/": path for path in _metadata_below(root)}
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


def _tables_in(folder: Path) -> list[Path]:
    """Return the files in a folder named like label tables, the one to read first."""
    found = files_called(folder, _ALL_LABEL_FILES)
    return [path for path in found if _has_column(path, _ONLY_WITH_COLUMN.get(path.name.lower()))]


def _metadata_below(root: Path) -> list[Path]:
    """Return the metadata in folders of images, as in `images/`, `train/images/` or `train/2024/`."""
    below = {folder: _folders(folder) for folder in _folders(root)}
    # A folder of splits is an archive of its own, whose splits would be lost.
    below = {
        folder: inner for folder, inner in below.items() if not any(split_of_name(f.name) for f in inner)
    }
    folders = [each for folder, inner in below.items() for each in (folder, *inner)]
    found = [path for folder in folders for name in METADATA_FILES if (path := folder / name).is_file()]
    return [path for path in found if _has_column(path, _ONLY_WITH_COLUMN[path.name])]


def _folders(root: Path) -> list[Path]:
    with os.scandir(root) as entries:
        return sorted(
            Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith(".")
        )


def _has_column(path: Path, column: str | None) -> bool:
    """Whether the header of a table, or its first record, has a column of that name."""
    if column is None:
        return True
    start = _start(path)
    if path.suffix.lower() == ".parquet":
        return column in next(read_parquet(path))
    lines = start.decode("utf-8", "replace").lstrip("\ufeff \t\r\n").lower().splitlines()
    # A comment above the header is refused when the table is read.
    header = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    return column in re.split(r"\W+", header)


def _start(path: Path) -> bytes:
    """Return as much of a file as any header takes, without the zero bytes of UTF-16."""
    try:
        with open_regular(path) as file:
            return file.read(1 << 16).replace(b"\0", b"")
    except Unreadable as error:
        raise InputError(f"{error}.") from error


def unread_label_files(root: Path, read: Sequence[Path]) -> list[str]:
    """Return the names of files that are called as tables of labels are, beside those that are read."""
    found = [path for folder in (root, *split_folders(root)) for path in _tables_in(folder)]
    found += [path for path in _metadata_below(root) if path not in found]
    known = {path.resolve() for path in read}
    return [str(path.relative_to(root)) for path in found if path.resolve() not in known]


def _other_tables(root: Path, images: Sequence[Path]) -> list[str]:
    """Return the names of further tables in a folder that name an image, as the one that the user means would.

    Args:
        root: The folder.
        images: Some images.
    """
    names = [path.stem.encode() for path in images]
    suffixes = (*TABLE_SUFFIXES, *ANNOTATION_SUFFIXES)
    files = [
        path
        for path in sorted(root.iterdir())
        if path.suffix.lower() in suffixes and path.name not in CLASS_FILES and path.is_file()
    ]
    return [
        path.name
        for path in files
        # The names in a workbook, and in some Parquet files, are compressed.
        if path.suffix.lower() in (".xlsx", ".parquet") or any(map(_start(path).__contains__, names))
    ]


def nothing_to_learn(root: Path) -> str:
    """Return what a folder without labels, masks and folders of classes lacks, and what it has instead."""
    text = (
        f"{root} has neither labels ({', '.join(_LABEL_FILES)}), nor masks (a folder masks or mask), nor a "
        "folder for each "
        "class; name them with --labels FILE or --masks DIR."
    )
    images = list(itertools.islice(filter(is_raster, walk_files(root)), _LOOK))
    tables = _other_tables(root, images)
    inner = [
        each
        for each in sorted(root.iterdir())
        if each.is_dir() and (label_files(each) or split_folders(each))
    ]
    if tables:
        text += f" There is {', '.join(tables[:5])}: is it the table of labels? Then add --labels {root / tables[0]}"
    elif inner:
        text += f" There are labels or splits in {inner[0]}: is it the archive? Then give --data {inner[0]}"
    elif odd := [
        p.name for p in sorted(root.iterdir()) if p.name.lower() in _ALL_LABEL_FILES and not p.is_file()
    ]:
        text += f" {odd[0]} is there, but is not a regular file (a folder, or a link to nothing)."
    elif hint := _odd_folders([path.relative_to(root).parts for path in images]):
        text += f" {hint}"
    elif kinds := other_kinds(root):
        text += (
            f" Files are there that end in {kinds}. One file for each image, as YOLO, Pascal VOC and LabelMe write, is "
            "not read: export COCO JSON from the tool. Masks in .npy or .mat must be saved as PNG or TIFF, "
            "tables in .xls or .ods as .xlsx or .csv."
        )
    return text


def _odd_folders(images: Sequence[Sequence[str]]) -> str:
    """Return why folders of images are not classes: some lie deeper than others, or beside those of splits.

    Args:
        images: Folders and name of each image.
    """
    depths = {len(parts): parts for parts in images}
    tops = {parts[0]: split_of_name(parts[0]) for parts in images if len(parts) > 1}
    odd = sorted(top for top, split in tops.items() if split is None)
    if len(depths) > 1:
        shown = " and ".join("/".join(depths[depth]) for depth in sorted(depths)[:2])
        return (
            f"Images lie at different depths ({shown}): if folders are the classes, move the images that are in none "
            "elsewhere."
        )
    if set(depths) == {3} and len(odd) == len(tops) > 1:
        return (
            f"Images lie two folders deep ({'/'.join(images[0])}): if the upper folders are splits, call them train, "
            "val and test; if they are the classes, move the images of each into one folder."
        )
    if odd and len(odd) < len(tops):
        return (
            f"Folders of splits are {', '.join(sorted(set(tops) - set(odd)))}, and {odd[0]!r} is none (known are "
            f"{', '.join(sorted(SPLIT_WORDS))}): rename it, or move it elsewhere."
        )
    return ""
