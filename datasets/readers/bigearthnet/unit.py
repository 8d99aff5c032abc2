"""Reads one patch of BigEarthNet: its bands at their own resolutions, its labels, its reference map."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbench.core.json_files import parse_json
from gridbench.datasets.archive.layout import IGNORE, GroupLayout, Sample
from gridbench.datasets.readers.base import Outcome
from gridbench.datasets.readers.bigearthnet.classes import (
    CLASS_NAMES,
    UnknownLabel,
    classes_of_codes,
    multi_hot,
)
from gridbench.datasets.readers.rasters.raster import read_raster
from gridbench.datasets.readers.rasters.tiff import decode_plain_tiff
from gridbench.datasets.readers.source_files import IN_MEMORY, Unreadable, read_bytes

__all__ = [
    "BANDS",
    "PatchUnit",
    "as_unsigned",
    "band_file",
    "finish_patch",
    "map_file",
    "read_patch_unit",
]

BANDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("10m", ("B04", "B03", "B02", "B08")),
    ("20m", ("B05", "B06", "B07", "B8A", "B11", "B12")),
)
"""The ten bands in the paper's order, by resolution; those of 60 m are not used."""


_ENDING = ".tif"


@dataclass(frozen=True)
class PatchUnit:
    """One patch.

    Attributes:
        folder: Folder of its band files.
        groups: Layout of its bands.
        labels: (19,) scene labels, or None to read the JSON of version 1.
        clean_labels: (19,) labels from the other version, or None.
        labels_file: JSON of version 1, or None when the labels are known.
        reference_map: Its reference map, or None.
        map_size: (height, width) of the map.
        map_labels: (19,) labels that the map is compared with, or None.
    """

    folder: Path
    groups: tuple[GroupLayout, ...]
    labels: tuple[int, ...] | None
    clean_labels: tuple[int, ...] | None
    labels_file: Path | None
    reference_map: Path | None
    map_size: tuple[int, int] | None
    map_labels: tuple[int, ...] | None

    @property
    def files(self) -> tuple[str, ...]:
        """The band files, the JSON of labels and the reference map."""
        # Strings, since creating a Path takes longer than examining its file.
        start = str(band_file(self.folder, ""))[: -len(_ENDING)]
        bands = (f"{start}{band}{_ENDING}" for group in self.groups for band in group.bands)
        return (*bands, *(str(path) for path in (self.labels_file, self.reference_map) if path is not None))


def band_file(folder: Path, band: str) -> Path:
    """Return the file of one band in a patch's folder."""
    return folder / f"{folder.name}_{band}{_ENDING}"


def map_file(folder: Path) -> Path:
    """Return the reference map in a patch's folder of maps."""
    return folder / f"{folder.name}_reference_map.tif"


def read_patch_unit(unit: PatchUnit) -> Outcome:
    """Read a patch.

    Raises:
        Unreadable: A file is missing, damaged, or holds what it cannot hold; the patch is left out as a whole.
    """
    images = []
    digest = hashlib.sha256()
    files = iter(unit.files)
    for group in unit.groups:
        pixels = np.empty((len(group.bands), group.height, group.width), dtype=np.uint16)
        for row, path in enumerate(itertools.islice(files, len(group.bands))):
            content = read_bytes(path, IN_MEMORY)
            digest.update(content)
            plain = decode_plain_tiff(content)
            found = read_raster(Path(path), content=content).pixels if plain is None else plain
            pixels[row] = as_unsigned(found, (group.height, group.width), path)
        images.append(pixels)
    labels = unit.labels
    if unit.labels_file is not None:
        content = read_bytes(unit.labels_file, IN_MEMORY)
        digest.update(content)
        if labels is None:
            labels = _v1_labels(content, unit.labels_file)
    codes = None
    if unit.reference_map is not None:
        content = read_bytes(unit.reference_map, IN_MEMORY)
        digest.update(content)
        codes = read_raster(unit.reference_map, content=content).pixels
    return finish_patch(
        tuple(images),
        labels,
        unit.clean_labels,
        codes,
        str(unit.reference_map),
        unit.map_size,
        unit.map_labels,
        digest.digest,
    )


def finish_patch(
    images: tuple[NDArray[np.generic], ...],
    labels: tuple[int, ...] | None,
    clean_labels: tuple[int, ...] | None,
    codes: NDArray[np.generic] | None,
    map_name: str,
    map_size: tuple[int, int] | None,
    map_labels: tuple[int, ...] | None,
    digest: Any,
) -> Outcome:
    """Put a patch together, leaving it out when it has none of the 19 classes.

    Args:
        images: Pixels of each group.
        labels: (19,) scene labels.
        clean_labels: (19,) labels from the other version, or None.
        codes: (1, H, W) CORINE codes of the reference map, or None.
        map_name: The map, for messages.
        map_size: (height, width) that the map must have.
        map_labels: (19,) labels that the map is compared with, or None.
        digest: Called for the hash of the sources.

    Raises:
        Unreadable: The map has another size, or codes that CORINE does not have.
    """
    findings: Counter[str] = Counter()
    if labels is None or not any(labels):
        return Outcome((None,), {"left out: none of the 19 classes": 1})
    label_map = None
    if codes is not None:
        if codes.shape[1:] != map_size or len(codes) != 1:
            raise Unreadable(
                map_name, f"is {' x '.join(map(str, codes.shape[1:]))} pixels instead of {map_size}"
            )
        try:
            label_map = classes_of_codes(codes[0])
        except UnknownLabel as error:
            raise Unreadable(map_name, str(error)) from error
        present = np.isin(np.arange(len(CLASS_NAMES)), label_map)
        if map_labels is not None and not np.array_equal(present, np.array(map_labels, dtype=bool)):
            findings["reference maps whose classes are not the labels of version 2"] += 1
        if (label_map == IGNORE).any():
            findings["reference maps with pixels without a class, which are ignored"] += 1
    clean = None if clean_labels is None else np.array(clean_labels, dtype=np.uint8)
    sample = Sample(images, np.array(labels, dtype=np.uint8), label_map, clean, digest())
    return Outcome((sample,), findings)


def as_unsigned(pixels: NDArray[np.generic], size: tuple[int, int], name: Path | str) -> NDArray[np.generic]:
    """Return (H, W) pixels of one band that is stored as uint16.

    Raises:
        Unreadable: It has other bands, another size, or numbers outside 0 to 65535.
    """
    if pixels.ndim == 2:
        pixels = pixels[None]
    if len(pixels) != 1 or pixels.shape[1:] != size:
        raise Unreadable(
            name, f"is {' x '.join(map(str, pixels.shape))} pixels instead of 1 x {size[0]} x {size[1]}"
        )
    if pixels.dtype == np.uint16:
        return np.asarray(pixels[0])
    if pixels.dtype.kind not in "ui" or pixels.min() < 0 or pixels.max() > 65535:
        raise Unreadable(name, f"holds {pixels.dtype.name} numbers from {pixels.min()} to {pixels.max()}")
    return np.asarray(pixels[0])


def _v1_labels(content: bytes, path: Path) -> tuple[int, ...]:
    """Return the (19,) scene labels of a patch's JSON.

    Raises:
        Unreadable: It is no such JSON, or has a label that is none of the 43.
    """
    try:
        found: Any = parse_json(content)
        return tuple(int(value) for value in multi_hot(found["labels"]))
    except UnknownLabel as error:
        raise Unreadable(path, str(error)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable(path, f"is not JSON with labels ({error})") from error
