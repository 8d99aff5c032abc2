"""Per-sample losses, one file each, named as registered."""

from __future__ import annotations

from gridbench.registry import LOSSES

for _name, _class in (("asl", "ASL"), ("bce", "BCE"), ("fl", "FL"), ("pce", "PCE"), ("rrl", "RRL")):
    LOSSES.place(_name, f"gridbench.methods.losses.{_name}", _class)
