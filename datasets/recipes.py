"""The recipes of archives that are read from what the user has on disk, by the reader that built them."""

from __future__ import annotations

from collections.abc import Mapping

from gridbench.datasets.recipe import Recipe

__all__ = ["RECIPES"]

_DLRSD = Recipe("densenet121", 100, 128, 1e-3, None, 20, None, 224, True, 0.2)
_BIGEARTHNET = Recipe("densenet121", 100, 128, 1e-3, None, 30, None, None, True, 0.2)
_FOLDER = Recipe("resnet18", 100, 64, 1e-3, None, 20, None, None, True, 0.0)

RECIPES: Mapping[str, Mapping[str, Recipe]] = {
    "dlrsd": {"scene": _DLRSD, "pixel": _DLRSD},
    "ucmerced": {"scene": _DLRSD},
    "bigearthnet": {"scene": _BIGEARTHNET, "pixel": _BIGEARTHNET},
    "folder": {"scene": _FOLDER, "pixel": _FOLDER},
}
"""DLRSD and BigEarthNet as in the paper (Section V-A): DenseNet-121 from scratch, Adam, NDCG@20 and @30."""
