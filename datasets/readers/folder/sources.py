"""Matching of the images, masks, labels and classes in a user's folder, and a report of unmatched files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from gridbench.datasets.readers.base import listed
from gridbench.datasets.readers.files import is_raster, walk_files
from gridbench.datasets.readers.folder.drawn_masks import drawings_of, with_background
from gridbench.datasets.readers.folder.label_files import (
    CLASS_FILES,
    METADATA_FILES,
    label_files,
    nothing_to_learn,
    unread_label_files,
)
from gridbench.datasets.readers.folder.labels import MatchedTable, folder_labels, match_tables
from gridbench.datasets.readers.folder.layout import (
    FoundFiles,
    find_files,
    first_file,
    masks_in,
    split_folders,
)
from gridbench.datasets.readers.folder.options import FolderOptions
from gridbench.datasets.readers.folder.split_lists import LIST_SUFFIXES, find_split_lists, unread_splits
from gridbench.datasets.readers.formats.drawing import Drawing
from gridbench.datasets.readers.tables import TableOptions
from gridbench.datasets.readers.tables.class_table import ClassTable, read_class_table, with_codes
from gridbench.errors import InputError, counted

__all__ = ["FolderSources", "find_sources", "keep_complete"]


@dataclass
class FolderSources:
    """Sources found on disk.

    Attributes:
        found: The images and masks.
        table: The classes.
        labels: Scene labels, or None when they come from the masks.
        clean: Second table of scene labels, or None.
        clean_masks: Key of each clean mask -> its file; None without clean masks.
        drawings: Key of each image -> what is drawn as its label map; None unless that was asked for.
        split_lists: File that lists the images of a split -> train, val or test.
        unread_splits: Files that may give a split in a form that is not read.
        reading: Interpretation of the sources, one line each.
        notes: Notes for the user.
    """

    found: FoundFiles
    table: ClassTable
    labels: MatchedTable | None
    clean: MatchedTable | None
    clean_masks: dict[str, Path] | None = None
    drawings: dict[str, Drawing] | None = None
    split_lists: dict[Path, str] = field(default_factory=dict)
    unread_splits: list[Path] = field(default_factory=list)
    reading: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def images(self) -> dict[str, Path]:
        """Key of each image -> its file."""
        return self.found.images

    @property
    def masks(self) -> dict[str, Path] | None:
        """Key of each mask, which is its image's, -> its file; None without masks."""
        return self.found.masks

    @property
    def has_maps(self) -> bool:
        """Whether each image has a label map."""
        return self.found.masks is not None or self.drawings is not None


def find_sources(root: Path, options: FolderOptions) -> FolderSources:
    """Find images, masks and tables, by what the user said or by their usual names.

    Args:
        root: The user's folder.
        options: What the user said about it.

    Raises:
        InputError: Images, or labels and masks, or the meaning of masks, are missing.
    """
    if not root.is_dir():
        raise InputError(f"There is no folder {root}.")
    tables = {"": options.labels} if options.labels is not None else label_files(root)
    class_file = options.classes or first_file(root, CLASS_FILES)
    if not tables and options.masks is None and not any(map(is_raster, walk_files(options.images or root))):
        raise InputError(nothing_to_learn(root))
    found = find_files(root, options)
    if found.masks is not None and options.labels is None:
        tables = _certain_tables(tables, root)
    given = None if class_file is None else read_class_table(class_file, options.ignore_classes)
    labels = _labels(root, tables, found, given, options)
    _refuse_unused(options, labels if tables else None, found, class_file)
    table = _classes(root, given, labels, found, options)
    clean = None
    if options.clean_labels is not None:
        clean = _clean_table(options, found, table, labels, list(tables.values()))
    clean_masks = None
    if options.clean_masks is not None:
        if found.masks is None:
            raise InputError("--clean-masks are the truth behind noisy masks: name those with --masks DIR.")
        clean_masks = masks_in(options.clean_masks, found.images)
    drawings, drawn = None, list[str]()
    if options.draw_masks:
        if found.masks is not None:
            raise InputError(
                f"--draw-masks: there are masks already ({found.reading[0]}). Take them out of {root}."
            )
        table = with_background(table, options)
        drawings, drawn = drawings_of(labels, table, options)
    lists = find_split_lists(root, list(tables.values()))
    read = [*tables.values(), *lists, *(path for path in (class_file, options.clean_labels) if path)]
    unread = unread_splits(root, found.images, read)
    sources = FolderSources(found, table, labels, clean, clean_masks, drawings, lists, unread)
    _describe(sources, drawn)
    sources.notes += listed("file", "of labels, not read", unread_label_files(root, read))
    if class_file is not None:
        ignored = f", {', '.join(options.ignore_classes)} ignored" if options.ignore_classes else ""
        sources.reading.append(f"classes: {class_file.name}, {counted(len(table.names), 'name')}{ignored}")
    return sources


def _certain_tables(tables: dict[str, Path], root: Path) -> dict[str, Path]:
    """Return the tables that are certain to hold labels in a folder that has masks, too.

    Beside masks, metadata.csv may say anything, and train.txt may list the images and masks of a split.
    """
    tables = {prefix: path for prefix, path in tables.items() if path.name.lower() not in METADATA_FILES}
    if all(path.suffix.lower() in LIST_SUFFIXES for path in tables.values()):
        lists = find_split_lists(root)
        return {prefix: path for prefix, path in tables.items() if path not in lists}
    return tables


def _labels(
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


def _classes(
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
        "one name a line, or a .csv with the columns name, value, color."
    )


def _describe(sources: FolderSources, drawn: list[str]) -> None:
    """Add how the files, the tables and what is drawn from them were read to the reading and the notes."""
    sources.reading += sources.found.reading
    sources.notes += sources.found.notes
    for what, matched in (("labels", sources.labels), ("clean labels", sources.clean)):
        if matched is not None:
            lines = matched.table.reading
            sources.reading += [f"{what}: {line.removeprefix('labels: ')}" for line in lines[:1]]
            sources.reading += lines[1:]
            sources.notes += matched.table.notes
    sources.reading += drawn
    outlines = sources.labels.table.outlines or [] if sources.labels is not None else []
    if sources.drawings is None and any(outline.objects and outline.size for outline in outlines):
        sources.notes.append("outlines are read as scene labels; --draw-masks draws them as label maps")


def _with_numbers(options: TableOptions, table: ClassTable | None) -> TableOptions:
    """Let labels be numbers of the classes, where a table of the classes gives them."""
    if table is None or table.unclear:
        return options
    numbers = {str(value): table.names[c] for value, c in table.values.items() if c is not None}
    return replace(options, numbers=numbers)


def _clean_table(
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


def keep_complete(sources: FolderSources) -> list[str]:
    """Return the keys of the images that have everything they need, and note images without masks or labels.

    Args:
        sources: What was found; its notes are added to.

    Raises:
        InputError: No image is left.
    """
    keys = list(sources.images)
    for what, matched in (("labels", sources.labels), ("clean labels", sources.clean)):
        if matched is None:
            continue
        absent = sorted(
            set(matched.table.keys) - {matched.table.keys[row] for row in matched.row_of.values()}
        )
        lacking = [key for key in keys if key not in matched.row_of]
        sources.notes += listed("row", f"of the {what} without an image", absent)
        sources.notes += listed("image", f"without {what}, left out", lacking)
        keys = [key for key in keys if key in matched.row_of]
    for what, masks in (("mask", sources.masks), ("clean mask", sources.clean_masks)):
        if masks is None:
            continue
        sources.notes += listed(what, "without an image", sorted(set(masks) - set(sources.images)))
        sources.notes += listed(
            "image", f"without a {what}, left out", [key for key in keys if key not in masks]
        )
        keys = [key for key in keys if key in masks]
    if not keys:
        raise InputError("No image has everything that it needs: " + "; ".join(sources.notes) + ".")
    return keys


def _refuse_unused(
    options: FolderOptions, labels: MatchedTable | None, found: FoundFiles, class_file: Path | None
) -> None:
    """Refuse every option that would change nothing.

    Raises:
        InputError: An option has nothing to apply to.
    """
    table_options = {
        "--key-column": options.key_column,
        "--label-columns": options.label_columns,
        "--separator": options.separator,
        "--split-column": options.split_column,
    }
    mask_options = {
        "--mask-values": options.mask_values,
        "--min-labelled": options.min_labelled,
        "--min-cover": options.min_cover,
    }
    unused: Sequence[str] = []
    if labels is None and options.clean_labels is None:
        unused = [option for option, given in table_options.items() if given]
        if unused:
            raise InputError(f"{unused[0]} is about a table of labels, and there is none.")
    if found.masks is None and options.draw_masks:
        del mask_options["--min-cover"], mask_options["--min-labelled"]
    if found.masks is None:
        unused = [option for option, given in mask_options.items() if given is not None]
        if unused:
            raise InputError(f"{unused[0]} is about masks, and there are none.")
    if options.min_cover is not None and labels is not None and not (options.tile or options.draw_masks):
        raise InputError(
            "--min-cover makes scene labels from masks, and the table gives the labels. Leave one of them out."
        )
    if options.ignore_classes and class_file is None and options.mask_values is None:
        raise InputError("--ignore-class names a row of --classes FILE, and there is no such file.")
    own_split = found.split or (labels is not None and "split" in labels.table.columns)
    if options.split is not None and own_split:
        where = "folders" if found.split and not (labels and "split" in labels.table.columns) else "table"
        raise InputError(
            f"--split gives shares, and the {where} already say{'s' if where == 'table' else ''} the split "
            "of each image."
        )
    if (
        options.tile is not None
        and options.labels is not None
        and labels is not None
        and not labels.table.columns
    ):
        raise InputError(
            "--labels are of whole images, and --tile takes the labels of tiles from the masks; the table "
            "has no split or group either."
        )
