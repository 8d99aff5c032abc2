"""Deterministic train, validation and test splits with fixed shares, which keep groups together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from gridbench.core.percent import is_plain_number
from gridbench.datasets.archive.layout import SPLITS
from gridbench.errors import InputError

__all__ = ["SPLIT_WORDS", "parse_shares", "read_split", "split_by_shares"]

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""How people write the splits -> train, val or test."""


def read_split(word: str) -> str:
    """Return train, val or test for the ways in which people write them.

    Raises:
        InputError: It is none of them.
    """
    try:
        return SPLIT_WORDS[word.strip().lower()]
    except KeyError:
        raise InputError(f"There is no split {word!r}; known are {', '.join(sorted(SPLIT_WORDS))}.") from None


def parse_shares(text: str) -> tuple[float, float, float]:
    """Parse shares of train, val and test such as `"70/10/20"`.

    Raises:
        InputError: It is not three numbers, or train or the sum is not above zero.
    """
    parts = text.split("/")
    numbers = [float(part) for part in parts] if all(map(is_plain_number, parts)) else []
    if len(numbers) != 3 or not numbers[0] > 0 or min(numbers) < 0 or not sum(numbers) < float("inf"):
        raise InputError(
            f"The shares of train, val and test are {text!r}; write them like 70/10/20. A split of your own is given "
            "by a column of the labels (--split-column) or by folders (train/, val/, test/)."
        )
    total = sum(numbers)
    return numbers[0] / total, numbers[1] / total, numbers[2] / total


def split_by_shares(
    names: Sequence[str], shares: tuple[float, float, float], groups: Sequence[str] | None = None
) -> list[str]:
    """Assign samples to train, val and test in an order that depends only on their names.

    Args:
        names: (N,) names.
        shares: Shares of train, val and test, which sum to one.
        groups: (N,) group of each sample; a group is never divided. None when each is its own.

    Returns:
        (N,) splits. The largest groups are assigned first, each to the split that lacks most of its share; every
        split with a share gets at least one group.

    Raises:
        InputError: There are too few groups for the splits that were asked for.
    """
    members: dict[str, list[int]] = {}
    for position, key in enumerate(names if groups is None else groups):
        members.setdefault(key, []).append(position)
    wanted = [(split, share) for split, share in zip(SPLITS, shares, strict=True) if share > 0]
    if len(members) < len(wanted):
        what = "samples" if groups is None else "groups"
        asked = ", ".join(split for split, _ in wanted)
        raise InputError(f"There are {len(members)} {what}, too few for the splits {asked}.")
    scattered = {key: hashlib.sha256(f"gridbench split/{key}".encode()).digest() for key in members}
    order = sorted(members, key=lambda key: (-len(members[key]), scattered[key]))
    lacking = {split: share * len(names) for split, share in wanted}
    empty = set(lacking)
    result = ["train"] * len(names)
    for rank, key in enumerate(order):
        candidates = empty if len(order) - rank <= len(empty) else set(lacking)
        chosen = max(candidates, key=lambda split: (lacking[split], split))
        lacking[chosen] -= len(members[key])
        empty.discard(chosen)
        for position in members[key]:
            result[position] = chosen
    return result
