"""The registries of interchangeable components: methods, losses, noise models and data sets, and their decorators.

They are leaves: they import the standard library and other leaves only, so every folder may import them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from gridbench.core.source import module_file
from gridbench.errors import InputError
from gridbench.registry.registry import DuplicateName, Registry, UnknownName

__all__ = [
    "DATASETS",
    "LOSSES",
    "METHODS",
    "NOISE",
    "PLUGIN_SOURCES",
    "REGISTRIES",
    "DuplicateName",
    "Registry",
    "UnknownName",
    "register_dataset",
    "register_loss",
    "register_method",
    "register_noise",
    "snapshot",
]

C = TypeVar("C", bound=type[Any])

METHODS: Registry[Any] = Registry(
    "method", "gridbench.methods", "gridbench.methods", ("step", "describe"), "gridbench.methods.base.Method"
)
LOSSES: Registry[Any] = Registry(
    "loss", "gridbench.methods.losses", "gridbench.losses", ("entries", "task"), "gridbench.methods.base.Loss"
)
NOISE: Registry[Any] = Registry(
    "noise model", "gridbench.noise", "gridbench.noise", ("corrupt", "levels"), "gridbench.noise.NoiseModel"
)
DATASETS: Registry[Any] = Registry(
    "data set", "gridbench.datasets", "gridbench.datasets", ("open", "recipes"), instances=True
)

REGISTRIES: tuple[Registry[Any], ...] = (METHODS, LOSSES, NOISE, DATASETS)

PLUGIN_SOURCES: dict[Path, str] = {}
"""Plug-in file -> sha256 of the source that was run, which the file may no longer hold."""


@contextlib.contextmanager
def snapshot() -> Iterator[None]:
    """Forget on leaving the `with` block what was registered, and which plug-ins were loaded, within it."""
    sources = dict(PLUGIN_SOURCES)
    with contextlib.ExitStack() as stack:
        for registry in REGISTRIES:
            stack.enter_context(registry.snapshot())
        try:
            yield
        finally:
            PLUGIN_SOURCES.clear()
            PLUGIN_SOURCES.update(sources)


def _decorator(registry: Registry[Any], name: str | None) -> Callable[[C], C]:
    if isinstance(name, type):
        raise InputError(
            f"The decorator of the {registry.kind} {name.__name__} lacks parentheses; write () behind it."
        )

    def enter(component: C) -> C:
        chosen = component.__module__.rsplit(".", 1)[-1] if name is None else name
        module = component.__module__
        origin = "gridbench" if module.startswith("gridbench.") else (module_file(module) or module)
        registry.register(component, chosen, origin)
        return component

    return enter


def register_method(name: str | None = None) -> Callable[[C], C]:
    """Register the decorated class as a method; the name defaults to its file's name."""
    return _decorator(METHODS, name)


def register_loss(name: str | None = None) -> Callable[[C], C]:
    """Register the decorated class as a loss; the name defaults to its file's name."""
    return _decorator(LOSSES, name)


def register_noise(name: str | None = None) -> Callable[[C], C]:
    """Register the decorated class as a noise model; the name defaults to its file's name."""
    return _decorator(NOISE, name)


def register_dataset(name: str | None = None) -> Callable[[C], C]:
    """Register an object of the decorated class as a data set; the name defaults to its file's name."""
    return _decorator(DATASETS, name)
