"""Reads COCO's JSON: categories, images, and annotations with polygons, run lengths or boxes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from gridbench.datasets.readers.formats.drawn import Annotations, Drawn, rectangle
from gridbench.errors import InputError, counted

__all__ = ["coco_annotations"]


def coco_annotations(path: Path, value: Mapping[str, Any]) -> Annotations:
    """Understand COCO's JSON.

    Args:
        path: The file, for messages.
        value: Its content, with images, annotations and categories.

    Raises:
        InputError: An entry is not what it should be, or two have the same id or name.
    """
    for key in ("images", "annotations", "categories"):
        if not isinstance(value[key], list):
            raise InputError(
                f"{path}: {key!r} is {json.dumps(value[key]):.40}; in COCO it is a list such as [{{...}}, {{...}}]."
            )
    names = _categories(path, value["categories"])
    files, sizes = _listed_images(path, value["images"])
    images: dict[str, list[Drawn]] = {file: [] for file in files.values()}
    for row in value["annotations"]:
        image, category = (_field(path, row, key, int, "annotation") for key in ("image_id", "category_id"))
        for what, number, known in (("image", image, files), ("category", category, names)):
            if number not in known:
                raise InputError(
                    f"{path}: the annotation {row.get('id')} is of the {what} {number}, which is not listed."
                )
        images[files[image]].append(_coco_object(path, row, names[category]))
    classes = tuple(names.values())
    used = {each.label for drawn in images.values() for each in drawn}
    # Roboflow lists the name of the whole set as a category above the others.
    above = {
        row.get("supercategory") for row in value["categories"] if row.get("supercategory") != row["name"]
    }
    kept = tuple(name for name in classes if name in used or name not in above) or classes
    notes = [
        f"the category {name!r} is above others and of no annotation, so it is not a class"
        for name in classes
        if name not in kept
    ]
    for key, what in (("score", "a score, as predictions have"), ("ignore", "the mark `ignore`")):
        marked = sum(bool(row.get(key)) for row in value["annotations"])
        if marked:
            notes.append(f"{counted(marked, 'annotation')} with {what}: read as any other")
    return Annotations("COCO", kept, images, sizes, notes)


def _categories(path: Path, rows: Sequence[Any]) -> dict[int, str]:
    """Return the name of each category by its id.

    Raises:
        InputError: An entry is not what it should be, or an id or a name is repeated.
    """
    names: dict[int, str] = {}
    for row in rows:
        number, name = _field(path, row, "id", int, "category"), _field(path, row, "name", str, "category")
        if number in names:
            raise InputError(
                f"{path}: the categories {names[number]!r} and {name!r} have the same id, {number}."
            )
        names[number] = name
    classes = list(names.values())
    if len(set(classes)) < len(classes):
        twice = next(name for name in classes if classes.count(name) > 1)
        raise InputError(f"{path}: two categories have the same name, {twice!r}.")
    return names


def _listed_images(path: Path, rows: Sequence[Any]) -> tuple[dict[int, str], dict[str, tuple[int, int]]]:
    """Return the file of each image by its id, and the (height, width) of each file that has one.

    Raises:
        InputError: An entry is not what it should be, or an id or a file name is repeated.
    """
    files: dict[int, str] = {}
    sizes: dict[str, tuple[int, int]] = {}
    seen: set[str] = set()
    for row in rows:
        file = _field(path, row, "file_name", str, "image")
        if file in seen:
            raise InputError(f"{path}: two images have the file name {file!r}.")
        number = _field(path, row, "id", int, "image")
        if number in files:
            raise InputError(f"{path}: the images {files[number]} and {file} have the same id, {number}.")
        files[number] = file
        seen.add(file)
        size = [row.get("height"), row.get("width")]
        if _numbers(size, 2):
            sizes[file] = (int(row["height"]), int(row["width"]))
        elif any(isinstance(side, int | float) and not _numbers([side]) for side in size):
            raise InputError(f"{path}: the image {file!r} cannot have {size[0]} x {size[1]} pixels.")
    return files, sizes


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
            raise InputError(f"{where} is not a list of polygons x, y, x, y, ...")
        return Drawn(label, tuple(tuple(map(float, part)) for part in shape))
    if _numbers(box, 4):
        x, y, width, height = map(float, box)
        if min(width, height) < 0:
            raise InputError(
                f"{path}: the box of the annotation {row.get('id')} is {width:g} x {height:g} pixels; a box is "
                "left, top, width and height."
            )
        return Drawn(label, (rectangle(x, y, x + width, y + height),), is_box=True)
    return Drawn(label)


def _runs_of_text(text: str) -> list[int]:
    """Decode COCO's compressed run lengths (cocoapi, rleFrString): 6 bits a character, differences from the fourth."""
    runs: list[int] = []
    place = 0
    while place < len(text):
        value, shift, more = 0, 0, True
        while more:
            # Twelve characters hold more than any mask has pixels.
            if place >= len(text) or shift > 60:
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


def _field(path: Path, row: Any, key: str, kind: type, what: str) -> Any:
    value = row.get(key) if isinstance(row, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        found = f"{value!r:.40} is none" if value is not None else "there is none"
        kinds = {int: "a whole number", str: "a text"}
        raise InputError(
            f"{path}: {what} {row.get('id') if isinstance(row, dict) else row!r} has no {key}, which is {kinds[kind]}: "
            f"{found}."
        )
    return value


def _numbers(value: Any, count: int | None = None) -> TypeGuard[list[Any]]:
    return (
        isinstance(value, list)
        and (count is None or len(value) == count)
        and bool(value)
        and all(isinstance(each, int | float) and not isinstance(each, bool) for each in value)
        and all(abs(each) <= 2**53 for each in value)
    )
