from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
import torch

from gridbench.datasets.archive import archive as archive_module
from gridbench.datasets.archive.archive import Archive
from gridbench.errors import InputError


def test_what_was_packed_comes_back_under_its_name(make_archive):
    archive = make_archive(two_groups=True, clean=True)
    assert sorted(archive.names) == [f"img{i:04d}" for i in range(40)]
    assert archive.names != sorted(archive.names)
    assert archive.image_size == (12, 12)
    assert archive.band_names == ("r", "g", "b", "x", "y")
    assert archive.bands == 5
    assert archive.has_maps
    np.testing.assert_array_equal(archive.clean_scene_labels, 1 - archive.scene_labels)
    assert [g.pixels.shape for g in archive.groups] == [(40, 3, 12, 12), (40, 2, 6, 6)]


def test_every_sample_is_in_one_split_and_in_ascending_order(make_archive):
    archive = make_archive()
    parts = [archive.indices(split) for split in ("train", "val", "test")]
    assert [len(part) for part in parts] == [20, 10, 10]
    assert all(part.dtype == np.int64 and (np.diff(part) > 0).all() for part in parts)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(40))
    assert {int(archive.names[i][3:]) % 4 for i in parts[1]} == {2}


def test_the_packed_order_says_nothing_about_the_order_of_the_names(make_archive):
    archive = make_archive(count=400)
    numbers = np.array([int(name[3:]) for name in archive.names])
    assert abs(np.corrcoef(numbers, np.arange(400))[0, 1]) < 0.2


def test_an_unknown_split_is_refused_with_the_nearest(make_archive):
    with pytest.raises(InputError, match="Did you mean 'val'"):
        make_archive().indices("vall")


def test_statistics_are_those_of_the_train_split_in_float64(make_archive):
    archive = make_archive(two_groups=True)
    train = archive.indices("train")
    stacked = [np.asarray(g.pixels)[train].astype(np.float64) for g in archive.groups]
    np.testing.assert_allclose(archive.mean, np.concatenate([s.mean((0, 2, 3)) for s in stacked]), rtol=1e-12)
    np.testing.assert_allclose(archive.std, np.concatenate([s.std((0, 2, 3)) for s in stacked]), rtol=1e-12)


def test_gather_gives_raw_numbers_and_standardise_gives_mean_zero(make_archive):
    archive = make_archive()
    rows = archive.indices("train")
    images = archive.gather(rows)
    assert images.dtype == torch.float32
    np.testing.assert_array_equal(
        images.numpy(), np.asarray(archive.groups[0].pixels)[rows].astype(np.float32)
    )
    standard = archive.standardise(images)
    np.testing.assert_allclose(standard.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(standard.std((0, 2, 3), correction=0), 1, atol=1e-5)


def test_a_constant_band_is_centred_without_dividing_by_zero(make_archive, tmp_path):
    archive = make_archive()
    archive.std[:] = 0.0
    assert torch.isfinite(archive.standardise(archive.gather(archive.indices("val")))).all()


def test_the_fingerprint_hangs_on_the_content_alone(make_archive):
    first = make_archive(name="a").fingerprint
    assert make_archive(name="b").fingerprint == first
    assert make_archive(name="c", seed=1).fingerprint != first
    assert len(first) == 64


@pytest.mark.parametrize(
    "file",
    ["images_fine.npy", "images_coarse.npy", "label_maps.npy", "scene_labels.npy", "split.npy", "names.txt"],
)
def test_verify_names_the_file_in_which_one_bit_flipped(make_archive, file):
    archive = make_archive(two_groups=True)
    archive.verify()
    path = archive.directory / file
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)
    with pytest.raises(InputError, match=file):
        Archive.open(archive.directory, verify=True)


def test_a_changed_index_is_noticed_on_opening(make_archive):
    archive = make_archive()
    path = archive.directory / "index.json"
    index = json.loads(path.read_text())
    index["mean"][0] += 1
    path.write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"index\.json has changed"):
        Archive.open(archive.directory)


def test_a_truncated_file_is_named_on_opening(make_archive):
    archive = make_archive()
    path = archive.directory / "label_maps.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        InputError, match=r"label_maps\.npy has \d+ bytes instead of \d+.*gridbench data prepare"
    ):
        Archive.open(archive.directory)


def test_a_missing_file_is_named_on_opening(make_archive):
    archive = make_archive()
    (archive.directory / "split.npy").unlink()
    with pytest.raises(InputError, match=r"split\.npy is missing"):
        Archive.open(archive.directory)


def test_an_absent_archive_says_how_to_make_one(tmp_path):
    with pytest.raises(InputError, match=r"no packed archive.*gridbench data"):
        Archive.open(tmp_path / "nothing")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 99}', '{"schema": 1}', "not json"])
def test_a_foreign_index_is_refused(tmp_path, content):
    (tmp_path / "index.json").write_text(content)
    with pytest.raises(InputError, match="cannot be used"):
        Archive.open(tmp_path)


def forge(archive, change, again=True):
    """Change an index and compute its own hashes again, as somebody would who wants it to be believed."""
    path = archive.directory / "index.json"
    index = json.loads(path.read_text())
    change(index)

    def digest(content):
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    if again:
        files = {file: facts["sha256"] for file, facts in index["files"].items() if file != "sources.npy"}
        content = {key: index[key] for key in ("schema", "class_names", "groups")}
        index["fingerprint"] = digest({**content, "files": files})
    index["checksum"] = digest({key: value for key, value in index.items() if key != "checksum"})
    path.write_text(json.dumps(index))


def other_pixels(archive, index):
    """Replace the pixels together with their hash."""
    path = archive.directory / "images_fine.npy"
    path.write_bytes(path.read_bytes()[:-500] + bytes(500))
    index["files"]["images_fine.npy"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda archive, index: index["mean"].__setitem__(0, 7.0), "the mean in its index"),
        (lambda archive, index: index["std"].__setitem__(1, 7.0), "the std in its index"),
        (other_pixels, "the mean in its index|the std in its index"),
    ],
)
def test_verify_computes_the_statistics_again(make_archive, change, message):
    archive = make_archive()
    forge(archive, lambda index: change(archive, index))
    with pytest.raises(InputError, match=message):
        Archive.open(archive.directory).verify()


def test_other_content_under_the_same_fingerprint_is_not_opened(make_archive):
    archive = make_archive()
    forge(archive, lambda index: other_pixels(archive, index), again=False)
    with pytest.raises(InputError, match="fingerprint is not that of its content"):
        Archive.open(archive.directory)


@pytest.mark.parametrize(
    "change",
    [
        lambda index: index.update(files=[]),
        lambda index: index["files"].update({"../../secret.npy": index["files"]["split.npy"]}),
        lambda index: index["files"].update({"split.npy": {"bytes": "many", "sha256": ""}}),
        lambda index: index["files"].pop("scene_labels.npy"),
        lambda index: index["groups"][0].update(file="/etc/passwd"),
        lambda index: index["groups"][0].update(file="label_maps.npy"),
        lambda index: index["groups"][0].update(bands=3),
        lambda index: index["groups"][0].update(bands=["r"]),
        lambda index: index["groups"][0].update(height=-1),
        lambda index: index["groups"][0].update(dtype="object"),
        lambda index: index.update(groups=[]),
        lambda index: index.update(class_names=["a", "a"]),
        lambda index: index.update(class_names=[f"c{i}" for i in range(300)]),
        lambda index: index.update(class_names=7),
        lambda index: index.update(mean=["x", 1, 2]),
        lambda index: index.update(mean=[float("nan"), 1.0, 2.0]),
        lambda index: index.update(std=[1.0]),
        lambda index: index.update(name=None),
        lambda index: index.update(report=[]),
        lambda index: index.pop("plan"),
    ],
)
def test_an_index_that_was_tampered_with_is_refused(make_archive, change):
    archive = make_archive()
    forge(archive, change, again=False)
    with pytest.raises(InputError, match="cannot be used"):
        Archive.open(archive.directory)


@pytest.mark.parametrize(
    ("file", "array"),
    [
        ("split.npy", np.full(40, 7, np.uint8)),
        ("split.npy", np.full(40, 1, np.uint8)),
        ("split.npy", np.zeros(39, np.uint8)),
        ("scene_labels.npy", np.full((40, 4), 2, np.uint8)),
        ("scene_labels.npy", np.zeros((40, 5), np.uint8)),
        ("scene_labels.npy", np.zeros((40, 4), np.float64)),
        ("label_maps.npy", np.zeros((39, 12, 12), np.uint8)),
        ("label_maps.npy", np.full((40, 12, 12), 9, np.uint8)),
        ("label_maps.npy", np.zeros((40, 12), np.uint8)),
        ("images_fine.npy", np.zeros((40, 4, 12, 12), np.uint8)),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(make_archive, file, array):
    archive = make_archive()
    np.save(archive.directory / file, array)
    content = (archive.directory / file).read_bytes()
    facts = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    forge(archive, lambda index: index["files"].update({file: facts}))
    with pytest.raises(InputError, match="cannot be used"):
        Archive.open(archive.directory, verify=True)


@pytest.mark.parametrize("content", [b"", b"a\n", b"\xff\n" * 40, b"\0\n" * 40])
def test_names_that_are_none_are_refused(make_archive, content):
    archive = make_archive()
    (archive.directory / "names.txt").write_bytes(content)
    facts = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    forge(archive, lambda index: index["files"]["names.txt"].update(facts))
    with pytest.raises(InputError, match=r"names"):
        _ = Archive.open(archive.directory).names


def test_an_archive_that_was_packed_anew_gives_no_names_to_the_old_one(make_archive):
    """A run that began before `data prepare --force` has the old pixels open, and reads names later."""
    archive = make_archive()
    names = (archive.directory / "names.txt").read_text().splitlines(keepends=True)
    (archive.directory / "names.txt").write_text("".join(reversed(names)))
    with pytest.raises(InputError, match="changed since it was packed, or since the archive was opened"):
        _ = archive.names


def test_an_archive_that_is_packed_anew_meanwhile_is_not_opened(make_archive, monkeypatch):
    """Its labels would be those of one archive and its pixels of another."""
    archive = make_archive()
    check = archive_module.check_arrays

    def replace(index, arrays):
        check(index, arrays)
        forge(archive, lambda index: index["report"].update(notes=["another"]))

    monkeypatch.setattr(archive_module, "check_arrays", replace)
    with pytest.raises(
        InputError, match=r"was packed again while it was being opened\. Run the same command again"
    ):
        Archive.open(archive.directory)
