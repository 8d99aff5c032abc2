"""The command that computes a run again, from its record."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

__all__ = ["command_of", "setting_text"]

_FIRST = ("dataset", "method", "loss", "slnir", "seed", "parameters")
"""Settings that come first in a command."""

_ON_BY_DEFAULT = ("flips", "move_maps")
"""Switches that an option turns off; the others are off unless they are given."""


def command_of(stored: Mapping[str, Any]) -> str:
    """Return the command that computes a run, with every setting of its record, even those with defaults.

    Args:
        stored: Content of the record's config.json.
    """
    config = dict(stored["config"])
    if config.get("noise_seed") == config.get("seed"):  # it follows the seed
        del config["noise_seed"]
    words = ["gridbench", "run"]
    for name in dict.fromkeys([*(name for name in _FIRST if name in config), *config]):
        value, flag = config[name], "--" + name.replace("_", "-")
        if isinstance(value, Mapping):
            flag = "-p" if name == "parameters" else "--noise-parameter"
            words += [
                word
                for key, one in value.items()
                if one is not None
                for word in (flag, f"{key}={setting_text(one)}")
            ]
        elif value is False:
            words += [flag.replace("--", "--no-", 1)] if name in _ON_BY_DEFAULT else []
        elif value is True:
            words.append(flag)
        elif value is not None:
            words += [flag, setting_text(value)]
    plugin = "--plugin FILE " if stored.get("plugin") else ""
    return shlex.join(words).replace("gridbench run ", f"gridbench run {plugin}", 1)


def setting_text(value: str | int | float | bool | None) -> str:
    """Return a setting as people write it: nothing for None, `true`, 0.001, 30."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.15g}" if isinstance(value, float) else str(value)
