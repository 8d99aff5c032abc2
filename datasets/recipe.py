"""Recipes: default training settings of a data set, and the recipes of archives read from disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["RECIPES", "Recipe", "recipe_at"]


@dataclass(frozen=True)
class Recipe:
    """Default training settings of a data set for one level of labels.

    Attributes:
        backbone: Name in timm.
        epochs: Number of epochs.
        batch_size: Images per step.
        learning_rate: Learning rate of Adam.
        train_size: Number of training images to use; None for all.
        k: Cut-off of the headline NDCG@k.
        output_stride: Stride of the feature map; None for the backbone's own.
        crop: Side of the training and evaluation crop in pixels; None for the whole image.
        flips: Whether training mirrors images at random.
        brightness: Largest shift that training adds to a standardised image.
        memory_format: Order of images and weights in memory; None for contiguous.
        fused: Whether Adam's fused kernel updates the weights.
    """

    backbone: str
    epochs: int
    batch_size: int
    learning_rate: float
    train_size: int | None
    k: int
    output_stride: int | None
    crop: int | None
    flips: bool
    brightness: float
    memory_format: str | None = None
    fused: bool = False


_DLRSD = Recipe("densenet121", 100, 128, 1e-3, None, 20, None, 224, True, 0.2)
_BIGEARTHNET = Recipe("densenet121", 100, 128, 1e-3, None, 30, None, None, True, 0.2)
_OWN = Recipe("resnet18", 100, 64, 1e-3, None, 20, None, None, True, 0.0)

RECIPES: Mapping[str, Mapping[str, Recipe]] = {
    "dlrsd": {"scene": _DLRSD, "pixel": _DLRSD},
    "ucmerced": {"scene": _DLRSD},
    "bigearthnet": {"scene": _BIGEARTHNET, "pixel": _BIGEARTHNET},
    "folder": {"scene": _OWN, "pixel": _OWN},
    "parquet": {"scene": _OWN},
    "arrays": {"scene": _OWN},
}
"""Kind of an archive -> recipes.

DLRSD and BigEarthNet as in the paper (Section V-A): DenseNet-121 from scratch, Adam, NDCG@20 and @30.
"""


def recipe_at(recipes: Mapping[str, Recipe], level: str) -> Recipe | None:
    """Return the recipe for a level of labels, for single labels else that for scene labels; None if there is none."""
    found = recipes.get(level)
    return recipes.get("scene") if found is None and level == "single" else found
