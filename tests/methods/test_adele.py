"""ADELE: golden values of the authors' functions, and what is corrected on maps by hand."""

import numpy as np
import pytest
import torch

from gridbench.methods._adele import corrected_maps, multiscale_losses, update_epoch
from gridbench.methods.tasks.segmentation import overlap_and_union


def test_golden_losses_of_three_scales(golden_maps):
    logits, labels = golden_maps
    scales = [logits(k).requires_grad_() for k in (0.0, 0.2, -0.2)]
    losses, consistency = multiscale_losses(scales, labels, rho=0.8)
    assert float(losses.detach().mean()) == pytest.approx(3.49751, rel=1e-5)
    assert float(consistency.detach().mean()) == pytest.approx(0.0498048, rel=1e-5)
    total = (losses + consistency).mean() / 3
    total.backward()
    assert float(total.detach()) == pytest.approx(1.18244, rel=1e-5)
    assert scales[0].grad[0, :, 1, 2].tolist() == pytest.approx(
        [0.00197058, 0.000589127, -0.0025597], rel=1e-4
    )
    assert float(multiscale_losses([each.detach() for each in scales], labels, rho=0.95)[1].mean()) == 0


def test_probabilities_that_are_rounded_to_0_have_a_gradient():
    # exp(-300) is 0 in float32.
    scales = [torch.tensor([[[[each]], [[0.0]]]]).requires_grad_() for each in (300.0, -300.0, 1.0)]
    losses, consistency = multiscale_losses(scales, torch.tensor([[[1]]]), rho=0.0)
    (losses + consistency).sum().backward()
    # Two scales are certain of opposite classes, the third has p = sigmoid(1); the mixture is their mean.
    p = torch.sigmoid(torch.tensor(1.0, dtype=torch.float64))
    mixture = torch.stack([(1 + p) / 3, (2 - p) / 3])
    third = torch.stack([p, 1 - p])
    expected = -mixture.log().sum() + (third * (third / mixture).log()).sum()
    assert float(consistency.detach()) == pytest.approx(float(expected), rel=1e-5)
    assert all(torch.isfinite(each.grad).all() for each in scales)


def test_golden_update_epochs():
    curve = np.array([0.05, 0.12, 0.3, 0.42, 0.5, 0.55, 0.58, 0.6, 0.61, 0.62])
    found = [update_epoch(curve[:count], epochs=100, slowdown=0.9) for count in range(4, 11)]
    assert found == [13, 14, 10, 8, 8, 8, 8]
    assert update_epoch(curve[:1], 100, 0.9) == float("inf")
    assert update_epoch(np.zeros(8), 100, 0.9) == float("inf")


def test_overlap_and_union_leave_unknown_pixels_out():
    predicted = torch.tensor([[[0, 0], [1, 2]]])
    maps = torch.tensor([[[0, 1], [1, 255]]])
    assert overlap_and_union(predicted, maps, 3).tolist() == [[1, 1, 0], [2, 2, 0]]


PROBABILITIES = torch.softmax(
    torch.tensor([[[[3.0, 0.0], [0.0, 2.5]], [[0.0, 2.0], [0.2, 0.0]], [[0.0, 0.0], [3.0, 0.5]]]]), 1
)
LABEL = torch.tensor([[[1, 1], [0, 2]]])


@pytest.mark.parametrize(("on", "expected"), [([1], [[0, 1], [0, 2]]), ([1, 2], [[0, 1], [2, 0]])])
def test_golden_corrections(on, expected):
    classes = torch.zeros(3, dtype=torch.bool)
    classes[on] = True
    assert corrected_maps(LABEL, PROBABILITIES, classes, 0.7, background=0).tolist() == [expected]


def test_without_a_background_only_classes_that_are_due_are_given_or_taken():
    due = torch.tensor([False, True, True])
    # The upper left pixel is predicted to be of class 0, which is not due.
    assert corrected_maps(LABEL, PROBABILITIES, due, 0.7).tolist() == [[[1, 1], [0, 2]]]
    every = torch.ones(3, dtype=torch.bool)
    assert corrected_maps(LABEL, PROBABILITIES, every, 0.7).tolist() == [[[0, 1], [2, 0]]]
    assert corrected_maps(LABEL, PROBABILITIES, every, 0.99).tolist() == LABEL.tolist()


def test_unknown_pixels_stay_unknown_and_absent_classes_absent():
    every = torch.ones(3, dtype=torch.bool)
    unknown = torch.tensor([[[1, 255], [1, 1]]])
    # Class 2 is predicted where no pixel of the image has it, and class 0, too.
    assert corrected_maps(unknown, PROBABILITIES, every, 0.7).tolist() == unknown.tolist()
