"""Reads exports of annotation tools: COCO JSON, Label Studio JSON (full and minimal), CVAT XML for images 1.1."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gridbench.core.files import LARGEST_TABLE
from gridbench.core.json_files import MOST_ANNOTATED, parse_json
from gridbench.datasets.readers.files import FileIndex
from gridbench.datasets.readers.formats.coco import coco_annotations
from gridbench.datasets.readers.formats.cvat import cvat_annotations
from gridbench.datasets.readers.formats.drawn import Annotations, Outlines
from gridbench.datasets.readers.formats.label_studio import STUDIO, is_answer, studio_annotations
from gridbench.datasets.readers.source_files import Unreadable, read_bytes
from gridbench.datasets.readers.tables import LabelTable, TableOptions
from gridbench.datasets.readers.tables.label_table import interpret_table, refuse_alike
from gridbench.datasets.readers.tables.rows import RawTable, table_of_records
from gridbench.errors import InputError, counted, in_words

__all__ = ["ANNOTATION_SUFFIXES", "annotation_table"]

ANNOTATION_SUFFIXES = (".json", ".jsonl", ".ndjson", ".xml")
_UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-")
_STUDIO_KEYS = {"annotations", "annotation_id", "annotator", "lead_time", "completed_by"}


def annotation_table(
    path: Path, class_names: Sequence[str] | None, files: FileIndex, options: TableOptions
) -> LabelTable:
    """Return the scene labels that an export gives: an image has every class of which it has an object.

    Args:
        path: The export, or a list of records in JSON.
        class_names: The known classes, or None to take the export's.
        files: The image files.
        options: What the user said about tables, for a list of records.

    Raises:
        InputError: It is not an export in a supported format, or an entry is not what it should be.
    """
    found = _read(path, options.label_columns)
    if isinstance(found, RawTable):
        return interpret_table(found, class_names, files, options)
    said = replace(options, label_columns=()) if found.kind == STUDIO else options
    if said != TableOptions():
        raise InputError(
            f"--key-column, --label-columns, --separator and --split-column are about tables, and {path} is an export "
            f"of {found.kind}."
        )
    if class_names is None:
        refuse_alike(found.class_names, f"classes of {path}")
    names = found.class_names if class_names is None else tuple(class_names)
    place = {name: c for c, name in enumerate(names)}
    keys = list(found.images)
    labels = np.zeros((len(keys), len(names)), dtype=np.uint8)
    for row, (image, drawn) in enumerate(found.images.items()):
        for each in drawn:
            if each.label not in place:
                raise InputError(
                    f"{path}: {image} has the class {each.label!r}, which is none of {', '.join(names[:10])}."
                )
            labels[row, place[each.label]] = 1
    without = sum(not drawn for drawn in found.images.values())
    notes = [
        *found.notes,
        *([f"{counted(without, 'image')} of {path.name} without an annotation"] if without else []),
    ]
    count = sum(map(len, found.images.values()))
    line = (
        f"labels: {path.name}, {found.kind}: {counted(count, 'annotation')} of "
        f"{counted(len(names), 'class', 'classes')} in {counted(len(keys), 'image')}"
    )
    outlines = [Outlines(tuple(drawn), found.sizes.get(image)) for image, drawn in found.images.items()]
    return LabelTable(keys, names, labels, {}, tuple(notes), (line,), False, outlines)


def _read(path: Path, questions: Sequence[str]) -> Annotations | RawTable:
    try:
        content = read_bytes(path)
    except Unreadable as error:
        raise InputError(f"{error}.") from error
    start = content[:256].lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start == b"<":
        return _understood(cvat_annotations, path, content)
    try:
        value = _json(path, content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}.") from error
    if isinstance(value, dict) and {"images", "annotations", "categories"} <= value.keys():
        return _understood(coco_annotations, path, value)
    if isinstance(value, list) and value and all(isinstance(task, dict) for task in value):
        if any(_STUDIO_KEYS & row.keys() or isinstance(row.get("data"), dict) for row in value) or any(
            is_answer(cell) for row in value for cell in row.values()
        ):
            return _understood(partial(studio_annotations, questions=questions), path, value)
        return table_of_records(path, value)
    if isinstance(value, dict) and value.get("type") == "FeatureCollection":
        raise InputError(
            f"{path} is GeoJSON, which is not supported. Burn it into masks (in QGIS: Rasterize; in Python: "
            "rasterio.features.rasterize), and name their folder with --masks DIR."
        )
    if isinstance(value, dict) and value and all(map(_is_labels, value.values())):
        return table_of_records(path, [{"file": name, "labels": labels} for name, labels in value.items()])
    raise InputError(
        f"{path} is not an export in a supported format: COCO (images, annotations, categories), a list of Label "
        'Studio tasks, a list of records such as [{"file": "a.png", "labels": ["water"]}] (in pandas: to_json(FILE, '
        'orient=\'records\')), an object of the images\' labels such as {"a.png": ["water"]}, or CVAT for images 1.1 '
        "in XML."
    )


def _understood(read: Callable[[Path, Any], Annotations], path: Path, content: Any) -> Annotations:
    """Return what a reader makes of an export, in which an entry may be of any other form than the tool's.

    Raises:
        InputError: It is.
    """
    try:
        return read(path, content)
    except InputError:
        raise
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise InputError(f"{path} has an entry that no export has: {in_words(error)}.") from error


def _json(path: Path, content: bytes) -> Any:
    if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        content = content.decode("utf-16").encode()
    text = content.removeprefix(codecs.BOM_UTF8)
    lines = [line for line in text.splitlines() if line.strip()]
    # If each line is an object, the file is JSON Lines, whatever its name.
    objects = len(lines) > 1 and all(line.strip()[:1] + line.strip()[-1:] == b"{}" for line in lines)
    if path.suffix.lower() in (".jsonl", ".ndjson") or objects:
        # A message about a line counts those that are not blank.
        text = b"[" + b",\n".join(lines) + b"]"
    return parse_json(text, largest=LARGEST_TABLE, nested=MOST_ANNOTATED)


def _is_labels(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(each, str) for each in value)
    )
