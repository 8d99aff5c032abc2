"""Losses of one softmax and one true class, as pure functions; per image and per pixel alike.

Every function takes (B, C, ...) logits and (B, ...) int64 classes from 0 to C - 1, and returns (B, ...) losses. Golden
values and defaults are those of the code that the sources published.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "cross_entropy",
    "generalised_cross_entropy",
    "label_smoothing",
    "mean_absolute_error",
    "normalised_cross_entropy",
    "normalised_negative_cross_entropy",
    "reverse_cross_entropy",
    "symmetric_cross_entropy",
]

LOWEST = 1e-7
"""Probabilities are kept above this much, as in HanxunH/Active-Passive-Losses and Virusdoll/Active-Negative-Loss."""

REVERSE = -math.log(1e-4)
"""What RCE takes for -log 0: labels are clamped to 1e-4 (Wang et al., ICCV 2019)."""


def cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """Return -log p of the true class."""
    return F.cross_entropy(logits, classes, reduction="none")


def label_smoothing(logits: Tensor, classes: Tensor, smoothing: float) -> Tensor:
    """Return the cross entropy with targets (1 - smoothing) one-hot + smoothing / C (Szegedy et al., CVPR 2016)."""
    return F.cross_entropy(logits, classes, reduction="none", label_smoothing=smoothing)


def mean_absolute_error(logits: Tensor, classes: Tensor) -> Tensor:
    """Return 1 - p of the true class, half the L1 distance to the one-hot label (Ghosh et al., AAAI 2017)."""
    return 1 - _true(F.softmax(logits, 1), classes)


def generalised_cross_entropy(logits: Tensor, classes: Tensor, q: float) -> Tensor:
    """Return (1 - p^q) / q of the true class (Zhang and Sabuncu, NeurIPS 2018, eq. 6); CE as q goes to 0, MAE at 1."""
    log_p = _true(F.log_softmax(logits, 1), classes).clamp_min(math.log(LOWEST))
    # 1 - p^q by expm1: the difference of two numbers close to 1 would lose its digits as q goes to 0.
    return -torch.expm1(q * log_p) / q


def reverse_cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """Return -sum p log(label) with labels clamped to 1e-4, which is 9.21034 (1 - p) of the true class."""
    return REVERSE * mean_absolute_error(logits, classes)


def symmetric_cross_entropy(logits: Tensor, classes: Tensor, alpha: float, beta: float) -> Tensor:
    """Return alpha CE + beta RCE (Wang et al., ICCV 2019, eq. 7)."""
    return alpha * cross_entropy(logits, classes) + beta * reverse_cross_entropy(logits, classes)


def normalised_cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """Return log p of the true class over the sum of log p of all classes (Ma et al., ICML 2020, eq. 5)."""
    log_p = F.log_softmax(logits, 1)
    return _true(log_p, classes) / log_p.sum(1)


def normalised_negative_cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """Return 1 - a / sum(a) of the true class, a = log max(p, 1e-7) - log 1e-7 (Ye et al., NeurIPS 2023)."""
    above = F.softmax(logits, 1).clamp_min(LOWEST).log() - math.log(LOWEST)
    return 1 - _true(above, classes) / above.sum(1)


def _true(values: Tensor, classes: Tensor) -> Tensor:
    chosen: Tensor = torch.gather(values, 1, classes.unsqueeze(1)).squeeze(1)
    return chosen
