"""JoCoR: golden values, exact divergence, both selections, the schedule, two unlike networks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbench.errors import InputError
from gridbench.methods._two_networks import drop_rate
from gridbench.methods.tasks.classification import Classification

X1 = torch.tensor([[2, -1, 0.5, -3], [-0.5, 1.5, -2, 0], [0.1, -0.2, 3, -4]])
X2 = torch.tensor([[1, -0.5, 0, -2], [0.5, 1, -1, 0.3], [-0.4, 0.2, 2, -1]])
Y = torch.tensor([[1, 0, 1, 0], [0, 1, 1, 0], [0, 0, 1, 1]], dtype=torch.float32)
LATE = 50


def golden(lab, **parameters):
    method = lab.fixed("jocor", "bce", [X1, X2], **parameters)
    return method.step(lab.labelled(scene_labels=Y, epoch=LATE))


def test_golden_divergence():
    row = Classification(4).symmetric_kl(X1, X2)[0]
    np.testing.assert_allclose(row.numpy(), [0.149738, 0.054300, 0.061230, 0.071777], atol=1e-6)


@given(seed=st.integers(0, 2**16))
@settings(max_examples=25, deadline=None)
def test_divergence_equals_torch_distributions(seed):
    one, other = 3 * torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    p, q = torch.distributions.Bernoulli(logits=one), torch.distributions.Bernoulli(logits=other)
    kl = torch.distributions.kl_divergence
    ours = Classification(5).symmetric_kl(one, other)
    torch.testing.assert_close(ours, kl(p, q) + kl(q, p), rtol=1e-5, atol=1e-6)
    assert ours.min() >= 0
    assert torch.equal(ours, Classification(5).symmetric_kl(other, one))


def test_golden_joint_loss_and_selections(lab):
    keep_all = golden(lab, tau=0)
    np.testing.assert_allclose(keep_all.noisy_score.numpy(), [0.307584, 0.764089, 0.955013], atol=1e-6)
    assert float(keep_all.loss.detach()) == pytest.approx(np.mean([0.307584, 0.764089, 0.955013]), abs=1e-6)
    two_of_three = golden(lab, selection="sample", tau=1 / 3)
    assert float(two_of_three.loss.detach()) == pytest.approx(0.535836, abs=1e-6)
    assert two_of_three.selected.tolist() == [False, False, True]
    eight_of_twelve = golden(lab, tau=1 / 3)
    assert float(eight_of_twelve.loss.detach()) == pytest.approx(0.337241, abs=1e-6)
    assert eight_of_twelve.selected is None


def test_golden_entries(lab):
    e = []
    for column in range(4):
        method = lab.fixed("jocor", "bce", [X1[:1, column : column + 1], X2[:1, column : column + 1]], tau=0)
        e.append(float(method.step(lab.labelled(scene_labels=Y[:1, column : column + 1])).loss.detach()))
    np.testing.assert_allclose(e, [0.265919, 0.347515, 0.503627, 0.113272], atol=1e-6)


def test_both_networks_get_the_gradient_of_both_divergences(lab):
    method = lab.fixed("jocor", "bce", [X1, X2], tau=0, **{"lambda": 1})
    method.step(lab.labelled(scene_labels=Y)).loss.backward()
    one, other = X1.clone().requires_grad_(), X2.clone().requires_grad_()
    p, q = torch.distributions.Bernoulli(logits=one), torch.distributions.Bernoulli(logits=other)
    kl = torch.distributions.kl_divergence
    (kl(p, q) + kl(q, p)).mean().backward()
    torch.testing.assert_close(method.backbone.output.grad, one.grad, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(method.backbone_2.output.grad, other.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("selection", ["label", "sample"])
@pytest.mark.parametrize("loss", ["bce", "fl", "asl", "pce"])
def test_without_selection_and_divergence_it_is_two_plain_trainings_at_once(lab, loss, selection):
    batch = lab.batch()
    # Label-wise, an image with more known pixels counts more; with all known, both selections are plain means.
    batch = replace(batch, label_maps=torch.where(batch.label_maps == 255, 0, batch.label_maps))
    method = lab.method("jocor", loss, selection=selection, tau=0, **{"lambda": 0})
    output = method.step(batch)
    output.loss.backward()
    reference = lab.method("jocor", loss)
    first = reference.objective.per_sample(reference.predict(batch.images), batch).mean()
    second = reference.head_2(reference.backbone_2.features(batch.images))
    total = first + reference.objective.per_sample(second, batch).mean()
    total.backward()
    torch.testing.assert_close(output.loss, total, rtol=1e-5, atol=1e-6)
    for (name, ours), theirs in zip(method.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-6, msg=name)


def test_the_networks_start_unlike_and_the_first_is_the_plain_methods(lab):
    jocor, plain = lab.method("jocor", "bce"), lab.method("bce", "bce")
    assert jocor.descriptor_network is jocor.backbone
    for name, value in plain.state_dict().items():
        assert torch.equal(value, jocor.state_dict()[name])
    assert not torch.equal(jocor.backbone.net[0].weight, jocor.backbone_2.net[0].weight)
    assert not torch.equal(jocor.head.weight, jocor.head_2.weight)
    count = sum(p.numel() for p in plain.parameters())
    assert sum(p.numel() for p in jocor.parameters()) == 2 * count


@pytest.mark.parametrize(("tau", "growth"), [(0.2, 10), (0.05, 4), (0.5, 1)])
def test_the_dropped_share_grows_linearly_then_stays(tau, growth):
    rates = [drop_rate(epoch, tau, growth, 1.0) for epoch in range(growth + 5)]
    np.testing.assert_allclose(rates[:growth], np.linspace(0, tau, growth), atol=1e-12)
    assert rates[growth:] == [tau] * 5


def test_the_exponent_bends_the_growth_only():
    assert drop_rate(9, 0.5, 10, 2.0) == 0.25
    assert drop_rate(10, 0.5, 10, 2.0) == 0.5


@pytest.mark.parametrize(
    ("size", "tau", "dropped"), [(10, 0.2, 2), (10, 0.25, 3), (20, 0.05, 1), (8, 1, 7), (7, 0, 0)]
)
def test_the_number_of_kept_images_is_exact_and_never_zero(lab, size, tau, dropped):
    # floor((1 - tau) B) are kept.
    method = lab.method("jocor", "bce", selection="sample", tau=tau)
    output = method.step(lab.batch(size, epoch=LATE))
    assert int(output.selected.sum()) == dropped
    if 0 < dropped < size:
        assert output.noisy_score[output.selected].min() >= output.noisy_score[~output.selected].max()


def test_equal_losses_keep_the_exact_count(lab):
    method = lab.fixed("jocor", "bce", [torch.zeros(10, 2), torch.zeros(10, 2)], selection="sample", tau=0.3)
    output = method.step(lab.labelled(scene_labels=torch.zeros(10, 2), epoch=LATE))
    assert output.selected.tolist() == [False] * 7 + [True] * 3


def test_label_wise_selection_never_counts_unknown_pixels(lab):
    maps = torch.zeros(2, 4, 4, dtype=torch.int64)
    maps[0, :2], maps[1, 3] = 255, 255
    generator = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, 2, 3, 4, 4, generator=generator)
    method = lab.fixed("jocor", "pce", [one, other], tau=0.25, map_size=(4, 4))
    loss = method.step(lab.labelled(maps=maps, epoch=LATE)).loss.detach()
    cost = -torch.log_softmax(one, 1)[:, 0] - torch.log_softmax(other, 1)[:, 0]
    joint = 0.4 * cost + 0.6 * method.objective.task.symmetric_kl(one, other)
    known = joint[maps != 255].sort().values
    assert len(known) == 20
    assert float(loss) == pytest.approx(float(known[:15].mean()), abs=1e-6)


def test_the_kept_share_of_present_classes_is_logged(lab):
    assert float(golden(lab, tau=0).logs["kept_positives"]) == 1
    logs = golden(lab, tau=1 / 3).logs
    # Dropped are the four dearest entries: three present classes and an absent one.
    e = 0.4 * sum(
        torch.nn.functional.binary_cross_entropy_with_logits(x, Y, reduction="none") for x in (X1, X2)
    )
    e = (e + 0.6 * Classification(4).symmetric_kl(X1, X2)).flatten()
    dropped = e.argsort(descending=True)[:4]
    assert float(logs["kept_positives"]) == pytest.approx(1 - float(Y.flatten()[dropped].sum()) / 6)
    assert "kept_positives" not in lab.method("jocor", "pce").step(lab.batch()).logs


def test_tau_by_selection_and_by_the_noise_rate(lab):
    assert lab.method("jocor", "bce").p.tau == 0.05
    assert lab.method("jocor", "bce", selection="sample").p.tau == 0.2
    assert lab.method("jocor", "bce", selection="sample", tau="slnir", slnir=30.0).p.tau == 0.3
    with pytest.raises(InputError, match="selection=sample"):
        lab.method("jocor", "bce", tau="slnir")


def test_it_does_not_go_with_graphs(lab):
    assert "rrl" not in type(lab.method("jocor", "bce")).losses
