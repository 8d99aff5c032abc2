"""Whether the networks of an audit learned anything: what they gain over the frequencies of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.core.labels import IGNORE

__all__ = ["skill_of_labels", "skill_of_maps", "warning"]

Array = npt.NDArray[Any]

LEAST = 0.05
"""Skill below which an audit is not to be trusted: networks that ranked labels well had 0.12 at least, in folds of
`bluemarble` with 30 % of the labels exchanged; one of label maps whose list was wrong throughout had 0.04."""

SMALLEST = 1e-9


def skill_of_labels(given: Array, probabilities: Array, fold_of: Array) -> list[float]:
    """Return the Brier skill score of each fold's held-out predictions, over the frequency of each class elsewhere.

    Args:
        given: (N, C) labels.
        probabilities: (N, C) held-out predictions.
        fold_of: (N,) fold of each image.

    Returns:
        For each fold 1 - B / B0: 1 where every label is predicted, 0 or less where a network knows no more than how
        frequent each class is, 0 where there is no more to know, B0 = 0 (Wilks, Statistical methods in the
        atmospheric sciences, 2011, Section 8.4).
    """
    labels, found = np.asarray(given) != 0, []
    for fold in range(int(fold_of.max()) + 1):
        held = fold_of == fold
        usual = np.square(labels[held] - labels[~held].mean(0)).mean()
        lost = np.square(labels[held] - probabilities[held]).mean()
        found.append(1 - float(lost / usual) if usual > SMALLEST else 0.0)
    return found


def skill_of_maps(maps: Array, predicted: Array, fold_of: Array) -> list[float]:
    """Return for each fold the share of those pixels predicted rightly that are not of the commonest class elsewhere.

    Args:
        maps: (N, H, W) given classes; 255 is left out.
        predicted: (N, H, W) held-out classes.
        fold_of: (N,) fold of each image.

    Returns:
        For each fold 1 - E / E0, of the error rates of the network and of saying the commonest class everywhere; 0
        where E0 is 0.
    """
    found = []
    for fold in range(int(fold_of.max()) + 1):
        held, elsewhere = maps[fold_of == fold], maps[fold_of != fold]
        commonest = np.bincount(elsewhere[elsewhere != IGNORE].ravel(), minlength=1).argmax()
        known = held != IGNORE
        usual = int((held[known] != commonest).sum())
        found.append(1 - float((held != predicted[fold_of == fold])[known].sum() / usual) if usual else 0.0)
    return found


def warning(skills: Sequence[float]) -> str | None:
    """Return a warning about folds whose networks hardly learned anything; None if there are none."""
    poor = [fold for fold, skill in enumerate(skills, 1) if skill < LEAST]
    if not poor:
        return None
    which = f"fold {poor[0]}" if len(poor) == 1 else f"folds {', '.join(map(str, poor))}"
    worst = round(min(skills), 2) + 0.0  # no negative zero
    return (
        f"This list cannot be trusted: in {which} of {len(skills)} the network hardly beats always saying the "
        f"commonest class (skill {worst:.2f}; 0 is that of the commonest class, 1 that of predicting every "
        "label). Train longer (--steps), take another network (--backbone, --pretrained), or more images."
    )
