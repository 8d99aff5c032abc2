"""Computations of ADELE: multi-scale losses, label correction, and the epoch from which it starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from gridbench.core.labels import IGNORE

__all__ = ["corrected_maps", "multiscale_losses", "predictions_at", "update_epoch"]

SCALES = (1.0, 0.7, 1.5)
"""Of the images that must be predicted alike, as in Kangningthu/ADELE; the first is the image itself."""

TINY = torch.finfo(torch.float32).tiny
"""Smallest probability in the divergence."""

RISE = 0.1
"""IoU by which a class must rise from one epoch to the next for its curve to begin, as in Kangningthu/ADELE."""


def predictions_at(predict: Callable[[Tensor], Tensor], images: Tensor) -> list[Tensor]:
    """Return the (B, C, H, W) logits of images at each scale, resized to those of the images themselves."""
    found = [predict(images)]
    for scale in SCALES[1:]:
        resized = F.interpolate(images, scale_factor=scale, mode="bilinear", align_corners=True)
        logits = predict(resized).float()
        found.append(F.interpolate(logits, found[0].shape[2:], mode="bilinear", align_corners=True))
    return found


def multiscale_losses(logits: list[Tensor], maps: Tensor, rho: float) -> tuple[Tensor, Tensor]:
    """Return the (B,) cross entropies and the (B,) divergences of predictions at several scales.

    The cross entropy of each scale is of its logits divided by the number of scales, and a mean over all pixels, those
    without a label costing 0. The divergence is KL of each scale from their mean, a mean over all pixels, and 0 for an
    image in which no class is predicted with a probability of `rho` anywhere (Liu et al., CVPR 2022, Section 3.2).

    Args:
        logits: (B, C, H, W) of each scale.
        maps: (B, H, W) classes, 255 = ignore.
        rho: Probability from which an image counts, 0 to 1.
    """
    share = 1 / len(logits)
    entropies = [
        F.cross_entropy(share * each.float(), maps, ignore_index=IGNORE, reduction="none") for each in logits
    ]
    # A probability that is rounded to 0 adds 0 log 0 = 0 to the divergence, but NaN to the gradient.
    probabilities = [F.softmax(each.float(), 1).clamp_min(TINY) for each in logits]
    mixture = (share * torch.stack(probabilities).sum(0)).clamp(1e-3, 1 - 1e-3)
    divergence = sum(
        (F.kl_div(mixture.log(), each, reduction="none").sum(1) for each in probabilities),
        mixture.new_zeros(()),
    )
    known = (maps != IGNORE).unsqueeze(1)
    certain = (mixture * known).amax((1, 2, 3)) >= rho
    losses = torch.stack(entropies).sum(0).flatten(1).mean(1)
    return losses, torch.where(certain, divergence.flatten(1).mean(1), 0.0)


def corrected_maps(
    maps: Tensor, probabilities: Tensor, classes: Tensor, tau: float, background: int | None = None
) -> Tensor:
    """Return the maps with certain predictions in place of labels that may be corrected.

    A pixel takes the predicted class where its probability is above tau, both its label and the predicted class are
    among `classes` or the background, and the image has the predicted class or it is the background.

    Args:
        maps: (B, H, W) classes, 255 = ignore.
        probabilities: (B, C, H, W).
        classes: (C,) bool, classes that are corrected.
        tau: Confidence threshold of predictions.
        background: Class that may always be corrected from and to, or None.
    """
    certain, predicted = probabilities.max(1)
    allowed = torch.zeros(IGNORE + 1, dtype=torch.bool, device=maps.device)
    allowed[: len(classes)] = classes
    there = torch.zeros(len(maps), IGNORE + 1, dtype=torch.bool, device=maps.device)
    there.scatter_(1, maps.flatten(1), True)
    if background is not None:
        allowed[background] = True
        there[:, background] = True
    occurs = there.gather(1, predicted.flatten(1)).view_as(predicted)
    change = (certain > tau) & allowed[maps] & allowed[predicted] & occurs
    return torch.where(change, predicted, maps)


def update_epoch(curve: NDArray[np.float64], epochs: int, slowdown: float) -> float:
    """Return the epoch from which a class is corrected, from its IoU in each epoch so far.

    The curve a (1 - exp(-x^b / c)) is fitted to the values from just before the first rise of at least 0.1 on; the
    class is due when the slope has fallen by `slowdown` of what it was at x = 1 (Liu et al., CVPR 2022, Section 3.1).

    Args:
        curve: (n,) IoU of each epoch, 0 to 1.
        epochs: Length of the run.
        slowdown: Relative fall of the slope, 0 to 1.

    Returns:
        The epoch, 1 being the first; infinity while nothing can be fitted.
    """
    from scipy.optimize import curve_fit

    rises = np.diff(curve) >= RISE
    cut = int(rises.argmax()) if rises.any() else max(len(curve) - 1, 0)
    rest = np.asarray(curve, dtype=np.float64)[cut:]
    if len(rest) < 3:
        return float("inf")

    def fitted(x: Any, a: float, b: float, c: float) -> Any:
        return a * (1 - np.exp(-(x**b) / c))

    def slope(x: Any, a: float, b: float, c: float) -> Any:
        x = x + 1e-6
        return a * b / c * np.exp(-(x**b) / c) * x ** (b - 1)

    try:
        (a, b, c), _ = curve_fit(
            fitted,
            np.linspace(0, len(rest), len(rest)),
            rest,
            p0=(1, 1, 1),
            method="trf",
            sigma=np.geomspace(1, 0.1, len(rest)),
            absolute_sigma=True,
            bounds=([0, 0, 0], [1, 1, np.inf]),
        )
    except RuntimeError:
        return float("inf")
    first = abs(slope(1.0, a, b, c))
    if first == 0:
        return float("inf")
    changes = np.abs(np.abs(slope(np.arange(1, epochs), a, b, c)) - first) / first
    changes[changes > 1] = 0
    return cut + float((changes <= slowdown).sum()) + 1
