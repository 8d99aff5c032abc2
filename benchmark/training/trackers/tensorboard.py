"""Event files that TensorBoard, and whatever reads its format, can open: a scalar for each number of the history.

They lie in a folder of their own, are not part of the record or of its hashes, and change nothing that a run computes.
"""

from __future__ import annotations

import io
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gridbench.training.trackers import LoggedRun, scalars
from gridbench.training.trackers.pictures import retrieved_pictures

__all__ = ["EventLog"]


class EventLog:
    """Writes the epochs of one run, each once, however often the run is interrupted.

    What an earlier attempt wrote into the run's folder of event files stays and is continued.
    """

    def __init__(self, run: LoggedRun) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder = run.folder
        self._epochs = len(run.history)
        # Readers drop what an attempt logged after the checkpoint that this one goes on from.
        self._written = {name: min(step, self._epochs) for name, step in _last_steps(folder).items()}
        _wait_for_another_second(folder)
        folder.mkdir(parents=True, exist_ok=True)
        # The name by which readers know and order event files.
        self._path = folder / f"events.out.tfevents.{int(time.time()):010d}.{platform.node()}.{os.getpid()}"
        # Written synchronously: TensorBoard's own writer uses a thread, whose failures would go unnoticed.
        self._file = self._path.open("xb")
        self._records = RecordWriter(self._file)
        self._write({"file_version": "brain.Event:2"})
        self._write({"step": self._epochs + 1, "session_log": SessionLog(status=SessionLog.START)})
        if not self._written:
            self._put([_text({**run.settings, "machine": run.machine})], 0)
        for row in run.history:
            self.epoch(row)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Write the numbers of a finished epoch."""
        self._add(scalars(row), int(row["epoch"]))
        self._epochs = max(self._epochs, int(row["epoch"]))

    def finish(self, metrics: Mapping[str, float], record: Path) -> None:
        """Write the final scores and the retrieved images, at the last epoch."""
        if not any(name.startswith("final/") for name in self._written):
            pictures = enumerate(retrieved_pictures(record))
            self._put([_image(f"retrieved/query{i}", picture) for i, picture in pictures], self._epochs)
        self._add({f"final/{name}": value for name, value in metrics.items()}, self._epochs)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _add(self, numbers: Mapping[str, float], step: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [
            Summary.Value(tag=name, simple_value=value)
            for name, value in numbers.items()
            if step > self._written.get(name, -1)
        ]
        self._put(values, step)

    def _put(self, values: Sequence[Any], step: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        if values:
            self._write({"step": step, "summary": Summary(value=values)})

    def _write(self, event: Mapping[str, Any]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        try:
            self._records.write(Event(wall_time=time.time(), **event).SerializeToString())
            self._file.flush()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from None


def _text(lines: Mapping[str, Any]) -> Any:
    """Return what TensorBoard's page of texts shows as a list."""
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING

    listed = "\n".join(f"- {name}: {value}" for name, value in lines.items())
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    tensor = TensorProto(dtype=DT_STRING, string_val=[listed.encode()])
    return Summary.Value(tag="settings", metadata=metadata, tensor=tensor)


def _image(tag: str, picture: Any) -> Any:
    from PIL import Image
    from tensorboard.compat.proto.summary_pb2 import Summary

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    height, width = picture.shape[:2]
    shown = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=buffer.getvalue())
    return Summary.Value(tag=tag, image=shown)


def _wait_for_another_second(folder: Path) -> None:
    """Wait until a new file comes after those that are there: readers order files by the second in their names."""
    while any(f".tfevents.{int(time.time())}." in path.name for path in folder.glob("*tfevents*")):
        time.sleep(0.05)


def _last_steps(folder: Path) -> dict[str, int]:
    """Return the last step of each scalar in a folder's event files; one that was cut off counts as far as it goes."""
    if not any(folder.glob("*tfevents*")):
        return {}
    from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={SCALARS: 0})
    events.Reload()
    return {tag: events.Scalars(tag)[-1].step for tag in events.Tags()[SCALARS] if events.Scalars(tag)}
