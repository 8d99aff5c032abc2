"""What a training step of each method costs over a plain one: same network, same batch, one thread, 64 px.

Scene labels: FC heads. GRID trains two of them and a VAE; JoCoR, co-teaching and RCML train two networks; the others
keep memories of predictions or labels.
"""

from __future__ import annotations

import torch
from fair import compare
from stepping import NETWORKS, SIDE, stepper

from gridbench.methods.co_teaching import CoTeaching
from gridbench.methods.elr import ELR
from gridbench.methods.grid import GRID
from gridbench.methods.jocor import JoCoR
from gridbench.methods.ll_cp import LLCp
from gridbench.methods.ll_ct import LLCt
from gridbench.methods.ll_r import LLR
from gridbench.methods.losses.bce import BCE as BCELoss
from gridbench.methods.nar import NAR
from gridbench.methods.plain import plain_method
from gridbench.methods.rcml import RCML
from gridbench.methods.sat import SAT
from gridbench.methods.splc import SPLC

METHODS = (
    ("GRID", GRID, 1.03, 15),
    ("JoCoR", JoCoR, 2.1, 7),
    ("ELR", ELR, 1.02, 15),
    ("SAT", SAT, 1.05, 15),
    ("LL-R", LLR, 1.05, 15),
    ("LL-Ct", LLCt, 1.05, 15),
    ("LL-Cp", LLCp, 1.05, 15),
    ("SPLC", SPLC, 1.05, 15),
    ("NAR", NAR, 1.05, 15),
    ("co-teaching", CoTeaching, 2.1, 7),
    ("RCML", RCML, 2.1, 7),
)
"""Name, method, goal, rounds."""


def main() -> None:
    """Measure the ratios."""
    torch.set_num_threads(1)
    for network, batch_size in NETWORKS.items():
        plain = stepper(plain_method("bce"), BCELoss, network, batch_size)
        for name, method, at_most, rounds in METHODS:
            compare(
                f"{name} step / BCE step, FC heads, {network}, {SIDE} px, batch {batch_size}",
                stepper(method, BCELoss, network, batch_size),
                plain,
                rounds=rounds,
                at_most=at_most,
            )


if __name__ == "__main__":
    main()
