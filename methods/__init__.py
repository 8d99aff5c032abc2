"""Training strategies, one file each, named as registered; their losses and tasks are in the folders below."""

from __future__ import annotations

from gridbench.registry import METHODS

for _name, _class in (
    ("asl", "ASL"),
    ("bce", "BCE"),
    ("elr", "ELR"),
    ("fl", "FL"),
    ("grid", "GRID"),
    ("grid_auto", "GRIDAuto"),
    ("jocor", "JoCoR"),
    ("lnc", "LNC"),
    ("oracle", "Oracle"),
    ("pce", "PCE"),
    ("random", "Random"),
    ("rrl", "RRL"),
    ("untrained", "Untrained"),
):
    METHODS.place(_name, f"gridbench.methods.{_name}", _class)
