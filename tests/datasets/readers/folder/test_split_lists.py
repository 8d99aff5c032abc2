"""Lists of names such as train.txt give the split, and never half of it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from gridbench.datasets.readers.folder.folder import plan_folder
from gridbench.datasets.readers.folder.options import FolderOptions
from gridbench.errors import InputError

SPLIT = {f"t{i}": "train" if i < 5 else "val" if i < 7 else "test" for i in range(10)}


@pytest.fixture
def root(tmp_path):
    for name in SPLIT:
        for folder in ("images", "masks"):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(np.full((8, 8), int(name[1:]) % 2, np.uint8)).save(
                tmp_path / folder / f"{name}.png"
            )
    (tmp_path / "classes.txt").write_text("sea\nland\n")
    return tmp_path


def write(root, line="{}", folder=".", names="{}.txt", split=SPLIT):
    (root / folder).mkdir(parents=True, exist_ok=True)
    for word in sorted(set(split.values())):
        lines = [line.replace("{}", name) for name, each in split.items() if each == word]
        (root / folder / names.format(word)).write_text("# a comment\n\n" + "\n".join(lines) + "\n")


def splits(root, **options):
    found = plan_folder(root, FolderOptions(**options))
    return dict(zip(found.names, found.split, strict=True)), found.report


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"line": "images/{}.png masks/{}.png"},
        {"line": "{}.png 3"},
        {"line": "C:\\data\\images\\{}.png"},
        {"line": "/home/me/set/images/{}.png"},
        {"folder": "splits"},
        {"folder": "ImageSets/Segmentation"},
        {"names": "{}_list.txt"},
        {"names": "image-ids-{}.lst"},
    ],
)
def test_lists_give_the_split_of_masks(root, form):
    write(root, **form)
    found, report = splits(root)
    assert found == SPLIT
    assert any(line.startswith("split: the lists ") for line in report["reading"])


def test_lists_give_the_split_of_a_table(root):
    write(root)
    (root / "classes.txt").unlink()
    shutil.rmtree(root / "masks")
    (root / "labels.csv").write_text("file,label\n" + "".join(f"{n},{'ab'[int(n[1:]) % 2]}\n" for n in SPLIT))
    assert splits(root)[0] == SPLIT


def test_a_table_with_a_split_and_shares_come_before_lists(root):
    write(root)
    other = {name: "test" if word == "train" else "train" for name, word in SPLIT.items()}
    (root / "labels.csv").write_text(
        "file,label,split\n" + "".join(f"{n},sea;land,{w}\n" for n, w in other.items())
    )
    found, report = splits(root)
    assert found == other
    assert "train.txt, val.txt, test.txt are not read: the table gives the split" in report["notes"]
    (root / "labels.csv").unlink()
    found, report = splits(root, split="50/20/30")
    assert found != SPLIT
    assert "train.txt, val.txt, test.txt are not read: --split gives the split" in report["notes"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"t3": "val"}, r"val\.txt, line \d: t3 is in train\.txt, too"),
        ({"t3": None}, r"1 of 10 images in none of train\.txt, val\.txt, test\.txt: t3"),
    ],
)
def test_an_image_in_two_lists_or_in_none_is_refused(root, change, message):
    write(root)
    for name, word in change.items():
        if word is None:
            text = (root / "train.txt").read_text().replace(f"{name}\n", "")
            (root / "train.txt").write_text(text)
        else:
            with (root / f"{word}.txt").open("a") as file:
                file.write(f"{name}\n")
    with pytest.raises(InputError, match=message):
        splits(root)


def test_names_without_an_image_are_counted(root):
    write(root, split={**SPLIT, "t77": "val", "t78": "val"})
    found, report = splits(root)
    assert found == SPLIT
    assert "2 lines of val.txt without an image: t77, t78" in report["notes"]


def test_two_lists_of_one_split_are_refused(root):
    write(root)
    write(root, names="{}_list.txt", split={"t1": "train"})
    with pytest.raises(InputError, match="are both about train"):
        splits(root)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.txt", "t1\nt2\n"),
        ("splits.json", '{"train": ["t1"], "test": ["t2"]}'),
        ("split.csv", "file,part\nt1,train\nt2,test\n"),
        ("splits/fold_0.txt", "t1\nt2\n"),
    ],
)
def test_a_file_that_may_give_the_split_and_is_not_read_is_refused(root, name, content):
    path = root / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    with pytest.raises(InputError, match=r"may give the split, and is not read.*--split 70/10/20"):
        splits(root)
    assert set(splits(root, split="70/10/20")[0].values()) == {"train", "val", "test"}


def test_files_that_name_no_image_are_no_splits(root):
    (root / "requirements-test.txt").write_text("pytest\n")
    (root / "train.json").write_text('{"epochs": 20}')
    assert set(splits(root)[0].values()) == {"train", "val", "test"}


@pytest.mark.parametrize("header", ["", "filename\n"])
def test_lists_may_be_tables_of_one_column(root, header):
    write(root, names="{}.csv")
    for word in ("train", "val", "test"):
        path = root / f"{word}.csv"
        path.write_text(header + path.read_text())
    assert splits(root)[0] == SPLIT


def move(root, folder_of):
    for name in SPLIT:
        for part in ("images", "masks"):
            target = root / part / folder_of(name) / f"{name}.png"
            target.parent.mkdir(exist_ok=True)
            (root / part / f"{name}.png").rename(target)


@pytest.mark.parametrize("form", ["{}2017", "{}-2017", "{}", "{}_1"])
def test_folders_of_splits_may_have_a_year_behind_them(root, form):
    move(root, lambda name: form.format(SPLIT[name]))
    found, report = splits(root)
    assert {key.rpartition("/")[2]: split for key, split in found.items()} == SPLIT
    assert "split: the folders train, val and test" in report["reading"]


def test_folders_of_splits_beside_other_images_are_refused(root):
    move(root, lambda name: "" if SPLIT[name] == "train" else SPLIT[name])
    with pytest.raises(
        InputError, match=r"folders test, val, and others, such as t\d+, do not.*--split 70/10/20"
    ):
        splits(root)
    assert len(splits(root, split="70/10/20")[0]) == len(SPLIT)
