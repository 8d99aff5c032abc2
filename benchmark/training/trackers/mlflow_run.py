"""MLflow: a run in the store that MLFLOW_TRACKING_URI names, or in a SQLite file of the log's folder.

The experiment is that of MLFLOW_EXPERIMENT_NAME, `gridbench` when it is not set.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gridbench.training.trackers import LoggedRun, scalars
from gridbench.training.trackers.pictures import record_files, retrieved_pictures

__all__ = ["MlflowRun"]

TAG = "gridbench.id"
LONGEST = 500
"""Characters of a parameter that every version of MLflow takes."""


class MlflowRun:
    """Logs one run to MLflow; a resumed one continues in the MLflow run of its identity."""

    def __init__(self, run: LoggedRun) -> None:
        # An unreachable server would delay every epoch by minutes.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        from mlflow.entities import Param, RunTag
        from mlflow.tracking import MlflowClient

        uri = os.environ.get("MLFLOW_TRACKING_URI")
        if not uri:
            run.folder.mkdir(parents=True, exist_ok=True)
            uri = f"sqlite:///{(run.folder / 'mlflow.db').resolve().as_posix()}"
        self._client = MlflowClient(tracking_uri=uri)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "gridbench")
        there = self._client.get_experiment_by_name(name)
        if there is not None:
            experiment = there.experiment_id
        elif uri.startswith("sqlite:"):
            artifacts = (run.folder / "artifacts").resolve().as_uri()
            experiment = self._client.create_experiment(name, artifact_location=artifacts)
        else:
            experiment = self._client.create_experiment(name)
        found = self._client.search_runs([experiment], f"tags.`{TAG}` = '{run.id}'", max_results=1)
        if found:
            self._id = found[0].info.run_id
            self._client.update_run(self._id, status="RUNNING")
        else:
            created = self._client.create_run(experiment, run_name=run.name, tags={TAG: run.id})
            self._id = created.info.run_id
            parameters = [Param(key, str(value)[:LONGEST]) for key, value in run.settings.items()]
            self._client.log_batch(self._id, params=parameters, tags=[RunTag("machine", run.machine)])
        logged = self._client.get_metric_history(self._id, "loss") if found else []
        self._last = max((metric.step for metric in logged), default=0)
        self._done = False
        for row in run.history:
            self.epoch(row)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Log the numbers of a finished epoch, once."""
        if row["epoch"] > self._last:
            self._last = int(row["epoch"])
            self._log(scalars(row), self._last)

    def finish(self, metrics: Mapping[str, float], record: Path) -> None:
        """Log the final scores, the retrieved images and the record."""
        self._log({f"final/{name}": value for name, value in metrics.items()}, self._last)
        for number, picture in enumerate(retrieved_pictures(record)):
            self._client.log_image(self._id, picture, artifact_file=f"retrieved/query{number}.png")
        for path in record_files(record):
            self._client.log_artifact(self._id, str(path), artifact_path="record")
        self._done = True

    def _log(self, numbers: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        # MLflow does not allow @ in names.
        metrics = [
            Metric(re.sub(r"[^\w./ -]", "_", name.replace("@", "_at_")), value, now, step)
            for name, value in numbers.items()
        ]
        self._client.log_batch(self._id, metrics=metrics)

    def close(self) -> None:
        """Say that the run is over, or that it was interrupted."""
        self._client.set_terminated(self._id, "FINISHED" if self._done else "KILLED")
