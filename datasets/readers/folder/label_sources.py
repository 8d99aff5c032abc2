"""What a user's folder says about labels: its tables of scene labels, the clean ones, and the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from gridbench.datasets.readers.folder.label_files import METADATA_FILES, nothing_to_learn
from gridbench.datasets.readers.folder.labels import MatchedTable, folder_labels, match_tables
from gridbench.datasets.readers.folder.layout import FoundFiles, split_folders
from gridbench.datasets.readers.folder.options import FolderOptions
from gridbench.datasets.readers.folder.split_lists import LIST_SUFFIXES, find_split_lists
from gridbench.datasets.readers.tables import TableOptions
from gridbench.datasets.readers.tables.class_table import ClassTable, read_class_table, with_codes
from gridbench.datasets.readers.tables.label_cells import UnknownLabel
from gridbench.errors import InputError

__all__ = ["certain_tables", "read_classes", "read_clean_labels", "read_scene_labels"]


def certain_tables(tables: dict[str, Path], root: Path) -> dict[str, Path]:
    """Return the tables that are certain to hold labels in a folder that has masks, too.

    Beside masks, metadata.csv may say anything, and train.txt may list the images and masks of a split.
    """
    tables = {prefix: path for prefix, path in tables.items() if path.name.lower() not in METADATA_FILES}
    if all(path.suffix.lower() in LIST_SUFFIXES for path in tables.values()):
        lists = find_split_lists(root)
        return {prefix: path for prefix, path in tables.items() if path not in lists}
    return tables


def read_scene_labels(
    root: Path,
    tables: dict[str, Path],
    found: FoundFiles,
    classes: ClassTable | None,
    options: FolderOptions,
) -> MatchedTable | None:
    """Read the scene labels from tables or, without masks, from the folders of the images.

    Returns:
        The labels; None where the masks alone give them.

    Raises:
        InputError: A table cannot be read, or there is nothing to learn from.
    """
    names = classes.names if classes else None
    if tables:
        try:
            return match_tables(tables, found, names, _with_numbers(options.table, classes))
        except InputError as error:
            metadata = [path for path in tables.values() if path.name.lower() in METADATA_FILES]
            folders = {PurePosixPath(key).parent for key in found.images}
            if options.labels or not metadata or len(folders) <= max(1, len(split_folders(root))):
                raise
            raise InputError(
                f"{error} Or, if the folders of the images are their classes, move {metadata[0].name} elsewhere."
            ) from error
    if found.masks is not None:
        return None
    labels = folder_labels(found, names)
    if labels is None:
        raise InputError(nothing_to_learn(root))
    return labels


def read_classes(
    root: Path,
    given: ClassTable | None,
    labels: MatchedTable | None,
    found: FoundFiles,
    options: FolderOptions,
) -> ClassTable:
    """Return the classes: those of the table that was given, else of the labels or of --mask-values.

    Raises:
        InputError: There are masks, and nothing says what they hold.
    """
    if given is not None:
        return given if options.mask_values is None else with_codes(given, options.mask_values)
    if labels is not None and found.masks is None:
        return ClassTable(labels.table.class_names, {}, {})
    if options.mask_values is not None:
        return read_class_table(options.mask_values, options.ignore_classes, of_masks=True)
    raise InputError(
        f"The masks of {root} hold numbers or colours; say what they stand for with --classes FILE: "
        "one name per line, or a .csv with the columns name, value, color."
    )


def _with_numbers(options: TableOptions, table: ClassTable | None) -> TableOptions:
    """Let labels be numbers of the classes, where a table of the classes gives them."""
    if table is None or table.unclear:
        return options
    numbers = {str(value): table.names[c] for value, c in table.values.items() if c is not None}
    return replace(options, numbers=numbers)


def read_clean_labels(
    options: FolderOptions,
    found: FoundFiles,
    table: ClassTable,
    labels: MatchedTable | None,
    tables: Sequence[Path],
) -> MatchedTable:
    """Read the second table by what was said about the first; its split and groups must be those of the first."""
    assert options.clean_labels is not None
    if options.clean_labels.resolve() in [path.resolve() for path in tables]:
        raise InputError(
            f"--clean-labels: {options.clean_labels} is the table of the labels, too. Write the columns of the images' "
            "names and of the true labels into a table of its own, and name that one."
        )
    said = replace(options.table, split_column=None)
    try:
        clean = match_tables({"": options.clean_labels}, found, table.names, _with_numbers(said, table))
    except InputError as error:
        if isinstance(error, UnknownLabel) and options.classes is None:
            raise InputError(
                f"{error} If it is a class that the first labels lack, list all with --classes FILE, one name per line."
            ) from error
        if said == TableOptions():
            raise
        raise InputError(
            f"{error} (--key-column, --label-columns and --separator are about the tables of --labels and "
            "--clean-labels alike: give both the same columns.)"
        ) from error
    for column in ("split", "group"):
        if labels is None or not {column} <= labels.table.columns.keys() & clean.table.columns.keys():
            continue
        odd = next(
            (
                key
                for key in clean.row_of
                if key in labels.row_of and labels.column(column, key) != clean.column(column, key)
            ),
            None,
        )
        if odd is not None:
            raise InputError(
                f"{options.clean_labels} gives the image {odd} the {column} {clean.column(column, odd)!r}, and the "
                f"first table {labels.column(column, odd)!r}. Take the column out of the second."
            )
    return clean
