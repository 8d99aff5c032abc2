"""The runner: corrupt labels, train, retrieve, score and write the record; resumable at any point."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from gridbench.config import RunConfig
from gridbench.core.environment import choose_device, cpu_threads, peak_memory
from gridbench.core.files import check_folder, check_writable, write_bytes
from gridbench.core.machine import machine_label, resumed_on
from gridbench.core.plugins import failure_of_a_run, is_interrupt
from gridbench.datasets import default_cache
from gridbench.plan import Plan, make_plan
from gridbench.records.execution import Execution
from gridbench.records.record import WEIGHTS, RunRecord, read_record
from gridbench.records.run_folder import (
    NoRoom,
    RunBusy,
    free_name,
    locked,
    prepare,
    unwritable,
)
from gridbench.records.write import clear_finished, environment_of, failed, times, write_record
from gridbench.training.autotune.precision import Chooser
from gridbench.training.backbone import require_backbone
from gridbench.training.checkpoint import Checkpoint, CheckpointWriter, load_checkpoint
from gridbench.training.compile import require_compiler
from gridbench.training.experiment import BaseExperiment, Experiment
from gridbench.training.trackers import LoggedRun, Trackers, check_trackers
from gridbench.training.trainer import TrainingProgress

__all__ = ["Execution", "NoRoom", "RunBusy", "check", "execute", "planned", "run"]

Builder = Callable[[Plan, torch.device], BaseExperiment]


@dataclass(frozen=True)
class _Watchers:
    """Forwards the progress of an epoch to all listeners."""

    watchers: tuple[TrainingProgress | None, ...]

    def epoch(self, done: int, total: int, row: Any) -> None:
        for watcher in self.watchers:
            if watcher is not None:
                watcher.epoch(done, total, row)


def run(config: RunConfig, execution: Execution | None = None) -> RunRecord:
    """Compute a run, or return its record if it exists already.

    Args:
        config: What to compute.
        execution: Where and how; the defaults write below `./runs`.

    Returns:
        The finished run's record.

    Raises:
        InputError: Something in the config is wrong; nothing was written.
        RunFailed: The run started and could not be finished; its folder says why.
    """
    return execute(*planned(config, execution or Execution()))


def planned(config: RunConfig, execution: Execution) -> tuple[Plan, Execution]:
    """Return the plan of a run, and its execution with how every setting that was `auto` was decided.

    Raises:
        InputError: Something in the config is wrong; nothing was written.
        RunFailed: None of the candidate settings could be timed.
    """
    if config.backbone is not None:
        # The recipe's own backbone exists, so timm need not be imported yet.
        require_backbone(config.backbone)
    config, execution = _decided(config, execution)
    return make_plan(config, execution.cache or default_cache(), execution.building), execution


def _decided(config: RunConfig, execution: Execution) -> tuple[RunConfig, Execution]:
    """Resolve every `auto` setting by measurement."""
    if not config.undecided:
        return config, execution
    cache, device = execution.cache or default_cache(), choose_device(execution.device)
    chooser = Chooser(execution.runs, cache, device, execution.say, execution.building)
    with cpu_threads(execution.threads):
        config = chooser.settle(config)
    return config, replace(execution, chosen={**execution.chosen, **chooser.documents})


def execute(plan: Plan, execution: Execution, build: Builder = Experiment) -> RunRecord:
    """Compute the run of a plan, or return its record if it exists already.

    Args:
        plan: What to compute.
        execution: Where and how.
        build: Makes the experiment; what it computes may depend only on the plan's identity.

    Returns:
        The record, with all of its files on the disk.

    Raises:
        InputError: The runs folder cannot be written, another process is computing this run, or nothing can be
            compiled where that was asked for.
        RunFailed: The run started and could not be finished.
    """
    folder = execution.runs / plan.folder_name
    done = _finished(plan, execution)
    if done is not None:
        clear_finished(folder)
        execution.say(f"Nothing to do: {folder} is done. Use --force to run it anew.")
        if execution.log:
            with _trackers(execution, folder, plan, done.machine, done.epochs()) as log:
                log.finish(done.metrics, folder)
        return done
    # All remaining errors in the settings must be found here, before anything is written to disk.
    experiment = _built(plan, execution, build)
    with cpu_threads(execution.threads), locked(execution.runs, folder):
        found = read_record(folder, verify=True) if folder.exists() else None
        if isinstance(found, RunRecord) and found.id == plan.id and not execution.force:
            return found
        try:
            prepare(folder, found, plan, execution.force, execution.say)
        except OSError as error:
            raise unwritable(execution.runs, error) from None
        try:
            return _compute(experiment, folder, execution, build)
        # A plug-in may raise a BaseException: sys.exit(0) must not look like a finished run.
        except BaseException as error:
            if is_interrupt(error):
                raise
            raise failed(error, folder, plan) from error


def check(plan: Plan, execution: Execution) -> None:
    """Refuse what `execute` refuses before it trains, as a dry run does; nothing is written, and no image is held.

    Raises:
        InputError: A setting, a device, a tracker or the runs folder is wrong.
        RunFailed: Code of a plug-in failed.
    """
    if _finished(plan, execution) is None:
        check_writable(execution.runs)
        _built(plan, execution, partial(Experiment, limit_bytes=0))


def _finished(plan: Plan, execution: Execution) -> RunRecord | None:
    """Return the record of a finished run; None if it has to be computed."""
    folder = execution.runs / plan.folder_name
    check_trackers(execution.log, execution.log_folder)
    check_folder(folder)
    found = read_record(folder, verify=True) if folder.exists() else None
    if isinstance(found, RunRecord) and found.id == plan.id and not execution.force:
        return found
    return None


def _built(plan: Plan, execution: Execution, build: Builder) -> BaseExperiment:
    """Build the parts of a run, and refuse settings that turn out to be wrong there."""
    device = choose_device(execution.device)
    if plan.config.compile:
        require_compiler(device)
    with cpu_threads(execution.threads), failure_of_a_run():
        return build(plan, device)


def _compute(experiment: BaseExperiment, folder: Path, execution: Execution, build: Builder) -> RunRecord:
    plan = experiment.plan
    environment = environment_of(experiment, execution)
    here = machine_label(environment["machine"])
    machines: Sequence[Mapping[str, Any]] = ()
    if experiment.trainer is not None:
        experiment, machines = _resumed(experiment, folder, execution, build)
    history = experiment.trainer.history if experiment.trainer else []
    with _trackers(execution, folder, plan, here, history) as log:
        if experiment.trainer is not None:
            environment["machine"] = resumed_on(environment["machine"], machines)
            earlier = environment["machine"].get("earlier", [])

            def save(checkpoint: Checkpoint) -> None:
                trained_by = [*earlier, {"machine": here, "epochs": checkpoint.epoch}]
                writer.offer(replace(checkpoint, machines=trained_by))

            with CheckpointWriter(folder, plan.id) as writer:
                experiment.trainer.train(_Watchers((log, execution.progress)), save)
        # Before scoring, so that a run whose descriptors cannot be compared can be scored with another distance.
        write_bytes(folder / WEIGHTS, experiment.weights())
        started = time.perf_counter()
        outcome = experiment.score(keep_predictions=execution.keep == "all")
        environment |= times(experiment, time.perf_counter() - started)
        environment["peak_memory"] = peak_memory(experiment.device)
        record = write_record(folder, experiment, outcome, history, environment, execution.keep)
        log.finish(record.metrics, folder)
    return record


def _trackers(
    execution: Execution, folder: Path, plan: Plan, machine: str, history: Sequence[Mapping[str, Any]]
) -> Trackers:
    """Return the trackers that a run is logged to, each opened at what it has logged of the run before."""
    run = LoggedRun(plan.id, folder.name, plan.config.canonical(), machine, folder, history)
    return Trackers(execution.log, run, execution.log_folder, execution.say)


def _resumed(
    experiment: BaseExperiment, folder: Path, execution: Execution, build: Builder
) -> tuple[BaseExperiment, Sequence[Mapping[str, Any]]]:
    """Go on from the last checkpoint; one that cannot be used is set aside, and the run starts over.

    Returns:
        The experiment to go on with, and the machines that trained it so far.
    """
    assert experiment.trainer is not None
    experiment.trainer.profile(execution.profile)
    try:
        checkpoint = load_checkpoint(folder, experiment.plan.id)
        if checkpoint is not None:
            experiment.trainer.restore(checkpoint)
            execution.say(f"Going on after epoch {checkpoint.epoch}.")
            return experiment, checkpoint.machines
        return experiment, ()
    except ValueError as error:
        kept = folder / "checkpoint.damaged"
        found = [path for path in folder.glob("checkpoint*") if not path.name.startswith(kept.name)]
        aside = free_name(kept)
        aside.mkdir()
        # Including folders and links, which no later checkpoint would replace.
        for path in found:
            path.replace(aside / path.name)
        execution.say(f"In {folder.name} {error}. It was set aside as {aside.name}; the run starts over.")
        # Weights may have been loaded before the defect was found.
        again = build(experiment.plan, experiment.device)
        assert again.trainer is not None
        again.trainer.profile(execution.profile)
        return again, ()
