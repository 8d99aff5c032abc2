"""What a noise model returns: the noisy labels and the exact record of what became what."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Corruption", "Ints", "Kind", "ordered"]

Ints = npt.NDArray[np.int64]
Kind = Literal["scene", "pixel"]


@dataclass(frozen=True, eq=False)
class Corruption:
    """Noisy labels and how they came about.

    Attributes:
        labels: Noisy scene labels (N, C) or label maps (N, H, W), in the type of the clean ones.
        changed: (K, 3) of sample, class before, class after, in this order of sorting; -1 as class before means
            that a label was only added, as class after that one was only removed.
        requested: Requested rate in percent, exact.
        kind: `"scene"` or `"pixel"`.
        positives: (C,) how many units of each class the rate is a share of; for most models the labels there
            are, see the model.
        affected: (C,) how many of them changed.
    """

    labels: npt.NDArray[Any]
    changed: Ints
    requested: Decimal
    kind: Kind
    positives: Ints
    affected: Ints

    @property
    def realised(self) -> float:
        """Realised rate in percent; 0 when there is nothing that could change."""
        total = int(self.positives.sum())
        return 100.0 * int(self.affected.sum()) / total if total else 0.0

    @property
    def noisy(self) -> npt.NDArray[np.bool_]:
        """(N,) whether any label of the sample was changed."""
        noisy = np.zeros(len(self.labels), dtype=np.bool_)
        noisy[self.changed[:, 0]] = True
        return noisy


def ordered(rows: Any) -> Ints:
    """Return (K, 3) rows of sample, class before, class after, sorted."""
    changed = np.asarray(rows, dtype=np.int64).reshape(-1, 3)
    return changed[np.lexsort((changed[:, 2], changed[:, 1], changed[:, 0]))]
