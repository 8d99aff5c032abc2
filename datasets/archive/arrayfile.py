"""Arrays on disk as .npy files: written row by row at any position, read as memory maps."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

__all__ = ["HEADER_BYTES", "RowFile", "file_sha256", "fsync_directory", "write_array"]

HEADER_BYTES = 128
_BLOCK = 1 << 22


def header(shape: Sequence[int], dtype: np.dtype[np.generic]) -> bytes:
    """Return a .npy header that always takes 128 bytes, so that the number of rows can be set afterwards."""
    entry = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": tuple(shape)}
    text = repr(entry).encode("latin1")
    room = HEADER_BYTES - 10
    if len(text) >= room:
        raise ValueError(f"an array of shape {tuple(shape)} does not fit the header")
    return b"\x93NUMPY\x01\x00" + room.to_bytes(2, "little") + text.ljust(room - 1) + b"\n"


class RowFile:
    """A .npy file whose rows are written in any order without mapping it into memory.

    Args:
        path: The file; created at full length when it does not exist.
        rows: Number of rows.
        row_shape: Shape of one row.
        dtype: Type of the stored numbers.
    """

    def __init__(self, path: Path, rows: int, row_shape: Sequence[int], dtype: str) -> None:
        self.path = path
        self.rows = rows
        self.row_shape = tuple(row_shape)
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.row_bytes = int(np.prod(self.row_shape, dtype=np.int64)) * self.dtype.itemsize
        if not path.exists():
            with path.open("wb") as handle:
                handle.write(header((rows, *self.row_shape), self.dtype))
                handle.truncate(HEADER_BYTES + rows * self.row_bytes)
        self._handle: io.FileIO = io.FileIO(path, "r+")

    def write(self, row: int, values: NDArray[np.generic]) -> None:
        """Store one row; a value that the file's type cannot hold is a ValueError."""
        if values.shape != self.row_shape:
            raise ValueError(f"a row of {self.path.name} has shape {self.row_shape}, not {values.shape}")
        stored = np.ascontiguousarray(values, dtype=self.dtype)
        if values.dtype != stored.dtype and not np.array_equal(stored, values):
            raise ValueError(f"{self.path.name} stores {self.dtype.name}, which cannot hold these values")
        self._handle.seek(HEADER_BYTES + row * self.row_bytes)
        _write_all(self._handle, stored.reshape(-1).view(np.uint8).data)

    def keep(self, rows: NDArray[np.int64]) -> None:
        """Keep only these rows (ascending), closing the gaps in place."""
        for target, row in enumerate(rows.tolist()):
            if target != row:
                self._handle.seek(HEADER_BYTES + row * self.row_bytes)
                data = self._handle.read(self.row_bytes)
                self._handle.seek(HEADER_BYTES + target * self.row_bytes)
                _write_all(self._handle, memoryview(data))
        self.rows = len(rows)
        self._handle.seek(0)
        _write_all(self._handle, memoryview(header((self.rows, *self.row_shape), self.dtype)))
        self._handle.truncate(HEADER_BYTES + self.rows * self.row_bytes)

    def sync(self) -> None:
        """Force what was written onto the disk."""
        os.fsync(self._handle.fileno())

    def close(self) -> None:
        """Close the file."""
        self._handle.close()

    def __enter__(self) -> RowFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _write_all(handle: io.FileIO, data: memoryview) -> None:
    while data:
        data = data[handle.write(data) :]


def write_array(path: Path, values: NDArray[np.generic]) -> None:
    """Write a small array as .npy and force it onto the disk."""
    contiguous = np.ascontiguousarray(values)
    with path.open("wb") as handle:
        handle.write(header(contiguous.shape, contiguous.dtype))
        handle.write(contiguous.tobytes())
        handle.flush()
        os.fsync(handle.fileno())


def fsync_directory(directory: Path) -> None:
    """Force a folder's entries onto the disk where the system allows it."""
    if os.name == "nt":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes in hex."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
