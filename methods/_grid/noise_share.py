"""The share of a mini-batch that GRID flags as noisy, estimated from its own early predictions: `lambda=auto`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gridbench.methods.base import Batch, NoiseRate

__all__ = ["NoiseShare"]

FRACTION = 0.05
EARLIEST = 3
"""The estimate is made after this share of the run, but not before this epoch."""

EPOCHS = 3
"""Epochs whose predictions are averaged for it."""


class NoiseShare(nn.Module):
    """Lambda that starts at the loss's own and becomes the estimated noise rate once, early in training. Ours.

    The predictions of three epochs, the last of them 5 % into training (the third epoch at the earliest), are averaged
    per image; what they say of the labels gives the noise rate, which is lambda from the next epoch on. Later
    predictions are not used: a network that remembers wrong labels agrees with them, and the estimate falls.
    Everything is in buffers, so that a resumed run goes on exactly.

    Args:
        num_samples: Number of training images N.
        num_classes: Number of classes C.
        epochs: Number of epochs of the run.
        start: Lambda until the estimate, percent.
        noise_rate: Estimates the noise rate from (N, C) labels and probabilities.
    """

    probabilities: Tensor
    labels: Tensor
    seen: Tensor
    value: Tensor
    estimated: Tensor

    def __init__(
        self, num_samples: int, num_classes: int, epochs: int, start: float, noise_rate: NoiseRate
    ) -> None:
        super().__init__()
        self.last = max(EARLIEST, round(FRACTION * epochs)) - 1
        self.noise_rate = noise_rate
        self.register_buffer("probabilities", torch.zeros(num_samples, num_classes))
        self.register_buffer("labels", torch.zeros(num_samples, num_classes, dtype=torch.uint8))
        self.register_buffer("seen", torch.zeros(num_samples))
        self.register_buffer("value", torch.tensor(start, dtype=torch.float64))
        self.register_buffer("estimated", torch.tensor(False))

    def percent(self, epoch: int) -> float:
        """Return lambda for a step of an epoch (from 0); the first after the last that counts makes the estimate."""
        if epoch > self.last and not bool(self.estimated):
            self.value.fill_(self.after(epoch))
            self.estimated.fill_(True)
        return float(self.value)

    def after(self, epochs: int) -> float:
        """Return lambda after so many epochs, without changing the state."""
        known = self.seen > 0
        if epochs <= self.last or bool(self.estimated) or not bool(known.any()):
            return float(self.value)
        mean = self.probabilities[known] / self.seen[known, None]
        return 100 * self.noise_rate(self.labels[known], mean.clamp(0, 1))

    def note(self, batch: Batch, probabilities: Tensor) -> None:
        """Add the predictions of a step to the averages, in the epochs that count.

        Args:
            batch: The mini-batch.
            probabilities: (B, C) detached, that each class is present.
        """
        if self.last - EPOCHS < batch.epoch <= self.last:
            self.probabilities[batch.indices] += probabilities.float()
            self.labels[batch.indices] = batch.scene_labels.to(torch.uint8)
            self.seen[batch.indices] += 1
