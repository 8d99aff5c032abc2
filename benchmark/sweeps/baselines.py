"""Comparison of a method with baseline records, restricted to the noise rates and seeds of the baselines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from gridbench.config import make_config, stored_config
from gridbench.errors import InputError, counted
from gridbench.leaderboard.records.runs import Run
from gridbench.methods.pairing import plain_loss
from gridbench.plan import Plan, make_plan
from gridbench.records.record import StoredRun, read_record
from gridbench.registry import METHODS
from gridbench.sweeps.grid import Item
from gridbench.training.corrupt import corrupt_training_labels

__all__ = ["Baselines", "baselines_for", "control_items", "is_shipped", "items_beside", "noise_differences"]

_OWNED = ("parameters.", "versions.method", "versions.loss", "plugin", "method", "loss", "slnir")


@dataclass(frozen=True)
class Baselines:
    """Baseline records that share one recipe and use default parameters.

    Attributes:
        runs: All baseline records.
        plain: SLNIR -> seed -> plain training with the given loss; these cells define the comparison.
    """

    runs: tuple[Run, ...]
    plain: Mapping[Decimal, Mapping[int, Run]]

    @property
    def usual_rates(self) -> list[Decimal]:
        """The noise rates with the largest number of seeds."""
        most = max(map(len, self.plain.values()))
        return [rate for rate, seeds in self.plain.items() if len(seeds) == most]

    @property
    def device(self) -> str:
        """The device of the plain runs; the CPU if it is not recorded or differs between runs."""
        devices = {str(run.environment.get("device", "cpu")) for run in self._plain_runs()}
        return devices.pop() if len(devices) == 1 else "cpu"

    def chosen(self, rates: Sequence[Decimal] | None, seeds: Sequence[int] | int | None) -> Baselines:
        """Return the baselines of the given noise rates and seeds.

        Args:
            rates: Noise rates; None for those with the most seeds.
            seeds: Seeds, or the number of seeds per rate; None for all.

        Raises:
            InputError: There is no plain baseline with one of the rates or seeds.
        """
        plain: dict[Decimal, dict[int, Run]] = {}
        for rate in self.usual_rates if rates is None else rates:
            there = self.plain.get(rate)
            if there is None:
                known = ", ".join(map(str, self.plain))
                raise InputError(f"The baselines have no SLNIR {rate}. They have: {known}.")
            if isinstance(seeds, int) and seeds > len(there):
                raise InputError(
                    f"The baselines have {counted(len(there), 'seed')} at SLNIR {rate}, not {seeds}."
                )
            wanted = list(there)[:seeds] if seeds is None or isinstance(seeds, int) else seeds
            missing = [seed for seed in wanted if seed not in there]
            if missing:
                known = ", ".join(map(str, there))
                raise InputError(
                    f"The baselines have no seed {missing[0]} at SLNIR {rate}. They have: {known}."
                )
            plain[rate] = {seed: there[seed] for seed in wanted}
        kept = [run for run in self.runs if run.seed in plain.get(_rate(run), {})]
        return Baselines(tuple(kept), plain)

    @property
    def loss(self) -> str:
        """The loss of plain training."""
        return str(self._plain_runs()[0].settings["loss"])

    def seconds(self) -> float | None:
        """Return the total time of the plain runs in seconds, or None if it is not recorded for all of them."""
        spent = [run.environment.get("seconds") for run in self._plain_runs()]
        return sum(sum(one.values()) for one in spent if one) if all(spent) else None

    def _plain_runs(self) -> list[Run]:
        return [run for seeds in self.plain.values() for run in seeds.values()]


def baselines_for(runs: Iterable[Run], loss: str, cache: Path) -> Baselines:
    """Select the records with which a method trained with a loss can be compared.

    If the records use several recipes, the recipe of the data set is preferred, then the one with the most plain runs
    of that loss. Records with non-default parameters (lambda series, ablations) are excluded.

    Args:
        runs: Baseline records.
        loss: Name of the loss. Where no method is plain training with it, as with most losses of a plug-in, plain
            training with the usual loss of the same labels takes its place.
        cache: Folder of packed archives.

    Raises:
        InputError: The records contain no plain training with that loss.
    """
    runs = list(runs)
    if loss not in METHODS:
        loss = plain_loss(loss)
    plain = [run for run in runs if _trained_with(run) == loss]
    usual: dict[str, bool] = {}
    plain = [run for run in plain if _is_usual(run, cache, usual)]
    if not plain:
        losses = set(filter(None, map(_trained_with, runs)))
        raise InputError(
            f"The baselines hold no plain training with the loss {loss!r}, so there is nothing to compare with. They "
            f"have: {', '.join(sorted(losses)) or 'none'}. Make your own: gridbench sweep --method {loss} --slnir 0,30 "
            "--seeds 5, gridbench leaderboard export --compact --out FILE, and --baselines FILE."
        )
    recipes = [_recipe(run) for run in plain]
    samples = dict(zip(recipes, plain, strict=True))
    own = [recipe for recipe, run in samples.items() if _is_own_recipe(run, cache)]
    recipe = max(own or samples, key=recipes.count)
    alike = [run for run in runs if _recipe(run) == recipe and _is_usual(run, cache, usual)]
    cells: dict[Decimal, dict[int, Run]] = {}
    for run in sorted(plain, key=lambda run: (_rate(run), run.seed)):
        if _recipe(run) == recipe:
            cells.setdefault(_rate(run), {})[run.seed] = run
    return Baselines(tuple(alike), cells)


def items_beside(
    baselines: Baselines,
    method: str,
    loss: str,
    parameters: Mapping[str, Any],
    runs: Path,
    cache: Path,
    here: str | None,
    progress: Any = None,
) -> list[Item]:
    """Plan the runs of a method for every noise rate and seed of plain training.

    Args:
        baselines: Baselines to compare with.
        method: Name of the method.
        loss: Name of the loss that it trains with.
        parameters: Parameters by public name; omitted ones take their defaults.
        runs: Folder of the user's records.
        cache: Folder of packed archives.
        here: Label of the machine that will compute the runs; None if unknown.
        progress: Progress callback for building an archive.

    Returns:
        One run per noise rate and seed. To avoid mixing machines, a run that is itself a baseline counts as done only
        if it was computed on this machine or if all runs are among the baselines.

    Raises:
        InputError: The installed gridbench would compute a plain baseline differently from its record (data, version
            of a component, or settings), or the method does not support the loss.
    """
    shipped = {run.id: run.stored for run in baselines.runs}
    plans = []
    for seeds in baselines.plain.values():
        for run in seeds.values():
            settings = dict(run.stored.config["config"])
            _check_same(run, make_plan(stored_config(settings), cache, progress))
            own = {"method": method, "loss": loss, "parameters": dict(parameters)}
            config = stored_config({**settings, **own})
            plans.append(make_plan(config, cache))
    complete = all(plan.id in shipped for plan in plans)
    usable = {id: stored for id, stored in shipped.items() if complete or stored.machine == here}
    return [Item(plan, usable.get(plan.id) or _there(plan, runs), parameters) for plan in plans]


def control_items(
    baselines: Baselines, items: Sequence[Item], runs: Path, cache: Path, here: str | None
) -> list[Item]:
    """Plan control runs: plain training repeated here if the baselines were computed on another machine.

    Args:
        baselines: Baselines whose plain training is repeated.
        items: Runs of the method.
        runs: Folder of the user's records.
        cache: Folder of packed archives.
        here: Label of the machine that will compute the runs; None if unknown.

    Returns:
        One run for each run of the method that is not a baseline itself, except where the plain baseline was computed
        on this machine.

    Raises:
        InputError: A control run exists already and was computed on a third machine.
    """
    control = []
    for item in items:
        at = item.plan.config
        plain = baselines.plain[at.slnir][at.seed]
        if is_shipped(item, runs) or plain.machine == here:
            continue
        plan = make_plan(stored_config(plain.stored.config["config"]), cache)
        stored = _there(plan, runs)
        done = stored is not None and stored.state == "done"
        if stored and done and item.state != "done" and here not in (None, stored.machine):
            raise InputError(
                f"The plain training in {stored.folder} was computed on another machine ({stored.machine}) than this "
                f"one ({here}), so no run of this one may be paired with it. Name another folder with --runs."
            )
        control.append(Item(plan, stored, {}))
    return control


def is_shipped(item: Item, runs: Path) -> bool:
    """Return whether a run is one of the baseline records."""
    return item.stored is not None and item.state == "done" and item.stored.folder.parent != runs


def _there(plan: Plan, runs: Path) -> StoredRun | None:
    folder = runs / plan.folder_name
    return read_record(folder) if folder.exists() else None


def noise_differences(baselines: Baselines, items: Iterable[Item]) -> list[str]:
    """Corrupt the labels as the runs will and compare the result with the baselines.

    Returns:
        One line for each noise rate and seed whose corrupted labels have a different hash.
    """
    found = []
    for (rate, seed), plan in {(i.plan.config.slnir, i.plan.config.seed): i.plan for i in items}.items():
        ours = plan.noise.manifest(corrupt_training_labels(plan), plan).sha256
        theirs = baselines.plain[rate][seed].stored.result["noise"]["sha256"]
        if ours != theirs:
            found.append(
                f"SLNIR {rate}, seed {seed}: noise hash {ours[:12]} here, {theirs[:12]} in the baselines"
            )
    return found


def _check_same(run: Run, plan: Plan) -> None:
    """Raise if the installed gridbench would compute a baseline differently from its record."""
    if plan.id == run.id:
        return
    document, differing = plan.document(), []
    if document["dataset_fingerprint"] != run.settings["dataset_fingerprint"]:
        differing.append(
            f"the data (fingerprint {document['dataset_fingerprint'][:12]} here, "
            f"{str(run.settings['dataset_fingerprint'])[:12]} there)"
        )
    theirs = run.stored.config["versions"]
    differing += [
        f"the version of the {name} ({version} here, {theirs.get(name)} there)"
        for name, version in document["versions"].items()
        if version != theirs.get(name)
    ]
    settings = run.stored.config["config"]
    differing += [
        f"the setting {name} ({value!r} here, {settings.get(name)!r} there)"
        for name, value in document["config"].items()
        if value != settings.get(name)
    ]
    raise InputError(
        f"These baselines are of another experiment than this gridbench computes: {'; '.join(differing)}. Take the "
        "gridbench that they were made with, or make your own and name them with --baselines FILE."
    )


def _trained_with(run: Run) -> str | None:
    """Return the loss if the run is plain training, whose method is named after its loss; None otherwise."""
    names = run.settings["method"], run.settings["loss"]
    return str(names[1]) if names[0] == names[1] else None


def _is_usual(run: Run, cache: Path, known: dict[str, bool]) -> bool:
    """Return whether a record uses the current default parameters of its method and loss."""
    config = dict(run.stored.config["config"])
    key = json.dumps([config[name] for name in ("method", "loss", "slnir", "parameters")], sort_keys=True)
    if key not in known:
        try:
            plan = make_plan(stored_config({**config, "parameters": {}}), cache)
            known[key] = plan.config.canonical()["parameters"] == config["parameters"]
        except InputError:
            known[key] = False
    return known[key]


def _is_own_recipe(run: Run, cache: Path) -> bool:
    """Return whether a plain run uses the default settings of its data set."""
    config = run.stored.config["config"]
    names = ("dataset", "method", "loss", "slnir", "seed")
    try:
        return make_plan(make_config({name: config[name] for name in names}), cache).id == run.id
    except InputError:
        return False


def _recipe(run: Run) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((n, str(v)) for n, v in run.settings.items() if not n.startswith(_OWNED)))


def _rate(run: Run) -> Decimal:
    return Decimal(str(run.settings["slnir"]))
