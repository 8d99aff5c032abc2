"""What bfloat16 and the channels-last layout bring to a training step on this CPU, against eager float32.

The steps are those that `--precision auto` and `--memory-format auto` time. What a lever brings depends on the kind of
CPU: one without bfloat16 arithmetic (Intel before Sapphire Rapids, AMD before Zen 4) emulates it. `auto` must never
choose what is slower than the plain step, on any kind.
"""

from __future__ import annotations

import re
import statistics
from dataclasses import replace
from pathlib import Path

import torch
from helpers.fair import QUICK, compare, machine

from gridbench.training.autotune.precision import plainest_fast
from gridbench.training.autotune.step_time import step_times, stepper
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


BFLOAT16 = ("avx512_bf16", "amx_bf16")
"""Flags of an x86 CPU that computes in bfloat16 by itself."""


def computes_bfloat16() -> bool:
    """Tell whether this CPU multiplies in bfloat16 by itself; one that does not show its flags is taken to."""
    cpuinfo = Path("/proc/cpuinfo")
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else None
    return flags is None or any(flag in flags.group(1).split() for flag in BFLOAT16)


def main() -> None:
    """Run the comparisons."""
    torch.set_num_threads(1)
    cpu = torch.device("cpu")
    kind = f"{machine()['processor']}, {'with' if computes_bfloat16() else 'without'} bfloat16 arithmetic"
    print(f"Levers on {kind}", flush=True)
    for network, batch_size in NETWORKS.items():
        side = SIDES.get(network, 64)
        plain = BackboneSpec(network, 3, (side, side))
        specs = {"eager float32": plain} | {name: replace(plain, **lever) for name, lever in LEVERS.items()}
        step = stepper(plain, batch_size, cpu)
        for name, lever in LEVERS.items():
            compare(
                f"training step, {name} against eager float32, {network}, batch {batch_size}",
                stepper(specs[name], batch_size, cpu),
                step,
                rounds=5,
                measure="speed",
                at_least=GOALS.get(network) if len(lever) == 2 and computes_bfloat16() else None,
            )
        times = step_times(specs, batch_size, cpu)
        chosen = plainest_fast({name: statistics.median(seconds) for name, seconds in times.items()})
        compare(
            f"training step, as `auto` has it against eager float32, {network}, batch {batch_size} ({chosen})",
            stepper(specs[chosen], batch_size, cpu),
            step,
            rounds=7,
            measure="speed",
            at_least=0.97,
        )


if __name__ == "__main__":
    main()
