"""A new method beside baseline records: on exactly their cells, or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from gridbench.config import make_config
from gridbench.core.environment import choose_device, describe_environment
from gridbench.errors import InputError
from gridbench.leaderboard.records.runs import Run
from gridbench.plan import Plan, make_plan
from gridbench.records.record import read_record
from gridbench.sweeps.grid import Item
from gridbench.training.corrupt import corrupt_training_labels

__all__ = ["Baselines", "baselines_for", "differences_here", "items_beside", "noise_differences"]

_OWNED = ("parameters.", "versions.method", "versions.loss", "plugin", "method", "loss", "slnir")
_DECIDING = ("torch", "timm", "numpy")
"""Packages whose arithmetic or random numbers a run is made of."""


@dataclass(frozen=True)
class Baselines:
    """Baseline records of one recipe, with the methods' default parameters.

    Attributes:
        runs: All of them.
        plain: SLNIR -> seed -> plain training with the loss in question: the cells that others are compared on.
    """

    runs: tuple[Run, ...]
    plain: Mapping[Decimal, Mapping[int, Run]]

    @property
    def usual_rates(self) -> list[Decimal]:
        """The noise rates that have the most seeds."""
        most = max(map(len, self.plain.values()))
        return [rate for rate, seeds in self.plain.items() if len(seeds) == most]

    @property
    def device(self) -> str:
        """The device that the plain runs were computed on; the CPU when they do not say or differ."""
        devices = {str(_environment(run).get("device", "cpu")) for run in self._plain_runs()}
        return devices.pop() if len(devices) == 1 else "cpu"

    def chosen(self, rates: Sequence[Decimal] | None, seeds: Sequence[int] | int | None) -> Baselines:
        """Keep some noise rates and seeds.

        Args:
            rates: Noise rates; None for those with the most seeds.
            seeds: Seeds, or how many of each rate's; None for all.

        Raises:
            InputError: There is no plain baseline at a rate or of a seed.
        """
        plain: dict[Decimal, dict[int, Run]] = {}
        for rate in self.usual_rates if rates is None else rates:
            there = self.plain.get(rate)
            if there is None:
                known = ", ".join(map(str, self.plain))
                raise InputError(f"The baselines have no SLNIR {rate}. They have: {known}.")
            if isinstance(seeds, int) and seeds > len(there):
                raise InputError(f"The baselines have {len(there)} seeds at SLNIR {rate}, not {seeds}.")
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

    def seconds(self) -> float | None:
        """Return what the plain runs took in all, on the machine that they were computed on."""
        spent = [_environment(run).get("seconds") for run in self._plain_runs()]
        return sum(sum(one.values()) for one in spent if one) if all(spent) else None

    def _plain_runs(self) -> list[Run]:
        return [run for seeds in self.plain.values() for run in seeds.values()]


def baselines_for(runs: Iterable[Run], loss: str, cache: Path) -> Baselines:
    """Choose the records that a method trained with a loss can stand beside.

    Of several recipes the data set's own counts, else the one with the most plain runs of that loss. Rows with
    parameters other than their method's defaults (lambda series, ablations) are left out.

    Args:
        runs: Baseline records.
        loss: Name of the loss.
        cache: Folder of packed archives.

    Raises:
        InputError: There is no plain training with that loss.
    """
    runs = list(runs)
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
    parameters: Mapping[str, Any],
    runs: Path,
    cache: Path,
    progress: Any = None,
) -> list[Item]:
    """Plan a method on exactly the cells of plain training.

    Args:
        baselines: The cells.
        method: The method's name.
        parameters: Its parameters by public name; the defaults for those that are left out.
        runs: Folder of one's own records.
        cache: Folder of packed archives.
        progress: Told while an archive is built.

    Returns:
        A run for each cell and seed; a baseline that is that very run counts as done.

    Raises:
        InputError: This gridbench would compute the plain baseline otherwise than the record says: other data, another
            version of a component, or other settings. Or the method does not go with the loss.
    """
    shipped = {run.id: run.stored for run in baselines.runs}
    items = []
    for seeds in baselines.plain.values():
        for run in seeds.values():
            settings = dict(run.stored.config["config"])
            _check_same(run, make_plan(make_config(settings), cache, progress))
            config = make_config({**settings, "method": method, "parameters": dict(parameters)})
            plan = make_plan(config, cache)
            folder = runs / plan.folder_name
            stored = shipped.get(plan.id) or (read_record(folder) if folder.exists() else None)
            items.append(Item(plan, stored, parameters))
    return items


def noise_differences(baselines: Baselines, items: Iterable[Item]) -> list[str]:
    """Corrupt the labels as the runs will, and tell where the result is not that of the baselines.

    Returns:
        A line for each cell and seed whose corrupted labels have another hash.
    """
    found = []
    known: dict[tuple[Decimal, int], str] = {}
    for item in items:
        plan, at = item.plan, (item.plan.config.slnir, item.plan.config.seed)
        if at not in known:
            manifest = plan.noise.manifest(corrupt_training_labels(plan), plan)
            known[at] = manifest.summary()["sha256"]
            theirs = baselines.plain[at[0]][at[1]].stored.result["noise"]["sha256"]
            if known[at] != theirs:
                found.append(
                    f"SLNIR {at[0]}, seed {at[1]}: noise hash {known[at][:12]} here, {theirs[:12]} in the baselines"
                )
    return found


def differences_here(baselines: Baselines, device: str, threads: int) -> list[str]:
    """Tell in what this machine differs from the one that the plain baselines were computed on, as far as numbers go.

    Args:
        baselines: The baselines.
        device: Name of the device that will compute.
        threads: Threads of each run.

    Returns:
        Words such as `torch 2.9 here, 2.8 there`; nothing when all is the same.
    """
    here = describe_environment(choose_device(device))
    environments = [_environment(run) for seeds in baselines.plain.values() for run in seeds.values()]
    ours = {name: here["packages"][name] for name in _DECIDING}
    ours |= {
        "device": here["device"].partition(":")[0],
        "threads": str(threads),
        "processor": here["processor"],
    }
    found = []
    for name, own in ours.items():
        group = "packages" if name in _DECIDING else ""
        values = {str((env.get(group) or {}).get(name) if group else env.get(name)) for env in environments}
        there = {value.partition(":")[0] if name == "device" else value for value in values} - {"None"}
        if there and there != {str(own)}:
            found.append(f"{name} {own} here, {' and '.join(sorted(there))} there")
    return found


def _check_same(run: Run, plan: Plan) -> None:
    """Refuse a baseline that this gridbench would not compute as the record says."""
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
    """Return the loss of plain training, which is the method named after it; None of any other method."""
    names = run.settings["method"], run.settings["loss"]
    return str(names[1]) if names[0] == names[1] else None


def _is_usual(run: Run, cache: Path, known: dict[str, bool]) -> bool:
    """Tell whether a record's parameters are the defaults of its method and loss, as they are here."""
    config = dict(run.stored.config["config"])
    key = json.dumps([config[name] for name in ("method", "loss", "slnir", "parameters")], sort_keys=True)
    if key not in known:
        try:
            plan = make_plan(make_config({**config, "parameters": {}}), cache)
            known[key] = plan.config.canonical()["parameters"] == config["parameters"]
        except InputError:
            known[key] = False
    return known[key]


def _is_own_recipe(run: Run, cache: Path) -> bool:
    """Tell whether a plain run has the settings that one gets here without giving any."""
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


def _environment(run: Run) -> Mapping[str, Any]:
    try:
        return run.stored.environment()
    except (OSError, ValueError):
        return {}
