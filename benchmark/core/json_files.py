"""Safe JSON: strict reading with limits on size, depth and numbers, and atomic writing with sorted keys."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

from gridbench.core.files import limited, read_bytes, write_bytes

__all__ = ["LARGEST_JSON", "MOST_ANNOTATED", "parse_json", "read_json", "write_json"]

LARGEST_JSON = 8 * 2**20
"""Largest file in bytes: a record's JSON is below 1 MB after 1,000 epochs."""

DEEPEST_JSON = 40
# Number of lists and objects: a history has about five per epoch, an audit one per decision.
MOST_NESTED = 200_000
# An annotation has an object, and lists for its outline and box.
MOST_ANNOTATED = 1_000_000
# Size of a short name, its number and the space between them; the Python object is ten times as large.
BYTES_A_VALUE = 8
LONGEST_NUMBER = 25
LONGEST_TEXT = 100_000


def read_json(path: Path, largest: int = LARGEST_JSON) -> Any:
    """Read a JSON file.

    Raises:
        ValueError: It is not JSON, or holds what no record does.
        OSError: It cannot be read.
    """
    return parse_json(read_bytes(path, largest), largest=largest)


_QUOTES, _OPENING, _BRACKETS = b'"', b"[{", b"[]{}"
_NO_STRUCTURE = bytes(set(range(256)) - set(_QUOTES + _BRACKETS))
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse_json(
    content: bytes, strict: bool = False, largest: int = LARGEST_JSON, nested: int = MOST_NESTED
) -> Any:
    """Read JSON, refusing deep nesting, duplicate keys, numbers of hundreds of digits and invalid Unicode.

    Args:
        content: UTF-8 text.
        strict: Whether NaN, numbers out of range and texts of 100,000 characters are refused, too.
        largest: The most bytes that it may have, by which the number of its values is limited.
        nested: The most lists and objects that it may hold.

    Raises:
        ValueError: With the reason.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("it is not text") from None
    longest = _check_structure(content, largest, nested)
    options: dict[str, Any] = {"parse_constant": _no_constant, "parse_float": _finite} if strict else {}
    value = json.loads(text, parse_int=_integer, object_pairs_hook=_object, **options)
    if strict and longest > LONGEST_TEXT:
        raise ValueError(f"it holds a text of {longest:,} characters")
    if _SURROGATE.search(content):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("it holds text that is not Unicode") from None
    return value


def _check_structure(content: bytes, largest: int, nested: int) -> int:
    """Refuse JSON of too many values or levels before any value is made; return the bytes of its longest text, if long.

    Raises:
        ValueError: With the reason.
    """
    most, nested = limited(largest // BYTES_A_VALUE), limited(nested)
    if content.count(b",") + content.count(b":") > most or content.count(_QUOTES) > 2 * most:
        raise ValueError(f"it holds more than {most:,} values")
    opened = content.count(b"[") + content.count(b"{")
    if opened > nested:
        raise ValueError(f"it holds more than {nested:,} lists and objects")
    if opened <= DEEPEST_JSON and len(content) <= LONGEST_TEXT:
        return 0
    # Once escapes are removed, every second piece between quotes is a string.
    pieces = content.replace(b"\\\\", b"..").replace(b'\\"', b"..").split(_QUOTES)
    depth = 0
    for code in b"".join(pieces[::2]).translate(None, _NO_STRUCTURE):
        depth += 1 if code in _OPENING else -1
        if depth > DEEPEST_JSON:
            raise ValueError("it is nested too deeply")
    return max(map(len, pieces[1::2]), default=0)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; duplicate names are refused, since parsers differ in which value they keep."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"it holds {twice[:60]!r} twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is not a number")


def _integer(text: str) -> int:
    if len(text) > LONGEST_NUMBER:
        raise ValueError(f"it holds a number out of range, of {len(text):,} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("it holds a number out of range")
    return value


def write_json(path: Path, value: Any) -> str:
    """Write JSON with sorted keys and without NaN, atomically; return its sha256."""
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    return write_bytes(path, (text + "\n").encode())
