"""HLC: golden ratios and replacements, the window of corrections, the number of labels that is kept."""

from dataclasses import replace

import pytest
import torch

from gridbench.methods.hlc import label_relations, score_ratio

RELATIONS = torch.tensor(
    [[[0.1 + 0.05 * ((3 * a + 2 * b + i) % 7) for b in range(5)] for a in range(5)] for i in range(4)]
)


def test_golden_ratios_and_predicted_sets(golden):
    ratio, predicted = score_ratio(golden.x.sigmoid(), golden.y, RELATIONS, 0.5)
    assert ratio.tolist() == pytest.approx([1, 0.628115, 0.601987, 0.817773], rel=6e-6)
    assert [predicted[i].nonzero().flatten().tolist() for i in (1, 2)] == [[1, 4], [0, 2]]
    assert torch.equal(predicted.sum(1), golden.y.sum(1))


@pytest.mark.parametrize(("delta", "expected"), [(0.4, 0.803032), (0.8, 0.448032), (0, 0.803032)])
def test_golden_losses(lab, golden, delta, expected):
    method = lab.fixed(
        "hlc", "bce", [golden.x], labels=golden.y, samples=4, epochs=6, warm_up=33, delta=delta
    )
    method.relations = RELATIONS
    output = method.step(lab.labelled(scene_labels=golden.y, epoch=2))
    assert float(output.loss.detach()) == pytest.approx(expected, rel=6e-6)
    assert output.selected.tolist() == ([False, True, True, False] if delta == 0.8 else [False] * 4)
    # What was replaced stays replaced when corrections have ended.
    after = method.step(lab.labelled(scene_labels=golden.y, epoch=5))
    assert float(after.loss.detach()) == pytest.approx(expected, rel=6e-6)


def test_relations_are_the_shares_of_images_with_both():
    labels = torch.tensor([[1.0, 1, 0], [1, 0, 0], [0, 1, 0]])
    expected = torch.tensor([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 0]])
    torch.testing.assert_close(label_relations(labels), expected)


def test_labels_are_replaced_within_the_window_alone(lab):
    batch = lab.batch(lab.samples)
    for epoch, corrects in ((0, False), (1, False), (2, True), (4, False), (9, False)):
        method = lab.method("hlc", "bce", delta=1, balance=1, warm_up=16)
        method.start(lab.training_set(batch))
        output = method.step(replace(batch, epoch=epoch))
        assert bool(output.selected.any()) == corrects
        torch.testing.assert_close(method.current.sum(1), batch.scene_labels.sum(1))


def test_an_image_without_labels_is_left_alone():
    ratio, predicted = score_ratio(torch.rand(2, 3), torch.zeros(2, 3), torch.rand(3, 3), 0.5)
    assert ratio.tolist() == [1, 1]
    assert predicted.sum() == 0
