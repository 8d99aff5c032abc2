from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.archive.arrayfile import RowFile, write_array
from gridbench.datasets.archive.building import build_once, packed_from
from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.archive.packing_plan import packed_order
from gridbench.datasets.archive.writer import ArchiveWriter
from gridbench.errors import InputError

LAYOUT = Layout((GroupLayout("g", ("only",), 4, 4, "uint8"),), ("a", "b", "c"))


def sample(value: int) -> Sample:
    return Sample((np.full((1, 4, 4), value, np.uint8),), np.array([1, 0, value % 2]))


def values_by_name(archive: Archive) -> dict[str, int]:
    return {name: int(archive.groups[0].pixels[i].max()) for i, name in enumerate(archive.names)}


def test_rows_that_never_came_are_left_out_and_the_others_keep_their_order(tmp_path):
    names = [f"n{i}" for i in range(30)]
    writer = ArchiveWriter(tmp_path / "p", LAYOUT, names, ["train"] * 30)
    missing = {0, 7, 8, 29}
    for i in reversed(range(30)):
        if i not in missing:
            writer.write(i, sample(i))
    writer.finish("x", "folder", {})
    archive = Archive.open(tmp_path / "p", verify=True)
    assert values_by_name(archive) == {f"n{i}": i for i in range(30) if i not in missing}
    order = [names[i] for i in packed_order(names) if i not in missing]
    assert archive.names == order


def test_an_interrupted_attempt_is_continued_where_it_stopped(tmp_path):
    names = [f"n{i}" for i in range(10)]
    first = ArchiveWriter(tmp_path / "p", LAYOUT, names, ["train"] * 10)
    for i in range(6):
        first.write(i, sample(i))
    first.close()
    second = ArchiveWriter(tmp_path / "p", LAYOUT, names, ["train"] * 10)
    assert second.done.tolist() == [True] * 6 + [False] * 4
    for i in range(6, 10):
        second.write(i, sample(i))
    second.finish("x", "folder", {})
    assert values_by_name(Archive.open(tmp_path / "p", verify=True)) == {f"n{i}": i for i in range(10)}


def test_rows_that_were_written_but_not_committed_are_done_again(tmp_path):
    names = [f"n{i}" for i in range(4)]
    first = ArchiveWriter(tmp_path / "p", LAYOUT, names, ["train"] * 4)
    first.write(0, sample(0))
    first.commit()
    first.write(1, sample(1))
    second = ArchiveWriter(tmp_path / "p", LAYOUT, names, ["train"] * 4)
    assert second.done.tolist() == [True, False, False, False]


def test_another_plan_starts_afresh(tmp_path):
    first = ArchiveWriter(tmp_path / "p", LAYOUT, ["a", "b"], ["train"] * 2)
    first.write(0, sample(1))
    first.close()
    second = ArchiveWriter(tmp_path / "p", LAYOUT, ["a", "c"], ["train"] * 2)
    assert not second.done.any()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (Sample((np.zeros((1, 4, 4), np.float32),), np.zeros(3)), "float32.*whole numbers"),
        (Sample((np.full((1, 4, 4), 256, np.uint16),), np.zeros(3)), "cannot hold"),
        (Sample((np.zeros((1, 4, 5), np.uint8),), np.zeros(3)), "shape"),
        (Sample((), np.zeros(3)), "0 resolution groups"),
        (Sample((np.zeros((1, 4, 4), np.uint8),), np.array([0, 2, 0])), "other than 0 and 1"),
        (Sample((np.zeros((1, 4, 4), np.uint8),), np.array([0, 0.5, 0])), "other than 0 and 1"),
        (Sample((np.zeros((1, 4, 4), np.uint8),), np.zeros(3), np.zeros((4, 4), int)), "label map"),
    ],
)
def test_a_sample_that_does_not_fit_is_refused_by_name(tmp_path, bad, message):
    writer = ArchiveWriter(tmp_path / "p", LAYOUT, ["odd one", "fine"], ["train"] * 2)
    with pytest.raises(InputError, match=f"'odd one'.*{message}"):
        writer.write(0, bad)
    assert not writer.done[0]


def test_a_label_map_may_hold_classes_and_the_ignore_value_only(tmp_path):
    layout = Layout(LAYOUT.groups, LAYOUT.class_names, (4, 4))
    writer = ArchiveWriter(tmp_path / "p", layout, ["a"], ["train"])
    image = np.zeros((1, 4, 4), np.uint8)
    good = np.full((4, 4), 255)
    good[0, :3] = [0, 1, 2]
    writer.write(0, Sample((image,), np.zeros(3), good))
    with pytest.raises(InputError, match="0 to 2 and 255"):
        writer.write(0, Sample((image,), np.zeros(3), np.full((4, 4), 3)))
    with pytest.raises(InputError, match="0 to 2 and 255"):
        writer.write(0, Sample((image,), np.zeros(3), np.full((4, 4), 256)))


@pytest.mark.parametrize(
    ("names", "message"),
    [([], "nothing to pack"), (["a", "a"], "same name: a"), (["a\nb"], "line break"), ([""], "empty")],
)
def test_unusable_names_are_refused(tmp_path, names, message):
    with pytest.raises(InputError, match=message):
        ArchiveWriter(tmp_path / "p", LAYOUT, names, ["train"] * len(names))


def test_an_archive_without_training_samples_is_refused(tmp_path):
    writer = ArchiveWriter(tmp_path / "p", LAYOUT, ["a"], ["test"])
    writer.write(0, sample(1))
    with pytest.raises(InputError, match="no training sample"):
        writer.finish("x", "folder", {})


def test_float_images_are_refused_before_anything_is_written(tmp_path):
    layout = Layout((GroupLayout("g", ("only",), 4, 4, "float32"),), ("a",))
    with pytest.raises(InputError, match="float32; archives hold uint8 or uint16"):
        ArchiveWriter(tmp_path / "p", layout, ["a"], ["train"])


def build_three(folder: Path) -> None:
    writer = ArchiveWriter(folder, LAYOUT, ["a", "b", "c"], ["train"] * 3)
    for i in range(3):
        writer.write(i, sample(i))
    writer.finish("three", "folder", {})


def test_an_archive_gets_its_name_only_when_it_is_complete(tmp_path):
    directory = tmp_path / "archives" / "three"

    def fail(folder: Path) -> None:
        writer = ArchiveWriter(folder, LAYOUT, ["a", "b", "c"], ["train"] * 3)
        writer.write(0, sample(0))
        writer.close()
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        build_once(directory, fail)
    assert not directory.exists()
    assert len(build_once(directory, build_three)) == 3


@pytest.mark.parametrize("whole", range(3))
def test_files_that_a_full_disk_left_without_their_beginning_are_made_anew(tmp_path, monkeypatch, whole):
    """Before, the next attempt took them for whole: the archive could not be opened, or the journal not read."""
    opened = Path.open

    def full(path, mode="r", **more):
        nonlocal whole
        file = opened(path, mode, **more)
        if path.suffix == ".npy" and mode == "wb":
            whole -= 1
            if whole < 0:
                file.close()
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return file

    directory = tmp_path / "archives" / "three"
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        with pytest.raises(OSError, match="No space left"):
            build_once(directory, build_three)
    assert not directory.exists()
    build_once(directory, build_three).verify()


def test_an_attempt_is_not_continued_by_a_plug_in_that_was_changed(tmp_path):
    names = ["a", "b"]
    for source, done in (("1", False), ("1", True), ("2", False)):
        with packed_from(source):
            writer = ArchiveWriter(tmp_path / "p", LAYOUT, names, ["train"] * 2)
        assert writer.done.any() == done
        writer.write(0, sample(1))
        writer.close()


def test_what_an_attempt_left_is_not_continued_once_its_removal_has_begun(tmp_path, monkeypatch):
    """Before, rows of files that were gone counted as written if the first plan was used again."""
    names, folder = ["a", "b"], tmp_path / "p"
    first = ArchiveWriter(folder, LAYOUT, names, ["train"] * 2)
    first.write(0, sample(1))
    first.close()

    def killed(removed):
        (removed / "images_g.npy").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            ArchiveWriter(folder, LAYOUT, names, ["train", "val"])
    assert not ArchiveWriter(folder, LAYOUT, names, ["train"] * 2).done.any()


def test_what_is_there_is_opened_and_not_built_again(tmp_path):
    directory = tmp_path / "three"
    build_once(directory, build_three)
    build_once(directory, lambda folder: pytest.fail("built again"))
    calls = []
    build_once(directory, lambda folder: (calls.append(1), build_three(folder)), force=True)
    assert calls == [1]


def test_a_kill_while_an_archive_is_replaced_leaves_a_whole_one(tmp_path, monkeypatch):
    """Before, the archive was gone from the first removed file on, for everybody, until it was packed again."""
    directory = tmp_path / "three"
    build_once(directory, build_three)

    def killed(folder, **_):
        (folder / "index.json").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            build_once(directory, build_three, force=True)
    Archive.open(directory, verify=True)
    build_once(directory, build_three, force=True).verify()
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["three"]


def _pack_in_another_process(directory: str, ready, counter) -> None:
    def build(folder: Path) -> None:
        with counter.get_lock():
            counter.value += 1
        build_three(folder)

    ready.wait()
    Archive.open(build_once(Path(directory), build).directory, verify=True)


def test_processes_that_pack_the_same_archive_at_once_do_it_once(tmp_path):
    context = multiprocessing.get_context("fork")
    ready, counter = context.Barrier(3), context.Value("i", 0)
    arguments = (str(tmp_path / "archives" / "three"), ready, counter)
    workers = [context.Process(target=_pack_in_another_process, args=arguments) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert counter.value == 1


@given(st.lists(st.text("abcdef", min_size=1), unique=True, min_size=1, max_size=30), st.data())
def test_leaving_names_out_does_not_change_the_order_of_the_others(names, data):
    kept = data.draw(st.lists(st.sampled_from(names), unique=True))
    whole = [names[i] for i in packed_order(names)]
    assert [kept[i] for i in packed_order(kept)] == [name for name in whole if name in kept]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.sampled_from(["uint8", "uint16"]))
def test_a_row_file_reads_back_as_an_ordinary_array(tmp_path_factory, rows, dtype):
    path = tmp_path_factory.mktemp("rows") / "a.npy"
    expected = np.zeros((6, 2, 3), dtype)
    with RowFile(path, 6, (2, 3), dtype) as file:
        for count, row in enumerate(rows):
            expected[row] = count + 1
            file.write(row, expected[row])
    loaded = np.load(path, allow_pickle=False)
    assert loaded.dtype == dtype
    np.testing.assert_array_equal(loaded, expected)
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    np.testing.assert_array_equal(mapped, expected)


def test_a_small_array_reads_back(tmp_path):
    for values in (np.arange(5, dtype=np.uint8), np.zeros((0, 3)), np.eye(3)):
        write_array(tmp_path / "a.npy", values)
        np.testing.assert_array_equal(np.load(tmp_path / "a.npy", allow_pickle=False), values)
