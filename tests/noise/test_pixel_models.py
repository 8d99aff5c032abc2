"""Pixel-level noise models: what holds for all of them, and what is each one's own."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gridbench.errors import InputError
from gridbench.noise import Manifest
from gridbench.parameters import parse
from gridbench.registry import NOISE

MODELS = ("boundary", "shift", "missing_objects", "coarse", "region")
CLASSES = 6


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def build(name: str, **parameters):
    model_class = NOISE.get(name)
    return model_class(parse(model_class.Parameters, parameters, f"noise model {name!r}"))


def patches(samples: int, side: int = 24, patch: int = 6, classes: int = 4, seed: int = 0) -> np.ndarray:
    """Maps of square patches with a few single pixels and an ignored corner."""
    rng = generator(seed)
    coarse = rng.integers(0, classes, (samples, side // patch, side // patch)).astype(np.uint8)
    maps = coarse.repeat(patch, axis=1).repeat(patch, axis=2)
    maps[rng.random(maps.shape) < 0.01] = classes - 1
    maps[:, :3, :2] = 255
    return maps


def regions_by_flood(one: np.ndarray) -> list[set[tuple[int, int]]]:
    """Connected patches of equal class, by walking."""
    left = {tuple(place) for place in np.argwhere(one != 255).tolist()}
    found = []
    while left:
        todo = [min(left)]
        region = set()
        while todo:
            place = todo.pop()
            if place not in left:
                continue
            left.discard(place)
            region.add(place)
            row, column = place
            for near in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
                if near in left and one[near] == one[place]:
                    todo.append(near)
        found.append(region)
    return found


def check_record(maps: np.ndarray, result, model) -> None:
    expected = set()
    for sample, (old, new) in enumerate(zip(maps, result.labels, strict=True)):
        where = old != new
        expected |= {(sample, int(a), int(b)) for a, b in zip(old[where], new[where], strict=True)}
    assert set(map(tuple, result.changed.tolist())) == expected
    assert result.changed.tolist() == sorted(result.changed.tolist())
    assert len(result.changed) == len(expected)
    assert result.labels.dtype == maps.dtype
    np.testing.assert_array_equal(result.labels == 255, maps == 255)
    assert (result.labels[maps != 255] < CLASSES).all()
    np.testing.assert_array_equal(Manifest.of(result, model).apply_maps(maps), result.labels)


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=50, deadline=None)
@given(
    maps=st.tuples(st.integers(0, 4), st.integers(1, 6), st.integers(1, 6)).flatmap(
        lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 0, 1, 1, 2, 5, 255]))
    ),
    rate=st.one_of(st.integers(0, 100), st.decimals(0, 100, places=2)),
    seed=st.integers(0, 2**32),
)
def test_what_holds_for_all(name, maps, rate, seed):
    model, clean, refusal = build(name), maps.copy(), ""
    try:
        result = model.corrupt(None, maps, CLASSES, rate, generator(seed), "pixel")
    except InputError as error:
        refusal = str(error)
    if refusal:
        largest = re.search(r"The largest rate here is ([0-9.]+) ", refusal)
        assert largest is not None, refusal
        assert Fraction(largest[1]) < Fraction(rate)
        rate = largest[1]
        result = model.corrupt(None, maps, CLASSES, rate, generator(seed), "pixel")
    np.testing.assert_array_equal(maps, clean)
    check_record(maps, result, model)
    total = int(result.positives.sum())
    assert result.affected.sum() == int(Fraction(rate) * total / 100)
    assert (result.affected <= result.positives).all()
    again = model.corrupt(None, maps, CLASSES, rate, generator(seed), "pixel")
    np.testing.assert_array_equal(again.labels, result.labels)


@pytest.mark.parametrize("name", MODELS)
def test_rate_zero_is_the_identity(name):
    maps = patches(5)
    result = build(name).corrupt(None, maps, CLASSES, 0, generator(), "pixel")
    np.testing.assert_array_equal(result.labels, maps)
    assert (len(result.changed), result.realised) == (0, 0)
    assert not result.noisy.any()


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [np.int16, np.int64])
def test_negative_ids_are_ignored_pixels_and_the_type_does_not_matter(name, dtype):
    maps = patches(6)
    expected = build(name).corrupt(None, maps, CLASSES, 10, generator(1), "pixel")
    signed = np.where(maps == 255, -1, maps.astype(dtype)).astype(dtype)
    result = build(name).corrupt(None, signed, CLASSES, 10, generator(1), "pixel")
    assert result.labels.dtype == dtype
    np.testing.assert_array_equal(result.labels == -1, maps == 255)
    np.testing.assert_array_equal(result.labels[maps != 255], expected.labels[maps != 255])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(3, 4, 4), (0, 4, 4), (2, 0, 4), (2, 4, 0)])
def test_maps_without_labels_take_any_rate(name, shape):
    maps = np.full(shape, 255, np.uint8)
    result = build(name).corrupt(None, maps, CLASSES, 100, generator(), "pixel")
    assert result.labels.shape == shape
    assert (len(result.changed), result.realised) == (0, 0)


@pytest.mark.parametrize("name", MODELS)
def test_they_refuse_scene_labels_and_unknown_classes(name):
    with pytest.raises(InputError, match=f"'{name}' corrupts label maps, not scene labels"):
        build(name).corrupt(np.eye(3), None, 3, 10, generator(), "scene")
    maps = np.zeros((2, 3, 3), np.uint8)
    maps[1, 1, 1] = 9
    with pytest.raises(InputError, match="sample 1 holds class 9; allowed are 0 to 5"):
        build(name).corrupt(None, maps, CLASSES, 10, generator(), "pixel")


@pytest.mark.parametrize("name", MODELS)
def test_the_manifest_survives_a_round_trip(name, tmp_path):
    maps, model = patches(10), build(name)
    result = model.corrupt(None, maps, CLASSES, 20, generator(2), "pixel")
    assert len(result.changed)
    Manifest.of(result, model, seed=2, fingerprint="ab").save(tmp_path)
    loaded = Manifest.load(tmp_path)
    np.testing.assert_array_equal(loaded.apply_maps(maps), result.labels)
    np.testing.assert_array_equal(loaded.apply_maps(np.asfortranarray(maps)), result.labels)
    assert loaded.summary() == Manifest.of(result, model, seed=2, fingerprint="ab").summary()
    with pytest.raises(InputError, match="other labels"):
        loaded.apply_maps(result.labels)
    with np.load(tmp_path / "noise.npz") as file:
        stored = dict(file)
    stored["runs"][0, 2] += 1
    np.savez(tmp_path / "noise.npz", **stored)
    with pytest.raises(InputError, match="changed or damaged"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize("row", [[-1, 1, 0], [0, 0, 0], [15, 2, 0], [0, 1, 6], [0, 1, -1]])
def test_runs_outside_the_maps_are_refused(row):
    maps, model = np.zeros((1, 4, 4), np.uint8), build("region")
    manifest = Manifest.of(model.corrupt(None, maps, CLASSES, 100, generator(), "pixel"), model)
    with pytest.raises(InputError, match="pixels or classes that these label maps do not have"):
        Manifest(**{**vars(manifest), "runs": np.array([row])}).apply_maps(maps)


# boundary


def test_boundaries_move_by_as_few_pixels_as_the_rate_allows():
    maps = np.zeros((1, 20, 20), np.uint8)
    maps[:, :, 10:] = 1
    for rate, farthest in ((5, 1), (10, 2), (12, 3), (25, 5)):
        result = build("boundary", width=5).pixel(maps, 2, rate, generator(3))
        columns = np.flatnonzero((result.labels != maps)[0].any(axis=0))
        assert columns.max() - columns.min() + 1 == farthest
        assert (result.labels != maps).sum() == 4 * rate
        # One class grows, the other shrinks.
        assert len(result.changed) == 1
    with pytest.raises(InputError, match=r"moves by more than 5 pixels.*largest rate here is 25\.24"):
        build("boundary", width=5).pixel(maps, 2, 26, generator(3))


def test_changed_pixels_take_the_class_of_a_boundary_nearby():
    maps = patches(8, seed=4)
    result = build("boundary").pixel(maps, CLASSES, 15, generator(5))
    for sample, row, column in np.argwhere(result.labels != maps).tolist():
        near = maps[sample, max(0, row - 5) : row + 6, max(0, column - 5) : column + 6]
        assert result.labels[sample, row, column] in near
    assert result.positives.sum() == (maps != 255).sum()


def test_ignored_pixels_stop_a_boundary():
    maps = np.array([[[0, 0, 0, 255, 1, 1, 1]]], np.uint8)
    with pytest.raises(InputError, match="only 0 can change"):
        build("boundary").pixel(maps, 2, 20, generator())


def test_the_last_step_is_drawn_uniformly_over_maps():
    maps = np.zeros((200, 10, 10), np.uint8)
    maps[:, :, 5:] = 1
    result = build("boundary").pixel(maps, 2, 4, generator(6))
    per_map = (result.labels != maps).sum(axis=(1, 2))
    assert per_map.sum() == 800
    assert per_map.max() <= 10
    # Hypergeometric: 4 of 10 pixels a map on average.
    assert 1.2 < per_map.std() < 1.9


# shift


def shifted(one: np.ndarray, down: int, across: int) -> np.ndarray:
    height, width = one.shape
    out = one.copy()
    for row in range(height):
        for column in range(width):
            came = one[min(max(row - down, 0), height - 1), min(max(column - across, 0), width - 1)]
            if came != 255 and one[row, column] != 255:
                out[row, column] = came
    return out


def test_a_share_of_maps_is_displaced_as_a_whole():
    maps = patches(40, seed=7)
    result = build("shift", distance=2).pixel(maps, CLASSES, 30, generator(8))
    assert result.noisy.sum() == 12
    used = set()
    for sample in np.flatnonzero(result.noisy):
        steps = {
            (down, across)
            for down in range(-2, 3)
            for across in range(-2, 3)
            if (shifted(maps[sample], down, across) == result.labels[sample]).all()
        }
        assert steps
        used |= steps
    assert len(used) > 5


def test_maps_that_no_displacement_changes_are_left_out():
    maps = np.zeros((4, 6, 6), np.uint8)
    maps[0, :, 3:] = 1
    maps[3] = 255
    result = build("shift").pixel(maps, 2, 34, generator())
    assert result.changed[:, 0].tolist() == [0]
    assert result.positives.tolist() == [3, 0]
    with pytest.raises(InputError, match=r"2 of 3 maps, but only 1 can change.*largest rate here is 66\.66"):
        build("shift").pixel(maps, 2, 67, generator())


# missing objects


def test_small_objects_vanish_into_what_surrounds_them():
    maps = np.zeros((1, 10, 10), np.uint8)
    maps[0, :, 6:] = 1
    maps[0, 2:4, 2:4] = 3
    maps[0, 7, 6] = 2
    result = build("missing_objects").pixel(maps, CLASSES, 100, generator())
    expected = maps.copy()
    expected[0, 2:4, 2:4] = 0
    expected[0, 7, 6] = 1
    np.testing.assert_array_equal(result.labels, expected)
    assert result.positives.tolist() == [0, 0, 1, 1, 0, 0]
    half = build("missing_objects").pixel(maps, CLASSES, 50, generator())
    assert len(half.changed) == 1
    smaller = build("missing_objects", largest=3).pixel(maps, CLASSES, 100, generator())
    assert smaller.changed.tolist() == [[0, 2, 1]]


def test_an_object_among_ignored_pixels_cannot_vanish():
    maps = np.full((1, 10, 10), 255, np.uint8)
    maps[0, 5, 5] = 1
    with pytest.raises(InputError, match="touch no labelled pixel"):
        build("missing_objects").pixel(maps, 2, 100, generator())


def test_objects_are_those_of_a_flood_fill():
    maps = patches(12, seed=9)
    small = [
        (sample, region)
        for sample, one in enumerate(maps)
        for region in regions_by_flood(one)
        if len(region) <= 0.05 * one.size
    ]
    result = build("missing_objects").pixel(maps, CLASSES, 0, generator())
    assert result.positives.sum() == len(small)


# coarse


def test_blocks_take_the_class_of_most_of_their_pixels():
    maps = np.array([[[0, 0, 1, 2], [0, 1, 2, 1], [3, 3, 255, 4], [3, 3, 5, 5]]], np.uint8)
    result = build("coarse", block=2).pixel(maps, CLASSES, 100, generator())
    assert result.labels.tolist() == [[[0, 0, 1, 1], [0, 0, 1, 1], [3, 3, 255, 5], [3, 3, 5, 5]]]
    assert result.positives.tolist() == [1, 1, 0, 0, 0, 1]


def test_blocks_at_the_edge_may_be_smaller():
    maps = np.array([[[0, 0, 0, 0, 1], [0, 0, 0, 0, 2], [0, 0, 0, 0, 2]]], np.uint8)
    result = build("coarse", block=4).pixel(maps, CLASSES, 100, generator())
    assert result.labels[0, :, 4].tolist() == [2, 2, 2]
    assert (result.labels[0, :, :4] == 0).all()


def test_a_share_of_the_mixed_blocks_is_drawn():
    maps = generator(10).integers(0, 3, (20, 16, 16)).astype(np.uint8)
    result = build("coarse", block=4).pixel(maps, CLASSES, 25, generator(11))
    blocks = (result.labels != maps).reshape(20, 4, 4, 4, 4).any(axis=(2, 4))
    assert result.positives.sum() == 320
    assert blocks.sum() == 80


# region


def test_whole_regions_get_a_class_that_the_map_lacks():
    maps = patches(15, classes=4, seed=12)
    result = build("region").pixel(maps, CLASSES, 30, generator(13))
    regions = [(sample, region) for sample, one in enumerate(maps) for region in regions_by_flood(one)]
    assert result.positives.sum() == len(regions)
    relabelled = 0
    for sample, region in regions:
        before = {int(maps[sample][place]) for place in region}
        after = {int(result.labels[sample][place]) for place in region}
        assert len(before) == len(after) == 1
        if before != after:
            relabelled += 1
            assert not after & set(maps[sample].ravel().tolist())
    assert relabelled == len(regions) * 30 // 100


def test_small_regions_can_be_left_alone():
    maps = patches(15, seed=14)
    result = build("region", smallest=20).pixel(maps, CLASSES, 100, generator())
    for sample, one in enumerate(maps):
        for region in regions_by_flood(one):
            changed = {bool(result.labels[sample][place] != one[place]) for place in region}
            assert changed == {len(region) >= 20}


def test_a_map_with_all_classes_keeps_its_regions():
    maps = np.array([[[0, 1]], [[0, 0]]], np.uint8)
    result = build("region").pixel(maps, 2, 34, generator())
    assert result.changed.tolist() == [[1, 0, 1]]
    with pytest.raises(InputError, match="maps of the others have all classes"):
        build("region").pixel(maps, 2, 67, generator())
