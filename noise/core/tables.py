"""Transition tables that come with the package, by name; their sources are in `noise/tables/NOTICE.md`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gridbench.errors import InputError, nearest
from gridbench.noise.core.corruption import Ints
from gridbench.noise.core.transition import Floats

__all__ = ["named_tables", "own_rate", "place_table", "refuse_other_order", "table_path"]


def named_tables() -> dict[str, Path]:
    """Return name -> file of each table that comes with the package."""
    folder = Path(__file__).resolve().parents[1] / "tables"
    return {path.stem: path for path in sorted(folder.glob("*.csv"))}


def table_path(table: str) -> Path:
    """Return the file of a table.

    Args:
        table: Name of a table of the package, or a file.

    Raises:
        InputError: It is neither, and does not look like a file.

    Example:
        >>> table_path("cifar10n_worst").name
        'cifar10n_worst.csv'
    """
    named = named_tables()
    path = named.get(table, Path(table))
    if re.fullmatch(r"[\w-]+", table) and not path.exists():
        raise InputError(
            f"There is no transition table {table!r}.{nearest(table, list(named))} Give a csv file or one of: "
            f"{', '.join(named)}."
        )
    return path


def place_table(table: Floats, classes: str | None, counts: Ints, origin: str) -> Floats:
    """Return a table over all classes of a data set; classes without a row in it are never confused.

    Args:
        table: (K, K) rows sum to 1.
        classes: Which classes the rows are of: `"frequency"` for the K most frequent ones, the most frequent first;
            K numbers such as `"3,0,7"`; None for all of them in their order.
        counts: (C,) labels of each class.
        origin: What the table is, for messages.

    Returns:
        (C, C) rows sum to 1.

    Raises:
        InputError: The table is of another number of classes, or `classes` is none of these.

    Example:
        >>> place_table(np.array([[0.8, 0.2], [0.5, 0.5]]), "frequency", np.array([5, 1, 9]), "").tolist()
        [[0.5, 0.0, 0.5], [0.0, 1.0, 0.0], [0.2, 0.0, 0.8]]
    """
    size, total = len(table), len(counts)
    if classes is None and size == total:
        return table
    if classes is None or (classes == "frequency" and size > total):
        ways = (
            f" To have them stand for the {size} most frequent classes, or for {size} classes by number: "
            f"--noise-parameter classes=frequency, or classes={','.join(map(str, range(size)))}."
        )
        raise InputError(
            f"The {origin} is of {size} classes, but the labels have {total}.{ways if size < total else ''}"
        )
    if classes == "frequency":
        rows = np.argsort(-counts, kind="stable")[:size]
    else:
        if not re.fullmatch(r"\s*\d+\s*(,\s*\d+\s*)*", classes):
            raise InputError(
                f"The parameter 'classes' is {classes!r}; allowed is 'frequency' or {size} class numbers such as 3,0,7."
            )
        rows = np.array([int(number) for number in classes.split(",")], dtype=np.int64)
        if len(rows) != size or len(np.unique(rows)) != size or rows.max() >= total:
            raise InputError(
                f"The parameter 'classes' is {classes!r}; allowed are {size} different class numbers from 0 to "
                f"{total - 1}, one for each class of the {origin}."
            )
    placed: Floats = np.eye(total)
    placed[np.ix_(rows, rows)] = table
    return placed


def refuse_other_order(names: Sequence[str], class_names: Sequence[str], origin: str) -> None:
    """Refuse a table that has a row by the name of a class where another class is.

    Args:
        names: Names of the table's rows; none where it has none.
        class_names: Names of the classes that they are to be, in their order.
        origin: What the table is, for messages.

    Raises:
        InputError: With the first such row.
    """
    number = {name.casefold(): str(at) for at, name in enumerate(class_names)}
    for name, other in zip(names, class_names, strict=False):
        if name.casefold() in number and name.casefold() != other.casefold():
            known = [number.get(each.casefold(), "?") for each in names]
            raise InputError(
                f"The {origin} has the row {name!r} where the class {other!r} is expected; the classes are "
                f"{', '.join(class_names[:10])}. Sort its rows and columns so, or say which classes its rows are of: "
                f"--noise-parameter classes={','.join(known)}"
            )


def own_rate(table: Floats, counts: Ints) -> float:
    """Return the rate in percent at which the noise is the table itself: the share of labels that it changes.

    Args:
        table: (C, C) rows sum to 1.
        counts: (C,) labels of each class.

    Example:
        >>> round(own_rate(np.array([[0.9, 0.1], [0.3, 0.7]]), np.array([30, 10])), 6)
        15.0
    """
    return 100.0 * float((1 - table.diagonal()) @ counts) / max(int(counts.sum()), 1)
