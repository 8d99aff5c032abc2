"""The group and the split of each image of a user's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from gridbench.datasets.archive.groups import match_groups
from gridbench.datasets.archive.layout import SPLITS
from gridbench.datasets.readers.folder.layout import split_of_name
from gridbench.datasets.readers.folder.options import DEFAULT_SPLIT, FolderOptions
from gridbench.datasets.readers.folder.sources import FolderSources
from gridbench.datasets.readers.folder.split_lists import read_split_lists
from gridbench.datasets.readers.splitting import parse_shares, split_by_shares
from gridbench.errors import InputError, counted

__all__ = ["groups_of", "split_of"]


def groups_of(sources: FolderSources, owners: Sequence[str], options: FolderOptions) -> list[str] | None:
    """Return the group of each sample, None when nothing is said about groups.

    Args:
        sources: What was found.
        owners: (N,) key of the image that each sample is of.
        options: What the user said.

    Raises:
        InputError: The table and the pattern both give groups.
    """
    labels = sources.labels
    if options.group_pattern is not None:
        if labels is not None and "group" in labels.table.columns:
            raise InputError(
                "--group-pattern and the table's column group both give groups; leave one of them out."
            )
        return match_groups(options.group_pattern, owners)
    if labels is not None and "group" in labels.table.columns:
        return [labels.column("group", key) for key in owners]
    return None


def split_of(
    sources: FolderSources, owners: Sequence[str], groups: Sequence[str] | None, options: FolderOptions
) -> list[str]:
    """Return the split of each sample: what the table says, else the folders, else lists of names, else by shares.

    A split that divides groups is taken as it is, with a note.

    Args:
        sources: What was found; its reading is added to.
        owners: (N,) key of the image that each sample is of.
        groups: (N,) group of each sample, or None.
        options: What the user said.

    Raises:
        InputError: Two of them disagree.
    """
    split = _split_of(sources, owners, groups, options)
    if groups is not None:
        sources.notes += _divided_groups(groups, split)
    return split


def _divided_groups(groups: Sequence[str], split: Sequence[str]) -> list[str]:
    """Return a sentence on groups that a given split divides, so that test images are like training images."""
    splits: dict[str, set[str]] = {}
    for group, word in zip(groups, split, strict=True):
        splits.setdefault(group, set()).add(word)
    divided = [group for group, words in splits.items() if len(words) > 1]
    if not divided:
        return []
    where = " and ".join(word for word in SPLITS if word in splits[divided[0]])
    return [
        f"{len(divided)} of {counted(len(splits), 'group')} are in several splits, such as {divided[0]!r} in {where}: "
        "images of one group may be alike, which makes test scores too good. To keep groups together, leave out the "
        "split that the files give"
    ]


def _split_of(
    sources: FolderSources, owners: Sequence[str], groups: Sequence[str] | None, options: FolderOptions
) -> list[str]:
    labels, folders = sources.labels, sources.found.split
    lists = ", ".join(path.name for path in sources.split_lists)
    by_table = labels is not None and "split" in labels.table.columns
    if lists and (by_table or folders or options.split is not None):
        why = "the table gives" if by_table else "the folders give" if folders else "--split gives"
        sources.notes.append(f"{lists} are not read: {why} the split")
    if labels is not None and by_table:
        if options.split is not None:
            raise InputError(
                f"--split {options.split} and the table's column split both say what is for training; leave one of "
                "them out."
            )
        words = [labels.column("split", key) for key in owners]
        odd = next(
            (key for key, word in zip(owners, words, strict=True) if folders.get(key, word) != word), None
        )
        if odd is not None and options.split_column is None:
            raise InputError(
                f"The image {odd} lies in the folder of {folders[odd]}, and the table says "
                f"{labels.column('split', odd)}. To go by the "
                "table, name its column with --split-column."
            )
        return words
    if folders:
        sources.reading.append("split: the folders train, val and test")
        return [folders[key] for key in owners]
    if lists and options.split is None:
        split, notes = read_split_lists(sources.split_lists, sources.images, list(dict.fromkeys(owners)))
        sources.notes += notes
        sources.reading.append(f"split: the lists {lists}")
        return [split[key] for key in owners]
    if options.split is None:
        _refuse_partial_folders(owners)
        if sources.unread_splits:
            path = sources.unread_splits[0]
            raise InputError(
                f"{path} may give the split, and is not read: write train, val or test into a column split of the "
                "table, or the names of the images into train.txt, val.txt and test.txt. Or divide the images by "
                "shares, whatever it says: --split 70/10/20"
            )
    shares = DEFAULT_SPLIT if options.split is None else options.split
    kept = "" if groups is None else f", {counted(len(set(groups)), 'group')} kept together"
    sources.reading.append(f"split: shares {shares} by the images' names{kept}")
    return split_by_shares(owners, parse_shares(shares), groups if groups is not None else list(owners))


def _refuse_partial_folders(keys: Sequence[str]) -> None:
    """Refuse to divide images by shares when some, but not all, lie in folders of two splits or more."""
    tops = {key: PurePosixPath(key).parts[0] if "/" in key else "" for key in keys}
    words = {top: split for top in tops.values() if (split := split_of_name(top)) is not None}
    if len(set(words.values())) > 1:
        other = next(key for key, top in tops.items() if top not in words)
        raise InputError(
            f"Some images lie in the folders {', '.join(sorted(words))}, and others, such as {other}, do not. Move all "
            "into folders called train, val and test, or divide them by shares: --split 70/10/20"
        )
