"""Reuse of the memory of released batches, since allocating fresh memory costs more than filling it."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

__all__ = ["Buffers"]

_KEPT = 4
# Within `take` a kept array is known to the list and to the call that counts its holders.
_UNHELD = 2


class Buffers:
    """Arrays that are handed out again once no tensor over them is left.

    A tensor made by `torch.from_numpy` holds a reference to its array until its storage is freed, whoever
    shares that storage; so the reference count tells whether an array is still in use.
    """

    def __init__(self) -> None:
        self._arrays: list[NDArray[np.float32]] = []

    def take(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return an unused, uninitialised float32 array of the given shape."""
        arrays = self._arrays
        for i in range(len(arrays)):
            if sys.getrefcount(arrays[i]) <= _UNHELD and arrays[i].shape == shape:
                return arrays[i]
        fresh = np.empty(shape, dtype=np.float32)
        if len(arrays) >= _KEPT:
            del arrays[0]
        arrays.append(fresh)
        return fresh
