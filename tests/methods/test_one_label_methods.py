"""Methods for one label an image: golden values of their official code, and identities."""

from dataclasses import replace

import pytest
import torch

from gridbench.methods.sop import sop_loss
from tests.methods.test_single_label import ONE_HOT, X

U = torch.tensor([[0.1], [0.2], [0.3], [0.4]])


def v_of_the_golden_values():
    v = torch.full((4, 5), 0.2)
    v[1, 1] = 0.6
    return v


def test_golden_values_of_sop():
    x, u, v = (tensor.clone().requires_grad_() for tensor in (X, U, v_of_the_golden_values()))
    loss = sop_loss(x, ONE_HOT, u, v).mean()
    loss.backward()
    assert loss.item() == pytest.approx(1.34298, rel=1e-5)
    expected = [0.0312895, 0.11481, 0.0127213, -0.155709, -0.00311252]
    assert x.grad[1].tolist() == pytest.approx(expected, rel=1e-4)
    after = (u - u.grad)[:, 0].tolist()
    assert after == pytest.approx([0.128257, 0.533797, 0.294762, 1.22805], rel=1e-5)
    assert (v - 10 * v.grad)[1].tolist() == pytest.approx([0.12, 4.44, 0.12, 0.2, 0.12], abs=1e-5)


def test_gradients_of_the_noise_are_those_of_the_published_length_and_batch(lab):
    steps = []
    for epochs in (300, 100):
        method = lab.fixed("sop", "ce", [X], samples=4, epochs=epochs)
        with torch.no_grad():
            method.u.copy_(U)
            method.v.copy_(v_of_the_golden_values())
        output = method.step(lab.labelled(scene_labels=ONE_HOT))
        assert output.loss.item() == pytest.approx(1.34298, rel=1e-5)
        output.loss.backward()
        steps.append(method.u.grad[:, 0] * 128 / 4)
    expected = U[:, 0] - torch.tensor([0.128257, 0.533797, 0.294762, 1.22805])
    torch.testing.assert_close(steps[0], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(steps[1], 3 * expected, rtol=1e-4, atol=1e-5)
    assert output.noisy_score.tolist() == pytest.approx([0.01, 0.04, 0.09, 0.16])


def test_golden_values_of_truncation(lab):
    method = lab.fixed("gce_truncated", "gce", [X], samples=4, epochs=12)
    batch = lab.labelled(scene_labels=ONE_HOT)
    for epoch in range(3):
        assert method.step(batch).loss.item() == pytest.approx(0.117981, rel=1e-5)
        method.on_epoch_start(epoch, lab.training_set(batch))
        assert method.kept.all()
    method.on_epoch_start(3, lab.training_set(batch))
    assert method.kept.tolist() == [True, False, True, False]
    output = method.step(batch)
    output.loss.backward()
    assert output.loss.item() == pytest.approx(-0.0901674, rel=1e-5)
    assert output.selected.tolist() == [False, True, False, True]
    gradient = method.backbone.output.grad
    expected = [-0.0730748, 0.00468758, 0.0210083, 0.0127422, 0.0346368]
    assert gradient[0].tolist() == pytest.approx(expected, rel=1e-4)
    assert gradient[[1, 3]].abs().sum() == 0


def test_mixup_mixes_images_and_losses_with_the_same_share(lab):
    method, batch = lab.method("mixup", "ce"), lab.batch(8)
    seen = {}
    method.predict = lambda images: seen.setdefault("logits", images.flatten(1)[:, : lab.classes])
    output = method.step(batch)
    generator = torch.Generator().manual_seed(1)
    torch.randint(2**62, (), generator=generator)
    partner = torch.randperm(8, generator=generator)
    first, second = (batch.images.flatten(1)[:, : lab.classes][at] for at in (torch.arange(8), partner))
    share = ((seen["logits"] - second) / (first - second))[(first - second).abs() > 0.5]
    torch.testing.assert_close(share, share[:1].expand_as(share), rtol=1e-3, atol=1e-4)
    m = share.median()
    assert 0 < m < 1
    per_label = [
        torch.nn.functional.cross_entropy(seen["logits"], labels.argmax(1), reduction="none")
        for labels in (batch.scene_labels, batch.scene_labels[partner])
    ]
    torch.testing.assert_close(
        output.per_sample_loss, m * per_label[0] + (1 - m) * per_label[1], rtol=1e-3, atol=1e-3
    )


def test_mixup_without_alpha_is_plain(lab):
    batch = lab.batch()
    plain, mixed = lab.method("ce", "ce").step(batch), lab.method("mixup", "ce", alpha=0).step(replace(batch))
    assert torch.equal(plain.per_sample_loss, mixed.per_sample_loss)
