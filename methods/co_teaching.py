"""Co-teaching: two networks select small-loss samples for each other (Han et al., NeurIPS 2018), for every task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from gridbench.methods._two_networks import (
    TwoNetworks,
    drop_rate,
    dropped_share,
    resolve_dropped_share,
    smallest,
)
from gridbench.methods.base import (
    ANY_LOSS,
    Batch,
    Context,
    Entries,
    SampleScores,
    StepOutput,
    TrainingView,
    mean_of_valid,
)
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["CoTeaching"]


@register_method()
class CoTeaching(TwoNetworks):
    """Each network learns from the samples of a mini-batch on which the other one has the smallest losses.

    The share 1 - R(epoch) is kept (Algorithm 1), of the images or of the entries of the loss (classes, pixels). The
    loss is the mean over what is kept; published code divides it by the number of kept images once more. Retrieval
    compares the descriptors of the first network.
    """

    losses = ANY_LOSS
    compares_losses = True
    recipe: ClassVar[Mapping[str, Any]] = {
        # bhanML/Co-teaching, main.py; the linear decay of its rate from epoch 80 on is left out.
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "batch_size": 128,
        "epochs": 200,
    }

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of co-teaching."""

        tau: float | str | None = dropped_share("ours, as for JoCoR; slnir: Han et al., Section 3")
        selection: str = parameter(
            "sample",
            "what the small-loss selection drops: whole images, or single entries (classes, pixels)",
            "Han et al.; label: ours",
            choices=("sample", "label"),
        )
        gradual_epochs: int = parameter(
            10, "epochs T_k over which the dropped share grows", "bhanML/Co-teaching", low=1, high=100_000
        )

    @classmethod
    def resolve(cls, parameters: Any, context: Context) -> Any:
        """Fill in tau.

        Raises:
            InputError: Entries are selected by the noise rate, which says nothing of the share of wrong entries.
        """
        return resolve_dropped_share(cls.name, parameters, context)

    def step(self, batch: Batch) -> StepOutput:
        """Return the sum of both networks' mean losses over what the other one chose."""
        prediction, one, other, valid = self._losses(batch)
        first, second = mean_of_valid(one, valid), mean_of_valid(other, valid)
        rate = drop_rate(batch.epoch, self.p.tau, self.p.gradual_epochs)
        score = (first + second).detach() / 2
        selected = None
        if self.p.selection == "sample":
            for_first, for_second = (smallest(losses.detach(), 1 - rate) for losses in (second, first))
            loss = first[for_first].mean() + second[for_second].mean()
            selected = ~for_first
        else:
            counted = torch.ones_like(one, dtype=torch.bool) if valid is None else valid
            of_first, of_second = one[counted], other[counted]
            for_first, for_second = (smallest(e.detach(), 1 - rate) for e in (of_second, of_first))
            loss = of_first[for_first].mean() + of_second[for_second].mean()
        logs: dict[str, float | Tensor] = {"drop_rate": rate, **self.objective.task.logs(prediction)}
        return StepOutput(loss, first, score, selected, prediction, logs)

    def score_samples(self, train: TrainingView) -> SampleScores:
        """Return the mean losses of both networks; the selection of images flags a share of them."""
        (scores,) = train.average(self._mean_losses)
        flagged = 100 * self.p.tau if self.p.selection == "sample" else None
        return SampleScores(scores.images, scores.labels, flagged)

    def _mean_losses(self, batch: Batch) -> list[Entries]:
        _, one, other, valid = self._losses(batch)
        return [((one + other) / 2, valid)]

    def _losses(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Return the first network's output, detached, both networks' (B, E) losses, and what entries count."""
        prediction, peer = self.predict(batch.images), self.predict_2(batch.images)
        one, valid = self.objective.per_entry(prediction, batch)
        other, _ = self.objective.per_entry(peer, batch)
        return prediction.detach(), one, other, valid
