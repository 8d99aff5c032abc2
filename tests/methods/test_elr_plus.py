"""ELR+: golden values of the published loss, identity with ELR, averages that teach the other network."""

import pytest
import torch

from gridbench.methods import elr_plus
from gridbench.methods._mixing import Mixing
from tests.methods.test_single_label import ONE_HOT, X, Z


@pytest.fixture
def mixing(monkeypatch):
    """The share and the partners with which the golden values were taken."""
    drawn = Mixing(0.7, torch.tensor([2, 0, 3, 1]))
    monkeypatch.setattr(elr_plus, "draw_mixing", lambda *_, **__: drawn)


@pytest.mark.usefixtures("mixing")
def test_golden_values_of_two_visits(lab):
    method = lab.fixed("elr_plus", "ce", [X, Z], samples=4)
    batch = lab.labelled(scene_labels=ONE_HOT)
    output = method.step(batch)
    output.loss.backward()
    targets = [0.0286416, 0.0860442, 0.0427283, 0.128363, 0.014223]
    assert method.targets[1].tolist() == pytest.approx(targets, rel=1e-5)
    gradient = [-0.0367809, 0.127515, 0.0159362, -0.110885, 0.00421427]
    assert method.backbone.output.grad[1].tolist() == pytest.approx(gradient, rel=1e-4)
    expected = 1 - (method.targets * ONE_HOT).sum(1)
    assert output.noisy_score.tolist() == pytest.approx(expected.tolist())
    assert first_loss(output) == pytest.approx(1.07074, rel=1e-5)
    assert first_loss(method.step(batch)) == pytest.approx(0.897214, rel=1e-5)


def first_loss(output):
    """The loss of the first network alone."""
    return float(output.per_sample_loss.detach().mean() + 3 * output.logs["regularisation"])


def test_without_mixup_and_a_second_network_it_is_elr_bit_for_bit(lab):
    plain, plus = lab.method("elr", "ce"), lab.method("elr_plus", "ce", alpha=0, decay=0)
    for other in (plus.backbone_2, plus.average[0], plus.average_2[0]):
        other.load_state_dict(plus.backbone.state_dict())
    for other in (plus.head_2, plus.average[1], plus.average_2[1]):
        other.load_state_dict(plus.head.state_dict())
    lab.assert_same_training(plain, plus)
    assert torch.equal(plus.targets, plus.targets_2)


def test_averages_follow_ever_more_slowly(lab):
    method = lab.method("elr_plus", "ce")
    decays = []
    for epoch in (0, 2, 4, 5, 9):
        method.step(lab.batch(epoch=epoch))
        decays.append(method.current_decay)
    assert decays == sorted(decays)
    assert decays[0] < 0.05
    assert decays[-2:] == [0.997, 0.997]
