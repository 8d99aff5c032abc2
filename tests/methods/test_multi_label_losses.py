"""Robust losses over several labels: golden values and gradients, identities, extreme logits."""

import math

import pytest
import torch
import torch.nn.functional as F

from gridbench.errors import InputError
from gridbench.methods.pairing import chosen_loss, losses_of
from gridbench.parameters import parse
from gridbench.registry import LOSSES, METHODS

PLAIN = [0.352199, 0.961765, 1.13451, 0.763654]


def loss(name, **parameters):
    component = LOSSES.get(name)
    return component(parse(component.Parameters, parameters, f"loss {name}"))


@pytest.mark.parametrize(
    ("name", "parameters", "mean", "images"),
    [
        ("bce", {}, 0.803032, PLAIN),
        ("bgce", {}, 0.494700, [0.293090, 0.621114, 0.539979, 0.524616]),
        ("bgce", {"q": 0.3}, 0.630424, None),
        ("bgce", {"truncate": 0.5}, 0.372254, None),
        ("bmae", {}, 0.428214, [0.272589, 0.534364, 0.447212, 0.458691]),
        ("bsce", {"alpha": 0.1, "beta": 1}, 4.02430, None),
        ("bsce", {}, 1.19743, None),
        ("bsce", {"alpha": 6, "beta": 0.1}, 5.21259, None),
        ("hill", {}, 12.9536 / 20, [0.779630 / 5, 3.65480 / 5, 5.49116 / 5, 3.02797 / 5]),
        ("hill", {"margin": 0.5}, 10.8728 / 20, None),
        ("an_ls", {}, 0.836983, [0.478178, 0.941732, 1.14039, 0.787627]),
        ("an_ls", {"epsilon": 0}, 0.802983, None),
        ("em", {"alpha": 0.2}, 0.394354, [0.0617483, 0.388124, 0.736392, 0.391153]),
        ("wan", {}, 0.545933, [0.178193, 0.589670, 0.893522, 0.522347]),
    ],
)
def test_golden_values(golden, name, parameters, mean, images):
    values = loss(name, **parameters)(golden.x, golden.y)
    assert float(values.mean()) == pytest.approx(mean, rel=6e-6)
    if images:
        assert values.tolist() == pytest.approx(images, rel=6e-6)


@pytest.mark.parametrize(
    ("name", "row", "scale", "expected"),
    [
        ("hill", 1, 20, [0.165680, -0.137937, -1.12675, 0.1875, 0.115969]),
        ("an_ls", 0, 1, [-0.000960455, 0.00844704, -0.0138768, -0.00262772, 0.0224912]),
        ("em", 1, 1, [-0.00117502, -0.00912116, -0.0440362, 0, 0.00196612]),
        ("wan", 1, 1, [0.00471918, -0.00912116, -0.0440362, 0.00624988, 0.00913789]),
    ],
)
def test_golden_gradients(golden, name, row, scale, expected):
    logits = golden.x.clone().requires_grad_()
    loss(name, **({"alpha": 0.2} if name == "em" else {}))(logits, golden.y).mean().backward()
    assert (scale * logits.grad[row]).tolist() == pytest.approx(expected, rel=1e-5)


def test_gradient_of_gce_is_that_of_bce_times_a_power_of_the_probability(golden):
    logits = golden.x.clone().requires_grad_()
    loss("bgce", q=0.7)(logits, golden.y).mean().backward()
    given = torch.where(golden.y > 0, golden.x, -golden.x).sigmoid()
    torch.testing.assert_close(logits.grad, golden.gradient * given**0.7, rtol=1e-4, atol=1e-7)


def test_identities(golden):
    x, y = golden.x.double(), golden.y.double()
    plain = F.binary_cross_entropy_with_logits(x, y, reduction="none")

    def entries(name, **parameters):
        return loss(name, **parameters).entries(x, y)[0]

    torch.testing.assert_close(entries("bgce", q=1e-6), plain, rtol=1e-5, atol=0)
    torch.testing.assert_close(entries("bgce", q=1), entries("bmae"))
    torch.testing.assert_close(entries("bsce", alpha=1, beta=0), plain)
    torch.testing.assert_close(
        entries("bsce", alpha=0, beta=1), 9.210340 * entries("bmae"), rtol=1e-6, atol=0
    )
    torch.testing.assert_close(entries("an_ls", epsilon=0), plain, rtol=0, atol=1e-3)
    torch.testing.assert_close(entries("hill", margin=0, gamma=0)[y > 0], plain[y > 0])
    two = slice(0, 2)
    torch.testing.assert_close(
        loss("wan").entries(x[:, two], y[:, two])[0],
        loss("an_ls", epsilon=0).entries(x[:, two], y[:, two])[0],
    )


def test_hill_turns_down_where_an_absent_class_is_predicted_with_confidence():
    logits = torch.tensor([[-6.0, 0.0, 6.0]], requires_grad=True)
    loss("hill").entries(logits, torch.zeros(1, 3))[0].sum().backward()
    p = torch.sigmoid(logits.detach())
    torch.testing.assert_close(logits.grad, 3 * p**2 * (1 - p) ** 2, rtol=1e-4, atol=1e-7)


def test_values_and_gradients_stay_finite_where_published_code_gives_infinity():
    logits = torch.tensor([[-150.0, 150.0], [150.0, -150.0]], requires_grad=True)
    for name in ("bgce", "bsce", "bmae", "hill", "an_ls", "wan", "em"):
        values = loss(name)(logits, torch.tensor([[1.0, 0], [0, 1]]))
        values.sum().backward()
        assert torch.isfinite(values).all(), name
        assert torch.isfinite(logits.grad).all(), name
    assert float(loss("hill")(logits.detach(), torch.eye(2))[0]) > 70
    assert float(loss("wan")(logits.detach(), torch.eye(2)).max()) == pytest.approx(-math.log(1e-5), rel=1e-4)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("bgce", {"q": 0}), ("bgce", {"q": 1.1}), ("an_ls", {"epsilon": 0.6}), ("bsce", {"beta": -1})],
)
def test_parameters_outside_their_range_are_refused(name, parameters):
    with pytest.raises(InputError, match=next(iter(parameters))):
        loss(name, **parameters)


@pytest.mark.parametrize("method", ["grid", "co_teaching"])
def test_a_loss_that_may_be_negative_does_not_say_which_labels_are_right(method):
    assert "em" not in losses_of(METHODS.get(method))
    assert "hill" in losses_of(METHODS.get(method))
    with pytest.raises(InputError, match="takes a small loss as evidence of a clean label"):
        chosen_loss(METHODS.get(method), "em", None)
    assert "em" in losses_of(METHODS.get("oracle"))
