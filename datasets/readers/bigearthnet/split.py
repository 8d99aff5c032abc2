"""Decides which patches of BigEarthNet belong to which split, and says how many of a list are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gridbench.datasets.archive.layout import SPLITS
from gridbench.datasets.readers.bigearthnet.lists import find_split_lists, paper_lists
from gridbench.datasets.readers.bigearthnet.metadata import PatchRow
from gridbench.datasets.readers.splitting import parse_shares, split_by_shares
from gridbench.errors import InputError, counted

__all__ = ["OWN", "PAPER", "Patch", "assign_splits"]

PAPER = "paper"
OWN = "own"
_FALLBACK = "70/10/20"


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch whose pixels are there.

    Attributes:
        name: Its name in the version of the pixels.
        v1_name: Its name in version 1, or None when it is not known.
        row: Its row in the metadata of version 2, or None.
    """

    name: str
    v1_name: str | None
    row: PatchRow | None


def assign_splits(
    patches: Sequence[Patch],
    wanted: str | None,
    lists_folder: Path | None,
    folders: Sequence[Path],
    version: str,
    notes: list[str],
) -> dict[str, str]:
    """Return the split of each patch that is used.

    Args:
        patches: The patches that are there.
        wanted: `"paper"`, `"own"` (lists on disk for version 1, the metadata for version 2), shares such as
            `"70/10/20"`, or None: own, else the paper's, else shares, whichever has training patches that are there.
        lists_folder: Folder of the user's lists, which then are the only ones; None to search `folders`.
        folders: Where lists may lie.
        version: `"v1"` or `"v2"`.
        notes: List to which notes for the user are added.

    Raises:
        InputError: What was wanted is not there, or leaves no training patch.
    """
    if lists_folder is not None:
        lists = find_split_lists(lists_folder)
        if not lists:
            raise InputError(f"There are no lists train, val, test (.csv or .txt) in {lists_folder}.")
        return _needs_training(_from_lists(patches, lists, str(lists_folder), notes), str(lists_folder))
    if wanted == PAPER:
        return _needs_training(
            _from_lists(patches, paper_lists(), "the paper's lists", notes), "the paper's lists"
        )
    if wanted == OWN:
        return _needs_training(_own(patches, folders, version, notes), "the archive's own split")
    if wanted is not None:
        return _by_shares(patches, wanted)
    own_notes: list[str] = []
    own = _own(patches, folders, version, own_notes)
    if "train" in own.values():
        notes += [*own_notes, "split: the archive's own"]
        return own
    paper_notes: list[str] = []
    paper = _from_lists(patches, paper_lists(), "the paper's lists", paper_notes)
    if "train" in paper.values():
        notes += [*paper_notes, "split: the paper's lists"]
        return paper
    notes.append(
        "split: neither the archive's own split nor the paper's lists have a training patch among the "
        f"{len(patches)} that are there, so these are divided {_FALLBACK} by their names; results are not comparable "
        "with published ones"
    )
    return _by_shares(patches, _FALLBACK)


def _own(patches: Sequence[Patch], folders: Sequence[Path], version: str, notes: list[str]) -> dict[str, str]:
    if version == "v2":
        return {p.name: p.row.split for p in patches if p.row is not None and p.row.split is not None}
    for folder in folders:
        lists = find_split_lists(folder)
        if lists:
            return _from_lists(patches, lists, f"the lists in {folder}", notes)
    return {}


def _from_lists(
    patches: Sequence[Patch], lists: Mapping[str, Sequence[str]], what: str, notes: list[str]
) -> dict[str, str]:
    split_of = {name: split for split, names in lists.items() for name in names}
    found: dict[str, str] = {}
    used: set[str] = set()
    for patch in patches:
        key = patch.name if patch.name in split_of else patch.v1_name
        if key is not None and key in split_of:
            found[patch.name] = split_of[key]
            used.add(key)
    missing = Counter(split for name, split in split_of.items() if name not in used)
    if missing:
        parts = ", ".join(
            f"{split} {missing[split]} of {len(lists[split])}" for split in SPLITS if missing[split]
        )
        notes.append(f"not there: {sum(missing.values())} of the {len(split_of)} patches of {what}: {parts}")
    if len(patches) > len(found):
        notes.append(f"left out: {counted(len(patches) - len(found), 'patch', 'patches')} in none of {what}")
    return found


def _by_shares(patches: Sequence[Patch], shares: str) -> dict[str, str]:
    names = sorted(patch.name for patch in patches)
    return dict(zip(names, split_by_shares(names, parse_shares(shares)), strict=True))


def _needs_training(found: dict[str, str], what: str) -> dict[str, str]:
    if "train" not in found.values():
        raise InputError(
            f"None of the patches that are there is in the train split of {what} ({len(found)} are in the others). "
            f"Divide them by name with --split {_FALLBACK}, or name a folder of lists with --splits DIR."
        )
    return found
