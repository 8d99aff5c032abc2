"""Reader for DLRSD: photographs of UC Merced, label maps, multi-labels (Shao, Yang, Zhou 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gridbench.datasets.readers.base import Plan, listed
from gridbench.datasets.readers.landuse.files import find_files
from gridbench.datasets.readers.landuse.plan import LandUseOptions, plan_land_use
from gridbench.datasets.readers.landuse.unit import index_base
from gridbench.datasets.readers.rasters.opening import quick_raster_access
from gridbench.errors import InputError

__all__ = ["plan_dlrsd"]

_TRUST = ("multi-labels.xlsx", "multilabels.csv", ".txt", ".xlsx", ".csv", ".mat")


def plan_dlrsd(roots: Sequence[Path], options: LandUseOptions) -> Plan:
    """Plan DLRSD: photographs of UC Merced, label maps, multi-labels.

    Args:
        roots: Folders that hold the photographs, the maps and the label files, in any layout that circulates.
        options: What the user said.

    Raises:
        InputError: Photographs, maps or labels are missing, or contradict each other.
    """
    files = find_files(roots)
    if not files.photographs:
        raise InputError(
            f"There are {len(files.maps)} label maps but no photographs: the original DLRSD archive holds maps only. "
            "Name the folder of UC Merced too: --data DLRSD --data UCMerced_LandUse."
        )
    if not files.maps:
        raise InputError(
            f"There are {len(files.photographs)} photographs but no label maps (.png); for scene labels alone "
            "prepare ucmerced."
        )
    both = sorted(set(files.photographs) & set(files.maps))
    files.notes += listed(
        "photograph", "without a label map, left out", sorted(set(files.photographs) - set(both))
    )
    files.notes += listed("label map", "without a photograph, left out", sorted(set(files.maps) - set(both)))
    with quick_raster_access():
        base, notes = index_base([files.maps[name] for name in both], options.map_base)
    files.notes += notes
    return plan_land_use("dlrsd", roots, files, both, options, base, _TRUST)
