"""What a training step of each method costs over a plain one: same network, same batch, one thread, 64 px.

Scene labels: FC heads. GRID trains two of them and a VAE; JoCoR, co-teaching and RCML train two networks; the mean
teacher passes the images through an average of the weights too; the others keep memories of predictions, labels or
noise. A step of DivideMix after its warm-up is 5 forward and 2 backward passes of a mini-batch, a plain one 1 and 1:
3 times as much where a backward pass costs two forward ones, and its epochs have more steps.
"""

from __future__ import annotations

import torch
from helpers.fair import compare
from helpers.stepping import EPOCHS, NETWORKS, SIDE, stepper

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
        "mean_teacher": 1.6,
    },
    "ce": {"sop": 1.1, "dividemix": 3.3},
}
"""Loss -> method -> goal."""

AFTER_WARM_UP = {"dividemix": {"epoch": EPOCHS - 1, "parts": 4}}
"""Method that begins with plain training -> the epoch whose steps are timed, and the sets that its sampler makes."""


def main() -> None:
    """Measure the ratios."""
    torch.set_num_threads(1)
    for network, batch_size in NETWORKS.items():
        for loss, methods in GOALS.items():
            plain = stepper(METHODS.get(loss), LOSSES.get(loss), network, batch_size)
            for name, at_most in methods.items():
                compare(
                    f"{name.upper()} step / {loss.upper()} step, FC heads, {network}, {SIDE} px, batch {batch_size}",
                    stepper(
                        METHODS.get(name),
                        LOSSES.get(loss),
                        network,
                        batch_size,
                        **AFTER_WARM_UP.get(name, {}),
                    ),
                    plain,
                    rounds=7 if at_most > 2 else 15,
                    at_most=at_most,
                )


if __name__ == "__main__":
    main()
