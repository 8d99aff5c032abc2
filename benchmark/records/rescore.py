"""Scoring of a trained run with another distance or cut-off, as a separate record and without retraining.

Training does not depend on how descriptors are compared afterwards, so the record equals that of a run trained with
the new settings.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load

from gridbench.config import stored_config
from gridbench.core.environment import choose_device, cpu_threads, describe_environment
from gridbench.core.files import file_hash, read_bytes, write_bytes
from gridbench.core.json_files import read_json
from gridbench.core.machine import resumed_on
from gridbench.datasets import default_cache
from gridbench.datasets.dataset import Progress
from gridbench.errors import InputError, reason_of
from gridbench.plan import Plan, make_plan
from gridbench.records.execution import Execution
from gridbench.records.recompute import is_ranked
from gridbench.records.record import FAILED, WEIGHTS, RunRecord, StoredRun, read_record
from gridbench.records.run_folder import locked, prepare, unwritable
from gridbench.records.write import write_record
from gridbench.training.backbone import TimmBackbone
from gridbench.training.checkpoint import load_checkpoint
from gridbench.training.experiment import Experiment, Outcome

__all__ = ["load_weights", "require_weights", "rescore", "trained_plan"]

Array = np.ndarray[Any, Any]

OF_TRAINING = (
    "detection",
    "loss_detection",
    "predictions",
    "sample_detection",
    "memorised",
    "memorised_pixels",
    "predicted_prevalence",
    "best_epoch",
)
"""Entries of a result that describe the training and do not depend on how descriptors are compared."""


def rescore(folder: Path, changes: Mapping[str, Any], execution: Execution) -> RunRecord:
    """Score a trained run with other settings and write the record of the run with those settings.

    Args:
        folder: A finished run, or one that failed after its last epoch.
        changes: distance, k or ideal -> the new value.
        execution: Where the record goes, and the device.

    Returns:
        The record of the run with the new settings, which is read if it exists already.

    Raises:
        InputError: The run was not trained to its end, its weights are missing or damaged, it cannot be rebuilt,
            or nothing would change.
        RunFailed: The descriptors cannot be compared with the new distance.
    """
    stored = read_record(folder, verify=True)
    require_weights(stored)
    cache = execution.cache or default_cache()
    settings = dict(stored.config["config"])
    trained = trained_plan(stored, cache, execution.building)
    _refuse_other_epochs(trained, folder)
    plan = make_plan(stored_config({**settings, **changes}), cache)
    if plan.id == trained.id:
        raise InputError(f"The run in {folder} is scored like that already. Give another --distance or --k.")
    target = execution.runs / plan.folder_name
    there = read_record(target, verify=True) if target.exists() else None
    if isinstance(there, RunRecord) and there.id == plan.id:
        execution.say(f"Nothing to do: {target} is done.")
        return there
    with cpu_threads(execution.threads):
        experiment = Experiment(plan, choose_device(execution.device))
        environment = describe_environment(experiment.device)
        known, history, trained_on = _restore(experiment, stored, trained, environment["machine"])
        started = time.perf_counter()
        if known:
            outcome = _rank_again(experiment, stored, known)
        else:
            outcome = experiment.score(keep_predictions=execution.keep == "all")
    environment["seconds"] = {"retrieval": round(time.perf_counter() - started, 3)}
    environment["scored_from"] = {"id": stored.id, "folder": folder.name, "machine": environment["machine"]}
    # Training decides the numbers; scoring differs in the last digits at most.
    environment["machine"] = trained_on
    with locked(execution.runs, target):
        # Another process may have scored it meanwhile; a finished record is not replaced.
        there = read_record(target, verify=True) if target.exists() else None
        if isinstance(there, RunRecord) and there.id == plan.id:
            return there
        try:
            prepare(target, there, plan, False, execution.say)
            write_bytes(target / WEIGHTS, experiment.weights())
            return write_record(target, experiment, outcome, history, environment, execution.keep)
        except OSError as error:
            raise unwritable(execution.runs, error) from None


def _refuse_other_epochs(trained: Plan, folder: Path) -> None:
    """Refuse a run whose scores are not those of its last epoch alone.

    Raises:
        InputError: It chose its epoch by validation scores, or has means over several epochs.
    """
    if trained.config.select == "best":
        raise InputError(
            f"The run in {folder} chose its epoch by validation scores (--select best), which depend on how "
            "descriptors are compared. Train it again with the new settings."
        )
    if trained.config.last_epochs:
        raise InputError(
            f"The run in {folder} has means over its last epochs (--last-epochs), whose weights were not kept. Train "
            "it again with the new settings."
        )


def _rank_again(experiment: Experiment, stored: StoredRun, known: Mapping[str, Any]) -> Outcome:
    """Rank the descriptors of a finished run, and keep its scores of predictions and of samples.

    Those are computed by the head, which the record does not keep.

    Args:
        experiment: The run with the new settings and the trained weights.
        stored: The record of the finished run.
        known: Entries of its result that do not depend on how descriptors are compared.
    """
    with _readable(stored):
        descriptors = _descriptors_of(stored, experiment)
        detection, predictions = stored.detection(), stored.arrays("predictions.npz")
        metrics = stored.result["metrics"].items()
        of_the_head = {name: value for name, value in metrics if not is_ranked(name)}
    outcome = experiment.score_again(descriptors)
    ranked = outcome.result["metrics"]
    result = {**outcome.result, **known, "metrics": {**ranked, **of_the_head}}
    return replace(outcome, result=result, detection=detection, predictions=predictions)


def trained_plan(stored: StoredRun, cache: Path, building: Progress | None = None) -> Plan:
    """Plan a stored run again.

    Args:
        stored: The record.
        cache: Folder of packed archives.
        building: Progress callback for building an archive.

    Raises:
        InputError: The plan has a different identity with the installed versions.
    """
    plan = make_plan(stored_config(stored.config["config"]), cache, building)
    if plan.id != stored.id:
        raise InputError(
            f"The run in {stored.folder} cannot be rebuilt: gridbench, its data or a plug-in has changed since. "
            "Load its plug-in with --plugin if it has one, or train it again."
        )
    return plan


def require_weights(stored: StoredRun) -> None:
    """Refuse a run that was not trained to its end, or whose record keeps no weights.

    Raises:
        InputError: With the reason and what to do.
    """
    folder = stored.folder
    if not folder.is_dir():
        raise InputError(
            f"There is no run folder {str(folder)!r}. `gridbench status --all` lists what there is."
        )
    if stored.state == "incomplete" and not (folder / "config.json").exists():
        raise InputError(
            f"The folder {str(folder)!r} is not that of a run. "
            f"`gridbench status --all --runs {shlex.quote(str(folder))}` lists the runs in it, if there are any."
        )
    if stored.state == "corrupt":
        raise InputError(f"The run in {folder} cannot be trusted: {stored.reason}. Train it again.")
    if stored.state == "incomplete":
        raise InputError(f"The run in {folder} is not trained to its end; the command that made it goes on.")
    if not (folder / WEIGHTS).is_file():
        why = "It was kept without them (--keep light)." if stored.state == "done" else stored.reason
        raise InputError(f"The run in {folder} holds no weights to score. {why} Train it again.")


def _restore(
    experiment: Experiment, stored: StoredRun, trained: Plan, here: dict[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any] | None]:
    """Put what was learnt into a fresh experiment.

    Returns:
        What the result says of training, the history, and the machine that trained it; None if it is not recorded.
    """
    if stored.state == "done":
        with _readable(stored):
            history, machine = stored.epochs(), stored.environment().get("machine")
            if experiment.trainer is not None and len(history) != trained.config.epochs:
                raise ValueError(f"its history has {len(history)} of {trained.config.epochs} epochs")
            json.dumps([history, machine], allow_nan=False)
        load_weights(experiment, stored, stored.hashes[WEIGHTS])
        if experiment.trainer is not None:
            experiment.trainer.history = history
        return {name: stored.result.get(name) for name in OF_TRAINING}, history, machine
    with _readable(stored):
        noted = read_json(stored.folder / FAILED)["files"][WEIGHTS]
        checkpoint = load_checkpoint(stored.folder, trained.id)
        if experiment.trainer is None:
            load_weights(experiment, stored, noted)
            return {}, [], here
        if checkpoint is None or checkpoint.epoch != trained.config.epochs:
            raise ValueError("its last epoch is missing")
        experiment.trainer.restore(checkpoint)
    return {}, experiment.trainer.history, resumed_on(here, checkpoint.machines)


@contextmanager
def _readable(stored: StoredRun) -> Iterator[None]:
    """Turn any error in the files of a record into an InputError, since the record may come from elsewhere."""
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"The run in {stored.folder} cannot be scored: {reason_of(error)}. Train it again."
        ) from None


def _descriptors_of(stored: StoredRun, experiment: Experiment) -> dict[str, Array]:
    """Return the descriptors that a record kept (--keep all), split by split; nothing where it kept none."""
    return {
        split: found
        for split, found in stored.arrays("descriptors.npz").items()
        if split in ("train", "val", "test") and len(found) == len(experiment.splits[split])
    }


def load_weights(experiment: Experiment, stored: StoredRun, expected: str) -> None:
    """Give an experiment's descriptor network the weights that a record keeps.

    Args:
        experiment: The run, built anew.
        stored: The record.
        expected: sha256 of the weights file.

    Raises:
        InputError: The file was changed, or does not fit.
    """
    path = stored.folder / WEIGHTS
    if file_hash(path) != expected:
        raise InputError(f"The weights {path} were changed after the run. Train it again.")
    network = experiment.method.descriptor_network
    model = network.model if isinstance(network, TimmBackbone) else network
    try:
        model.load_state_dict({k: v.to(experiment.device) for k, v in load(read_bytes(path)).items()})
    except (RuntimeError, SafetensorError) as error:
        raise InputError(f"The weights {path} do not fit the run's network: {error}") from None
