"""LL-R, LL-Ct and LL-Cp: golden values, exact counts, corrections that stay, and present labels that are left alone."""

from dataclasses import replace

import pytest
import torch

ALL = ("ll_r", "ll_ct", "ll_cp")


def method_and_step(lab, golden, name, count, **parameters):
    """The method and its step on the golden batch, of whose 20 labels `count` are suspected."""
    share = 100 * count / 20
    method = lab.fixed(name, "bce", [golden.x], samples=4, epochs=2, share=share, **parameters)
    return method, method.step(lab.labelled(scene_labels=golden.y, epoch=1))


@pytest.mark.parametrize(
    ("name", "count", "expected"),
    [
        ("ll_r", 2, 0.678814),
        ("ll_r", 5, 0.567030),
        ("ll_ct", 1, 0.753032),
        ("ll_ct", 2, 0.713032),
        ("ll_ct", 5, 0.698032),
        ("ll_cp", 2, 0.713032),
        *((name, 0, 0.803032) for name in ALL),
    ],
)
def test_golden_values(lab, golden, name, count, expected):
    _, output = method_and_step(lab, golden, name, count)
    assert float(output.loss.detach()) == pytest.approx(expected, rel=6e-6)


@pytest.mark.parametrize(("name", "first", "second"), [("ll_r", 0, 0), ("ll_ct", -0.0134471, -0.0155013)])
def test_golden_gradients_and_the_images_that_are_suspected(lab, golden, name, first, second):
    method, output = method_and_step(lab, golden, name, 2)
    output.loss.backward()
    expected = golden.gradient.clone()
    expected[1, 4], expected[3, 1] = first, second
    torch.testing.assert_close(method.backbone.output.grad, expected, rtol=1e-4, atol=1e-7)
    assert output.selected.tolist() == [False, True, False, True]


def test_corrections_stay_and_are_as_many_as_the_paper_says(lab, golden):
    method, _ = method_and_step(lab, golden, "ll_cp", 2)
    # Published code edits (1, 4) alone.
    assert method.corrected.nonzero().tolist() == [[1, 4], [3, 1]]
    later = method.step(lab.labelled(scene_labels=golden.y, epoch=1))
    expected = golden.y.clone()
    expected[1, 4] = expected[3, 1] = 1
    corrected = method.corrected.clone()
    corrected[1, 4] = corrected[3, 1] = False
    assert corrected.sum() == 2
    assert not (corrected & (expected > 0)).any()
    assert later.selected.sum() >= 1


@pytest.mark.parametrize("steps", [1, 3, 7])
def test_permanent_corrections_add_up_to_the_share_of_the_run(lab, steps):
    epochs, size, classes = 10, 8, 5
    outputs = torch.randn(size, classes, generator=torch.Generator().manual_seed(0))
    method = lab.fixed("ll_cp", "bce", [outputs], samples=size * steps, epochs=epochs, share=20)
    for epoch in range(epochs):
        for step in range(steps):
            batch = lab.labelled(
                scene_labels=torch.zeros(size, classes),
                indices=range(size * step, size * (step + 1)),
                epoch=epoch,
            )
            method.step(replace(batch, step=step, num_steps=steps))
    assert int(method.corrected.sum()) == size * classes * steps // 5


def test_more_suspects_than_absent_labels_leave_the_present_ones_alone(lab, golden):
    method, output = method_and_step(lab, golden, "ll_ct", 20)
    present, _ = method.objective.loss.per_entry(golden.x, golden.y)
    flipped, _ = method.objective.loss.per_entry(golden.x, 1 - golden.y)
    expected = torch.where(golden.y > 0, present, flipped).mean()
    assert float(output.loss.detach()) == pytest.approx(float(expected))


def test_equal_losses_are_suspected_in_order_and_no_more_than_asked_for(lab):
    method = lab.fixed("ll_r", "bce", [torch.zeros(4, 5)], samples=4, epochs=2, share=15)
    output = method.step(lab.labelled(scene_labels=torch.zeros(4, 5), epoch=1))
    assert output.logs["suspected_labels"] * 20 == 3
    assert output.selected.tolist() == [True, False, False, False]


def test_the_share_grows_by_exact_fractions(lab):
    method = lab.fixed("ll_r", "bce", [torch.zeros(100, 20)], samples=100, epochs=11, share=1)
    # 2000 labels at 0.1 percent an epoch: a floating-point product would give one more each time.
    for epoch in range(11):
        output = method.step(lab.labelled(scene_labels=torch.zeros(100, 20), epoch=epoch))
        assert round(float(output.logs["suspected_labels"]) * 2000) == 2 * epoch


def test_both_sides_suspect_present_labels_too(lab, golden):
    _, output = method_and_step(lab, golden, "ll_r", 1, sides="both")
    # Of all labels (2, 3) is the one that is contradicted most.
    assert output.selected.tolist() == [False, False, True, False]


def test_scores_are_the_losses_of_absent_labels(lab, golden):
    method = lab.fixed("ll_r", "bce", [golden.x], samples=4)
    scores = method.score_samples(lab.training_set(lab.labelled(scene_labels=golden.y)))
    expected = torch.nn.functional.softplus(golden.x) * (1 - golden.y)
    torch.testing.assert_close(scores.labels.reshape(4, 5), expected)
    torch.testing.assert_close(scores.images, expected.mean(1))
