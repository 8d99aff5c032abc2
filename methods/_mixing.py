"""Shared part of methods that mix images: random draws of mixup, and the MixMatch loss as used in DivideMix."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["draw_mixing", "semi_supervised_loss", "sharpened"]


def draw_mixing(
    generator: torch.Generator, size: int, alpha: float, own_most: bool = False
) -> tuple[float, Tensor]:
    """Draw with which share each image of a batch is mixed with which other one.

    Args:
        generator: Random numbers of the step.
        size: Number of images.
        alpha: Both parameters of the beta distribution, at least 0; 0 mixes nothing.
        own_most: Whether the larger of the share and one minus it is taken, as in MixMatch.

    Returns:
        The share of each image itself, one for all, and the (size,) positions of its partner.
    """
    if alpha == 0:
        return 1.0, torch.arange(size, device=generator.device)
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    share = float(np.random.default_rng(seed).beta(alpha, alpha))
    partner = torch.randperm(size, generator=generator, device=generator.device)
    return max(share, 1 - share) if own_most else share, partner


def sharpened(probability: Tensor) -> Tensor:
    """Return (B, C) probabilities squared and scaled to sum to 1: the temperature 0.5 of Li et al."""
    squared = probability.square()
    return squared / squared.sum(1, keepdim=True)


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
    penalty = -(classes * p.mean(0)).log().mean()
    return supervised + weight * error + penalty
