"""NAR: golden revisions and losses, identity with plain training, decisions that are taken back."""

import pytest
import torch

from gridbench.methods.nar import NAR, revise
from gridbench.parameters import parse

THRESHOLDS = {"flip_absent": 0.65, "ignore_absent": 0.4, "flip_present": 0.1, "ignore_present": 0.2}


def places(mask):
    return [tuple(row) for row in mask.nonzero().tolist()]


def test_golden_revision(golden):
    labels, weights = revise(golden.y, golden.x.sigmoid(), parse(NAR.Parameters, THRESHOLDS, "nar"))
    assert places(labels != golden.y) == [(2, 3), (3, 1)]
    assert (float(labels[3, 1]), float(labels[2, 3])) == (1, 0)
    # (1, 4) stays: no image is labelled with class 4.
    assert places(weights == 0) == [(1, 2), (1, 3), (2, 0), (2, 1), (3, 0)]


def test_golden_revision_from_less_certain_predictions(golden):
    labels, weights = revise(golden.y, (golden.x / 2).sigmoid(), parse(NAR.Parameters, THRESHOLDS, "nar"))
    assert torch.equal(labels, golden.y)
    assert places(weights == 0) == [(1, 0), (1, 3), (2, 0), (2, 1), (2, 3), (3, 1)]


@pytest.mark.parametrize(("elr", "losses"), [(0, [0.269831]), (3, [-0.0147752, -0.0740496])])
def test_golden_losses(lab, golden, elr, losses):
    method = lab.fixed("nar", "bce", [golden.x], labels=golden.y, samples=4, elr=elr, **THRESHOLDS)
    train = lab.training_set(lab.labelled(scene_labels=golden.y))
    method.seen.copy_(golden.x.sigmoid())
    method.on_epoch_start(1, train)
    for factor, expected in zip((1, 0.5), losses, strict=False):
        method.backbone.output.data = factor * golden.x
        output = method.step(lab.labelled(scene_labels=golden.y, epoch=1))
        assert float(output.loss.detach()) == pytest.approx(expected, rel=2e-5)


def test_decisions_are_taken_back(lab, golden):
    method = lab.fixed("nar", "bce", [golden.x], labels=golden.y, samples=4, **THRESHOLDS)
    train = lab.training_set(lab.labelled(scene_labels=golden.y))
    method.seen.copy_(golden.x.sigmoid())
    method.on_epoch_start(1, train)
    assert not torch.equal(method.revised, golden.y)
    method.seen.copy_(golden.y)
    method.on_epoch_start(2, train)
    assert torch.equal(method.revised, golden.y)
    assert method.weights.min() == 1


def test_thresholds_by_class(golden):
    given = torch.tensor([[1.0, 1], [1, 0], [1, 0], [0, 0]])
    p = parse(NAR.Parameters, {**THRESHOLDS, "flip_present": "cw", "ignore_present": "cw"}, "nar")
    labels, weights = revise(given, torch.tensor([[0.19, 0.9], [0.21, 0], [0.71, 0], [0, 0]]), p)
    # Class 0 has a share of 3/4: below 0.2 a label becomes absent, below 0.7 it is left out.
    assert places(labels != given) == [(0, 0)]
    assert places(weights == 0) == [(1, 0)]


def test_without_thresholds_it_is_plain_training_bit_for_bit(lab):
    never = {"flip_absent": 1, "ignore_absent": 1, "flip_present": 0, "ignore_present": 0}
    method, plain = lab.method("nar", "bce", **never), lab.method("bce", "bce")
    batch = lab.batch(lab.samples)
    train = lab.training_set(batch)
    method.start(train)
    for epoch in range(3):
        method.on_epoch_start(epoch, train)
        torch.testing.assert_close(method.step(batch).loss, plain.step(batch).loss)
    scores = method.score_samples(train)
    expected = (method.predict(batch.images).sigmoid() - batch.scene_labels).abs()
    torch.testing.assert_close(scores.labels.reshape(expected.shape), expected.detach())
