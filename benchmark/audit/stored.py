"""The folder of an audit: common contents of all audits, and validation of stored audits, which are not trusted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.audit.masks.regions import KINDS
from gridbench.core.files import write_arrays
from gridbench.core.json_files import read_json, write_json
from gridbench.core.labels import IGNORE
from gridbench.core.zip_files import read_arrays
from gridbench.datasets import Archive
from gridbench.datasets.open import open_archive
from gridbench.errors import InputError, reason_of
from gridbench.noise.core.corruption import Corruption
from gridbench.plan import Plan

__all__ = ["FOLDS", "common_facts", "is_mask_audit", "read_stored", "write_stored"]

Array = npt.NDArray[Any]

DOCUMENT, FOLDS = "audit.json", "folds"
ARRAYS = {"scene": "labels.npz", "single": "labels.npz", "pixel": "regions.npz"}
"""Level of labels -> file of the arrays."""
SCHEMA = 3
FACTS = 6
"""Numbers that describe a finding; see `gridbench.audit.masks.audit`."""


def common_facts(
    plan: Plan,
    folder: Path,
    fold_of: Array,
    together: str,
    corruption: Corruption,
    seconds: float,
    members: int,
) -> dict[str, Any]:
    """Return what audit.json states of every audit, of labels and of label maps.

    Args:
        plan: The plan of a run on all audited images.
        folder: The audit's folder.
        fold_of: (N,) fold of each image.
        together: In words, which images were kept together in a fold.
        corruption: The audited labels, and what was changed in them on purpose.
        seconds: Duration of all folds.
        members: Networks for each fold.
    """
    injected = {
        "slnir": str(plan.config.slnir),
        "noise": plan.config.noise,
        "realised": corruption.realised,
    }
    return {
        "schema": SCHEMA,
        "level": plan.level,
        "id": folder.name[-10:],
        "config": plan.config.canonical(),
        "dataset": plan.archive.name,
        "fingerprint": plan.archive.fingerprint,
        "images": len(fold_of),
        "folds": np.bincount(fold_of).tolist(),
        "together": together,
        "seconds": round(seconds, 1),
        "injected": injected if len(corruption.changed) else None,
        "members": members,
    }


def write_stored(folder: Path, document: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write an audit to its folder; audit.json comes last, so that an audit that has it is complete."""
    write_arrays(folder / ARRAYS[document["level"]], dict(arrays))
    write_json(folder / DOCUMENT, document)


def is_mask_audit(folder: Path) -> bool:
    """Return whether a folder holds an audit of label maps."""
    try:
        document = read_json(folder / DOCUMENT)
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and document.get("level") == "pixel"


def read_stored(
    folder: Path, masks: bool, cache: Path | None
) -> tuple[dict[str, Any], dict[str, Array], Archive]:
    """Read the document and the arrays of a finished audit, and open the archive that it is of.

    Args:
        folder: The audit's folder.
        masks: Whether an audit of label maps is wanted, or one of labels.
        cache: The cache folder of the archive; None for the user's own.

    Raises:
        InputError: There is no such finished audit, it is damaged, or the archive has changed since.
    """
    try:
        document = read_json(folder / DOCUMENT)
        if document["schema"] != SCHEMA:
            raise ValueError(f"its format is {document['schema']!r}, not {SCHEMA}")
        if (document["level"] == "pixel") is not masks:
            raise ValueError(f"it is of {'scene labels' if masks else 'label maps'}")
        arrays = read_arrays(folder / ARRAYS["pixel" if masks else "scene"])
        name, fingerprint = str(document["dataset"]), document["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else reason_of(error)
        raise InputError(
            f"There is no finished audit in {str(folder)!r}: {reason}. Make one with: gridbench audit --dataset NAME"
        ) from None
    archive = open_archive(name, cache)
    if fingerprint not in (archive.fingerprint, archive.as_training().fingerprint):
        raise InputError(
            f"The archive {name!r} is not the one that was audited in {str(folder)!r}: it was packed anew since. "
            "Audit it again."
        )
    try:
        (_check_regions if masks else _check_labels)(document, arrays, archive)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"The audit in {str(folder)!r} is damaged: {error}. Audit again.") from None
    return document, arrays, archive


def _check_labels(document: Mapping[str, Any], arrays: Mapping[str, Array], archive: Archive) -> None:
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
        _require(_is_share(arrays[name]), f"{name} holds what is not a probability")
    _require(document["level"] in ("scene", "single"), "its level is neither scene nor single")
    if document["level"] == "single":
        _require((arrays["given"].sum(1) == 1).all(), "given has images without exactly one label")
    if "margins" in arrays:
        margins = arrays["margins"]
        fits = margins.shape in (shape, (shape[0], 1)) and margins.dtype.kind == "f"
        _require(fits and np.isfinite(margins).all(), "margins does not hold a number per label")
    _check_expected(document, arrays["scores"].size)


def _check_regions(document: Mapping[str, Any], arrays: Mapping[str, Array], archive: Archive) -> None:
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
    _require(arrays["given"].dtype == np.uint8, "given is not an array of bytes")
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
    _require(becomes.dtype == np.uint8 and known, "becomes holds what is not a class")
    _require(
        arrays["scores"].shape == (count,) and _is_share(arrays["scores"]), "scores are not probabilities"
    )
    evidence = arrays["evidence"]
    _require(evidence.shape == (count,) and evidence.dtype.kind == "f", "evidence has another form")
    if "injected" in arrays:
        injected = arrays["injected"]
        _require(injected.shape == (count,) and _is_share(injected), "injected are not shares")
    _check_expected(document, count)


def _require(condition: object, reason: str) -> None:
    if not condition:
        raise ValueError(reason)


def _check_positions(positions: Array, count: int) -> None:
    _require(positions.ndim == 1 and len(positions), "positions is not a list of images")
    _require(_within(positions, 0, count - 1), "positions names images that there are not")
    _require(len(np.unique(positions)) == len(positions), "positions names an image twice")


def _within(values: Array, least: int, most: int) -> bool:
    """Return whether an array holds only integers of a range."""
    whole = values.dtype.kind in "iub"
    return whole and (not values.size or (int(values.min()) >= least and int(values.max()) <= most))


def _is_share(values: Array) -> bool:
    return values.dtype.kind == "f" and bool(((values >= 0) & (values <= 1)).all())


def _check_expected(document: Mapping[str, Any], count: int) -> None:
    expected = document["expected"]
    for name in ("change", "look"):
        value = expected[name]
        _require(type(value) is int and 0 <= value <= count, f"expected has {value!r:.40} for {name!r}")
    _require(isinstance(document["id"], str), "its id is not text")
