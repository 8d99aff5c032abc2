"""GRID: selection, routing of gradients, the four modes, and identity with plain training at lambda 0."""

import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gridbench.methods._grid.routing import lowest_differences
from gridbench.methods._grid.vae import draw_epsilon, kl_divergence
from gridbench.methods.base import Batch, Objective, Setup
from gridbench.methods.grid import GRID, split_batch
from gridbench.methods.losses.bce import BCE as BCELoss
from gridbench.methods.plain import plain_method
from gridbench.methods.tasks.classification import Classification
from gridbench.registry import LOSSES, METHODS
from gridbench.training.backbone import BackboneSpec, build_backbone

CLASSES = 5
SIZE = 16


class TinyBackbone(nn.Module):
    """Two convolutions, batch normalisation and a ReLU; small enough for gradients in float64."""

    width = 12

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 12, 3),
            nn.ReLU(),
        )

    def features(self, images):
        return self.net(images).mean((2, 3))

    def pool(self, features):
        return features

    def forward(self, images):
        return self.features(images)


def make_setup(backbone=TinyBackbone, seed=0):
    def build(name, factory):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + sum(map(ord, name)))
            return factory()

    objective = Objective(Classification(CLASSES), BCELoss())
    return Setup(lambda name: build(name, backbone), build, objective, 64, CLASSES, 3)


def make_batch(size=16, seed=0, image=SIZE, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        images=torch.randn(size, 3, image, image, generator=generator).to(dtype),
        scene_labels=(torch.rand(size, CLASSES, generator=generator) < 0.4).to(dtype),
        label_maps=None,
        indices=torch.arange(size),
        epoch=0,
        step=0,
        generator=torch.Generator().manual_seed(seed + 1),
    )


def grid(mode="hybrid", percent=25.0, setup=None, **parameters):
    return GRID(setup or make_setup(), GRID.Parameters(lambda_=percent, mode=mode, **parameters))


def groups(method):
    theta = list(method.backbone.parameters())
    gamma = list(method.head.parameters()) if hasattr(method, "head") else []
    beta = list(method.vae.parameters()) if hasattr(method, "vae") else []
    return theta, gamma, beta


def three_gradient_form(method, batch):
    """The update rules of eqs. 12 and 13 written out: one gradient per group of parameters."""
    f = method.backbone.features(batch.images)
    loss_d = method.objective.per_sample(method.head(f), batch)
    mean, deviation = method.vae.encode(f)
    epsilon = draw_epsilon(mean, False, batch.generator)
    z = mean + deviation * epsilon
    loss_g = method.objective.per_sample(method.vae.head(z), batch)
    rebuilt = method.vae.decode(z)
    mse = ((rebuilt.float() - f.detach().float()) ** 2).mean()
    kl = 0.5 * (mean**2 + deviation**2 - 1 - torch.log(deviation**2 + 1e-7)).sum(1).mean()
    noisy, _ = split_batch(loss_d.detach(), loss_g.detach(), method.p.lambda_)
    theta, gamma, beta = groups(method)
    objective_theta = torch.where(noisy, loss_g, loss_d).sum() / len(noisy)
    objective_g = loss_g.mean() + mse + method.p.kl_weight * kl
    return (
        torch.autograd.grad(objective_theta, theta, retain_graph=True),
        torch.autograd.grad(loss_d.mean(), gamma, retain_graph=True),
        torch.autograd.grad(objective_g, beta),
    )


def routed(method, batch):
    method.zero_grad(set_to_none=True)
    method.step(batch).loss.backward()
    return tuple([p.grad for p in group] for group in groups(method))


def assert_close(ours, reference, tolerance):
    for mine, theirs in zip(ours, reference, strict=True):
        assert len(mine) == len(theirs) > 0
        for a, b in zip(mine, theirs, strict=True):
            scale = max(float(b.abs().max()), 1e-8)
            assert float((a - b).abs().max()) <= tolerance * scale


@pytest.mark.parametrize("percent", [0.0, 25.0, 50.0, 100.0])
def test_one_backward_equals_the_three_gradient_form(percent):
    method = grid(percent=percent)
    assert_close(routed(method, make_batch()), three_gradient_form(method, make_batch()), 1e-6)


def test_the_gradient_check_can_fail():
    method = grid(percent=50.0)
    ours = routed(method, make_batch())
    method.p = GRID.Parameters(lambda_=0.0)
    reference = three_gradient_form(method, make_batch())
    with pytest.raises(AssertionError):
        assert_close(ours[:1], reference[:1], 1e-3)


def test_one_backward_equals_the_three_gradient_form_with_a_compiled_backbone():
    eager = grid(percent=50.0)
    compiled = copy.deepcopy(eager)
    # The eager backend of the compiler traces and partitions like every other, without needing a C++ compiler.
    compiled.backbone.features = torch.compile(compiled.backbone.features, backend="aot_eager")
    assert_close(routed(compiled, make_batch()), three_gradient_form(eager, make_batch()), 1e-6)


def test_one_backward_equals_the_three_gradient_form_under_autocast():
    method = grid(percent=50.0)
    with torch.autocast("cpu", torch.bfloat16):
        ours = routed(method, make_batch())
        reference = three_gradient_form(method, make_batch())
    # bfloat16 carries 8 bits; the two forms add the encoder's two contributions in another order.
    assert_close(ours, reference, 3e-2)
    assert_close(ours[:2], reference[:2], 1e-2)


def test_mse_and_kl_never_reach_the_backbone():
    one, other = grid(percent=50.0, kl_weight=0.0), grid(percent=50.0, kl_weight=1000.0)
    theta_one, gamma_one, beta_one = routed(one, make_batch())
    theta_other, gamma_other, beta_other = routed(other, make_batch())
    for a, b in zip([*theta_one, *gamma_one], [*theta_other, *gamma_other], strict=True):
        assert torch.equal(a, b)
    assert any(not torch.equal(a, b) for a, b in zip(beta_one, beta_other, strict=True))


def test_the_discriminative_head_learns_from_all_samples_whatever_lambda():
    gammas = [routed(grid(percent=p), make_batch())[1] for p in (0.0, 50.0, 100.0)]
    for other in gammas[1:]:
        for a, b in zip(gammas[0], other, strict=True):
            assert torch.equal(a, b)


def reached(method, batch):
    """Say which groups get a gradient that is not zero everywhere."""
    method.zero_grad(set_to_none=True)
    method.step(batch).loss.backward()
    names = ("theta", "gamma", "beta")
    touched = zip(names, groups(method), strict=True)
    return {
        name for name, group in touched if any(p.grad is not None and p.grad.abs().max() > 0 for p in group)
    }


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("hybrid", {"theta", "gamma", "beta"}),
        ("discriminative", {"theta", "gamma"}),
        ("generative", {"theta", "beta"}),
        ("joint", {"theta", "gamma", "beta"}),
    ],
)
def test_each_mode_trains_its_own_groups(mode, expected):
    method = grid(mode)
    assert reached(method, make_batch()) == expected
    assert hasattr(method, "head") == ("gamma" in expected)
    assert hasattr(method, "vae") == ("beta" in expected)


def test_generative_mode_trains_the_backbone_with_the_label_loss_alone():
    thetas = [routed(grid("generative", kl_weight=w), make_batch())[0] for w in (0.0, 1000.0)]
    for a, b in zip(*thetas, strict=True):
        assert torch.equal(a, b)


def test_joint_mode_lets_kl_and_reconstruction_reach_the_backbone():
    thetas = [routed(grid("joint", kl_weight=w), make_batch())[0] for w in (0.0, 1000.0)]
    assert any(not torch.equal(a, b) for a, b in zip(*thetas, strict=True))
    method, batch = grid("joint", kl_weight=1.0), make_batch()
    f = method.backbone.features(batch.images)
    mean, deviation = method.vae.encode(f)
    z = mean + deviation * draw_epsilon(mean, False, batch.generator)
    loss_d = method.objective.per_sample(method.head(f), batch)
    loss_g = method.objective.per_sample(method.vae.head(z), batch)
    mse = ((method.vae.decode(z) - f.detach()) ** 2).mean()
    total = loss_d.mean() + loss_g.mean() + mse + kl_divergence(mean, deviation)
    reference = torch.autograd.grad(total, groups(method)[0])
    for a, b in zip(routed(method, make_batch())[0], reference, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def train(method, steps, image=SIZE, size=16):
    optimizer = torch.optim.Adam(method.parameters(), lr=1e-2)
    trail = []
    for step in range(steps):
        batch = make_batch(size=size, seed=step, image=image)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1000 + step)
            output = method.step(batch)
            optimizer.zero_grad(set_to_none=True)
            output.loss.backward()
        optimizer.step()
        trail.append(output.per_sample_loss.detach().clone())
    return trail


@pytest.mark.parametrize("mode", ["hybrid", "discriminative"])
def test_lambda_zero_is_plain_training_bit_for_bit(mode):
    plain, ours = plain_method("bce")(make_setup()), grid(mode, percent=0.0)
    for a, b in zip(train(plain, 8), train(ours, 8), strict=True):
        assert torch.equal(a, b)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, ours.state_dict()[name]), name


def test_lambda_zero_is_plain_training_bit_for_bit_with_drop_path():
    def backbone():
        import timm

        spec = BackboneSpec("test_convnext", 3, (32, 32), descriptor_map="softplus")
        network = build_backbone(spec)
        network.model = timm.create_model("test_convnext", num_classes=0, drop_path_rate=0.5)
        return network

    plain, ours = plain_method("bce")(make_setup(backbone)), grid(percent=0.0, setup=make_setup(backbone))
    trails = train(plain, 4, image=32, size=8), train(ours, 4, image=32, size=8)
    for a, b in zip(*trails, strict=True):
        assert torch.equal(a, b)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, ours.state_dict()[name]), name


@pytest.mark.parametrize(
    ("percent", "count"),
    [
        (0, 0),
        (10, 12),
        (20, 25),
        (30, 38),
        (40, 51),
        (50, 64),
        (60, 76),
        (70, 89),
        (80, 102),
        (90, 115),
        (100, 128),
    ],
)
def test_the_number_of_noisy_samples_is_exact(percent, count):
    losses = torch.rand(128, generator=torch.Generator().manual_seed(0))
    noisy, _ = split_batch(losses, losses.flip(0), percent)
    assert int(noisy.sum()) == count


@given(
    size=st.integers(2, 40),
    percent=st.decimals(0, 100, places=2),
    seed=st.integers(0, 2**16),
    ties=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_selection_takes_the_largest_differences(size, percent, seed, ties):
    generator = torch.Generator().manual_seed(seed)
    d, g = torch.rand(2, size, generator=generator)
    if ties:
        d, g = (d * 3).round(), (g * 3).round()
    noisy, difference = split_batch(d, g, float(percent))
    assert int(noisy.sum()) == math.floor(size * percent / 100)
    assert float(difference.min()) >= -1
    assert float(difference.max()) <= 1
    if noisy.any() and not noisy.all():
        assert float(difference[noisy].min()) >= float(difference[~noisy].max())
    scaled, _ = split_batch(d * 4, g * 0.5, float(percent))
    assert torch.equal(noisy, scaled)


def test_equal_losses_still_give_exactly_that_many_samples_the_earlier_ones():
    noisy, difference = split_batch(torch.ones(10), torch.ones(10), 30)
    assert noisy.tolist() == [True] * 3 + [False] * 7
    assert torch.equal(difference, torch.zeros(10))


def test_the_published_search_for_clean_samples_differs_under_ties_alone():
    """Two of five tied samples are noisy; the published code's own search takes the same early ones for clean."""
    noisy, difference = split_batch(torch.ones(5), torch.ones(5), 40)
    assert lowest_differences(difference, noisy).tolist() == [True, True, True, False, False]
    d, g = torch.rand(2, 32, generator=torch.Generator().manual_seed(4))
    noisy, difference = split_batch(d, g, 30)
    assert torch.equal(lowest_differences(difference, noisy), ~noisy)


def test_permuting_the_batch_permutes_the_selection():
    generator = torch.Generator().manual_seed(3)
    d, g = torch.rand(2, 32, generator=generator)
    order = torch.randperm(32, generator=generator)
    assert torch.equal(split_batch(d, g, 25)[0][order], split_batch(d[order], g[order], 25)[0])


def test_kl_against_torch_distributions():
    mean, deviation = torch.randn(6, 4, dtype=torch.float64), torch.rand(6, 4, dtype=torch.float64) + 0.5
    normal = torch.distributions.Normal(mean, deviation)
    reference = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(kl_divergence(mean, deviation), reference, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(kl_divergence(mean, deviation, "mean"), reference / 4, rtol=1e-6, atol=1e-6)


def test_shared_noise_is_one_vector_for_the_batch():
    like = torch.zeros(5, 3)
    assert draw_epsilon(like, True, torch.Generator().manual_seed(0)).shape == (1, 3)
    assert draw_epsilon(like, False, torch.Generator().manual_seed(0)).shape == (5, 3)
    assert draw_epsilon(torch.zeros(5, 3, 2, 2), True, torch.Generator().manual_seed(0)).shape == (5, 3, 2, 2)


def test_parameter_count_of_the_paper_on_densenet121():
    setup = make_setup(lambda: build_backbone(BackboneSpec("densenet121", 3, (64, 64))))
    setup = Setup(setup.backbone, setup.build, Objective(Classification(17), BCELoss()), 10, 17, 1)
    assert sum(p.numel() for p in GRID(setup, GRID.Parameters(lambda_=20.0)).parameters()) == 7_367_970


def test_bce_golden_values():
    x = torch.tensor([[2, -1, 0.5, -3], [-0.5, 1.5, -2, 0], [0.1, -0.2, 3, -4]])
    y = torch.tensor([[1, 0, 1, 0], [0, 1, 1, 0], [0, 0, 1, 1]], dtype=torch.float32)
    losses = BCELoss()(x, y)
    np.testing.assert_allclose(losses.numpy(), [0.240714, 0.873891, 1.352318], atol=5e-7)


def test_names_and_defaults_that_scripts_rely_on():
    assert {"grid", "bce", "oracle", "untrained", "random"} <= set(METHODS.names())
    assert METHODS.get("grid") is GRID
    assert LOSSES.get("bce").lambda_percent == 20
