"""HLC: holistic label correction (Xia et al., ICCV 2023), with counted instead of learnt label relations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gridbench.methods.base import Batch, Entries, SampleScores, Setup, StepOutput, TrainingView
from gridbench.methods.plain import Plain
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["HLC", "label_relations", "score_ratio"]


@register_method()
class HLC(Plain):
    """Replaces the labels of an image by as many of the most probable classes where these fit much better together.

    The score of a set of labels is b times its probabilities and 1 - b times the relations of its pairs. Where the
    labels' score is at most delta_e times that of the predicted set, the latter replaces them permanently; delta_e
    falls from delta to 0 over a window of epochs (Section 3.2). The number of labels of an image stays the same.
    """

    losses = ("bce",)
    because = "it compares sets of labels of an image, several of which are present"
    note = (
        "hlc takes how often a class comes with another in the given labels for the relation of two labels, where the "
        "original learns a graph for each image with a network of its own (ADD-GCN)"
    )

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of HLC."""

        delta: float = parameter(
            0.4,
            "ratio of scores up to which labels are replaced, at first; 0: never",
            "xiaoboxia/HLC",
            low=0,
            high=1,
            search=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        )
        balance: float = parameter(
            0.5,
            "b: weight of probabilities against that of relations",
            "xiaoboxia/HLC",
            low=0,
            high=1,
            search=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        )
        warm_up: float = parameter(
            16.0,
            "epochs before the first correction, and of the window of corrections, percent of the run's (rounded up)",
            "xiaoboxia/HLC: 5 of 30 epochs each",
            low=0,
            high=100,
            search=(2.0, 4.0, 8.0, 12.0, 16.0, 20.0, 25.0, 30.0, 40.0, 50.0),
        )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        self.window = max(setup.epochs_in(self.p.warm_up), 1)
        self.current: Tensor
        self.relations: Tensor
        self.register_buffer("current", torch.zeros(setup.num_samples, setup.num_classes))
        self.register_buffer("relations", torch.zeros(setup.num_classes, setup.num_classes))

    def start(self, train: TrainingView) -> None:
        """Begin with the given labels, and count their relations."""
        self.current.copy_(train.scene_labels)
        self.relations.copy_(label_relations(train.scene_labels))

    def step(self, batch: Batch) -> StepOutput:
        """Return the mean loss against the labels as corrected so far, this step included."""
        prediction = self.predict(batch.images)
        shown = prediction.detach()
        labels = self.current[batch.indices]
        ratio, predicted = score_ratio(shown.float().sigmoid(), labels, self.relations, self.p.balance)
        delta = self.p.delta * max(0.0, 2 - batch.epoch / self.window) if batch.epoch >= self.window else 0.0
        replaced = (ratio <= delta) & (delta > 0)
        labels = torch.where(replaced[:, None], predicted, labels)
        self.current[batch.indices] = labels
        losses = self.objective.per_sample(prediction, replace(batch, scene_labels=labels))
        changed = (labels != batch.scene_labels).any(1)
        logs = {"replaced_images": changed.float().mean()}
        return StepOutput(losses.mean(), losses, 1 - ratio, changed, shown, logs)

    def score_samples(self, train: TrainingView) -> SampleScores:
        """Return one minus the ratio of scores of the given labels, and 1 for each label that was corrected."""
        corrected, images = train.average(self._scores)
        return SampleScores(images.images, corrected.labels)

    def _scores(self, batch: Batch) -> list[Entries]:
        probability = self.predict(batch.images).float().sigmoid()
        ratio, _ = score_ratio(probability, batch.scene_labels, self.relations, self.p.balance)
        return [
            ((self.current[batch.indices] != batch.scene_labels).float(), None),
            (1 - ratio[:, None], None),
        ]


def score_ratio(
    probability: Tensor, labels: Tensor, relations: Tensor, balance: float
) -> tuple[Tensor, Tensor]:
    """Return the (B,) ratios of the scores of given and predicted labels, and the (B, C) predicted ones.

    Args:
        probability: (B, C).
        labels: (B, C) in {0, 1}; of an image without any, the ratio is 1.
        relations: (C, C) or (B, C, C), how strongly each class goes with each other; the diagonal does not count.
        balance: Weight of probabilities against that of relations, 0 to 1.
    """
    order = torch.sort(probability, dim=1, descending=True, stable=True).indices
    ranks = torch.argsort(order, dim=1)
    predicted = (ranks < labels.sum(1, keepdim=True)).to(labels)
    off_diagonal = relations * (1 - torch.eye(relations.shape[-1], device=relations.device))

    def score(chosen: Tensor) -> Tensor:
        pairs = (chosen[:, None] @ off_diagonal @ chosen[:, :, None]).flatten()
        return balance * (chosen * probability).sum(1) + (1 - balance) * pairs

    of_predicted = score(predicted)
    ratio = torch.where(of_predicted > 0, score(labels) / of_predicted.clamp_min(1e-12), 1.0)
    return ratio, predicted


def label_relations(labels: Tensor) -> Tensor:
    """Return (C, C): of the images with the class of a row, the share that has the class of a column.

    Args:
        labels: (N, C) in {0, 1}.
    """
    return labels.T @ labels / labels.sum(0).clamp_min(1)[:, None]
