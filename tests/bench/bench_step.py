"""What a training step of each method costs over a plain one: same network, same batch, one thread, 64 px.

Scene labels: FC heads. GRID trains two of them and a VAE; JoCoR, co-teaching and RCML train two networks; the others
keep memories of predictions, labels or noise.
"""

from __future__ import annotations

import torch
from helpers.fair import compare
from helpers.stepping import NETWORKS, SIDE, stepper

from gridbench.registry import LOSSES, METHODS

GOALS = {
    "bce": {
        "grid": 1.03,
        "jocor": 2.1,
        "elr": 1.02,
        "sat": 1.05,
        "ll_r": 1.05,
        "ll_ct": 1.05,
        "ll_cp": 1.05,
        "splc": 1.05,
        "nar": 1.05,
        "co_teaching": 2.1,
        "rcml": 2.1,
    },
    "ce": {"sop": 1.1},
}
"""Loss -> method -> goal."""


def main() -> None:
    """Measure the ratios."""
    torch.set_num_threads(1)
    for network, batch_size in NETWORKS.items():
        for loss, methods in GOALS.items():
            plain = stepper(METHODS.get(loss), LOSSES.get(loss), network, batch_size)
            for name, at_most in methods.items():
                compare(
                    f"{name.upper()} step / {loss.upper()} step, FC heads, {network}, {SIDE} px, batch {batch_size}",
                    stepper(METHODS.get(name), LOSSES.get(loss), network, batch_size),
                    plain,
                    rounds=7 if at_most > 2 else 15,
                    at_most=at_most,
                )


if __name__ == "__main__":
    main()
