"""The published preparation of DLRSD: as many pairs from each folder, and scene labels read off the noisy maps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbench.errors import InputError
from gridbench.noise import Manifest
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


def corrupt(labels, maps, rate, level, folders, source="maps", seed=0):
    model = FolderSwap(Parameters(labels=source))
    rng = np.random.default_rng(seed)
    return model.corrupt(labels, maps, CLASSES, rate, rng, level, folders=folders)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), rate=st.integers(0, 100), level=st.sampled_from(["scene", "pixel"]))
def test_every_folder_gives_up_its_own_share(seed, rate, level):
    rng = np.random.default_rng(seed)
    maps = maps_of(rng)
    folders = rng.choice(["airplane", "beach", "chaparral"], size=len(maps))
    noise = corrupt(classes_in(maps).astype(np.uint8), maps, rate, level, folders, seed=seed)
    pairs = classes_in(maps).sum(1)
    drawn = noise.changed[noise.changed[:, 1] >= 0]
    inside = {folder: folders == folder for folder in np.unique(folders)}
    shares = {folder: pairs[here].sum() * rate // 100 for folder, here in inside.items()}
    assert noise.affected.sum() == sum(shares.values())
    for folder, here in inside.items():
        # A region that takes the class of one that goes leaves one label fewer to go.
        gone = here[drawn[:, 0]].sum()
        assert gone == shares[folder] if level == "pixel" else gone <= shares[folder]
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


def published(table, maps, percent, folders, rng):
    """The published preparation: pairs of the table drawn folder by folder, and what their regions became."""
    drawn, noisy = [], maps.copy()
    for folder in sorted(set(folders)):
        pairs = np.argwhere((table != 0) & (folders == folder)[:, None])
        drawn += pairs[rng.choice(len(pairs), int(len(pairs) * percent * 0.01), replace=False)].tolist()
    for image, before in drawn:
        after = rng.choice(np.delete(np.arange(CLASSES), before))
        noisy[image][maps[image] == before] = after
    return drawn, noisy


@pytest.mark.parametrize("level", ["scene", "pixel"])
def test_pairs_are_those_of_the_table_as_in_the_published_code(level, tmp_path):
    """Class 1 is on every map and never in the table, class 2 in half of the table and on no map."""
    table, maps = np.zeros((20, CLASSES), np.uint8), np.zeros((20, 4, 4), np.uint8)
    table[:, 0], table[:10, 2], maps[:, :2] = 1, 1, 1
    folders = np.array(["a"] * 20)
    theirs, ours = np.zeros(CLASSES), np.zeros(CLASSES)
    for seed in range(100):
        drawn, _ = published(table, maps, 30, folders, np.random.default_rng(seed))
        noise = corrupt(table, maps, 30, level, folders, seed=seed)
        assert noise.affected.sum() == len(drawn) == 9
        assert noise.positives.tolist() == table.sum(0).tolist()
        theirs += np.bincount([before for _, before in drawn], minlength=CLASSES)
        ours += noise.affected
        if level == "pixel":
            assert noise.changed[:, 1].tolist() == [0] * int(noise.affected[0])
            assert (noise.labels[maps == 1] == 1).all()
        else:
            # What the map shows decides, and class 1 is on every map.
            assert noise.labels[:, 1].all()
    np.testing.assert_allclose(ours, theirs, atol=50)
    Manifest.of(noise, FolderSwap(Parameters(labels="maps"))).save(tmp_path)
    loaded = Manifest.load(tmp_path)
    again = loaded.apply(table) if level == "scene" else loaded.apply_maps(maps)
    np.testing.assert_array_equal(again, noise.labels)


@pytest.mark.parametrize("source", ["own", "maps"])
@pytest.mark.parametrize("seed", range(5))
def test_the_manifest_reproduces_regions_and_labels_that_merge(source, seed):
    maps = maps_of(np.random.default_rng(seed))
    labels = classes_in(maps).astype(np.uint8)
    model = FolderSwap(Parameters(labels=source))
    for level in ("scene", "pixel"):
        noise = corrupt(labels, maps, 80, level, None, source, seed)
        manifest = Manifest.of(noise, model)
        again = manifest.apply(labels) if level == "scene" else manifest.apply_maps(maps)
        np.testing.assert_array_equal(again, noise.labels)
        expected = (noise.labels != (labels if level == "scene" else maps)).reshape(len(maps), -1).any(1)
        np.testing.assert_array_equal(noise.noisy, expected)
