"""Image tags in the format CVAT for images 1.1 (XML)."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

from gridbench.audit.exchange.images import Format, Labelled, Task
from gridbench.datasets.readers.formats.cvat import cvat_annotations

__all__ = ["CVAT", "SUSPICION"]

SUSPICION, SUSPECTS = "gridbench audit", "suspects"
"""A tag beside the labels, whose attribute says what is suspected; CVAT has no place for it at the image."""


def _write(tasks: Sequence[Task], classes: Sequence[str], audit: str) -> bytes:
    """Write the given labels as tags, so that a file that comes back untouched changes nothing."""
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    for key, text in (
        ("name", f"gridbench audit {audit}"),
        ("size", str(len(tasks))),
        ("mode", "annotation"),
    ):
        ElementTree.SubElement(task, key).text = _printable(text)
    labels = ElementTree.SubElement(task, "labels")
    for name in (*classes, SUSPICION):
        label = ElementTree.SubElement(labels, "label")
        ElementTree.SubElement(label, "name").text = _printable(name)
        ElementTree.SubElement(label, "type").text = "tag"
        attributes = ElementTree.SubElement(label, "attributes")
        if name == SUSPICION:
            attribute = ElementTree.SubElement(attributes, "attribute")
            fields = {
                "name": SUSPECTS,
                "mutable": "False",
                "input_type": "text",
                "default_value": "",
                "values": "",
            }
            for key, text in fields.items():
                ElementTree.SubElement(attribute, key).text = text
    for number, each in enumerate(tasks):
        height, width = each.size
        fields = {"id": str(number), "name": each.address, "width": str(width), "height": str(height)}
        image = ElementTree.SubElement(root, "image", {key: _printable(text) for key, text in fields.items()})
        for name in each.given:
            ElementTree.SubElement(image, "tag", label=_printable(name), source="manual")
        tag = ElementTree.SubElement(image, "tag", label=SUSPICION, source="auto")
        ElementTree.SubElement(tag, "attribute", name=SUSPECTS).text = _printable(
            "; ".join(suspect.text for suspect in each.suspects)
        )
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _printable(text: str) -> str:
    """Replace the control characters that no XML may hold."""
    return "".join(char if char >= " " or char in "\t\n\r" else "\ufffd" for char in text)


def _read(path: Path, content: bytes) -> list[Labelled]:
    found = cvat_annotations(path, content)
    return [
        Labelled(name, (frozenset(each.label for each in drawn if each.label != SUSPICION),))
        for name, drawn in found.images.items()
    ]


CVAT = Format("CVAT's XML for images 1.1: a tag for each label", _write, _read)
