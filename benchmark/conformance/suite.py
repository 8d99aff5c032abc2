"""Entry point of the conformance suite: runs the checks for a component given by name."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gridbench.conformance.findings import Finding, carry_out, require
from gridbench.errors import InputError, nearest
from gridbench.registry import DATASETS, LOSSES, METHODS, NOISE, REGISTRIES

__all__ = ["check_component", "components_named"]


def components_named(name: str) -> list[tuple[str, str]]:
    """Return (kind, name) of every component of that name.

    Raises:
        InputError: There is none; the message names the nearest.
    """
    found = [(registry.kind, name) for registry in REGISTRIES if name in registry]
    if found:
        return found
    known = sorted({each for registry in REGISTRIES for each in registry})
    raise InputError(
        f"There is no method, loss, noise model or data set {name!r}, and no file of that name."
        f"{nearest(name, known)} There are: {', '.join(known)}."
    )


def check_component(
    kind: str, name: str, parameters: Mapping[str, Any] | None = None, losses: Sequence[str] = ()
) -> Iterator[Finding]:
    """Carry out all checks on a component, in a folder that is gone afterwards.

    Args:
        kind: method, loss, noise model or data set.
        name: Its registered name.
        parameters: Its parameters by public name; the defaults for those that are left out.
        losses: Losses with which a method is checked; empty for all compatible losses.

    Raises:
        InputError: It cannot be imported, or has no such parameter or loss.
    """
    if kind == METHODS.kind:
        from gridbench.conformance.fixtures import Workbench
        from gridbench.conformance.methods import check_method

        with tempfile.TemporaryDirectory(prefix="gridbench-check-") as folder:
            yield from check_method(METHODS.get(name), Workbench(Path(folder)), parameters or {}, losses)
    elif kind == LOSSES.kind:
        from gridbench.conformance.losses import check_loss

        yield from check_loss(LOSSES.get(name), parameters or {})
    elif kind == NOISE.kind:
        from gridbench.conformance.noise import check_noise

        yield from check_noise(NOISE.get(name), parameters or {})
    else:
        yield from carry_out((_check_dataset,), DATASETS.get(name), "", type(DATASETS.get(name)))


def _check_dataset(dataset: Any) -> None:
    """It says what it is, and its recipes are settings that a run can have."""
    from dataclasses import asdict

    from gridbench.config import make_config
    from gridbench.methods.pairing import LEVELS

    require(str(getattr(dataset, "summary", "")).strip(), "it has no summary")
    require(isinstance(dataset.version, int) and dataset.version >= 1, f"its version is {dataset.version!r}")
    require(dataset.recipes, "it has no recipe")
    for kind, recipe in dataset.recipes.items():
        require(kind in LEVELS, f"it has a recipe for {kind!r}; allowed are {', '.join(LEVELS)}")
        try:
            make_config(asdict(recipe))
        except InputError as error:
            require(False, f"its recipe for {kind}-level labels cannot be run: {error}")
