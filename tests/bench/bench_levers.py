"""What bfloat16 and the channels-last layout bring to a training step on this CPU, against eager float32.

Convolutional networks gain, a ViT loses. Losses are computed in float32 either way.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from fair import QUICK, compare

from gridbench.backbones import BackboneSpec, build_backbone

CLASSES, SIDE = 17, 64
NETWORKS = (
    {"test_resnet": 8, "test_vit": 8}
    if QUICK
    else {"test_resnet": 64, "resnet18": 32, "densenet121": 16, "test_vit": 16}
)
"""Backbone -> batch size."""

GOALS = {"resnet18": 1.4, "densenet121": 1.4, "test_resnet": 1.4}
LEVERS = {
    "channels_last": (torch.channels_last, False),
    "bfloat16": (torch.contiguous_format, True),
    "channels_last + bfloat16": (torch.channels_last, True),
}


def stepper(network: str, batch_size: int, layout: torch.memory_format, narrow: bool) -> Callable[[], None]:
    """Return a function that takes one plain training step."""
    # A ViT's table of positions is made for one size; timm's small one takes 160 px.
    side = 160 if "vit" in network else SIDE
    spec = BackboneSpec(network, 3, (side, side))
    torch.manual_seed(0)
    backbone = build_backbone(spec)
    model = torch.nn.Sequential(backbone, torch.nn.Linear(backbone.width, CLASSES)).to(memory_format=layout)
    optimizer = torch.optim.Adam(model.parameters())
    images = torch.randn(batch_size, 3, side, side).contiguous(memory_format=layout)
    labels = (torch.rand(batch_size, CLASSES) < 0.2).float()

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            logits = model(images)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def main() -> None:
    """Run the comparisons."""
    torch.set_num_threads(1)
    for network, batch_size in NETWORKS.items():
        plain = stepper(network, batch_size, torch.contiguous_format, False)
        for name, (layout, narrow) in LEVERS.items():
            compare(
                f"training step, {name} against eager float32, {network}, batch {batch_size}",
                stepper(network, batch_size, layout, narrow),
                plain,
                rounds=5,
                measure="speed",
                at_least=GOALS.get(network) if narrow and layout == torch.channels_last else None,
            )


if __name__ == "__main__":
    main()
