"""Per-sample losses, one file each, named as registered."""

from __future__ import annotations

from gridbench.registry import LOSSES

for _name, _class in (("asl", "ASL"), ("bce", "BCE"), ("fl", "FL"), ("pce", "PCE"), ("rrl", "RRL")):
    LOSSES.place(_name, f"gridbench.methods.losses.{_name}", _class)

for _name, _class in (
    ("an_ls", "AssumedNegativesSmoothed"),
    ("bgce", "BGCE"),
    ("bmae", "BMAE"),
    ("bsce", "BSCE"),
    ("hill", "Hill"),
    ("wan", "WeakAssumedNegatives"),
):
    LOSSES.place(_name, f"gridbench.methods.losses.multi_label.{_name}", _class)
