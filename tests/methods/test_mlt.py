"""MLT: golden loss and estimate, the rates of made-up noise, what is done where there is no estimate."""

import pytest
import torch

from gridbench.methods._mlt import class_rates, fallback_rates, pair_rates, scaled_losses, select

ADDED = torch.tensor([0.05, 0.1, 0, 0.02, 0.1])
MISSING = torch.tensor([0.2, 0.3, 0.1, 0, 0.25])


def test_golden_loss_weights_and_gradient(lab, golden):
    method = lab.fixed("mlt", "bce", [golden.x], samples=4)
    method.added.copy_(ADDED)
    method.missing.copy_(MISSING)
    output = method.step(lab.labelled(scene_labels=golden.y))
    output.loss.backward()
    assert output.loss.item() == pytest.approx(0.655737, rel=6e-6)
    per_image = [0.341174, 0.924664, 0.680495, 0.676613]
    assert output.per_sample_loss.tolist() == pytest.approx(per_image, rel=6e-6)
    weights = (method.backbone.output.grad / golden.gradient)[0]
    assert weights.tolist() == pytest.approx([1.23952, 0.989742, 1.11111, 1.02041, 0.829634], rel=1e-5)


def test_without_noise_it_is_plain_bit_for_bit(lab):
    lab.assert_same_training(lab.method("bce", "bce"), lab.method("mlt", "bce"))


def test_golden_estimate():
    joint = torch.tensor([[0.4775, 0.2475], [0.0725, 0.2025]], dtype=torch.float64)[:, :, None]
    present, added, missing, _ = pair_rates(joint, torch.tensor([0.3]).double(), torch.tensor([0.8]).double())
    assert [float(x) for x in (present, added, missing)] == pytest.approx([0.3, 0.05, 0.2], rel=1e-6)


def noisy_world(count=200_000):
    """Clean labels of three classes that come together, and given ones of which the first class's are noisy."""
    generator = torch.Generator().manual_seed(0)
    draw = torch.rand(5, count, generator=generator, dtype=torch.float64)
    first = draw[0] < 0.3
    second = draw[1] < torch.where(first, 0.8, 0.3)
    third = draw[2] < torch.where(first, 0.1, 0.5)
    flipped = torch.where(first, draw[3] >= 0.2, draw[3] < 0.05)
    clean = torch.stack([first, second, third], 1).double()
    return clean, torch.stack([flipped, second, third], 1).double()


def test_the_estimate_finds_the_rates_of_made_up_noise():
    clean, given = noisy_world()
    right = clean[:, 0] == given[:, 0]
    assert class_rates(given, right, 0) == pytest.approx((0.05, 0.2), abs=0.01)


def test_a_class_that_comes_with_no_other_has_no_estimate():
    given = torch.tensor([[0, 1], [0, 0], [1, 1], [1, 0]]).double()
    assert class_rates(given, torch.ones(4, dtype=torch.bool), 0) is None


def test_the_fallback_combines_certain_predictions_and_counts():
    probability, given = torch.tensor([0.1, 0.2, 0.4, 0.7, 0.9]), torch.tensor([0, 1, 0, 1, 1])
    # Certain rows (0.9, 0.1) and (0.1, 0.9); of those predicted absent 2/3 are given absent, of the others none.
    expected = 0.9 / 3 + 0.1 * 1, 0.1 * 2 / 3 + 0.9 * 0
    assert fallback_rates(probability, given) == pytest.approx(expected)


def test_small_losses_are_selected_by_class_and_value():
    labels = torch.tensor([[1.0], [1], [1], [0], [0], [0], [0]])
    losses = torch.tensor([[9.0], [9.5], [30], [0.1], [0.2], [0.1], [3]])
    scaled = scaled_losses(losses, labels)
    assert scaled[:, 0].tolist() == pytest.approx([0, 0.5 / 21, 1, 0, 0.1 / 2.9, 0, 1], abs=1e-6)
    assert select(scaled, labels)[:, 0].tolist() == [True, True, False, True, True, True, False]


def test_it_estimates_once_and_leaves_classes_with_few_labels_alone(lab):
    clean, given = (each[:2000].float() for each in noisy_world())
    logits = 6 * (2 * clean - 1)
    method = lab.fixed("mlt", "bce", [logits], samples=2000, epochs=8, first_stage=25)
    train = lab.training_set(lab.labelled(scene_labels=given))
    for epoch in range(8):
        method.on_epoch_start(epoch, train)
        assert bool(method.added.any()) == (epoch >= 2)
    assert float(method.added[0]) == pytest.approx(0.05, abs=0.05)
    assert float(method.missing[0]) == pytest.approx(0.2, abs=0.08)
    few = lab.fixed("mlt", "bce", [logits], samples=2000, epochs=8, fewest=2000)
    for epoch in range(8):
        few.on_epoch_start(epoch, train)
    assert not few.added.any()
    assert not few.missing.any()


def test_scores_are_the_posteriors_of_a_flip(lab, golden):
    method = lab.fixed("mlt", "bce", [golden.x], samples=4)
    method.added.copy_(ADDED)
    method.missing.copy_(MISSING)
    p = golden.x.sigmoid()
    present, absent = (
        (1 - p) * ADDED / ((1 - p) * ADDED + p * (1 - MISSING)),
        p * MISSING / (p * MISSING + (1 - p) * (1 - ADDED)),
    )
    expected = torch.where(golden.y > 0, present, absent)
    batch = lab.labelled(scene_labels=golden.y, epoch=9)
    torch.testing.assert_close(method.step(batch).noisy_score, expected.mean(1))
    scores = method.score_samples(lab.training_set(batch))
    torch.testing.assert_close(scores.images, expected.mean(1))
    assert method.step(lab.labelled(scene_labels=golden.y)).noisy_score is None
