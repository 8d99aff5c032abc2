"""Small-loss selection: after a warm-up, only the images of smallest loss are learnt from."""

from dataclasses import dataclass

import torch

from gridbench import register_method
from gridbench.methods.base import ANY_LOSS, StepOutput
from gridbench.methods.plain import Plain
from gridbench.parameters import parameter


@register_method()
class SmallLoss(Plain):
    """Leaves the images of largest loss out of each mini-batch."""

    losses = ANY_LOSS

    @dataclass(frozen=True)
    class Parameters:
        """How much is left out, and from when on."""

        drop: float = parameter(20.0, "percentage of a mini-batch that is left out", "ours", low=0, high=99)
        warm_up: int = parameter(1, "epochs in which nothing is left out", "ours", low=0)

    def step(self, batch):
        """Return the mean loss of the images that are kept."""
        prediction = self.predict(batch.images)
        losses = self.objective.per_sample(prediction, batch)
        drop = int(len(losses) * self.p.drop / 100) if batch.epoch >= self.p.warm_up else 0
        dropped = torch.zeros_like(losses, dtype=torch.bool)
        dropped[losses.detach().argsort(descending=True, stable=True)[:drop]] = True
        return StepOutput(losses[~dropped].mean(), losses, losses.detach(), dropped, prediction.detach())
