"""Descriptors and archives that are made up: what is timed depends on their sizes, and hardly on what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.archive.writer import ArchiveWriter, build_once

__all__ = ["descriptors", "packed"]


def descriptors(rows: int, width: int, seed: int) -> np.ndarray[Any, Any]:
    """Return (rows, width) float32 like a rectified network's output, with dead dimensions and zeros."""
    rng = np.random.default_rng(seed)
    values = rng.standard_gamma(0.7, (rows, width), np.float32)
    values[:, rng.random(width) < 0.05] = 0
    values[rng.random((rows, width), np.float32) < 0.02] = 0
    return values


def packed(
    folder: Path,
    side: int,
    classes: int,
    split: Sequence[str],
    samples: Callable[[], Iterable[Sample]],
    *,
    maps: bool = False,
    kind: str = "folder",
) -> Archive:
    """Pack RGB images, unless that was done before.

    Args:
        folder: The archive, which has the folder's name.
        side: Height and width of the images.
        classes: How many there are.
        split: Split of each image.
        samples: Makes the images with their labels, in order.
        maps: Whether they have label maps.
        kind: Reader that it is said to come from, whose recipe runs on it follow.
    """
    layout = Layout(
        (GroupLayout("rgb", ("r", "g", "b"), side, side, "uint8"),),
        tuple(f"class {number}" for number in range(classes)),
        (side, side) if maps else None,
        False,
    )

    def build(target: Path) -> None:
        writer = ArchiveWriter(target, layout, [f"image{i:04d}" for i in range(len(split))], split)
        for i, sample in enumerate(samples()):
            writer.write(i, sample)
        writer.finish(folder.name, kind, {"failed": []})

    return build_once(folder, build)
