"""Lists of names beside an archive, such as `train.txt`, `val.txt` and `test.txt`, that say the split of each image."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from gridbench.datasets.archive.layout import SPLITS
from gridbench.datasets.readers.base import listed
from gridbench.datasets.readers.files import FileIndex
from gridbench.datasets.readers.splitting import SPLIT_WORDS
from gridbench.datasets.readers.tables.rows import read_text
from gridbench.errors import InputError, counted

__all__ = ["LIST_SUFFIXES", "find_split_lists", "is_name_list", "read_split_lists", "unread_splits"]

LIST_SUFFIXES = (".txt", ".lst", ".csv")
_FOLDERS = ("", "splits", "split", "lists", "ImageSets", "ImageSets/Main", "ImageSets/Segmentation")
_OTHER_WORDS = {
    "list",
    "lists",
    "file",
    "files",
    "filenames",
    "image",
    "images",
    "names",
    "ids",
    "split",
    "set",
}
_LOOK = 100
_TEXTS = {".txt", ".lst", ".csv", ".tsv", ".json", ".jsonl", ".yaml", ".yml"}
_ABOUT_SPLITS = re.compile(
    r"(?<![a-z])(train|trainval|val|valid|validation|dev|test|splits?|folds?)(?![a-z])"
)
_INSTEAD = "or divide the images by shares, whatever the lists say: --split 70/10/20"


def find_split_lists(root: Path, apart_from: Sequence[Path] = ()) -> dict[Path, str]:
    """Return the lists of the first folder that holds one for training and one more: file -> train, val or test.

    Args:
        root: The user's folder; `splits/`, `lists/` and the `ImageSets/` of Pascal VOC are looked into, too.
        apart_from: Files that are read as something else.

    Raises:
        InputError: Two files of one folder are about the same split.
    """
    for name in _FOLDERS:
        folder = root / name
        if not folder.is_dir():
            continue
        found: dict[Path, str] = {}
        for path in sorted(folder.iterdir()):
            split = _split_word(path)
            if split is None or path in apart_from or not path.is_file():
                continue
            if split in found.values():
                first = next(other for other, word in found.items() if word == split)
                raise InputError(f"{first} and {path} are both about {split}. Leave one of them out.")
            found[path] = split
        if len(found) > 1 and "train" in found.values():
            return dict(sorted(found.items(), key=lambda item: SPLITS.index(item[1])))
    return {}


def unread_splits(root: Path, images: Mapping[str, Path], apart_from: Sequence[Path]) -> list[Path]:
    """Return the files beside the images that are called as if they gave a split, and name an image.

    Args:
        root: The user's folder; folders called `splits` and the like are looked into, too.
        images: Key of each image -> its file.
        apart_from: Files that are read.
    """
    names = [path.stem for path in itertools.islice(images.values(), _LOOK)]
    found = []
    for folder in (root / name for name in _FOLDERS[:4]):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            called = folder != root or _ABOUT_SPLITS.search(path.stem.lower())
            if called and path.suffix.lower() in _TEXTS and path not in apart_from and path.is_file():
                with path.open("rb") as file:
                    text = file.read(1 << 16).decode("utf-8", "replace")
                if any(name in text for name in names):
                    found.append(path)
    return found


def is_name_list(path: Path) -> bool:
    """Whether a file lists one name per line, so that it is a list of a split and no table of labels."""
    if path.suffix.lower() not in LIST_SUFFIXES or not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        lines = [
            line for line in (file.readline(1000).strip() for _ in range(_LOOK)) if line and line[0] != "#"
        ]
    return bool(lines) and not any(re.search(r"[,;|\s]", line) for line in lines)


def read_split_lists(
    lists: Mapping[Path, str], images: Mapping[str, Path], needed: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """Return the split of each image that a list names, and what the user should know.

    Args:
        lists: File -> train, val or test. A line names an image as a table does; further words, such as the path of
            the mask or a class, are passed over, and so are lines that begin with #.
        images: Key of each image -> its file.
        needed: Keys of the images that must have a split.

    Raises:
        InputError: A line fits several images, two lists name one image, a list names none, or an image is in none.
    """
    index = FileIndex(images)
    split: dict[str, str] = {}
    listed_in: dict[str, Path] = {}
    notes: list[str] = []
    for path, word in lists.items():
        unknown = []
        for number, line in enumerate(map(str.strip, read_text(path).splitlines()), 1):
            if not line or line.startswith("#"):
                continue
            key = _image(index, line, f"{path}, line {number}")
            if key is None:
                unknown.append(line)
            elif listed_in.setdefault(key, path) != path:
                raise InputError(
                    f"{path}, line {number}: {key} is in {listed_in[key].name}, too. An image belongs to one split; "
                    f"{_INSTEAD}"
                )
            else:
                split[key] = word
        if path not in listed_in.values():
            raise InputError(
                f"{path} names no image. Images are called {', '.join(index.examples())}; {_INSTEAD}"
            )
        notes += listed("line", f"of {path.name} without an image", unknown)
    lacking = [key for key in needed if key not in split]
    if lacking:
        names = ", ".join(path.name for path in lists)
        raise InputError(
            f"{len(lacking)} of {counted(len(needed), 'image')} in none of {names}: {', '.join(lacking[:5])}. Add "
            "them, move "
            f"them elsewhere, {_INSTEAD}"
        )
    return split, notes


def _image(index: FileIndex, line: str, where: str) -> str | None:
    for words in (line, re.split(r"[\s,;]", line)[0]):
        found = index.find(words)
        if len(found) > 1:
            raise InputError(f"{where}: {words!r} fits several images ({', '.join(sorted(found)[:3])}).")
        if found:
            return found[0]
    return None


def _split_word(path: Path) -> str | None:
    if path.suffix.lower() not in LIST_SUFFIXES:
        return None
    words = [word for word in re.split(r"[\W_]+", path.stem.lower()) if word not in _OTHER_WORDS]
    split = SPLIT_WORDS.get(words[0]) if len(words) == 1 else None
    # Further words on a line are skipped; in a .csv they are columns.
    return split if split is None or path.suffix.lower() != ".csv" or is_name_list(path) else None
