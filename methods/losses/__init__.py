"""Per-sample losses, one file each, named as registered."""

from __future__ import annotations

from gridbench.registry import LOSSES

LOSSES.place("bce", "gridbench.methods.losses.bce", "BCE")
