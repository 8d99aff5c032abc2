"""Conformance checks on the documentation of components of every kind."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

from gridbench.conformance.findings import require
from gridbench.core.source import first_line
from gridbench.errors import InputError
from gridbench.parameters import describe, parse, public_name

__all__ = ["check_documentation"]


def check_documentation(component: Any) -> None:
    """It says what it is, and declares each parameter with its range and the source of its default."""
    module = sys.modules.get(component.__module__)
    text = first_line(component.__doc__) or first_line(getattr(module, "__doc__", None))
    require(text, "it has no docstring: one line that says what it is")
    version = component.version
    whole = isinstance(version, int) and not isinstance(version, bool) and version >= 1
    require(whole, f"its version is {version!r} and must be a whole number from 1")
    parameters = component.Parameters
    require(dataclasses.is_dataclass(parameters), "its Parameters are not a dataclass")
    undeclared = [field.name for field in dataclasses.fields(parameters) if not field.metadata]
    require(
        not undeclared, f"its parameters {undeclared} are not declared with gridbench.parameters.parameter"
    )
    try:
        rows = describe(parameters)
    except TypeError as error:
        rows = []
        require(False, str(error))
    for name, _, default, spec in rows:
        require(spec.help.strip(), f"its parameter {name!r} has no help")
        require(spec.source.strip(), f"its parameter {name!r} does not say where its default comes from")
        if default is not None:
            _check_default(parameters, name, default)
        _check_search(parameters, name, default, spec.search)
    frozen = parameters.__dataclass_params__.frozen
    require(frozen or not rows, "its Parameters must be frozen: @dataclass(frozen=True)")


def _check_default(parameters: Any, name: str, default: Any) -> None:
    try:
        parsed = parse(parameters, {name: default}, "component")
    except InputError as error:
        require(False, f"the default of its parameter {name!r} is outside its own range: {error}")
    else:
        values = {public_name(key): value for key, value in dataclasses.asdict(parsed).items()}
        require(values[name] == default, f"the default of its parameter {name!r} is not of its declared type")


def _check_search(parameters: Any, name: str, default: Any, search: tuple[Any, ...]) -> None:
    """What a selection tries is allowed, tried once, and holds the default."""
    for value in search:
        try:
            parse(parameters, {name: value}, "component")
        except InputError as error:
            require(False, f"its parameter {name!r} is searched at {value!r}: {error}")
    require(len(set(search)) == len(search), f"its parameter {name!r} is searched twice at one value")
    known = not search or default is None or default in search
    require(known, f"its parameter {name!r} is searched without its default {default!r}")
