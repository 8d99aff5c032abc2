"""The two named protocols: what the harness does where the paper and its published code differ.

Methods state their own differences (`Method.authors_code`), and so do noise models. Each difference is a setting of
its own; a protocol only chooses their defaults, so that any one of them can be studied alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gridbench.datasets.archive.published import PUBLISHED

__all__ = ["PUBLISHED_IDEAL", "PUBLISHED_NOISE", "defaults_of"]

PUBLISHED_IDEAL: Mapping[str, int] = {"dlrsd": 420, "bigearthnet": 1000}
"""Kind of archive -> how many retrieved images the published code takes the ideal ranking over."""

PUBLISHED_NOISE: Mapping[str, Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "dlrsd": {"swap": ("folder_swap", {"labels": "maps"})}
}
"""Kind of archive -> the paper's noise model -> the one, with its parameters, that the published code has for it."""


def defaults_of(protocol: str, kind: str) -> dict[str, Any]:
    """Return the settings that a protocol chooses for an archive.

    Args:
        protocol: `paper` or `authors_code`.
        kind: Which reader built the archive.

    Returns:
        Name of a RunConfig field -> its default.
    """
    if protocol == "paper":
        return {
            "move_maps": True,
            "crop_for": "image",
            "brightness_for": "image",
            "statistics": "train",
            "ideal": "archive",
            "adam_epsilon": 1e-8,
        }
    return {
        "move_maps": False,
        "crop_for": "run",
        "brightness_for": "batch",
        "statistics": "published" if kind in PUBLISHED else "train",
        "ideal": PUBLISHED_IDEAL.get(kind, "archive"),
        "adam_epsilon": 1e-7,
        "adam_steps": "shared",
        "adam_epsilon_form": "hat",
    }
