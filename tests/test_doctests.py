"""The examples in docstrings run, and every public function of metrics and noise has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil

import pytest

from gridbench import metrics, noise

MODULES = [
    "gridbench.core.percent",
    *(
        module.name
        for package in (metrics, noise)
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("package", [metrics, noise], ids=lambda package: package.__name__)
def test_every_public_function_has_an_example(package):
    public = {name: getattr(package, name) for name in package.__all__}
    functions = {name: each for name, each in public.items() if inspect.isfunction(each)}
    assert len(functions) >= 4
    assert [name for name, each in functions.items() if ">>>" not in (each.__doc__ or "")] == []
