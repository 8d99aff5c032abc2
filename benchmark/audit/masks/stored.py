"""Checks of an audit's arrays as they are read: what is in the folder may come from somebody else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.audit.masks.regions import KINDS
from gridbench.core.labels import IGNORE
from gridbench.datasets import Archive

__all__ = ["check_label_audit", "check_mask_audit"]

Array = npt.NDArray[Any]
FACTS = 6
"""Numbers that describe a finding; see `gridbench.audit.masks.audit`."""


def check_label_audit(document: Mapping[str, Any], arrays: Mapping[str, Array], archive: Archive) -> None:
    """Refuse an audit of scene labels whose numbers do not fit each other or the archive.

    Raises:
        ValueError: With the reason.
    """
    _check_positions(arrays["positions"], len(archive))
    shape = (len(arrays["positions"]), archive.num_classes)
    for name in ("given", "before"):
        if name in arrays:
            _require(arrays[name].shape == shape, f"{name} has the shape {arrays[name].shape}, not {shape}")
            _require(_within(arrays[name], 0, 1), f"{name} holds other values than 0 and 1")
    for name in ("probabilities", "scores"):
        _require(arrays[name].shape == shape, f"{name} has the shape {arrays[name].shape}, not {shape}")
        _require(_is_share(arrays[name]), f"{name} holds what is no probability")
    _require(document["level"] in ("scene", "single"), "its level is neither scene nor single")
    if document["level"] == "single":
        _require((arrays["given"].sum(1) == 1).all(), "given has images without exactly one label")
    if "margins" in arrays:
        margins = arrays["margins"]
        fits = margins.shape in (shape, (shape[0], 1)) and margins.dtype.kind == "f"
        _require(fits and np.isfinite(margins).all(), "margins are no numbers of the labels")
    _check_expected(document, arrays["scores"].size)


def check_mask_audit(document: Mapping[str, Any], arrays: Mapping[str, Array], archive: Archive) -> None:
    """Refuse an audit of label maps whose numbers do not fit each other or the archive.

    Raises:
        ValueError: With the reason.
    """
    maps = archive.label_maps
    if maps is None:
        raise ValueError(f"{archive.name} has no label maps")
    positions, images, facts = arrays["positions"], arrays["images"], arrays["facts"]
    _check_positions(positions, len(archive))
    shape = (len(positions), *maps.shape[1:])
    _require(arrays["given"].shape == shape, f"given has the shape {arrays['given'].shape}, not {shape}")
    _require(arrays["given"].dtype == np.uint8, "given is no array of bytes")
    count = len(images) if images.ndim == 1 else -1
    _require(_within(images, 0, len(positions) - 1), "images names one that was not audited")
    _require(facts.shape == (count, FACTS) and facts.dtype.kind in "iu", "facts has another form")
    classes = archive.num_classes - 1
    for column, most in ((0, len(KINDS) - 1), (1, classes), (2, classes)):
        _require(_within(facts[:, column], 0, most), f"column {column} of facts is out of range")
    pixels, becomes, area = arrays["pixels"], arrays["becomes"], int(np.prod(shape[1:]))
    _require(_within(facts[:, 5], 1, area), "a finding has no pixels, or more than its map")
    _require(
        pixels.shape == becomes.shape == (int(facts[:, 5].sum()),), "pixels and facts do not fit each other"
    )
    _require(_within(pixels, 0, area - 1), "pixels lie outside of their map")
    known = _within(becomes[becomes != IGNORE], 0, classes)
    _require(becomes.dtype == np.uint8 and known, "becomes holds what is no class")
    _require(
        arrays["scores"].shape == (count,) and _is_share(arrays["scores"]), "scores are no probabilities"
    )
    evidence = arrays["evidence"]
    _require(evidence.shape == (count,) and evidence.dtype.kind == "f", "evidence has another form")
    if "injected" in arrays:
        injected = arrays["injected"]
        _require(injected.shape == (count,) and _is_share(injected), "injected are no shares")
    _check_expected(document, count)


def _require(condition: object, reason: str) -> None:
    if not condition:
        raise ValueError(reason)


def _check_positions(positions: Array, count: int) -> None:
    _require(positions.ndim == 1 and len(positions), "positions is no list of images")
    _require(_within(positions, 0, count - 1), "positions names images that there are not")
    _require(len(np.unique(positions)) == len(positions), "positions names an image twice")


def _within(values: Array, least: int, most: int) -> bool:
    """Tell whether an array holds integers of a range alone."""
    whole = values.dtype.kind in "iub"
    return whole and (not values.size or (int(values.min()) >= least and int(values.max()) <= most))


def _is_share(values: Array) -> bool:
    return values.dtype.kind == "f" and bool(((values >= 0) & (values <= 1)).all())


def _check_expected(document: Mapping[str, Any], count: int) -> None:
    expected = document["expected"]
    for name in ("change", "look"):
        value = expected[name]
        _require(type(value) is int and 0 <= value <= count, f"expected has {value!r:.40} for {name!r}")
    _require(isinstance(document["id"], str), "its id is no text")
