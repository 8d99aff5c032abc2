"""Weights whose headers lie."""

from __future__ import annotations

import struct

import pytest


def tensors(header: bytes, size: int) -> bytes:
    """A safetensors file of this header and so many bytes of tensors."""
    return struct.pack("<Q", len(header)) + header + bytes(size)


HEADER = struct.pack("<Q", 10**9)
WEIGHTS: dict[str, bytes] = {
    "a header of a gigabyte": HEADER + b"{}",
    "a header of 2^63": struct.pack("<Q", 2**63) + b"{}",
    "a nested header": struct.pack("<Q", 200_000) + b"[" * 100_000 + b"]" * 100_000,
    "tensors that overlap": tensors(
        b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}',
        12,
    ),
    "a tensor that is too short": tensors(b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}', 4),
    "a hole between tensors": tensors(
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}',
        12,
    ),
    "a tensor twice": tensors(
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        4,
    ),
    "an unknown type": tensors(b'{"a":{"dtype":"O64","shape":[1],"data_offsets":[0,4]}}', 4),
    "a million tensors": tensors(
        b"{"
        + b",".join(b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}' % i for i in range(100_000))
        + b"}",
        0,
    ),
    "a tensor of 2^60": struct.pack("<Q", 90)
    + b'{"a":{"dtype":"F32","shape":[1152921504606846976],"data_offsets":[0,4]}}'.ljust(90),
    "no text": struct.pack("<Q", 8) + b"\xff" * 8,
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_hostile_weights_are_refused(check, tmp_path, kind):
    (tmp_path / "x.safetensors").write_bytes(WEIGHTS[kind])
    check("run", "--dataset", "stripes", "--weights", "x.safetensors", "--backbone", "test_resnet")
