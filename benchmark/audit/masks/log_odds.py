"""Probabilities as one byte: their log-odds in steps of a tenth."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["code_probabilities", "log_odds"]

STEP, ZERO = 0.1, 128
"""Log-odds from -12.7 to 12.7: probabilities from 3e-6 up, of which a calibration curve tells no more apart."""


def code_probabilities(probabilities: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Return probabilities of any shape as bytes."""
    values = np.clip(np.asarray(probabilities, dtype=np.float64), 1e-9, 1 - 1e-9)
    odds = np.log(values) - np.log1p(-values)
    codes: npt.NDArray[np.uint8] = np.clip(np.rint(odds / STEP) + ZERO, 1, 255).astype(np.uint8)
    return codes


def log_odds(codes: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Decode log-odds stored as bytes.

    Example:
        >>> log_odds(code_probabilities([0.5, 0.9])).round(1).tolist()
        [0.0, 2.200000047683716]
    """
    return (np.asarray(codes, dtype=np.float32) - ZERO) * np.float32(STEP)
