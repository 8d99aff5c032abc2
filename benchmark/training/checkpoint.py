"""Checkpoints: the complete training state as safetensors and JSON, written atomically."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from gridbench.core.files import LARGEST_TABLE, file_hash, read_bytes, write_bytes
from gridbench.core.json_files import read_json, write_json
from gridbench.core.machine import NOT_RECORDED
from gridbench.errors import reason_of

__all__ = [
    "SECONDS",
    "Checkpoint",
    "CheckpointWriter",
    "checkpoint_digest",
    "clear_checkpoints",
    "has_checkpoint",
    "independent",
    "load_checkpoint",
    "optimizer_tensors",
    "restore_optimizer",
    "save_checkpoint",
]

INDEX = "checkpoint.json"

SECONDS = "GRIDBENCH_CHECKPOINT_SECONDS"
"""Environment variable with the least number of seconds between two checkpoints; 0 for one after every epoch."""

USUAL_SECONDS = 3.0
"""Small networks have epochs of a third of a second, of which a checkpoint after each would take a twentieth."""


@dataclass(frozen=True)
class Checkpoint:
    """The state after an epoch.

    Attributes:
        epoch: Number of finished epochs.
        tensors: Named tensors: `method/...`, `optimizer/...`, `own_optimizer/...`, and `best/...` where the
            best epoch is kept.
        state: Plain values: history, best score and so on.
        machines: The machines that trained it one after the other, each with the number of epochs finished by then:
            `{"machine": label, "epochs": number}`.
    """

    epoch: int
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]
    machines: Sequence[Mapping[str, Any]] = ()


def save_checkpoint(folder: Path, run_id: str, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the previous one stays valid until the new one is complete."""
    name = f"checkpoint-{checkpoint.epoch:06d}.safetensors"
    digest = write_bytes(folder / name, save(independent(checkpoint.tensors)))
    index = {
        "id": run_id,
        "epoch": checkpoint.epoch,
        "file": name,
        "sha256": digest,
        "state": checkpoint.state,
        "machines": list(checkpoint.machines),
    }
    write_json(folder / INDEX, {**index, "check": checkpoint_digest(index)})
    for old in folder.glob("checkpoint-*.safetensors"):
        if old.name != name:
            old.unlink(missing_ok=True)


class CheckpointWriter:
    """Writes checkpoints in a background thread, at most once every few seconds.

    Used as a context manager, which waits for pending writes on exit.

    Args:
        folder: The run folder.
        run_id: The run's identity.

    Raises:
        OSError: A checkpoint could not be written; raised by the next one that is offered, or on leaving.
    """

    def __init__(self, folder: Path, run_id: str) -> None:
        self._folder, self._id = folder, run_id
        self._seconds = float(os.environ.get(SECONDS) or USUAL_SECONDS)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="gridbench-checkpoint")
        self._writing: Future[None] | None = None
        self._begun = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._pool.shutdown(wait=True)
        if kind is None and self._writing is not None:
            self._writing.result()

    def offer(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint if one is due; the tensors may change afterwards.

        Args:
            checkpoint: The state after an epoch.
        """
        if self._writing is not None and self._writing.done():
            self._writing.result()
        if time.monotonic() - self._begun < self._seconds:
            return
        if self._writing is not None:
            self._writing.result()
        self._begun = time.monotonic()
        kept = {name: value.detach().clone().cpu() for name, value in checkpoint.tensors.items()}
        state = json.loads(json.dumps(checkpoint.state))
        whole = replace(checkpoint, tensors=kept, state=state)
        self._writing = self._pool.submit(save_checkpoint, self._folder, self._id, whole)


def load_checkpoint(folder: Path, run_id: str) -> Checkpoint | None:
    """Read the last checkpoint of a run.

    Returns:
        The checkpoint, or None when there is none.

    Raises:
        ValueError: There is one and it is damaged or another run's; the message says how.
    """
    linked = (folder / INDEX).is_symlink()
    if not linked and not (folder / INDEX).exists():
        return None
    try:
        if linked:
            raise ValueError(f"{INDEX} is a link, which the next one would not replace")
        index = read_json(folder / INDEX, LARGEST_TABLE)
        if index.pop("check", None) != checkpoint_digest(index):
            raise ValueError(f"{INDEX} was changed")
        name, epoch = str(index["file"]), int(index["epoch"])
        if index["id"] != run_id:
            raise ValueError("it belongs to another run")
        if Path(name).name != name or not (folder / name).is_file():
            raise ValueError(f"{name} is missing")
        if file_hash(folder / name) != index["sha256"]:
            raise ValueError(f"{name} was changed")
        unknown = [{"machine": NOT_RECORDED, "epochs": epoch}]  # written before machines were recorded
        machines = list(index.get("machines") or unknown)
        return Checkpoint(epoch, load(read_bytes(folder / name)), dict(index["state"]), machines)
    except (AttributeError, KeyError, TypeError, OSError, ValueError, SafetensorError) as error:
        raise ValueError(f"the checkpoint cannot be used: {reason_of(error)}") from error


def independent(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors in main memory of which no two share storage, as safetensors requires.

    Raises:
        TypeError: A value is not a tensor.
    """
    copies: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, value in tensors.items():
        if not isinstance(value, Tensor):
            raise TypeError(
                f"the state {name!r} is a {type(value).__name__}; a checkpoint holds tensors only"
            )
        copy = value.detach().cpu().contiguous()
        if copy.untyped_storage().data_ptr() in storages:
            copy = copy.clone()
        storages.add(copy.untyped_storage().data_ptr())
        copies[name] = copy
    return copies


def _laid_like(parameter: Tensor, value: Tensor) -> Tensor:
    """Return values that lie in memory as their parameter does, so that a step rounds as it would have."""
    if value.shape != parameter.shape or value.stride() == parameter.stride():
        return value
    return torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)


def checkpoint_digest(index: Mapping[str, Any]) -> str:
    """Return the sha256 of a checkpoint's index, which is stored in it under `check`."""
    text = json.dumps(index, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def has_checkpoint(folder: Path) -> bool:
    """Tell whether a run folder holds a file of a checkpoint."""
    return next(_files(folder), None) is not None


def clear_checkpoints(folder: Path) -> None:
    """Remove every checkpoint file of a run folder."""
    for path in list(_files(folder)):
        path.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[Path]:
    # The index first: without it the weights that are left are not a checkpoint.
    if os.path.lexists(folder / INDEX):
        yield folder / INDEX
    yield from folder.glob("checkpoint-*.safetensors")


def optimizer_tensors(optimizer: torch.optim.Optimizer, part: str = "optimizer") -> dict[str, Tensor]:
    """Return an optimiser's state as tensors named `part/parameter/name`, and that of its groups as `part.group/...`.

    What is None is left out. Numbers keep their type by their name, since a tensor computes with fewer digits.
    """
    found: dict[str, Tensor] = {}
    for index, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                found[f"{part}/{index}/{name}"] = value
            elif value is not None:
                found[f"{part}/{index}/{name}:{type(value).__name__}"] = torch.tensor(
                    value, dtype=torch.float64
                )
    for index, group in enumerate(optimizer.param_groups):
        # Some optimisers count their steps by group, in a number or, as timm's Lamb, in a tensor.
        if isinstance(group.get("step"), Tensor):
            found[f"{part}.group/{index}/step:Tensor"] = group["step"]
        elif isinstance(group.get("step"), int):
            found[f"{part}.group/{index}/step"] = torch.tensor(group["step"])
    return found


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], part: str = "optimizer"
) -> None:
    """Put tensors named `part/...` back into an optimiser built over the same parameters."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        if key.startswith(f"{part}/"):
            _, place, entry = key.split("/", 2)
            name, _, kind = entry.partition(":")
            number = {"int": int, "float": float, "bool": bool}.get(kind)
            kept = number(value) if number else _laid_like(parameters[int(place)], value)
            state.setdefault(int(place), {})[name] = kept
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    for index, group in enumerate(optimizer.param_groups):
        if f"{part}.group/{index}/step" in tensors:
            group["step"] = int(tensors[f"{part}.group/{index}/step"])
        elif f"{part}.group/{index}/step:Tensor" in tensors:
            group["step"] = tensors[f"{part}.group/{index}/step:Tensor"].clone()
