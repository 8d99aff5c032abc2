"""Reads BigEarthNet from an LMDB of safetensors, as rico-hdl writes it; pickled encodings are refused."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.archive.layout import GroupLayout
from gridbench.datasets.readers.base import LazyUnits, Outcome, Unit
from gridbench.datasets.readers.bigearthnet.lists import PATCH
from gridbench.datasets.readers.bigearthnet.lmdb_file import Place, read_place, value_places
from gridbench.datasets.readers.bigearthnet.split import Patch
from gridbench.datasets.readers.bigearthnet.unit import BANDS, as_unsigned, finish_patch
from gridbench.datasets.readers.source_files import Unreadable
from gridbench.errors import InputError, reason_of

__all__ = ["LmdbKeys", "LmdbUnit", "plan_units_from_lmdb", "read_lmdb_unit", "v1_or_v2_keys"]

_MAP_ENDING = "_reference_map"
_PICKLE_START = b"\x80"
_FILE = "data.mdb"


@dataclass(frozen=True)
class LmdbKeys:
    """Keys of an LMDB.

    Attributes:
        version: `"v1"` or `"v2"`, by the form of the names.
        patches: Names of the Sentinel-2 patches.
        maps: Names of the patches that have a reference map.
    """

    version: str
    patches: frozenset[str]
    maps: frozenset[str]


@dataclass(frozen=True)
class LmdbUnit:
    """One patch in an LMDB; the fields mean what they mean in `PatchUnit`."""

    image: _Entry
    groups: tuple[GroupLayout, ...]
    labels: tuple[int, ...] | None
    map: _Entry | None
    map_size: tuple[int, int] | None


@dataclass(frozen=True)
class _Entry:
    """An entry of an LMDB with the place of its value, so that reading processes need no list of all; None: missing."""

    name: str
    file: Path
    place: Place | None


def v1_or_v2_keys(lmdb: Path) -> LmdbKeys:
    """List the patches of an LMDB.

    Raises:
        InputError: It is damaged, its values are pickled, or it holds no patch.
    """
    places = _places(lmdb)
    names = [key.decode("utf-8", "replace") for key in places]
    patches = frozenset(name for name in names if PATCH.fullmatch(name))
    if not patches:
        raise InputError(f"The LMDB {lmdb} holds no Sentinel-2 patch among its {len(names)} keys.")
    if _value(_entry(lmdb, min(patches)))[:1] == _PICKLE_START:
        raise InputError(
            f"The LMDB {lmdb} holds pickled objects, which run code when they are read and are refused. "
            "Read the original files, or encode them with rico-hdl (safetensors)."
        )
    maps = frozenset(name.removesuffix(_MAP_ENDING) for name in names if name.endswith(_MAP_ENDING))
    version = "v2" if "_N" in min(patches) else "v1"
    return LmdbKeys(version, patches, maps)


def plan_units_from_lmdb(
    lmdb: Path, patches: Sequence[Patch], labels: str, maps: bool
) -> tuple[tuple[GroupLayout, ...], Sequence[Unit]]:
    """Return the resolution groups and the units that `read_lmdb_unit` reads.

    Args:
        lmdb: Folder of the LMDB.
        patches: The patches to read, with their metadata.
        labels: Which labels are used; an LMDB can only be used with those of version 2.
        maps: Whether reference maps are read.

    Raises:
        InputError: Other labels are wanted, or no patch can be read.
    """
    if labels != "v2":
        raise InputError("An LMDB holds no labels of version 1; use --labels v2 with the metadata.")
    groups = _first_groups(lmdb, patches)
    size = (groups[0].height, groups[0].width) if maps else None

    def unit(position: int) -> LmdbUnit:
        row = patches[position].row
        assert row is not None
        image = _entry(lmdb, patches[position].name)
        of_map = _entry(lmdb, row.patch + _MAP_ENDING) if maps else None
        return LmdbUnit(image, tuple(groups), tuple(row.labels), of_map, size)

    return tuple(groups), LazyUnits(len(patches), unit)


def _first_groups(lmdb: Path, patches: Sequence[Patch]) -> list[GroupLayout]:
    """Return the resolution groups of the first patch that can be read."""
    problem = Unreadable(lmdb, "holds no patch")
    for patch in patches:
        try:
            tensors = _tensors(patch.name, _value(_entry(lmdb, patch.name)))
            sizes = [tensors[bands[0]].shape[-2:] for _, bands in BANDS]
            if all(len(size) == 2 and min(size) > 0 for size in sizes):
                return [
                    GroupLayout(name, bands, int(height), int(width), "uint16")
                    for (name, bands), (height, width) in zip(BANDS, sizes, strict=True)
                ]
            problem = Unreadable(f"{lmdb}:{patch.name}", "holds a band that is not an image")
        except KeyError as error:
            problem = Unreadable(f"{lmdb}:{patch.name}", f"lacks the band {error}")
        except Unreadable as error:
            problem = error
    raise InputError(f"No patch of the LMDB {lmdb} can be read; the last: {problem}.")


def read_lmdb_unit(unit: LmdbUnit) -> Outcome:
    """Read a patch from an LMDB.

    Raises:
        Unreadable: It is not there or damaged.
    """
    name, content = unit.image.name, _value(unit.image)
    tensors, digest = _tensors(name, content), hashlib.sha256(content)
    images = []
    for group in unit.groups:
        pixels = np.empty((len(group.bands), group.height, group.width), dtype=np.uint16)
        for row, band in enumerate(group.bands):
            if band not in tensors:
                raise Unreadable(name, f"lacks the band {band}")
            pixels[row] = as_unsigned(tensors[band], (group.height, group.width), f"{name} {band}")
        images.append(pixels)
    codes: NDArray[np.generic] | None = None
    if unit.map is not None:
        content = _value(unit.map)
        found = next(iter(_tensors(unit.map.name, content).values()))
        codes = found[None] if found.ndim == 2 else found
        digest.update(content)
    return finish_patch(
        tuple(images),
        unit.labels,
        None,
        codes,
        unit.map.name if unit.map is not None else "",
        unit.map_size,
        unit.labels if codes is not None else None,
        digest.digest,
    )


def _tensors(name: str, value: bytes) -> dict[str, NDArray[np.generic]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if value[:1] == _PICKLE_START:
        raise Unreadable(name, "is pickled, which is refused")
    try:
        tensors: dict[str, NDArray[np.generic]] = load(value)
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise Unreadable(name, f"is not safetensors ({error})") from error
    if not tensors:
        raise Unreadable(name, "is empty")
    return tensors


def _entry(lmdb: Path, key: str) -> _Entry:
    return _Entry(f"{lmdb}:{key}", lmdb / _FILE, _places(lmdb).get(key.encode()))


def _value(entry: _Entry) -> bytes:
    if entry.place is None:
        raise Unreadable(entry.name, "is missing")
    try:
        return read_place(entry.file, entry.place)
    except OSError as error:
        raise Unreadable(entry.name, f"cannot be read ({reason_of(error)})") from error


@functools.cache
def _places(lmdb: Path) -> dict[bytes, Place]:
    try:
        return value_places(lmdb / _FILE)
    except (OSError, ValueError) as error:
        raise InputError(f"The LMDB {lmdb} cannot be read: {reason_of(error)}.") from error
