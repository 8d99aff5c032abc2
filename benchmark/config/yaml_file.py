"""Settings from a YAML file, of bounded size and without the surprises of YAML 1.1."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from gridbench.core.files import LARGEST_TEXT, read_text
from gridbench.errors import InputError, reason_of

__all__ = ["load_yaml"]

_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


# A sweep over hundreds of values has some thousands of nodes.
MOST_NODES = 100_000


# Numbers that YAML 1.1 reads unexpectedly: 10:50 is sexagesimal, 010 octal, and 1_0 is 10.
_ODD = r"(?!.*[:_]|[-+]?0[0-9bBxX])"


class _Settings(yaml.SafeLoader):
    """Refuses duplicate keys, of which YAML would keep the last, and leaves ambiguous numbers as text.

    A text such as 10:50:10 or 010 is then a range, or a number in plain digits, as on the command line.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [
            (tag, re.compile(f"{_ODD}(?:{known.pattern})", known.flags) if tag in _NUMBERS else known)
            for tag, known in resolvers
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key, times in Counter(str(key) for key in keys).items():
            if times > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} is there twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def _parse_yaml(text: str, name: str) -> Any:
    loader = _Settings(text)
    loader.name = name
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}) > MOST_NODES:
            raise ValueError(f"it stands for more than {MOST_NODES:,} values")
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many nodes a YAML node expands to, counting each repetition by an alias."""
    if id(node) not in known:
        # A node that contains itself counts as infinite.
        known[id(node)] = MOST_NODES
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            parts = node.value
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]


def load_yaml(path: Path) -> dict[str, Any]:
    """Read settings from a YAML file whose keys are RunConfig's field names, or from the config.json of a record.

    Raises:
        InputError: The file cannot be read, or holds no mapping.
    """
    try:
        content = _parse_yaml(read_text(path, LARGEST_TEXT), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The file {str(path)!r} cannot be read: {reason_of(error, path)}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"The file {str(path)!r} is not YAML: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InputError(f"The file {str(path)!r} must hold settings as `name: value` lines.")
    if isinstance(content.get("config"), dict) and "id" in content:
        content = dict(content["config"])
        # The noise seed follows the seed unless it is set, even if a flag overrides the seed.
        if content.get("noise_seed") == content.get("seed"):
            content.pop("noise_seed", None)
    return content
