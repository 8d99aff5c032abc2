"""What is decided about an archive before a pixel is read: names, splits, classes, and the order of its samples."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.archive.indexing import SCHEMA
from gridbench.datasets.archive.layout import IGNORE, SPLITS, Layout
from gridbench.errors import InputError

__all__ = ["check_plan", "packed_order", "plan_digest"]


def packed_order(names: Sequence[str]) -> NDArray[np.int64]:
    """Return the order in which samples are packed: shuffled, and a function of only the names.

    Any subset keeps its relative order, so a sample that could not be read does not move the others.
    """
    keys = [hashlib.sha256(f"gridbench packing/{name}".encode()).digest() for name in names]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)


def check_plan(layout: Layout, names: Sequence[str], split: Sequence[str]) -> None:
    """Refuse a layout or names that no archive can have.

    Raises:
        InputError: Names are missing, repeated or contain line breaks; or a split, class name or type is invalid.
    """
    if not names:
        raise InputError("There is nothing to pack: no sample was found.")
    if len(names) != len(split):
        raise ValueError(f"{len(names)} names and {len(split)} splits")
    for name, part in zip(names, split, strict=True):
        if part not in SPLITS:
            raise InputError(
                f"The split of the sample {name!r} is {part!r}; allowed are {', '.join(SPLITS)}."
            )
    seen: set[str] = set()
    for name in names:
        if not name or "\n" in name or "\r" in name:
            raise InputError(f"A sample's name cannot be empty or hold a line break: {name!r}.")
        if name in seen:
            raise InputError(f"Two samples have the same name: {name}.")
        seen.add(name)
    if len(set(layout.class_names)) != len(layout.class_names) or not 0 < len(layout.class_names) < IGNORE:
        names = layout.class_names
        given = ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
        raise InputError(f"Class names must be distinct, and 1 to {IGNORE - 1} of them: {given}.")
    for group in layout.groups:
        if group.dtype not in ("uint8", "uint16"):
            raise InputError(
                f"The images are {group.dtype}; archives hold uint8 or uint16. Convert them to these first."
            )


def plan_digest(
    layout: Layout, names: Sequence[str], split: Sequence[str], settings: Mapping[str, Any]
) -> str:
    """Hash everything that is decided before a pixel is read, to recognise an interrupted build."""
    described = dataclasses.asdict(layout)
    if not layout.clean_maps:
        # Archives that were packed before clean maps existed keep their digest.
        del described["clean_maps"]
    decided = {
        "schema": SCHEMA,
        "layout": described,
        "names": list(names),
        "split": list(split),
        "settings": dict(settings),
    }
    return hashlib.sha256(json.dumps(decided, sort_keys=True).encode()).hexdigest()
