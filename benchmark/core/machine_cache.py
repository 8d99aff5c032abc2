"""What was measured of this machine, kept in the cache folder so that it need not be measured again (a leaf)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gridbench.core.files import read_json, write_json

__all__ = ["recall", "remember"]


def recall(file: Path) -> dict[str, Any]:
    """Return what a file keeps, key by key; nothing where it is absent or damaged."""
    try:
        content = read_json(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def remember(file: Path, key: str, value: Any) -> None:
    """Put one more outcome into a file, beside those that it keeps."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {**recall(file), key: value})
