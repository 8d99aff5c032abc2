"""Reads the labels beside an array of images: an array, one of several in a `.npz`, or a column of a table.

Nothing is unpickled: a `.npy` or `.npz` of objects and a `.pt` run code when they are read, and are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.readers.source_files import Unreadable, open_regular
from gridbench.datasets.readers.tables.label_checks import refuse_variants
from gridbench.datasets.readers.tables.no_labels import refuse_no_names
from gridbench.datasets.readers.tables.rows import RawTable, read_raw_table
from gridbench.errors import InputError, nearest, reason_of

__all__ = [
    "class_names_of",
    "labels_in",
    "names_in",
    "one_hot",
    "reason_for",
    "refuse_other_form",
    "refuse_two_counts",
]

_LARGEST_LABELS = 1 << 30
_MANY, _MOST_GAPS = 100, 10
"""Class numbers above which ten times as many classes as there are labels of are taken for codes."""
_PICKLED = (".pt", ".pth", ".pkl", ".pickle")
_MEANT = {
    "--label-column": "are the labels",
    "--clean-column": "are the clean labels",
    "--split-column": "gives the split",
}


def labels_in(path: Path, column: str | None, option: str) -> NDArray[Any]:
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
        raise InputError(f"{path} {reason_for(path, error)}.") from error
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


def names_in(path: Path) -> list[str]:
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


def refuse_other_form(path: Path, given: NDArray[Any], clean: NDArray[Any] | None, named: bool) -> None:
    """Refuse clean labels of another form than the given ones, or with another spelling of their names.

    Args:
        path: The file of both, for messages.
        given: What `labels_in` returned of the labels.
        clean: The same of the clean labels, or None.
        named: Whether the classes are listed, so that numbers and names may stand for each other.

    Raises:
        InputError: With both forms.
    """
    if clean is None:
        return
    forms = [
        "zeros and ones for each class"
        if array.ndim == 2
        else "names"
        if array.dtype.kind == "U" and not all(word.isdecimal() for word in array.tolist())
        else "numbers of classes"
        for array in (given, clean)
    ]
    if forms[0] != forms[1] and not named:
        raise InputError(
            f"{path}: the labels are {forms[0]}, and the clean labels {forms[1]}. Save both in one form, or list the "
            "classes with --classes FILE."
        )
    if forms == ["names", "names"] and not named:
        words = [sorted(set(array.tolist())) for array in (given, clean)]
        refuse_variants(words, (f"{path}, the labels", f"{path}, the clean labels").__getitem__)


def refuse_two_counts(path: Path, arrays: Sequence[NDArray[Any]], classes: int) -> None:
    """Refuse numbers of listed classes that fit, whether they count from 0 or from 1.

    Args:
        path: The file, for messages.
        arrays: What `labels_in` returned of the labels, and of the clean ones.
        classes: Number of listed classes, whose list gives no numbers.

    Raises:
        InputError: With the table that decides.
    """
    numbers = {
        int(n) for array in arrays if array.ndim == 1 and array.dtype.kind in "iu" for n in np.unique(array)
    }
    if numbers and min(numbers) == 1 and max(numbers) <= classes:
        raise InputError(
            f"{path} holds the numbers 1 to {max(numbers)} and never 0, so the {classes} classes may count from 1 or "
            "from 0. Say it in the table of --classes: columns value and name."
        )


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


def class_names_of(arrays: list[NDArray[Any]]) -> tuple[str, ...]:
    """Return the names of the classes in the labels, and the clean ones, where none are listed: words, or numbers.

    Raises:
        InputError: Numbers are so far apart that they may be codes.
    """
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


def one_hot(
    array: NDArray[Any], names: tuple[str, ...], numbers: Mapping[int, int | None], path: Path
) -> NDArray[np.uint8]:
    """Return (N, C) zeros and ones of what `labels_in` returned.

    Args:
        array: (N,) numbers or names, or (N, C) zeros and ones.
        names: Names of the C classes.
        numbers: Number of a class -> its position.
        path: The file, for messages.

    Raises:
        InputError: A label is that of no class.
    """
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


def reason_for(path: Path, error: Exception) -> str:
    """Return why an array cannot be read, as the end of a sentence about its file."""
    if "pickle" in str(error).lower():
        return (
            "holds Python objects, and reading them may run any code that its author wrote into it; save each array "
            "with numpy.savez(FILE.npz, name=array) where you trust it"
        )
    return f"cannot be read ({reason_of(error, path)})"
