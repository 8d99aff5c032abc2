"""What the measurements on an accelerator found, kept row by row, so that an interrupted one goes on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from helpers.fair import machine

from gridbench.core.environment import describe_environment
from gridbench.core.files import write_bytes
from gridbench.core.json_files import read_json, write_json

__all__ = ["Row", "Settings", "Store", "table"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """How everything is measured.

    Attributes:
        device: What is measured.
        small: Whether the work is tiny, to see that everything runs; such numbers say nothing.
        output: Folder of tables and JSON.
        scratch: Folder for archives and records.
    """

    device: torch.device
    small: bool
    output: Path
    scratch: Path

    def pick(self, full: Any, small: Any) -> Any:
        """Return the first in earnest and the second when small."""
        return small if self.small else full


class Store:
    """The rows of one part, in `<output>/gpu_<part>.json` and as a table in `.md`.

    Args:
        part: Name of the part.
        settings: How it is measured; rows of another device or size are not taken over.
        again: Measure anew what is there.
    """

    def __init__(self, part: str, settings: Settings, again: bool = False) -> None:
        self._file = settings.output / f"gpu_{part}.json"
        environment = describe_environment(settings.device)
        self._head = {
            "part": part,
            "device": environment["device_name"],
            "small": settings.small,
            "packages": environment["packages"],
        }
        self.rows: dict[str, Row] = {} if again else self._there()

    def row(self, name: str, measure: Callable[[], Mapping[str, Any]]) -> Row:
        """Return a row, measured now unless it is there; one that fails holds its `error` and is tried again later."""
        if name not in self.rows or "error" in self.rows[name]:
            try:
                self.rows[name] = {column: _storable(value) for column, value in measure().items()}
            except (RuntimeError, ValueError) as error:
                self.rows[name] = {"error": " ".join(str(error).split())[:300]}
            self.save()
            print(f"{name}: {_words(self.rows[name])}", flush=True)
        return self.rows[name]

    def _there(self) -> dict[str, Row]:
        try:
            content = read_json(self._file)
        except (OSError, ValueError):
            return {}
        same = all(content.get(name) == value for name, value in self._head.items())
        return dict(content["rows"]) if same else {}

    def save(self) -> None:
        """Write all rows, as JSON and as a table."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_json(self._file, {**self._head, "machine": machine(), "rows": self.rows})
        write_bytes(self._file.with_suffix(".md"), table(self.rows).encode())


def table(rows: Mapping[str, Row]) -> str:
    """Format rows as a markdown table whose columns are all names that any row has."""
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for name, row in rows.items():
        lines.append(f"| {name} | " + " | ".join(_shown(row.get(column)) for column in names) + " |")
    return "\n".join(lines) + "\n"


def _storable(value: Any) -> Any:
    """Return a number that is none as text, since JSON has no word for it."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def _words(row: Row) -> str:
    return ", ".join(f"{name} {_shown(value)}" for name, value in row.items())
