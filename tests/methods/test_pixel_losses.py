"""Losses over label maps: golden values of the published functions, identities, and pixels without a label."""

import pytest
import torch

from gridbench.methods.losses.pce import PCE
from gridbench.methods.losses.segmentation.pdice_ce import PDiceCE, dice
from gridbench.methods.losses.segmentation.pgce import PGCE
from gridbench.methods.losses.segmentation.pnce_rce import PNCERCE
from gridbench.methods.losses.segmentation.psce import PSCE


@pytest.fixture
def world(golden_maps):
    """The logits and the labels of which the golden values were taken."""
    logits, labels = golden_maps
    return logits(), labels


GOLDEN = {
    "pce": (PCE(), [2.21434, 1.63155]),
    "pgce": (PGCE(), [0.952807, 0.781554]),
    "psce": (PSCE(), [7.13676, 5.96496]),
    "pnce_rce": (PNCERCE(), [7.32615, 6.10679]),
    "pdice_ce": (PDiceCE(), [2.21434 + 0.819941, 1.63155 + 0.630115]),
}
GRADIENTS = {
    "pce": [0.0283628, 0.000975387, -0.0293382],
    "pgce": [0.00642401, 0.00022092, -0.00664493],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_values_of_each_image(world, name):
    loss, expected = GOLDEN[name]
    assert loss(*world).tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", GRADIENTS)
def test_golden_gradients_of_the_mean_over_all_labelled_pixels(world, name):
    x = world[0].requires_grad_()
    values, known = GOLDEN[name][0].entries(x, world[1])
    values[known].mean().backward()
    assert x.grad[0, :, 1, 2].tolist() == pytest.approx(GRADIENTS[name], rel=1e-4)


def test_dice_over_a_batch_as_one_image_is_the_published_one(world):
    x, y = world
    whole = dice(x.movedim(0, 1).reshape(1, 3, 8, 4), y.reshape(1, 8, 4))
    assert float(whole) == pytest.approx(0.703564, rel=1e-5)


def test_identities(world):
    x, y = world
    torch.testing.assert_close(PSCE(PSCE.Parameters(alpha=1.0, beta=0.0))(x, y), PCE()(x, y))
    torch.testing.assert_close(PDiceCE(PDiceCE.Parameters(weight=0.0))(x, y), PCE()(x, y))
    torch.testing.assert_close(PGCE(PGCE.Parameters(q=1e-7))(x, y), PCE()(x, y), rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", GOLDEN)
def test_pixels_without_a_label_change_nothing_and_get_no_gradient(world, name):
    loss, y = GOLDEN[name][0], world[1]
    x, other = world[0].clone().requires_grad_(), world[0].clone()
    other[0, :, 0, 0] += torch.tensor([3.0, -1.0, 0.5])
    values = loss(x, y)
    torch.testing.assert_close(values, loss(other, y))
    values.sum().backward()
    assert not x.grad[0, :, 0, 0].any()
    nothing = loss(world[0], torch.full_like(y, 255))
    assert nothing.tolist() == [0.0, 0.0]
