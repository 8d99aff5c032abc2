"""The supervised variational autoencoder over image descriptors (paper, Section III-B)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["SupervisedVAE", "draw_epsilon", "kl_divergence"]

KLReduction = Literal["sum", "mean", "axis_one"]


class SupervisedVAE(nn.Module):
    """Encoder, feature decoder and generative task head; linear layers, or 1x1 convolutions over feature maps.

    Args:
        width: Descriptor width D.
        latent: Latent dimension J.
        spatial: Whether features are maps (B, D, h, w) instead of vectors (B, D).
        head: Generative task head over J channels, the same type as the discriminative one.
    """

    def __init__(self, width: int, latent: int, spatial: bool, head: nn.Module) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(width, 2 * latent, 1) if spatial else nn.Linear(width, 2 * latent)
        self.decoder = nn.Conv2d(latent, width, 1) if spatial else nn.Linear(latent, width)
        self.head = head

    def encode(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of q(z|x), each (B, J) or (B, J, h, w), in float32 (eq. 4)."""
        mean, spread = self.encoder(features).float().chunk(2, dim=1)
        return mean, F.softplus(spread)

    def decode(self, latent: Tensor) -> Tensor:
        """Return the reconstructed features of z, with the ReLU of the published code."""
        return F.relu(self.decoder(latent))


def draw_epsilon(like: Tensor, shared: bool, generator: torch.Generator) -> Tensor:
    """Draw the standard normal noise of the reparameterisation trick (eq. 6).

    Args:
        like: (B, J) or (B, J, h, w), whose shape, type and device are used.
        shared: One vector for the whole batch, as the published code does with descriptors; feature maps get
            a draw per sample and location either way.
        generator: Random numbers of the step.
    """
    shape = (1, *like.shape[1:]) if shared and like.ndim == 2 else like.shape
    return torch.randn(shape, generator=generator, device=like.device, dtype=like.dtype)


def kl_divergence(mean: Tensor, deviation: Tensor, reduction: KLReduction = "sum") -> Tensor:
    """Return the scalar KL(q(z|x) || N(0, I)), averaged over the batch.

    Eq. 7 prints it with the opposite sign; minimising that would maximise the divergence.

    Args:
        mean: (B, J) or (B, J, h, w).
        deviation: Same shape, positive.
        reduction: `sum` over the latent, mean over batch and positions; `mean` over everything; `axis_one` is the
            published code's sum over the second axis of its channels-last layout: the latent for vectors, the
            height for maps, mean over the rest.
    """
    variance = deviation.square()
    terms = 0.5 * (mean.square() + variance - 1 - torch.log(variance + 1e-7))
    if reduction == "mean":
        return terms.mean()
    axis = 2 if reduction == "axis_one" and terms.ndim == 4 else 1
    return terms.sum(axis).mean()
