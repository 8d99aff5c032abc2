"""Disks that are full: the file is named, nothing is half written, what was there stays, and the next step is said."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def mine(tmp_path):
    """A folder of twelve images with one of two labels each."""
    folder = tmp_path / "mine"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(12):
        pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "images" / f"a{i}.png")
    rows = "".join(f"a{i},{('sea', 'land', 'ice')[i % 3]}\n" for i in range(12))
    (folder / "labels.csv").write_text(f"file,label\n{rows}")
    return folder


@pytest.fixture
def full(monkeypatch):
    """Have every flush to the disk fail, as one that is full does, without a name."""

    def fail(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return lambda: monkeypatch.setattr(os, "fsync", fail)


PREPARE = ["data", "prepare", "folder", "--data", "mine", "--name", "mine", "--quiet"]
WRITES = {
    "an archive": ([*PREPARE], "mine.partial"),
    "a picture": (["data", "info", "packed", "--sheet", "out/sheet.png"], "sheet.png"),
    "corrupted labels": (
        ["noise", "apply", "--dataset", "packed", "--slnir", "30", "--out", "out/noisy"],
        "noisy",
    ),
}


@pytest.mark.parametrize("what", WRITES)
def test_a_full_disk_is_named_and_nothing_is_half_written(check, mine, full, tmp_path, what):
    words, name = WRITES[what]
    check(*PREPARE[:-2], "packed", "--quiet", codes=(0,))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sheet.png").write_bytes(b"old")
    full()
    text = " ".join(check(*words).text.split())
    assert name in text
    assert os.strerror(errno.ENOSPC) in text
    assert "run the same command again" in text
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert files == [tmp_path / "out" / "sheet.png"]
    assert files[0].read_bytes() == b"old"
    assert not (Path(os.environ["GRIDBENCH_CACHE"]) / "archives" / "mine").exists()
