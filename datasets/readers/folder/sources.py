"""Matching of the images, masks, labels and classes in a user's folder, and a report of unmatched files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gridbench.datasets.readers.base import listed
from gridbench.datasets.readers.files import is_raster, walk_files
from gridbench.datasets.readers.folder.drawn_masks import drawings_of, with_background
from gridbench.datasets.readers.folder.label_files import (
    CLASS_FILES,
    label_files,
    nothing_to_learn,
    unread_label_files,
)
from gridbench.datasets.readers.folder.label_sources import (
    certain_tables,
    read_classes,
    read_clean_labels,
    read_scene_labels,
)
from gridbench.datasets.readers.folder.labels import MatchedTable
from gridbench.datasets.readers.folder.layout import FoundFiles, find_files, first_file, masks_in
from gridbench.datasets.readers.folder.options import FolderOptions
from gridbench.datasets.readers.folder.split_lists import find_split_lists, unread_splits
from gridbench.datasets.readers.folder.unused_options import refuse_unused_options
from gridbench.datasets.readers.formats.drawing import Drawing
from gridbench.datasets.readers.tables.class_table import ClassTable, read_class_table
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
        tables = certain_tables(tables, root)
    given = None if class_file is None else read_class_table(class_file, options.ignore_classes)
    labels = read_scene_labels(root, tables, found, given, options)
    refuse_unused_options(options, labels if tables else None, found, class_file)
    table = read_classes(root, given, labels, found, options)
    clean = None
    if options.clean_labels is not None:
        clean = read_clean_labels(options, found, table, labels, list(tables.values()))
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


def _describe(sources: FolderSources, drawn: list[str]) -> None:
    """Add the interpretation of files, tables and drawings to the reading and the notes."""
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
