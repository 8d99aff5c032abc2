from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

from gridbench.datasets import default_cache, single_labels
from gridbench.datasets.bluemarble import (
    BLUEMARBLE,
    BLUEMARBLE64,
    CLASS_NAMES,
    BlueMarble,
    assign_blocks,
    cut_tiles,
)
from gridbench.datasets.cache import sources_directory
from gridbench.datasets.open import open_archive, recipes_of
from gridbench.registry import DATASETS


@pytest.fixture(scope="session", params=[BLUEMARBLE, BLUEMARBLE64], ids=lambda dataset: dataset.name)
def archive(request, tmp_path_factory):
    """Build the archive anew, from sources that may lie in the user's cache already."""
    cache = tmp_path_factory.mktemp("cache")
    kept = sources_directory(default_cache())
    kept.mkdir(parents=True, exist_ok=True)
    sources_directory(cache).symlink_to(kept, target_is_directory=True)
    return open_archive(request.param.name, cache)


def expected(archive):
    if archive.name == "bluemarble":
        return 32, 3311, 3.34, [2377, 395, 539]
    return 64, 828, 4.02, [593, 101, 134]


def test_the_counts_are_those_documented(archive):
    side, count, density, splits = expected(archive)
    assert len(archive) == count
    assert round(archive.scene_labels.sum(1).mean(), 2) == density
    assert archive.image_size == (side, side)
    assert [len(archive.indices(split)) for split in ("train", "val", "test")] == splits
    assert archive.class_names == CLASS_NAMES


def test_the_single_label_of_a_tile_is_the_class_that_covers_most_of_it(archive):
    labels = single_labels(archive)
    for row, label_map in zip(labels[::97], archive.label_maps[::97], strict=True):
        classes, pixels = np.unique(label_map, return_counts=True)
        assert np.flatnonzero(row).tolist() == [classes[pixels.argmax()]]
    # It covers more than any other class, so it is among the scene labels.
    assert (labels <= archive.scene_labels).all()


def test_every_class_occurs_in_every_split(archive):
    for split in ("train", "val", "test"):
        assert archive.scene_labels[archive.indices(split)].any(0).all()


def test_no_square_of_the_globe_is_in_two_splits(archive):
    side = expected(archive)[0]
    squares = {}
    for split in ("train", "val", "test"):
        for i in archive.indices(split):
            row, column = map(int, re.fullmatch(r"tile\d+_r(\d+)_c(\d+)", archive.names[i]).groups())
            squares.setdefault((row * side // 256, column * side // 256), set()).add(split)
    assert all(len(splits) == 1 for splits in squares.values())
    assert len(squares) == {32: 105, 64: 97}[side]


def test_scene_labels_are_the_classes_that_cover_two_percent(archive):
    maps = np.asarray(archive.label_maps)
    for c in range(len(CLASS_NAMES)):
        covers = (maps == c).mean((1, 2)) >= 0.02
        np.testing.assert_array_equal(covers, archive.scene_labels[:, c].astype(bool))
    assert ((maps != 0).mean((1, 2)) >= 0.5).all()


def test_image_and_map_lie_on_each_other(archive):
    maps = np.asarray(archive.label_maps)
    pixels = np.asarray(archive.groups[0].pixels).astype(int)
    coastal = ((maps == 0).mean((1, 2)) > 0.1) & ((maps == 0).mean((1, 2)) < 0.5)
    water_coloured = ((pixels[:, 0] < 40) & (pixels[:, 2] > pixels[:, 0]))[coastal]
    water = (maps == 0)[coastal]

    def agreement(down, right):
        shifted = np.roll(water, (down, right), (1, 2))
        return (water_coloured == shifted)[:, 3:-3, 3:-3].mean()

    here = agreement(0, 0)
    assert here > 0.9
    for down, right in [(3, 0), (-3, 0), (0, 3), (0, -3)]:
        assert agreement(down, right) < here - 0.01


def test_statistics_match_a_direct_computation(archive):
    train = np.asarray(archive.groups[0].pixels)[archive.indices("train")].astype(np.float64)
    np.testing.assert_allclose(archive.mean, train.mean((0, 2, 3)))
    np.testing.assert_allclose(archive.std, train.std((0, 2, 3)))


def test_it_can_be_verified_and_is_opened_again_without_building(archive):
    archive.verify()
    again = open_archive(archive.name, archive.directory.parent.parent)
    assert again.fingerprint == archive.fingerprint


def test_an_archive_of_an_older_version_is_built_anew(archive, monkeypatch):
    cache = archive.directory.parent.parent
    before = (archive.directory / "index.json").stat().st_mtime_ns
    monkeypatch.setattr(BlueMarble, "version", 2)
    assert open_archive(archive.name, cache).report["version"] == 2
    assert (archive.directory / "index.json").stat().st_mtime_ns > before
    monkeypatch.undo()
    assert open_archive(archive.name, cache).report["version"] == 1


def test_a_damaged_archive_is_built_anew(archive):
    before = archive.fingerprint
    for damage in ("{}", '{"schema": 0}'):
        (archive.directory / "index.json").write_text(damage)
        assert open_archive(archive.name, archive.directory.parent.parent).fingerprint == before


def test_cutting_joins_at_the_nearest_pixel_centre():
    land_cover = np.arange(8 * 16).reshape(8, 16) % 17
    image = np.zeros((3, 4, 8), np.uint8)
    image[0] = land_cover[1::2, 1::2]
    tiles = cut_tiles(image, land_cover.astype(np.uint8), 2)
    for label_map, pixels in zip(tiles.label_maps, tiles.images, strict=True):
        np.testing.assert_array_equal(label_map, pixels[0])


def test_the_split_hangs_on_the_squares_alone():
    blocks = np.array([[row, column] for row in range(9) for column in range(12) for _ in range(3)])
    split = np.array(assign_blocks(blocks))
    shuffled = np.random.default_rng(0).permutation(len(blocks))
    np.testing.assert_array_equal(np.array(assign_blocks(blocks[shuffled])), split[shuffled])
    assert 0.15 < (split == "test").mean() < 0.2
    assert 0.1 < (split == "val").mean() < 0.15


def test_the_registry_lists_both_without_importing_anything_heavy(tmp_path):
    code = (
        "import sys; from gridbench.registry import DATASETS; names = DATASETS.names();"
        "print(DATASETS.summary('bluemarble')); import gridbench.datasets;"
        "assert {'bluemarble', 'bluemarble64'} <= set(names);"
        "assert not {'torch', 'rasterio', 'numpy', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "Blue Marble" in done.stdout
    assert DATASETS.get("bluemarble64").side == 64


def test_recipes_exist_for_both_levels():
    assert recipes_of("bluemarble", "bluemarble")["scene"].train_size == 600
    assert recipes_of("bluemarble64", "bluemarble")["pixel"].output_stride == 8
    assert recipes_of("mine", "folder")["scene"].k == 20
    assert recipes_of("ben", "bigearthnet")["scene"].k == 30
