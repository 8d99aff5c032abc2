"""SAT: golden values of three visits, identity with plain training, targets that follow the index."""

from dataclasses import replace

import pytest
import torch


def test_golden_values_of_three_visits(lab, golden):
    method = lab.fixed("sat", "bce", [golden.x], labels=golden.y, samples=4, warm_up=0)
    moved = [
        [0.0272589, 0.0534364, 0.0447212, 0.0458691],
        [0.0603672, 0.100336, 0.0883508, 0.0886131],
        [0.0744763, 0.143886, 0.120245, 0.124272],
    ]
    for factor, expected, images in zip((1, 0.5, 2), (0.773601, 0.670261, 1.01183), moved, strict=True):
        method.backbone.output.data = factor * golden.x
        method.zero_grad()
        output = method.step(lab.labelled(scene_labels=golden.y))
        output.loss.backward()
        assert float(output.loss.detach()) == pytest.approx(expected, rel=6e-6)
        assert output.noisy_score.tolist() == pytest.approx(images, rel=1e-5)
        gradient = method.backbone.output.grad
        if factor == 1:
            torch.testing.assert_close(gradient, 0.9 * golden.gradient, rtol=1e-4, atol=1e-7)
        if factor == 0.5:
            row = [-0.0115660, 0.0157791, -0.0180031, 0.00799573, 0.0211498]
            assert gradient[0].tolist() == pytest.approx(row, rel=1e-5)
    assert method.targets[1].tolist() == pytest.approx(
        [0.0968791, 0.951607, 0.764659, 0.1355, 0.203317], rel=1e-5
    )
    scores = method.score_samples(lab.training_set(lab.labelled(scene_labels=golden.y)))
    assert scores.images.tolist() == pytest.approx(moved[2], rel=1e-5)
    torch.testing.assert_close(scores.labels.reshape(4, 5), (method.targets - golden.y).abs())


@pytest.mark.parametrize("parameters", [{"momentum": 1, "warm_up": 0}, {"warm_up": 100}])
def test_without_a_memory_that_moves_it_is_plain_training(lab, parameters):
    batch = lab.batch(lab.samples)
    method, plain = lab.method("sat", "bce", **parameters), lab.method("bce", "bce")
    method.start(lab.training_set(batch))
    for epoch in range(3):
        one, other = (each.step(replace(batch, epoch=epoch)) for each in (method, plain))
        assert torch.equal(one.loss, other.loss)


def test_targets_follow_the_index_within_zero_and_one_and_the_warm_up_leaves_them(lab):
    method = lab.method("sat", "bce", warm_up=20)
    given = method.targets.clone()
    method.step(lab.batch(epoch=1, indices=range(8)))
    assert torch.equal(method.targets, given)
    output = method.step(lab.batch(epoch=2, indices=range(8, 16)))
    assert torch.equal(method.targets[:8], given[:8])
    assert torch.equal(method.targets[16:], given[16:])
    expected = 0.9 * given[8:16] + 0.1 * output.prediction.sigmoid()
    torch.testing.assert_close(method.targets[8:16], expected)
    assert 0 <= method.targets.min() <= method.targets.max() <= 1
