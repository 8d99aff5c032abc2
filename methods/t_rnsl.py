"""t-RNSL: truncated RNSL, which excludes images with improbable labels (Kang et al., TGRS 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from gridbench.methods.gce_truncated import TruncatedGCE
from gridbench.methods.rnsl import RECIPE, RNSL, EmbeddingParameters
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["TruncatedRNSL"]


@register_method()
class TruncatedRNSL(RNSL, TruncatedGCE):
    """Truncated GCE of the normalised softmax: as `gce_truncated`, with the head of `rnsl`.

    Published code decides which images count with the weights that are best by the accuracy of neighbours with *clean*
    training labels, and goes on with the network as it was but with the prototypes of those weights; here, the
    network decides as it is.
    """

    losses: ClassVar[tuple[str, ...]] = ("gce",)
    because = "it truncates that very loss"
    recipe: ClassVar[Mapping[str, Any]] = RECIPE

    @dataclass(frozen=True)
    class Parameters(TruncatedGCE.Parameters, EmbeddingParameters):
        """Parameters of the normalised softmax and of truncation."""

        first: float = parameter(
            100 * 40 / 130,
            "percent of the run's epochs before images are left out",
            "jiankang1991/RNSL: epoch 40 of 130",
            low=0,
            high=100,
        )
        every: float = parameter(
            100 * 10 / 130,
            "percent of the run's epochs between two decisions",
            "jiankang1991/RNSL: 10 of 130 epochs",
            low=0,
            low_open=True,
            high=100,
        )
