"""Settings as fields of a configuration: description, limits, and presentation on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import Field

__all__ = ["GROUPS", "Setting", "setting"]

GROUPS = ("data", "noise", "method", "recipe", "retrieval", "machine", "output")
"""Groups of settings and command-line options, in the order of `--help`."""


@dataclass(frozen=True)
class Setting:
    """How a field of RunConfig is shown on the command line.

    Attributes:
        group: One of GROUPS.
        metavar: Placeholder of the value; empty: the allowed words, or N or X for a number.
        unset: Where the value comes from when none is given: the recipe, the protocol.
        flag: The option; empty: the field's name with dashes.
        later: Whether the field came after runs were published: left out of their identity while unset.
        measurable: Whether the value may be `auto`, the fastest by measurement.
    """

    group: str
    metavar: str = ""
    unset: str = ""
    flag: str = ""
    later: bool = False
    measurable: bool = False


def setting(group: str, description: str, metavar: str = "", unset: str = "", **given: Any) -> Any:
    """Return a field with its limits, its description and what the command line shows of it."""
    shown: dict[str, Any] = {
        name: given.pop(name) for name in ("flag", "later", "measurable") if name in given
    }
    shown |= {"group": group, "metavar": metavar, "unset": unset}
    if "default_factory" not in given:
        given.setdefault("default", None)
    return Field(description=description, json_schema_extra=shown, **given)
