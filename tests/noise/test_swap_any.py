"""The rule of GRID's published code: a class may become any other one, also one that the image has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chisquare

from gridbench.errors import InputError
from gridbench.noise import Manifest, corrupt_label_maps, corrupt_scene_labels
from gridbench.parameters import parse
from gridbench.registry import NOISE


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def model(replacement: str):
    swap = NOISE.get("swap")
    return swap(parse(swap.Parameters, {"replacement": replacement}, "noise model 'swap'"))


def typical(samples: int = 4000, classes: int = 17) -> np.ndarray:
    """An archive like the paper's: 17 classes, some common and some rare, 2.8 labels an image."""
    share = np.linspace(0.6, 0.05, classes)
    return (generator(1).random((samples, classes)) < share * 2.8 / share.sum()).astype(np.uint8)


def label_matrices():
    shapes = st.tuples(st.integers(0, 12), st.integers(2, 7))
    return shapes.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 1)))


@settings(max_examples=200, deadline=None)
@given(labels=label_matrices(), slnir=st.integers(0, 100), seed=st.integers(0, 2**32))
def test_scene_labels(labels, slnir, seed):
    clean = labels.copy()
    result = corrupt_scene_labels(labels, slnir, generator(seed), "any")
    np.testing.assert_array_equal(labels, clean)
    sample, before, after = result.changed.T
    assert len(result.changed) == int(labels.sum()) * slnir // 100
    assert labels[sample, before].all()
    assert len(set(zip(sample, before, strict=True))) == len(sample)
    assert (before != after).all()
    assert ((after >= 0) & (after < labels.shape[1])).all()
    expected = labels.copy()
    for row in result.changed:
        expected[row[0], row[1]] = 0
    for row in result.changed:
        expected[row[0], row[2]] = 1
    np.testing.assert_array_equal(result.labels, expected)
    again = corrupt_scene_labels(labels, slnir, generator(seed), "any")
    np.testing.assert_array_equal(again.changed, result.changed)


@settings(max_examples=100, deadline=None)
@given(
    maps=arrays(np.uint8, (4, 3, 3), elements=st.sampled_from([0, 1, 2, 3, 255])),
    slnir=st.integers(0, 100),
    seed=st.integers(0, 2**32),
)
def test_label_maps(maps, slnir, seed):
    result = corrupt_label_maps(maps, 4, slnir, generator(seed), replacement="any")
    present = np.array([[(one == c).any() for c in range(4)] for one in maps])
    assert len(result.changed) == int(present.sum()) * slnir // 100
    expected = maps.copy()
    for sample, before, after in result.changed.tolist():
        assert before != after
        expected[sample][maps[sample] == before] = after
    np.testing.assert_array_equal(result.labels, expected)


def test_two_classes_of_one_map_can_trade_places_and_do_not_chain():
    maps = np.array([[[0, 0, 1]]], dtype=np.uint8)
    for seed in range(5):
        result = corrupt_label_maps(maps, 2, 100, generator(seed), replacement="any")
        assert result.labels.tolist() == [[[1, 1, 0]]]
        labels = corrupt_scene_labels([[1, 1]], 100, generator(seed), "any")
        assert (labels.labels.tolist(), labels.changed.tolist()) == ([[1, 1]], [[0, 0, 1], [0, 1, 0]])


def test_an_image_with_every_class_is_not_spared():
    labels = np.ones((6, 3), dtype=np.uint8)
    assert len(corrupt_scene_labels(labels, 50, generator(), "any").changed) == 9
    with pytest.raises(InputError, match="no classes to spare"):
        corrupt_scene_labels(labels, 50, generator())


def test_fewer_labels_go_than_are_drawn_and_still_fewer_are_new():
    labels = np.zeros((6000, 17), dtype=np.uint8)
    np.put_along_axis(
        labels, generator(1).permuted(np.tile(np.arange(17), (6000, 1)), axis=1)[:, :3], 1, axis=1
    )
    drawn = int(labels.sum()) * 20 // 100
    noisy = corrupt_scene_labels(labels, 20, generator(2), "any").labels
    removed = ((labels == 1) & (noisy == 0)).sum() / drawn
    added = ((labels == 0) & (noisy == 1)).sum() / drawn
    # Three labels an image. A drawn one goes unless one of the two others is drawn (1 in 5) and becomes it (1 in 16).
    assert removed == pytest.approx((1 - 0.2 / 16) ** 2, abs=0.01)
    # It becomes a new class in 14 of 16 cases, less those in which a later one becomes the same.
    assert added == pytest.approx(14 / 16 * (1 - 0.2 / 16), abs=0.015)
    paper = corrupt_scene_labels(labels, 20, generator(2)).labels
    assert ((labels == 1) & (paper == 0)).sum() == ((labels == 0) & (paper == 1)).sum() == drawn


def test_draws_are_uniform():
    labels = np.tile(np.array([1, 1, 0, 0, 1], dtype=np.uint8), (8000, 1))
    changed = corrupt_scene_labels(labels, 50, generator(3), "any").changed
    counts = np.zeros((5, 5), dtype=int)
    np.add.at(counts, (changed[:, 1], changed[:, 2]), 1)
    drawn = counts[[0, 1, 4]]
    assert chisquare(drawn.sum(axis=1)).pvalue > 1e-3
    for row, before in zip(drawn, (0, 1, 4), strict=True):
        assert row[before] == 0
        assert chisquare(np.delete(row, before)).pvalue > 1e-3


def test_degenerate_archives():
    with pytest.raises(InputError, match=r"there is no other class.*largest rate here is 0 "):
        corrupt_scene_labels(np.ones((3, 1), int), 50, generator(), "any")
    assert corrupt_scene_labels(np.ones((3, 1), int), 0, generator(), "any").changed.shape == (0, 3)
    assert corrupt_scene_labels(np.zeros((3, 4), int), 100, generator(), "any").changed.shape == (0, 3)
    with pytest.raises(InputError, match=r"'anny'; allowed is one of absent, any\. Did you mean 'any'"):
        corrupt_scene_labels(np.eye(3), 10, generator(), "anny")


def test_the_parameter_chooses_the_rule_and_the_paper_is_the_default():
    labels, maps = typical(300), generator(4).integers(0, 6, (40, 5, 5)).astype(np.uint8)
    swap = NOISE.get("swap")
    assert swap.authors_code == {"replacement": "any"}
    for given_, expected in ((swap(), "absent"), (model("absent"), "absent"), (model("any"), "any")):
        assert given_.parameters.replacement == expected
        scene = given_.corrupt(labels, None, 17, 30, generator(5), "scene")
        by_function = corrupt_scene_labels(labels, 30, generator(5), expected)
        np.testing.assert_array_equal(scene.changed, by_function.changed)
        pixel = given_.corrupt(labels, maps, 17, 30, generator(5), "pixel")
        by_function = corrupt_label_maps(maps, 17, 30, generator(5), replacement=expected)
        np.testing.assert_array_equal(pixel.labels, by_function.labels)


def test_the_paper_s_draw_of_a_known_generator_stays():
    labels = (generator(6).random((5, 6)) < 0.4).astype(np.uint8)
    changed = corrupt_scene_labels(labels, 50, generator(7)).changed
    # What this draw gave in the first version; stored results depend on it.
    expected = [[0, 1, 4], [0, 2, 5], [1, 3, 0], [2, 0, 2], [2, 4, 1], [2, 5, 3]]
    assert changed.tolist() == expected


@pytest.mark.parametrize("level", ["scene", "pixel"])
def test_the_manifest_reproduces_it_and_refuses_other_labels(level, tmp_path):
    labels, maps = typical(300), generator(4).integers(0, 3, (40, 5, 5)).astype(np.uint8)
    clean = labels if level == "scene" else maps
    swap = model("any")
    corruption = swap.corrupt(labels, maps, 17, 40, generator(8), level)
    Manifest.of(corruption, swap, 8, "ab" * 32).save(tmp_path)
    loaded = Manifest.load(tmp_path)
    assert loaded.parameters == {"replacement": "any"}
    reproduced = loaded.apply(labels) if level == "scene" else loaded.apply_maps(maps)
    np.testing.assert_array_equal(reproduced, corruption.labels)
    loaded.verify("ab" * 32, **{"labels" if level == "scene" else "maps": clean})

    sample, before, _ = loaded.changed[0]
    fewer, more = clean.copy(), clean.copy()
    if level == "scene":
        fewer[sample, before] = 0
        more[:, 16] = 1
    else:
        fewer[sample][fewer[sample] == before] = 16
        more[0, 0, 0] = 15
    for other in (fewer, more):
        with pytest.raises(InputError, match="of other labels"):
            loaded.verify(**{"labels" if level == "scene" else "maps": other})


def test_a_class_that_became_itself_or_was_there_is_refused():
    labels = np.array([[1, 1, 0]], dtype=np.uint8)
    by_any, by_absent = (
        Manifest.of(corrupt_scene_labels(labels, 50, generator(), rule), model(rule))
        for rule in ("any", "absent")
    )
    for manifest, change in ((by_any, [0, 1, 1]), (by_absent, [0, 0, 1])):
        with pytest.raises(InputError, match="of other labels"):
            Manifest(**{**vars(manifest), "changed": np.array([change])}).apply(labels)
    assert Manifest(**{**vars(by_any), "changed": np.array([[0, 0, 1]])}).apply(labels).tolist() == [
        [0, 1, 0]
    ]
