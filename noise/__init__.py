"""Label noise: models that corrupt scene labels or label maps by an exact rate, and the manifest of what changed.

The names below are imported when first used; the models are imported when the registry is asked for them.
"""

from __future__ import annotations

import importlib
from typing import Any

from gridbench.registry import NOISE

_EXPORTS = {
    "Corruption": "gridbench.noise.core.corruption",
    "LabelSet": "gridbench.noise.core.label_set",
    "Manifest": "gridbench.noise.core.manifest",
    "NoiseModel": "gridbench.noise.core.model",
    "corrupt_label_maps": "gridbench.noise.swap",
    "corrupt_scene_labels": "gridbench.noise.swap",
    "estimate_transition": "gridbench.noise.core.transition",
    "largest_slnir": "gridbench.noise.swap",
    "realisable": "gridbench.noise.core.rates",
    "scene_corruption": "gridbench.noise.core.corruption",
}

__all__ = sorted(_EXPORTS)

for _name, _class in (
    ("boundary", "Boundary"),
    ("class_dependent", "ClassDependent"),
    ("coarse", "Coarse"),
    ("confusable", "Confusable"),
    ("extra", "Extra"),
    ("folder_swap", "FolderSwap"),
    ("grouped", "Grouped"),
    ("instance", "Instance"),
    ("instance_linear", "InstanceLinear"),
    ("missing", "Missing"),
    ("missing_objects", "MissingObjects"),
    ("mixed", "Mixed"),
    ("none", "Unchanged"),
    ("pair", "Pair"),
    ("region", "Region"),
    ("shift", "Shift"),
    ("swap", "Swap"),
    ("symmetric", "Symmetric"),
):
    NOISE.place(_name, f"gridbench.noise.{_name}", _class)


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        value = getattr(importlib.import_module(_EXPORTS[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'gridbench.noise' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
