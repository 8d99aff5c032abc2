"""Confusable classes: labels are replaced by the class with which they are easily confused."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from gridbench.errors import InputError
from gridbench.noise.core.corruption import Corruption
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.model import NoiseModel
from gridbench.noise.core.sampling import Flags
from gridbench.noise.core.transition import replace_by_weight
from gridbench.parameters import parameter
from gridbench.registry import register_noise

__all__ = ["Confusable", "Parameters"]


@dataclass(frozen=True)
class Parameters:
    """Which classes are confused with each other."""

    pairs: str = parameter(
        "auto",
        "class numbers such as 0-3,1-2, each confused with the other; auto finds each class's partner in the labels",
        "ours",
    )


@register_noise()
class Confusable(NoiseModel):
    """The rate is the share of all labels that are replaced: exactly floor(P * rate / 100).

    Labels of paired classes are offered in random order and become a partner that their image does not have. With
    `auto`, the partner of a class is the one that occurs in the most similar company: the cosine of their
    co-occurrences with all other classes is largest. A class that never occurs in company has no partner then.
    """

    levels = ("scene", "single")
    Parameters = Parameters

    def corrupt_scene(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Replace labels by their partners."""
        clean = labels.scene_labels
        moves = partners(clean != 0, self.parameters.pairs)
        source = (moves.sum(axis=1) > 0).astype(np.float64)[np.nonzero(clean)[1]]
        why = "the others have no partner, or their images have the partner already"
        if not moves.any():
            why = "classes that never occur together have no partner; name pairs: --noise-parameter pairs=0-1"
        return replace_by_weight(clean, rate, source, lambda _, classes: moves[classes], why, rng)


def partners(present: Flags, pairs: str) -> npt.NDArray[np.float64]:
    """Return which class is confused with which.

    Args:
        present: (N, C) labels.
        pairs: `"auto"`, or class numbers such as `"0-3,1-2"`.

    Returns:
        (C, C), 1 where the row's class becomes the column's class.

    Raises:
        InputError: `pairs` is neither.
    """
    classes = present.shape[1]
    moves = np.zeros((classes, classes))
    if pairs == "auto":
        for one, other in enumerate(_likeliest(present)):
            if other >= 0:
                moves[one, other] = 1
        return moves
    for pair in pairs.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*-\s*(\d+)\s*", pair)
        numbers = [int(number) for number in match.groups()] if match else []
        if len(set(numbers)) != 2 or max(numbers) >= classes:
            raise InputError(
                f"The parameter 'pairs' holds {pair!r}; allowed are 'auto' and two different classes from 0 to "
                f"{classes - 1} each, such as 0-1,2-3."
            )
        if moves[*numbers]:
            raise InputError(f"The parameter 'pairs' names the classes of {pair.strip()} twice.")
        moves[numbers, numbers[::-1]] = 1
    return moves


def _likeliest(present: Flags) -> list[int]:
    together = present.T.astype(np.float64) @ present.astype(np.float64)
    np.fill_diagonal(together, 0)
    classes = len(together)
    best = []
    for one in range(classes):
        scores = np.zeros(classes)
        for other in range(classes):
            rest = [column for column in range(classes) if column not in (one, other)]
            u, v = together[one, rest], together[other, rest]
            length = np.sqrt(u @ u) * np.sqrt(v @ v)
            scores[other] = u @ v / length if length and other != one else 0.0
        best.append(int(scores.argmax()) if scores.any() else -1)
    return best
