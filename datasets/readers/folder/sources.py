"""Finds what a user's folder holds: images, masks, tables of labels and classes, and what lacks its partner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gridbench.datasets.readers.base import listed
from gridbench.datasets.readers.classtable import ClassTable, read_class_table, table_of_names
from gridbench.datasets.readers.files import FileIndex, files_by_key, raster_files
from gridbench.datasets.readers.tables import LabelTable, read_label_table
from gridbench.errors import InputError

__all__ = ["FolderOptions", "FolderSources", "MatchedTable", "find_sources", "keep_complete"]

_IMAGE_FOLDERS = ("images", "image", "img", "imgs")
_MASK_FOLDERS = ("masks", "mask", "annotations", "labels")
_MASK_ENDINGS = ("_mask", "_masks", "_label", "_labels", "_gt")
_LABEL_FILES = ("labels.csv", "labels.tsv", "labels.txt", "labels.xlsx")
_CLASS_FILES = ("classes.csv", "classes.tsv", "classes.txt")


@dataclass(frozen=True)
class FolderOptions:
    """How a user's folder is to be read; None where the folder itself tells.

    Attributes:
        images: Folder of the images.
        masks: Folder of the masks, which have the images' names.
        labels: Table of scene labels.
        clean_labels: Second, cleaner table of scene labels.
        clean_masks: Second, cleaner folder of masks, which have the images' names.
        classes: Table of the classes.
        ignore_classes: Names in the class table that are no classes.
        tile: Side of tiles that large images are cut into.
        resize: Side that images are resized to.
        min_cover: Share from which a class of the mask counts as a scene label.
        min_labelled: Share of a tile that must have a class.
        value_range: Range of numbers that is stretched to 0 to 65535.
        split: Shares of train, val and test; used when the table has no column `split`.
        group_pattern: Regular expression whose first group in an image's name names its group.
    """

    images: Path | None = None
    masks: Path | None = None
    labels: Path | None = None
    clean_labels: Path | None = None
    clean_masks: Path | None = None
    classes: Path | None = None
    ignore_classes: tuple[str, ...] = ()
    tile: int | None = None
    resize: int | None = None
    min_cover: float = 0.01
    min_labelled: float = 0.0
    value_range: tuple[float, float] | None = None
    split: str = "70/10/20"
    group_pattern: str | None = None


@dataclass(frozen=True)
class MatchedTable:
    """A table of scene labels whose rows have found their images.

    Attributes:
        table: The table.
        row_of: Key of an image -> its row; images without a row are not in it.
    """

    table: LabelTable
    row_of: Mapping[str, int]

    def labels(self, key: str) -> tuple[int, ...]:
        """Return the (C,) labels of an image."""
        return tuple(int(value) for value in self.table.labels[self.row_of[key]])

    def column(self, name: str, key: str) -> str:
        """Return what an image's row has in another column."""
        return self.table.columns[name][self.row_of[key]]


@dataclass
class FolderSources:
    """What was found on disk.

    Attributes:
        images: Key of each image -> its file.
        masks: Key of each mask, which is its image's, -> its file; None without masks.
        table: The classes.
        labels: Table of scene labels, or None when they come from the masks.
        clean: Second table of scene labels, or None.
        clean_masks: Key of each clean mask -> its file; None without clean masks.
        notes: What the user should know.
    """

    images: dict[str, Path]
    masks: dict[str, Path] | None
    table: ClassTable
    labels: MatchedTable | None
    clean: MatchedTable | None
    notes: list[str] = field(default_factory=list)
    clean_masks: dict[str, Path] | None = None


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
    mask_folder = options.masks or _first_folder(root, _MASK_FOLDERS)
    image_folder = options.images or _first_folder(root, _IMAGE_FOLDERS) or root
    label_file = options.labels or _first_file(root, _LABEL_FILES)
    class_file = options.classes or _first_file(root, _CLASS_FILES)
    if mask_folder is None and label_file is None:
        raise InputError(
            f"{root} has neither labels ({', '.join(_LABEL_FILES)}) nor masks (a folder {' or '.join(_MASK_FOLDERS)}); "
            "name them with --labels FILE or --masks DIR."
        )
    files = raster_files(
        image_folder, [each for each in (mask_folder, options.clean_masks) if each is not None]
    )
    if not files:
        raise InputError(f"There is no image below {image_folder}; name the folder with --images DIR.")
    images = files_by_key(image_folder, files)
    table = None if class_file is None else read_class_table(class_file, options.ignore_classes)
    labels = _matched(label_file, table, images)
    if table is None:
        if labels is None or mask_folder is not None:
            raise InputError(
                f"The masks of {mask_folder} hold numbers or colours; say what they stand for with --classes FILE: "
                "one name a line, or a .csv with the columns name, value, color."
            )
        table = table_of_names(labels.table.class_names)
    clean = _matched(options.clean_labels, table, images)
    masks = None if mask_folder is None else _masks_in(mask_folder, images)
    clean_masks = None
    if options.clean_masks is not None:
        if masks is None:
            raise InputError("--clean-masks are the truth behind noisy masks: name those with --masks DIR.")
        clean_masks = _masks_in(options.clean_masks, images)
    notes = [note for matched in (labels, clean) if matched for note in matched.table.notes]
    return FolderSources(images, masks, table, labels, clean, notes, clean_masks)


def keep_complete(sources: FolderSources) -> list[str]:
    """Return the keys of the images that have everything they need, and note what lacks its partner.

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
        sources.notes += listed(f"rows of the {what} without an image", absent)
        sources.notes += listed(f"images without {what}, left out", lacking)
        keys = [key for key in keys if key in matched.row_of]
    for what, masks in (("mask", sources.masks), ("clean mask", sources.clean_masks)):
        if masks is None:
            continue
        sources.notes += listed(f"{what}s without an image", sorted(set(masks) - set(sources.images)))
        sources.notes += listed(
            f"images without a {what}, left out", [key for key in keys if key not in masks]
        )
        keys = [key for key in keys if key in masks]
    if not keys:
        raise InputError("No image has everything that it needs: " + "; ".join(sources.notes) + ".")
    return keys


def _matched(path: Path | None, table: ClassTable | None, images: Mapping[str, Path]) -> MatchedTable | None:
    if path is None:
        return None
    labels = read_label_table(path, table.names if table else None)
    return MatchedTable(labels, FileIndex(images).match(labels.keys, str(path)))


def _masks_in(folder: Path, images: Mapping[str, Path]) -> dict[str, Path]:
    """Return the masks of a folder by the keys of their images.

    Raises:
        InputError: There is none.
    """
    found = files_by_key(folder, raster_files(folder)) if folder.is_dir() else {}
    if not found:
        raise InputError(f"There is no mask in {folder}.")
    return {_image_key(key, images): path for key, path in found.items()}


def _image_key(mask_key: str, images: Mapping[str, Path]) -> str:
    if mask_key not in images:
        for ending in _MASK_ENDINGS:
            if mask_key.endswith(ending) and mask_key.removesuffix(ending) in images:
                return mask_key.removesuffix(ending)
    return mask_key


def _first_folder(root: Path, names: Sequence[str]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


def _first_file(root: Path, names: Sequence[str]) -> Path | None:
    return next((root / name for name in names if (root / name).is_file()), None)
