"""Identification of the columns of a label table: file name, classes, lists of labels, split and group."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from gridbench.datasets.readers.files import FileIndex
from gridbench.datasets.readers.splitting import SPLIT_WORDS
from gridbench.datasets.readers.tables.column_checks import (
    is_numeric,
    refuse_amounts,
    refuse_answers,
    refuse_objects_beside_flags,
    refuse_other_labels,
    refuse_verdicts,
)
from gridbench.datasets.readers.tables.column_words import (
    GROUP_NAMES,
    LIST_NAMES,
    NO_CLASSES,
    NO_LABELS,
    SPLIT_FLAGS,
    SPLIT_NAMES,
)
from gridbench.datasets.readers.tables.flags import (
    is_class_column,
    is_never_a_class,
    is_unsure,
    may_hold_labels,
    refuse_flags_beside_words,
    refuse_unsure_classes,
)
from gridbench.datasets.readers.tables.key_column import (
    TableOptions,
    column_word,
    columns_named,
    find_key_column,
    refuse_missing_header,
    shortened,
)
from gridbench.datasets.readers.tables.rows import RawTable
from gridbench.errors import InputError

__all__ = ["Columns", "find_columns"]

_FEW_ROWS = 5
_LIKE_A_SPLIT = re.compile("train|valid|test|eval|hold.?out")
_MOST_SPLIT_WORDS = 6


@dataclass
class Columns:
    """Positions of columns by their role.

    Attributes:
        key: Column that names the files.
        listings: Columns that list labels; an image has those of all.
        classes: Columns of 0 and 1, one a class.
        split: Column of the split, or None.
        group: Column of groups, or None.
        reasons: Position -> what the column is and why, in words.
        notes: What the user should look at.
    """

    key: int
    listings: list[int] = field(default_factory=list)
    classes: list[int] = field(default_factory=list)
    split: int | None = None
    group: int | None = None
    reasons: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def find_columns(
    table: RawTable, files: FileIndex | None, options: TableOptions, class_names: Sequence[str] | None
) -> Columns:
    """Decide what each column is.

    Args:
        table: The table.
        files: The image files, which the key column must name; None to go by the column's name.
        options: What the user said.
        class_names: The known classes, or None.

    Raises:
        InputError: Two readings fit and none was chosen, or none fits.
    """
    columns = Columns(find_key_column(table, files, options))
    refuse_missing_header(table, files, columns.key)
    chosen = columns_named(table, options.label_columns, "--label-columns") if options.label_columns else []
    _find_split_and_group(table, options, columns, chosen)
    _refuse_two_roles(table, columns, chosen)
    rest = [i for i in range(len(table.header)) if i not in (columns.key, columns.split, columns.group)]
    if chosen:
        names = [i for i in chosen if not is_class_column(table, i)]
        if len(names) == len(chosen) or (len(chosen) == 1 and column_word(table, chosen[0]) in LIST_NAMES):
            columns.listings = chosen
            refuse_answers(table, chosen)
            if class_names is None and options.separator is None:
                refuse_amounts(table, chosen)
        else:
            columns.classes = chosen
    elif class_names is not None and {name.casefold() for name in class_names} <= {
        table.header[i].casefold() for i in rest
    }:
        columns.classes = [
            i for i in rest if table.header[i].casefold() in {n.casefold() for n in class_names}
        ]
        others = [i for i in rest if i not in columns.classes and is_class_column(table, i)]
        columns.notes += [
            f"the column {table.header[i]!r} of {table.path.name} holds 0 and 1, is none of the classes and is not used"
            for i in others
            if not is_never_a_class(column_word(table, i)) and not is_unsure(column_word(table, i))
        ]
    else:
        _find_labels(table, rest, columns)
    if any(not table.header[i] for i in (*columns.classes, *columns.listings)):
        raise InputError(
            f"{table.path} has labels in a column without a name. Name every column in the first row, and "
            "begin with it."
        )
    unused = [i for i in rest if i not in (*columns.classes, *columns.listings)]
    for i in unused:
        columns.reasons[i] = "not used" + _hint(table, i, options)
    if not chosen:
        refuse_verdicts(table, unused)
    return columns


def _refuse_two_roles(table: RawTable, columns: Columns, labels: Sequence[int]) -> None:
    """Refuse options by which one column is two things.

    Raises:
        InputError: With the column and what it would be.
    """
    roles: list[tuple[str, Sequence[int | None]]] = [
        ("names the images", [columns.key]),
        ("gives the split", [columns.split]),
        ("holds labels", labels),
    ]
    for (one, these), (other, those) in itertools.combinations(roles, 2):
        for i in those:
            if i in these and i is not None:
                option = "--label-columns" if other == "holds labels" else "--split-column"
                raise InputError(
                    f"{option} {shlex.quote(table.header[i])}: this column of {table.path} {one}, so it is not the one "
                    f"that {other}. Its columns are {shortened(', '.join(table.header))}."
                )


def _find_split_and_group(
    table: RawTable, options: TableOptions, columns: Columns, labels: Sequence[int]
) -> None:
    """Find the columns of the split and of groups among those that neither name images nor are said to hold labels."""
    free = [i for i in range(len(table.header)) if i != columns.key and i not in labels]
    if options.split_column is not None:
        columns.split = columns_named(table, [options.split_column], "--split-column")[0]
    else:
        named = [i for i in free if column_word(table, i) in SPLIT_NAMES]
        fitting = [i for i in named if column_word(table, i) == "split" or _spells_splits(table, i)]
        first = fitting[0] if fitting else None
        if any(_split_cells(table, i) != _split_cells(table, fitting[0]) for i in fitting):
            words = " and ".join(repr(table.header[i]) for i in fitting)
            raise InputError(
                f"The columns {words} of {table.path} disagree. Say which one to use: --split-column NAME."
            )
        if first is None and not named:
            spelled = [i for i in free if _holds_splits(table, i)]
            first = spelled[0] if len(spelled) == 1 else None
        columns.split = first
        if first is None:
            columns.notes += _unread_splits(table, free)
    groups = [i for i in free if i != columns.split and column_word(table, i) in GROUP_NAMES]
    columns.group = groups[0] if groups else None


def _unread_splits(table: RawTable, free: Sequence[int]) -> list[str]:
    """Return sentences on columns whose every word has to do with splits, such as Training and PublicTest."""
    notes = []
    for i in free:
        words = list(dict.fromkeys(table.column(i)))
        called = column_word(table, i) in SPLIT_NAMES
        if 1 < len(words) <= _MOST_SPLIT_WORDS and (
            called or all(_LIKE_A_SPLIT.search(word.lower()) for word in words)
        ):
            notes.append(
                f"the column {table.header[i]!r} ({', '.join(words)}) may give the split and is not used: write train, "
                f"val and test into it, or name it with --split-column"
            )
    return notes


def _holds_splits(table: RawTable, i: int) -> bool:
    """Whether a column of any name holds two of the splits' names, and hardly anything else."""
    if column_word(table, i) in LIST_NAMES:
        return False
    words = {cell.lower() for cell in set(table.column(i))}
    return (
        len(words) <= _MOST_SPLIT_WORDS
        and len({SPLIT_WORDS[word] for word in words & SPLIT_WORDS.keys()}) > 1
    )


def _split_cells(table: RawTable, i: int) -> list[str]:
    return [SPLIT_WORDS.get(cell.lower(), cell) for cell in table.column(i)]


def _spells_splits(table: RawTable, i: int) -> bool:
    return any(cell.lower() in SPLIT_WORDS for cell in set(table.column(i)))


def _find_labels(table: RawTable, rest: Sequence[int], columns: Columns) -> None:
    """Find one column that lists labels, or a column of 0 and 1 for each class."""
    listing = [i for i in rest if column_word(table, i) in LIST_NAMES and any(table.column(i))]
    binaries = [i for i in rest if i not in listing and is_class_column(table, i)]
    ignored = [i for i in binaries if is_never_a_class(column_word(table, i))]
    binaries = [i for i in binaries if i not in ignored]
    refuse_unsure_classes(table, binaries, listing)
    if not listing:
        refuse_objects_beside_flags(table, binaries, rest)
    if len(listing) > 1:
        listing = _same_labels(table, listing)
    if listing and len(binaries) < 2:
        refuse_other_labels(table, listing[0], rest)
        columns.listings = listing[:1]
        return
    if listing:
        raise InputError(
            f"{table.path} has labels in the column {table.header[listing[0]]!r} and in columns of 0 and 1 "
            f"({shortened(', '.join(table.header[i] for i in binaries))}). Say which to use: --label-columns "
            f"{shlex.quote(table.header[listing[0]])}, or --label-columns for each class."
        )
    if binaries:
        refuse_flags_beside_words(table, binaries, rest)
        columns.classes = binaries
        return
    never = NO_CLASSES | NO_LABELS
    texts = [
        i for i in rest if i not in ignored and any(table.column(i)) and column_word(table, i) not in never
    ]
    refuse_answers(table, texts)
    marks = next((i for i in texts if len(set(table.column(i)) - {""}) == 1 and "" in table.column(i)), None)
    if (
        marks is None
        and len(texts) == 1
        and not is_numeric(table, texts[0])
        and not _differs_everywhere(table, texts[0])
    ):
        columns.listings = texts
        return
    example = "" if not texts else _example_of(table, texts[0] if marks is None else marks)
    listings = [i for i in texts if re.sub(r"_*\d+$", "", column_word(table, i)) in LIST_NAMES]
    several = listings or [i for i in texts if may_hold_labels(table, i)]
    if not listings and len({cell for i in several for cell in table.column(i)} - {""}) <= 2:
        # Columns of two words, such as ja and nein, are flags.
        several = []
    raise InputError(
        f"{table.path} holds no labels: it needs a column `labels` with names divided by ;, or a column of 0 and 1 "
        f"for each class{example}. Its columns are {shortened(', '.join(table.header))}; "
        f"{_how_to_name(table, several, bool(listings))}."
    )


def _how_to_name(table: RawTable, several: Sequence[int], numbered: bool) -> str:
    """Return what the user can say about columns that may hold labels; `numbered` are label1, label2 and so on."""
    options = [f"--label-columns {shlex.quote(table.header[i])}" for i in several]
    # Several labels of an image are different words, while people agree about some images.
    agree = any(
        len({row[i] for i in several}) < len(several) for row in table.rows if all(row[i] for i in several)
    )
    if not numbered and agree:
        return (
            f"{' and '.join(repr(table.header[i]) for i in several)} hold the same words, as labels of several people "
            f"or before and after a correction do. Say which are the labels: {shortened(' or '.join(options))}; the "
            "truth behind noisy labels is a table of its own (--clean-labels FILE)"
        )
    named = shortened(" ".join(options)) or "--label-columns NAME, again for more"
    return f"name yours with {named}: an image has the labels of all"


def _example_of(table: RawTable, i: int) -> str:
    """Return what a column holds instead of labels or 0 and 1."""
    cells = list(dict.fromkeys(table.column(i)))[:2]
    return f" ({table.header[i]!r} holds {' and '.join(repr(cell) if cell else 'nothing' for cell in cells)})"


def _differs_everywhere(table: RawTable, i: int) -> bool:
    """Return whether each row of a non-tiny table has a different text, as comments and dates have."""
    return len(set(table.column(i))) == len(table.rows) >= _FEW_ROWS


def _same_labels(table: RawTable, listing: Sequence[int]) -> list[int]:
    """Keep one of several columns that say the same, the one with words before the one with numbers."""
    pairs = {tuple(row[i] for i in listing) for row in table.rows}
    if all(len(pairs) == len({pair[at] for pair in pairs}) for at in range(len(listing))):
        return [min(listing, key=lambda i: is_numeric(table, i))]
    words = " and ".join(repr(table.header[i]) for i in listing)
    raise InputError(
        f"{table.path}: the columns {words} may hold the labels. Say which one does: --label-columns NAME."
    )


def _hint(table: RawTable, i: int, options: TableOptions) -> str:
    split = SPLIT_FLAGS.get(column_word(table, i))
    if options.split_column is None and split is not None:
        return f"; --split-column {shlex.quote(table.header[i])} makes 1 the split {split}"
    return ""
