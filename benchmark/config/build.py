"""Builds a RunConfig from plain values: those that a user gave, or those of a record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pydantic

from gridbench.config.run_config import BY_RECIPE, RunConfig, flag_of
from gridbench.errors import InputError, nearest

__all__ = ["make_config", "stored_config", "unknown_setting"]


def make_config(values: Mapping[str, Any]) -> RunConfig:
    """Build a config, turning every problem into one clear message.

    Raises:
        InputError: An unknown key (with the nearest one), a wrong type or a value outside its range.
    """
    for key in values:
        if key not in RunConfig.model_fields:
            raise unknown_setting(key, RunConfig.model_fields)
    try:
        return RunConfig(**values)
    except pydantic.ValidationError as error:
        raise InputError(_explain(error.errors())) from None


def stored_config(values: Mapping[str, Any]) -> RunConfig:
    """Build the config of a record, whose missing settings are not filled in by the recipe.

    Raises:
        InputError: As `make_config`.
    """
    return make_config({**BY_RECIPE, **values})


def unknown_setting(name: str, known: Iterable[str], command: str = "run") -> InputError:
    """Return the error for a setting that does not exist, with the nearest one and the command that lists all.

    Args:
        name: What the user wrote.
        known: The settings that exist.
        command: The command whose options are these settings.
    """
    return InputError(
        f"There is no setting {name!r}.{nearest(name, known)} `gridbench {command} --help` lists them all; the option "
        "--batch-size is the setting batch_size."
    )


def _explain(problems: Sequence[Any]) -> str:
    """Format validation errors with one line per setting, also for settings of several types."""
    lines: dict[str, list[str]] = {}
    got: dict[str, Any] = {}
    for problem in problems:
        group = "parameters" in str(problem["loc"][:1])
        name = ".".join(map(str, problem["loc"][: 2 if group else 1])) or "settings"
        text = (
            problem["msg"]
            .removeprefix("Value error, ")
            .replace("Decimal input should be an integer, float, string or Decimal object", "a number")
            .removeprefix("Input should be ")
            .partition(", unable")[0]
        )
        lines.setdefault(name, []).append(text[0].lower() + text[1:])
        got[name] = problem.get("input")
    return "\n".join(
        f"The setting {name!r} ({flag_of(name.partition('.')[0])}) is {got[name]!r}; "
        f"it must be {' or '.join(dict.fromkeys(reasons))}."
        for name, reasons in lines.items()
    )
