"""NPN: partial label learning with negative learning, for one label per image (Sheng et al., AAAI 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from gridbench.errors import InputError
from gridbench.methods.base import Batch, SampleScores, Setup, StepOutput, TrainingView
from gridbench.methods.plain import Plain
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["NPN", "negative_entropy", "negative_loss"]


@register_method()
class NPN(Plain):
    """Learns from the class that was predicted most often, and from the classes that an image does not show.

    Each step counts the k most probable classes of the weak view. During a warm-up: cross entropy - entropy of the
    prediction. Then: cross entropy of the class counted most (hard) or of the counts as a distribution (soft), plus
    alpha times -log(1 - p) of all classes but the label and the predicted one, plus beta times the cross entropy of the
    strong view against the class predicted of the weak one. As NUST-Machine-Intelligence-Laboratory/NPN computes it,
    over all classes instead of the candidates alone; except that its penalty clamps logits at 0 where it means
    probabilities, which is left out.
    """

    losses = ("ce",)
    because = "its partial and negative labels are terms of cross entropy over one label per image"
    views = ("weak", "strong")
    recipe: ClassVar[Mapping[str, Any]] = {
        # Its README, for CIFAR-100; the rate is constant there during the warm-up and falls by a cosine after it.
        "optimizer": "sgd",
        "momentum": 0.9,
        "learning_rate": 0.05,
        "weight_decay": 5e-4,
        "batch_size": 128,
        "epochs": 300,
        "schedule": "cosine",
        "min_lr": 5e-5,
    }

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of NPN."""

        disambiguation: str = parameter(
            "hard",
            "what stands for the label: the class counted most, or the counts as a distribution",
            "NPN-hard.py and NPN-soft.py of its repository",
            choices=("hard", "soft"),
        )
        top_k: int = parameter(
            2, "classes of each prediction that are counted", "its README", low=1, high=1000
        )
        alpha: float = parameter(
            1.0,
            "weight of the negative labels",
            "NPN-hard.py",
            low=0,
            high=1000,
            search=(0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0),
        )
        beta: float | None = parameter(
            None,
            "weight of the consistency of both views; unset: alpha if hard, 2 if soft",
            "NPN-hard.py, which weighs it by alpha, and NPN-soft.py",
            low=0,
            high=1000,
        )
        warm_up: float = parameter(
            200 / 3, "percent of the run's epochs that are warm-up", "its README: 200 of 300", low=0, high=100
        )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        if self.p.top_k >= setup.num_classes:
            raise InputError(
                f"NPN counts the {self.p.top_k} most probable classes of each prediction (top_k), and there are "
                f"{setup.num_classes} classes: all would be counted alike. Count fewer, such as -p top_k=1."
            )
        self.first = round(setup.epochs * self.p.warm_up / 100)
        self.consistency = self.p.beta
        if self.consistency is None:
            self.consistency = self.p.alpha if self.p.disambiguation == "hard" else 2.0
        self.counts: Tensor
        self.register_buffer("counts", torch.zeros(setup.num_samples, setup.num_classes))

    def step(self, batch: Batch) -> StepOutput:
        """Count the predictions, then return the mean of the loss of the warm-up or of the three terms after it."""
        prediction, classes = self.predict(batch.images), self.objective.task.target(batch)
        logits, losses = prediction.float(), self.objective.per_sample(prediction, batch)
        counts = self._count(logits.detach(), batch.indices)
        doubted = counts.argmax(1) != classes
        score = 1 - _at(counts, classes) / counts.sum(1)
        if batch.epoch < self.first:
            loss = losses.mean() + negative_entropy(logits)
        else:
            strong = self.predict(batch.views[1].images).float()
            target = counts.argmax(1) if self.p.disambiguation == "hard" else counts / counts.sum(1, True)
            loss = F.cross_entropy(logits, target) + self.p.alpha * negative_loss(logits, classes)
            loss = loss + self.consistency * F.cross_entropy(strong, logits.detach().argmax(1))
        shown = prediction.detach()
        logs = {"doubted": doubted.float().mean(), **self.objective.task.logs(shown)}
        return StepOutput(loss, losses, score, doubted, shown, logs)

    def score_samples(self, train: TrainingView) -> SampleScores:
        """Return how seldom each label was counted, and the share of images of which another class was counted more."""
        (seldom,) = train.average(lambda batch: [(self._seldom(batch), None)])
        other = train.apply(
            lambda batch: self.counts[batch.indices].argmax(1) != batch.scene_labels.argmax(1)
        )
        return SampleScores(seldom.images, seldom.labels, 100 * float(other.float().mean()))

    def _seldom(self, batch: Batch) -> Tensor:
        counts = self.counts[batch.indices]
        counted = _at(counts, self.objective.task.target(batch)) / counts.sum(1).clamp_min(1)
        return 1 - counted[:, None]

    @torch.no_grad()
    def _count(self, logits: Tensor, indices: Tensor) -> Tensor:
        """Add the most probable classes of logits (B, C) to the counts of images, and return these (B, C)."""
        top = logits.topk(self.p.top_k, 1).indices
        self.counts.index_add_(0, indices, torch.zeros_like(logits).scatter_(1, top, 1.0))
        counts: Tensor = self.counts[indices]
        return counts


def negative_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the mean over images of -sum log(1 - p) over all classes but the label and the most probable one.

    Args:
        logits: (B, C).
        classes: (B,) int64.
    """
    candidates = F.one_hot(classes, logits.shape[1]) + F.one_hot(logits.argmax(1), logits.shape[1])
    # Of a class that is not the most probable one, p is at most a half.
    others = torch.where(candidates > 0, 0.0, F.softmax(logits, 1))
    return -torch.log1p(-others).sum(1).mean()


def negative_entropy(logits: Tensor) -> Tensor:
    """Return the mean over images of sum p log p of logits (B, C)."""
    log_p = F.log_softmax(logits, 1)
    return (log_p.exp() * log_p).sum(1).mean()


def _at(values: Tensor, classes: Tensor) -> Tensor:
    return values.gather(1, classes[:, None])[:, 0]
