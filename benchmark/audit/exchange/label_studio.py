"""Tasks of Label Studio for `<Choices name="labels" toName="image" choice="multiple">`, with a prediction each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gridbench.audit.exchange.images import Format, Labelled, Task
from gridbench.core.files import LARGEST_TABLE
from gridbench.core.json_files import MOST_ANNOTATED, parse_json
from gridbench.errors import InputError

__all__ = ["LABEL_STUDIO"]

QUESTION, IMAGE, NAME = "labels", "image", "name"


def _write(tasks: Sequence[Task], classes: Sequence[str], audit: str) -> bytes:
    return json.dumps([_task(each, audit) for each in tasks], indent=1, ensure_ascii=False).encode()


def _task(task: Task, audit: str) -> dict[str, Any]:
    choice = {
        "from_name": QUESTION,
        "to_name": IMAGE,
        "type": "choices",
        "value": {"choices": task.suggested},
    }
    prediction = {
        "model_version": f"gridbench audit {audit}",
        "score": round(max(each.score for each in task.suspects), 4),
        "result": [choice],
    }
    suspects = [
        {"label": each.label, "kind": "wrong" if each.wrong else "missing", "score": round(each.score, 4)}
        for each in task.suspects
    ]
    data = {IMAGE: task.address, NAME: task.name, "given": task.given, "suspects": suspects}
    return {"data": data, "predictions": [prediction]}


def _read(path: Path, content: bytes) -> list[Labelled]:
    """Read tasks of the full or the minimal export; tasks without a submitted annotation are left out."""
    tasks = parse_json(content, largest=LARGEST_TABLE, nested=MOST_ANNOTATED)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise InputError(f"{path} is not an export of Label Studio: a list of tasks.")
    found = []
    for number, task in enumerate(tasks, 1):
        where = f"{path}, task {number}"
        data = task.get("data", task)
        name = data.get(NAME, data.get(IMAGE)) if isinstance(data, dict) else None
        if not isinstance(name, str):
            raise InputError(f"{where} has neither {NAME!r} nor {IMAGE!r}, so its image is not known.")
        labels = _submitted(where, task)
        if labels:
            found.append(Labelled(name, labels, finished=True))
    return found


def _submitted(where: str, task: Mapping[str, Any]) -> tuple[frozenset[str], ...]:
    if "annotations" not in task:
        answer = task.get(QUESTION)
        if answer is None:
            # The full export of a task without annotations, or a task as it was imported.
            return ()
        words = answer.get("choices") if isinstance(answer, dict) else answer
        return (_words(where, [words] if isinstance(words, str) else words),)
    annotations = task["annotations"]
    if not isinstance(annotations, list) or not all(isinstance(each, dict) for each in annotations):
        raise InputError(f"{where}: its annotations are not a list of objects.")
    return tuple(_choices(where, each) for each in annotations if not each.get("was_cancelled"))


def _choices(where: str, annotation: Mapping[str, Any]) -> frozenset[str]:
    results = annotation.get("result")
    if not isinstance(results, list) or not all(isinstance(each, dict) for each in results):
        raise InputError(f"{where}: an annotation has no list `result`.")
    values = [each.get("value") for each in results if each.get("type") == "choices"]
    lists = [value.get("choices") if isinstance(value, dict) else None for value in values]
    return frozenset().union(*(_words(where, words) for words in lists))


def _words(where: str, words: object) -> frozenset[str]:
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise InputError(f"{where}: its choices are {words!r:.60}, not a list of class names.")
    return frozenset(words)


LABEL_STUDIO = Format("Label Studio's JSON: tasks with predictions, and annotated tasks", _write, _read)
