"""Reads exports of annotation tools: COCO JSON, Label Studio JSON (full and minimal), CVAT XML for images 1.1."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from gridbench.datasets.readers.source_files import Unreadable, read_bytes
from gridbench.datasets.readers.tables import LabelTable
from gridbench.errors import InputError

__all__ = ["ANNOTATION_SUFFIXES", "Annotations", "Drawn", "annotation_table", "read_annotations"]

ANNOTATION_SUFFIXES = (".json", ".xml")
_UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-")


@dataclass(frozen=True)
class Drawn:
    """One object in an image.

    Attributes:
        label: Name of its class.
        polygons: Outlines in pixels, each a flat tuple x, y, x, y and so on; empty for a label of the whole image.
        rle: Run lengths of a COCO mask (first run off, column by column), or None.
        size: (height, width) of that mask.
    """

    label: str
    polygons: tuple[tuple[float, ...], ...] = ()
    rle: tuple[int, ...] | None = None
    size: tuple[int, int] | None = None


@dataclass
class Annotations:
    """What an export says.

    Attributes:
        kind: Name of the format.
        class_names: Names of the C classes, in the export's order.
        images: Name of each image's file -> its objects, in the order in which they were drawn.
        notes: What is worth knowing.
    """

    kind: str
    class_names: tuple[str, ...]
    images: dict[str, list[Drawn]]
    notes: list[str] = field(default_factory=list)


def annotation_table(path: Path, class_names: Sequence[str] | None, files: Iterable[Path]) -> LabelTable:
    """Return the scene labels that an export gives: an image has every class of which it has an object.

    Args:
        path: The export.
        class_names: The known classes, or None to take the export's.
        files: The image files, to find out how the tool has renamed them.

    Raises:
        InputError: It is no export that is read, or an entry is not what it should be.
    """
    found = read_annotations(path)
    names = found.class_names if class_names is None else tuple(class_names)
    place = {name: c for c, name in enumerate(names)}
    keys = _known_names(found.images, files)
    labels = np.zeros((len(keys), len(names)), dtype=np.uint8)
    for row, (image, drawn) in enumerate(found.images.items()):
        for each in drawn:
            if each.label not in place:
                raise InputError(
                    f"{path}: {image} has the class {each.label!r}, which is none of {', '.join(names[:10])}."
                )
            labels[row, place[each.label]] = 1
    without = sum(not drawn for drawn in found.images.values())
    notes = [*found.notes, *([f"{without} images of {path.name} have no annotation"] if without else [])]
    count = sum(map(len, found.images.values()))
    line = f"labels: {path.name}, {found.kind}: {count} annotations of {len(names)} classes in {len(keys)} images"
    return LabelTable(keys, names, labels, {}, tuple(notes), (line,))


def read_annotations(path: Path) -> Annotations:
    """Read an export, whose format is known by its content.

    Raises:
        InputError: It is no export that is read, or an entry is not what it should be.
    """
    try:
        content = read_bytes(path)
    except Unreadable as error:
        raise InputError(f"{error}.") from error
    start = content[:256].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start == b"<":
        return _cvat(path, content)
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}.") from error
    if isinstance(value, dict) and {"images", "annotations", "categories"} <= value.keys():
        return _coco(path, value)
    if isinstance(value, list) and value and all(isinstance(task, dict) for task in value):
        return _label_studio(path, value)
    raise InputError(
        f"{path} is no export that is read: COCO (images, annotations, categories), a list of Label Studio tasks, or "
        "CVAT for images 1.1 in XML."
    )


# COCO


def _coco(path: Path, value: Mapping[str, Any]) -> Annotations:
    names = {
        _field(path, row, "id", int, "category"): _field(path, row, "name", str, "category")
        for row in value["categories"]
    }
    classes = tuple(names.values())
    if len(set(classes)) < len(classes):
        raise InputError(f"{path}: two categories have the same name: {', '.join(sorted(classes))}.")
    files: dict[int, str] = {}
    images: dict[str, list[Drawn]] = {}
    for row in value["images"]:
        file = _field(path, row, "file_name", str, "image")
        if file in images:
            raise InputError(f"{path}: two images have the file name {file!r}.")
        files[_field(path, row, "id", int, "image")] = file
        images[file] = []
    for row in value["annotations"]:
        image, category = (_field(path, row, key, int, "annotation") for key in ("image_id", "category_id"))
        for what, number, known in (("image", image, files), ("category", category, names)):
            if number not in known:
                raise InputError(
                    f"{path}: the annotation {row.get('id')} is of the {what} {number}, which is not listed."
                )
        images[files[image]].append(_coco_object(path, row, names[category]))
    return Annotations("COCO", classes, images)


def _coco_object(path: Path, row: Mapping[str, Any], label: str) -> Drawn:
    shape, box = row.get("segmentation"), row.get("bbox")
    where = f"{path}: the segmentation of the annotation {row.get('id')}"
    if isinstance(shape, dict):
        size, counts = shape.get("size"), shape.get("counts")
        if isinstance(counts, str):
            counts = _runs_of_text(counts)
        if (
            not _numbers(size, 2)
            or not _numbers(counts)
            or sum(counts) != size[0] * size[1]
            or min(counts) < 0
        ):
            raise InputError(f"{where} has run lengths that do not fit its size.")
        return Drawn(label, (), tuple(map(int, counts)), (int(size[0]), int(size[1])))
    if shape:
        if not isinstance(shape, list) or not all(
            _numbers(part) and len(part) >= 6 and len(part) % 2 == 0 for part in shape
        ):
            raise InputError(f"{where} is no list of polygons x, y, x, y, ...")
        return Drawn(label, tuple(tuple(map(float, part)) for part in shape))
    if _numbers(box, 4):
        x, y, width, height = map(float, box)
        return Drawn(label, ((x, y, x + width, y, x + width, y + height, x, y + height),))
    return Drawn(label)


def _runs_of_text(text: str) -> list[int]:
    """Decode COCO's compressed run lengths (cocoapi, rleFrString): 6 bits a character, differences from the fourth."""
    runs: list[int] = []
    place = 0
    while place < len(text):
        value, shift, more = 0, 0, True
        while more:
            if place >= len(text):
                return [-1]
            code = ord(text[place]) - 48
            value |= (code & 31) << shift
            more = bool(code & 32)
            place += 1
            shift += 5
            if not more and code & 16:
                value |= -1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
    return runs


# Label Studio


def _label_studio(path: Path, tasks: Sequence[Mapping[str, Any]]) -> Annotations:
    images: dict[str, list[Drawn]] = {}
    for number, task in enumerate(tasks, 1):
        data = task.get("data", task)
        where = f"{path}: task {task.get('id', number)}"
        texts = [text for text in (data.values() if isinstance(data, dict) else ()) if _is_image_name(text)]
        if not texts:
            raise InputError(f"{where} names no image.")
        name = _file_of(texts[0])
        if name in images:
            raise InputError(f"{where}: another task is about {name} too.")
        done = [each for each in task.get("annotations", []) if not each.get("was_cancelled")]
        found = [_studio_results(where, each.get("result", [])) for each in done] or [_studio_minimal(task)]
        if any({one.label for one in each} != {one.label for one in found[0]} for each in found):
            raise InputError(f"{where} has {len(found)} annotations that differ; export one for each task.")
        images[name] = found[0]
    names = tuple(sorted({each.label for drawn in images.values() for each in drawn}))
    if not names:
        raise InputError(f"{path} is a list of tasks without a label.")
    return Annotations("Label Studio", names, images)


def _studio_results(where: str, results: Sequence[Mapping[str, Any]]) -> list[Drawn]:
    drawn = []
    for result in results:
        kind, value = str(result.get("type", "")), result.get("value", {})
        labels = value.get(kind) if isinstance(value, dict) else None
        if not isinstance(labels, list):
            continue
        width, height = result.get("original_width", 0), result.get("original_height", 0)
        shape = _studio_shape(value, width, height)
        if not all(isinstance(label, str) for label in labels):
            raise InputError(f"{where} has a label that is no text.")
        drawn += [Drawn(label, shape) for label in labels]
    return drawn


def _studio_shape(value: Mapping[str, Any], width: float, height: float) -> tuple[tuple[float, ...], ...]:
    """Return an outline in pixels; Label Studio counts in percent of the image."""
    points = value.get("points")
    if isinstance(points, list) and points:
        return (
            tuple(
                float(at) * side / 100
                for point in points
                for at, side in zip(point, (width, height), strict=True)
            ),
        )
    if all(
        isinstance(value.get(key), int | float) for key in ("x", "y", "width", "height")
    ) and not value.get("rotation"):
        left, top = value["x"] * width / 100, value["y"] * height / 100
        right, bottom = left + value["width"] * width / 100, top + value["height"] * height / 100
        return ((left, top, right, top, right, bottom, left, bottom),)
    return ()


def _studio_minimal(task: Mapping[str, Any]) -> list[Drawn]:
    """Return the labels of a task of the minimal export, where each question has a key of its own."""
    found: list[str] = []
    for key, value in task.items():
        if isinstance(value, dict) and isinstance(value.get("choices"), list):
            found += value["choices"]
        elif isinstance(value, list):
            for each in (row for row in value if isinstance(row, dict)):
                found += [word for name, words in each.items() if name.endswith("labels") for word in words]
        elif key in ("choice", "choices", "label") and isinstance(value, str):
            found.append(value)
    return [Drawn(str(label)) for label in found]


def _is_image_name(text: object) -> bool:
    return isinstance(text, str) and bool(PurePosixPath(_file_of(text)).suffix)


def _file_of(text: str) -> str:
    """Return the file that an address or a path of Label Studio names."""
    parts = urlsplit(text)
    local = parse_qs(parts.query).get("d")
    return unquote(local[0] if local else parts.path).rsplit("/", 1)[-1]


# CVAT


def _cvat(path: Path, content: bytes) -> Annotations:
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise InputError(
            f"{path} declares a document type or entities, which no export does; it is not read."
        )
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise InputError(f"{path} is no XML: {error}.") from error
    if root.tag != "annotations" or not root.findall("image"):
        raise InputError(f"{path} is no export of CVAT for images 1.1: it has no <annotations> with <image>.")
    listed = [name.text or "" for name in root.iterfind("meta//label/name")]
    images: dict[str, list[Drawn]] = {}
    for image in root.iterfind("image"):
        name = image.get("name", "")
        if not name or name in images:
            raise InputError(f"{path}: the image {image.get('id')} has no name or that of another: {name!r}.")
        images[name] = [_cvat_object(path, each) for each in image if each.get("label") is not None]
    used = {each.label for drawn in images.values() for each in drawn}
    names = tuple(dict.fromkeys([*listed, *sorted(used)]))
    if not names:
        raise InputError(f"{path} has no label.")
    return Annotations("CVAT", names, images)


def _cvat_object(path: Path, each: ElementTree.Element) -> Drawn:
    label = each.get("label", "")
    try:
        if each.tag == "box":
            left, top, right, bottom = (float(each.get(key, "")) for key in ("xtl", "ytl", "xbr", "ybr"))
            return Drawn(label, ((left, top, right, top, right, bottom, left, bottom),))
        if each.tag in ("polygon", "polyline"):
            points = tuple(
                float(at) for point in each.get("points", "").split(";") for at in point.split(",")
            )
            return Drawn(label, (points,))
    except ValueError as error:
        raise InputError(f"{path}: a {each.tag} of {label!r} has bad coordinates ({error}).") from error
    return Drawn(label)


# Shared


def _known_names(names: Iterable[str], files: Iterable[Path]) -> list[str]:
    """Take away the prefix that Label Studio puts before the names of uploaded files, where that finds a file."""
    there = {path.name for path in files}
    found = []
    for name in names:
        short = _UPLOAD_PREFIX.sub("", name, count=1) if _UPLOAD_PREFIX.match(name) else name
        found.append(short if name.rsplit("/", 1)[-1] not in there and short in there else name)
    return found


def _field(path: Path, row: Any, key: str, kind: type, what: str) -> Any:
    value = row.get(key) if isinstance(row, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InputError(f"{path}: {what} {row.get('id') if isinstance(row, dict) else row!r} has no {key}.")
    return value


def _numbers(value: Any, count: int | None = None) -> TypeGuard[list[Any]]:
    return (
        isinstance(value, list)
        and (count is None or len(value) == count)
        and bool(value)
        and all(isinstance(each, int | float) and not isinstance(each, bool) for each in value)
    )
