"""Per-sample losses, one file each, named as registered; those of single and of several labels in folders below."""

from __future__ import annotations

from gridbench.registry import LOSSES

__all__ = ["BUILT_IN", "PIXEL", "SCENE", "SINGLE", "UNSIGNED_SCENE"]

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

UNSIGNED_SCENE = ("bce", "fl", "asl", "bgce", "bsce", "bmae", "hill", "an_ls", "wan")
"""Losses over scene labels of which a smaller one is a sign of a right label."""

SCENE = (*UNSIGNED_SCENE, "em")
"""Losses over scene labels, the usual one first."""

SINGLE = ("ce", "ls", "mae", "gce", "rce", "sce", "nce", "nce_rce", "anl_ce")
"""Losses over single labels, the usual one first."""

PIXEL = ("pce", "pgce", "psce", "pnce_rce", "pdice_ce")
"""Losses over the pixels of label maps, the usual one first."""

for _folder, _losses in _FOLDERS.items():
    for _name, _class in _losses.items():
        LOSSES.place(_name, f"{__name__}.{_folder}{_name}", _class)
