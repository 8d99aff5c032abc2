"""Names of classes that the Hugging Face hub's library notes in Parquet files, whose cells hold their numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["class_names_of", "with_names"]


def class_names_of(schema: Any) -> dict[str, Sequence[str]]:
    """Return the names of the classes of each column that has them, by their numbers.

    Args:
        schema: The Arrow schema of the file.
    """
    try:
        noted = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = noted["info"]["features"].items()
    except (AttributeError, KeyError, TypeError, ValueError):
        return {}
    return {name: names for name, feature in features if (names := _names_in(feature))}


def _names_in(feature: object) -> Sequence[str]:
    """Return the names of a class label, or of a list of such; nothing for any other feature."""
    if isinstance(feature, list) and len(feature) == 1:
        feature = feature[0]
    if isinstance(feature, Mapping):
        feature = feature.get("feature", feature)
    names = feature.get("names") if isinstance(feature, Mapping) else None
    if names is None or not isinstance(feature, Mapping) or feature.get("_type") != "ClassLabel":
        return ()
    return [str(name) for name in names] if isinstance(names, list) else ()


def with_names(value: object, names: Sequence[str]) -> object:
    """Return the name of the class whose number a cell holds, or a list of them; anything else as it is.

    Args:
        value: The cell.
        names: Names of the classes by their numbers; empty for a column of anything else.

    Raises:
        ValueError: A number is that of no class.

    >>> with_names([1, 0], ["water", "trees"])
    ['trees', 'water']
    """
    if names and isinstance(value, list):
        return [with_names(one, names) for one in value]
    if not names or not isinstance(value, int) or isinstance(value, bool):
        return value
    if not 0 <= value < len(names):
        raise ValueError(f"the class {value} is none of the {len(names)} named ones")
    return names[value]
