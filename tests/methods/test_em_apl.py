"""EM + APL: golden soft labels and losses of two rounds, and what stays as it was."""

import pytest
import torch


def test_golden_soft_labels_and_losses(lab, golden):
    batch = lab.labelled(scene_labels=golden.y)
    method = lab.fixed("em_apl", "em", [golden.x], labels=golden.y, samples=4, epochs=4, warm_up=50, beta=0.2)
    train = lab.training_set(batch)
    method.on_epoch_start(1, train)
    assert (method.pseudo < 0).all()
    method.on_epoch_start(2, train)
    expected = torch.full((4, 5), -1.0)
    expected[0, 1], expected[2, 4] = 0.268941, 0.231475
    torch.testing.assert_close(method.pseudo, expected, rtol=1e-5, atol=0)
    assert float(method.step(batch).loss.detach()) == pytest.approx(0.444150, rel=6e-6)

    method.backbone.output.data = golden.x / 2
    method.on_epoch_start(3, train)
    expected[2, 1], expected[3, 4] = 0.475021, 0.425557
    torch.testing.assert_close(method.pseudo, expected, rtol=1e-5, atol=0)


def test_the_chosen_share_of_unknown_labels_has_a_soft_one_in_the_end(lab):
    batch = lab.batch(lab.samples)
    method = lab.method("em_apl", "em", warm_up=20)
    train = lab.training_set(batch)
    for epoch in range(10):
        method.on_epoch_start(epoch, train)
    unknown = (batch.scene_labels == 0).sum(0)
    soft = (method.pseudo >= 0).sum(0)
    # Eight rounds, each of which rounds down.
    assert ((0.9 * unknown - 8 <= soft) & (soft <= 0.9 * unknown)).all()
    assert not ((method.pseudo >= 0) & (batch.scene_labels > 0)).any()
    scores = method.score_samples(train)
    expected = method.predict(batch.images).sigmoid() * (1 - batch.scene_labels)
    torch.testing.assert_close(scores.labels.reshape(expected.shape), expected.detach())


def test_without_soft_labels_it_is_plain_training_with_its_loss(lab):
    lab.assert_same_training(lab.method("em", "em"), lab.method("em_apl", "em", warm_up=100))
