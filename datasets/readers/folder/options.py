"""Options of the folder reader, and validation of their combinations."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gridbench.datasets.readers.rasters.form import check_range
from gridbench.datasets.readers.tables import TableOptions
from gridbench.datasets.readers.tables.label_cells import SEPARATORS
from gridbench.errors import InputError, nearest

__all__ = ["FolderOptions", "check_options"]

DEFAULT_SPLIT = "70/10/20"
DEFAULT_COVER = 0.01


@dataclass(frozen=True)
class FolderOptions:
    """How a user's folder is to be read; None where it is detected from the folder, or the default applies.

    Attributes:
        images: Folder of the images.
        masks: Folder of the masks, which have the images' names.
        labels: Table of scene labels.
        clean_labels: Second, cleaner table of scene labels.
        clean_masks: Second, cleaner folder of masks, which have the images' names.
        classes: Table of the classes.
        mask_values: Table of the values or colours of the classes in masks.
        ignore_classes: Names in the class table that are not classes.
        key_column: Column of the table that names the image files.
        label_columns: Columns of the classes, or one column that lists them.
        separator: Separator of the labels in one cell.
        split_column: Column of train, val and test.
        tile: Side of tiles that large images are cut into.
        tile_overlap: Pixels that neighbouring tiles share.
        pad: Whether the right and lower edges are filled up to whole tiles.
        resize: Side that images are resized to.
        min_cover: Share from which a class of the mask counts as a scene label.
        min_labelled: Share of a tile that must have a class.
        value_range: Range of numbers that is stretched to 0 to 65535.
        split: Shares of train, val and test.
        group_pattern: Regular expression whose first group in an image's name names its group.
        nodata: What becomes of pixels without data: `"drop"`, `"mean"` or a number as text.
        bands: Numbers of the bands to take, from 1, in the order wanted; None for all.
        max_pixels: Largest number of pixels of an image; None for the default limit.
        draw_masks: Whether label maps are drawn from the outlines of an annotation tool's export.
        overlap: Which of two drawn objects that overlap is seen: the `later` or the `smaller` one.
        background: Class of the pixels outside all drawn objects; None for no class.
    """

    images: Path | None = None
    masks: Path | None = None
    labels: Path | None = None
    clean_labels: Path | None = None
    clean_masks: Path | None = None
    classes: Path | None = None
    mask_values: Path | None = None
    ignore_classes: tuple[str, ...] = ()
    key_column: str | None = None
    label_columns: tuple[str, ...] = ()
    separator: str | None = None
    split_column: str | None = None
    tile: int | None = None
    tile_overlap: int | None = None
    pad: bool = False
    resize: int | None = None
    min_cover: float | None = None
    min_labelled: float | None = None
    value_range: tuple[float, float] | None = None
    split: str | None = None
    group_pattern: str | None = None
    nodata: str = "drop"
    bands: tuple[int, ...] | None = None
    max_pixels: int | None = None
    draw_masks: bool = False
    overlap: str | None = None
    background: str | None = None

    @property
    def table(self) -> TableOptions:
        """The options of the table of labels."""
        return TableOptions(self.key_column, self.label_columns, self.separator, self.split_column)


def check_options(options: FolderOptions) -> None:
    """Refuse options that mean nothing or exclude each other, before anything is read.

    Raises:
        InputError: Two options exclude each other, one needs another, or a value is impossible.
    """
    if options.separator is not None and options.separator not in SEPARATORS:
        raise InputError(
            f"--separator {options.separator!r} is unknown.{nearest(options.separator, SEPARATORS)} Known are "
            f"{', '.join(SEPARATORS)}."
        )
    check_range(options.value_range)
    if options.tile is not None and options.resize is not None:
        raise InputError("Give --tile or --resize, not both.")
    if options.tile is None and (options.pad or options.tile_overlap is not None):
        raise InputError(f"--{'pad' if options.pad else 'tile-overlap'} needs --tile N.")
    if (
        options.tile is not None
        and options.tile_overlap is not None
        and not 0 < options.tile_overlap < options.tile
    ):
        raise InputError(
            f"--tile-overlap must be from 1 to {options.tile - 1} for tiles of {options.tile} px."
        )
    if not options.draw_masks:
        for option, given in (("--overlap", options.overlap), ("--background", options.background)):
            if given is not None:
                raise InputError(
                    f"{option} is about outlines that are drawn as label maps; it needs --draw-masks."
                )
    elif options.masks is not None:
        raise InputError("Give --masks or --draw-masks, not both.")
    elif options.clean_labels is not None:
        raise InputError(
            "--clean-labels is about scene labels, and --draw-masks takes those from the drawn maps."
        )
