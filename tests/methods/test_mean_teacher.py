"""Mean teacher: the weights of its average and of its consistency."""

import math

import pytest
import torch

from gridbench.methods.mean_teacher import consistency_weight, ema_decay


@pytest.mark.parametrize(("first", "expected"), [(0, [1, 1.5, 2.33333]), (1, [0.5, 1, 1.75])])
def test_golden_averages_of_the_weights_1_2_4(first, expected):
    teacher, found = torch.zeros(()), []
    for step, weight in enumerate([1.0, 2.0, 4.0], first):
        teacher = teacher.lerp(torch.tensor(weight), 1 - ema_decay(step, 0.9))
        found.append(float(teacher))
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_share_that_stays_is_at_most_the_decay():
    assert [round(ema_decay(step, 0.9), 6) for step in (0, 1, 8, 9, 1000)] == [0, 0.5, 0.888889, 0.9, 0.9]


def test_the_consistency_starts_late_and_rises_to_its_weight():
    assert consistency_weight(3.0, 0.1, start=3.33, ramp_up=100) == 0
    assert consistency_weight(50.0, 0.1, 3.33, 100) == pytest.approx(0.1 * math.exp(-1.25))
    assert consistency_weight(100.0, 0.1, 3.33, 100) == pytest.approx(0.1)
    assert consistency_weight(0.0, 0.1, 0, 0) == 0.1


def test_golden_consistency(golden_maps):
    """The mean over pixels and classes of (p - p_teacher)^2, and its gradient through the student alone."""
    logits, _ = golden_maps
    student, teacher = logits(0.0).requires_grad_(), logits(0.2)
    distance = (student.softmax(1) - teacher.softmax(1)).square().mean()
    distance.backward()
    assert float(distance.detach()) == pytest.approx(0.00596078, rel=1e-5)
    assert student.grad[0, :, 1, 2].tolist() == pytest.approx(
        [0.000221123, -1.44369e-5, -0.000206686], rel=1e-4
    )
