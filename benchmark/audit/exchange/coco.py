"""Image-level labels in COCO JSON, as annotations without a shape."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from gridbench.audit.exchange.images import Format, Labelled, Task
from gridbench.core.files import LARGEST_TABLE
from gridbench.core.json_files import MOST_ANNOTATED, parse_json
from gridbench.datasets.readers.formats.coco import coco_annotations
from gridbench.errors import InputError

__all__ = ["COCO"]


def _write(tasks: Sequence[Task], classes: Sequence[str], audit: str) -> bytes:
    """Write the given labels as annotations, so that a file that comes back untouched changes nothing."""
    images, annotations = [], []
    for number, each in enumerate(tasks, 1):
        height, width = each.size
        suspects = [
            {"label": s.label, "kind": "wrong" if s.wrong else "missing", "score": round(s.score, 4)}
            for s in each.suspects
        ]
        images.append(
            {"id": number, "file_name": each.address, "height": height, "width": width, "suspects": suspects}
        )
        annotations += [{"image_id": number, "category_id": classes.index(name) + 1} for name in each.given]
    document = {
        "info": {"description": f"gridbench audit {audit}"},
        "licenses": [],
        "categories": [
            {"id": number, "name": name, "supercategory": ""} for number, name in enumerate(classes, 1)
        ],
        "images": images,
        "annotations": [{"id": number, **each} for number, each in enumerate(annotations, 1)],
    }
    return json.dumps(document, indent=1, ensure_ascii=False).encode()


def _read(path: Path, content: bytes) -> list[Labelled]:
    value = parse_json(content, largest=LARGEST_TABLE, nested=MOST_ANNOTATED)
    lists = ("images", "annotations", "categories")
    if not isinstance(value, dict) or not all(
        isinstance(value.get(key), list) and all(isinstance(row, dict) for row in value[key]) for key in lists
    ):
        raise InputError(f"{path} is not a COCO file: it lacks the lists {', '.join(lists)}.")
    return [
        Labelled(name, (frozenset(each.label for each in drawn),))
        for name, drawn in coco_annotations(path, value).images.items()
    ]


COCO = Format("COCO's JSON with annotations of whole images", _write, _read)
