"""What a training step on label maps costs over a plain one: GRID with segmentation heads, and LNC.

The heads that the paper states, with a last kernel of 30 x 30, cost more than the backbone; those that fit a feature
map of 64 px images cost little. GRID has two heads. LNC is timed in the epochs in which it corrects maps, and after.
A mean teacher passes each batch through a second network without gradients.
"""

from __future__ import annotations

import torch
from helpers.fair import QUICK, compare
from helpers.stepping import NETWORKS, SIDE, PaperSegmentation, stepper

from gridbench.methods.grid import GRID
from gridbench.methods.lnc import LNC
from gridbench.methods.losses.pce import PCE as PCELoss
from gridbench.methods.mean_teacher import MeanTeacher
from gridbench.methods.plain import plain_method

CORRECTING, CORRECTED = 2, 10
"""Epochs of 20: the window of corrections is from the third to the fourth."""


def main() -> None:
    """Measure the ratios."""
    torch.set_num_threads(1)
    for network, batch in NETWORKS.items():
        small = max(2, batch // (4 if QUICK else 2))
        what = f"{network}, {SIDE} px, batch"
        plain = stepper(plain_method("pce"), PCELoss, network, small, PaperSegmentation)
        grid = stepper(GRID, PCELoss, network, small, PaperSegmentation)
        compare(
            f"GRID step / PCE step, the paper's heads, {what} {small}",
            grid,
            plain,
            rounds=5,
            warmup=1,
            at_most=1.9,
        )
        plain = stepper(plain_method("pce"), PCELoss, network, batch)
        grid = stepper(GRID, PCELoss, network, batch)
        compare(f"GRID step / PCE step, fitting heads, {what} {batch}", grid, plain, rounds=9, at_most=1.9)
        teacher = stepper(MeanTeacher, PCELoss, network, batch, epoch=CORRECTED)
        compare(f"mean-teacher step / PCE step, {what} {batch}", teacher, plain, rounds=9, at_most=1.6)
        for when, epoch in (("while it corrects", CORRECTING), ("after it", CORRECTED)):
            corrector = stepper(LNC, PCELoss, network, batch, epoch=epoch)
            compare(f"LNC step / PCE step {when}, {what} {batch}", corrector, plain, rounds=9, at_most=1.05)


if __name__ == "__main__":
    main()
