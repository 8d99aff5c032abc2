"""Missing and extra labels together, class by class, as in Burgert et al. (multi-label remote sensing).

There, floor(a * n_c) wrong labels are added to each class c with n_c labels and floor(s * n_c) right ones deleted. A
class is added to at most floor(0.95 N) - n_c images, counted before any deletion. Their a and s are here
`rate * added / 100` and the rest of the rate: a = s = 0.3 is `rate=60`, `added=50`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

import numpy as np

from gridbench.noise.core.corruption import Corruption, scene_corruption
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.model import NoiseModel
from gridbench.noise.core.rates import exact_rate, share_of
from gridbench.parameters import parameter
from gridbench.registry import register_noise

__all__ = ["Mixed", "Parameters"]


@dataclass(frozen=True)
class Parameters:
    """How the rate is divided, and how common a class may become."""

    added: float = parameter(
        50.0, "percent of the rate that adds labels; the rest deletes", "ours", low=0, high=100
    )
    cap: float = parameter(
        95.0, "percent of all images that a class is added to at most", "Burgert et al.", low=0, high=100
    )


@register_noise()
class Mixed(NoiseModel):
    """The rate is the share of a class's labels that are deleted or wrongly added, exact for every class.

    Additions that the cap or the number of images leaves no room for are left out, and the realised rate says so.
    """

    version = 2
    levels = ("scene",)
    refuses: ClassVar[Mapping[str, str]] = {
        "single": "it adds and removes labels, and of single labels every image keeps exactly one"
    }
    Parameters = Parameters

    def corrupt_scene(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Delete and add labels of every class."""
        clean = labels.scene_labels
        added = rate * exact_rate(self.parameters.added, "added") / 100
        most = share_of(len(clean), exact_rate(self.parameters.cap, "cap"))
        rows = [np.zeros((0, 3), dtype=np.int64)]
        for column, present in enumerate(np.ascontiguousarray(clean.T) != 0):
            have, lack = np.flatnonzero(present), np.flatnonzero(~present)
            deletions = share_of(len(have), rate - added)
            # Counted before the deletions, as in the source.
            room = max(0, most - len(have))
            additions = min(share_of(len(have), added), len(lack), room)
            gone = rng.choice(have, deletions, replace=False, shuffle=False)
            new = rng.choice(lack, additions, replace=False, shuffle=False)
            rows.append(np.stack((gone, np.full_like(gone, column), np.full_like(gone, -1)), axis=1))
            rows.append(np.stack((new, np.full_like(new, -1), np.full_like(new, column)), axis=1))
        return scene_corruption(clean, np.concatenate(rows), rate)
