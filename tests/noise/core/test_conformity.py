"""What a noise model returns is compared with the labels that it was given."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from gridbench.noise import Corruption, LabelSet, NoiseModel, scene_corruption
from gridbench.noise.core.model import WrongCorruption

LABELS = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 1, 0, 0]], dtype=np.uint8)
SINGLE = np.eye(4, dtype=np.uint8)
MAPS = np.array([[[0, 0], [1, 255]], [[2, 2], [2, 2]]], dtype=np.uint8)
CHANGED = np.array([[0, 0, 1], [1, 1, 2]])


class Model(NoiseModel):
    """Replaces two labels, or one class of one map, and returns what a test makes of it."""

    name = "made"
    levels = ("scene", "pixel", "single")

    def __init__(self, change):
        super().__init__()
        self.change = change

    def corrupt_scene(self, labels, rate, rng):
        changed = np.array([[0, 0, 1], [1, 1, 0]]) if labels.scene_labels.sum() == 4 else CHANGED
        return self.change(scene_corruption(labels.scene_labels, changed, rate), labels)

    def corrupt_maps(self, labels, rate, rng):
        noisy = labels.maps.copy()
        noisy[0, 0] = 3
        counts = (labels.class_pixels > 0).sum(axis=0)
        made = Corruption(noisy, np.array([[0, 0, 3]]), rate, "pixel", counts, np.array([1, 0, 0, 0]))
        return self.change(made, labels)


def corrupt(change, level="scene"):
    scene = SINGLE if level == "single" else LABELS
    return Model(change).apply(LabelSet(4, scene, MAPS), 40, np.random.default_rng(0), level)


def put(name, value):
    return lambda made, _: replace(made, **{name: value})


SCENE = {
    "nothing": (lambda *_: None, "a NoneType, not a Corruption"),
    "the labels alone": (lambda made, _: made.labels, "a ndarray, not a Corruption"),
    "a list of labels": (put("labels", [[1]]), "labels of the type list, not an array"),
    "labels of another type": (
        lambda made, _: replace(made, labels=made.labels.astype(float)), "labels of the type float64 for"
    ),
    "fewer labels": (lambda made, _: replace(made, labels=made.labels[1:]), r"labels of the shape \(3, 4\) for"),
    "a change that was not made": (
        lambda made, labels: replace(made, labels=labels.scene_labels), "other labels for sample 0"
    ),
    "a change that is not listed": (put("changed", CHANGED[:1]), "other labels for sample 1"),
    "no change listed": (put("changed", CHANGED[:0]), "other labels for sample 0"),
    "changes as floats": (put("changed", CHANGED.astype(float)), "changed of the type float64, not whole numbers"),
    "changes as a list": (put("changed", CHANGED.tolist()), "changed of the type list"),
    "changes of two columns": (put("changed", CHANGED[:, :2]), r"changed of the shape \(2, 2\)"),
    "a change twice": (put("changed", CHANGED[[0, 0, 1]]), "a change that is listed twice"),
    "a label removed twice": (put("changed", np.array([[0, 0, 1], [0, 0, 2]])), "a label that is removed twice"),
    "a sample that there is not": (put("changed", np.add(CHANGED, [4, 0, 0])), "a change that lies outside of 4"),
    "a class that there is not": (put("changed", np.add(CHANGED, [0, 0, 3])), "a change that lies outside of"),
    "a class that the sample lacks": (put("changed", np.add(CHANGED, [0, 1, 1])), r"a change \[0, 1, 2\] of sample"),
    "too many affected": (put("affected", np.array([2, 1, 0, 0])), "affected counts of 2 of class 0, of which 1"),
    "affected of another class": (put("affected", np.array([0, 1, 1, 0])), "affected counts of 0 of class 0"),
    "none affected": (put("affected", np.zeros(4, int)), "affected counts of 0, where 2 changes are listed"),
    "shares affected": (put("affected", np.full(4, 0.5)), "affected of the type float64"),
    "affected below 0": (put("affected", np.array([3, -1, 0, 0])), "affected with numbers below 0"),
    "affected of three classes": (put("affected", np.ones(3, int)), r"affected of the shape \(3,\); it must be \(4,\)"),
    "a total": (put("affected", 2), "affected of the type int"),
    "more affected than there is": (put("positives", np.zeros(4, int)), "affected counts of 2, of 0 that there are"),
    "another rate": (put("requested", Decimal(30)), "a requested rate of 30 %, where 40 %"),
    "another level": (put("level", "pixel"), "the level 'pixel' for scene labels"),
}  # fmt: skip


@pytest.mark.parametrize("level", ["scene", "single"])
def test_what_goes_together_is_taken(level):
    assert corrupt(lambda made, _: made, level).affected.tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("what", SCENE)
def test_scene_labels_that_do_not_go_with_the_changes_are_refused(what):
    change, reason = SCENE[what]
    with pytest.raises(WrongCorruption, match=f"^The noise model 'made' returned {reason}"):
        corrupt(change)


def paint(value, where=(1, 0, 0)):
    def change(made, _):
        made.labels[where] = value
        return made

    return change


RUNS = np.array([[0, 2, 3]])
PIXEL = {
    "a map that is not listed": (paint(1), "another map for sample 1, of which it lists no change"),
    "a pixel more": (paint(3, (0, 1, 0)), "other maps than the changes"),
    "an ignored pixel": (paint(3, (0, 1, 1)), "other classes for pixels that are to be ignored"),
    "a class that the map lacks": (put("changed", np.array([[0, 2, 3]])), "a change of a class that its map does not"),
    "an added class": (put("changed", np.array([[0, -1, 3]])), "a change that lies outside"),
    "none affected": (put("affected", np.zeros(4, int)), "affected counts of 0, where 1 changes"),
    "fewer pixels in the runs": (put("runs", np.subtract(RUNS, [0, 1, 0])), "other maps than the changes"),
    "another class in the runs": (put("runs", np.subtract(RUNS, [0, 0, 1])), "other maps than the changes"),
    "other pixels in the runs": (put("runs", np.add(RUNS, [4, 0, 0])), "other maps than the changes"),
    "runs beyond the maps": (put("runs", np.add(RUNS, [7, 0, 0])), "a run of pixels that lies outside of maps of 8"),
    "no run": (put("runs", RUNS[:0]), "other maps than the changes"),
    "another count of pixels": (lambda made, labels: replace(made, positives=labels.class_pixels.sum(0)),
                                "affected counts of 1 of class 0, of which 2 changed"),
}  # fmt: skip


@pytest.mark.parametrize("what", PIXEL)
def test_maps_that_do_not_go_with_the_changes_are_refused(what):
    change, reason = PIXEL[what]
    with pytest.raises(WrongCorruption, match=f"^The noise model 'made' returned {reason}"):
        corrupt(change, "pixel")
    assert corrupt(put("runs", RUNS), "pixel").affected.sum() == 1


@pytest.mark.parametrize("level", ["scene", "pixel", "single"])
def test_a_model_cannot_write_to_the_labels_that_it_is_given(level):
    def write(made, labels):
        (labels.maps if level == "pixel" else labels.scene_labels)[0] = 0
        return made

    before = LABELS.copy(), SINGLE.copy(), MAPS.copy()
    with pytest.raises(ValueError, match="read-only"):
        corrupt(write, level)
    assert all(map(np.array_equal, before, (LABELS, SINGLE, MAPS)))


def test_labels_that_are_returned_as_they_were_given_are_copied():
    """Nothing changes at rate 0, and a run may write to what it trains on."""

    class Same(NoiseModel):
        name = "same"
        levels = ("scene",)

        def corrupt_scene(self, labels, rate, rng):
            made = scene_corruption(labels.scene_labels, np.zeros((0, 3), int), rate)
            return replace(made, labels=labels.scene_labels)

    made = Same().apply(LabelSet(4, LABELS), 0, np.random.default_rng(0), "scene")
    assert made.labels.flags.writeable
    assert not np.shares_memory(made.labels, LABELS)


def test_a_model_may_count_what_it_drew():
    class Drawn(Model):
        counts_drawn = True

    made = Drawn(put("affected", np.array([2, 1, 0, 0])))
    labels, rng = LabelSet(4, LABELS), np.random.default_rng(0)
    assert made.apply(labels, 40, rng, "scene").affected.sum() == 3
