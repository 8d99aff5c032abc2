"""Which examples are chosen, and that figures say what changed: drawn once with the change and once without."""

import io

import numpy as np
import pytest
from PIL import Image

from gridbench.noise.figures.examples import choose_examples, draw_label_examples, draw_map_examples

PICTURES = np.full((2, 8, 8, 3), 90, np.uint8)
NAMES = ["one", "a name that is longer than anybody would want to read"]


def pixels(png):
    with Image.open(io.BytesIO(png)) as figure:
        return np.asarray(figure.convert("L"))


def test_examples_are_noisy_samples_spread_over_the_set():
    changed = np.array([[sample, 0, 1] for sample in (2, 2, 3, 5, 8, 9, 20)])
    assert choose_examples(changed, 3).tolist() == [2, 5, 20]
    assert choose_examples(changed, 99).tolist() == [2, 3, 5, 8, 9, 20]
    assert choose_examples(changed, 1).tolist() == [2]
    assert choose_examples(np.zeros((0, 3), int), 4).tolist() == []


def test_removed_and_added_labels_are_told_apart_without_colour():
    names = ["water", "$forest$", "ice"]
    kept = np.array([[1, 0, 0], [0, 1, 1]])
    moved = np.array([[0, 1, 0], [0, 1, 1]])
    one, other, same = (
        pixels(draw_label_examples(PICTURES, NAMES, before, after, names, "title"))
        for before, after in ((kept, moved), (moved, kept), (kept, kept))
    )
    assert one.shape == other.shape
    # The same two labels changed, the other way round: grey alone tells which.
    assert (one != other).any()
    # An image whose labels stayed looks the same in all.
    half = slice(one.shape[1] // 3, 2 * one.shape[1] // 3)
    assert np.array_equal(one[:, half], other[:, half])
    assert same.shape[1] == one.shape[1]


def test_changed_pixels_are_black_and_the_others_white():
    before = np.zeros((2, 8, 8), np.uint8)
    after = before.copy()
    after[0] = 1
    before[1, :, :4] = 255
    after[1, :, :4] = 255
    drawn = pixels(draw_map_examples(PICTURES, NAMES, before, after, ["a", "b"], "title"))
    last = drawn[:, int(0.8 * drawn.shape[1]) : int(0.97 * drawn.shape[1])]
    rows = [(last == 0).all(axis=1), (last == 255).all(axis=1)]
    assert rows[0].sum() > drawn.shape[0] // 4
    assert rows[1].sum() > drawn.shape[0] // 4


@pytest.mark.parametrize("classes", [1, 43])
def test_any_number_of_classes_will_do(classes):
    maps = np.arange(2 * 8 * 8).reshape(2, 8, 8) % classes
    names = [f"class {c}" for c in range(classes)]
    assert pixels(draw_map_examples(PICTURES, NAMES, maps, maps[::-1], names, "title")).size
    labels = np.ones((2, classes), int)
    assert pixels(draw_label_examples(PICTURES, NAMES, labels, 1 - labels, names, "title")).size
