"""Training strategies, one file each, named as registered; their losses and tasks are in the folders below."""

from __future__ import annotations

from gridbench.registry import METHODS

for _name, _class in (
    ("asl", "ASL"),
    ("bce", "BCE"),
    ("co_teaching", "CoTeaching"),
    ("elr", "ELR"),
    ("fl", "FL"),
    ("grid", "GRID"),
    ("grid_auto", "GRIDAuto"),
    ("jocor", "JoCoR"),
    ("ll_cp", "LLCp"),
    ("ll_ct", "LLCt"),
    ("ll_r", "LLR"),
    ("lnc", "LNC"),
    ("oracle", "Oracle"),
    ("pce", "PCE"),
    ("random", "Random"),
    ("rrl", "RRL"),
    ("sat", "SAT"),
    ("splc", "SPLC"),
    ("untrained", "Untrained"),
):
    METHODS.place(_name, f"gridbench.methods.{_name}", _class)
