"""DISC: golden loss and divisions, thresholds, the warm-up, what is mixed."""

from dataclasses import replace

import pytest
import torch

from gridbench.methods.tasks.batch import View
from tests.methods.test_single_label import ONE_HOT, X, Z

LATE = 50


def of_golden_logits(lab, weak=X, strong=Z, **parameters):
    """DISC of which the views have the given logits, and mixed images no label, so that mixup costs nothing."""
    method = lab.fixed("disc", "ce", [X], samples=4, epochs=200, **parameters)
    x = torch.cat([weak, strong]).clone().requires_grad_()
    method.predict = lambda images: x if len(images) == len(x) else torch.zeros(len(images), 5)
    further = (View(torch.ones(4, 1, 1, 1), None, None),)
    return method, replace(lab.labelled(scene_labels=ONE_HOT, epoch=LATE), further_views=further), x


def test_golden_loss_of_clean_and_hard_images(lab):
    method, batch, x = of_golden_logits(lab)
    method.kinds[0, [0, 2]] = method.kinds[1, 1] = True
    method.step(batch).loss.backward()
    assert x.grad[0].tolist() == pytest.approx(
        [-0.109245, 0.00700779, 0.0314068, 0.0190492, 0.051781], rel=1e-4
    )
    assert x.grad[[3, 7]].abs().sum() == 0
    again = method.step(batch)
    assert again.loss.item() == pytest.approx(1.17953, rel=1e-5)
    assert again.selected.tolist() == [False, False, False, True]


@pytest.mark.parametrize(("factor", "clean", "purified"), [(1, [0, 1, 2], {}), (5, [0, 2], {1: 1, 3: 3})])
def test_golden_divisions(lab, factor, clean, purified):
    strong = Z if factor == 1 else factor * X
    method, batch, _ = of_golden_logits(lab, factor * X, strong, momentum=0.9)
    method.thresholds.fill_(0.25)
    method.step(replace(batch, epoch=0))
    method.on_epoch_start(1, lab.training_set(batch))
    kinds = [kind.nonzero().flatten().tolist() for kind in method.kinds]
    assert kinds == [clean, [], list(purified)]
    expected = ONE_HOT.clone()
    for image, label in purified.items():
        expected[image] = torch.eye(5)[label]
    assert torch.equal(method.current, expected)
    if factor == 1:
        golden = [[0.281302, 0.275959, 0.29962, 0.260065], [0.264562, 0.267788, 0.260325, 0.26864]]
        torch.testing.assert_close(method.thresholds, torch.tensor(golden), rtol=1e-5, atol=1e-6)


def test_thresholds_rise_as_in_200_epochs_whatever_the_length(lab):
    assert lab.method("disc", "ce").kept_share == pytest.approx(0.99**20)
    assert lab.method("disc", "ce").first_epoch == 1
    assert lab.method("disc", "ce").thresholds[0, 0] == 1 / lab.samples


def test_the_warm_up_is_cross_entropy_of_both_views(lab):
    method, batch, _ = of_golden_logits(lab)
    output = method.step(replace(batch, epoch=0))
    expected = sum(torch.nn.functional.cross_entropy(x, ONE_HOT) for x in (X, Z))
    assert output.loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert output.selected is None


def test_the_three_kinds_alone_are_mixed_with_their_labels(lab):
    method = lab.method("disc", "ce")
    seen = []
    predict = method.predict
    method.predict = lambda images: seen.append(len(images)) or predict(images)
    method.step(lab.batch(8, epoch=5))
    for kind, images in enumerate(([0, 1], [2], [3, 4])):
        method.kinds[kind, images] = True
    output = method.step(lab.batch(8, epoch=5))
    assert seen == [16, 16, 5, 5]
    method.current[3] = 1 - method.current[3]
    assert method.step(lab.batch(8, epoch=5)).loss != output.loss


def test_scores_are_how_far_the_label_stays_below(lab):
    method, batch, _ = of_golden_logits(lab)
    output = method.step(batch)
    of_label = torch.stack([torch.softmax(x, 1)[ONE_HOT > 0] for x in (X, Z)])
    expected = (0.25 - of_label).mean(0)
    torch.testing.assert_close(output.noisy_score, expected)
    scores = method.score_samples(lab.training_set(batch))
    torch.testing.assert_close(scores.images, expected)
    assert scores.noisy_percent == 100 * float((of_label <= 0.25).all(0).float().mean())
