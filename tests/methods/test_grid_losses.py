"""GRID with every loss: routing of gradients, identity with plain training, the spatial VAE."""

import pytest
import torch

from gridbench.methods._grid.vae import draw_epsilon, kl_divergence
from gridbench.methods.grid import GRID, split_batch
from gridbench.registry import LOSSES, METHODS

ALL = ["bce", "fl", "asl", "pce", "rrl"]


def groups(method):
    return [list(part.parameters()) for part in (method.backbone, method.head, method.vae)]


def three_gradient_form(method, batch):
    """Eqs. 12 and 13 written out, with one gradient for each group of parameters."""
    f = method.backbone.features(batch.images)
    loss_d = method.objective.per_sample(method.head(f), batch)
    mean, deviation = method.vae.encode(f)
    z = mean + deviation * draw_epsilon(mean, False, batch.generator)
    loss_g = method.objective.per_sample(method.vae.head(z), batch)
    mse = ((method.vae.decode(z) - f.detach()) ** 2).mean()
    # Summed over the latent, averaged over the batch and, for maps, over positions.
    terms = 0.5 * (mean**2 + deviation**2 - 1 - torch.log(deviation**2 + 1e-7))
    kl = terms.sum(1).mean()
    noisy, _ = split_batch(loss_d.detach(), loss_g.detach(), method.p.lambda_)
    theta, gamma, beta = groups(method)
    objective_theta = (loss_g[noisy].sum() + loss_d[~noisy].sum()) / len(noisy)
    return (
        torch.autograd.grad(objective_theta, theta, retain_graph=True),
        torch.autograd.grad(loss_d.mean(), gamma, retain_graph=True),
        torch.autograd.grad(loss_g.mean() + mse + kl, beta),
    )


@pytest.mark.parametrize("percent", [0, 40, 100])
@pytest.mark.parametrize("loss", ALL)
def test_one_backward_equals_the_three_gradient_form(lab, loss, percent):
    method = lab.method("grid", loss, **{"lambda": percent})
    expected = three_gradient_form(method, lab.batch(10))
    method.step(lab.batch(10)).loss.backward()
    for parameters, gradients in zip(groups(method), expected, strict=True):
        for parameter, gradient in zip(parameters, gradients, strict=True):
            scale = max(float(gradient.abs().max()), 1e-6)
            assert float((parameter.grad - gradient).abs().max()) <= 1e-5 * scale


@pytest.mark.parametrize("loss", ALL)
def test_lambda_zero_is_plain_training_bit_for_bit(lab, loss):
    plain, grid = lab.method(loss, loss), lab.method("grid", loss, **{"lambda": 0})
    assert type(plain) is METHODS.get(loss)
    lab.assert_same_training(plain, grid)


@pytest.mark.parametrize("loss", ALL)
def test_the_default_lambda_selects_and_changes_training(lab, loss):
    grid = lab.method("grid", loss)
    share = {"bce": 20, "fl": 20, "asl": 20, "pce": 10, "rrl": 10}[loss]
    assert grid.p.lambda_ == LOSSES.get(loss).lambda_percent == share
    assert int(grid.step(lab.batch(20)).selected.sum()) == 20 * share // 100
    with pytest.raises(AssertionError):
        lab.assert_same_training(lab.method(loss, loss), grid, size=20)


@pytest.mark.parametrize("loss", ["pce", "rrl"])
def test_mse_and_kl_never_reach_the_backbone_and_gamma_ignores_lambda(lab, loss):
    results = []
    for options in ({"kl_weight": 0.0}, {"kl_weight": 1000.0}):
        method = lab.method("grid", loss, **{"lambda": 50, **options})
        method.step(lab.batch()).loss.backward()
        results.append([[p.grad for p in group] for group in groups(method)])
    for one, other in zip(results[0][0] + results[0][1], results[1][0] + results[1][1], strict=True):
        assert torch.equal(one, other)
    assert any(not torch.equal(a, b) for a, b in zip(results[0][2], results[1][2], strict=True))
    method = lab.method("grid", loss, **{"lambda": 0})
    method.step(lab.batch()).loss.backward()
    for one, other in zip(results[0][1], method.head.parameters(), strict=True):
        assert torch.equal(one, other.grad)


def test_feature_maps_are_encoded_and_rebuilt_position_by_position(lab):
    vae = lab.method("grid", "pce").vae
    assert isinstance(vae.encoder, torch.nn.Conv2d)
    assert vae.encoder.kernel_size == vae.decoder.kernel_size == (1, 1)
    maps = torch.randn(2, 10, 4, 4)
    mean, deviation = vae.encode(maps)
    assert mean.shape == deviation.shape == (2, 128, 4, 4)
    assert deviation.min() > 0
    assert vae.decode(mean).shape == maps.shape
    moved = vae.encode(maps.roll(1, 2))[0]
    torch.testing.assert_close(moved, mean.roll(1, 2))


def test_kl_of_maps_in_each_reduction():
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(3, 5, 2, 4, generator=generator, dtype=torch.float64)
    deviation = torch.rand(3, 5, 2, 4, generator=generator, dtype=torch.float64) + 0.2
    normal = torch.distributions.Normal(mean, deviation)
    terms = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0))
    close = {"rtol": 1e-5, "atol": 1e-6}
    torch.testing.assert_close(kl_divergence(mean, deviation, "sum"), 5 * terms.mean(), **close)
    torch.testing.assert_close(kl_divergence(mean, deviation, "mean"), terms.mean(), **close)
    # The published code sums its channels-last maps over their height.
    torch.testing.assert_close(kl_divergence(mean, deviation, "axis_one"), 2 * terms.mean(), **close)
    flat, spread = mean[..., 0, 0], deviation[..., 0, 0]
    assert torch.equal(kl_divergence(flat, spread, "axis_one"), kl_divergence(flat, spread, "sum"))


@pytest.mark.parametrize("mode", ["hybrid", "discriminative", "generative", "joint"])
@pytest.mark.parametrize("loss", ["pce", "rrl"])
def test_every_mode_trains_and_predicts(lab, loss, mode):
    method = lab.method("grid", loss, mode=mode)
    losses = lab.train(method, 3)
    assert all(torch.isfinite(step).all() for step in losses)
    method.eval()
    prediction = method.predict(lab.batch().images)
    assert method.objective.task.present(prediction).shape == (8, lab.classes)


def test_what_the_published_code_does_is_stated_and_can_be_had(lab):
    assert GRID.authors_code == {"epsilon": "batch", "kl_reduction": "axis_one", "selection": "two_sorts"}
    method = lab.method("grid", "bce", **GRID.authors_code)
    assert (method.p.epsilon, method.p.kl_reduction) == ("batch", "axis_one")
    output = method.step(lab.batch())
    assert torch.isfinite(output.loss)
    for name in METHODS:
        component = METHODS.get(name)
        usual = vars(component.Parameters())
        for parameter, value in component.authors_code.items():
            assert usual[parameter] != value
