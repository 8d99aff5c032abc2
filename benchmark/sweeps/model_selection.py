"""Model selection: choose parameters by validation scores only, and record the choice (paper, Section IV-B)."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridbench.config import FIELDS
from gridbench.core.files import check_folder
from gridbench.core.json_files import write_json
from gridbench.errors import InputError, counted
from gridbench.leaderboard.records.metric_info import VALIDATION, unit_of
from gridbench.leaderboard.records.metric_names import HEADLINE, is_prediction, of_other_labels
from gridbench.records.record import SELECTIONS, read_record
from gridbench.sweeps.grid import Item
from gridbench.sweeps.search_space import Search, selected_names

__all__ = ["Selection", "Trial", "describe_selection", "require_scores", "select", "write_selection"]

SCHEMA = 1

FAILED = "failed"
UNKNOWN = "done, without that score"
RULE = "mean over noise rates and seeds, one choice for all noise rates; test scores were not read"


@dataclass(frozen=True)
class Trial:
    """One combination of parameter values and its validation scores.

    Attributes:
        parameters: The selected parameters by public name, and the selected settings.
        scores: Run id -> validation score (fraction), of the runs that are done.
        missing: Description of a run -> its state, for runs without a score.
        cells: The cells that its runs belong to.
    """

    parameters: Mapping[str, Any]
    scores: Mapping[str, float]
    missing: Mapping[str, str]
    cells: tuple[str, ...]

    @property
    def mean(self) -> float:
        """Mean over noise rates and seeds, a fraction; NaN without any score."""
        return math.fsum(self.scores.values()) / len(self.scores) if self.scores else math.nan

    @property
    def unfinished(self) -> bool:
        """Whether one of its runs is still to be computed, rather than failed."""
        return any(state not in (FAILED, UNKNOWN) for state in self.missing.values())


@dataclass(frozen=True)
class Selection:
    """The trials of one method, and the parameters chosen for all noise rates.

    Attributes:
        dataset: Name of the data set.
        method: Name of the method.
        loss: Name of the loss.
        names: The selected parameters and settings.
        metric: Validation score that was compared.
        slnirs: Noise rates (percent, exact decimals) that the mean is over.
        seeds: Seeds that the mean is over.
        trials: Everything that was tried.
    """

    dataset: str
    method: str
    loss: str | None
    names: tuple[str, ...]
    metric: str
    slnirs: tuple[str, ...]
    seeds: tuple[int, ...]
    trials: tuple[Trial, ...]

    @property
    def chosen(self) -> Trial | None:
        """The trial of best mean, the first of equal ones; None while some are not finished.

        A trial of which a run failed is not a candidate: its mean would be over other runs than those of the others.
        """
        if any(trial.unfinished for trial in self.trials):
            return None
        whole = [trial for trial in self.trials if not trial.missing]
        return max(whole, key=lambda trial: self.sign * trial.mean, default=None)

    @property
    def sign(self) -> int:
        """1 where a higher score is better, -1 where a lower one is."""
        return -1 if unit_of(self.metric).better == "lower" else 1

    def document(self) -> dict[str, Any]:
        """Return what the selection's file holds."""
        chosen = self.chosen
        return {
            "schema": SCHEMA,
            "dataset": self.dataset,
            "method": self.method,
            "loss": self.loss,
            "parameters": list(self.names),
            "metric": self.metric,
            "rule": f"{'highest' if self.sign > 0 else 'lowest'} {RULE}",
            "slnir": list(self.slnirs),
            "seeds": list(self.seeds),
            "chosen": None if chosen is None else dict(chosen.parameters),
            "chosen_cells": [] if chosen is None else list(chosen.cells),
            "trials": [
                {
                    "parameters": dict(trial.parameters),
                    "mean": None if math.isnan(trial.mean) else trial.mean,
                    "runs": len(trial.scores),
                    "missing": dict(trial.missing),
                    "cells": list(trial.cells),
                    "scores": dict(trial.scores),
                }
                for trial in self.trials
            ],
        }


def require_scores(items: Iterable[Item], search: Search) -> None:
    """Refuse a selection by a score that its runs will not have.

    Raises:
        InputError: An archive has no validation images, or a method's validation scores lack this one.
    """
    for plan in (item.plan for item in items):
        if not selected_names(plan.config.method, plan.config.loss, search):
            continue
        if not len(plan.archive.indices("val")):
            raise InputError(
                f"The data set {plan.config.dataset!r} has no validation images, by whose scores --select chooses. "
                "Give the values themselves, such as -p NAME=VALUE, or prepare the data with a validation split."
            )
        metric, k = search.metric, plan.config.k
        cut = re.fullmatch(rf"{VALIDATION}\w+@(\d+)", metric)
        if cut and metric != f"{VALIDATION}precision@1" and int(cut[1]) != k:
            raise InputError(
                f"Rankings are scored at k = {k}, and --metric {metric} asks for another length. Choose by "
                f"{metric.partition('@')[0]}@{k}, or add --k {cut[1]}."
            )
        if is_prediction(metric) and plan.loss is not None:
            reason = of_other_labels(metric, str(plan.loss.task.predicts))
            if reason:
                raise InputError(
                    f"The heads of {plan.config.method} have no {metric} to select by: {reason}. "
                    "`gridbench list metrics` lists the scores."
                )


def select(items: Iterable[Item], runs: Path, search: Search) -> list[Selection]:
    """Choose, for each method and loss of a sweep, the parameters that scored best on validation.

    Only validation scores are looked at, such as NDCG of train queries and validation archive at the run's own cut-off.

    Args:
        items: The runs of the sweep.
        runs: The folder that holds their records.
        search: What was selected.

    Returns:
        A selection for each method that has one of the parameters; all else that differs stays apart.
    """
    groups: dict[str, list[Item]] = {}
    names: dict[str, tuple[str, ...]] = {}
    for item in items:
        config = item.plan.config
        own = selected_names(config.method, config.loss, search)
        if own:
            key = _rest(item, own, search)
            groups.setdefault(key, []).append(item)
            names[key] = own
    return [_selection(group, names[key], runs, search) for key, group in groups.items()]


def write_selection(selection: Selection, runs: Path) -> Path:
    """Write a selection beside the runs that it was made from.

    Returns:
        The file; the same runs give the same name.
    """
    ids = sorted(cell for trial in selection.trials for cell in trial.cells)
    stamp = hashlib.sha256(json.dumps([ids, selection.seeds]).encode()).hexdigest()[:10]
    by = "" if f"/{HEADLINE}@" in selection.metric else selection.metric
    words = (selection.dataset, selection.method, selection.loss or "", *selection.names, by)
    readable = "".join(c if c.isalnum() or c in "-_." else "_" for c in "-".join(filter(None, words)))[:100]
    folder = runs / SELECTIONS
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{readable}-{stamp}.json"
    write_json(path, selection.document())
    return path


def describe_selection(selection: Selection) -> list[str]:
    """Describe in text lines which parameters were chosen, among which trials, and by which score."""
    who = " + ".join(dict.fromkeys(filter(None, (selection.method, selection.loss))))
    over = f"mean over SLNIR {', '.join(selection.slnirs)} and seeds {', '.join(map(str, selection.seeds))}"
    lines = [
        f"Selected for {who} on {selection.dataset}, by {selection.metric} ({over}; test scores were not read):"
    ]
    chosen = selection.chosen
    if chosen is None:
        waiting = sum(trial.unfinished for trial in selection.trials)
        lines.append(
            f"    nothing yet: {counted(waiting, 'try', 'tries')} not finished"
            if waiting
            else f"    nothing: no try has {selection.metric} for all of its runs"
            if any(UNKNOWN in trial.missing.values() for trial in selection.trials)
            else "    nothing: all tries failed"
        )
    for trial in sorted(
        selection.trials, key=lambda trial: (bool(trial.missing), -selection.sign * trial.mean)
    ):
        values = ", ".join(f"{name} {_short(value)}" for name, value in trial.parameters.items())
        if trial.missing:
            lack = "without that score" if set(trial.missing.values()) == {UNKNOWN} else "not done"
            lines.append(f"    {values}: left out, {counted(len(trial.missing), 'run')} {lack}")
            continue
        mark = "->" if trial is chosen else "  "
        lines.append(f" {mark} {values}: {100 * trial.mean:.2f} % ({counted(len(trial.scores), 'run')})")
    return lines


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _rest(item: Item, names: Sequence[str], search: Search) -> str:
    """Return everything that must be equal for runs to be compared, as text."""
    fields = item.plan.config.canonical()
    if fields["noise_seed"] == fields["seed"]:
        fields["noise_seed"] = None
    chosen = set(names) - set(search.settings)
    fields["parameters"] = {name: value for name, value in fields["parameters"].items() if name not in chosen}
    varied = ("seed", "slnir", *search.settings)
    return json.dumps({name: value for name, value in fields.items() if name not in varied}, sort_keys=True)


def _selection(items: Sequence[Item], names: tuple[str, ...], runs: Path, search: Search) -> Selection:
    config = items[0].plan.config
    metric = search.metric + (f"@{config.k}" if search.metric.endswith(f"/{HEADLINE}") else "")
    tried: dict[str, list[Item]] = {}
    for item in items:
        tried.setdefault(json.dumps(_chosen(item, names, search), sort_keys=True), []).append(item)
    return Selection(
        config.dataset,
        config.method,
        config.loss,
        names,
        metric,
        tuple(map(str, sorted({item.plan.config.slnir for item in items}))),
        tuple(sorted({item.plan.config.seed for item in items})),
        tuple(_trial(group, _chosen(group[0], names, search), metric, runs) for group in tried.values()),
    )


def _chosen(item: Item, names: Sequence[str], search: Search) -> dict[str, Any]:
    config = item.plan.config
    found: dict[str, Any] = {}
    for name in names:
        if name in search.settings:
            value = getattr(config, name)
            # A config stores the default of a setting as None.
            found[name] = FIELDS[name].unset if value is None else value
        elif name in config.parameters:
            found[name] = config.parameters[name]
    return found


def _trial(items: Sequence[Item], chosen: Mapping[str, Any], metric: str, runs: Path) -> Trial:
    scores: dict[str, float] = {}
    missing: dict[str, str] = {}
    for item in items:
        stored = read_record(runs / item.plan.folder_name)
        value = stored.result["metrics"].get(metric) if stored.state == "done" else None
        if value is None:
            missing[item.label] = stored.state if stored.state != "done" else UNKNOWN
        else:
            scores[item.plan.id] = value
    return Trial(chosen, scores, missing, tuple(dict.fromkeys(i.plan.cell for i in items)))
