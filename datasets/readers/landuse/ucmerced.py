"""Reader for UC Merced with its multi-labels (Yang, Newsam 2010; Chaudhuri et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gridbench.datasets.readers.base import Plan
from gridbench.datasets.readers.landuse.files import LandUseFiles, find_files
from gridbench.datasets.readers.landuse.plan import LandUseOptions, plan_land_use
from gridbench.datasets.readers.landuse.unit import is_label_map
from gridbench.datasets.readers.rasters.opening import quick_raster_access
from gridbench.datasets.readers.rasters.raster import read_raster
from gridbench.datasets.readers.source_files import Unreadable
from gridbench.errors import InputError

__all__ = ["plan_ucmerced"]

_LOOKED_AT = 20
_TRUST = ("multilabeled.txt", ".txt", "multilabeled.xlsx", ".csv", ".xlsx", ".mat")


def plan_ucmerced(roots: Sequence[Path], options: LandUseOptions) -> Plan:
    """Plan UC Merced with its multi-labels.

    Args:
        roots: Folders that hold the photographs and the label files.
        options: What the user said.

    Raises:
        InputError: Photographs or labels are missing, or contradict each other.
    """
    files = find_files(roots)
    if not files.photographs:
        _refuse_maps(list(files.maps.values()))
    photographs = files.photographs or files.maps
    files = LandUseFiles(photographs, {}, files.notes)
    return plan_land_use("ucmerced", roots, files, sorted(photographs), options, None, _TRUST)


def _refuse_maps(pngs: Sequence[Path]) -> None:
    """Refuse PNG files that are DLRSD's label maps; PNG copies of the photographs are welcome."""
    with quick_raster_access():
        for path in pngs[:_LOOKED_AT]:
            try:
                raster = read_raster(path)
            except Unreadable:
                continue
            if is_label_map(raster):
                raise InputError(
                    f"{path} is a label map, not a photograph: this looks like the original DLRSD archive, which holds "
                    "maps only. Name the folder of UC Merced with --data."
                )
