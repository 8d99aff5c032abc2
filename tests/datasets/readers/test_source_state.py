"""An archive is handed back only when its files are what it was packed from."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from gridbench.cli.data.report import packed_lines
from gridbench.datasets.readers.folder.folder import FolderOptions, plan_folder
from gridbench.datasets.readers.prepare import prepare
from gridbench.datasets.readers.source_state import copies_across_splits, copies_with_other_labels
from gridbench.errors import InputError

NAMES = [f"t{i}" for i in range(8)]


def image(seed):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8))


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "mine"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    (folder / "classes.txt").write_text("a\nb\n")
    for i, name in enumerate(NAMES):
        image(i).save(folder / "images" / f"{name}.png")
        Image.fromarray(np.indices((16, 16))[0].astype(np.uint8) // 8).save(folder / "masks" / f"{name}.png")
    return folder


def pack(root, tmp_path, **options):
    return prepare(plan_folder(root, FolderOptions()), tmp_path / "cache", "mine", 1, **options)


def rewritten(path, content):
    """Give a file another content of the same size and the same time of change."""
    state = path.stat()
    path.write_bytes(content[: state.st_size].ljust(state.st_size, b"\0"))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


CHANGES = {
    "an image": lambda root: image(99).save(root / "images" / "t3.png"),
    "a mask": lambda root: Image.fromarray(np.ones((16, 16), np.uint8)).save(root / "masks" / "t3.png"),
    "two images change places": lambda root: [
        (root / "images" / "t1.png").rename(root / "x"),
        (root / "images" / "t2.png").rename(root / "images" / "t1.png"),
        (root / "x").rename(root / "images" / "t2.png"),
    ],
    "same size and time": lambda root: rewritten(root / "images" / "t3.png", b"\x89PNG\r\n\x1a\n other"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_files_are_refused_and_packed_anew_by_force(root, tmp_path, change):
    first = pack(root, tmp_path)
    CHANGES[change](root)
    with pytest.raises(InputError, match=r"have changed since 'mine' was packed.*--force"):
        pack(root, tmp_path)
    assert pack(root, tmp_path, force=True).fingerprint != first.fingerprint


def test_files_that_were_only_touched_or_moved_are_the_same(root, tmp_path):
    first = pack(root, tmp_path)
    for path in sorted(root.rglob("*.png")):
        path.touch()
    assert pack(root, tmp_path).fingerprint == first.fingerprint
    moved = shutil.copytree(root, tmp_path / "elsewhere")
    assert pack(moved, tmp_path).fingerprint == first.fingerprint


def test_a_folder_of_the_same_names_is_not_the_same(root, tmp_path):
    pack(root, tmp_path)
    other = shutil.copytree(root, tmp_path / "elsewhere")
    for i, name in enumerate(NAMES):
        image(100 + i).save(other / "images" / f"{name}.png")
    with pytest.raises(InputError, match="t0, t1, t2 and 5 more"):
        pack(other, tmp_path)


def test_a_damaged_file_that_was_fetched_again_is_noticed(root, tmp_path):
    path = root / "images" / "t3.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert pack(root, tmp_path).report["failed_count"] == 1
    assert len(pack(root, tmp_path)) == 7
    path.write_bytes(whole)
    with pytest.raises(InputError, match="could not be read then"):
        pack(root, tmp_path)
    assert len(pack(root, tmp_path, force=True)) == 8


def test_an_interrupted_packing_goes_on_only_with_the_same_files(root, tmp_path):
    def stop(done, total, message):
        if message.startswith("packing") and done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(root, tmp_path, progress=stop)
    for i, name in enumerate(NAMES):
        image(100 + i).save(root / "images" / f"{name}.png")
    packed = pack(root, tmp_path)
    got = {name: np.asarray(packed.groups[0].pixels[row]) for row, name in enumerate(packed.names)}
    for i, name in enumerate(NAMES):
        np.testing.assert_array_equal(got[name], np.asarray(image(100 + i)).transpose(2, 0, 1))


def table(root, words, split=None):
    rows = [
        "file,label,split",
        *(f"{name}.png,{word},{s}" for name, word, s in zip(NAMES, words, split or SPLIT, strict=True)),
    ]
    (root / "labels.csv").write_text("\n".join(rows))


WORDS = ["sea", "land"] * 4
SPLIT = ["train"] * 5 + ["val", "test", "test"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda root: table(root, WORDS[::-1]), "the labels"),
        (lambda root: table(root, WORDS, SPLIT[::-1]), "the split"),
        (lambda root: table(root, ["ice", *WORDS[1:]]), "the labels, the classes"),
        (lambda root: (root / "images" / "t3.png").unlink(), "the names of the images"),
    ],
)
def test_what_has_changed_in_the_same_folder_is_said(root, tmp_path, change, what):
    shutil.rmtree(root / "masks")
    (root / "classes.txt").unlink()
    table(root, WORDS)
    pack(root, tmp_path)
    change(root)
    message = (
        f"Since 'mine' was packed from {root} .*a change in {what}. Take another --name, or replace it: typed"
    )
    with pytest.raises(InputError, match=message):
        pack(root, tmp_path, again="typed")
    assert len(pack(root, tmp_path, force=True))


def test_another_choice_of_options_is_said(root, tmp_path):
    pack(root, tmp_path)
    other = plan_folder(root, FolderOptions(split="50/25/25", min_cover=0.2))
    with pytest.raises(
        InputError, match=r"another archive 'mine' already.*another choice of min cover, split"
    ):
        prepare(other, tmp_path / "cache", "mine", 1)


def test_copies_in_another_split_are_found(root, tmp_path):
    shutil.rmtree(root / "masks")
    (root / "classes.txt").unlink()
    table(root, WORDS)
    for copy, of in (("t7", "t0"), ("t6", "t5"), ("t2", "t1")):
        shutil.copy(root / "images" / f"{of}.png", root / "images" / f"{copy}.png")
    assert sorted(copies_across_splits(pack(root, tmp_path))) == [("t0", "t7"), ("t5", "t6")]


def test_copies_with_other_labels_are_found_and_told(root, tmp_path):
    shutil.rmtree(root / "masks")
    (root / "classes.txt").unlink()
    table(root, WORDS)
    for copy, of in (("t4", "t1"), ("t2", "t0")):
        shutil.copy(root / "images" / f"{of}.png", root / "images" / f"{copy}.png")
    archive = pack(root, tmp_path)
    assert [set(pair) for pair in copies_with_other_labels(archive)] == [{"t1", "t4"}]
    told = [line for line in packed_lines(archive) if "which has other labels" in line]
    assert len(told) == 1
    assert told[0].startswith("WARNING: 1 image with the same files as another one")
