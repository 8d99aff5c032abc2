"""The two files of a manifest on disk: read with clear errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt

from gridbench.core import files as core_files
from gridbench.core import zip_files
from gridbench.errors import InputError

__all__ = ["read_arrays", "read_json"]


def read_json(path: Path) -> dict[str, Any]:
    """Read the text of a manifest.

    Raises:
        InputError: It is missing, or no JSON object.
    """
    try:
        stored = core_files.read_json(path, core_files.LARGEST_TABLE)
    except OSError as error:
        raise InputError(f"There is no noise manifest at {path}: {error.strerror or error}.") from error
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}.") from error
    if not isinstance(stored, dict):
        raise InputError(f"{path} is not a noise manifest: it holds no object.")
    return stored


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of a manifest; pickled objects are refused.

    Raises:
        InputError: The file is missing or damaged.
    """
    try:
        return zip_files.read_arrays(path)
    except FileNotFoundError as error:
        raise InputError(f"The noise manifest is incomplete: {path} is missing.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged: {error}.") from error
