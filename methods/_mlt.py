"""Estimation of the flip rates of each class from label co-occurrences (Li et al., NeurIPS 2022)."""

from __future__ import annotations

import torch
from torch import Tensor

from gridbench.methods._mixture import lower_component, min_max

__all__ = ["class_rates", "fallback_rates", "pair_rates", "scaled_losses", "select"]


def scaled_losses(losses: Tensor, labels: Tensor) -> Tensor:
    """Return (N, C) losses scaled to 0 to 1 among the images with the same label, class by class.

    Args:
        losses: (N, C).
        labels: (N, C) in {0, 1}.
    """
    scaled = torch.zeros_like(losses)
    for column, given, of_class in zip(scaled.T, labels.T, losses.T, strict=True):
        for value in (given == 0, given == 1):
            if value.any():
                column[value] = min_max(of_class[value])
    return scaled


def select(scaled: Tensor, labels: Tensor) -> Tensor:
    """Return (N, C) bool: labels whose loss is more probably a small one, class by class and by value.

    Args:
        scaled: (N, C) scaled losses.
        labels: (N, C) in {0, 1}.
    """
    chosen = torch.zeros_like(labels, dtype=torch.bool)
    for column, given, of_class in zip(chosen.T, labels.T, scaled.T, strict=True):
        for value in (given == 0, given == 1):
            column[value] = lower_component(of_class[value]) > 0.5
    return chosen


def pair_rates(
    joint: Tensor, q_0: Tensor, q_1: Tensor
) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Return what each other class says of the rates of one class.

    Args:
        joint: (2, 2, K), shares of images with label a of the class and b of the other.
        q_0: (K,) how often the other class is labelled where the class is selected as absent.
        q_1: (K,) the same where it is selected as present.

    Returns:
        (K,) estimates of the share of images that truly have the class, of the rate 0 -> 1 and of the rate 1 -> 0; and
        the determinant and the two numerators of the rates, by which an estimate is validated.
    """
    present = (joint[0, 1] + joint[1, 1] - q_0) / (q_1 - q_0)
    m_11, m_10 = q_1 * present, (1 - q_1) * present
    m_01, m_00 = q_0 * (1 - present), (1 - q_0) * (1 - present)
    determinant = m_00 * m_11 - m_01 * m_10
    added = m_11 * joint[1, 0] - m_10 * joint[1, 1]
    missing = m_00 * joint[0, 1] - m_01 * joint[0, 0]
    return present, added / determinant, missing / determinant, (determinant, added, missing)


def class_rates(labels: Tensor, chosen: Tensor, number: int) -> tuple[float, float] | None:
    """Return the rates 0 -> 1 and 1 -> 0 of one class, or None where no other class gives acceptable ones.

    Of the estimates by each other class, the one that contradicts all of them least.

    Args:
        labels: (N, C) in {0, 1}, float64.
        chosen: (N,) bool, images whose label of the class is selected; both values are among them.
        number: The class.
    """
    given = labels[:, number]
    others = torch.cat([labels[:, :number], labels[:, number + 1 :]], 1)
    sides = torch.stack([1 - given, given])
    joint = torch.stack([sides @ (1 - others), sides @ others], 1) / len(labels)
    q_0, q_1 = (others[chosen & (given == value)].mean(0) for value in (0, 1))
    present, added, missing, (determinant, *numerators) = pair_rates(joint, q_0, q_1)
    # Rates that are negative by so little count as 0, as in tmllab's noise_rate_estimation_ours.py.
    tolerance = -0.3 / labels.shape[1]
    added, missing = (torch.where((rate < 0) & (rate > tolerance), 0.0, rate) for rate in (added, missing))
    accepted = (present >= 0) & (present <= 1) & (added >= 0) & (missing >= 0) & (added + missing < 1)
    if not accepted.any():
        return None
    added, missing = added[accepted], missing[accepted]
    gaps = [
        (rate[:, None] * determinant - numerator).abs()
        for rate, numerator in zip((added, missing), numerators, strict=True)
    ]
    best = int(torch.nan_to_num(gaps[0] + gaps[1], posinf=0.0).sum(1).argmin())
    return float(added[best]), float(missing[best])


def fallback_rates(probability: Tensor, given: Tensor) -> tuple[float, float]:
    """Return the rates 0 -> 1 and 1 -> 0 of one class by Dual-T (Yao et al., NeurIPS 2020).

    Args:
        probability: (N,) how probable the class was predicted to be.
        given: (N,) its labels in {0, 1}.
    """
    certain = torch.stack([probability.min(), probability.max()])
    predicted = probability > 0.5
    counts = torch.stack(
        [torch.stack([((predicted == p) & (given == g)).sum() for g in (0, 1)]) for p in (0, 1)]
    ).double()
    between = counts / counts.sum(1, keepdim=True).clamp_min(1)
    both = torch.stack([1 - certain, certain], 1).double() @ between
    return float(both[0, 1]), float(both[1, 0])
