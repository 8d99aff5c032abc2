"""Transition tables between classes: read, checked, estimated from a clean and a noisy copy, and drawn from."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.core.files import read_text
from gridbench.core.json_files import LARGEST_JSON
from gridbench.errors import InputError, reason_of
from gridbench.noise.core.corruption import Corruption, Ints, scene_corruption
from gridbench.noise.core.labels import checked_scene_labels
from gridbench.noise.core.rates import realisable, share_of
from gridbench.noise.core.sampling import Flags, rank_in_group

__all__ = [
    "Floats",
    "checked_table",
    "estimate_transition",
    "read_named_table",
    "read_table",
    "replace_by_table",
    "replace_by_weight",
]

Floats = npt.NDArray[np.float64]

ROWS = 1 << 16
"""Replacements whose weights are computed together."""


def checked_table(table: Any, num_classes: int | None = None, origin: str = "transition table") -> Floats:
    """Return a transition table with rows that sum to 1.

    Args:
        table: (C, C) non-negative; row = clean class, column = noisy class; counts or probabilities. A row of
            zeros means that the class is never confused.
        num_classes: Number of classes that it must have.
        origin: What it is, for messages.

    Raises:
        InputError: It is not such a table.

    Example:
        >>> checked_table([[8, 2], [0, 0]]).tolist()
        [[0.8, 0.2], [0.0, 1.0]]
    """
    try:
        array = np.array(table, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"The {origin} is not a table of numbers.") from None
    if array.ndim != 2 or array.shape[0] != array.shape[1] or array.shape[0] == 0:
        raise InputError(f"The {origin} has shape {array.shape}; expected one row and one column per class.")
    if num_classes is not None and len(array) != num_classes:
        raise InputError(f"The {origin} is of {len(array)} classes, but the labels have {num_classes}.")
    if not np.isfinite(array).all() or (array < 0).any():
        row, column = np.argwhere(~(array >= 0) | ~np.isfinite(array))[0]
        raise InputError(
            f"The {origin} holds {array[row, column]:g} in row {row}, column {column}; allowed are numbers from 0."
        )
    sums = array.sum(axis=1, keepdims=True)
    table_of_shares: Floats = np.where(sums > 0, array / np.where(sums > 0, sums, 1), np.eye(len(array)))
    return table_of_shares


def read_table(path: Path, num_classes: int | None = None) -> Floats:
    """Read a transition table from a csv file; the arguments and errors are those of `read_named_table`."""
    return read_named_table(path, num_classes)[0]


def read_named_table(path: Path, num_classes: int | None = None) -> tuple[Floats, tuple[str, ...]]:
    """Read a transition table from a csv file, with or without class names in its first row and column.

    Args:
        path: File of C lines with C numbers each; row = clean class, column = noisy class.
        num_classes: Number of classes that it must have.

    Returns:
        The table, whose rows sum to 1, and the C names; no names where the file has none.

    Raises:
        InputError: The file cannot be read or holds something else, its rows are in another order than its columns, or
            its columns sum to 1 in place of its rows.
    """
    try:
        text = read_text(path, LARGEST_JSON, "utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"The transition table {path} cannot be read: {reason_of(error, path)}.") from error
    above: list[str] = []
    beside: list[str] = []
    if rows and not _is_number(rows[0][-1]):
        above, rows = [cell.strip() for cell in rows[0]], rows[1:]
    if rows and not _is_number(rows[0][0]):
        beside, rows = [row[0].strip() for row in rows], [row[1:] for row in rows]
    table = checked_table(rows, num_classes, f"transition table {path}")
    above = above[len(above) - len(table) :]
    if beside and above != beside and not set(above).isdisjoint(beside):
        raise InputError(
            f"The transition table {path} has the rows {', '.join(beside)} and the columns {', '.join(above)}. Bring "
            "both into one order, that of the classes."
        )
    counts = np.array(rows, dtype=np.float64)
    if (
        np.allclose(counts.sum(axis=0), 1)
        and counts.any(axis=1).all()
        and not np.allclose(counts.sum(axis=1), 1)
    ):
        raise InputError(
            f"The columns of the transition table {path} sum to 1, and its rows do not: a row is a clean class, and a "
            "column what becomes of it. Exchange rows and columns."
        )
    return table, tuple(beside or above)


def estimate_transition(clean: Any, noisy: Any) -> Floats:
    """Estimate how often a label of one class becomes another, from two copies of the same labels.

    Each removed label is attributed in equal parts to the labels that were added to the same image. Labels that
    were removed without another one being added, and the other way round, count as kept and are left out.

    Args:
        clean: (N, C) of 0 and 1.
        noisy: (N, C) of 0 and 1, of the same images.

    Returns:
        (C, C) rows sum to 1: share of the labels of the row's class that became the column's class.

    Raises:
        InputError: Labels other than 0 and 1, or shapes that differ.

    Example:
        >>> estimate_transition([[1, 0], [1, 0], [0, 1]], [[1, 0], [0, 1], [0, 1]]).tolist()
        [[0.5, 0.5], [0.0, 1.0]]
    """
    before, after = checked_scene_labels(clean) != 0, checked_scene_labels(noisy) != 0
    if before.shape != after.shape:
        raise InputError(f"The clean labels have shape {before.shape} and the noisy ones {after.shape}.")
    removed, added = (before & ~after).astype(np.float64), (after & ~before).astype(np.float64)
    moved = removed.T @ (added / np.maximum(added.sum(axis=1, keepdims=True), 1))
    table: Floats = moved / np.maximum(before.sum(axis=0), 1)[:, None]
    np.fill_diagonal(table, 1 - table.sum(axis=1))
    return table


def replace_by_weight(
    labels: npt.NDArray[Any],
    rate: Decimal,
    source: Floats,
    destination: Callable[[Ints, Ints], Floats],
    why: str,
    rng: np.random.Generator,
) -> Corruption:
    """Replace exactly floor(P * rate / 100) of the P labels, some more readily than others.

    The labels are offered one after another, each next one in proportion to its weight among those left. An
    offered label is replaced by a class that its image has neither originally nor by now, in proportion to that
    class's weight; where no such class has any weight, the label is passed over.

    Args:
        labels: (N, C) clean labels.
        rate: Percent.
        source: (P,) weights of the labels, in the order of `np.argwhere(labels)`.
        destination: (k,) samples and (k,) classes -> (k, C) weights of what each may become.
        why: Why labels cannot be replaced, for messages.
        rng: Random numbers; as many are drawn at every rate, so a rate that fails names one that does not.

    Raises:
        InputError: The draw ran out of labels that can be replaced; the message names the largest rate.
    """
    present = labels != 0
    samples, classes = np.divmod(np.flatnonzero(present), max(1, labels.shape[1]))
    # The smallest of exponential times with these weights as speeds is a weighted draw without replacement.
    with np.errstate(divide="ignore"):
        times = rng.standard_exponential(len(samples)) / source
    draws = rng.random(len(samples))
    order = np.argsort(times, kind="stable")[: int((source > 0).sum())]
    wanted = share_of(len(samples), rate)
    found: list[Ints] = [np.zeros((0, 3), dtype=np.int64)]
    reached, start, taken = 0, 0, present.copy()
    while reached < wanted and start < len(order):
        # What is offered later never undoes what was offered earlier, so the offers are made in portions.
        offered = order[start : start + max(wanted - reached, 1024)]
        after = _destinations(taken, samples[offered], classes[offered], draws[offered], destination)
        rows = np.stack((samples[offered], classes[offered], after), axis=1)[after >= 0]
        found.append(rows[: wanted - reached])
        reached, start = reached + len(found[-1]), start + len(offered)
    realisable(len(samples), reached, rate, "labels", why)
    return scene_corruption(labels, np.concatenate(found), rate)


def replace_by_table(
    labels: npt.NDArray[Any], rate: Decimal, moves: Floats, why: str, rng: np.random.Generator
) -> Corruption:
    """Replace exactly floor(P * rate / 100) of the P labels, from each class to each in proportion to a table.

    The moves of a class to another come at times (j + 1/2) / w for j = 0, 1, ..., where w is the number of labels of
    the class times their entry in the table. So the first M of all moves hold each pair of classes in proportion to w
    to within one half, whatever M is. Which label moves is drawn: the first in a random order of the class that has not
    moved yet and whose image has the other class neither originally nor by now. A move for which there is none is left
    out, and with it all later ones of that pair.

    Args:
        labels: (N, C) clean labels.
        rate: Percent.
        moves: (C, C) share of the row's class that becomes the column's class, 0 on the diagonal.
        why: Why labels cannot be replaced, for messages.
        rng: Random numbers; the same ones are drawn at every rate, so a rate that fails names one that does not.

    Raises:
        InputError: The moves ran out; the message names the largest rate.
    """
    present, width = labels != 0, max(1, labels.shape[1])
    cells = np.flatnonzero(present)
    # Single cells of an array of bytes are read and written several times as fast as those of a matrix.
    taken = bytearray(np.ascontiguousarray(present).tobytes())
    order = rng.permutation(len(cells))
    # Where the row of each image begins, in a random order of the images of each class.
    begins, classes = (cells - cells % width)[order], (cells % width)[order]
    waiting = [begins[classes == c].tolist() for c in range(labels.shape[1])]
    moved = [bytearray(len(queue)) for queue in waiting]
    weights = moves * np.array([[len(queue)] for queue in waiting]).reshape(-1, 1)
    before, after = np.nonzero(weights > 0)
    weights, counts = weights[before, after], np.zeros(len(before), dtype=np.int64)
    moves_of = [
        _moves_of_a_pair(waiting[b], moved[b], taken, a)
        for b, a in zip(before.tolist(), after.tolist(), strict=True)
    ]
    wanted = share_of(len(cells), rate)
    found: list[Ints] = [np.zeros((0, 3), dtype=np.int64)]
    reached, alive = 0, np.arange(len(before))
    while reached < wanted and len(alive):
        # At least the number of pairs, so that many exhausted pairs are handled in few iterations.
        size = max(wanted - reached, len(alive))
        pairs = alive[_next_pairs(weights[alive], counts[alive], size)]
        counts += np.bincount(pairs, minlength=len(counts))
        cell = np.array([next(moves_of[pair], -1) for pair in pairs.tolist()], dtype=np.int64)
        made = pairs[cell >= 0]
        rows = np.stack((cell[cell >= 0] // width, before[made], after[made]), axis=1)
        found.append(rows[: wanted - reached])
        reached, alive = reached + len(found[-1]), np.setdiff1d(alive, pairs[cell < 0])
    realisable(len(cells), reached, rate, "labels", why)
    return scene_corruption(labels, np.concatenate(found), rate)


def _moves_of_a_pair(queue: list[int], gone: bytearray, taken: bytearray, after: int) -> Iterator[int]:
    """Yield the cell of each label added when the next image in the queue of a class that can move moves."""
    place = gone.find(0)
    while place >= 0:
        cell = queue[place] + after
        if not taken[cell]:
            gone[place] = taken[cell] = 1
            yield cell
        place = gone.find(0, place + 1)


def _next_pairs(weights: Floats, counts: Ints, size: int) -> Ints:
    """Return which pairs move next, (size,) in order of time; one that moved j times is due at (j + 1/2) / weight."""
    # Up to this time at least `size` moves are due: weight * time - count, less one half a pair that rounding takes.
    with np.errstate(over="ignore"):
        until = (counts.sum() + size + len(weights)) / weights.sum()
        due = np.clip(np.ceil(weights * until) + 2 - counts, 0, size).astype(np.int64)
        pairs = np.repeat(np.arange(len(weights)), due)
        times = (counts[pairs] + rank_in_group(pairs) + 0.5) / weights[pairs]
    # Of moves at the same time the pair that stands first in the table moves first.
    return pairs[np.argsort(times, kind="stable")[:size]]


def _destinations(
    taken: Flags, samples: Ints, classes: Ints, draws: Floats, destination: Callable[[Ints, Ints], Floats]
) -> Ints:
    """Return what each offered label becomes, -1 for none; offers to one sample are served in their order."""
    after = np.full(len(samples), -1, dtype=np.int64)
    by_sample = np.argsort(samples, kind="stable")
    rank = np.empty(len(samples), dtype=np.int64)
    rank[by_sample] = rank_in_group(samples[by_sample])
    for turn in range(int(rank.max(initial=-1)) + 1):
        waiting = np.flatnonzero(rank == turn)
        for first in range(0, len(waiting), ROWS):
            part = waiting[first : first + ROWS]
            weights = np.where(taken[samples[part]], 0.0, destination(samples[part], classes[part]))
            edges = weights.cumsum(axis=1)
            total = edges[:, -1:]
            # Rounding can put a draw at the very end of the interval; it is then the last class with a weight.
            chosen = np.minimum((edges <= draws[part, None] * total).sum(axis=1), (edges < total).sum(axis=1))
            done = total[:, 0] > 0
            after[part[done]] = chosen[done]
            taken[samples[part[done]], chosen[done]] = True
    return after


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
