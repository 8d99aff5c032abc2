"""PRISM: deep metric learning that ranks images by their distance to the classes' centres (Liu et al., CVPR 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gridbench.methods._embedding import Centred, Embedded, Memory, contrastive_loss, descriptor_choice
from gridbench.methods._two_networks import smallest
from gridbench.methods.base import Batch, Context, SampleScores, Setup, StepOutput, TrainingView
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["PRISM"]


@register_method()
class PRISM(Embedded):
    """Learns an embedding by a contrastive loss over images whose label is probable, and a memory of such.

    A label's probability is a softmax over the inner products with the centres of the classes in the memory (eq. 1).
    An image is kept if it is above the mean of the last W thresholds, each the probability that a share R of a batch
    does not exceed (eqs. 5 and 6). Kept images attract and repel each other, and those of the memory, which they then
    enter. Mini-batches are balanced by drawing images in inverse proportion to the size of their class, where the
    source draws 16 classes of 4 images. The length of the warm-up is ours: at first all probabilities are 1, and
    without one, the default of published code, images are dropped by their place in the batch.
    """

    losses = ("ce",)
    because = "it has a loss of its own, and ce is what its centres are judged by"
    recipe: ClassVar[Mapping[str, Any]] = {
        # alibaba-edu/Ranking-based-Instance-Selection, configs/CARSN: weights of ImageNet, 4000 steps of 9,558 images.
        "optimizer": "adam",
        "learning_rate": 3e-5,
        "weight_decay": 5e-4,
        "batch_size": 64,
        "epochs": 27,
        "schedule": "cosine",
    }

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of PRISM."""

        tau: float | str = parameter(
            0.2,
            "share R of a batch by which the threshold is set; slnir: the known noise rate",
            "ours, as for co-teaching; slnir: Liu et al., Section 3.2",
            low=0,
            high=1,
            words=("slnir",),
            search=(0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6),
        )
        window: int = parameter(30, "thresholds W that are averaged", "configs/CARSN", low=1, high=100_000)
        dim: int = parameter(512, "width of the embedding", "configs/CARSN", low=1, high=100_000)
        memory: int | None = parameter(
            None,
            "embeddings that are kept; unset: 9500, or as many as there are training images if these are fewer",
            "configs/CARSN, of which the training set has 9,558",
            low=1,
            high=10_000_000,
        )
        warm_up: float = parameter(
            2.0,
            "percent of the run, at least an epoch, in which all images are kept",
            "ours",
            low=0,
            high=100,
        )
        descriptor: str = descriptor_choice()

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        self.first = max(round(setup.epochs * self.p.warm_up / 100), 1)
        size = min(setup.num_samples, 9500) if self.p.memory is None else self.p.memory
        self.memory = Memory(size, self.p.dim)
        self.thresholds: Tensor
        self.register_buffer("thresholds", torch.full((self.p.window,), torch.nan))
        self._kept: tuple[Tensor, Tensor] | None = None

    @classmethod
    def resolve(cls, parameters: Any, context: Context) -> Any:
        """Fill in the noise rate."""
        return replace(parameters, tau=context.slnir / 100) if parameters.tau == "slnir" else parameters

    def make_head(self) -> nn.Module:
        """Build the head: an embedding, compared with the centre of each class."""
        return Centred(self.backbone.width, self.p.dim, self.objective.task.num_classes)

    def sampler(self, epoch: int, train: TrainingView) -> Tensor:
        """Return weights that draw all classes equally often."""
        labels = train.scene_labels
        return (labels / labels.sum(0).clamp_min(1)).sum(1).clamp_min(1e-9)

    def step(self, batch: Batch) -> StepOutput:
        """Return the contrastive losses of the kept images among themselves and against the memory."""
        embeddings = self.head.embedding(self.backbone.features(batch.images))
        prediction, classes = self.head.logits(embeddings).detach(), self.objective.task.target(batch)
        probability = self._of_label(prediction, classes)
        kept = self._select(probability, batch.epoch)
        memory, memory_classes = self.memory.content()
        chosen, chosen_classes = embeddings[kept], classes[kept]
        loss = contrastive_loss(chosen, chosen_classes, chosen, chosen_classes) / len(chosen)
        loss = loss + contrastive_loss(chosen, chosen_classes, memory, memory_classes) / len(classes)
        self._kept = chosen.detach(), chosen_classes
        losses, logs = self.objective.per_sample(prediction, batch), self.objective.task.logs(prediction)
        return StepOutput(
            loss, losses, 1 - probability, ~kept, prediction, {"kept": kept.float().mean(), **logs}
        )

    def after_step(self) -> None:
        """Let the kept images enter the memory in place of the oldest, and follow with the centres of their classes."""
        assert self._kept is not None, "a step comes first"
        kept, classes = (each[-len(self.memory.classes) :] for each in self._kept)
        self.memory.enter(kept, classes)
        centres = self.head.centres
        renewed = F.one_hot(classes, len(centres)).any(0)
        centres.copy_(torch.where(renewed[:, None], self.memory.centres(len(centres)), centres))
        self._kept = None

    def score_samples(self, train: TrainingView) -> SampleScores:
        """Return how improbable each label is, and the share of images at or below the mean threshold."""
        (improbable,) = train.average(lambda batch: [(1 - self._probability(batch)[:, None], None)])
        below = 1 - improbable.images.to(self.thresholds) <= self.thresholds.nanmean()
        return SampleScores(improbable.images, improbable.labels, 100 * float(below.float().mean()))

    def _probability(self, batch: Batch) -> Tensor:
        return self._of_label(self.predict(batch.images), self.objective.task.target(batch))

    def _of_label(self, logits: Tensor, classes: Tensor) -> Tensor:
        """Return the (B,) probabilities of labels; 1 where no image of the class was ever kept."""
        probability = F.softmax(logits.float(), 1).gather(1, classes[:, None])[:, 0]
        # A mean of vectors of length 1 is exactly zero only before there are any.
        unknown = (self.head.centres == 0).all(1)[classes]
        return torch.where(unknown, 1.0, probability)

    def _select(self, probability: Tensor, epoch: int) -> Tensor:
        """Record this batch's threshold and return (B,) bool, which images are kept."""
        dropped = smallest(probability, self.p.tau) if int(self.p.tau * len(probability)) else None
        if epoch < self.first or dropped is None:
            return torch.ones_like(probability, dtype=torch.bool)
        threshold = probability[dropped].amax()
        if threshold != 1:
            self.thresholds.copy_(torch.cat([self.thresholds[1:], threshold[None]]))
        kept = probability > self.thresholds.nanmean()
        if not kept.any():
            self.thresholds[:-1] = torch.nan
            kept = ~dropped
        return kept
