"""Class-dependent noise: labels are flipped according to a transition table between classes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from gridbench.errors import InputError
from gridbench.noise.core.corruption import Corruption
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.model import NoiseModel
from gridbench.noise.core.tables import named_tables, place_table, refuse_other_order, table_path
from gridbench.noise.core.transition import read_named_table, replace_by_table
from gridbench.parameters import parameter
from gridbench.registry import register_noise

__all__ = ["ClassDependent", "Parameters"]


@dataclass(frozen=True)
class Parameters:
    """Which transition table, and of which classes."""

    table: str = parameter(
        "",
        "CSV file with a row per clean class and a column per noisy class, counts or shares; or the name of a table "
        "of the package: gridbench noise tables",
        "yours",
    )
    classes: str | None = parameter(
        None,
        "classes that a table of fewer classes is of, such as 3,0,7, or the most frequent ones of the training labels "
        "(frequency); the others stay as they are",
        "yours",
    )


@register_noise()
class ClassDependent(NoiseModel):
    """The rate is the share of all labels that are replaced: exactly floor(P * rate / 100).

    The table gives proportions, the rate the amount: as many labels of each class become each other class as are
    proportional to the table, to within rounding, and which ones is drawn; see `transition.replace_by_table`. At the
    table's own rate (its off-diagonal share of the labels) that is the table itself, as with cleanlab's
    `generate_noisy_labels`. `gridbench noise tables` lists the tables of the package with their own rates;
    `transition.estimate_transition` makes a table from a clean and a noisy copy.
    """

    version = 2
    levels = ("scene", "single")
    Parameters = Parameters

    def inputs(self) -> tuple[Path, ...]:
        """Return the file of the table."""
        return (table_path(self.parameters.table),) if self.parameters.table else ()

    def corrupt_scene(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Replace labels by the table."""
        clean = labels.scene_labels
        name = self.parameters.table
        if not name:
            raise InputError(
                "The noise model 'class_dependent' needs a transition table: --noise-parameter table=FILE.csv, a "
                "row per clean class and a column per noisy class, or table=NAME of one of the package: "
                f"{', '.join(named_tables())}. To estimate one from a clean and a noisy copy of labels: gridbench "
                "noise estimate --help."
            )
        counts = labels.present.sum(axis=0, dtype=np.int64)
        table, names = read_named_table(table_path(name))
        moves = place_table(table, self.parameters.classes, counts, f"transition table {name}")
        if self.parameters.classes is None and labels.class_names is not None:
            refuse_other_order(names, labels.class_names, f"transition table {name}")
        np.fill_diagonal(moves, 0)
        why = "the table lets the others become only classes that their images have"
        return replace_by_table(clean, rate, moves, why, rng)
