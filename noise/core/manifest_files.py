"""The two files of a manifest on disk: read with clear errors."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.errors import InputError

__all__ = ["read_arrays", "read_json"]


def read_json(path: Path) -> dict[str, Any]:
    """Read the text of a manifest.

    Raises:
        InputError: It is missing, or no JSON object.
    """
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"There is no noise manifest at {path}: {error.strerror}.") from error
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
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise InputError(f"The noise manifest is incomplete: {path} is missing.") from error
    except (
        OSError,
        ValueError,
        EOFError,
        AttributeError,
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        zlib.error,
    ) as error:
        raise InputError(f"{path} is damaged: {error}.") from error
