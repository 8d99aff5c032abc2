"""Files that are none, records, bundles and workbooks to make hostile."""

from __future__ import annotations

import hashlib
import io
import json
import os
import runpy
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

RECORDS = runpy.run_path(str(Path(__file__).parent.parent / "leaderboard" / "conftest.py"))
write_record = RECORDS["write_record"]
OSC = "\x1b]52;c;cm0=\x07\x9b2J\u202e\u200b"


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
    "random": to("/dev/urandom"),
    "standard input": to("/dev/stdin"),
    "loop": lambda path: path.symlink_to(path.name),
    "dangling": to("nowhere"),
    "sparse": sparse,
}


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


def bomb(name: str, megabytes: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open(name, "w") as member:
        for _ in range(megabytes):
            member.write(b"\0" * 2**20)
    return out.getvalue()


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
