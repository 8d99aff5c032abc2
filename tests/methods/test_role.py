"""ROLE: golden values and gradients of both sides, and where estimates begin."""

import pytest
import torch

from gridbench.methods.role import role_loss

U = torch.tensor([[0, -0.5, 0, 1, -1], [0.2, 0, 0, -0.4, 0.6], [-0.6, 0.8, 0, 0, -0.1], [0, -0.3, 0, 0, 0.9]])


def test_golden_values_and_gradients(golden):
    x = golden.x.clone().requires_grad_()
    g = torch.where(golden.y > 0, 5.29330, 0.405465 * U).requires_grad_()
    for expected in (1.44160, 1.41343):
        x.grad = g.grad = None
        loss = role_loss(x.sigmoid(), g.sigmoid(), golden.y, 2.25)
        loss.backward()
        assert float(loss.detach()) == pytest.approx(expected, rel=6e-6)
        if expected == 1.44160:
            row = [-0.00560221, -0.00407737, -0.0182305, -0.0137111, 0.00429474]
            assert x.grad[0].tolist() == pytest.approx(row, rel=2e-5)
            row = [0.00279274, 0.00792497, 0.00923836, 0.0171226, -0.000437075]
            assert g.grad[0].tolist() == pytest.approx(row, rel=2e-4)
        with torch.no_grad():
            g -= 10 * g.grad


def test_golden_estimates_after_two_steps(golden):
    g = torch.where(golden.y > 0, 5.29330, 0.405465 * U).requires_grad_()
    for _ in range(2):
        (gradient,) = torch.autograd.grad(role_loss(golden.x.sigmoid(), g.sigmoid(), golden.y, 2.25), g)
        with torch.no_grad():
            g -= 10 * gradient
    assert g[0].tolist() == pytest.approx([5.23752, -0.355121, 5.10872, 0.0734404, -0.396126], rel=1e-4)


def test_the_loss_is_symmetric_in_network_and_estimates(golden):
    p, q = golden.x.sigmoid(), golden.z.sigmoid()
    assert float(role_loss(p, q, golden.y, 2)) == pytest.approx(float(role_loss(q, p, golden.y, 2)))


def test_estimates_begin_near_present_labels_and_undecided_elsewhere(lab):
    batch = lab.batch(lab.samples)
    method = lab.method("role", "bce")
    method.start(lab.training_set(batch))
    estimate = method.estimates.detach().sigmoid()
    given = batch.scene_labels > 0
    torch.testing.assert_close(estimate[given], torch.full_like(estimate[given], 0.995))
    assert 0.4 <= estimate[~given].min() < 0.5 < estimate[~given].max() <= 0.6
    assert float(method.expected) == pytest.approx(float(batch.scene_labels.sum(1).mean()))
    assert float(lab.method("role", "bce", expected=3).expected) == 3


def test_estimates_have_their_own_learning_rate_and_no_decay(lab):
    method = lab.method("role", "bce", rate_factor=5)
    networks, estimates = method.parameter_groups()
    assert (estimates.lr_factor, estimates.weight_decay) == (5, 0)
    assert estimates.parameters == [method.estimates]
    assert len(networks.parameters) + 1 == len(list(method.parameters()))
