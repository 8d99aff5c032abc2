"""RCML: golden ranking errors, discrepancies and losses; identity with two plain networks."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from gridbench.methods.rcml import mean_discrepancy, ranking_errors

FIRST = torch.tensor([[0.1, 0.2, 0, 0.5], [0.3, 0.1, 0.4, 0], [1, 0.2, 0.1, 0.7], [0, 0.6, 0.3, 0.2]])
SECOND = torch.tensor([[0.4, 0, 0.1, 0.3], [0.2, 0.5, 0.1, 0.1], [0.6, 0.3, 0.2, 0.9], [0.1, 0.1, 0.8, 0.4]])


class Constant(nn.Module):
    """A head whose output is given."""

    def __init__(self, output):
        super().__init__()
        self.output = nn.Parameter(output.clone())

    def forward(self, features):
        return self.output


@pytest.mark.parametrize(
    ("net", "alpha", "beta", "expected"),
    [
        ("x", 0.6, 0.4, [1.22397, 5.06724, 4.48156, 3.88578]),
        ("z", 0.6, 0.4, [2.36288, 4.80584, 3.41657, 4.98906]),
        ("x", 0.2, 0.8, [1.23577, 4.44156, 3.65259, 4.03496]),
    ],
)
def test_golden_ranking_errors_of_images(golden, net, alpha, beta, expected):
    missing, extra = ranking_errors(getattr(golden, net).sigmoid(), golden.y)
    assert (alpha * missing.sum(1) + beta * extra.sum(1)).tolist() == pytest.approx(expected, rel=6e-6)


def test_golden_ranking_errors_of_labels(golden):
    missing, extra = ranking_errors(golden.x.sigmoid(), golden.y)
    assert missing[1, [0, 3, 4]].tolist() == pytest.approx([1.52141, 1.79898, 2.37250], rel=6e-6)
    assert extra[1, [1, 2]].tolist() == pytest.approx([0.911798, 3.21689], rel=6e-6)
    assert missing[1, [1, 2]].tolist() == pytest.approx([1e-5, 1e-5])


def test_golden_discrepancies(golden):
    assert float(mean_discrepancy(golden.x, golden.z, 1e4)) == pytest.approx(0.000208315, rel=1e-5)
    assert float(mean_discrepancy(FIRST, SECOND, 1e4)) == pytest.approx(3.75019e-6, rel=1e-3)
    far = 100 * torch.randn(4, 20000, generator=torch.Generator().manual_seed(0))
    # Whole feature maps are so far apart that the discrepancy is constant.
    assert float(mean_discrepancy(far, far.flip(1), 1e4)) == pytest.approx(2 / 4)


@pytest.mark.parametrize(("sigma", "expected"), [(1e4, 0.816366 + 0.671639), (10, 1.06515 + 0.920423)])
def test_golden_losses(lab, golden, sigma, expected):
    weights = {"together": 5, "apart": 0.5, "missing_weight": 0.6, "extra_weight": 0.4}
    method = lab.fixed("rcml", "bce", [FIRST, SECOND], kept=0.75, sigma=sigma, **weights)
    method.head, method.head_2 = Constant(golden.x), Constant(golden.z)
    batch = lab.labelled(scene_labels=golden.y)
    assert float(method.step(batch).loss.detach()) == pytest.approx(expected, rel=6e-6)


def test_all_images_and_no_discrepancy_are_two_plain_trainings(lab):
    method = lab.method("rcml", "bce", kept=1, together=0, apart=0)
    batch = lab.batch()
    first = method.objective.per_sample(method.predict(batch.images), batch).mean()
    second = method.objective.per_sample(method.predict_2(batch.images), batch).mean()
    assert float(method.step(batch).loss.detach()) == pytest.approx(float((first + second).detach()))


def test_scores_are_ranking_errors_of_both_networks(lab, golden):
    method = lab.fixed("rcml", "bce", [golden.x, golden.z])
    batch = replace(lab.labelled(scene_labels=golden.y), epoch=3)
    scores = method.score_samples(lab.training_set(batch))
    torch.testing.assert_close(scores.images, method.step(batch).noisy_score)
    one, other = (ranking_errors(net.sigmoid(), golden.y) for net in (golden.x, golden.z))
    expected = torch.where(golden.y > 0, one[1] + other[1], one[0] + other[0]) / 2
    torch.testing.assert_close(scores.labels.reshape(4, 5), expected)
