"""Refusal of options that would change nothing in what a folder holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gridbench.datasets.readers.folder.labels import MatchedTable
from gridbench.datasets.readers.folder.layout import FoundFiles
from gridbench.datasets.readers.folder.options import FolderOptions
from gridbench.errors import InputError

__all__ = ["refuse_unused_options"]


def refuse_unused_options(
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
