"""The random draws of mixup, for the methods that mix images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["draw_mixing"]


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
