"""Reads CVAT's XML for images 1.1: tags, boxes, ellipses, polygons and masks; lines and points without their shape."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from gridbench.core.files import limited
from gridbench.core.json_files import MOST_ANNOTATED
from gridbench.datasets.readers.formats.drawn import Annotations, Drawn, ellipse, rectangle
from gridbench.errors import InputError

__all__ = ["cvat_annotations"]


def cvat_annotations(path: Path, content: bytes) -> Annotations:
    """Understand the XML of CVAT for images 1.1.

    Args:
        path: The file, for messages.
        content: Its bytes.

    Raises:
        InputError: It is no such XML, or an entry is not what it should be.
    """
    # A box has nine attributes, and the text of a tag may hold the sign too.
    tags, attributes = content.count(b"<"), content.count(b"=")
    if tags > limited(2 * MOST_ANNOTATED) or attributes > 1000 + 16 * tags:
        raise InputError(
            f"{path} holds more than {limited(MOST_ANNOTATED):,} images and labels, or more attributes than those have."
        )
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        raise InputError(
            f"{path} declares a document type or entities, which no export does; it is not read."
        )
    try:
        # As text: what an encoding declares could hide entities from the look above.
        root = ElementTree.fromstring(content.decode("utf-8-sig"))
    except (ElementTree.ParseError, ValueError) as error:
        raise InputError(f"{path} is not XML in UTF-8: {error}.") from error
    if root.tag != "annotations" or not root.findall("image"):
        raise InputError(
            f"{path} is not an export of CVAT for images 1.1: it has no <annotations> with <image>."
        )
    listed = [name.text or "" for name in root.iterfind("meta//label/name")]
    images: dict[str, list[Drawn]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for image in root.iterfind("image"):
        name = image.get("name", "")
        if not name or name in images:
            raise InputError(f"{path}: the image {image.get('id')} has no name or that of another: {name!r}.")
        images[name] = [_cvat_object(path, each) for each in image if each.get("label") is not None]
        height, width = image.get("height", ""), image.get("width", "")
        if all(side.isascii() and side.isdecimal() and len(side) < 10 for side in (height, width)):
            sizes[name] = (int(height), int(width))
    used = {each.label for drawn in images.values() for each in drawn}
    names = tuple(dict.fromkeys([*listed, *sorted(used)]))
    if not names:
        raise InputError(f"{path} has no label.")
    return Annotations("CVAT", names, images, sizes)


def _cvat_object(path: Path, each: ElementTree.Element) -> Drawn:
    label = each.get("label", "")

    def number(key: str, default: str = "") -> float:
        value = float(each.get(key, default))
        if not abs(value) <= 2**31:
            raise ValueError(f"{key} is out of range")
        return value

    try:
        level, degrees = int(number("z_order", "0")), number("rotation", "0")
        match each.tag:
            case "box":
                outline = rectangle(number("xtl"), number("ytl"), number("xbr"), number("ybr"), degrees)
                return Drawn(label, (outline,), level=level, is_box=True)
            case "ellipse":
                outline = ellipse(number("cx"), number("cy"), number("rx"), number("ry"), degrees)
                return Drawn(label, (outline,), level=level)
            case "polygon":
                points = [point.split(",") for point in each.get("points", "").split(";")]
                if len(points) < 3 or any(len(point) != 2 for point in points):
                    raise ValueError(f"{len(points)} points")
                return Drawn(label, (tuple(float(at) for point in points for at in point),), level=level)
            case "mask":
                runs = tuple(int(run) for run in each.get("rle", "").split(","))
                height, width = int(number("height")), int(number("width"))
                if sum(runs) > height * width or min(runs) < 0:
                    raise ValueError("run lengths that do not fit its size")
                origin = (int(number("top")), int(number("left")))
                return Drawn(label, (), runs, (height, width), origin, True, level)
    except ValueError as error:
        raise InputError(f"{path}: a {each.tag} of {label!r} has bad coordinates ({error}).") from error
    return Drawn(label)
