"""GRID with lambda estimated from its own predictions (ours, beyond the paper)."""

from __future__ import annotations

from dataclasses import dataclass

from gridbench.methods import grid
from gridbench.methods._grid import grid_parameters
from gridbench.methods.losses import UNSIGNED_SCENE
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["GRIDAuto"]


@register_method("grid_auto")
class GRIDAuto(grid.GRID):
    """GRID with `lambda=auto`: the share flagged as noisy is estimated once, early in training (docs/grid-auto.md)."""

    losses = UNSIGNED_SCENE
    because = "it reads the noise rate off predicted scene labels, and takes a smaller loss for a sign of a right one"
    note = "gridbench's own variant of GRID, which estimates lambda; not in the paper"

    @dataclass(frozen=True)
    class Parameters(grid_parameters.Parameters):
        """GRID's, but for lambda."""

        lambda_: str = parameter(
            "auto",
            "share of each mini-batch flagged as noisy: estimated 5 % into training, from its predictions",
            "ours",
            choices=("auto",),
        )
