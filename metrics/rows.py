"""Descriptors read in blocks of rows, whether they are numpy arrays, memory maps or torch tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["Rows", "common"]

_NUMPY: dict[torch.dtype, npt.DTypeLike] = {torch.float32: np.float32, torch.float64: np.float64}


class Rows:
    """A matrix of descriptors (n, d) that hands out contiguous blocks of one floating type.

    Args:
        data: numpy array, torch tensor, or nested sequence.
        name: What it is, for messages.

    Raises:
        ValueError: It is not a matrix of real numbers with at least one column.
    """

    def __init__(self, data: Any, name: str) -> None:
        self.name = name
        self.tensor: Tensor | None = data.detach() if isinstance(data, Tensor) else None
        self._array: npt.NDArray[Any] = np.empty((0, 0)) if self.tensor is not None else np.asarray(data)
        shape = tuple(self._array.shape if self.tensor is None else self.tensor.shape)
        if len(shape) != 2 or shape[1] == 0:
            raise ValueError(
                f"The {name} have shape {shape}; expected (rows, width) with a width of 1 or more."
            )
        self.count, self.width = shape
        self.dtype = self._floating()

    def block(self, start: int, stop: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Return rows start:stop as a contiguous (stop - start, d) tensor."""
        if self.tensor is not None:
            return self.tensor[start:stop].to(device, dtype).contiguous()
        # A copy, since torch takes neither read-only nor byte-swapped nor backward-strided memory.
        return torch.from_numpy(np.array(self._array[start:stop], dtype=_NUMPY[dtype], order="C")).to(device)

    def check(self, dtype: torch.dtype, device: torch.device, step: int, low: float, high: float) -> None:
        """Read everything once and refuse what the distance cannot compare.

        Raises:
            ValueError: A value is not finite, below `low`, or so large that the distance would overflow.
        """
        for start in range(0, self.count, step):
            block = self.block(start, min(start + step, self.count), dtype, device)
            smallest, largest = (float(value) for value in torch.aminmax(block))
            if low <= smallest and largest <= high and smallest >= -high:
                continue
            bad, what = ~block.isfinite(), "a value that is not finite"
            if not bool(bad.any()):
                bad, what = block < low, "a negative value, which the chi-square distance cannot compare"
            if not bool(bad.any()):
                bad, what = block.abs() > high, f"a value too large for {str(dtype).removeprefix('torch.')}"
            row, column = bad.nonzero()[0].tolist()
            value = float(block[row, column])
            raise ValueError(f"The {self.name} hold {what}: {value:g} in row {start + row}, column {column}.")

    def _floating(self) -> torch.dtype:
        if self.tensor is not None:
            if self.tensor.is_complex():
                raise ValueError(f"The {self.name} are complex numbers; expected real ones.")
            if self.tensor.is_floating_point() and self.tensor.dtype != torch.float64:
                return torch.float32
            return torch.float64
        if self._array.dtype.kind not in "fiub":
            raise ValueError(f"The {self.name} are of type {self._array.dtype}; expected real numbers.")
        narrow = self._array.dtype.kind == "f" and self._array.dtype.itemsize <= 4
        return torch.float32 if narrow else torch.float64


def common(queries: Rows, archive: Rows) -> tuple[torch.dtype, torch.device]:
    """Return the type and the device that two sets of descriptors are compared in.

    Raises:
        ValueError: Their widths differ, or they are tensors on two devices.
    """
    if queries.width != archive.width:
        raise ValueError(
            f"The queries are {queries.width} wide and the archive {archive.width}; one network makes both."
        )
    devices = {rows.tensor.device for rows in (queries, archive) if rows.tensor is not None}
    if len(devices) > 1:
        raise ValueError(
            f"The queries and the archive are on two devices: {', '.join(sorted(map(str, devices)))}."
        )
    dtype = torch.promote_types(queries.dtype, archive.dtype)
    return dtype, devices.pop() if devices else torch.device("cpu")
