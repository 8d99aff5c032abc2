"""Finds out what the columns of a label table are: the file's name, classes, lists of labels, split and group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gridbench.datasets.readers.files import RASTER_SUFFIXES, FileIndex
from gridbench.datasets.readers.splitting import SPLIT_WORDS
from gridbench.datasets.readers.tables.rows import RawTable
from gridbench.errors import InputError, nearest

__all__ = ["Columns", "TableOptions", "binary", "find_columns"]

_KEY_NAMES = (
    "file",
    "filename",
    "file_name",
    "image",
    "image_name",
    "name",
    "path",
    "id",
    "image\\label",
    "",
)
_LIST_NAMES = {
    "labels",
    "label",
    "classes",
    "class",
    "tags",
    "tag",
    "category",
    "categories",
    "target",
    "targets",
}
_LIST_NAMES |= {
    "class_name",
    "label_name",
    "scene",
    "scene_class",
    "land_use",
    "land_cover",
    "landuse",
    "landcover",
}
_SPLIT_NAMES = {"split", "subset", "phase", "set", "partition"}
_GROUP_NAMES = {"group", "group_id"}
_INDEX_NAMES = {"", "index", "idx", "id", "row", "no", "nr", "#", "unnamed: 0"}
# Columns of 0 and 1 in fastai's, Kaggle's and scikit-learn's tables that say where a row belongs.
_NO_CLASSES = {"is_valid", "is_val", "is_train", "is_test", "is_training", "is_validation", "is_holdout"}
_NO_CLASSES |= {"fold", "folds", "kfold", "k_fold", "cv_fold", "fold_id", "index", "idx", "unnamed: 0"}
_SPLIT_FLAGS = {"train", "val", "valid", "validation", "test", "dev"}
_BINARY = {"true": 1, "false": 0, "yes": 1, "no": 0, "t": 1, "f": 0, "y": 1, "n": 0}
_EMPTY = {"", "nan", "null", "none", "n/a", "na", "<na>"}


@dataclass(frozen=True)
class TableOptions:
    """What the user said about a table of labels; None where the table itself tells.

    Attributes:
        key_column: Column that names the image files.
        label_columns: Columns of the classes, or one column that lists them.
        separator: What divides the labels of one cell: semicolon, bar, comma, blank, or none.
        split_column: Column of train, val and test.
    """

    key_column: str | None = None
    label_columns: tuple[str, ...] = ()
    separator: str | None = None
    split_column: str | None = None


@dataclass
class Columns:
    """Positions of columns by their role.

    Attributes:
        key: Column that names the files.
        listing: Column that lists labels, or None.
        classes: Columns of 0 and 1, one a class.
        split: Column of the split, or None.
        group: Column of groups, or None.
        reasons: Position -> what the column is and why, in words.
    """

    key: int
    listing: int | None = None
    classes: list[int] = field(default_factory=list)
    split: int | None = None
    group: int | None = None
    reasons: dict[int, str] = field(default_factory=dict)


def binary(cell: str) -> int | None:
    """Return 0 or 1 for 0, 1, 1.00, true, false, yes and no; None for anything else.

    >>> binary("1.00"), binary("No"), binary("-1"), binary("")
    (1, 0, None, None)
    """
    word = cell.lower()
    if word in _BINARY:
        return _BINARY[word]
    try:
        number = float(word)
    except ValueError:
        return None
    return int(number) if number in (0.0, 1.0) else None


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
    columns = Columns(_key_column(table, files, options))
    _refuse_missing_header(table, files, columns.key)
    _find_split_and_group(table, options, columns)
    rest = [i for i in range(len(table.header)) if i not in (columns.key, columns.split, columns.group)]
    if options.label_columns:
        chosen = _named(table, options.label_columns, "--label-columns")
        if len(chosen) == 1 and (
            _low(table, chosen[0]) in _LIST_NAMES or not _is_class_column(table, chosen[0])
        ):
            columns.listing = chosen[0]
        else:
            columns.classes = chosen
    elif class_names is not None and {name.casefold() for name in class_names} <= {
        table.header[i].casefold() for i in rest
    }:
        columns.classes = [
            i for i in rest if table.header[i].casefold() in {n.casefold() for n in class_names}
        ]
    else:
        _find_labels(table, rest, columns)
    if any(i is not None and not table.header[i] for i in (*columns.classes, columns.listing)):
        raise InputError(
            f"{table.path} has labels in a column without a name. Name every column in the first row, and "
            "begin with it."
        )
    for i in rest:
        if i not in (*columns.classes, columns.listing):
            columns.reasons[i] = "not used" + _hint(_low(table, i), options)
    return columns


def _key_column(table: RawTable, files: FileIndex | None, options: TableOptions) -> int:
    """Choose the column whose cells name the image files; a mere row number beside it does not count."""
    if options.key_column is not None:
        return _named(table, [options.key_column], "--key-column")[0]
    lowered = [name.lower() for name in table.header]
    by_name = next((lowered.index(name) for name in _KEY_NAMES if name in lowered), 0)
    if files is None:
        return by_name
    matches = {i: [files.find(cell) for cell in table.column(i)] for i in range(len(table.header))}
    counts = {i: sum(map(bool, found)) for i, found in matches.items()}
    names = {i: len({tuple(f) for f in found if f}) for i, found in matches.items()}
    # A column that names each file again and again, such as a fold beside files called 0.png to 4.png, is no key.
    single = [i for i in counts if 2 * names[i] >= counts[i] > 0] or list(counts)
    best = max(counts[i] for i in single)
    if best == 0:
        shown = "; ".join(
            f"{name or 'without a name'}: {table.rows[0][i]}" for i, name in enumerate(table.header)
        )
        _refuse_missing_header(table, files, by_name)
        raise InputError(
            f"No column of {table.path} names the images. Its first row is {_cut(shown)}. {_example(files)}"
        )
    fitting = [i for i in single if 2 * counts[i] >= best]
    full = [i for i in fitting if 2 * sum(map(files.has_full_name, table.column(i))) >= counts[i]]
    fitting = full or fitting
    if len(fitting) > 1:
        fitting = [i for i in fitting if not _is_row_number(table, i)] or fitting
    different = [i for i in fitting if matches[i] != matches[fitting[0]]]
    if different:
        words = " and ".join(repr(table.header[i]) for i in [fitting[0], *different])
        raise InputError(
            f"The columns {words} of {table.path} name images and disagree: the first row has "
            f"{table.rows[0][fitting[0]]!r} and {table.rows[0][different[0]]!r}. Say which one names the "
            "image of a row: "
            f"--key-column {_quoted(table.header[fitting[0]])}"
        )
    key = by_name if by_name in fitting else fitting[0]
    if 2 * best < len(table.rows) and 2 * best < len(files) and key not in full:
        raise InputError(
            f"{table.path}: the column {table.header[key]!r} names only {best} of {len(files)} images. If "
            "it is the column of "
            f"file names, say so: --key-column {_quoted(table.header[key])}"
        )
    return key


def _refuse_missing_header(table: RawTable, files: FileIndex | None, key: int) -> None:
    name = table.header[key]
    suffix = "." + name.rpartition(".")[2].lower() if "." in name else ""
    is_file = suffix in RASTER_SUFFIXES or (files is not None and bool(files.find(name)))
    repeated = [
        cell
        for i, cell in enumerate(table.header)
        if i != key and cell in table.column(i) and _low(table, i) not in _LIST_NAMES
    ]
    if is_file or repeated:
        raise InputError(
            f"The first row of {table.path} is {_cut(', '.join(table.header))}: it looks like an image's "
            "and not like a header. "
            "Put a first row with the names of the columns, such as file,labels or file,water,trees."
        )


def _find_split_and_group(table: RawTable, options: TableOptions, columns: Columns) -> None:
    if options.split_column is not None:
        columns.split = _named(table, [options.split_column], "--split-column")[0]
    else:
        named = [i for i in range(len(table.header)) if _low(table, i) in _SPLIT_NAMES and i != columns.key]
        fitting = [i for i in named if _low(table, i) == "split" or _spells_splits(table, i)]
        first = fitting[0] if fitting else None
        if any(_split_cells(table, i) != _split_cells(table, fitting[0]) for i in fitting):
            words = " and ".join(repr(table.header[i]) for i in fitting)
            raise InputError(
                f"The columns {words} of {table.path} disagree. Say which one to use: --split-column NAME."
            )
        columns.split = first
    groups = [i for i in range(len(table.header)) if _low(table, i) in _GROUP_NAMES and i != columns.key]
    columns.group = groups[0] if groups else None


def _split_cells(table: RawTable, i: int) -> list[str]:
    return [SPLIT_WORDS.get(cell.lower(), cell) for cell in table.column(i)]


def _spells_splits(table: RawTable, i: int) -> bool:
    return any(cell.lower() in SPLIT_WORDS for cell in table.column(i))


def _find_labels(table: RawTable, rest: Sequence[int], columns: Columns) -> None:
    """Find one column that lists labels, or a column of 0 and 1 for each class."""
    listing = [i for i in rest if _low(table, i) in _LIST_NAMES and any(table.column(i))]
    binaries = [i for i in rest if i not in listing and _is_class_column(table, i)]
    flags = [i for i in binaries if _low(table, i) in _SPLIT_FLAGS]
    ignored = [i for i in binaries if _low(table, i) in _NO_CLASSES]
    binaries = [i for i in binaries if i not in ignored]
    if flags and len(flags) < len(binaries):
        names = " ".join(f"--label-columns {_quoted(table.header[i])}" for i in binaries if i not in flags)
        raise InputError(
            f"{table.path}: the column {table.header[flags[0]]!r} may be a class or a split. Name the "
            f"columns of classes: {_cut(names)}"
        )
    if len(listing) > 1:
        listing = _same_labels(table, listing)
    if listing and len(binaries) < 2:
        columns.listing = listing[0]
        return
    if listing:
        raise InputError(
            f"{table.path} has labels in the column {table.header[listing[0]]!r} and in columns of 0 and 1 "
            f"({_cut(', '.join(table.header[i] for i in binaries))}). Say which to use: --label-columns "
            f"{_quoted(table.header[listing[0]])}, or --label-columns for each class."
        )
    if binaries:
        columns.classes = binaries
        return
    texts = [
        i for i in rest if i not in ignored and any(table.column(i)) and _low(table, i) not in _NO_CLASSES
    ]
    if len(texts) == 1 and not _is_numeric(table, texts[0]):
        columns.listing = texts[0]
        return
    raise InputError(
        f"{table.path} holds no labels: it needs a column `labels` with names divided by ;, or a column of 0 and 1 "
        f"for each class. Its columns are {_cut(', '.join(table.header))}; name yours with --label-columns NAME."
    )


def _same_labels(table: RawTable, listing: Sequence[int]) -> list[int]:
    """Keep one of several columns that say the same, the one with words before the one with numbers."""
    pairs = {tuple(row[i] for i in listing) for row in table.rows}
    if all(len(pairs) == len({pair[at] for pair in pairs}) for at in range(len(listing))):
        return [min(listing, key=lambda i: _is_numeric(table, i))]
    words = " and ".join(repr(table.header[i]) for i in listing)
    raise InputError(
        f"{table.path}: the columns {words} may hold the labels. Say which one does: --label-columns NAME."
    )


def _is_class_column(table: RawTable, i: int) -> bool:
    """Whether at least half of a column's filled cells are 0, 1, yes, no, true or false."""
    filled = [cell for cell in table.column(i) if cell.lower() not in _EMPTY]
    return bool(filled) and 2 * sum(binary(cell) is not None for cell in filled) >= len(filled)


def _is_row_number(table: RawTable, i: int) -> bool:
    numbers = [str(n) for n in range(len(table.rows) + 1)]
    return _low(table, i) in _INDEX_NAMES and table.column(i) in (numbers[:-1], numbers[1:])


def _is_numeric(table: RawTable, i: int) -> bool:
    return all(cell.lstrip("+-").replace(".", "", 1).isdigit() for cell in table.column(i) if cell)


def _named(table: RawTable, names: Sequence[str], option: str) -> list[int]:
    """Return the columns that an option names."""
    if len(names) == 1 and names[0] not in table.header and "," in names[0]:
        names = [name.strip() for name in names[0].split(",")]
    missing = [name for name in names if name not in table.header]
    if missing:
        raise InputError(
            f"{option}: {table.path} has no column {missing[0]!r}.{nearest(missing[0], table.header)} Its columns are "
            f"{_cut(', '.join(table.header))}."
        )
    return [table.header.index(name) for name in names]


def _low(table: RawTable, i: int) -> str:
    return table.header[i].lower().replace(" ", "_") if table.header[i] != "Unnamed: 0" else "unnamed: 0"


def _hint(name: str, options: TableOptions) -> str:
    if options.split_column is None and name in ("is_valid", "is_val", "is_validation"):
        return f"; --split-column {name} makes 1 the validation split"
    return ""


def _example(files: FileIndex) -> str:
    return f"The images are called {', '.join(files.examples())}." if len(files) else "There are no images."


def _cut(text: str, most: int = 200) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _quoted(name: str) -> str:
    import shlex

    return shlex.quote(name)
