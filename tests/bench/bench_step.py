"""What a training step of each method costs over a plain one: same network, same batch, one thread, 64 px.

Scene labels: FC heads. GRID trains two of them and a VAE, JoCoR two networks, ELR remembers its predictions.
"""

from __future__ import annotations

import torch
from fair import compare
from stepping import NETWORKS, SIDE, stepper

from gridbench.methods.elr import ELR
from gridbench.methods.grid import GRID
from gridbench.methods.jocor import JoCoR
from gridbench.methods.losses.bce import BCE as BCELoss
from gridbench.methods.plain import plain_method

METHODS = (("GRID", GRID, 1.03, 15), ("JoCoR", JoCoR, 2.1, 7), ("ELR", ELR, 1.02, 15))
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
