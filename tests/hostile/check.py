"""The hostile set: hundreds of inputs, each refused or passed over within seconds and 200 MB. `make test-hostile`.

Not part of `make test`, whose tests hold a handful of each kind.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import runpy
import socket
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent
SANDBOX = runpy.run_path(str(HERE / "sandbox.py"))
RECORDS = runpy.run_path(str(HERE.parent / "leaderboard" / "conftest.py"))
write_record = RECORDS["write_record"]
OSC = "\x1b]52;c;cm0=\x07\x9b2J\u202e\u200b"
ACTS = SANDBOX["ACTS"]
MOST_MEMORY = SANDBOX["MOST_MEMORY"]


@pytest.fixture(scope="session", autouse=True)
def warm() -> None:
    """Import once what commands import, so that a child has only its own work to do."""
    import openpyxl  # noqa: F401
    import timm  # noqa: F401
    import torch

    import gridbench.cli.audit.apply
    import gridbench.cli.data.prepare
    import gridbench.cli.leaderboard
    import gridbench.cli.noise
    import gridbench.cli.run
    import gridbench.cli.status
    import gridbench.training.backbone  # noqa: F401
    from gridbench.records import recompute, runner, status  # noqa: F401

    torch.set_num_threads(1)


@pytest.fixture
def check(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Run words in the sandbox; whatever they are, the answer is one of these codes, short, quick and small."""
    monkeypatch.setenv("GRIDBENCH_CACHE", str(cache))
    monkeypatch.delenv("GRIDBENCH_LIMIT_FACTOR", raising=False)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "notes.json").write_text("mine")

    def call(*words: object, codes: tuple[int, ...] = (2,)) -> object:
        answer = SANDBOX["call"]([str(word) for word in words], tmp_path)
        assert answer.code in codes, answer
        assert "This looks like a defect" not in answer.text, answer
        assert "Traceback" not in answer.text, answer
        assert not ACTS.search(answer.text.replace("\n", "").replace("\t", "")), answer
        assert answer.memory < MOST_MEMORY, answer
        assert [path.name for path in (tmp_path / "precious").iterdir()] == ["notes.json"]
        assert (tmp_path / "precious" / "notes.json").read_text() == "mine"
        return answer

    return call


# Files that are none


def fifo(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


def to(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


NO_FILES: dict[str, Callable[[Path], None]] = {
    "fifo": fifo,
    "socket": a_socket,
    "folder": Path.mkdir,
    "zero": to("/dev/zero"),
    "full": to("/dev/full"),
    "null": to("/dev/null"),
    "kmsg": to("/proc/kmsg"),
    "environ": to("/proc/self/environ"),
    "loop": lambda path: path.symlink_to(path.name),
    "dangling": to("nowhere"),
    "sparse": sparse,
}
READERS: dict[str, tuple[str, list[str]]] = {
    "config": ("x.yaml", ["run", "--config", "x.yaml"]),
    "weights": ("x.pth", ["run", "--dataset", "stripes", "--weights", "x.pth", "--backbone", "test_resnet"]),
    "safetensors": ("x.safetensors", ["run", "--dataset", "stripes", "--weights", "x.safetensors"]),
    "noise table": (
        "x.csv",
        ["run", "--dataset", "stripes", "--noise", "class_dependent", "--noise-parameter", "table=x.csv"],
    ),
    "compact": ("x.zip", ["leaderboard", "--runs", "x.zip"]),
    "bundle": ("x.zip", ["leaderboard", "import", "x.zip"]),
    "clean labels": (
        "x.csv",
        ["noise", "estimate", "--clean", "x.csv", "--noisy", "x.csv", "--out", "y.csv"],
    ),
    "workbook": ("x.xlsx", ["noise", "estimate", "--clean", "x.xlsx", "--noisy", "x.xlsx", "--out", "y.csv"]),
    "parquet": (
        "x.parquet",
        ["noise", "estimate", "--clean", "x.parquet", "--noisy", "x.parquet", "--out", "y"],
    ),
    "plug-in": ("x.py", ["run", "--plugin", "x.py", "--dataset", "stripes"]),
    "manifest": ("noise.json", ["noise", "inspect", "."]),
    "arrays of a manifest": ("noise.npz", ["noise", "verify", ".", "--dataset", "stripes"]),
    "audit": ("audit.json", ["audit", "apply", ".", "--top", "1", "--out", "o"]),
}


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("reader", READERS)
def test_no_file_is_read_that_is_none(check, tmp_path, reader, kind):
    name, words = READERS[reader]
    NO_FILES[kind](tmp_path / name)
    check(*words, codes=(1, 2) if kind == "null" else (2,))


RECORD_FILES = ["config.json", "result.json", "done", "failed.json"]


@pytest.mark.parametrize("kind", [kind for kind in NO_FILES if kind not in ("folder", "dangling", "loop")])
@pytest.mark.parametrize("name", RECORD_FILES)
def test_a_record_file_that_is_none_stops_no_folder(check, tmp_path, name, kind):
    runs = tmp_path / "runs"
    write_record(runs, seed=1)
    bad = write_record(runs, seed=2, state="failed" if name == "failed.json" else "done")
    (bad / name).unlink()
    NO_FILES[kind](bad / name)
    for words in (["status", "--verify"], ["leaderboard"]):
        answer = check(*words, codes=(0, 1))
        assert name == "failed.json" or words[0] == "leaderboard" or bad.name in answer.text


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("place", [".sweeps", "selections"])
def test_notes_that_are_none_stop_no_folder(check, tmp_path, place, kind):
    runs = tmp_path / "runs"
    write_record(runs, seed=1)
    (runs / place).mkdir()
    NO_FILES[kind](runs / place / "x.json")
    check("status", codes=(0,))
    check("leaderboard", codes=(0,))


# Targets that destroy


TARGETS: dict[str, Callable[[Path], None]] = {
    "link": lambda path: path.symlink_to("precious/notes.json"),
    "dangling link": to("nowhere"),
    "link to a folder": to("precious"),
    "loop": lambda path: path.symlink_to(path.name),
    "fifo": fifo,
    "folder": Path.mkdir,
    "device": to("/dev/null"),
    "read-only": lambda path: (path.write_text("kept"), path.chmod(0o444)),
    "socket": a_socket,
}
WRITERS: dict[str, list[str]] = {
    "table": ["leaderboard", "--format", "csv", "--out", "out"],
    "page": ["leaderboard", "--format", "html", "--out", "out"],
    "bundle": ["leaderboard", "export", "out"],
    "compact": ["leaderboard", "export", "--compact", "--out", "out"],
    "estimate": ["noise", "estimate", "--clean", "a.csv", "--noisy", "a.csv", "--out", "out"],
    "sheet": ["data", "info", "stripes", "--sheet", "out"],
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("writer", WRITERS)
def test_a_target_that_is_no_file_of_ones_own_is_refused(check, tmp_path, writer, target):
    write_record(tmp_path / "runs", seed=1)
    (tmp_path / "a.csv").write_text("file,x,y\na,1,0\nb,0,1\n")
    TARGETS[target](tmp_path / "out")
    before = (tmp_path / "out").lstat()
    check(*WRITERS[writer])
    after = (tmp_path / "out").lstat()
    assert (before.st_mode, before.st_size, before.st_ino) == (after.st_mode, after.st_size, after.st_ino)
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full", "/dev/zero"])
@pytest.mark.parametrize("writer", ["table", "bundle", "compact"])
def test_a_device_is_not_replaced(check, tmp_path, writer, device):
    write_record(tmp_path / "runs", seed=1)
    check(*[device if word == "out" else word for word in WRITERS[writer]])
    assert stat.S_ISCHR(Path(device).stat().st_mode)


@pytest.mark.parametrize("place", ["imported", "imported/friend"])
def test_an_import_follows_no_link(check, tmp_path, place):
    (tmp_path / "b.zip").write_bytes(bundle({}))
    link = tmp_path / "runs" / place
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "precious")
    check("leaderboard", "import", "b.zip", "--origin", "friend")


# Numbers and text that are none


PAYLOADS: dict[str, bytes] = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"x"',
    "a number": b"7",
    "no JSON": b"{",
    "no UTF-8": b"\xff\xfe\x00",
    "zero bytes": b"\0" * 100,
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "digits": b'{"schema":1,"metrics":{"ndcg@20":' + b"1" * 4200 + b"}}",
    "many digits": b'{"schema":1,"metrics":{"ndcg@20":' + b"9" * 100_000 + b"}}",
    "infinite": b'{"schema":1,"metrics":{"ndcg@20":1e999}}',
    "surrogate": b'{"schema":1,"id":"\\ud800"}',
    "controls": json.dumps({"schema": 1, "id": OSC, "message": OSC, OSC: 1}).encode(),
    "twice": b'{"schema":1,"schema":2}',
    "lists": b"[" + b"[]," * 2_000_000 + b"[]]",
}


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("name", RECORD_FILES)
def test_a_damaged_record_stops_no_folder(check, tmp_path, name, payload):
    runs = tmp_path / "runs"
    good = write_record(runs, seed=1)
    bad = write_record(runs, seed=2, state="failed" if name == "failed.json" else "done")
    (bad / name).write_bytes(PAYLOADS[payload])
    for words in (
        ["status", "--verify"],
        ["leaderboard"],
        ["leaderboard", "--format", "html", "--out", "o.html"],
    ):
        check(*words, codes=(0, 1))
    assert good.exists()


VALUES = [10**400, -1, 7.3, "x", None, [], {}, True, 1e308, -0.5, "\ud800", 2**70, OSC]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:20])
@pytest.mark.parametrize(
    "field", ["metric", "slnir", "seed", "method", "loss", "reference", "note", "memorised"]
)
def test_a_value_that_cannot_be_stops_no_folder(check, tmp_path, field, value):
    runs = tmp_path / "runs"
    write_record(runs, seed=1)
    bad = write_record(runs, seed=2, folder="bad")
    document, result = (json.loads((bad / name).read_text()) for name in ("config.json", "result.json"))
    if field == "metric":
        result["metrics"]["ndcg@20"] = value
    elif field == "memorised":
        result["memorised"] = value
    elif field in ("reference", "note"):
        document[field] = value
    else:
        document["config"][field] = value
        document |= RECORDS["identities"](document["config"], {**document, "versions": document["versions"]})
        result["id"] = document["id"]
    for name, content in (("config.json", document), ("result.json", result)):
        (bad / name).write_text(json.dumps(content))
    digest = hashlib.sha256((bad / "result.json").read_bytes()).hexdigest()
    (bad / "done").write_text(json.dumps({"schema": 1, "files": {"result.json": digest}}))
    for words in (["leaderboard", "--format", "csv"], ["status"], ["leaderboard", "--format", "json"]):
        answer = check(*words, codes=(0, 1))
        assert "730" not in answer.text.replace("won_back", "")


# Bundles


def npz(**arrays: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


def record_files(ndcg: float = 0.5, told: float | None = None) -> dict[str, bytes]:
    document, result = RECORDS["record_documents"](metrics={"ndcg@20": ndcg if told is None else told})
    return {
        "config.json": json.dumps(document).encode(),
        "result.json": json.dumps(result).encode(),
        "history.json": b"[]",
        "retrieval.npz": npz(**{"test.ndcg@20": np.float32([ndcg, ndcg])}),
    }


def bundle(changes: dict[str, bytes], told: float | None = None, **options: object) -> bytes:
    """A bundle of one record whose hashes are right; `changes` replaces files of the record."""
    files = {**record_files(told=told), **changes}
    digest = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    files["done"] = json.dumps({"schema": 1, "files": digest}).encode()
    entries = {f"record/{name}": content for name, content in files.items()}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in entries.items()}
    entries["bundle.json"] = json.dumps({"schema": 1, "files": hashes}).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return out.getvalue()


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


def bomb(name: str, megabytes: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as member:
        for _ in range(megabytes):
            member.write(b"\0" * 2**20)
    return out.getvalue()


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


# Tables


def workbook(sheet: str, more: dict[str, str] | None = None) -> bytes:
    import openpyxl

    out, plain = io.BytesIO(), io.BytesIO()
    openpyxl.Workbook().save(plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in old.namelist():
            content = old.read(entry).decode()
            archive.writestr(entry, {"xl/worksheets/sheet1.xml": sheet, **(more or {})}.get(entry, content))
    return out.getvalue()


XML = '<?xml version="1.0"?>'
SHEET = (
    XML
    + '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)
TABLES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "empty": ("x.csv", lambda: b""),
    "zero bytes": ("x.csv", lambda: b"\0" * 2**24),
    "no text": ("x.csv", lambda: b"file,\xff\xfe\n\xff,1\n"),
    "wide cell": ("x.csv", lambda: b'file,a\n"' + b"x" * 200_000 + b'",1\n'),
    "open quote": ("x.csv", lambda: b'file,a\n"' + b"x,1\n" * 100_000),
    "columns": (
        "x.csv",
        lambda: b",".join(b"c%d" % i for i in range(100_000)) + b"\n" + b"1," * 99_999 + b"1\n",
    ),
    "same columns": ("x.csv", lambda: b",".join([b"c"] * 9000) + b"\n" + b"1," * 8999 + b"1\n"),
    "ragged": ("x.csv", lambda: b"file,a,b\nx,1\n"),
    "controls": ("x.csv", lambda: f"file,{OSC}\n{OSC},3\n".encode()),
    "no workbook": ("x.xlsx", lambda: b"PK"),
    "broken XML": ("x.xlsx", lambda: workbook("<worksheet><a")),
    "a gigabyte in a cell": (
        "x.xlsx",
        lambda: workbook(
            SHEET.format(f'<row><c t="inlineStr"><is><t>{"x" * (256 * 2**20)}</t></is></c></row>')
        ),
    ),
    "entities": (
        "x.xlsx",
        lambda: workbook('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + SHEET.format("&b;")),
    ),
    "no sheet": ("x.xlsx", lambda: workbook(SHEET, {"xl/workbook.xml": XML + "<workbook/>"})),
    "broken workbook": ("x.xlsx", lambda: workbook(SHEET, {"xl/workbook.xml": "<"})),
    "no relations": (
        "x.xlsx",
        lambda: workbook(SHEET, {"xl/_rels/workbook.xml.rels": XML + "<Relationships/>"}),
    ),
    "odd cell": ("x.xlsx", lambda: workbook(SHEET.format('<row r="x"><c r="?" t="s"><v>99</v></c></row>'))),
    "far cell": (
        "x.xlsx",
        lambda: workbook(SHEET.format('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')),
    ),
    "no parquet": ("x.parquet", lambda: b"PAR1" + b"\xff" * 100 + b"PAR1"),
    "half a parquet": ("x.parquet", lambda: b"PAR1"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_damaged_table_is_refused(check, tmp_path, kind):
    name, content = TABLES[kind]
    (tmp_path / name).write_bytes(content())
    assert check("noise", "estimate", "--clean", name, "--noisy", name, "--out", "out.csv").seconds < 6


# Settings


def lol(merge: bool) -> str:
    lines = ["a0: &a0 {x: 1, y: 2}"]
    for i in range(1, 30):
        body = ", ".join(f"k{j}: *a{i - 1}" for j in range(9))
        lines.append(
            f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], {body}}}" if merge else f"a{i}: &a{i} {{{body}}}"
        )
    return "\n".join(lines)


YAMLS = {
    "aliases": lambda: lol(False),
    "merge keys": lambda: lol(True),
    "lists": lambda: (
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "\n".join(f"b{i}: &b{i} [{','.join([f'*b{i - 1}' if i else '*a'] * 9)}]" for i in range(12))
    ),
    "itself": lambda: "a: &a [*a]",
    "deep": lambda: "[" * 50_000,
    "deep mappings": lambda: "{a: " * 20_000,
    "python": lambda: "!!python/object/apply:os.system ['true']",
    "binary": lambda: "a: !!binary '====='",
    "date": lambda: "seed: 2020-99-99",
    "number": lambda: "seed: " + "9" * 5000,
    "controls": lambda: "method: 'x\\x1b'",
    "a key": lambda: "? [a]\n: b",
    "a list": lambda: "- a",
    "tabs": lambda: "\ta: b",
    "infinite": lambda: "slnir: .inf",
    "directive": lambda: "%YAML 9.9\n---\na: b",
    "keys": lambda: "\n".join(f"k{i}: 1" for i in range(20_000)),
    "text": lambda: "x" * (3 * 2**20),
}


@pytest.mark.parametrize("kind", YAMLS)
def test_settings_that_are_none_are_refused(check, tmp_path, kind):
    (tmp_path / "x.yaml").write_text(YAMLS[kind]())
    check("run", "--config", "x.yaml")


LONG = "x" * 5000
RUN = ["run", "--dataset", "stripes"]
WORDS: list[list[str]] = [
    [*RUN, "--runs", LONG],
    ["leaderboard", "--runs", LONG],
    ["status", "--runs", LONG],
    ["leaderboard", "import", LONG],
    ["leaderboard", "--out", LONG, "--baselines"],
    [*RUN, "--cache", LONG],
    [*RUN, "--threads", "1000000"],
    ["sweep", "--method", "bce", "--dataset", "stripes", "--threads", "1000000"],
    ["sweep", "--method", "bce", "--dataset", "stripes", "--threads", "٥"],
    [*RUN, "--device", "meta"],
    [*RUN, "--slnir", "1e-400"],
    [*RUN, "--slnir", "1e400"],
    [*RUN, "--slnir", "nan"],
    [*RUN, "--slnir", OSC],
    [*RUN, "--method", OSC],
    [*RUN, "--loss", OSC],
    [*RUN, "--backbone", OSC],
    [*RUN, "--noise", OSC],
    [*RUN, "--config", OSC],
    [*RUN, "--plugin", OSC],
    [*RUN, "-p", OSC],
    [*RUN, OSC],
    [OSC],
    [f"--{OSC}"],
    ["run", "--dataset", OSC],
    ["leaderboard", "--filter", OSC],
    ["leaderboard", "--filter", f"{OSC}=1", "--baselines"],
    ["leaderboard", "--metric", OSC, "--baselines"],
    ["leaderboard", "--runs", OSC],
    ["status", "--runs", OSC],
    ["score", OSC, "--distance", "cosine"],
    ["data", "info", OSC],
    ["data", "verify", OSC],
    ["noise", "inspect", OSC],
    ["list", OSC],
    ["leaderboard", "import", OSC],
    [*RUN, "--runs", "/proc/nothing"],
    [*RUN, "--runs", "/dev/null"],
    ["leaderboard", "export", "/proc/x.zip", "--runs", "runs"],
]


@pytest.mark.parametrize("words", WORDS, ids=lambda words: ascii(" ".join(words))[1:60])
def test_words_that_make_no_sense_are_refused(check, words):
    check(*words)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*$", "(.*a){25}$", "(?:a?){30}a{40}$", "(", "\\", "(?P<"]
)
def test_a_pattern_that_never_ends_is_refused(check, tmp_path, pattern):
    from PIL import Image

    for name in ("one", "two", "three", "four"):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{'a' * 60}{name}!.png")
    (tmp_path / "labels.csv").write_text(
        "file,x,y\n" + "".join(f"{'a' * 60}{name}!.png,1,0\n" for name in ("one", "two", "three", "four"))
    )
    words = [
        "data",
        "prepare",
        "folder",
        "--data",
        ".",
        "--name",
        "n",
        "--group-pattern",
        pattern,
        "--cache",
        "c",
    ]
    check(*words, codes=(0, 2))


# Pictures


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks: bytes, side: int = 8) -> bytes:
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0" * side * (side + 1) if side < 10**4 else b"\0" * 1000)
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff(tags: list[tuple[int, int, int, int]], next_ifd: int = 0) -> bytes:
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", next_ifd) + bytes(64)


SHAPE = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
STRIPS = [(273, 4, 1, 100), (277, 3, 1, 1), (278, 3, 1, 8), (279, 4, 1, 64)]
ZEROS = zlib.compress(bytes(2**28))
PICTURES: dict[str, Callable[[], bytes]] = {
    "directories in a circle": lambda: tiff(SHAPE + STRIPS, next_ifd=8),
    "a directory beyond the end": lambda: tiff(SHAPE + STRIPS, next_ifd=2**31),
    "a strip beyond the end": lambda: tiff([*SHAPE, (273, 4, 1, 2**31), *STRIPS[1:]]),
    "a strip of gigabytes": lambda: tiff([*SHAPE, *STRIPS[:3], (279, 4, 1, 2**32 - 1)]),
    "a billion strips": lambda: tiff([*SHAPE, (273, 4, 2**30, 100), *STRIPS[1:]]),
    "no directory": lambda: b"II*\0" + struct.pack("<I", 2**32 - 1),
    "pixels of 64,000 bits": lambda: tiff([*SHAPE[:2], (258, 3, 1, 64_000), *SHAPE[3:], *STRIPS]),
    "text of 256 MiB": lambda: png(chunk(b"zTXt", b"a\0\0" + ZEROS)),
    "a profile of 256 MiB": lambda: png(chunk(b"iCCP", b"a\0\0" + ZEROS)),
    "wide PNG": lambda: png(side=2**31 - 1),
    "a chunk that is too long": lambda: png(struct.pack(">I", 2**31 - 1) + b"tEXt"),
    "wide JPEG": lambda: (
        b"\xff\xd8\xff\xc0\x00\x0b\x08" + struct.pack(">HH", 65_500, 65_500) + b"\x01\x01\x11\x00\xff\xd9"
    ),
    "JPEG of markers": lambda: b"\xff\xd8" + b"\xff\xe0\x00\x02" * 500_000,
    "GIF of 100,000 frames": lambda: (
        b"GIF89a\x08\x00\x08\x00\x80\x00\x00"
        + bytes(6)
        + b"\x2c\x00\x00\x00\x00\x08\x00\x08\x00\x00\x02\x02\x4c\x01\x00" * 100_000
        + b";"
    ),
    "animated WebP": lambda: b"RIFF" + struct.pack("<I", 30) + b"WEBPVP8X" + b"\x0a\0\0\0\x02" + b"\xff" * 9,
    "BMP of negative size": lambda: (
        b"BM" + bytes(16) + struct.pack("<iiiHH", 40, -8, -(2**31), 1, 24) + bytes(40)
    ),
    "PPM of 10^18 pixels": lambda: b"P6 1000000000 1000000000 255\n" + bytes(100),
    "JP2 without boxes": lambda: b"\x00\x00\x00\x0cjP  \r\n\x87\n" + b"\xff" * 100,
}


@pytest.mark.parametrize("kind", PICTURES)
def test_a_hostile_picture_is_left_out(check, tmp_path, kind):
    from PIL import Image

    (tmp_path / "mine" / "images").mkdir(parents=True)
    for i in range(6):
        Image.new("L", (8, 8), 40 * i).save(tmp_path / "mine" / "images" / f"i{i}.png")
    (tmp_path / "mine" / "images" / "i6.png").write_bytes(PICTURES[kind]())
    rows = "".join(f"i{i}.png,{i % 2},{1 - i % 2}\n" for i in range(7))
    (tmp_path / "mine" / "labels.csv").write_text("file,x,y\n" + rows)
    words = ["data", "prepare", "folder", "--data", "mine", "--name", "n", "--cache", "c", "--workers", "1"]
    check(*words, codes=(0, 2))


# Files that options take


OPTIONS = {
    "labels": ["data", "prepare", "folder", "--data", ".", "--name", "n", "--cache", "c", "--labels", "x"],
    "classes": ["data", "prepare", "folder", "--data", ".", "--name", "n", "--cache", "c", "--classes", "x"],
    "arrays": ["data", "prepare", "arrays", "--images", "x", "--labels", "x", "--name", "n", "--cache", "c"],
    "parquet": ["data", "prepare", "parquet", "--data", "x", "--name", "n", "--cache", "c"],
    "exclude": [
        "data",
        "prepare",
        "bigearthnet",
        "--data",
        ".",
        "--name",
        "n",
        "--cache",
        "c",
        "--exclude",
        "x",
    ],
    "baselines": ["compare", "grid", "--dry-run", "--baselines", "x"],
    "verify": ["verify", "--config", "x"],
}


@pytest.mark.parametrize("kind", [kind for kind in NO_FILES if kind not in ("folder", "null")])
@pytest.mark.parametrize("option", OPTIONS)
def test_no_option_takes_a_file_that_is_none(check, tmp_path, option, kind):
    NO_FILES[kind](tmp_path / "x")
    check(*OPTIONS[option])


HEADER = struct.pack("<Q", 10**9)
WEIGHTS: dict[str, bytes] = {
    "a header of a gigabyte": HEADER + b"{}",
    "a header of 2^63": struct.pack("<Q", 2**63) + b"{}",
    "a nested header": struct.pack("<Q", 200_000) + b"[" * 100_000 + b"]" * 100_000,
    "tensors that overlap": struct.pack("<Q", 60)
    + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}'.ljust(60),
    "a tensor of 2^60": struct.pack("<Q", 90)
    + b'{"a":{"dtype":"F32","shape":[1152921504606846976],"data_offsets":[0,4]}}'.ljust(90),
    "no text": struct.pack("<Q", 8) + b"\xff" * 8,
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_hostile_weights_are_refused(check, tmp_path, kind):
    (tmp_path / "x.safetensors").write_bytes(WEIGHTS[kind])
    check("run", "--dataset", "stripes", "--weights", "x.safetensors", "--backbone", "test_resnet")
