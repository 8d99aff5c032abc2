"""Reads an array of images beside arrays or tables of labels, such as CIFAR-10 with the labels of CIFAR-10N."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.dataset import Progress, silent
from gridbench.datasets.readers.base import Plan
from gridbench.datasets.readers.formats.array_labels import (
    class_names_of,
    labels_in,
    names_in,
    one_hot,
    reason_for,
    refuse_other_form,
    refuse_two_counts,
)
from gridbench.datasets.readers.formats.embedded import EmbeddedOptions, plan_embedded
from gridbench.datasets.readers.rasters.raster import Raster, Shape
from gridbench.datasets.readers.source_files import Unreadable, open_regular
from gridbench.datasets.readers.splitting import SPLIT_WORDS, read_split
from gridbench.datasets.readers.tables.class_table import read_class_table
from gridbench.datasets.readers.tables.column_words import SPLIT_NAMES
from gridbench.errors import InputError, counted

__all__ = ["ArrayOptions", "plan_arrays"]


@dataclass(frozen=True)
class ArrayOptions:
    """Where arrays of images and labels are.

    Attributes:
        images: `.npy` of (N, H, W, bands) or (N, H, W).
        labels: `.npy`, `.npz` or table of one class number or name per image, or of (N, C) zeros and ones.
        column: Column of the table or array of the `.npz` with the labels; None when there is one.
        clean_column: The same for the clean labels; None without.
        classes: File of the class names, with their numbers where these are not running ones; None to call classes by
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
        raise Unreadable(path, reason_for(path, error)) from error
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
    given = labels_in(where.labels, where.column, "--label-column")
    clean = (
        None if where.clean_column is None else labels_in(where.labels, where.clean_column, "--clean-column")
    )
    named, split = _split(where)
    for what, array in (("labels", given), ("clean labels", clean), ("words of the split", split)):
        if array is not None and len(array) != len(images):
            raise InputError(
                f"{where.labels} has {len(array)} {what}, and {where.images} has {counted(len(images), 'image')}."
            )
    table = None if where.classes is None else read_class_table(where.classes)
    refuse_other_form(where.labels, given, clean, table is not None)
    if table and not table.values:
        refuse_two_counts(
            where.labels, [array for array in (given, clean) if array is not None], len(table.names)
        )
    names = table.names if table else class_names_of([array for array in (given, clean) if array is not None])
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
        one_hot(given, names, numbers, where.labels),
        None if clean is None else one_hot(clean, names, numbers, where.labels),
        split,
        options,
        report,
        progress,
    )
    if split is None:
        return plan
    words = hashlib.sha256(" ".join(split).encode()).hexdigest()
    return replace(plan, settings={**plan.settings, "split": words})


def _split(where: ArrayOptions) -> tuple[str | None, list[str] | None]:
    """Return the column or array that says train, val or test, and what it says of each image; None without one."""
    path, name = where.labels, where.split_column
    if name is None:
        fitting = [other for other in names_in(path) if other.lower() in SPLIT_NAMES]
        fitting = [other for other in fitting if other not in (where.column, where.clean_column)]
        if len(fitting) > 1:
            raise InputError(
                f"{path} holds {', '.join(fitting)}; say which one gives the split with --split-column NAME."
            )
        if not fitting:
            return None, None
        name = fitting[0]
    words = [str(word) for word in labels_in(path, name, "--split-column").tolist()]
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


def _ends_with_bands(shape: tuple[int, ...]) -> bool:
    """Whether (N, A, B, C) is (N, H, W, bands): by square images, else by fewer bands than rows and columns."""
    _, one, two, three = shape
    return one == two or (two != three and three < min(one, two))
