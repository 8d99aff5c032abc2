"""Per-sample losses, one file each, named as registered; those of single and of several labels in folders below."""

from __future__ import annotations

from gridbench.registry import LOSSES

__all__ = ["BUILT_IN"]

_FOLDERS = {
    "": {"asl": "ASL", "bce": "BCE", "fl": "FL", "pce": "PCE", "rrl": "RRL"},
    "multi_label.": {
        "an_ls": "AssumedNegativesSmoothed",
        "bgce": "BGCE",
        "bmae": "BMAE",
        "bsce": "BSCE",
        "em": "EntropyMaximisation",
        "hill": "Hill",
        "wan": "WeakAssumedNegatives",
    },
    "segmentation.": {"pdice_ce": "PDiceCE", "pgce": "PGCE", "pnce_rce": "PNCERCE", "psce": "PSCE"},
    "single_label.": {
        "anl_ce": "ANLCE",
        "ce": "CE",
        "gce": "GCE",
        "ls": "LS",
        "mae": "MAE",
        "nce": "NCE",
        "nce_rce": "NCERCE",
        "rce": "RCE",
        "sce": "SCE",
    },
}

BUILT_IN = tuple(name for losses in _FOLDERS.values() for name in losses)
"""Names of the losses, each of which is also the name of plain training with it."""

for _folder, _losses in _FOLDERS.items():
    for _name, _class in _losses.items():
        LOSSES.place(_name, f"{__name__}.{_folder}{_name}", _class)
