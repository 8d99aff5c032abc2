"""Divides samples into train, val and test by rule: fixed shares, whole groups together, the same every time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from gridbench.errors import InputError

__all__ = ["parse_shares", "read_split", "split_by_shares"]

_SPELLINGS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


def read_split(word: str) -> str:
    """Return train, val or test for the ways in which people write them.

    Raises:
        InputError: It is none of them.
    """
    try:
        return _SPELLINGS[word.strip().lower()]
    except KeyError:
        raise InputError(f"There is no split {word!r}; known are {', '.join(sorted(_SPELLINGS))}.") from None


def parse_shares(text: str) -> tuple[float, float, float]:
    """Parse shares of train, val and test such as `"70/10/20"`.

    Raises:
        InputError: It is not three numbers, or train or the sum is not above zero.
    """
    try:
        numbers = [float(part) for part in text.split("/")]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not numbers[0] > 0 or min(numbers) < 0 or not sum(numbers) < float("inf"):
        raise InputError(f"The shares of train, val and test are {text!r}; write them like 70/10/20.")
    total = sum(numbers)
    return numbers[0] / total, numbers[1] / total, numbers[2] / total


def split_by_shares(
    names: Sequence[str], shares: tuple[float, float, float], groups: Sequence[str] | None = None
) -> list[str]:
    """Deal samples out to train, val and test in an order that their names alone decide.

    Args:
        names: (N,) names.
        shares: Of train, val and test; they sum to one.
        groups: (N,) group of each sample; a group is never divided. None when each is its own.

    Returns:
        (N,) splits. Test gets groups until it has its share, then val, and train the rest; each split with a
        share above zero gets at least one group when there are three.

    Raises:
        InputError: There are too few groups for the splits that were asked for.
    """
    members: dict[str, list[int]] = {}
    for position, key in enumerate(names if groups is None else groups):
        members.setdefault(key, []).append(position)
    wanted = [
        split
        for split, share in zip(("test", "val", "train"), (shares[2], shares[1], shares[0]), strict=True)
        if share > 0
    ]
    if len(members) < len(wanted):
        what = "samples" if groups is None else "groups"
        raise InputError(f"There are {len(members)} {what}, too few for the splits {', '.join(wanted)}.")
    order = sorted(members, key=lambda key: hashlib.sha256(f"gridbench split/{key}".encode()).digest())
    result = ["train"] * len(names)
    start = 0
    for rank, split in enumerate(wanted):
        if split == "train":
            break
        quota = shares[{"test": 2, "val": 1}[split]] * len(names)
        dealt = 0
        last = len(order) - (len(wanted) - rank - 1)
        while start < last and (dealt == 0 or dealt + len(members[order[start]]) / 2 <= quota):
            for position in members[order[start]]:
                result[position] = split
            dealt += len(members[order[start]])
            start += 1
    return result
