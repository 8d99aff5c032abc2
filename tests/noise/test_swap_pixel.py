"""The paper's rule on label maps: whole classes are relabelled at once, and ignored pixels stay."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gridbench.errors import InputError
from gridbench.noise import corrupt_label_maps, corrupt_scene_labels


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def presence(maps: np.ndarray, classes: int) -> np.ndarray:
    return np.stack([[(one == c).any() for c in range(classes)] for one in maps]).astype(np.uint8)


def map_stacks(classes: int = 5):
    shapes = st.tuples(st.integers(1, 6), st.integers(1, 5), st.integers(1, 5))
    values = st.sampled_from([*range(classes), 255])
    return shapes.flatmap(lambda shape: arrays(np.uint8, shape, elements=values))


@settings(max_examples=200, deadline=None)
@given(maps=map_stacks(), slnir=st.integers(0, 100), seed=st.integers(0, 2**32))
def test_invariants(maps, slnir, seed):
    clean, present = maps.copy(), presence(maps, 5)
    wanted = int(present.sum()) * slnir // 100
    if wanted > np.minimum(present.sum(1), 5 - present.sum(1)).sum():
        with pytest.raises(InputError, match="The largest rate here is"):
            corrupt_label_maps(maps, 5, slnir, generator(seed))
        return
    result = corrupt_label_maps(maps, 5, slnir, generator(seed))
    np.testing.assert_array_equal(maps, clean)
    assert result.labels.dtype == maps.dtype
    assert len(result.changed) == wanted
    np.testing.assert_array_equal(result.labels == 255, maps == 255)
    np.testing.assert_array_equal(presence(result.labels, 5).sum(1), present.sum(1))

    expected = maps.copy()
    for sample, before, after in result.changed.tolist():
        assert present[sample, before] == 1
        assert present[sample, after] == 0
        expected[sample][maps[sample] == before] = after
    np.testing.assert_array_equal(result.labels, expected)
    assert result.positives.tolist() == present.sum(0).tolist()
    again = corrupt_label_maps(maps, 5, slnir, generator(seed))
    np.testing.assert_array_equal(again.labels, result.labels)


def test_the_draw_is_that_of_scene_labels():
    maps = generator(1).integers(0, 8, (30, 6, 6)).astype(np.uint8)
    maps[:, :, 3:] = maps[:, :1, :1]
    by_map = corrupt_label_maps(maps, 20, 40, generator(2))
    by_label = corrupt_scene_labels(presence(maps, 20), 40, generator(2))
    np.testing.assert_array_equal(by_map.changed, by_label.changed)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64])
def test_negative_ids_stay_and_every_type_gives_the_same_result(dtype):
    maps = generator(3).integers(0, 4, (9, 5, 5)).astype(np.uint8)
    hole = generator(4).random(maps.shape) < 0.2
    hole[0, 0, 0] = True
    expected = corrupt_label_maps(np.where(hole, 255, maps).astype(np.uint8), 8, 50, generator(5))
    signed = np.where(hole, -1, maps).astype(dtype)
    signed[0, 0, 0] = -7
    result = corrupt_label_maps(signed, 8, 50, generator(5))
    assert result.labels.dtype == dtype
    assert (result.labels[hole] == signed[hole]).all()
    np.testing.assert_array_equal(result.labels[~hole], expected.labels[~hole])


def test_another_ignore_id():
    maps = np.array([[[0, 9], [9, 1]]], dtype=np.uint8)
    result = corrupt_label_maps(maps, 4, 100, generator(), ignore=9)
    assert (result.labels == 9).tolist() == (maps == 9).tolist()
    assert set(result.labels[maps != 9].tolist()) == {2, 3}


@pytest.mark.parametrize(
    "maps",
    [
        np.full((3, 4, 4), 255, np.uint8),
        np.full((3, 4, 4), -1, np.int16),
        np.zeros((0, 4, 4), np.uint8),
        np.zeros((2, 0, 4), np.uint8),
    ],
)
def test_maps_without_classes_take_any_rate(maps):
    result = corrupt_label_maps(maps, 5, 100, generator())
    np.testing.assert_array_equal(result.labels, maps)
    assert result.changed.shape == (0, 3)
    assert result.realised == 0


def test_a_map_of_one_class_and_one_with_all_classes():
    maps = np.array([[[0, 0], [0, 0]], [[0, 1], [2, 2]]], dtype=np.uint8)
    result = corrupt_label_maps(maps, 3, 25, generator())
    assert result.changed[:, 0].tolist() == [0]
    assert len(np.unique(result.labels[0])) == 1
    assert result.labels[0, 0, 0] in (1, 2)
    np.testing.assert_array_equal(result.labels[1], maps[1])
    with pytest.raises(InputError, match=r"largest rate here is 49\.99"):
        corrupt_label_maps(maps, 3, 100, generator())


def test_two_classes_of_one_map_do_not_chain():
    maps = np.array([[[0, 0, 1]]], dtype=np.uint8)
    for seed in range(30):
        result = corrupt_label_maps(maps, 4, 100, generator(seed))
        assert sorted(set(result.labels.ravel().tolist())) == [2, 3]
        assert result.labels[0, 0, 0] == result.labels[0, 0, 1] != result.labels[0, 0, 2]


@pytest.mark.parametrize(
    ("maps", "classes", "message"),
    [
        (np.array([[[0, 1]], [[2, 7]]], np.uint8), 3, "sample 1 holds class 7; allowed are 0 to 2"),
        (np.array([[[0, 1]], [[2, 300]]], np.int32), 3, "sample 1 holds class 300"),
        (np.array([[[254]]], np.uint8), 3, "sample 0 holds class 254"),
        (np.zeros((2, 2, 2)), 3, "type float64"),
        (np.zeros((2, 2), np.uint8), 3, r"shape \(2, 2\)"),
        (np.zeros((2, 2, 2), np.uint8), 0, "0 classes"),
        (np.zeros((2, 2, 2), np.int64), 256, "256 classes and 255 means ignore"),
        (np.zeros((2, 2, 2), np.int8), 200, "type int8 cannot hold 200 classes"),
    ],
)
def test_bad_maps(maps, classes, message):
    with pytest.raises(InputError, match=message):
        corrupt_label_maps(maps, classes, 10, generator())
