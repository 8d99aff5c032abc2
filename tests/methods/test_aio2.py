"""AIO2: golden values of the authors' functions."""

import numpy as np
import pytest
import torch

from gridbench.methods._aio2 import added_objects, softened, transition_has_ended

LABELLED = np.zeros((8, 8), dtype=bool)
LABELLED[0:2, 0:2] = True
PREDICTED = np.zeros((8, 8), dtype=bool)
PREDICTED[0:3, 0:3] = True
PREDICTED[4:7, 4:7] = True
PREDICTED[5, 5] = False
PREDICTED[7, 0] = PREDICTED[6, 1] = True


def test_golden_objects_are_those_that_touch_no_label_with_their_holes_filled():
    expected = np.zeros((8, 8), dtype=bool)
    expected[4:7, 4:7] = True
    expected[7, 0] = expected[6, 1] = True
    assert np.array_equal(added_objects(PREDICTED, LABELLED), expected)


def test_golden_softened_boundaries():
    soft = softened(added_objects(PREDICTED, LABELLED), 3)
    found = [soft[5, 5], soft[5, 4], soft[4, 4], soft[7, 0]]
    assert found == pytest.approx([1, 6 / 9, 4 / 9, 2 / 9], rel=1e-5)


def test_golden_end_of_the_transition():
    def curve(epochs):
        t = np.arange(1, epochs + 1, dtype=float)
        return 0.6 * (1 - np.exp(-0.25 * t**0.8)) + 0.25 * np.maximum(0, (t - 60) / 140) ** 1.5

    windows = (10, 20, 30, 40)
    assert not transition_has_ended(curve(97), windows)
    assert transition_has_ended(curve(98), windows)


def test_a_curve_that_only_levels_off_triggers_nothing():
    t = np.arange(1, 120)
    assert not transition_has_ended(0.6 * (1 - np.exp(-0.1 * t)), (3, 7, 11, 15))
    assert not transition_has_ended([], (3, 7))


def test_objects_are_added_to_what_is_learnt_from_the_start_epoch_on(lab):
    before = lab.method("aio2", "pce", start=50.0)
    assert before.step(lab.batch(epoch=1)).noisy_score.eq(0).all()
    plain = lab.method("pce", "pce").step(lab.batch(epoch=1))
    torch.testing.assert_close(before.step(lab.batch(epoch=1)).loss, plain.loss)

    after = lab.method("aio2", "pce", start=0.0)
    after.on_epoch_start(0, lab.training_set(lab.batch()))
    with torch.no_grad():
        # A teacher that sees class 3 alone finds one object that covers the whole map.
        list(after.teacher.parameters())[-1].copy_(torch.tensor([0.0, 0.0, 0.0, 100.0]))
    maps = torch.zeros(2, lab.size, lab.size, dtype=torch.int64)
    maps[1, 4, 4] = 3
    shares = after.step(lab.batch(2, maps=maps)).noisy_score
    assert shares[0] > 0.8
    assert shares[1] == 0
