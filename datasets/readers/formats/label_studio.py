"""Reads the JSON of Label Studio: choices, rectangles, ellipses and polygons; brush strokes without their shape."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from gridbench.datasets.readers.files import RASTER_SUFFIXES
from gridbench.datasets.readers.formats.drawn import Annotations, Drawn, ellipse, rectangle
from gridbench.errors import InputError, counted, nearest

__all__ = ["STUDIO", "is_answer", "studio_annotations"]

STUDIO = "Label Studio"
_ANSWER_KEYS = ("choice", "choices", "label")
"""Usual names of a question with one answer in the minimal export."""


def studio_annotations(
    path: Path, tasks: Sequence[Mapping[str, Any]], questions: Sequence[str] = ()
) -> Annotations:
    """Understand the tasks of Label Studio, in its full and its minimal JSON.

    Args:
        path: The file, for messages.
        tasks: Its content.
        questions: Names of the questions whose answers are the labels; empty for the only one.

    Raises:
        InputError: A task names no image, or has annotations that differ, or there are several questions.
    """
    _refuse_questions(path, tasks, questions)
    images: dict[str, list[Drawn]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for number, task in enumerate(tasks, 1):
        data = task.get("data", task)
        where = f"{path}: task {task.get('id', number)}"
        name = _image_of(where, data)
        if name in images:
            raise InputError(f"{where}: another task is about {name} too.")
        done = [each for each in task.get("annotations", []) if not each.get("was_cancelled")]
        found = [_studio_results(where, each.get("result", []), questions) for each in done] or [
            _studio_minimal(task, questions)
        ]
        if any({one.label for one in each} != {one.label for one in found[0]} for each in found):
            raise InputError(f"{where} has {len(found)} annotations that differ; export one for each task.")
        images[name] = found[0]
        size = next((known for each in done for row in each.get("result", []) if (known := _size(row))), None)
        if size is not None:
            sizes[name] = size
    names = tuple(sorted({each.label for drawn in images.values() for each in drawn}))
    if not names:
        raise InputError(f"{path} is a list of tasks without a label.")
    return Annotations(STUDIO, names, images, sizes)


def _refuse_questions(path: Path, tasks: Sequence[Mapping[str, Any]], chosen: Sequence[str]) -> None:
    """Refuse choices beside answers to another question, such as the quality of an image, unless some were chosen.

    Raises:
        InputError: With the questions and some of their answers, or a question that there is not.
    """
    answers: dict[str, set[str]] = {}
    choices: set[str] = set()
    for task in tasks:
        done = [each for each in task.get("annotations", []) if not each.get("was_cancelled")]
        for row in (row for each in done for row in each.get("result", [])):
            kind, value, name = str(row.get("type", "")), row.get("value", {}), str(row.get("from_name", ""))
            if isinstance(value, dict) and isinstance(value.get(kind), list):
                answers.setdefault(name, set()).update(map(str, value[kind]))
                choices |= {name} if kind == "choices" else set()
        for name, value in () if "annotations" in task else task.items():
            if isinstance(value, dict) and isinstance(value.get("choices"), list):
                answers.setdefault(name, set()).update(map(str, value["choices"]))
                choices.add(name)
            elif name in _ANSWER_KEYS and isinstance(value, str):
                answers.setdefault(name, set()).add(value)
                choices.add(name)
    missing = next((name for name in chosen if name not in answers), None)
    if missing is not None:
        raise InputError(
            f"--label-columns: {path} has no question {missing!r}.{nearest(missing, answers)} Its questions are "
            f"{', '.join(answers)}."
        )
    if len(answers) > 1 and choices and not chosen:
        shown = " and ".join(
            f"{name} ({', '.join(sorted(of)[:3])})" for name, of in list(answers.items())[:3]
        )
        options = " or ".join(f"--label-columns {shlex.quote(name)}" for name in list(answers)[:3])
        raise InputError(
            f"{path} answers {counted(len(answers), 'question')} about each image: {shown}. Say which are the labels: "
            f"{options}; several together where all are."
        )


def _studio_results(
    where: str, results: Sequence[Mapping[str, Any]], questions: Sequence[str]
) -> list[Drawn]:
    drawn = []
    for result in results:
        if questions and str(result.get("from_name", "")) not in questions:
            continue
        kind, value = str(result.get("type", "")), result.get("value", {})
        labels = value.get(kind) if isinstance(value, dict) else None
        if not isinstance(labels, list):
            continue
        width, height = result.get("original_width", 0), result.get("original_height", 0)
        shape = _studio_shape(value, width, height)
        if not all(isinstance(label, str) for label in labels):
            raise InputError(f"{where} has a label that is not text.")
        drawn += [Drawn(label, shape, is_box=kind == "rectanglelabels") for label in labels]
    return drawn


def _studio_shape(value: Mapping[str, Any], width: float, height: float) -> tuple[tuple[float, ...], ...]:
    """Return an outline in pixels; Label Studio counts in percent and turns about the upper left corner."""
    points = value.get("points")
    if isinstance(points, list) and len(points) > 2:
        return (
            tuple(
                float(at) * side / 100
                for point in points
                for at, side in zip(point, (width, height), strict=True)
            ),
        )
    sides = {"x": width, "y": height, "width": width, "height": height, "radiusX": width, "radiusY": height}
    at = {
        key: float(value[key]) * side / 100
        for key, side in sides.items()
        if isinstance(value.get(key), int | float)
    }
    degrees = float(value.get("rotation") or 0)
    if {"x", "y", "width", "height"} <= at.keys():
        left, top = at["x"], at["y"]
        return (rectangle(left, top, left + at["width"], top + at["height"], degrees, (left, top)),)
    if {"x", "y", "radiusX", "radiusY"} <= at.keys():
        return (ellipse(at["x"], at["y"], at["radiusX"], at["radiusY"], degrees),)
    return ()


def is_answer(cell: object) -> bool:
    """Return whether a value has the form of an answer in the minimal export, which other records lack."""
    if isinstance(cell, dict):
        return isinstance(cell.get("choices"), list)
    rows = cell if isinstance(cell, list) else []
    return any(isinstance(row, dict) and any(name.endswith("labels") for name in row) for row in rows)


def _studio_minimal(task: Mapping[str, Any], questions: Sequence[str]) -> list[Drawn]:
    """Return the labels of a task of the minimal export, where each question has a key of its own."""
    found: list[str] = []
    for key, value in task.items():
        if questions and key not in questions:
            continue
        if isinstance(value, dict) and isinstance(value.get("choices"), list):
            found += value["choices"]
        elif isinstance(value, list):
            for each in (row for row in value if isinstance(row, dict)):
                found += [word for name, words in each.items() if name.endswith("labels") for word in words]
        elif key in _ANSWER_KEYS and isinstance(value, str):
            found.append(value)
    return [Drawn(str(label)) for label in found]


def _size(result: Mapping[str, Any]) -> tuple[int, int] | None:
    height, width = result.get("original_height"), result.get("original_width")
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def _image_of(where: str, data: object) -> str:
    """Return the file that a task is about: the one that is called like an image, else the one that has an ending.

    Raises:
        InputError: There is none, or there are several.
    """
    texts = [text for text in (data.values() if isinstance(data, dict) else ()) if isinstance(text, str)]
    files = [name for name in map(_file_of, texts) if PurePosixPath(name).suffix]
    names = list(
        dict.fromkeys([n for n in files if PurePosixPath(n).suffix.lower() in RASTER_SUFFIXES] or files)
    )
    if not names:
        raise InputError(f"{where} names no image.")
    if len(names) > 1:
        raise InputError(
            f"{where} names several files, {names[0]} and {names[1]}: which is the image is not said."
        )
    return names[0]


def _file_of(text: str) -> str:
    """Return the file that an address or a path of Label Studio names."""
    parts = urlsplit(text)
    local = parse_qs(parts.query).get("d")
    return unquote(local[0] if local else parts.path).rsplit("/", 1)[-1]
