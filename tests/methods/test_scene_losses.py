"""BCE, focal and asymmetric loss: golden values, gradients, references, identities and extreme logits."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import sigmoid_focal_loss

from gridbench.errors import InputError
from gridbench.methods.losses.asl import ASL
from gridbench.methods.losses.bce import BCE
from gridbench.methods.losses.fl import FL
from gridbench.parameters import parse
from gridbench.registry import LOSSES, METHODS

X = torch.tensor([[2, -1, 0.5, -3], [-0.5, 1.5, -2, 0], [0.1, -0.2, 3, -4]])
Y = torch.tensor([[1, 0, 1, 0], [0, 1, 1, 0], [0, 0, 1, 1]], dtype=torch.float32)


def focal(**values):
    return FL(parse(FL.Parameters, values, "loss fl"))


def asymmetric(negative, positive, margin, disable_grad=False):
    return ASL(ASL.Parameters(negative, positive, margin, disable_grad))


def test_bce_golden_values():
    losses = BCE()(X, Y)
    np.testing.assert_allclose(losses.numpy(), [0.240714, 0.873891, 1.352318], atol=5e-7)
    assert float(losses.mean()) == pytest.approx(0.822308, abs=5e-7)


def test_focal_golden_values():
    losses = focal()(X, Y)
    assert float(losses.mean()) == pytest.approx(0.153566, abs=5e-7)
    np.testing.assert_allclose(4 * losses.numpy(), [0.034420, 0.594840, 1.213532], atol=1e-6)
    assert float(focal(alpha="none")(X, Y).mean()) == pytest.approx(0.515931, abs=5e-7)


@pytest.mark.parametrize(
    ("negative", "positive", "margin", "total"),
    [(4, 1, 0.05, 6.127982), (4, 0, 0.05, 7.071634), (2, 2, 0, 6.191173), (0, 0, 0, 9.867692)],
)
def test_asymmetric_golden_sums(negative, positive, margin, total):
    losses = asymmetric(negative, positive, margin)(X, Y)
    assert float(4 * losses.sum()) == pytest.approx(total, abs=5e-6)


@pytest.mark.parametrize(
    ("disabled", "row"),
    [
        (False, [-0.027536, 0.002618, -0.253947, 0]),
        (True, [-0.014209, 0.000578, -0.142537, 0]),
    ],
)
def test_asymmetric_golden_gradients(disabled, row):
    logits = X.clone().requires_grad_()
    losses = asymmetric(4, 1, 0.05, disabled)(logits, Y)
    (4 * losses.sum()).backward()
    np.testing.assert_allclose(logits.grad[0].numpy(), row, atol=1e-6)


def test_switching_off_the_weights_gradient_keeps_the_value_and_the_callers_grad_mode():
    on, off = asymmetric(4, 1, 0.05, True), asymmetric(4, 1, 0.05, False)
    assert torch.equal(on(X, Y), off(X, Y))
    with torch.no_grad():
        assert not on(X.clone().requires_grad_(), Y).requires_grad
        assert not torch.is_grad_enabled()


@given(seed=st.integers(0, 2**16), gamma=st.floats(0, 5), alpha=st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_focal_equals_torchvision(seed, gamma, alpha):
    generator = torch.Generator().manual_seed(seed)
    x = 4 * torch.randn(5, 7, generator=generator)
    y = (torch.rand(5, 7, generator=generator) < 0.3).float()
    ours = FL(FL.Parameters(alpha, gamma))(x, y)
    torch.testing.assert_close(ours, sigmoid_focal_loss(x, y, alpha, gamma).mean(1), rtol=1e-4, atol=1e-6)


@given(
    seed=st.integers(0, 2**16), negative=st.floats(0, 5), positive=st.floats(0, 5), margin=st.floats(0, 0.5)
)
@settings(max_examples=40, deadline=None)
def test_asymmetric_equals_its_closed_form(seed, negative, positive, margin):
    generator = torch.Generator().manual_seed(seed)
    x = 3 * torch.randn(5, 7, generator=generator)
    y = (torch.rand(5, 7, generator=generator) < 0.3).float()
    p = torch.sigmoid(x.double())
    q = (p - margin).clamp_min(0)
    expected = -(y * (1 - p) ** positive * p.log() + (1 - y) * q**negative * (1 - q).log())
    ours = asymmetric(negative, positive, margin)(x, y)
    torch.testing.assert_close(ours.double(), expected.mean(1), rtol=1e-4, atol=1e-5)


@given(seed=st.integers(0, 2**16))
@settings(max_examples=20, deadline=None)
def test_special_cases_coincide(seed):
    generator = torch.Generator().manual_seed(seed)
    x = 4 * torch.randn(6, 5, generator=generator)
    y = (torch.rand(6, 5, generator=generator) < 0.4).float()
    close = {"rtol": 1e-5, "atol": 1e-6}
    torch.testing.assert_close(asymmetric(0, 0, 0)(x, y), BCE()(x, y), **close)
    torch.testing.assert_close(focal(alpha="none", gamma=0)(x, y), BCE()(x, y), **close)
    torch.testing.assert_close(asymmetric(2, 2, 0)(x, y), focal(alpha="none", gamma=2)(x, y), **close)
    torch.testing.assert_close(2 * focal(alpha=0.5, gamma=1)(x, y), asymmetric(1, 1, 0)(x, y), **close)


def test_an_absent_class_below_the_margin_costs_nothing_and_sends_no_gradient():
    x = torch.tensor([[-4.0, -3.0, 1.0]], requires_grad=True)
    loss = asymmetric(4, 1, 0.05)(x, torch.zeros(1, 3))
    loss.sum().backward()
    assert x.grad[0, :2].tolist() == [0, 0]
    assert x.grad[0, 2] > 0


@pytest.mark.parametrize(
    "loss",
    [BCE(), FL(), focal(gamma=0.5), focal(gamma=0), ASL(), asymmetric(0.5, 0.5, 0.05), asymmetric(0, 0, 0)],
    ids=lambda loss: f"{loss.name} {loss.parameters}",
)
def test_extreme_logits_stay_finite_with_finite_gradients(loss):
    x = torch.tensor([[-200.0, -90.0, -20.0, 0.0, 20.0, 90.0, 200.0]]).repeat(2, 1).requires_grad_()
    y = torch.stack([torch.zeros(7), torch.ones(7)])
    values = loss(x, y)
    values.sum().backward()
    assert torch.isfinite(values).all()
    assert torch.isfinite(x.grad).all()
    assert (values >= 0).all()


@pytest.mark.parametrize("name", ["bce", "fl", "asl"])
def test_scene_losses_are_float32_under_autocast_and_per_sample(name):
    loss = LOSSES.get(name)()
    with torch.autocast("cpu", torch.bfloat16):
        values = loss(X.bfloat16(), Y)
    assert values.dtype == torch.float32
    assert values.shape == (3,)
    assert torch.equal(values, loss(X.bfloat16().float(), Y))


def test_mean_reduction_does_not_depend_on_batch_or_class_count():
    for loss in (BCE(), FL(), ASL()):
        once = loss(X, Y)
        torch.testing.assert_close(loss(X.repeat(5, 3), Y.repeat(5, 3)), once.repeat(5))


def test_names_tasks_lambdas_and_parameter_ranges():
    for name in ("bce", "fl", "asl"):
        loss = LOSSES.get(name)
        assert (loss.task.name, loss.lambda_percent) == ("classification", 20)
        assert METHODS.get(name).losses == (name,)
    with pytest.raises(InputError, match="alpha"):
        focal(alpha=1.5)
    with pytest.raises(InputError, match="none"):
        focal(alpha="off")
    with pytest.raises(InputError, match="margin"):
        parse(ASL.Parameters, {"margin": 2}, "loss asl")
    with pytest.raises(InputError, match="gamma_negative"):
        parse(ASL.Parameters, {"gama_negative": 2}, "loss asl")


def test_the_loss_golden_values_match_plain_bce_of_torch():
    expected = F.binary_cross_entropy_with_logits(X, Y, reduction="none").mean(1)
    assert torch.equal(BCE()(X, Y), expected)
