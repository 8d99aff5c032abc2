"""Running sweeps: the Python function `sweep`, and the parts shared by `sweep`, `reproduce` and `compare`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gridbench.config import RunConfig, flag_of
from gridbench.core.files import check_writable
from gridbench.core.progress import ProgressReporter
from gridbench.datasets import default_cache
from gridbench.engines.base import Engine, Event
from gridbench.engines.choice import EngineChoice
from gridbench.errors import InputError, RunFailed, counted, nearest
from gridbench.leaderboard.records.metric_names import full_name
from gridbench.records.record import RunRecord, read_record
from gridbench.records.run_folder import NoRoom, make_ready, unwritable
from gridbench.records.runner import Execution
from gridbench.records.sweep_manifest import DeclaredRun, declare
from gridbench.sweeps.chosen import chosen_settings
from gridbench.sweeps.grid import AXES, RECIPE, Item, Sweep, expand, make_sweep, seeds_of, several
from gridbench.sweeps.model_selection import Selection, select, write_selection
from gridbench.sweeps.search_space import EVERY, Search, tries_of
from gridbench.training.backbone import require_backbone
from gridbench.training.building import check_networks
from gridbench.training.corrupt import check_noise

__all__ = ["Computing", "PlannedSweep", "SweepResult", "declare_items", "plan_sweep", "sweep"]

OWN = ("seeds", "trials", "metric")
"""Settings of a sweep besides those of a run."""


@dataclass(frozen=True)
class Computing:
    """How runs are computed.

    Attributes:
        engine: The engine and its settings.
        time_limit: Longest time for one run, in seconds; None for no limit.
        max_failures: Number of failures after which to stop; None for no limit.
    """

    engine: EngineChoice = field(default_factory=EngineChoice)
    time_limit: float | None = None
    max_failures: int | None = None

    def check(self, runs: Path, todo: Sequence[Item]) -> None:
        """Refuse what runs would fail for one by one, as a dry run does; nothing is written.

        Raises:
            InputError: The folder of runs cannot be written, labels do not allow a noise rate, or there is no compiler.
        """
        if not todo:
            return
        check_writable(runs)
        if any(item.plan.config.compile for item in todo):
            self.engine.require_compiler()
        check_noise(item.plan for item in todo)

    def compute(self, execution: Execution, todo: Sequence[Item], progress: ProgressReporter) -> None:
        """Compute runs and show what happens.

        Raises:
            InputError: A folder of notes is a link, or the runs folder cannot be written.
            RunFailed: Some failed, or there is no room left to write; all that finished are whole.
        """
        make_ready(execution.runs)
        engine = self.engine.make(execution, [item.plan for item in todo], self.time_limit, progress.say)
        failures = _watch(engine, todo, progress, self.max_failures)
        if failures:
            # Told here, since the folder of a run that failed before it began, or was stopped, does not say why.
            first = "" if len(failures) == 1 else "The first: "
            raise RunFailed(
                f"{counted(len(failures), 'run')} failed; all others are intact. {first}{failures[0].rstrip('.')}. "
                "Try again with --retry-failed."
            )


def _watch(
    engine: Engine, todo: Sequence[Item], progress: ProgressReporter, max_failures: int | None
) -> list[str]:
    """Let the engine compute, show what happens, and return which runs failed, and why."""
    finished = 0
    failures: list[str] = []
    share: dict[int, float] = {}
    # Closing the generator is what ends its workers; a break alone would leave that to the garbage collector.
    with contextlib.closing(engine.compute([item.plan.config for item in todo])) as events:  # type: ignore[type-var]
        event: Event
        for event in events:
            label = todo[event.index].label
            if event.kind == "epoch":
                share[event.index] = event.epoch / event.epochs
            elif event.kind == "again":
                share[event.index] = 0.0
                progress.say(f"again  {label}: {event.detail}")
            elif event.kind == "full":
                raise NoRoom(event.detail)
            elif event.kind in ("done", "failed", "busy"):
                finished += 1
                share[event.index] = 1.0
                told = label + (f": {event.detail}" if event.kind != "done" else "")
                failures += [told] if event.kind == "failed" else []
                progress.say(f"{event.kind:6} {told}")
            detail = f"{finished} finished, {len(failures)} failed"
            progress.show("sweep", sum(share.values()), len(todo), detail)
            if max_failures and len(failures) >= max_failures:
                progress.say(f"Stopped after {counted(len(failures), 'failure')}.")
                break
    return failures


@dataclass(frozen=True)
class PlannedSweep:
    """A sweep that is ready to be computed.

    Attributes:
        sweep: Its runs, with what is done of them.
        execution: Where records go.
        computing: How they are computed.
        search: Which parameters are selected; None where none is.
    """

    sweep: Sweep
    execution: Execution
    computing: Computing
    search: Search | None

    def check(self, retry_failed: bool = False) -> None:
        """Refuse what the runs that are not done would fail for, as a dry run does; nothing is written.

        Raises:
            InputError: With the reason.
        """
        self.computing.check(self.execution.runs, self.sweep.todo(retry_failed))

    def compute(self, command: str, progress: ProgressReporter, retry_failed: bool = False) -> None:
        """Compute the runs that are not done yet.

        Args:
            command: Command line that `gridbench status` shows for continuing the sweep.
            progress: Displays the progress.
            retry_failed: Try failed runs again.

        Raises:
            InputError: A run could not begin (`check`), or a folder of notes is a link.
            RunFailed: Some runs failed, or the disk is full; all that finished are whole.
        """
        self.check(retry_failed)
        todo = self.sweep.todo(retry_failed)
        if todo:
            make_ready(self.execution.runs)
            declare_items(self.sweep.items, self.execution.runs, command)
            self.computing.compute(self.execution, todo, progress)

    def selections(self) -> list[tuple[Selection, Path]]:
        """Select parameters by validation scores, and write what was chosen, and from what, to a file each."""
        if self.search is None:
            return []
        chosen = select(self.sweep.items, self.execution.runs, self.search)
        return [(selection, write_selection(selection, self.execution.runs)) for selection in chosen]


@dataclass(frozen=True)
class SweepResult:
    """The records of a sweep, in the order in which its settings vary.

    Attributes:
        records: The finished runs.
        selections: What was selected on validation; empty without `select`.
    """

    records: tuple[RunRecord, ...]
    selections: tuple[Selection, ...]

    def __iter__(self) -> Iterator[RunRecord]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)


def sweep(
    settings: Mapping[str, Any],
    execution: Execution | None = None,
    computing: Computing | None = None,
    *,
    retry_failed: bool = False,
    progress: ProgressReporter | None = None,
) -> SweepResult:
    """Compute every combination of lists and ranges; runs that are done are not computed again.

    Args:
        settings: Name of a field of RunConfig -> value, list or range, as in the YAML file of `gridbench sweep`;
            `seeds`, `trials` and `chosen` too: `{"method": ["grid", "bce"], "slnir": "0:60:10", "seeds": 5}`.
        execution: Where records go; the defaults write below `./runs` and keep no weights.
        computing: Engine, time limit and number of failures after which to stop; the default computes one run after
            the other in this process. `Computing(EngineChoice(workers=2))` starts processes, for which a script needs
            the usual `if __name__ == "__main__"`.
        retry_failed: Try failed runs again.
        progress: Shows what happens; None shows nothing.

    Returns:
        The finished records and what was selected on validation.

    Raises:
        InputError: A name or a value is wrong; nothing was computed.
        RunFailed: Some runs failed; all others are whole.
    """
    execution = execution or Execution(keep="light")
    with progress or ProgressReporter(quiet=True) as shown:
        planned = plan_sweep(settings, execution, computing or Computing(EngineChoice(workers=0)), shown)
        # Paths as text, so that the call holds nothing but literals.
        plain = {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}
        planned.compute(f"gridbench.sweep({plain!r})", shown, retry_failed)
    folders = (execution.runs / item.plan.folder_name for item in planned.sweep.items)
    stored = [read_record(folder) for folder in folders if folder.exists()]
    records = tuple(record for record in stored if isinstance(record, RunRecord))
    return SweepResult(records, tuple(selection for selection, _ in planned.selections()))


def plan_sweep(
    settings: Mapping[str, Any], execution: Execution, computing: Computing, progress: ProgressReporter
) -> PlannedSweep:
    """Expand the settings of a sweep to its runs, and look up what is done.

    Raises:
        InputError: A name or a value is wrong, or nothing is left to run.
    """
    values = dict(settings)
    chosen = values.pop("chosen", False)
    if not isinstance(chosen, bool):
        raise InputError(f"The setting 'chosen' is {chosen!r}; it must be true or false.")
    axes, base, search = _declaration(values)
    if chosen:
        if search is not None:
            raise InputError(
                "--chosen runs what an earlier selection chose, so it cannot be combined with --select."
            )
        combinations = chosen_settings(execution.runs, axes, base)
    else:
        combinations = expand(axes, base) if search is None else tries_of(expand(axes, base), search)
    computing.engine.require_devices()
    named = axes.get("backbone") or list(filter(None, [base.get("backbone")]))
    for name in named:
        require_backbone(str(name))
    chooser = computing.engine.chooser(execution, base, progress)
    settle = chooser.settle if chooser else None
    cache = execution.cache or default_cache()
    planned = make_sweep(combinations, execution.runs, cache, progress.build, settle)
    if named:
        # The recipes' own fit, and building one of each method takes seconds.
        check_networks(item.plan for item in planned.items if item.stored is None)
    if chooser:
        execution = replace(execution, chosen=chooser.documents)
    return PlannedSweep(planned, execution, computing, search)


def declare_items(items: Iterable[Item], runs: Path, command: str) -> None:
    """Note the runs of a sweep in their folder, for `gridbench status`.

    Args:
        items: All its runs, the finished ones too.
        runs: The folder of records.
        command: What computes them.

    Raises:
        InputError: The folder cannot be written.
        NoRoom: The disk is full.
    """
    rows = [
        DeclaredRun(item.plan.folder_name, item.label, item.plan.config.model_dump(mode="json"))
        for item in items
    ]
    try:
        declare(runs, command, rows)
    except OSError as error:
        raise unwritable(runs, error) from None


def _declaration(
    values: dict[str, Any],
) -> tuple[dict[str, list[str]], dict[str, Any], Search | None]:
    """Split the settings of a sweep into axes with their values, settings that all runs share, and what is selected.

    Raises:
        InputError: A name or a value is wrong.
    """
    known = [*RunConfig.model_fields, *OWN]
    for name in values:
        if name not in known:
            raise InputError(
                f"There is no setting {name!r}.{nearest(name, known)} There are: {', '.join(known)}."
            )
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
    """Remove what is selected from the declaration and return it; `last` and `best`, of epochs, stay."""
    given = values.pop("select", None)
    words = several("select", given) if given is not None else []
    epochs = [word for word in words if word in ("last", "best")]
    settings = _settings_to_select(axes, words)
    names = tuple(word for word in words if word not in epochs and _as_setting(word) not in settings)
    if len(epochs) > 1:
        raise InputError(
            "--select has both last and best, which say the epoch that is scored; give one of them."
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
