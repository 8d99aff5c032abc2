"""The protocol: what the registry hands out, and which labels each model takes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from gridbench import noise
from gridbench.errors import InputError
from gridbench.noise import LabelSet, NoiseModel, corrupt_label_maps, corrupt_scene_labels
from gridbench.noise.core.model import LEVELS
from gridbench.registry import NOISE

LABELS = (np.random.default_rng(0).random((30, 6)) < 0.3).astype(np.uint8)
MAPS = np.random.default_rng(1).integers(0, 3, (8, 4, 4)).astype(np.uint8)


def generator() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.mark.parametrize("name", NOISE.names())
def test_every_model_keeps_the_protocol(name):
    model_class = NOISE.get(name)
    assert issubclass(model_class, NoiseModel)
    assert model_class.name == name
    assert isinstance(model_class.version, int)
    assert model_class.levels
    assert set(model_class.levels) <= set(LEVELS)
    assert not set(model_class.levels) & set(model_class.refuses)
    assert NOISE.summary(name).endswith((".", ":"))


def test_swap_is_the_two_functions():
    model = NOISE.get("swap")()
    scene = model.corrupt(LABELS, None, 6, "30", generator(), "scene")
    np.testing.assert_array_equal(scene.changed, corrupt_scene_labels(LABELS, 30, generator()).changed)
    pixel = model.corrupt(LABELS, MAPS, 6, "30", generator(), "pixel")
    np.testing.assert_array_equal(pixel.labels, corrupt_label_maps(MAPS, 6, 30, generator()).labels)


@pytest.mark.parametrize("level", ["scene", "pixel"])
def test_none_changes_nothing(level):
    model = NOISE.get("none")()
    result = model.corrupt(LABELS, MAPS, 6, 0, generator(), level)
    clean = LABELS if level == "scene" else MAPS
    np.testing.assert_array_equal(result.labels, clean)
    assert not np.shares_memory(result.labels, clean)
    assert (len(result.changed), result.realised, result.affected.sum()) == (0, 0.0, 0)
    with pytest.raises(InputError, match="'none' changes nothing, so a rate of 10 %"):
        model.corrupt(LABELS, MAPS, 6, 10, generator(), level)


def test_refusals():
    class OnlyScene(NoiseModel):
        name = "only-scene"
        levels = ("scene",)

    with pytest.raises(InputError, match="'only-scene' corrupts scene labels, not label maps"):
        OnlyScene().corrupt(LABELS, MAPS, 6, 0, generator(), "pixel")
    with pytest.raises(InputError, match="not 'image'"):
        OnlyScene().corrupt(LABELS, MAPS, 6, 0, generator(), "image")
    with pytest.raises(InputError, match="asked to corrupt label maps, and there are none"):
        NOISE.get("swap")().corrupt(LABELS, None, 6, 0, generator(), "pixel")
    with pytest.raises(InputError, match="holds class 2; allowed are 0 to 1"):
        NOISE.get("none")().corrupt(LABELS, MAPS, 2, 0, generator(), "pixel")


def test_the_package_is_light(tmp_path):
    script = "import sys, gridbench.noise\nassert not {'torch', 'numpy', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)


def test_every_exported_name_is_there():
    for name in noise.__all__:
        assert getattr(noise, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'swop'"):
        _ = noise.swop


class OldScene(NoiseModel):
    """A model that overrides the array methods, as plug-ins of the first version do."""

    name = "old-scene"
    levels = ("scene", "pixel")
    needs_difficulty = True

    def scene(self, labels, rate, rng, difficulty=None):
        self.seen = (rate, difficulty)
        return corrupt_scene_labels(labels, rate, rng)

    def pixel(self, maps, num_classes, rate, rng):
        return corrupt_label_maps(maps, num_classes, rate, rng)


class OldFolders(NoiseModel):
    """A model that overrides `corrupt` and asks for folders."""

    name = "old-folders"
    levels = ("scene",)
    reads_folders = True

    def corrupt(self, scene_labels, label_maps, num_classes, rate, rng, level, folders=None):
        self.seen = (num_classes, level, label_maps is None, folders.tolist())
        return corrupt_scene_labels(scene_labels, rate, rng)


@pytest.mark.parametrize("level", ["scene", "pixel"])
def test_models_written_against_arrays_still_work(level):
    hard = np.random.default_rng(2).random(LABELS.shape)
    labels = LabelSet(6, LABELS, lambda: MAPS, difficulty=lambda neighbours: hard * neighbours)
    model, swap = OldScene(), NOISE.get("swap")()
    ours = model.apply(labels, "30", generator(), level)
    np.testing.assert_array_equal(ours.labels, swap.apply(labels, "30", generator(), level).labels)
    again = model.corrupt(LABELS, MAPS, 6, "30", generator(), level, hard * 20)
    np.testing.assert_array_equal(again.labels, ours.labels)
    if level == "scene":
        rate, difficulty = model.seen
        assert rate == "30"
        np.testing.assert_array_equal(difficulty, hard * 20)


def test_models_that_override_corrupt_still_work():
    model = OldFolders()
    names = [f"beach{i:02d}" for i in range(len(LABELS))]
    model.apply(LabelSet(6, LABELS, names=names), 10, generator(), "scene")
    assert model.seen == (6, "scene", True, ["beach"] * len(LABELS))


def test_a_label_set_reads_only_what_is_asked_for():
    def fail(*_):
        raise AssertionError("not asked for")

    labels = LabelSet(6, LABELS, fail, difficulty=fail, names=["a"])
    NOISE.get("swap")().apply(labels, 10, generator(), "scene")
    assert (labels.has_maps, labels.has_scene_labels) == (True, True)
    with pytest.raises(InputError, match="Scene labels were to be corrupted"):
        _ = LabelSet(6).present
    with pytest.raises(InputError, match="Label maps were to be corrupted"):
        _ = LabelSet(6).maps
