"""FiftyOne's plain JSON for image classification: class numbers by the image's name without its suffix."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from gridbench.audit.exchange.images import Format, Labelled, Task
from gridbench.core.files import LARGEST_TABLE
from gridbench.core.json_files import MOST_ANNOTATED, parse_json
from gridbench.errors import InputError

__all__ = ["FIFTYONE"]


def _write(tasks: Sequence[Task], classes: Sequence[str], audit: str) -> bytes:
    """Write the given labels, so that a file that comes back untouched changes nothing; suspicions as attributes."""
    labels = {
        str(PurePosixPath(each.address)): [
            {"label": classes.index(name), "attributes": _attributes(each, name)} for name in each.given
        ]
        or None
        for each in tasks
    }
    return json.dumps({"classes": list(classes), "labels": labels}, indent=1, ensure_ascii=False).encode()


def _attributes(task: Task, label: str) -> dict[str, str]:
    """Return the suspicion about a given label; the image's first label also lists those it may lack."""
    said = [each.text for each in task.suspects if each.label == label]
    if label == task.given[0]:
        said += [each.text for each in task.suspects if not each.wrong]
    return {"audit": "; ".join(said)} if said else {}


def _read(path: Path, content: bytes) -> list[Labelled]:
    value = parse_json(content, largest=LARGEST_TABLE, nested=MOST_ANNOTATED)
    labels = value.get("labels") if isinstance(value, dict) else None
    classes = value.get("classes") if isinstance(value, dict) else None
    if not isinstance(labels, dict) or not (
        classes is None or (isinstance(classes, list) and all(isinstance(name, str) for name in classes))
    ):
        raise InputError(
            f"{path} is not a labels.json of FiftyOne: it lacks `labels`, or `classes` is not a list of names."
        )
    return [
        Labelled(name, (frozenset(_class(path, name, each, classes) for each in _targets(target)),))
        for name, target in labels.items()
    ]


def _targets(target: Any) -> list[Any]:
    if target is None:
        return []
    return target if isinstance(target, list) else [target]


def _class(path: Path, name: str, target: Any, classes: list[str] | None) -> str:
    label = target.get("label") if isinstance(target, dict) else target
    if isinstance(label, str):
        return label
    if isinstance(label, int) and not isinstance(label, bool) and classes and 0 <= label < len(classes):
        return classes[label]
    raise InputError(
        f"{path}: {name} has the label {label!r:.40}, which is neither a name nor one of `classes`."
    )


FIFTYONE = Format("FiftyOne's plain JSON for image classification", _write, _read)
