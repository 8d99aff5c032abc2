"""Weights & Biases: a run online, or in files of its own with WANDB_MODE=offline, which `wandb sync` sends later.

Project and entity are those of W&B's own variables (WANDB_PROJECT, `gridbench` when it is not set, and WANDB_ENTITY).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gridbench.core.json_files import read_json, write_json
from gridbench.training.trackers import LoggedRun, scalars
from gridbench.training.trackers.pictures import record_files, retrieved_pictures

__all__ = ["WandbRun"]

SECONDS = 30
"""How long W&B is waited for at either end of a run."""


class WandbRun:
    """Logs one run to Weights & Biases; a resumed one continues under the same identity."""

    def __init__(self, run: LoggedRun) -> None:
        import wandb

        if "WANDB_MODE" not in os.environ and not wandb.api.api_key:
            raise RuntimeError("there is no API key; log in with `wandb login`, or set WANDB_MODE=offline")
        self._wandb = wandb
        run.folder.mkdir(parents=True, exist_ok=True)
        # Offline runs cannot be queried, so the logged epochs are recorded in a separate file.
        self._note = run.folder / f"logged-{run.id}.json"
        noted = read_json(self._note) if self._note.is_file() else {}
        wanted: dict[str, Any] = {"console": "off", "silent": True, "init_timeout": SECONDS}
        if os.environ.get("WANDB_MODE", "online") == "online":
            # Offline, only the local disk has to be waited for, and unfinished writes would be lost.
            wanted["finish_timeout"] = SECONDS
        known = {name: value for name, value in wanted.items() if name in wandb.Settings.model_fields}
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "gridbench"),
            id=run.id,
            name=run.name,
            resume="allow",
            dir=str(run.folder),
            config={**run.settings, "machine": run.machine},
            settings=wandb.Settings(**known),
        )
        # After resuming, epochs are logged only if they were not logged before.
        self._last = max(int(noted.get("epoch", 0)), int(self._run.step) - 1 if self._run.resumed else 0)
        self._finished = bool(noted.get("finished"))
        for row in run.history:
            self.epoch(row)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Log the numbers of a finished epoch, once."""
        if row["epoch"] > self._last:
            self._run.log(scalars(row), step=int(row["epoch"]))
            self._last = int(row["epoch"])
            write_json(self._note, {"epoch": self._last})

    def finish(self, metrics: Mapping[str, float], record: Path) -> None:
        """Log the final scores, the retrieved images and the record."""
        if self._finished:
            return
        final: dict[str, Any] = {f"final/{name}": value for name, value in metrics.items()}
        pictures = [self._wandb.Image(picture) for picture in retrieved_pictures(record)]
        self._run.log({**final, **({"retrieved": pictures} if pictures else {})}, step=self._last)
        artifact = self._wandb.Artifact(f"record-{self._run.id}", type="record")
        for path in record_files(record):
            artifact.add_file(str(path))
        self._run.log_artifact(artifact)
        write_json(self._note, {"epoch": self._last, "finished": True})

    def close(self) -> None:
        """Write, and online send, what is still to be written."""
        self._run.finish()
