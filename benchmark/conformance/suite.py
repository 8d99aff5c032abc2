"""Entry point of the conformance suite: runs the checks for a component given by name."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gridbench.conformance.findings import Finding
from gridbench.errors import InputError, nearest
from gridbench.registry import LOSSES, METHODS, NOISE, REGISTRIES

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
    """Carry out all checks on a component in a temporary folder.

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
        from gridbench.conformance.datasets import check_dataset

        with tempfile.TemporaryDirectory(prefix="gridbench-check-") as folder:
            yield from check_dataset(name, Path(folder))
