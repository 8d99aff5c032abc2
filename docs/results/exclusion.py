"""What is GRID's generative head for? Methods that only keep samples from the backbone, and a GRID that tells more.

gridbench run --plugin docs/results/exclusion.py --method exclude_loss --slnir 30
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gridbench import register_method
from gridbench.methods.base import ANY_LOSS, Batch, StepOutput
from gridbench.methods.gate import Gate
from gridbench.methods.grid import GRID
from gridbench.methods.plain import Plain
from gridbench.methods.split import split_batch
from gridbench.parameters import parameter


@register_method("exclude_loss")
class ExcludeLoss(Plain):
    """Plain training; the samples of highest loss do not reach the backbone, but, as in GRID, the head."""

    losses = ANY_LOSS

    @dataclass(frozen=True)
    class Parameters(Plain.Parameters):
        """How much is left out."""

        lambda_: float = parameter(20.0, "percentage that is left out", "as GRID's", low=0, high=99)

    @property
    def noisy_percent(self) -> float | None:
        """The percentage that is left out."""
        return float(self.p.lambda_)

    def step(self, batch: Batch) -> StepOutput:
        """Keep the samples of highest loss from the backbone."""
        gate = Gate()
        prediction = self.head(gate(self.backbone.features(batch.images)))
        losses = self.objective.per_sample(prediction, batch)
        left_out, score = split_batch(losses.detach(), torch.zeros_like(losses), self.p.lambda_)
        gate.let_through(~left_out)
        return StepOutput(losses.mean(), losses, score, left_out, prediction.detach())


@register_method("exclude_difference")
class ExcludeDifference(GRID):
    """GRID, but the samples that it takes for noisy reach the backbone through no head."""

    def _generate(
        self, features: Tensor, inputs: Tensor, batch: Batch
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        return super()._generate(features.detach(), inputs, batch)


@register_method("grid_probe")
class GridProbe(GRID):
    """GRID itself, which also logs what its generative head knows and how strongly each head pulls at the backbone."""

    def _generate(
        self, features: Tensor, inputs: Tensor, batch: Batch
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        losses, rest, logs = super()._generate(features, inputs, batch)
        plain = self.objective.per_sample(self.head(features), batch)
        with torch.no_grad():
            for name, prediction in (
                ("generative", self.vae.head(self.vae.encode(features)[0])),
                ("discriminative", self.head(features)),
            ):
                logs[f"{name}_auroc"] = auroc(prediction, batch.scene_labels)
        for name, per_sample in (("generative", losses), ("discriminative", plain)):
            (pull,) = torch.autograd.grad(per_sample.sum(), features, retain_graph=True)
            logs[f"{name}_pull"] = pull.norm(dim=1).mean()
        return losses, rest, logs


def auroc(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the mean area under the ROC curve over the classes of a mini-batch; 0.5 knows nothing but the class prior.

    Args:
        scores: (B, C).
        labels: (B, C) in {0, 1}, the labels that were trained on.

    Returns:
        (); 0.5 where no class has both present and absent labels.
    """
    areas: list[Tensor] = []
    for score, label in zip(scores.T, labels.T, strict=True):
        positive, negative = score[label > 0.5], score[label <= 0.5]
        if len(positive) and len(negative):
            gap = positive[:, None] - negative[None]
            areas.append(((gap > 0).float() + 0.5 * (gap == 0).float()).mean())
    return torch.stack(areas).mean() if areas else scores.new_tensor(0.5)
