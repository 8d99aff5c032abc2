"""The files of an audit that people and other programs read: the ranked list, and corrected labels."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.audit.audit import Audit
from gridbench.audit.correction import replacement
from gridbench.audit.ranking import Suspects
from gridbench.core.csv_files import csv_text
from gridbench.core.files import write_bytes
from gridbench.datasets import Archive
from gridbench.datasets.archive.layout import SPLITS
from gridbench.errors import InputError

__all__ = ["LIST", "label_table", "list_table", "split_names", "write_images", "write_list"]

Array = npt.NDArray[Any]

LIST = "audit.csv"
SEPARATOR = ";"


def list_table(audit: Audit, archive: Archive, suspects: Suspects) -> tuple[list[str], list[list[str]]]:
    """Return the header and a row for each suspicious label, the most suspicious first."""
    header = ["rank", "sample", "label", "kind", "score", "probability", "suggested", "given"]
    header += ["injected"] if audit.injected else []
    names, classes = archive.names, archive.class_names
    rows = []
    for at in range(len(suspects)):
        i, label, wrong = int(suspects.samples[at]), int(suspects.labels[at]), bool(suspects.wrong[at])
        given, seen = audit.given[i], audit.probabilities[i]
        row = [
            str(at + 1),
            names[audit.positions[i]],
            classes[label],
            "wrong" if wrong else "missing",
            f"{suspects.scores[at]:.4f}",
            f"{seen[label]:.4f}",
            SEPARATOR.join(classes[c] for c in replacement(given, seen, label, wrong)),
            SEPARATOR.join(classes[c] for c in np.flatnonzero(given)),
        ]
        if audit.before is not None:
            row.append(str(int(given[label] != audit.before[i, label])))
        rows.append(row)
    return header, rows


def write_list(audit: Audit, archive: Archive, suspects: Suspects) -> Path:
    """Write the ranked list as audit.csv and return where it is."""
    header, rows = list_table(audit, archive, suspects)
    path = audit.folder / LIST
    write_bytes(path, _csv([header, *rows]))
    return path


def split_names(archive: Archive) -> list[str]:
    """Return the split of each image of an archive."""
    words = [""] * len(archive)
    for split in SPLITS:
        for i in archive.indices(split):
            words[i] = split
    return words


def label_table(archive: Archive, labels: Array) -> bytes:
    """Return labels.csv: file, split, group and a column of 0 and 1 for each class, as `data prepare folder` reads it.

    Args:
        archive: Whose names, splits and classes.
        labels: (N, C) labels of all its images.
    """
    known = {"file": archive.names, "split": split_names(archive)}
    if archive.sample_groups is not None:
        known["group"] = archive.sample_groups
    rows = zip(zip(*known.values(), strict=True), labels.astype(int).tolist(), strict=True)
    return _csv([[*known, *archive.class_names], *([*words, *row] for words, row in rows)])


def write_images(archive: Archive, folder: Path) -> int:
    """Write the images of an archive as files of their names: PNG where that can hold them, else TIFF.

    Args:
        archive: The archive.
        folder: Where to; it is made.

    Returns:
        How many were written.

    Raises:
        InputError: Two images would have the same file.
    """
    group = archive.groups[0]
    plain = len(archive.groups) == 1 and group.pixels.dtype == np.uint8 and len(group.bands) in (1, 3)
    paths = _paths(folder, archive.names, ".png" if plain else ".tif")
    for i, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = archive.gather(np.array([i])).numpy()[0]
        kind = group.pixels.dtype
        whole = pixels.round().clip(0, np.iinfo(kind).max).astype(kind)
        write_bytes(path, _png(whole) if plain else _tiff(whole))
    return len(paths)


def _paths(folder: Path, names: Sequence[str], suffix: str) -> list[Path]:
    """Return a file below the folder for each name; one that would lead out of it is kept inside."""
    paths = []
    for name in names:
        parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..")]
        paths.append(folder.joinpath(*parts[:-1], f"{(parts or ['_'])[-1]}{suffix}"))
    if len(set(paths)) < len(paths):
        raise InputError("Two images would have the same file; their names differ only in '..' or '\\'.")
    return paths


def _png(pixels: Array) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).save(buffer, format="PNG")
    return buffer.getvalue()


def _tiff(pixels: Array) -> bytes:
    import warnings

    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.io import MemoryFile

    bands, height, width = pixels.shape
    shape = {"driver": "GTiff", "count": bands, "height": height, "width": width, "dtype": str(pixels.dtype)}
    with warnings.catch_warnings(), MemoryFile() as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(**shape) as target:
            target.write(pixels)
        return bytes(memory.read())


def _csv(rows: Iterable[Sequence[Any]]) -> bytes:
    return csv_text(rows).encode()
