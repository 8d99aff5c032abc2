"""Suspicious labels as files of annotation tools: tasks of Label Studio, and samples of FiftyOne."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from gridbench.audit.audit import Audit
from gridbench.audit.ranking import Suspects
from gridbench.datasets import Archive

__all__ = ["EXCHANGE_FORMATS"]


def _images(audit: Audit, archive: Archive, suspects: Suspects) -> list[dict[str, Any]]:
    """Return one entry for each image, the one with the most suspicious label first."""
    found: dict[int, dict[str, Any]] = {}
    classes = archive.class_names
    for at in range(len(suspects)):
        i, c = int(suspects.samples[at]), int(suspects.labels[at])
        entry = found.setdefault(
            i,
            {
                "name": archive.names[audit.positions[i]],
                "given": [classes[k] for k in np.flatnonzero(audit.given[i])],
                "suspects": [],
            },
        )
        entry["suspects"].append((classes[c], bool(suspects.wrong[at]), float(suspects.scores[at])))
    return list(found.values())


def _suggested(entry: Mapping[str, Any]) -> list[str]:
    """Return the image's labels as they would be if every suspicion above one half were right."""
    turned = {name: wrong for name, wrong, score in entry["suspects"] if score > 0.5}
    kept = [name for name in entry["given"] if not turned.get(name, False)]
    return kept + [name for name, wrong in turned.items() if not wrong]


def label_studio(audit: Audit, archive: Archive, suspects: Suspects, prefix: str) -> list[dict[str, Any]]:
    """Return tasks with a prediction each, for `<Choices name="labels" toName="image" choice="multiple">`.

    Args:
        audit: The audit.
        archive: The archive that it is of.
        suspects: Suspicious labels, the most suspicious first.
        prefix: What stands before the name of an image in its address.
    """
    tasks = []
    for entry in _images(audit, archive, suspects):
        choice = {
            "from_name": "labels",
            "to_name": "image",
            "type": "choices",
            "value": {"choices": _suggested(entry)},
        }
        prediction = {
            "model_version": f"gridbench audit {audit.document['id']}",
            "score": round(max(score for _, _, score in entry["suspects"]), 4),
            "result": [choice],
        }
        data = {"image": prefix + entry["name"], "given": entry["given"], "suspects": _told(entry)}
        tasks.append({"data": data, "predictions": [prediction]})
    return tasks


def fiftyone(audit: Audit, archive: Archive, suspects: Suspects, prefix: str) -> dict[str, Any]:
    """Return a data set in FiftyOne's plain JSON for multilabel classification: classes, and labels of each image.

    Args:
        audit: The audit.
        archive: The archive that it is of.
        suspects: Suspicious labels, the most suspicious first.
        prefix: What stands before the name of an image.
    """
    entries = _images(audit, archive, suspects)
    return {
        "classes": list(archive.class_names),
        "labels": {str(PurePosixPath(prefix + entry["name"])): _suggested(entry) for entry in entries},
    }


def _told(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"label": name, "kind": "wrong" if wrong else "missing", "score": round(score, 4)}
        for name, wrong, score in entry["suspects"]
    ]


EXCHANGE_FORMATS: Mapping[str, Callable[[Audit, Archive, Suspects, str], Any]] = {
    "label-studio": label_studio,
    "fiftyone": fiftyone,
}
