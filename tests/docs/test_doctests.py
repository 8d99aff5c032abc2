"""The examples in docstrings run, and every public function of metrics and noise has one."""

from __future__ import annotations

import doctest
import importlib.util
import inspect
import pkgutil
from pathlib import Path

import pytest

import gridbench
from gridbench import metrics, noise

MODULES = [
    module.name
    for module in pkgutil.walk_packages(gridbench.__path__, "gridbench.")
    if ">>>" in Path(importlib.util.find_spec(module.name).origin).read_text(encoding="utf-8")
]


def test_examples_are_looked_for_in_every_package():
    packages = {name.split(".")[1] for name in MODULES}
    assert packages >= {"audit", "datasets", "leaderboard", "methods", "metrics", "noise"}


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize("package", [metrics, noise], ids=lambda package: package.__name__)
def test_every_public_function_has_an_example(package):
    public = {name: getattr(package, name) for name in package.__all__}
    functions = {name: each for name, each in public.items() if inspect.isfunction(each)}
    assert len(functions) >= 4
    assert [name for name, each in functions.items() if ">>>" not in (each.__doc__ or "")] == []
