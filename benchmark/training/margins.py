"""Area under the margin (AUM): the mean margin of each given label over training."""

from __future__ import annotations

import torch
from torch import Tensor

from gridbench.methods.base import Batch, StepOutput
from gridbench.methods.tasks.task import Task

__all__ = ["MarginSums"]

SUMS, COUNTS = "margins/sums", "margins/counts"


class MarginSums:
    """Sums the margins of each image's labels, by default from the second epoch to the middle of the training.

    Afterwards wrong labels are memorised too: Pleiss et al. (Identifying mislabeled data using the area under the
    margin ranking, NeurIPS 2020, Section 3.1) stop at the first drop of the learning rate, which a constant one lacks.

    Args:
        task: The task, whose `margins` are summed.
        num_samples: Number of training images N.
        epochs: Number of epochs of the run.
        device: Where the steps run.
        whole: Whether all epochs are summed.
    """

    def __init__(
        self, task: Task, num_samples: int, epochs: int, device: torch.device, whole: bool = False
    ) -> None:
        self._task, self._device = task, device
        self._epochs = range(epochs) if whole else range(1, max((epochs + 1) // 2, 2))
        self._counts = torch.zeros(num_samples, device=device)
        self._sums: Tensor | None = None

    def add(self, batch: Batch, output: StepOutput) -> None:
        """Add the margins of one training step."""
        if batch.epoch not in self._epochs or output.prediction is None:
            return
        margins = self._task.margins(output.prediction.float(), batch)
        if margins is None:
            return
        if self._sums is None:
            self._sums = torch.zeros(len(self._counts), margins.shape[1], device=self._device)
        self._sums.index_add_(0, batch.indices, margins)
        self._counts.index_add_(0, batch.indices, torch.ones_like(margins[:, 0]))

    def means(self) -> Tensor | None:
        """Return the (N, E) mean margins; 0 for an image never seen, None where no margin was summed."""
        return None if self._sums is None else self._sums / self._counts.clamp_min(1)[:, None]

    def tensors(self) -> dict[str, Tensor]:
        """Return what a checkpoint stores."""
        return {} if self._sums is None else {SUMS: self._sums, COUNTS: self._counts}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go on from what a checkpoint stored, which may be nothing."""
        if SUMS in tensors:
            self._sums = tensors[SUMS].clone().to(self._device)
            self._counts = tensors[COUNTS].clone().to(self._device)
