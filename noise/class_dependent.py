"""Class-dependent noise: a transition table says which classes are mislabelled, and as what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.errors import InputError
from gridbench.noise.core.corruption import Corruption
from gridbench.noise.core.labels import checked_scene_labels
from gridbench.noise.core.model import NoiseModel
from gridbench.noise.core.rates import Rate, exact_rate
from gridbench.noise.core.transition import read_table, replace_by_weight
from gridbench.parameters import parameter
from gridbench.registry import register_noise

__all__ = ["ClassDependent", "Parameters"]


@dataclass(frozen=True)
class Parameters:
    """Where the transition table is."""

    table: str = parameter(
        "", "csv file with a row per clean class and a column per noisy class; counts or shares.", "yours"
    )


@register_noise()
class ClassDependent(NoiseModel):
    """The rate is the share of all labels that are replaced: exactly floor(P * rate / 100).

    The table gives proportions, the rate the amount. A label is offered in proportion to the share of its row that
    is off the diagonal, and becomes a class in proportion to the rest of the row; see
    `transition.replace_by_weight`. `transition.estimate_transition` makes a table from a clean and a noisy copy.
    """

    kinds = ("scene",)
    Parameters = Parameters

    def inputs(self) -> tuple[Path, ...]:
        """Return the file of the table."""
        return (Path(self.parameters.table),) if self.parameters.table else ()

    def scene(
        self,
        labels: npt.NDArray[Any],
        rate: Rate,
        rng: np.random.Generator,
        difficulty: npt.NDArray[Any] | None = None,
    ) -> Corruption:
        """Replace labels by the table."""
        clean, percent = checked_scene_labels(labels), exact_rate(rate)
        if not self.parameters.table:
            raise InputError(
                "The noise model 'class_dependent' needs a transition table: --noise-parameter table=FILE.csv, a "
                "row per clean class and a column per noisy class. To estimate one from a clean and a noisy copy of "
                "labels: gridbench noise estimate --help."
            )
        moves = read_table(Path(self.parameters.table), clean.shape[1])
        np.fill_diagonal(moves, 0)
        source = moves.sum(axis=1)[np.nonzero(clean)[1]]
        why = "the table lets the others become only classes that their images have"
        return replace_by_weight(clean, percent, source, lambda _, classes: moves[classes], why, rng)
