"""What bfloat16 and the channels-last layout bring to a training step on this CPU, against eager float32.

The steps are those that `--precision auto` and `--memory-format auto` time. Convolutional networks gain, a ViT loses.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from fair import QUICK, compare

from gridbench.training.autotune.step_time import stepper
from gridbench.training.backbone import BackboneSpec

NETWORKS = (
    {"test_resnet": 8, "test_vit": 8}
    if QUICK
    else {"test_resnet": 64, "resnet18": 32, "densenet121": 16, "test_vit": 16}
)
"""Backbone -> batch size."""

SIDES = {"test_vit": 160}
"""Side of the images in pixels where it is not 64: a ViT's table of positions is made for one size."""

GOALS = {"resnet18": 1.4, "densenet121": 1.4, "test_resnet": 1.4}
LEVERS = {
    "channels_last": {"memory_format": "channels_last"},
    "bfloat16": {"precision": "bfloat16"},
    "channels_last + bfloat16": {"memory_format": "channels_last", "precision": "bfloat16"},
}


def main() -> None:
    """Run the comparisons."""
    torch.set_num_threads(1)
    cpu = torch.device("cpu")
    for network, batch_size in NETWORKS.items():
        side = SIDES.get(network, 64)
        plain = BackboneSpec(network, 3, (side, side))
        step = stepper(plain, batch_size, cpu)
        for name, lever in LEVERS.items():
            compare(
                f"training step, {name} against eager float32, {network}, batch {batch_size}",
                stepper(replace(plain, **lever), batch_size, cpu),
                step,
                rounds=5,
                measure="speed",
                at_least=GOALS.get(network) if len(lever) == 2 else None,
            )


if __name__ == "__main__":
    main()
