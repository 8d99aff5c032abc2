"""Reads BigEarthNet from an LMDB of safetensors, as rico-hdl writes it; pickled encodings are refused."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.archive.layout import GroupLayout
from gridbench.datasets.readers.base import LazyUnits, Outcome, Unit
from gridbench.datasets.readers.bigearthnet.lists import PATCH
from gridbench.datasets.readers.bigearthnet.split import Patch
from gridbench.datasets.readers.bigearthnet.unit import BANDS, as_unsigned, finish_patch
from gridbench.datasets.readers.raster import Unreadable
from gridbench.errors import InputError

__all__ = ["LmdbKeys", "LmdbUnit", "plan_units_from_lmdb", "read_lmdb_unit", "v1_or_v2_keys"]

_MAP_ENDING = "_reference_map"
_PICKLE_START = b"\x80"


@dataclass(frozen=True)
class LmdbKeys:
    """What an LMDB holds.

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

    lmdb: Path
    key: str
    groups: tuple[GroupLayout, ...]
    labels: tuple[int, ...] | None
    map_key: str | None
    map_size: tuple[int, int] | None


def v1_or_v2_keys(lmdb: Path) -> LmdbKeys:
    """List the patches of an LMDB.

    Raises:
        InputError: lmdb is not installed, the file is none, its values are pickled, or it holds no patch.
    """
    environment = _open(lmdb)
    with environment.begin() as transaction, transaction.cursor() as cursor:
        names = [bytes(key).decode("utf-8", "replace") for key in cursor.iternext(keys=True, values=False)]
        patches = frozenset(name for name in names if PATCH.fullmatch(name))
        if not patches:
            raise InputError(f"The LMDB {lmdb} holds no Sentinel-2 patch among its {len(names)} keys.")
        if bytes(transaction.get(min(patches).encode()))[:1] == _PICKLE_START:
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
        labels: Which labels are used; an LMDB goes with those of version 2 only.
        maps: Whether reference maps are read.

    Raises:
        InputError: Other labels are wanted, or the first patch cannot be read.
    """
    if labels != "v2":
        raise InputError("An LMDB holds no labels of version 1; use --labels v2 with the metadata.")
    first = _tensors(lmdb, patches[0].name)
    groups = []
    for name, bands in BANDS:
        if bands[0] not in first:
            raise InputError(f"The patch {patches[0].name} in {lmdb} lacks the band {bands[0]}.")
        height, width = first[bands[0]].shape[-2:]
        groups.append(GroupLayout(name, bands, int(height), int(width), "uint16"))
    size = (groups[0].height, groups[0].width) if maps else None

    def unit(position: int) -> LmdbUnit:
        row = patches[position].row
        assert row is not None
        map_key = row.patch + _MAP_ENDING if maps else None
        return LmdbUnit(lmdb, patches[position].name, tuple(groups), tuple(row.labels), map_key, size)

    return tuple(groups), LazyUnits(len(patches), unit)


def read_lmdb_unit(unit: LmdbUnit) -> Outcome:
    """Read a patch from an LMDB.

    Raises:
        Unreadable: It is not there or damaged.
    """
    tensors = _tensors(unit.lmdb, unit.key)
    images = []
    for group in unit.groups:
        pixels = np.empty((len(group.bands), group.height, group.width), dtype=np.uint16)
        for row, band in enumerate(group.bands):
            if band not in tensors:
                raise Unreadable(f"{unit.lmdb}:{unit.key}", f"lacks the band {band}")
            pixels[row] = as_unsigned(tensors[band], (group.height, group.width), f"{unit.key} {band}")
        images.append(pixels)
    codes: NDArray[np.generic] | None = None
    keys = [unit.key]
    if unit.map_key is not None:
        found = next(iter(_tensors(unit.lmdb, unit.map_key).values()))
        codes = found[None] if found.ndim == 2 else found
        keys.append(unit.map_key)
    return finish_patch(
        tuple(images),
        unit.labels,
        None,
        codes,
        f"{unit.lmdb}:{unit.map_key}",
        unit.map_size,
        unit.labels if codes is not None else None,
        lambda: hashlib.sha256(b"".join(_value(unit.lmdb, key) for key in keys)).digest(),
    )


def _tensors(lmdb: Path, key: str) -> dict[str, NDArray[np.generic]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    value = _value(lmdb, key)
    if value[:1] == _PICKLE_START:
        raise Unreadable(f"{lmdb}:{key}", "is pickled, which is refused")
    try:
        tensors: dict[str, NDArray[np.generic]] = load(value)
    except (SafetensorError, ValueError, KeyError) as error:
        raise Unreadable(f"{lmdb}:{key}", f"is no safetensors ({error})") from error
    if not tensors:
        raise Unreadable(f"{lmdb}:{key}", "is empty")
    return tensors


def _value(lmdb: Path, key: str) -> bytes:
    with _open(lmdb).begin() as transaction:
        value = transaction.get(key.encode())
    if value is None:
        raise Unreadable(f"{lmdb}:{key}", "is missing")
    return bytes(value)


@functools.cache
def _open(lmdb: Path) -> Any:
    try:
        import lmdb as library
    except ImportError:
        raise InputError(f"Reading {lmdb} needs the package lmdb: pip install 'gridbench[lmdb]'") from None
    try:
        return library.open(str(lmdb), readonly=True, lock=False, readahead=False, max_readers=512)
    except library.Error as error:
        raise InputError(f"The LMDB {lmdb} cannot be opened: {error}.") from error
