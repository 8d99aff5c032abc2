"""Plans archives whose images lie inside one file: Parquet with encoded images, or arrays of pixels."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.dataset import Progress
from gridbench.datasets.loading.resampling import resize_image
from gridbench.datasets.readers.base import LazyUnits, Outcome, Plan
from gridbench.datasets.readers.rasters.conversion import fit, missing_pixels, range_findings
from gridbench.datasets.readers.rasters.form import Form, check_range, choose_form, nodata_policy
from gridbench.datasets.readers.rasters.limits import limits_for
from gridbench.datasets.readers.rasters.raster import Raster, Shape
from gridbench.datasets.readers.source_files import Unreadable, digest_of
from gridbench.datasets.readers.splitting import parse_shares, split_by_shares
from gridbench.errors import InputError

__all__ = ["EmbeddedOptions", "ImageSource", "plan_embedded"]


@dataclass(frozen=True)
class EmbeddedOptions:
    """How images inside a file are packed.

    Attributes:
        resize: Side that images are resized to; None when they have one size.
        split: Shares of train, val and test where the file has no split; None for 70/10/20.
        nodata: What becomes of pixels without data, as `Form.nodata`.
        max_pixels: Most pixels of an image; None for the usual limit.
        value_range: Range of numbers that is stretched to 0 to 65535; None to store the numbers as they are.
    """

    resize: int | None = None
    split: str | None = None
    nodata: str = "drop"
    max_pixels: int | None = None
    value_range: tuple[float, float] | None = None


class ImageSource(Protocol):
    """One image inside a file; small, since it is sent between processes."""

    @property
    def files(self) -> tuple[Path, ...]:
        """The file."""

    def shape(self) -> Shape:
        """Return the image's shape; raises `Unreadable`."""

    def read(self) -> Raster:
        """Return the image; raises `Unreadable`."""


@dataclass(frozen=True)
class _Unit:
    image: ImageSource
    name: str
    labels: tuple[int, ...]
    clean: tuple[int, ...] | None
    form: Form
    size: tuple[int, int]

    @property
    def files(self) -> tuple[Path, ...]:
        return self.image.files


def plan_embedded(
    kind: str,
    names: Sequence[str],
    images: Callable[[int], ImageSource],
    class_names: Sequence[str],
    labels: NDArray[np.uint8],
    clean: NDArray[np.uint8] | None,
    split: Sequence[str] | None,
    options: EmbeddedOptions,
    report: dict[str, Any],
    progress: Progress,
) -> Plan:
    """Plan an archive of images inside files.

    Args:
        kind: Name of the reader.
        names: (N,) name of each image.
        images: Returns the source of an image by its position.
        class_names: Names of the C classes.
        labels: (N, C) scene labels.
        clean: (N, C) cleaner labels, or None.
        split: (N,) train, val or test, or None to divide by shares.
        options: How images are packed.
        report: `reading` and `notes` so far, to which is added.
        progress: Progress callback.

    Raises:
        InputError: No image can be read, or they have several sizes and no size was given.
    """
    limits = limits_for(options.max_pixels)
    shapes, first_failure = [], ""
    for position in range(len(names)):
        try:
            shapes.append(images(position).shape())
        except Unreadable as error:
            first_failure = first_failure or str(error)
        progress(position + 1, len(names), "looking at the images")
    if not shapes:
        raise InputError(f"None of the {len(names)} images can be read; the first: {first_failure}")
    check_range(options.value_range)
    form, notes = choose_form(shapes, options.value_range, nodata_policy(options.nodata), limits=limits)
    sizes = Counter((shape.height, shape.width) for shape in shapes)
    if options.resize is None and len(sizes) > 1:
        shown = ", ".join(f"{h} x {w} ({count})" for (h, w), count in sizes.most_common(4))
        raise InputError(
            f"The images have several sizes: {shown}. Resize them with --resize {min(sizes.most_common(1)[0][0])}."
        )
    size = next(iter(sizes)) if options.resize is None else (options.resize, options.resize)
    if split is None:
        shares = "70/10/20" if options.split is None else options.split
        split = split_by_shares(names, parse_shares(shares))
        report["reading"].append(f"split: shares {shares} by the images' names")
    elif options.split is not None:
        raise InputError("--split gives shares, and the data already say the split of each image.")
    bands = ("red", "green", "blue") if form.bands == 3 else tuple(f"band {i + 1}" for i in range(form.bands))
    layout = Layout(
        (GroupLayout("image", bands, *size, form.dtype),),
        tuple(class_names),
        None,
        clean is not None,
        sources=True,
    )

    def unit(position: int) -> _Unit:
        cleaner = None if clean is None else tuple(map(int, clean[position]))
        return _Unit(
            images(position), names[position], tuple(map(int, labels[position])), cleaner, form, size
        )

    settings: dict[str, Any] = {
        "resize": options.resize,
        "nodata": nodata_policy(options.nodata),
        "split": options.split,
        # They lie in files of their own beside arrays.
        "labels": _digest(labels, clean),
    }
    if options.value_range is not None:
        settings["value_range"] = options.value_range
    report = {**report, "notes": [*report["notes"], *notes]}
    return Plan(kind, layout, names, split, LazyUnits(len(names), unit), _read, settings, report)


def _digest(labels: NDArray[np.uint8], clean: NDArray[np.uint8] | None) -> str:
    digest = hashlib.sha256(labels.tobytes())
    digest.update(b"" if clean is None else b"clean" + clean.tobytes())
    return digest.hexdigest()


def _read(unit: _Unit) -> Outcome:
    raster = unit.image.read()
    if missing_pixels(raster) is not None and unit.form.nodata == "drop":
        return Outcome(
            (None,), {"left out: images with pixels without data (--nodata mean or a number keeps them)": 1}
        )
    pixels = resize_image(fit(raster, unit.form, Path(unit.name)), unit.size)
    if not any(unit.labels):
        return Outcome((None,), {"left out: no scene label": 1})
    clean = None if unit.clean is None else np.array(unit.clean, dtype=np.uint8)
    labels = np.array(unit.labels, dtype=np.uint8)
    findings = range_findings(raster, unit.form)
    return Outcome((Sample((pixels,), labels, None, clean, digest_of(unit.files)),), findings)
