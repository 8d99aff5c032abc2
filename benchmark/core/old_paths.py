"""Aliases for old module paths that published scripts and plug-ins import (a leaf).

An old path resolves to the same module object, so that classes are identical under both names.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Loader
else:
    # Importing importlib.abc takes a fifth of the time of `gridbench --help`.
    Loader = object

__all__ = ["MOVED", "install"]

MOVED = {
    "gridbench.atomic": "gridbench.core.files",
    "gridbench.datasets.bigearthnet_classes": "gridbench.datasets.readers.bigearthnet.classes",
    "gridbench.datasets.building": "gridbench.datasets.archive.building",
    "gridbench.datasets.landuse": "gridbench.datasets.readers.landuse.classes",
    "gridbench.datasets.layout": "gridbench.datasets.archive.layout",
    "gridbench.datasets.packing": "gridbench.datasets.archive.writer",
    "gridbench.epochlog": "gridbench.training.epoch_metrics",
    "gridbench.leaderboard.figure_curves": "gridbench.leaderboard.figures.curves",
    "gridbench.leaderboard.figure_style": "gridbench.leaderboard.figures.style",
    "gridbench.leaderboard.runs": "gridbench.leaderboard.records.runs",
    "gridbench.leaderboard.statistics": "gridbench.leaderboard.stats.statistics",
    "gridbench.leaderboard.table": "gridbench.leaderboard.tables.table",
    "gridbench.leaderboard.units": "gridbench.leaderboard.records.metric_info",
    "gridbench.methods.gate": "gridbench.methods._grid.routing",
    "gridbench.methods.split": "gridbench.methods._grid.routing",
    "gridbench.noise.corruption": "gridbench.noise.core.corruption",
    "gridbench.noise.labels": "gridbench.noise.core.labels",
    "gridbench.noise.rates": "gridbench.noise.core.rates",
    "gridbench.optimizer": "gridbench.training.optimization.optimizer",
    "gridbench.record": "gridbench.records.record",
    "gridbench.runner": "gridbench.records.runner",
    "gridbench.streams": "gridbench.core.streams",
}


class _Finder(Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(fullname, self) if fullname in MOVED else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        # The import machinery returns the entry in sys.modules after this call.
        sys.modules[module.__name__] = importlib.import_module(MOVED[module.__name__])


def install() -> None:
    """Make the old paths importable, once."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
