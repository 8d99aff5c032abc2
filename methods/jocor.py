"""JoCoR: joint training of two networks with co-regularisation (Wei et al., CVPR 2020)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gridbench.methods._two_networks import (
    TwoNetworks,
    drop_rate,
    dropped_share,
    resolve_dropped_share,
    smallest,
)
from gridbench.methods.base import Batch, Context, SampleScores, StepOutput, TrainingView
from gridbench.methods.losses import PIXEL, SINGLE, UNSIGNED_SCENE
from gridbench.methods.tasks.batch import mean_of_valid
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["JoCoR"]


@register_method()
class JoCoR(TwoNetworks):
    """Two networks learn from the entries, or images, on which their joint loss is small.

    Per entry: (1 - lambda)(l1 + l2) + lambda (KL(p1||p2) + KL(p2||p1)), its eqs. 1 to 4 with the loss and the
    distributions of the task: Bernoulli per class, categorical per image or pixel. The divergence is exact and sends
    its gradient into both networks. The small-loss share 1 - R(epoch) is kept (eq. 5): of all entries of the mini-batch
    (label-wise, as in youngwk/IDMN), or of its images (sample-wise, as in hongxin001/JoCoR).

    Retrieval compares the descriptors of the first network; neither is ever picked by its score.
    """

    losses = (*UNSIGNED_SCENE, *PIXEL, *SINGLE)
    because = (
        "its agreement term compares two networks' probabilities, which a co-occurrence graph lacks, and it takes a "
        "smaller loss for a sign of a right label"
    )

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of JoCoR."""

        lambda_: float | None = parameter(
            None,
            "weight of the divergence against the label losses; unset: 0.6 for several labels, 0.9 for one",
            "several labels: youngwk/IDMN; one: hongxin001/JoCoR, README, CIFAR-10",
            low=0,
            high=1,
            search=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        )
        selection: str | None = parameter(
            None,
            "what the small-loss selection drops: entries (label: classes, pixels) or images (sample); unset: label, "
            "but sample for one label per image",
            "label: youngwk/IDMN; sample: hongxin001/JoCoR",
            choices=("label", "sample"),
        )
        tau: float | str | None = dropped_share("of entries: youngwk/IDMN; of images: ours, GRID's 20 %")
        gradual_epochs: int = parameter(
            10, "epochs T_k over which the dropped share grows", "hongxin001/JoCoR", low=1, high=100_000
        )
        exponent: float = parameter(
            1.0,
            "exponent c of the share that growth leads to",
            "hongxin001/JoCoR",
            low=0,
            low_open=True,
            high=100,
        )

    @classmethod
    def resolve(cls, parameters: Any, context: Context) -> Any:
        """Fill in what depends on whether an image has one label or several, and tau.

        Raises:
            InputError: Label-wise selection tied to the noise rate, which says nothing of the share of wrong entries.
        """
        assert context.loss is not None
        single = context.loss.task.predicts == "single"
        if parameters.selection is None:
            parameters = replace(parameters, selection="sample" if single else "label")
        if parameters.lambda_ is None:
            parameters = replace(parameters, lambda_=0.9 if single else 0.6)
        return resolve_dropped_share(cls.name, parameters, context)

    def step(self, batch: Batch) -> StepOutput:
        """Return the mean joint loss over what the selection keeps."""
        one, first, divergence, joint, valid = self._compare(batch)
        per_image = mean_of_valid(joint, valid)

        rate = drop_rate(batch.epoch, self.p.tau, self.p.gradual_epochs, self.p.exponent)
        logs: dict[str, float | Tensor] = {"drop_rate": rate}
        logs["divergence"] = mean_of_valid(divergence.detach(), valid).mean()
        selected = None
        if self.p.selection == "sample":
            selected = ~smallest(per_image.detach(), 1 - rate)
            loss = per_image[~selected].mean()
        else:
            counted = torch.ones_like(joint, dtype=torch.bool) if valid is None else valid
            entries = joint[counted]
            kept = smallest(entries.detach(), 1 - rate)
            loss = entries[kept].mean()
            logs.update(_kept_positives(kept, counted, batch.scene_labels))
        label_loss = mean_of_valid(first, valid)
        return StepOutput(loss, label_loss, per_image.detach(), selected, one.detach(), logs)

    def score_samples(self, train: TrainingView) -> SampleScores:
        """Return the joint losses, by which both selections go; sample-wise selection drops a share of the images."""
        (joint,) = train.average(lambda batch: [self._compare(batch)[3:]])
        dropped = 100 * self.p.tau if self.p.selection == "sample" else None
        return SampleScores(joint.images, joint.labels, dropped)

    def _compare(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
        """Return the first network's output, its losses, the divergence, the joint loss, and what entries count."""
        one = self.predict(batch.images)
        other = self.predict_2(batch.images)
        first, valid = self.objective.per_entry(one, batch)
        second, _ = self.objective.per_entry(other, batch)
        divergence = self.objective.task.symmetric_kl(one.float(), other.float())
        assert divergence is not None, "JoCoR needs a task whose outputs are distributions"
        divergence = divergence.flatten(1)
        joint = (1 - self.p.lambda_) * (first + second) + self.p.lambda_ * divergence
        return one, first, divergence, joint, valid


def _kept_positives(kept: Tensor, counted: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return the share of present classes that the selection kept, which favours absent ones; nothing for pixels."""
    if counted.shape != labels.shape:
        return {}
    present = labels[counted] > 0
    return {"kept_positives": (kept & present).sum() / present.sum().clamp_min(1)}
