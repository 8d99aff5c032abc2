"""ELR: golden values, targets that follow the index, identity with BCE, sane prevalence."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

X = torch.tensor([[2, -1, 0.5, -3], [-0.5, 1.5, -2, 0], [0.1, -0.2, 3, -4]])
Y = torch.tensor([[1, 0, 1, 0], [0, 1, 1, 0], [0, 0, 1, 1]], dtype=torch.float32)


@pytest.mark.parametrize(
    ("weight", "beta", "first", "second"), [(3, 0.7, 0.515377, 0.252163), (1, 0.9, 0.790507, 0.760042)]
)
def test_multi_label_golden_values_of_two_visits(lab, weight, beta, first, second):
    method = lab.fixed("elr", "bce", [X], **{"lambda": weight, "beta": beta})
    batch = lab.labelled(scene_labels=Y)
    assert float(method.step(batch).loss.detach()) == pytest.approx(first, abs=1e-6)
    assert float(method.step(batch).loss.detach()) == pytest.approx(second, abs=1e-6)
    if beta == 0.7:
        golden = [0.449207, 0.137160, 0.317454, 0.024187]
        np.testing.assert_allclose(method.targets[0].numpy(), golden, atol=1e-6)


def test_the_regularisers_gradient_has_the_closed_form(lab):
    method = lab.fixed("elr", "bce", [X], **{"lambda": 2, "beta": 0.5})
    method.step(lab.labelled(scene_labels=Y)).loss.backward()
    p = torch.sigmoid(X)
    t = 0.5 * p
    expected = ((p - Y) - 2 * t * p * (1 - p) / (1 - t * p)) / Y.numel()
    torch.testing.assert_close(method.backbone.output.grad, expected, rtol=1e-4, atol=1e-6)
    assert not method.targets.requires_grad


def test_two_sided_term_against_its_definition(lab):
    method = lab.fixed("elr", "bce", [X], two_sided=True, **{"lambda": 1, "beta": 0.5})
    loss = float(method.step(lab.labelled(scene_labels=Y)).loss.detach())
    p = torch.sigmoid(X.double())
    t = 0.5 * p
    term = torch.log(1 - (t * p + (1 - t) * (1 - p))).mean()
    expected = F.binary_cross_entropy_with_logits(X.double(), Y.double()) + term
    assert loss == pytest.approx(float(expected), abs=1e-6)


def test_targets_follow_the_index_and_stay_within_zero_and_one(lab):
    method = lab.method("elr", "bce", beta=0.5)
    seen = {}
    for step in range(6):
        indices = torch.randperm(lab.samples, generator=torch.Generator().manual_seed(step))[:8]
        batch = lab.batch(8, seed=step, indices=indices)
        p = torch.sigmoid(method.step(batch).prediction)
        for row, index in enumerate(indices.tolist()):
            seen[index] = 0.5 * seen.get(index, torch.zeros(lab.classes)) + 0.5 * p[row]
    for index in range(lab.samples):
        expected = seen.get(index, torch.zeros(lab.classes))
        torch.testing.assert_close(method.targets[index], expected, rtol=1e-5, atol=1e-6)
    assert method.targets.min() >= 0
    assert method.targets.max() <= 1


def test_evaluation_leaves_the_targets_alone(lab):
    method = lab.method("elr", "bce")
    lab.train(method, 2)
    before = method.targets.clone()
    method.eval()
    with torch.no_grad():
        method.predict(lab.batch().images)
        method.describe(lab.batch().images)
    assert torch.equal(method.targets, before)


@pytest.mark.parametrize("loss", ["bce", "fl", "asl"])
def test_lambda_zero_is_plain_training_bit_for_bit(lab, loss):
    lab.assert_same_training(lab.method(loss, loss), lab.method("elr", loss, **{"lambda": 0}))


def test_lambda_matters(lab):
    with pytest.raises(AssertionError):
        lab.assert_same_training(lab.method("bce", "bce"), lab.method("elr", "bce"))


def test_extreme_logits_stay_finite(lab):
    x = torch.tensor([[-200.0, 200.0], [200.0, -200.0]])
    method = lab.fixed("elr", "bce", [x], beta=0)
    for _ in range(3):
        loss = method.step(lab.labelled(scene_labels=torch.tensor([[1.0, 0], [1, 0]]))).loss
    loss.backward()
    assert math.isfinite(float(loss.detach()))
    assert torch.isfinite(method.backbone.output.grad).all()


def train_free_logits(lab, weight, start, steps=150):
    """Let the logits of 20 % present labels move freely, the targets having settled at where they start."""
    labels = torch.zeros(50, 10)
    labels[:, :2] = 1
    method = lab.fixed("elr", "bce", [torch.full((50, 10), start)], samples=50, **{"lambda": weight})
    method.targets.fill_(float(torch.sigmoid(torch.tensor(start))))
    optimizer = torch.optim.Adam(method.parameters(), lr=0.2)
    for _ in range(steps):
        output = method.step(lab.labelled(scene_labels=labels))
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
    return float(method.objective.task.present(output.prediction).float().mean())


def test_predicted_prevalence_stays_sane_by_default_and_runs_away_with_a_large_lambda(lab):
    assert train_free_logits(lab, 1.0, start=1.0) == pytest.approx(0.2)
    assert train_free_logits(lab, 1.0, start=-1.0) == pytest.approx(0.2)
    # Above 2, an absent class that is believed at more than 1/(lambda - 1) is believed ever more.
    assert train_free_logits(lab, 4.0, start=1.0) > 0.9


def test_predicted_prevalence_of_a_trained_network_stays_near_the_labels(lab):
    method = lab.method("elr", "bce")
    lab.train(method, 60, size=20)
    batch = lab.batch(40, seed=999)
    predicted = method.objective.task.present(method.predict(batch.images)).float().mean()
    assert predicted < 2 * batch.scene_labels.mean()
