"""Settings of a sweep: which of them vary, which all runs share, and what is selected on validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gridbench.config import RunConfig, flag_of
from gridbench.config.build import unknown_setting
from gridbench.errors import InputError
from gridbench.leaderboard.records.metric_names import full_name
from gridbench.sweeps.grid import AXES, RECIPE, seeds_of, several
from gridbench.sweeps.search_space import EVERY, Search

__all__ = ["read_settings"]

OWN = ("seeds", "trials", "metric")
"""Settings of a sweep besides those of a run."""


def read_settings(
    values: dict[str, Any],
) -> tuple[dict[str, list[str]], dict[str, Any], Search | None]:
    """Split the settings of a sweep into axes with their values, settings that all runs share, and what is selected.

    Raises:
        InputError: A name or a value is wrong.
    """
    known = [*RunConfig.model_fields, *OWN]
    for name in values:
        if name not in known:
            raise unknown_setting(name, known, "sweep")
    parameters = values.pop("parameters", None) or {}
    if not isinstance(parameters, dict):
        raise InputError(
            f"The setting 'parameters' is {parameters!r}; it must hold `name: value` lines, such as lambda: 0:90:10."
        )
    axes = {name: several(name, values.pop(name)) for name in AXES if values.get(name) is not None}
    seeds = values.pop("seeds", None)
    if seeds is not None:
        if "seed" in axes:
            raise InputError("Give --seed or --seeds, not both.")
        axes["seed"] = seeds_of(seeds)
    for name, given in parameters.items():
        axes[f"parameters.{name}"] = several(f"parameters.{name}", given)
    return axes, values, _search(axes, values)


def _search(axes: dict[str, list[str]], values: dict[str, Any]) -> Search | None:
    """Remove what is to be selected from the settings and return it; `last` and `best`, which select epochs, stay."""
    given = values.pop("select", None)
    words = several("select", given) if given is not None else []
    epochs = [word for word in words if word in ("last", "best")]
    settings = _settings_to_select(axes, words)
    names = tuple(word for word in words if word not in epochs and _as_setting(word) not in settings)
    if len(epochs) > 1:
        raise InputError(
            "--select has both last and best, which choose the epoch to score; give one of them."
        )
    if epochs:
        values["select"] = epochs[0]
    trials, metric = values.pop("trials", None), values.pop("metric", None)
    if not names and not settings:
        if metric is not None:
            raise InputError(
                f"--metric {metric} is the score of a selection, but nothing is selected. Add --select, such as "
                "--select lambda."
            )
        if trials is not None:
            raise InputError(
                "--trials is the number of tries of a selection, but nothing is selected. Add --select, such as "
                "--select lambda."
            )
        return None
    if trials is not None and (
        not isinstance(trials, int | str)
        or isinstance(trials, bool)
        or not (str(trials).isascii() and str(trials).isdecimal())
    ):
        raise InputError(f"--trials is {trials!r}; it must be a whole number from 2.")
    picked = axes if EVERY in names else {f"parameters.{name}": None for name in names}
    own = [name for name in axes if name.startswith("parameters.") and name in picked]
    tried = {name.removeprefix("parameters."): axes.pop(name) for name in own}
    by = {} if metric is None else {"metric": full_name(str(metric))}
    return Search(names, tried, settings, None if trials is None else int(trials), **by)


def _settings_to_select(axes: dict[str, list[str]], words: Sequence[str]) -> dict[str, list[str]]:
    """Remove the settings of the recipe that are selected from the axes, and return them with their values.

    A name that settings and parameters share means the setting where that is given with several values.

    Raises:
        InputError: Both are given.
    """
    found = [name for name in map(_as_setting, words) if name in RECIPE and len(axes.get(name, ())) > 1]
    for name in found:
        if f"parameters.{name}" in axes:
            raise InputError(
                f"--select {name} could mean the setting {flag_of(name)} or the parameter -p {name}; give values for "
                "only one of them."
            )
    return {name: axes.pop(name) for name in found}


def _as_setting(word: str) -> str:
    return word.replace("-", "_")
