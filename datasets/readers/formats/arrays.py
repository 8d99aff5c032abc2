"""Reads an array of images beside arrays or tables of labels, such as CIFAR-10 with the labels of CIFAR-10N.

Nothing is unpickled: a `.npy` or `.npz` of objects and a `.pt` run code when they are read, and are refused.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.dataset import Progress, silent
from gridbench.datasets.readers.base import Plan
from gridbench.datasets.readers.formats.embedded import EmbeddedOptions, plan_embedded
from gridbench.datasets.readers.rasters.raster import Raster, Shape
from gridbench.datasets.readers.source_files import Unreadable, open_regular
from gridbench.datasets.readers.splitting import SPLIT_WORDS, read_split
from gridbench.datasets.readers.tables.class_table import read_class_table
from gridbench.datasets.readers.tables.column_words import SPLIT_NAMES
from gridbench.datasets.readers.tables.label_checks import refuse_no_names, refuse_variants
from gridbench.datasets.readers.tables.rows import RawTable, read_raw_table
from gridbench.errors import InputError, counted, nearest, reason_of

__all__ = ["ArrayOptions", "plan_arrays"]

_LARGEST_LABELS = 1 << 30
_MANY, _MOST_GAPS = 100, 10
"""Class numbers above which ten times as many classes as there are labels of are taken for codes."""
_PICKLED = (".pt", ".pth", ".pkl", ".pickle")
_MEANT = {
    "--label-column": "are the labels",
    "--clean-column": "are the clean labels",
    "--split-column": "gives the split",
}


@dataclass(frozen=True)
class ArrayOptions:
    """Where arrays of images and labels are.

    Attributes:
        images: `.npy` of (N, H, W, bands) or (N, H, W).
        labels: `.npy`, `.npz` or table of one class number or name an image, or of (N, C) zeros and ones.
        column: Column of the table or array of the `.npz` with the labels; None when there is one.
        clean_column: The same for the clean labels; None without.
        classes: File of the class names, with their numbers where these are no running ones; None to call classes by
            number or by the table's names.
        split_column: Column of the table or array of the `.npz` that says train, val or test; None to look for one
            that is called split, subset, phase, set or partition.
    """

    images: Path
    labels: Path
    column: str | None = None
    clean_column: str | None = None
    classes: Path | None = None
    split_column: str | None = None


@dataclass(frozen=True)
class _ArrayImage:
    path: Path
    row: int

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    def shape(self) -> Shape:
        height, width, *bands = _mapped(self.path).shape[1:]
        return Shape(bands[0] if bands else 1, height, width, _mapped(self.path).dtype.name)

    def read(self) -> Raster:
        pixels = np.array(_mapped(self.path)[self.row])
        return Raster(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1), None)


@functools.lru_cache(maxsize=2)
def _mapped(path: Path) -> NDArray[Any]:
    try:
        open_regular(path).close()
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Unreadable(path, _reason(path, error)) from error
    if not isinstance(array, np.ndarray):
        raise Unreadable(path, "holds several arrays; images are one .npy")
    return array


def plan_arrays(where: ArrayOptions, options: EmbeddedOptions, progress: Progress = silent) -> Plan:
    """Plan an archive from an array of images.

    Raises:
        InputError: A file cannot be read without running code, or the arrays do not fit each other.
    """
    try:
        images = _mapped(where.images)
    except Unreadable as error:
        raise InputError(f"{error}.") from error
    if images.ndim not in (3, 4) or (images.ndim == 4 and not _ends_with_bands(images.shape)):
        raise InputError(
            f"{where.images} has the shape {images.shape}; images are (N, H, W, bands) or (N, H, W). Where bands come "
            "first, numpy.moveaxis(images, 1, -1) puts them last."
        )
    given = _labels(where.labels, where.column, "--label-column")
    clean = (
        None if where.clean_column is None else _labels(where.labels, where.clean_column, "--clean-column")
    )
    named, split = _split(where)
    for what, array in (("labels", given), ("clean labels", clean), ("words of the split", split)):
        if array is not None and len(array) != len(images):
            raise InputError(
                f"{where.labels} has {len(array)} {what}, and {where.images} has {counted(len(images), 'image')}."
            )
    table = None if where.classes is None else read_class_table(where.classes)
    names = table.names if table else _class_names([array for array in (given, clean) if array is not None])
    numbers = table.require_values() if table and table.values else {c: c for c in range(len(names))}
    shape = " x ".join(map(str, images.shape[1:]))
    digits = len(str(len(images) - 1))
    counts = ", ".join(f"{word} {(split or []).count(word)}" for word in ("train", "val", "test"))
    report = {
        "reading": [
            f"images: {where.images.name}, {len(images)} of {shape} {images.dtype.name}",
            f"labels: {where.labels.name}{'' if where.column is None else f', {where.column}'}, "
            f"{counted(len(names), 'class', 'classes')}",
            *(
                []
                if where.clean_column is None
                else [f"clean labels: {where.labels.name}, {where.clean_column}"]
            ),
            *([] if split is None else [f"split: {where.labels.name}, {named}: {counts}"]),
        ],
        "notes": [],
        "source": str(where.images),
    }
    plan = plan_embedded(
        "arrays",
        [f"{i:0{digits}d}" for i in range(len(images))],
        lambda position: _ArrayImage(where.images, position),
        names,
        _one_hot(given, names, numbers, where.labels),
        None if clean is None else _one_hot(clean, names, numbers, where.labels),
        split,
        options,
        report,
        progress,
    )
    if split is None:
        return plan
    words = hashlib.sha256(" ".join(split).encode()).hexdigest()
    return replace(plan, settings={**plan.settings, "split": words})


def _ends_with_bands(shape: tuple[int, ...]) -> bool:
    """Whether (N, A, B, C) is (N, H, W, bands): by square images, else by fewer bands than rows and columns."""
    _, one, two, three = shape
    return one == two or (two != three and three < min(one, two))


def _labels(path: Path, column: str | None, option: str) -> NDArray[Any]:
    """Return (N,) numbers or words, or (N, C) zeros and ones."""
    if path.suffix.lower() in _PICKLED:
        raise InputError(
            f"{path} is pickled: reading it may run any code that its author wrote into it. Load it where you trust "
            "it, and save each array with numpy.savez(FILE.npz, name=array), which is read here."
        )
    if path.suffix.lower() not in (".npy", ".npz"):
        table = read_raw_table(path)
        chosen = _choose(path, table.header, column, option)
        _refuse_other_order(table, chosen)
        return _checked(table.column(chosen), lambda row: table.where(row, chosen))
    try:
        open_regular(path).close()
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            if column is not None:
                raise InputError(f"{path} is one array without columns; leave {option} out.")
            array: NDArray[Any] = loaded
        else:
            name = loaded.files[_choose(path, loaded.files, column, option)]
            if loaded.zip.getinfo(f"{name}.npy").file_size > _LARGEST_LABELS:
                raise InputError(
                    f"{path} holds more than {_LARGEST_LABELS:,} bytes of {name}, too many for labels."
                )
            array = loaded[name]
    except Unreadable as error:
        raise InputError(f"{error}.") from error
    except Exception as error:  # zipfile and numpy raise much for damaged files
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} {_reason(path, error)}.") from error
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind in "SU" and array.ndim == 1:
        try:
            return _checked(np.asarray(array, np.str_).tolist(), lambda row: f"{path}, image {row}")
        except UnicodeDecodeError:
            raise InputError(f"{path} holds names that are not ASCII as bytes; save them as text.") from None
    if array.dtype.kind == "b" or (array.dtype.kind == "f" and (array == np.rint(array)).all()):
        array = array.astype(np.int64)
    if array.ndim not in (1, 2) or array.dtype.kind not in "iuU":
        found = f"{array.dtype.name} of the shape {array.shape}"
        raise InputError(
            f"{path} holds {found}; labels are (N,) whole numbers or names, or (N, C) zeros and ones."
        )
    return array


def _split(where: ArrayOptions) -> tuple[str | None, list[str] | None]:
    """Return the column or array that says train, val or test, and what it says of each image; None without one."""
    path, name = where.labels, where.split_column
    if name is None:
        fitting = [other for other in _names_in(path) if other.lower() in SPLIT_NAMES]
        fitting = [other for other in fitting if other not in (where.column, where.clean_column)]
        if len(fitting) > 1:
            raise InputError(
                f"{path} holds {', '.join(fitting)}; say which one gives the split with --split-column NAME."
            )
        if not fitting:
            return None, None
        name = fitting[0]
    words = [str(word) for word in _labels(path, name, "--split-column").tolist()]
    chosen = where.split_column is not None or name.lower() == "split"
    if not chosen and not any(word.lower() in SPLIT_WORDS for word in words):
        return None, None
    split = []
    for image, word in enumerate(words):
        try:
            split.append(read_split(word))
        except InputError as error:
            raise InputError(f"{path}, {name}, image {image}: {error}") from None
    return name, split


def _names_in(path: Path) -> list[str]:
    """Return the columns of a table or the arrays of a `.npz`."""
    if path.suffix.lower() == ".npz":
        with np.load(path, allow_pickle=False) as loaded:
            return list(loaded.files)
    return [] if path.suffix.lower() == ".npy" else read_raw_table(path).header


def _checked(names: Sequence[str], where: Callable[[int], str]) -> NDArray[Any]:
    """Return the class of each image by name.

    Raises:
        InputError: A name says that there is no label, may be several labels, or is spelt in two ways.
    """
    words = [[name] for name in names]
    refuse_no_names(words, where, None)
    refuse_variants(words, where)
    several = next((row for row, name in enumerate(names) if ";" in name or "|" in name), None)
    if several is not None:
        raise InputError(
            f"{where(several)}: {names[several]!r} may be several labels. Labels beside an array are one class an "
            "image, or (N, C) zeros and ones."
        )
    return np.array(names)


def _refuse_other_order(table: RawTable, labels: int) -> None:
    """Refuse a table whose rows are numbered in another order than theirs: row by row they belong to other images."""
    for i, name in enumerate(table.header):
        cells = table.column(i)
        if i == labels or not all(cell.isdecimal() for cell in cells):
            continue
        numbers = [int(cell) for cell in cells]
        first = min(numbers)
        in_order = list(range(first, first + len(numbers)))
        if first in (0, 1) and numbers != in_order and sorted(numbers) == in_order:
            raise InputError(
                f"{table.path}: the column {name!r} numbers the rows in another order than theirs, and labels belong "
                "to the images row by row. Sort the table by it, or take the column out."
            )


def _choose(path: Path, names: list[str], column: str | None, option: str) -> int:
    if column is None and len(names) == 1:
        return 0
    if column not in names:
        hint = "." if column is None else f", not {column!r}.{nearest(column, names)}"
        raise InputError(
            f"{path} holds {', '.join(names[:20])}; say which {_MEANT[option]} with {option} NAME{hint}"
        )
    return names.index(column)


def _class_names(arrays: list[NDArray[Any]]) -> tuple[str, ...]:
    if arrays[0].ndim == 2:
        return tuple(f"class {c}" for c in range(arrays[0].shape[1]))
    if arrays[0].dtype.kind == "U" and not all(word.isdecimal() for word in arrays[0].tolist()):
        return tuple(sorted({word for array in arrays for word in array.tolist()}))
    numbers = np.unique(np.concatenate([array.astype(np.int64) for array in arrays]))
    most = int(numbers.max(initial=0))
    # 255 beside 0 to 49 says that there is no label.
    alone = len(numbers) > 1 and most > 2 * int(numbers[-2]) + 1
    if most >= _MANY and (alone or most >= _MOST_GAPS * len(numbers)):
        shown = ", ".join(map(str, numbers[-3:].tolist()))
        raise InputError(
            f"The labels hold {len(numbers)} different numbers, up to {shown}: these may be codes, or one that says "
            "that there is no label. Name the classes with --classes FILE, a table with the columns name and value."
        )
    return tuple(f"class {c}" for c in range(most + 1))


def _one_hot(
    array: NDArray[Any], names: tuple[str, ...], numbers: Mapping[int, int | None], path: Path
) -> NDArray[np.uint8]:
    if array.ndim == 2:
        if array.shape[1] != len(names) or not np.isin(array, (0, 1)).all():
            raise InputError(
                f"{path} has labels of the shape {array.shape}; {len(names)} columns of 0 and 1 are read."
            )
        return array.astype(np.uint8)
    labels = np.zeros((len(array), len(names)), dtype=np.uint8)
    place = {name: c for c, name in enumerate(names)}
    for row, value in enumerate(array.tolist()):
        number = place.get(value, numbers.get(int(value)) if str(value).isdecimal() else None)
        if number is None:
            raise InputError(
                f"{path}: the label {value!r} of image {row} is none of the {len(names)} classes."
            )
        labels[row, number] = 1
    return labels


def _reason(path: Path, error: Exception) -> str:
    if "pickle" in str(error).lower():
        return (
            "holds Python objects, and reading them may run any code that its author wrote into it; save each array "
            "with numpy.savez(FILE.npz, name=array) where you trust it"
        )
    return f"cannot be read ({reason_of(error, path)})"
