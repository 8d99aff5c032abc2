"""DivideMix: golden targets and loss, the exchange of divisions, identity with two plain networks in the warm-up."""

from dataclasses import replace

import pytest
import torch

from gridbench.methods._mixing import semi_supervised_loss, semi_supervised_targets
from tests.methods.test_single_label import ONE_HOT, X, Z

P, P_OTHER = torch.softmax(X, 1), torch.softmax(Z, 1)


def golden_targets():
    """Targets of the first view of each, where both networks predict the same of each view."""
    own = torch.cat([P[:2], P_OTHER[:2], P[2:], P_OTHER[2:]])
    targets = semi_supervised_targets(own, own[4:], ONE_HOT[:2], torch.tensor([[0.9], [0.6]]))
    first, second, third, fourth = targets.chunk(4)
    assert torch.equal(first, second)
    assert torch.equal(third, fourth)
    return torch.cat([first, third])


def test_golden_target():
    expected = [0.00379327, 0.0438072, 0.00273218, 0.949395, 0.000272378]
    assert golden_targets()[1].tolist() == pytest.approx(expected, rel=1e-5)


def test_golden_loss():
    x = X.clone().requires_grad_()
    parts = [semi_supervised_loss(x, golden_targets(), 2, weight).item() for weight in (0, 1)]
    assert parts[0] == pytest.approx(0.915897 + 0.0292074, rel=1e-5)
    assert parts[1] - parts[0] == pytest.approx(0.00906051, rel=1e-3)
    loss = semi_supervised_loss(x, golden_targets(), 2, 25 * (14.5 - 10) / 16)
    loss.backward()
    assert loss.item() == pytest.approx(1.00881, rel=1e-5)
    expected = [0.074808, 0.227517, 0.0302131, -0.337985, 0.00544756]
    assert x.grad[1].tolist() == pytest.approx(expected, rel=1e-4)


def test_in_its_warm_up_it_is_two_plain_trainings_at_once(lab):
    lab.assert_same_training(lab.method("ce", "ce"), lab.method("dividemix", "ce"))


def divided(lab):
    """DivideMix before its second epoch, the first network doubting image 0 alone and the second one image 1."""
    method = lab.method("dividemix", "ce")
    train = lab.training_set(lab.batch(lab.samples))
    found = torch.full((2, lab.samples), 0.1) + torch.linspace(0, 0.01, lab.samples)
    found[0, 0] = found[1, 1] = 3.0
    train.apply = lambda function, views=(): tuple(found)
    method.on_epoch_start(1, train)
    return method, train, found


def test_each_network_learns_from_the_sets_that_the_other_one_makes(lab):
    method, train, found = divided(lab)
    everything = set(range(lab.samples))
    sets = [set(each.tolist()) for each in method.sampler(1, train)]
    assert sets == [everything - {1}, {1}, everything - {0}, {0}]
    assert method.sampler(0, train) is None
    method.believed.fill_(1)
    assert method.sampler(1, train) is None
    assert torch.equal(method.found, found)


def labelled_batch(lab, epoch=1):
    """Two images for each set of both networks, with one label per image."""
    batch = lab.batch(8, epoch=epoch, indices=[2, 3, 1, 1, 4, 5, 0, 0])
    labels = torch.eye(lab.classes)[torch.arange(8) % lab.classes]
    return replace(batch, scene_labels=labels, sizes=(2, 2, 2, 2))


def test_a_step_reads_the_labels_of_believed_images_alone(lab):
    def loss(labels):
        return divided(lab)[0].step(replace(labelled_batch(lab), scene_labels=labels)).loss

    batch = labelled_batch(lab)
    for changed, same in (([2, 3, 6, 7], True), ([0], False), ([4], False)):
        labels = batch.scene_labels.clone()
        labels[changed] = labels[changed].roll(1, 1)
        assert torch.equal(loss(labels), loss(batch.scene_labels)) == same
    method, _, _ = divided(lab)
    output = method.step(batch)
    assert output.selected.tolist() == [False, False, True, True, False, False, False, False]
    assert output.noisy_score.tolist() == pytest.approx([0, 0, 0.5, 0.5, 0, 0, 0.5, 0.5], abs=1e-3)
    output.loss.backward()
    assert all(p.grad.abs().sum() > 0 for p in method.parameters())


def test_images_without_labels_count_once_the_weight_has_risen(lab):
    def loss(epoch, unlabelled):
        method = lab.method("dividemix", "ce", unlabelled=unlabelled)
        return float(method.step(labelled_batch(lab, epoch)).loss.detach())

    assert loss(1, 25) == loss(1, 0)
    assert loss(9, 25) > loss(9, 1) > loss(9, 0)


def test_a_class_that_no_image_is_predicted_to_be_of_costs_a_finite_loss():
    # exp(-300) is 0 in float32.
    x = torch.tensor([[0.0, -300.0], [0.0, -300.0]], requires_grad=True)
    loss = semi_supervised_loss(x, torch.tensor([[1.0, 0.0], [1.0, 0.0]]), 2, 1.0)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(x.grad).all()
