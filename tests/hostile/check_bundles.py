"""Bundles and compact files: bombs, damaged arrays and zip files, numbers that are made up."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from inputs import OSC, bomb, bundle, npz, record_files


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


def arrays(count: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(count):
            archive.writestr(f"test.ndcg@{i}.npy", b"")
    return out.getvalue()


BOMBS: dict[str, Callable[[], bytes]] = {
    "arrays": lambda: bundle({"retrieval.npz": bomb("test.ndcg@20.npy", 300)}),
    "weights": lambda: bundle({"weights.safetensors": b"\0" * (150 * 2**20)}),
    "JSON": lambda: bundle({"history.json": b"[" + b"[]," * 30_000_000 + b"[]]"}),
    "contents": lambda: bomb("bundle.json", 300),
    "a member": lambda: bomb("record/config.json", 300),
    "records": lambda: bomb("records.jsonl", 300),
    "20,000 arrays": lambda: bundle({"retrieval.npz": arrays(20_000)}),
    "an array within arrays": lambda: bundle({"retrieval.npz": npy(HEADERS[6], body=bundle({}))}),
    "a text of 7 MB": lambda: bundle({"config.json": b'{"config": "' + b"x" * 7_000_000 + b'"}'}),
    "a history of 2 million epochs": lambda: bundle({"history.json": b"[" + b"{}," * 2_000_000 + b"{}]"}),
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


def same_place(content: bytes) -> bytes:
    """Let every entry of the list point at the first member."""
    data, at = bytearray(content), content.find(b"PK\x01\x02")
    while at >= 0:
        data[at + 42 : at + 46] = bytes(4)
        at = content.find(b"PK\x01\x02", at + 4)
    return bytes(data)


def quoted(members: int, megabytes: int) -> bytes:
    """Members whose data hold the headers of all later members, so that they share one kernel of zeros.

    D. Fifield, A better zip bomb, 2019: each member quotes the next header in a stored block of deflate.
    """
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    zeros = bytes(megabytes * 2**20)
    data, plain = packer.compress(zeros) + packer.flush(), zeros
    crc, size, locals_ = zlib.crc32(plain), len(plain), []
    tail = data
    for i in reversed(range(members)):
        name = b"record%d/retrieval.npz" % i
        head = (
            struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, 0, 8, 0, 33, crc, len(tail), size, len(name), 0)
            + name
        )
        locals_.insert(0, (name, head, crc, len(tail), size))
        if i:
            tail = struct.pack("<BHH", 0, len(head), len(head) ^ 0xFFFF) + head + tail
            crc, size = zlib.crc32(head + bytes(0)), size + len(head)
    out, listed = bytearray(), bytearray()
    offset = 0
    body = locals_[0][1] + tail
    out += body
    for name, head, crc, packed, size in locals_:
        entry = struct.pack(
            "<4sHHHHHHIIIHHHHHII",
            b"PK\1\2",
            20,
            20,
            0,
            8,
            0,
            33,
            crc,
            packed,
            size,
            len(name),
            0,
            0,
            0,
            0,
            0,
            offset,
        )
        listed += entry + name
        offset += len(head) + 5
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, members, members, len(listed), len(out), 0)
    return bytes(out + listed + end)


def named(*names: str) -> bytes:
    """A bundle that holds members of these names beside its own, each with an honest hash."""
    with zipfile.ZipFile(io.BytesIO(bundle({}))) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    contents = json.loads(entries.pop("bundle.json"))
    entries |= dict.fromkeys(names, b"{}")
    contents["files"] |= {name: hashlib.sha256(b"{}").hexdigest() for name in names}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in {**entries, "bundle.json": json.dumps(contents).encode()}.items():
            archive.writestr(name, content)
    return out.getvalue()


OTHERS: dict[str, Callable[[], bytes]] = {
    "members at one place": lambda: same_place(bundle({})),
    "members that quote each other": lambda: quoted(40, 8),
    "two zip files in one": lambda: bundle({}) + bomb("bundle.json", 1),
    "100,000 members": lambda: named(*(f"r{i}/done" for i in range(60_000))),
    "a path upward": lambda: named("../../precious/notes.json"),
    "an absolute path": lambda: named("/tmp/notes.json"),
    "a path of Windows": lambda: named("record\\..\\..\\notes.json"),
    "a drive": lambda: named("C:notes.json"),
    "a stream of NTFS": lambda: named("record/config.json:x"),
    "a name with controls": lambda: named(f"{OSC}/config.json"),
    "a name of 60,000 characters": lambda: named("x" * 60_000 + "/config.json"),
    "an option": lambda: named("-rf/config.json"),
    "a hidden folder": lambda: named(".locks/config.json"),
    "a folder": lambda: named("other/"),
    "code": lambda: named("record/x.py"),
    "names alike but for case": lambda: named("RECORD/config.json"),
    "a name in two normal forms": lambda: named("re\u0301/config.json", "r\u00e9/config.json"),
    "a deep path": lambda: named("/".join(["a"] * 2000)),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("words", [["leaderboard", "import"], ["leaderboard", "--runs"]], ids=lambda w: w[-1])
def test_an_odd_bundle_is_refused(check, tmp_path, kind, words):
    (tmp_path / "b.zip").write_bytes(OTHERS[kind]())
    assert check(*words, "b.zip").seconds < 5
    assert not (tmp_path / "runs" / "imported" / "b").exists()


def told(**values: object) -> bytes:
    """A bundle of a record whose result says this, too."""
    result = json.loads(record_files()["result.json"])
    return bundle({"result.json": json.dumps({**result, **values}).encode()})


def scores(*values: float, kind: str = "f4", name: str = "test.ndcg@20") -> bytes:
    return bundle({"retrieval.npz": npz(**{name: np.array(values, dtype=kind)})})


METRICS = {"ndcg@20": 0.5}
MADE_UP: dict[str, Callable[[], bytes]] = {
    "a metric without queries": lambda: told(metrics={**METRICS, "map@20": 0.9}),
    "of another k": lambda: told(metrics={**METRICS, "ndcg@7": 0.9}),
    "of validation": lambda: told(metrics={**METRICS, "validation/ndcg@20": 0.9}),
    "of unseen queries": lambda: told(metrics={**METRICS, "unseen/map@r": 0.9}),
    "above one": lambda: told(metrics={**METRICS, "accuracy": 1.5}),
    "of detection": lambda: told(detection={"precision": 0.9}),
    "of detection by samples": lambda: told(sample_detection={"image": {"loss": {"auroc": 0.9}}}),
    "noise that is not a number": lambda: told(noise={"realised": "0"}),
    "noise below nothing": lambda: told(noise={"realised": -1}),
    "memorised above one": lambda: told(memorised=2),
    "seconds of text": lambda: told(seconds={"train": "1"}),
    "parameters below nothing": lambda: told(parameters={"total": -1}),
    "queries above one": lambda: scores(1.5, -0.5),
    "a query that is not a number": lambda: scores(np.nan, 0.5),
    "queries of infinity": lambda: scores(np.inf, 0.5),
    "queries of complex numbers": lambda: scores(0.5, 0.5, kind="c8"),
    "queries of text": lambda: scores(0.5, 0.5, kind="U3"),
    "no queries": lambda: scores(),
    "queries of dates": lambda: bundle({"retrieval.npz": npz(**{"test.ndcg@20": np.array([1, 2], "M8[s]")})}),
    "queries in a table": lambda: bundle({"retrieval.npz": npz(**{"test.ndcg@20": np.full((2, 2), 0.5)})}),
    "only queries of another split": lambda: scores(0.5, 0.5, name="validation.ndcg@20"),
}


@pytest.mark.parametrize("kind", MADE_UP)
def test_numbers_that_follow_from_nothing_are_refused(check, tmp_path, kind):
    (tmp_path / "b.zip").write_bytes(MADE_UP[kind]())
    check("leaderboard", "import", "b.zip")
    assert not (tmp_path / "runs" / "imported" / "b").exists()
