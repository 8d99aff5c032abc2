"""What a run leaves in its folder, done or failed."""

from __future__ import annotations

import hashlib
import shutil
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gridbench.core.environment import describe_environment
from gridbench.core.files import file_hash
from gridbench.core.json_files import write_json
from gridbench.errors import GridbenchError, RunFailed, as_sentence, in_words
from gridbench.plan import Plan
from gridbench.records.execution import Execution
from gridbench.records.record import DONE, FAILED, WEIGHTS, RunRecord, finish_record, read_record
from gridbench.records.run_folder import REPLACED, NoRoom, asides, locked, no_room
from gridbench.training.checkpoint import clear_checkpoints, has_checkpoint
from gridbench.training.compile import compile_failure
from gridbench.training.experiment import BaseExperiment, Outcome
from gridbench.training.pretrained import published_weights
from gridbench.training.timing import IN_TRAINING


def environment_of(experiment: BaseExperiment, execution: Execution) -> dict[str, Any]:
    """Return what a record says of where a run was computed, before it is: versions, machine, initial weights."""
    plan = experiment.plan
    environment = describe_environment(experiment.device)
    environment["initial_weights"] = hashlib.sha256(experiment.weights()).hexdigest()
    if plan.config.pretrained and plan.config.backbone:
        weights = published_weights(plan.config.backbone)
        environment["pretrained"] = {"repository": weights.repository, "revision": weights.revision}
    loaded = getattr(experiment.method.descriptor_network, "loaded", None)
    if loaded is not None:
        environment["weights_file"] = loaded.document()
    if plan.id in execution.chosen:
        environment["chosen"] = execution.chosen[plan.id]
    return environment


def times(experiment: BaseExperiment, scoring: float) -> dict[str, Any]:
    """Return `seconds`, the phases that add up to the run, and `profile`, the parts of training where there was any."""
    scored = experiment.phases.seconds
    after = {phase: scored.get(phase, 0.0) for phase in ("predictions", "sample_detection")}
    after = {"retrieval": scoring - sum(after.values()), **after}
    trainer = experiment.trainer
    if trainer is None:
        return {"seconds": _rounded(after)}
    spent = trainer.phases.seconds
    whole = {phase: seconds for phase, seconds in spent.items() if phase not in IN_TRAINING}
    parts = {phase: seconds for phase, seconds in spent.items() if phase in IN_TRAINING}
    rates = [row["learning_rate"] for row in trainer.history if "learning_rate" in row]
    return {
        "seconds": _rounded({**whole, **after}),
        "profile": {
            "steps": trainer.steps,
            "synchronised": trainer.phases.synchronised,
            "seconds": _rounded(parts),
            # At the end of each epoch, where a schedule changes it.
            **({"learning_rate": rates} if rates else {}),
        },
    }


def _rounded(seconds: Mapping[str, float]) -> dict[str, float]:
    return {phase: round(spent, 3) for phase, spent in seconds.items()}


def write_record(
    folder: Path,
    experiment: BaseExperiment,
    outcome: Outcome,
    history: list[dict[str, Any]],
    environment: dict[str, Any],
    keep: str,
) -> RunRecord:
    """Write the results of a run to its folder, which already holds its config and weights, and mark it as done.

    Args:
        folder: The run folder, held by this process.
        experiment: The run.
        outcome: Its scores.
        history: A row for each epoch.
        environment: Versions, device and times of the run.
        keep: light, weights or all.

    Returns:
        The record.
    """
    documents = {
        "environment.json": environment,
        "history.json": history,
        "noise.json": experiment.noise_document(),
        "result.json": outcome.result,
    }
    arrays = {"noise.npz": experiment.manifest.arrays(), "retrieval.npz": outcome.retrieval}
    if outcome.detection:
        arrays["detection.npz"] = outcome.detection
    if keep == "light":
        (folder / WEIGHTS).unlink()
        arrays["retrieval.npz"] = {
            k: v for k, v in outcome.retrieval.items() if not k.startswith("thumbnail")
        }
    if keep == "all":
        arrays["descriptors.npz"] = outcome.descriptors
        if outcome.predictions:
            arrays["predictions.npz"] = outcome.predictions
    finish_record(folder, documents, arrays)
    clear_checkpoints(folder)
    for replaced in asides(folder, REPLACED):
        shutil.rmtree(replaced, ignore_errors=True)
    record = read_record(folder)
    assert isinstance(record, RunRecord), record.reason
    return record


def clear_finished(folder: Path) -> None:
    """Remove the checkpoint of a finished run whose process was killed before it could remove it.

    A run that another process computes again meanwhile keeps its own.
    """
    if not has_checkpoint(folder):
        return
    with suppress(GridbenchError, OSError), locked(folder.parent, folder):
        if (folder / DONE).exists():
            clear_checkpoints(folder)


def failed(error: BaseException, folder: Path, plan: Plan) -> GridbenchError:
    """Record a failure in the run folder and return the error for the user."""
    full = no_room(error)
    if full:
        if asides(folder, REPLACED):
            full = NoRoom(f"{full} The record that it was to replace is in {asides(folder, REPLACED)[-1]}.")
        return full
    message = in_words(error)
    uncompiled = compile_failure(error)
    if uncompiled:
        message = f"The backbone cannot be compiled ({uncompiled}); leave out --compile."
    weights = folder / WEIGHTS
    document = {
        "schema": 1,
        "id": plan.id,
        "message": _encodable(message),
        "traceback": _encodable(traceback.format_exc()),
        "files": {WEIGHTS: file_hash(weights)} if weights.is_file() else {},
    }
    where = f"The traceback is in {folder / FAILED}."
    try:
        write_json(folder / FAILED, document)
    except OSError:
        where = f"That could not be noted in {folder}."
    if asides(folder, REPLACED):
        where += f" The record that it was to replace is in {asides(folder, REPLACED)[-1]}."
    said = as_sentence(message)
    if isinstance(error, RunFailed):
        return RunFailed(f"{said} {where}")
    return RunFailed(f"The run failed: {said} {where} The same command resumes it.")


def _encodable(text: str) -> str:
    """Return text of a plug-in, whose half surrogate pairs no file can hold, with these written out."""
    return text.encode(errors="backslashreplace").decode()
