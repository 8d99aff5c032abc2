"""Losses of one softmax: golden values of the published functions, gradients, and the identities between them."""

import math

import pytest
import torch

from gridbench.methods.losses import softmax as losses

X = torch.tensor(
    [[2, -1, 0.5, 0, 1], [0.2, 1.5, -0.7, 0.9, -2], [-1.2, 0.3, 2.5, -0.4, 0.6], [0.8, 0.1, -0.3, 1.1, 0.4]],
    dtype=torch.float64,
)
Y = torch.tensor([0, 3, 2, 1])

GOLDEN = {
    "ce": (losses.cross_entropy, {}, [0.574438, 1.27414, 0.292758, 2.04798]),
    "ls": (losses.label_smoothing, {"smoothing": 0.1}, [0.724438, 1.36614, 0.506758, 2.01598]),
    "mae": (losses.mean_absolute_error, {}, [0.436979, 0.720329, 0.253797, 0.871005]),
    "gce": (losses.generalised_cross_entropy, {"q": 0.7}, [0.472986, 0.843033, 0.264709, 1.08792]),
    "nce": (losses.normalised_cross_entropy, {}, [0.0553825, 0.11614, 0.024068, 0.237037]),
}
MEANS = {
    "rce": (losses.reverse_cross_entropy, {}, 5.25475),
    "sce of CIFAR-10": (losses.symmetric_cross_entropy, {"alpha": 0.1, "beta": 1}, 5.35948),
    "sce of CIFAR-100": (losses.symmetric_cross_entropy, {"alpha": 6, "beta": 0.1}, 6.80945),
    "nnce": (losses.normalised_negative_cross_entropy, {}, 0.784649),
}
GRADIENTS = {
    "ce": [0.0347202, 0.127399, 0.0141162, -0.180082, 0.00384711],
    "ls": [0.0297202, 0.122399, 0.00911617, -0.160082, -0.00115289],
    "mae": [0.00971025, 0.0356298, 0.00394789, -0.0503638, 0.00107593],
    "gce": [0.014231, 0.0522178, 0.0057859, -0.0738116, 0.00157684],
    "nce": [0.0039736, 0.00751576, 0.00318612, -0.0174691, 0.00279364],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_values_of_each_sample(name):
    function, settings, expected = GOLDEN[name]
    assert function(X, Y, **settings).tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", MEANS)
def test_golden_means(name):
    function, settings, expected = MEANS[name]
    assert float(function(X, Y, **settings).mean()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", GRADIENTS)
def test_golden_gradients_of_the_mean(name):
    function, settings, _ = GOLDEN[name]
    x = X.clone().requires_grad_()
    function(x, Y, **settings).mean().backward()
    assert x.grad[1].tolist() == pytest.approx(GRADIENTS[name], rel=1e-5)


def test_identities():
    ce, mae = losses.cross_entropy(X, Y), losses.mean_absolute_error(X, Y)
    torch.testing.assert_close(losses.label_smoothing(X, Y, 0.0), ce)
    torch.testing.assert_close(losses.generalised_cross_entropy(X, Y, 1.0), mae)
    torch.testing.assert_close(losses.generalised_cross_entropy(X, Y, 1e-7), ce, rtol=1e-5, atol=0)
    torch.testing.assert_close(losses.symmetric_cross_entropy(X, Y, 1.0, 0.0), ce)
    torch.testing.assert_close(losses.reverse_cross_entropy(X, Y), 4 * math.log(10) * mae)


@pytest.mark.parametrize("name", [*GOLDEN, *MEANS])
def test_pixels_are_samples(name):
    """A map of (B, C, H, W) logits has the losses of its pixels taken one by one."""
    function, settings, _ = {**GOLDEN, **MEANS}[name]
    maps = X.view(1, 2, 2, 5).movedim(3, 1)
    expected = function(X, Y, **settings)
    torch.testing.assert_close(function(maps, Y.view(1, 2, 2), **settings).flatten(), expected)


@pytest.mark.parametrize("name", [*GOLDEN, *MEANS])
def test_certain_and_wrong_predictions_have_finite_losses_and_gradients(name):
    function, settings, _ = {**GOLDEN, **MEANS}[name]
    x = torch.tensor([[200.0, 0.0, -200.0], [-200.0, 0.0, 200.0]], requires_grad=True)
    values = function(x, torch.tensor([2, 2]), **settings)
    values.sum().backward()
    assert torch.isfinite(values).all()
    assert torch.isfinite(x.grad).all()
