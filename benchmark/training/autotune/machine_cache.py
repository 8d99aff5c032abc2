"""Cache of measurements of this machine, stored in the cache folder (a leaf)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gridbench.core.json_files import read_json, write_json

__all__ = ["get", "put"]


def get(file: Path, key: str) -> Any:
    """Return a measurement; None where it, or a readable file, is absent."""
    return _content(file).get(key)


def put(file: Path, key: str, value: Any) -> None:
    """Add a measurement to a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {**_content(file), key: value})


def _content(file: Path) -> dict[str, Any]:
    try:
        content = read_json(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
