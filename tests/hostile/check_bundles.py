"""Bundles and compact files: bombs, damaged arrays and zip files, numbers that are made up."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
from inputs import bomb, bundle


def npy(header: bytes, version: bytes = b"\x01\x00", body: bytes = b"") -> bytes:
    """An npz with one array of this header."""
    length = struct.pack("<H", len(header)) if version == b"\x01\x00" else struct.pack("<I", len(header))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("test.ndcg@20.npy", b"\x93NUMPY" + version + length + header + body)
    return out.getvalue()


HEADERS = [
    b"",
    b"{",
    b"{}",
    b"[1]",
    b"\xff\xff\xff\xff",
    b"(" * 3000,
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
    b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    b"{'descr': 'V0', 'fortran_order': False, 'shape': (1000000000000,), }",
    b"{'descr': '<U0', 'fortran_order': False, 'shape': (1000000000000,), }",
    b"{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }",
    b"{'descr': 'x', 'fortran_order': False, 'shape': (1,), }",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (1e400,), }",
    b"{'descr': '<f4', 'fortran_order': 3, 'shape': (1,), }",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': 'abc', }",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (True,), }",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (" + b"1," * 60 + b"), }",
    b"__import__('os').system('true')",
    b"'''",
]
VERSIONS = [b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x09"]


@pytest.mark.parametrize("version", VERSIONS[1:], ids=str)
@pytest.mark.parametrize("header", [HEADERS[2], HEADERS[6], HEADERS[8]], ids=range(3))
def test_a_damaged_array_of_another_version_is_refused(check, tmp_path, header, version):
    (tmp_path / "b.zip").write_bytes(bundle({"retrieval.npz": npy(header, version)}))
    check("leaderboard", "import", "b.zip")


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
def test_a_damaged_array_is_refused(check, tmp_path, header):
    (tmp_path / "b.zip").write_bytes(bundle({"retrieval.npz": npy(header)}))
    check("leaderboard", "import", "b.zip")
    (tmp_path / "noise.npz").write_bytes(npy(header))
    (tmp_path / "noise.json").write_text("{}")
    check("noise", "inspect", ".")


BOMBS: dict[str, Callable[[], bytes]] = {
    "arrays": lambda: bundle({"retrieval.npz": bomb("test.ndcg@20.npy", 300)}),
    "weights": lambda: bundle({"weights.safetensors": b"\0" * (150 * 2**20)}),
    "JSON": lambda: bundle({"history.json": b"[" + b"[]," * 30_000_000 + b"[]]"}),
    "contents": lambda: bomb("bundle.json", 300),
    "a member": lambda: bomb("record/config.json", 300),
    "records": lambda: bomb("records.jsonl", 300),
}


@pytest.mark.parametrize("kind", BOMBS)
@pytest.mark.parametrize("words", [["leaderboard", "import"], ["leaderboard", "--runs"]], ids=lambda w: w[-1])
def test_a_bomb_is_refused(check, tmp_path, kind, words):
    (tmp_path / "b.zip").write_bytes(BOMBS[kind]())
    assert check(*words, "b.zip").seconds < 3


def mutate(content: bytes, at: int, value: int) -> bytes:
    changed = bytearray(content)
    changed[at % len(changed)] = value
    return bytes(changed)


def with_field(offset: int, value: int, size: int = 2) -> Callable[[bytes], bytes]:
    """Set a field of every entry of the central directory of a zip file."""

    def change(content: bytes) -> bytes:
        data, at = bytearray(content), content.find(b"PK\x01\x02")
        while at >= 0:
            data[at + offset : at + offset + size] = value.to_bytes(size, "little")
            at = content.find(b"PK\x01\x02", at + 4)
        return bytes(data)

    return change


ZIPS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda c: b"",
    "no zip": lambda c: b"PK nothing",
    "half": lambda c: c[: len(c) // 2],
    "cut short": lambda c: c[:-10],
    "no end": lambda c: c[: c.rfind(b"PK\x05\x06")],
    "encrypted": with_field(8, 1),
    "strongly encrypted": with_field(8, 0x41),
    "compression 99": with_field(10, 99),
    "compression 9": with_field(10, 9),
    "compression bzip2": with_field(10, 12),
    "compression lzma": with_field(10, 14),
    "version 99": with_field(6, 99),
    "wrong crc": with_field(16, 0, 4),
    "huge size": with_field(24, 2**31, 4),
    "small size": with_field(24, 3, 4),
    "zip64 size": with_field(24, 2**32 - 1, 4),
    "far offset": with_field(42, 2**31, 4),
    "link": with_field(38, 0o120777 << 16, 4),
    "device": with_field(38, 0o020666 << 16, 4),
}


@pytest.mark.parametrize("kind", ZIPS)
@pytest.mark.parametrize("words", [["leaderboard", "import"], ["leaderboard", "--runs"]], ids=lambda w: w[-1])
def test_a_damaged_zip_is_refused(check, tmp_path, kind, words):
    (tmp_path / "b.zip").write_bytes(ZIPS[kind](bundle({})))
    check(*words, "b.zip")


@pytest.mark.parametrize("seed", range(40))
def test_a_flipped_byte_of_a_bundle_changes_no_number(check, tmp_path, seed):
    rng = np.random.default_rng(seed)
    content = bundle({})
    (tmp_path / "b.zip").write_bytes(mutate(content, int(rng.integers(len(content))), int(rng.integers(256))))
    if check("leaderboard", "import", "b.zip", codes=(0, 2)).code == 0:
        answer = check("leaderboard", "--format", "csv", codes=(0,))
        assert ",50.0," in answer.text


def test_made_up_numbers_are_refused(check, tmp_path):
    (tmp_path / "b.zip").write_bytes(bundle({}, told=0.999))
    assert "mean 0.5" in check("leaderboard", "import", "b.zip").text
