"""Labels that leave noise little room: one class, images with all classes, images with none."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gridbench.errors import InputError
from gridbench.parameters import parse
from gridbench.registry import NOISE

SCENE = [name for name in NOISE if "scene" in NOISE.get(name).levels and NOISE.origin(name) == "gridbench"]
PIXEL = [name for name in NOISE if "pixel" in NOISE.get(name).levels and NOISE.origin(name) == "gridbench"]
# What replaces a label needs a class that the image has not; what only removes or adds does not.
REPLACING = ["swap", "grouped", "class_dependent", "confusable", "instance"]


def corrupt(name, labels, rate, tmp_path):
    component, given = NOISE.get(name), {}
    if name == "class_dependent":
        np.savetxt(tmp_path / "table.csv", np.ones((labels.shape[1],) * 2), delimiter=",", fmt="%g")
        given["table"] = str(tmp_path / "table.csv")
    model = component(parse(component.Parameters, given, f"noise model {name!r}"))
    hard = np.random.default_rng(1).random(labels.shape)
    return model.scene(labels, rate, np.random.default_rng(0), hard)


def largest_rate(error):
    """The rate that a refusal names."""
    return re.search(r"The largest rate here is ([\d.]+) ", str(error))[1]


@pytest.mark.parametrize("name", REPLACING)
def test_with_one_class_nothing_can_be_replaced_and_the_message_says_what_can(name, tmp_path):
    labels = np.ones((10, 1), np.uint8)
    with pytest.raises(InputError, match=r"The largest rate here is 0 \(--slnir 0\)"):
        corrupt(name, labels, 30, tmp_path)
    assert not len(corrupt(name, labels, "0", tmp_path).changed)


@pytest.mark.parametrize(("name", "left"), [("missing", 7), ("mixed", 9)])
def test_with_one_class_labels_can_be_removed(name, left, tmp_path):
    # Half of the mixed rate would be added, to images that have the class already.
    labels = np.ones((10, 1), np.uint8)
    assert corrupt(name, labels, 30, tmp_path).labels.sum() == left


def test_with_one_class_labels_are_added_where_they_lack(tmp_path):
    labels = np.array([[1], [1], [0], [0]], np.uint8)
    assert corrupt("extra", labels, 50, tmp_path).labels.sum() == 3
    with pytest.raises(InputError, match=r"2 labels|only 0 can change"):
        corrupt("extra", np.ones((4, 1), np.uint8), 50, tmp_path)


@pytest.mark.parametrize("name", [name for name in SCENE if name != "none"])
def test_an_image_with_all_classes_keeps_them_unless_labels_go_away(name, tmp_path):
    rng = np.random.default_rng(0)
    labels = (rng.random((60, 6)) < 0.3).astype(np.uint8)
    labels[::10] = 1
    labels[5::10] = 0
    try:
        result = corrupt(name, labels, 30, tmp_path)
    except InputError as error:
        result = corrupt(name, labels, largest_rate(error), tmp_path)
    assert len(result.changed)
    full = labels.all(axis=1)
    if name in {*REPLACING, "extra"}:
        assert result.labels[full].all()
    if name in {*REPLACING, "missing"}:
        assert not result.labels[~labels.any(axis=1)].any()


@pytest.mark.parametrize("name", [name for name in PIXEL if name != "none"])
def test_maps_of_one_class_stay_as_they_are_or_are_refused(name):
    maps = np.zeros((5, 16, 16), np.uint8)
    for classes in (1, 2):
        model = NOISE.get(name)()
        try:
            result = model.pixel(maps, classes, 30, np.random.default_rng(0))
        except InputError as error:
            result = model.pixel(maps, classes, largest_rate(error), np.random.default_rng(0))
        # Only a second class gives anything that a class could become.
        assert classes == 2 or not (result.labels != maps).any()


@pytest.mark.parametrize("name", [name for name in PIXEL if name != "none"])
def test_a_map_with_all_classes_is_no_trouble(name):
    maps = np.arange(4, dtype=np.uint8).repeat(64).reshape(1, 16, 16).repeat(6, axis=0)
    maps[3:, :8] = 0
    model = NOISE.get(name)()
    try:
        result = model.pixel(maps, 4, 10, np.random.default_rng(0))
    except InputError as error:
        result = model.pixel(maps, 4, largest_rate(error), np.random.default_rng(0))
    assert result.labels.max() <= 3
