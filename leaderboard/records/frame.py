"""All measurements as one table in long (tidy) format."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from gridbench.leaderboard.records.metric_info import unit_of
from gridbench.leaderboard.records.runs import Run, Setting, collect

__all__ = ["load"]

_FIRST = ["id", "cell", "dataset", "method", "loss", "noise", "slnir", "seed", "metric", "value", "unit"]


def load(path: str | os.PathLike[str], costs: bool = False) -> pd.DataFrame:
    """Load a folder of run records as a long, tidy table.

    Args:
        path: The folder that runs are written to, or a file of compact records.
        costs: Whether to read every record's environment too, and add `seconds/<phase>`, `seconds/total` and, where it
            is known, `memory/peak`.

    Returns:
        One row a finished run and metric: id, cell, dataset, method, loss, noise, slnir (percent), seed,
        metric, value as recorded (rates are fractions; `unit` says), then every other field of the
        configuration, with parameters as `parameters.<name>`, and `machine`, which names the machine that computed
        the run. An empty folder gives no rows.
        `attrs["left_out"]` lists (folder, state, reason) of each record that is not a result.

    Raises:
        InputError: The folder does not exist, or holds one run twice with different numbers.
    """
    found = collect(Path(path))
    runs = found.runs
    values = [{**run.metrics, **(run.costs() if costs else {})} for run in runs]
    position = [at for at, metrics in enumerate(values) for _ in metrics]
    names = [metric for metrics in values for metric in metrics]
    settings = pd.DataFrame([_recorded(run) for run in runs])
    settings.insert(0, "id", pd.Series([run.id for run in runs], dtype=object))
    settings.insert(1, "cell", pd.Series([run.cell for run in runs], dtype=object))
    settings["reference"] = [run.reference for run in runs]
    settings["origin"] = [run.origin for run in runs]
    settings["machine"] = pd.Series([run.machine for run in runs], dtype=object)
    settings["folder"] = [run.stored.folder.name for run in runs]
    if runs:
        settings["slnir"] = settings["slnir"].astype(float)
    frame = settings.iloc[position].reset_index(drop=True)
    frame["metric"] = names
    frame["value"] = [value for metrics in values for value in metrics.values()]
    frame["unit"] = [unit_of(name).recorded for name in names]
    frame = frame.reindex(columns=[*_FIRST, *(name for name in frame.columns if name not in _FIRST)])
    frame.attrs["left_out"] = [(str(item.folder), item.state, item.reason) for item in found.left_out]
    return frame


def _recorded(run: Run) -> dict[str, Setting]:
    recorded = {**run.settings, "seed": run.seed}
    if "noise_seed" in recorded and recorded["noise_seed"] is None:
        recorded["noise_seed"] = run.seed
    return recorded
