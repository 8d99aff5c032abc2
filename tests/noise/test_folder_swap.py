"""The published preparation of DLRSD: as many pairs from each folder, and scene labels read off the noisy maps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbench.errors import InputError
from gridbench.noise.core.corruption import apply_changes
from gridbench.noise.folder_swap import FolderSwap, Parameters

CLASSES = 6


def maps_of(rng, count=40, side=8):
    """Label maps of two to four classes each, with a few ignored pixels."""
    maps = np.empty((count, side, side), np.uint8)
    for one in maps:
        kinds = rng.choice(CLASSES, size=rng.integers(2, 5), replace=False)
        one[...] = rng.choice(kinds, size=one.shape)
    maps[:, 0, 0] = 255
    return maps


def classes_in(maps):
    return np.array([[c in one for c in range(CLASSES)] for one in maps])


def corrupt(labels, maps, rate, kind, folders, source="maps", seed=0):
    model = FolderSwap(Parameters(labels=source))
    rng = np.random.default_rng(seed)
    return model.corrupt(labels, maps, CLASSES, rate, rng, kind, folders=folders)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), rate=st.integers(0, 100), kind=st.sampled_from(["scene", "pixel"]))
def test_every_folder_gives_up_its_own_share(seed, rate, kind):
    rng = np.random.default_rng(seed)
    maps = maps_of(rng)
    folders = rng.choice(["airplane", "beach", "chaparral"], size=len(maps))
    noise = corrupt(classes_in(maps).astype(np.uint8), maps, rate, kind, folders, seed=seed)
    pairs = classes_in(maps).sum(1)
    drawn = noise.changed[noise.changed[:, 1] >= 0]
    for folder in np.unique(folders):
        inside = folders == folder
        assert inside[drawn[:, 0]].sum() == pairs[inside].sum() * rate // 100
    assert (drawn[:, 1] != drawn[:, 2]).all()


@pytest.mark.parametrize("rate", [0, 10, 60, 100])
def test_scene_labels_are_the_classes_of_the_noisy_maps(rate):
    rng = np.random.default_rng(3)
    maps = maps_of(rng)
    labels = classes_in(maps).astype(np.uint8)
    # Where the table of labels and the map disagree, the map decides once there is noise, as in that code.
    labels[0] = 1 - labels[0]
    folders = np.repeat(["a", "b"], len(maps) // 2)
    scene = corrupt(labels, maps, rate, "scene", folders)
    pixel = corrupt(labels, maps, rate, "pixel", folders)
    expected = classes_in(pixel.labels) if rate else labels != 0
    np.testing.assert_array_equal(scene.labels != 0, expected)
    np.testing.assert_array_equal(apply_changes(labels, scene.changed), scene.labels)
    assert scene.realised == pixel.realised == pytest.approx(rate, abs=1.5)
    assert (pixel.labels[maps == 255] == 255).all()


def test_two_regions_may_merge_into_one_label_fewer():
    maps = np.zeros((1, 2, 2), np.uint8)
    maps[0, 0] = 1
    sizes = set()
    for seed in range(200):
        noise = corrupt(classes_in(maps).astype(np.uint8), maps, 100, "scene", np.array(["a"]), seed=seed)
        sizes.add(int(noise.labels.sum()))
    assert sizes == {1, 2}


def test_without_maps_their_labels_cannot_be_read():
    with pytest.raises(InputError, match="labels=own"):
        corrupt(np.eye(CLASSES, dtype=np.uint8), None, 10, "scene", None)


def test_without_folders_and_maps_it_is_the_published_rule_over_the_whole_set():
    labels = np.eye(CLASSES, dtype=np.uint8).repeat(5, 0)
    noise = corrupt(labels, None, 50, "scene", None, source="own")
    assert len(noise.changed) == 15
    assert noise.realised == 50.0
