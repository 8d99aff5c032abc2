"""Corrupted labels as files that other tools read, the check that they follow from their manifest, and examples."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gridbench.core.csv_files import csv_text
from gridbench.core.files import all_or_nothing, image_paths, read_bytes, write_bytes
from gridbench.datasets import Archive, single_labels
from gridbench.errors import InputError, reason_of
from gridbench.evaluation.thumbnails import thumbnails
from gridbench.noise.core.manifest import Manifest
from gridbench.noise.figures.examples import choose_examples, draw_label_examples, draw_map_examples
from gridbench.training.corrupt import training_images

__all__ = ["check_files", "example_figure", "noisy_labels", "write_files"]

Array = np.ndarray[Any, Any]

LABELS, CHANGES, MAPS = "labels.csv", "changes.csv", "maps"
EXAMPLES = {"scene": 12, "pixel": 5}
"""Images of a figure of examples, by the level of the labels."""


def noisy_labels(manifest: Manifest, archive: Archive) -> Array:
    """Return the noisy labels that a manifest makes of an archive's training labels.

    Args:
        manifest: The manifest of scene labels or label maps.
        archive: The archive that it should be of.

    Raises:
        InputError: It is not; the message says why.
    """
    manifest.verify(archive.fingerprint)
    train = training_images(archive, manifest.shape[0])
    if manifest.level != "pixel":
        return manifest.apply(_clean_labels(archive, manifest)[train])
    if archive.label_maps is None:
        raise InputError(f"The noise manifest is of label maps, and {archive.name!r} has none.")
    return manifest.apply_maps(archive.label_maps[train])


def _clean_labels(archive: Archive, manifest: Manifest) -> Array:
    """Return the (N, C) labels that a manifest of scene labels or single labels is of."""
    labels: Array = single_labels(archive) if manifest.level == "single" else archive.scene_labels
    return labels


def write_files(folder: Path, archive: Archive, manifest: Manifest, noisy: Array) -> None:
    """Write noisy labels, the list of changes and the manifest: all of them, or after an error none.

    Scene labels become `labels.csv` with a line per training image and a column of 0 and 1 per class, label maps
    become one PNG each in `maps/`, in which 255 is not a class; `changes.csv` names image, class before and after.

    Args:
        folder: Output folder, created if it does not exist.
        archive: The archive.
        manifest: What was done.
        noisy: Noisy labels of the training images, as `noisy_labels` returns them.
    """
    names = _names(archive, manifest)
    with all_or_nothing(folder):
        if manifest.level != "pixel":
            write_bytes(folder / LABELS, _labels_csv(names, archive.class_names, noisy))
        else:
            for path, one in zip(_map_paths(folder, names), noisy, strict=True):
                path.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(path, _png(one))
        write_bytes(folder / CHANGES, _changes_csv(names, archive.class_names, manifest))
        manifest.save(folder)


def check_files(folder: Path, archive: Archive, manifest: Manifest, noisy: Array) -> int:
    """Compare the label files beside a manifest with what follows from it.

    Args:
        folder: Folder of the manifest.
        archive: The archive.
        manifest: The manifest.
        noisy: Noisy labels that follow from it.

    Returns:
        How many files were compared; 0 in the folder of a run, which has none.

    Raises:
        InputError: A file is missing, cannot be read or holds other labels.
    """
    names = _names(archive, manifest)
    if not (folder / CHANGES).exists():
        return 0
    tables = {CHANGES: _changes_csv(names, archive.class_names, manifest)}
    if manifest.level != "pixel":
        tables[LABELS] = _labels_csv(names, archive.class_names, noisy)
    for name, expected in tables.items():
        if _read(folder / name) != expected:
            raise InputError(f"{folder / name} is not what follows from the noise manifest beside it.")
    if manifest.level != "pixel":
        return len(tables)
    for path, one in zip(_map_paths(folder, names), noisy, strict=True):
        if not np.array_equal(_pixels(path), one):
            raise InputError(f"{path} is not what follows from the noise manifest in {folder}.")
    return len(tables) + len(noisy)


def _names(archive: Archive, manifest: Manifest) -> list[str]:
    return [archive.names[i] for i in training_images(archive, manifest.shape[0])]


def _map_paths(folder: Path, names: Sequence[str]) -> list[Path]:
    return image_paths(folder / MAPS, names, [".png"] * len(names))


def _labels_csv(names: Sequence[str], class_names: Sequence[str], labels: Array) -> bytes:
    rows = ([name, *row] for name, row in zip(names, labels.astype(np.int64).tolist(), strict=True))
    return _csv(["file", *class_names], rows)


def _changes_csv(names: Sequence[str], class_names: Sequence[str], manifest: Manifest) -> bytes:
    # -1, no class, is the last entry.
    words = [*class_names, ""]
    rows = ([names[i], words[before], words[after]] for i, before, after in manifest.changed.tolist())
    return _csv(["file", "before", "after"], rows)


def _csv(header: Sequence[str], rows: Any) -> bytes:
    return csv_text([header, *rows]).encode()


def _png(label_map: Array) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.asarray(label_map, dtype=np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def _pixels(path: Path) -> Array:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(_read(path))) as image:
            return np.asarray(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise InputError(f"{path} is not a label map: {reason_of(error, path)}.") from None


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None


def example_figure(manifest: Manifest, archive: Archive, title: str) -> bytes:
    """Draw images whose labels changed, evenly spread over the training images, as a PNG.

    Args:
        manifest: What was done to the labels.
        archive: The archive that it was done to.
        title: Title of the figure.

    Raises:
        InputError: Nothing was changed, or the manifest is of another archive.
    """
    noisy = noisy_labels(manifest, archive)
    chosen = choose_examples(manifest.changed, EXAMPLES["pixel" if manifest.level == "pixel" else "scene"])
    if not len(chosen):
        raise InputError("Nothing was changed, so there is no example to show.")
    places = training_images(archive, manifest.shape[0])[chosen]
    maps = archive.label_maps if manifest.level == "pixel" else None
    clean = (_clean_labels(archive, manifest) if maps is None else maps)[places]
    draw = draw_label_examples if maps is None else draw_map_examples
    names = [archive.names[i] for i in places]
    return draw(thumbnails(archive, places), names, clean, noisy[chosen], archive.class_names, title)
