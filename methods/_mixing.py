"""Shared part of methods that mix images: random draws of mixup, and the MixMatch loss as used in DivideMix."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gridbench.methods.base import Batch, Objective

__all__ = ["Mixing", "draw_mixing", "semi_supervised_loss", "semi_supervised_targets"]


@dataclass(frozen=True)
class Mixing:
    """With which other image each image of a batch is mixed, and how much of itself it keeps.

    Attributes:
        share: Of each image itself, one for all, 0 to 1.
        partner: (B,) positions of the other images.
    """

    share: float
    partner: Tensor

    def __call__(self, values: Tensor) -> Tensor:
        """Return (B, ...) images, labels or targets mixed with those of their partners."""
        return values if self.share == 1 else self.share * values + (1 - self.share) * values[self.partner]

    def losses(self, objective: Objective, prediction: Tensor, batch: Batch) -> Tensor:
        """Return the (B,) losses of predictions of mixed images: those against both labels, by their shares."""
        theirs = replace(batch, scene_labels=batch.scene_labels[self.partner])
        losses = self.share * objective.per_sample(prediction, batch)
        return losses + (1 - self.share) * objective.per_sample(prediction, theirs)


def draw_mixing(generator: torch.Generator, size: int, alpha: float, own_most: bool = False) -> Mixing:
    """Draw with which share each image of a batch is mixed with which other one.

    Args:
        generator: Random numbers of the step.
        size: Number of images.
        alpha: Both parameters of the beta distribution, at least 0; 0 mixes nothing.
        own_most: Whether the larger of the share and one minus it is taken, as in MixMatch.
    """
    if alpha == 0:
        return Mixing(1.0, torch.arange(size, device=generator.device))
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    share = float(np.random.default_rng(seed).beta(alpha, alpha))
    partner = torch.randperm(size, generator=generator, device=generator.device)
    return Mixing(max(share, 1 - share) if own_most else share, partner)


def semi_supervised_targets(own: Tensor, peer: Tensor, labels: Tensor, belief: Tensor) -> Tensor:
    """Return the (2 n + 2 m, C) targets of n labelled images and of m others, two views each, as DivideMix has them.

    Labelled images: a mean of the label and what the network predicts of both views. Others: the mean of what both
    networks predict of both views. Each is squared and scaled to sum to 1, the temperature 0.5 of Li et al.

    Args:
        own: (2 n + 2 m, C) probabilities by the network: of the first view of the labelled images, of the second, and
            of both views of the others.
        peer: (2 m, C) probabilities by the other network, of both views of the others.
        labels: (n, C) one-hot.
        belief: (n, 1) weight of the label, 0 to 1.
    """
    known, classes = labels.shape
    mean = own[: 2 * known].view(2, known, classes).mean(0)
    guessed = torch.cat([own[2 * known :], peer]).view(4, len(peer) // 2, classes).mean(0)
    squared = [each.square() for each in (belief * labels + (1 - belief) * mean, guessed)]
    refined, agreed = (each / each.sum(1, keepdim=True) for each in squared)
    return torch.cat([refined, refined, agreed, agreed])


def semi_supervised_loss(logits: Tensor, targets: Tensor, labelled: int, weight: float) -> Tensor:
    """Return CE of labelled rows + weight * squared error of the others + KL(equal shares || mean prediction).

    Args:
        logits: (B, C).
        targets: (B, C) distributions.
        labelled: The number of labelled rows, which are the first.
        weight: Of the squared error.
    """
    log_p, p = F.log_softmax(logits, 1), F.softmax(logits, 1)
    supervised = -(targets * log_p)[:labelled].sum() / max(labelled, 1)
    error = (p - targets)[labelled:].square().sum() / max(p[labelled:].numel(), 1)
    classes = p.shape[1]
    # A class that no image is predicted to be of, up to rounding, must not cost infinitely much.
    penalty = -(classes * p.mean(0)).clamp_min(torch.finfo(torch.float32).tiny).log().mean()
    return supervised + weight * error + penalty
