"""RCML: two networks that rank labels and select images for each other (Aksoy et al., TNNLS 2022)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gridbench.methods._two_networks import TwoNetworks, smallest
from gridbench.methods.base import Batch, Entries, SampleScores, StepOutput, TrainingView
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["RCML", "mean_discrepancy", "ranking_errors"]


@register_method()
class RCML(TwoNetworks):
    """Each network learns from the images on which the other one ranks absent classes above present ones the least.

    A discrepancy (MMD) draws the networks' predictions together and their features apart, over the whole mini-batch;
    each network treats the other as constant. Ours: the discrepancy of features is that of the descriptors. Published
    code takes a whole feature map, where it is constant, without gradient. Retrieval compares the descriptors of the
    first network.
    """

    losses = ("bce",)
    because = "it ranks the classes of an image by their probabilities, and averages binary cross entropy"

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of RCML."""

        kept: float = parameter(
            0.6,
            "share of the images of a mini-batch that each network learns from",
            "the authors' scripts for UC Merced and BigEarthNet",
            low=0,
            low_open=True,
            high=1,
            search=(0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0),
        )
        missing_weight: float = parameter(
            0.2, "alpha: weight of labels that seem to be missing", "the authors' scripts", low=0, high=1000
        )
        extra_weight: float = parameter(
            0.8, "beta: weight of labels that seem to be wrong", "the authors' scripts", low=0, high=1000
        )
        together: float = parameter(
            0.1,
            "weight of the discrepancy of predictions, relative to a loss that is summed over classes",
            "the authors' scripts; youngwk/IDMN has the two weights exchanged",
            low=0,
            high=1000,
            search=(0.0, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 3.0, 10.0),
        )
        apart: float = parameter(
            1.0,
            "weight of the discrepancy of features, relative to a loss that is summed over classes",
            "the authors' scripts; youngwk/IDMN has the two weights exchanged",
            low=0,
            high=1000,
            search=(0.0, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0, 3.0, 10.0),
        )
        sigma: float = parameter(
            1e4, "width of the Gaussian kernel", "the authors' code", low=0, low_open=True, high=1e12
        )

    def step(self, batch: Batch) -> StepOutput:
        """Return the sum of both networks' losses."""
        features = self.backbone.features(batch.images), self.backbone_2.features(batch.images)
        predictions = self.head(features[0]), self.head_2(features[1])
        losses = [self.objective.per_sample(prediction, batch) for prediction in predictions]
        ranking = [self._ranking_loss(prediction, batch.scene_labels)[0] for prediction in predictions]
        kept = [smallest(ranking[1 - net], self.p.kept) for net in (0, 1)]
        loss = losses[0][kept[0]].mean() + losses[1][kept[1]].mean()
        for weight, (one, other) in ((self.p.together, predictions), (-self.p.apart, features)):
            if weight:
                both = self._discrepancy(one, other.detach()) + self._discrepancy(one.detach(), other)
                loss = loss + weight * both / batch.scene_labels.shape[1]
        score = (ranking[0] + ranking[1]) / 2
        return StepOutput(loss, losses[0], score, ~kept[0], predictions[0].detach())

    def score_samples(self, train: TrainingView) -> SampleScores:
        """Return the means of both networks' ranking errors; images beyond the kept share are flagged."""
        entries, images = train.average(self._scores)
        return SampleScores(images.images, entries.labels, 100 * (1 - self.p.kept))

    def _scores(self, batch: Batch) -> list[Entries]:
        predictions = self.predict(batch.images), self.predict_2(batch.images)
        one, other = (self._ranking_loss(prediction, batch.scene_labels) for prediction in predictions)
        return [((one[1] + other[1]) / 2, None), ((one[0] + other[0])[:, None] / 2, None)]

    @torch.no_grad()
    def _ranking_loss(self, prediction: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the (B,) group lasso of images, and the (B, C) errors of their labels."""
        missing, extra = ranking_errors(prediction.float().sigmoid(), labels)
        loss = self.p.missing_weight * missing.sum(1) + self.p.extra_weight * extra.sum(1)
        return loss, torch.where(labels > 0, extra, missing)

    def _discrepancy(self, one: Tensor, other: Tensor) -> Tensor:
        return mean_discrepancy(one.float(), other.float(), self.p.sigma)


def ranking_errors(probability: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return by how much absent classes are ranked above present ones, (B, C) by absent and (B, C) by present class.

    The error of an absent class j and a present one l is max(0, 1 + 2 (p_j - p_l)); those of a class are combined to
    sqrt(sum of squares + 1e-10), which is 1e-5 for classes of the other kind.

    Args:
        probability: (B, C).
        labels: (B, C) in {0, 1}.
    """
    error = (1 + 2 * (probability[:, :, None] - probability[:, None, :])).clamp_min(0)
    squares = (error * (1 - labels)[:, :, None] * labels[:, None, :]).square()
    return (squares.sum(2) + 1e-10).sqrt(), (squares.sum(1) + 1e-10).sqrt()


def mean_discrepancy(one: Tensor, other: Tensor, sigma: float) -> Tensor:
    """Return the biased squared maximum mean discrepancy with the kernel exp(-|a - b|^2 / sigma).

    Args:
        one: (B, D).
        other: (B, D).
        sigma: Width of the kernel, positive.
    """

    def below_one(a: Tensor, b: Tensor) -> Tensor:
        # 1 - kernel: the mean of values near 1 would lose the digits that count.
        squared = (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T).clamp_min(0)
        if a is b:
            squared = squared * (1 - torch.eye(len(a), device=a.device))
        return -torch.expm1(-squared / sigma).mean()

    return 2 * below_one(one, other) - below_one(one, one) - below_one(other, other)
