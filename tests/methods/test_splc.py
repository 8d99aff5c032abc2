"""SPLC: golden values and gradients, its identities, when it begins to correct."""

import pytest
import torch
import torch.nn.functional as F

from gridbench.methods.splc import corrected_focal_loss


@pytest.mark.parametrize(
    ("tau", "margin", "gamma", "total", "rows"),
    [
        (1, 1, 2, 12.8339, {0: 0.664128, 1: 3.77658, 2: 5.28220, 3: 3.11095}),
        (0.6, 1, 2, 11.6328, {1: 3.09737, 3: 2.58910}),
        (0.7, 1, 2, 12.1547, {}),
        (0.6, 0, 0, 14.2606, {}),
    ],
)
def test_golden_sums(golden, tau, margin, gamma, total, rows):
    losses, _ = corrected_focal_loss(golden.x, golden.y, tau, margin, gamma)
    assert float(losses.sum()) == pytest.approx(total, rel=6e-6)
    for row, expected in rows.items():
        assert float(losses[row].sum()) == pytest.approx(expected, rel=6e-6)


@pytest.mark.parametrize(("tau", "first", "second"), [(1, 0.768235, 0.674163), (0.6, -0.0525811, -0.0790193)])
def test_golden_gradients_where_labels_are_corrected(golden, tau, first, second):
    logits = golden.x.clone().requires_grad_()
    losses, corrected = corrected_focal_loss(logits, golden.y, tau, 1, 2)
    losses.sum().backward()
    assert [float(logits.grad[1, 4]), float(logits.grad[3, 1])] == pytest.approx([first, second], rel=1e-5)
    assert corrected.nonzero().tolist() == ([] if tau == 1 else [[1, 4], [3, 1]])


def test_without_threshold_margin_and_focus_it_is_bce(golden):
    losses, _ = corrected_focal_loss(golden.x, golden.y, 1, 0, 0)
    assert torch.equal(losses, F.binary_cross_entropy_with_logits(golden.x, golden.y, reduction="none"))


def test_it_corrects_from_the_second_epoch_on_and_remembers_nothing(lab, golden):
    method = lab.fixed("splc", "bce", [golden.x], samples=4)
    losses = [
        float(method.step(lab.labelled(scene_labels=golden.y, epoch=epoch)).loss.detach())
        for epoch in (0, 1, 0)
    ]
    assert losses == pytest.approx([12.8339 / 20, 11.6328 / 20, 12.8339 / 20], rel=6e-6)
    scores = method.score_samples(lab.training_set(lab.labelled(scene_labels=golden.y)))
    torch.testing.assert_close(scores.labels.reshape(4, 5), (golden.x.sigmoid() - golden.y).abs())
