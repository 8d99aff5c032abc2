"""Reader for BigEarthNet with Sentinel-2 images, versions 1 and 2 (Sumbul et al. 2019, 2021; Clasen et al. 2024)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridbench.datasets.archive.layout import GroupLayout, Layout
from gridbench.datasets.readers.base import LazyUnits, Outcome, Plan, Unit, listed
from gridbench.datasets.readers.bigearthnet.classes import CLASS_NAMES
from gridbench.datasets.readers.bigearthnet.files import (
    BigEarthNetFiles,
    find_bigearthnet,
    patch_folders,
    v2_location,
)
from gridbench.datasets.readers.bigearthnet.lists import excluded_names
from gridbench.datasets.readers.bigearthnet.lmdb import plan_units_from_lmdb, read_lmdb_unit, v1_or_v2_keys
from gridbench.datasets.readers.bigearthnet.metadata import Metadata, PatchRow, read_metadata
from gridbench.datasets.readers.bigearthnet.split import Patch, assign_splits
from gridbench.datasets.readers.bigearthnet.unit import BANDS, PatchUnit, band_file, map_file, read_patch_unit
from gridbench.datasets.readers.rasters.opening import quick_raster_access
from gridbench.datasets.readers.rasters.raster import read_shape
from gridbench.datasets.readers.source_files import Unreadable
from gridbench.errors import InputError, counted

__all__ = ["BigEarthNetOptions", "plan_bigearthnet"]

_LOOKED_AT = 20


@dataclass(frozen=True)
class BigEarthNetOptions:
    """How the folders are to be read; None where it is detected.

    Attributes:
        pixels: `"v1"` or `"v2"`, whose pixels are packed.
        labels: `"v1"`, `"v2"`, or `"both"`: version 1 to train on and version 2 as the clean truth.
        maps: Whether reference maps are packed.
        split: `"paper"`, `"own"`, or shares such as `"70/10/20"`.
        splits: Folder of the user's lists train, val, test.
        exclude: Lists of patches to leave out.
    """

    pixels: str | None = None
    labels: str | None = None
    maps: bool | None = None
    split: str | None = None
    splits: Path | None = None
    exclude: tuple[Path, ...] = ()


@dataclass(frozen=True)
class _Choice:
    """Choice of the sources to pack among the files that were found."""

    pixels: str
    labels: str
    maps: Path | None
    lmdb_maps: bool
    metadata: Metadata | None

    @property
    def has_maps(self) -> bool:
        return self.maps is not None or self.lmdb_maps

    @property
    def needs_row(self) -> bool:
        return self.has_maps or self.labels != "v1"


def plan_bigearthnet(roots: Sequence[Path], options: BigEarthNetOptions) -> Plan:
    """Plan BigEarthNet.

    Args:
        roots: Folders that hold version 1, version 2, reference maps, metadata or an LMDB, or lie above them.
        options: What the user said.

    Raises:
        InputError: Something is missing or ambiguous; the message says which option helps.
    """
    files = find_bigearthnet(roots)
    keys = (
        v1_or_v2_keys(files.lmdb)
        if files.lmdb is not None and files.v1 is None and files.v2 is None
        else None
    )
    metadata = None if files.metadata is None else read_metadata(files.metadata)
    choice = _choose(
        files, None if keys is None else keys.version, keys is not None and bool(keys.maps), metadata, options
    )
    notes: list[str] = []
    present = sorted(keys.patches if keys is not None else _names_on_disk(files, choice, notes))
    patches = _joined(present, choice, notes)
    patches = _without_excluded(patches, files, options, notes)
    if not patches:
        raise InputError("No patch has everything that it needs: " + "; ".join(notes) + ".")
    split_of = assign_splits(patches, options.split, options.splits, files.folders, choice.pixels, notes)
    patches = [patch for patch in patches if patch.name in split_of]
    if choice.pixels == "v1":
        notes.append("the splits of version 1 put neighbouring patches of one tile into different splits")
    read: Callable[[Any], Outcome] = read_patch_unit
    if keys is not None and files.lmdb is not None:
        groups, units = plan_units_from_lmdb(files.lmdb, patches, choice.labels, choice.has_maps)
        read = read_lmdb_unit
    else:
        groups, units = _units(files, patches, choice)
    layout = Layout(
        groups,
        CLASS_NAMES,
        (groups[0].height, groups[0].width) if choice.has_maps else None,
        choice.labels == "both",
        sources=True,
    )
    settings = {
        "pixels": choice.pixels,
        "labels": choice.labels,
        "maps": choice.has_maps,
        "metadata": None if choice.metadata is None else _digest(patches),
    }
    if keys is not None and files.lmdb is not None:
        # Hashing hundreds of gigabytes to detect changes would take too long.
        state = (files.lmdb / "data.mdb").stat()
        settings["lmdb"] = [state.st_size, state.st_mtime_ns]
    report: dict[str, Any] = {"source": [str(root) for root in roots], "notes": notes}
    names = [patch.name for patch in patches]
    return Plan(
        "bigearthnet", layout, names, [split_of[name] for name in names], units, read, settings, report
    )


def _choose(
    files: BigEarthNetFiles,
    lmdb_version: str | None,
    lmdb_maps: bool,
    metadata: Metadata | None,
    options: BigEarthNetOptions,
) -> _Choice:
    there = [lmdb_version] if lmdb_version else [v for v in ("v1", "v2") if getattr(files, v) is not None]
    if not there:
        where = ", ".join(map(str, files.folders))
        raise InputError(
            f"There is no BigEarthNet below {where}: neither patch folders like S2A_MSIL2A_20170613T101031_87_48 "
            "(version 1) nor tile folders (version 2) nor an LMDB. Unpack the archive and name its folder with --data."
        )
    if options.pixels is None and len(there) > 1:
        raise InputError(
            f"Both versions are there ({files.v1} and {files.v2}); choose with --pixels v1 or v2."
        )
    pixels = options.pixels or there[0]
    if pixels not in there:
        raise InputError(f"There are no pixels of {pixels}; there are those of {', '.join(there)}.")
    labels = options.labels or ("v2" if pixels == "v2" or lmdb_version else "v1")
    can_map = files.maps is not None or lmdb_maps
    wants_maps = can_map and metadata is not None if options.maps is None else options.maps
    if wants_maps and not can_map:
        raise InputError(
            "There are no reference maps (a folder Reference_Maps); leave them out with --no-maps."
        )
    needs_metadata = wants_maps or labels != "v1" or pixels == "v2"
    if needs_metadata and metadata is None:
        raise InputError(
            "There is no metadata.parquet, which has the labels of version 2; name its folder with --data."
        )
    if metadata is not None and pixels == "v1" and needs_metadata and not metadata.by_v1_name:
        raise InputError(f"{files.metadata} has no column s2v1_name, so it cannot be joined to version 1.")
    if labels != "v2" and files.v1 is None:
        raise InputError("The labels of version 1 are in the JSON files of its patches, which are not there.")
    if pixels == "v2" and labels != "v2" and metadata is not None and not metadata.by_v1_name:
        raise InputError(f"{files.metadata} has no column s2v1_name, so it cannot be joined to version 1.")
    maps = files.maps if wants_maps and not lmdb_version else None
    return _Choice(pixels, labels, maps, wants_maps and lmdb_version is not None, metadata)


def _names_on_disk(files: BigEarthNetFiles, choice: _Choice, notes: list[str]) -> list[str]:
    if choice.pixels == "v1":
        assert files.v1 is not None
        return list(patch_folders(files.v1))
    assert files.v2 is not None
    assert choice.metadata is not None
    rows = choice.metadata.rows
    there = [name for name in rows if v2_location(files.v2, name).is_dir()]
    if len(there) < len(rows):
        absent = Counter(rows[name].split or "no split" for name in set(rows) - set(there))
        parts = ", ".join(f"{split} {count}" for split, count in sorted(absent.items()))
        notes.append(
            f"not there: {len(rows) - len(there)} of the {len(rows)} patches of the metadata: {parts}"
        )
    return there


def _joined(names: Sequence[str], choice: _Choice, notes: list[str]) -> list[Patch]:
    """Join patches to the metadata, version 1 by `s2v1_name` only, and count those without a match."""
    patches = []
    lost = []
    for name in names:
        row: PatchRow | None = None
        if choice.metadata is not None:
            known = choice.metadata.by_v1_name if choice.pixels == "v1" else choice.metadata.rows
            row = known.get(name)
        v1_name = name if choice.pixels == "v1" else None if row is None else row.v1_name
        if choice.needs_row and row is None:
            lost.append(name)
        else:
            patches.append(Patch(name, v1_name, row))
    notes += listed("patch", "missing from the metadata of version 2, left out", lost, "patches")
    return patches


def _without_excluded(
    patches: Sequence[Patch], files: BigEarthNetFiles, options: BigEarthNetOptions, notes: list[str]
) -> list[Patch]:
    kept = list(patches)
    for path, names in excluded_names(files.folders, options.exclude).items():
        before = len(kept)
        kept = [patch for patch in kept if patch.name not in names and patch.v1_name not in names]
        notes.append(
            f"{counted(before - len(kept), 'patch', 'patches')} left out because {path.name} lists them"
        )
    return kept


def _units(
    files: BigEarthNetFiles, patches: Sequence[Patch], choice: _Choice
) -> tuple[tuple[GroupLayout, ...], Sequence[Unit]]:
    groups = _groups([_folder(files, patch, choice) for patch in patches[:_LOOKED_AT]])
    map_size = (groups[0].height, groups[0].width) if choice.has_maps else None

    def unit(position: int) -> PatchUnit:
        patch = patches[position]
        v2_labels = None if patch.row is None else tuple(patch.row.labels)
        labels_file = None
        if choice.labels != "v2" and files.v1 is not None and patch.v1_name is not None:
            labels_file = files.v1 / patch.v1_name / f"{patch.v1_name}_labels_metadata.json"
        reference_map = None
        if choice.maps is not None and patch.row is not None:
            reference_map = map_file(v2_location(choice.maps, patch.row.patch))
        return PatchUnit(
            folder=_folder(files, patch, choice),
            groups=groups,
            labels=v2_labels if choice.labels == "v2" else None,
            clean_labels=v2_labels if choice.labels == "both" else None,
            labels_file=labels_file,
            reference_map=reference_map,
            map_size=map_size,
            map_labels=v2_labels if reference_map is not None else None,
        )

    return groups, LazyUnits(len(patches), unit)


def _folder(files: BigEarthNetFiles, patch: Patch, choice: _Choice) -> Path:
    if choice.pixels == "v1":
        assert files.v1 is not None
        return files.v1 / patch.name
    assert files.v2 is not None
    return v2_location(files.v2, patch.name)


def _groups(folders: Sequence[Path]) -> tuple[GroupLayout, ...]:
    """Return the resolution groups with the sizes that most of the first patches have."""
    sizes: Counter[tuple[tuple[int, int], ...]] = Counter()
    first: Unreadable | None = None
    with quick_raster_access():
        for folder in folders:
            try:
                shapes = [read_shape(band_file(folder, bands[0])) for _, bands in BANDS]
                sizes[tuple((shape.height, shape.width) for shape in shapes)] += 1
            except Unreadable as error:
                first = first or error
    if not sizes:
        raise InputError(f"None of the first {len(folders)} patches can be read: {first}.")
    chosen = sizes.most_common(1)[0][0]
    return tuple(
        GroupLayout(name, bands, *size, "uint16") for (name, bands), size in zip(BANDS, chosen, strict=True)
    )


def _digest(patches: Sequence[Patch]) -> str:
    digest = hashlib.sha256()
    for patch in patches:
        digest.update(patch.name.encode())
        if patch.row is not None:
            digest.update(patch.row.labels)
    return digest.hexdigest()
