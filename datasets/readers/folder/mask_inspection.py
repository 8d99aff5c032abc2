"""Inspection of all masks of a folder before packing, to determine the meaning of their values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from gridbench.datasets.dataset import Progress
from gridbench.datasets.readers.base import listed
from gridbench.datasets.readers.folder.sources import FolderSources
from gridbench.datasets.readers.masks.codebook import MaskContent, count_content
from gridbench.datasets.readers.masks.mask_reading import MaskReading
from gridbench.datasets.readers.masks.values import interpret_masks
from gridbench.datasets.readers.rasters.limits import Limits
from gridbench.datasets.readers.rasters.opening import quick_raster_access
from gridbench.datasets.readers.rasters.raster import Shape, read_raster, read_shape
from gridbench.datasets.readers.source_files import Unreadable
from gridbench.errors import InputError

__all__ = ["PIXELS_AT_A_TIME", "read_masks"]

PIXELS_AT_A_TIME = 1 << 24
"""Largest number of pixels of a large image that are held at once."""


def read_masks(
    sources: FolderSources,
    keys: Sequence[str],
    shapes: Mapping[str, Shape | Unreadable],
    limits: Limits,
    progress: Progress,
) -> MaskReading | None:
    """Look at every mask, since a value that decides what the others mean may occur in the last one only.

    Args:
        sources: What was found; its reading and notes are added to.
        keys: The images.
        shapes: Shape of each.
        limits: Size limits of a file.
        progress: Progress callback.

    Returns:
        What the masks mean, or None without masks.

    Raises:
        InputError: They have two readings, or none.
    """
    if sources.masks is None:
        return None
    readings = []
    for what, masks in (("masks", sources.masks), ("clean masks", sources.clean_masks)):
        if masks is None:
            continue
        content = MaskContent()
        other_sizes: list[str] = []
        with quick_raster_access():
            for done, key in enumerate(keys):
                try:
                    size = _count_mask(masks[key], shapes[key], limits, content)
                    if not _fits(size, shapes[key]):
                        other_sizes.append(f"{masks[key].name} ({' x '.join(map(str, size))})")
                except Unreadable as error:
                    content.unreadable.append(Unreadable(masks[key], error.reason))
                progress(done + 1, len(keys), f"looking at the {what}")
        if len(other_sizes) == len(keys):
            raise InputError(
                f"None of the {what} has the size of its image; the first: {other_sizes[0]}. Give each mask the size "
                "of its image, in which pixels are repeated and never mixed (nearest neighbour)."
            )
        sources.notes += listed("mask", "of another size than its image, which is left out", other_sizes)
        reading = interpret_masks(content, sources.table, what)
        readings.append(reading)
        sources.reading += reading.lines
        sources.notes += reading.notes
    first, *others = readings
    if any(other.codebook != first.codebook for other in others):
        raise InputError(
            "The masks and the clean masks do not hold the same values for the same classes: "
            + " / ".join(reading.lines[0] for reading in readings)
        )
    return first


def _count_mask(
    path: Path, shape: Shape | Unreadable, limits: Limits, content: MaskContent
) -> tuple[int, ...]:
    """Count what a mask holds, a part at a time where its image is large and it has one band, and return its size."""
    step = 0
    if isinstance(shape, Shape) and shape.height * shape.width > PIXELS_AT_A_TIME:
        step = max(1, PIXELS_AT_A_TIME // shape.width)
        first = read_raster(path, (0, 1), limits)
        step = step if len(first.pixels) == 1 and first.alpha is None else 0
    if not step or not isinstance(shape, Shape):
        raster = read_raster(path, limits=limits)
        count_content(raster, path, content)
        return raster.pixels.shape[1:]
    for start in range(0, shape.height, step):
        before = Counter(content.files)
        count_content(read_raster(path, (start, min(shape.height, start + step)), limits), path, content)
        if start:
            content.files = before
    return read_shape(path, limits)[1:3]


def _fits(mask: tuple[int, ...], image: Shape | Unreadable) -> bool:
    """Whether a mask has the size of its image, as it is seen or as it is stored."""
    if isinstance(image, Unreadable):
        return True
    seen = image.height, image.width
    return mask == seen or (image.orientation > 4 and mask == seen[::-1])
