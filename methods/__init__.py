"""Training strategies, one file each, named as registered; their losses and tasks are in the folders below.

Plain training with a loss is a method that is named like the loss; `plain` makes it.
"""

from __future__ import annotations

from functools import partial

from gridbench.methods.losses import BUILT_IN
from gridbench.registry import LOSSES, METHODS


def _summary(loss: str) -> str:
    return f"Plain training with the loss {loss}: {LOSSES.summary(loss)}"


for _name, _class in (
    ("adele", "ADELE"),
    ("aio2", "AIO2"),
    ("co_teaching", "CoTeaching"),
    ("disc", "DISC"),
    ("dividemix", "DivideMix"),
    ("elr", "ELR"),
    ("elr_plus", "ELRPlus"),
    ("em_apl", "EMAPL"),
    ("gce_truncated", "TruncatedGCE"),
    ("grid", "GRID"),
    ("grid_auto", "GRIDAuto"),
    ("hlc", "HLC"),
    ("jocor", "JoCoR"),
    ("ll_cp", "LLCp"),
    ("ll_ct", "LLCt"),
    ("ll_r", "LLR"),
    ("lnc", "LNC"),
    ("mean_teacher", "MeanTeacher"),
    ("mixup", "Mixup"),
    ("mlt", "MLT"),
    ("nar", "NAR"),
    ("npn", "NPN"),
    ("oracle", "Oracle"),
    ("prism", "PRISM"),
    ("random", "Random"),
    ("rcml", "RCML"),
    ("rnsl", "RNSL"),
    ("role", "ROLE"),
    ("sat", "SAT"),
    ("sop", "SOP"),
    ("sop_plus", "SOPPlus"),
    ("splc", "SPLC"),
    ("t_rnsl", "TruncatedRNSL"),
    ("untrained", "Untrained"),
):
    METHODS.place(_name, f"gridbench.methods.{_name}", _class)

for _name in BUILT_IN:
    METHODS.place(_name, "gridbench.methods.plain", _name, summary=partial(_summary, _name))
