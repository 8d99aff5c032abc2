"""Layouts in which people keep images, masks and tables, and what does not fit together."""

from __future__ import annotations

import os
from pathlib import PurePosixPath

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from gridbench.datasets.readers.folder.folder import plan_folder
from gridbench.datasets.readers.folder.options import FolderOptions
from gridbench.datasets.readers.prepare import prepare
from gridbench.errors import InputError

SIDE = 8


def picture(path, seed=0, side=SIDE):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def mask(path, top, below, side=SIDE):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((side, side), below, np.uint8)
    pixels[: side // 2] = top
    Image.fromarray(pixels).save(path)


def plan(root, **options):
    return plan_folder(root, FolderOptions(**options))


def packed(root, tmp_path, **options):
    return prepare(plan(root, **options), tmp_path / "cache", "mine")


def by_name(archive, values):
    return dict(zip(archive.names, values, strict=True))


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "own data"
    folder.mkdir()
    (folder / "classes.txt").write_text("sea\nland\n")
    return folder


# Images and masks


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("{}_sat.png", "{}_mask.png"),
        ("{}.jpg", "{}_mask.png"),
        ("train/{}_sat.png", "train/{}_mask.png"),
        ("images/{}.png", "masks/{}.png"),
        ("image/image_{}.png", "mask/mask_{}.png"),
        ("img/{}_rgb.png", "gt/{}_label.png"),
    ],
)
def test_a_mask_finds_its_image(root, tmp_path, image, label):
    for i in range(6):
        picture(root / image.format(i), i)
        mask(root / label.format(i), i % 2, (i + 1) % 2)
    archive = packed(root, tmp_path, **({} if "train" not in image else {"min_cover": 0.1}))
    assert len(archive) == 6
    firsts = {
        name.replace("_", "/").split("/")[-1 if name[-1].isdigit() else -2]: one[0, 0]
        for name, one in by_name(archive, archive.label_maps).items()
    }
    assert firsts == {str(i): i % 2 for i in range(6)}


@pytest.mark.parametrize(
    "form",
    [
        "{}/images/{}.png {}/masks/{}.png",
        "{}_images/{}.png {}_masks/{}.png",
        "images/{}/{}.png masks/{}/{}.png",
    ],
)
def test_folders_of_splits_give_the_split(root, tmp_path, form):
    image, label = form.split()
    splits = {"train": range(4), "val": range(4, 6), "test": range(6, 8)}
    for split, numbers in splits.items():
        for i in numbers:
            picture(root / image.format(split, i), i)
            mask(root / label.format(split, i), i % 2, (i + 1) % 2)
    archive = packed(root, tmp_path)
    for split, numbers in splits.items():
        assert sorted(archive.names[i] for i in archive.indices(split)) == [f"{split}/{i}" for i in numbers]
    with pytest.raises(InputError, match="--split gives shares, and the folders already say"):
        plan(root, split="50/25/25")


def test_a_folder_for_each_class_gives_one_label_an_image(tmp_path):
    root = tmp_path / "own"
    for i in range(9):
        picture(root / ("Forest", "Sea Lake", "River")[i % 3] / f"x{i}.jpg", i)
    archive = packed(root, tmp_path)
    assert archive.class_names == ("Forest", "River", "Sea Lake")
    assert (archive.scene_labels.sum(1) == 1).all()
    labels = by_name(archive, archive.scene_labels)
    assert labels["Sea Lake/x1"].tolist() == [0, 0, 1]
    assert "labels: the folder of each image, 3 classes, one label per image" in archive.report["reading"]


def test_a_folder_for_each_class_below_those_of_the_splits(tmp_path):
    root = tmp_path / "own"
    for i, split in enumerate(["train"] * 4 + ["valid"] * 2 + ["test"] * 2):
        picture(root / split / "ab"[i % 2] / f"x{i}.jpg", i)
    archive = packed(root, tmp_path)
    assert [len(archive.indices(split)) for split in ("train", "val", "test")] == [4, 2, 2]
    assert archive.class_names == ("a", "b")


@pytest.mark.parametrize("where", ["{}/labels.csv", "{}.csv"])
def test_one_table_a_folder(tmp_path, where):
    root = tmp_path / "own"
    for split, count in (("train", 4), ("val", 2), ("test", 2)):
        for i in range(count):
            picture(root / split / f"{i}.png", i)
        rows = "".join(f"{i}.png,{'a;b' if i else split}\n" for i in range(count))
        (root / where.format(split)).write_text("file,labels\n" + rows)
    archive = packed(root, tmp_path)
    assert archive.class_names == ("a", "b", "test", "train", "val")
    labels = by_name(archive, archive.scene_labels.tolist())
    assert labels["val/0"] == [0, 0, 0, 0, 1]
    assert labels["train/3"] == [1, 1, 0, 0, 0]
    assert {archive.names[i] for i in archive.indices("test")} == {"test/0", "test/1"}


def test_tables_of_folders_with_other_columns_of_classes_are_refused(tmp_path):
    root = tmp_path / "own"
    for split in ("train", "test"):
        for i in range(2):
            picture(root / split / f"{i}.png", i)
        (root / split / "labels.csv").write_text(f"file,a,{split}_b\n0.png,1,0\n1.png,0,1\n")
    with pytest.raises(InputError, match="do not have the same columns of classes: test_b, train_b"):
        plan(root)


# Nothing is left out uncounted


def test_linked_folders_are_entered_and_other_files_counted(root, tmp_path):
    for i in range(6):
        picture(tmp_path / "elsewhere" / f"{i}.png", i)
        mask(root / "masks" / "deep" / f"{i}.png", 0, 1)
    (root / "images").mkdir()
    (root / "images" / "deep").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "again").symlink_to(root / "images")
    (root / "images" / "notes.xml").write_text("<x/>")
    archive = packed(root, tmp_path)
    assert len(archive) == 6
    assert any("passed over: .xml" in note for note in archive.report["notes"])


def test_names_that_are_not_utf_8_are_refused(root):
    picture(root / "images" / "a.png")
    (root / "images" / "a.png").rename(root / "images" / os.fsdecode(b"for\xeat.png"))
    with pytest.raises(InputError, match=r"for\\udceat.png is not UTF-8"):
        plan(root)


def test_rows_that_fit_no_image_and_a_table_under_another_name(tmp_path):
    root = tmp_path / "own"
    for i in range(3):
        picture(root / f"{i}.png", i)
    (root / "train_v2.csv").write_text("file,labels\n0,a\n")
    with pytest.raises(InputError, match=r"There is train_v2.csv.*--labels"):
        plan(root)


# Georeference


def geotiff(path, array, transform, crs="EPSG:32640"):
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"height": array.shape[1], "width": array.shape[2], "count": len(array), "dtype": array.dtype}
    with rasterio.open(path, "w", driver="GTiff", transform=transform, crs=crs, **profile) as file:
        file.write(array)


def pairs(root, transform, flip=False, crs="EPSG:32640", count=6):
    given = np.zeros((1, SIDE, SIDE), np.uint8)
    given[:, : SIDE // 2] = 1
    for i in range(count):
        image = np.random.default_rng(i).integers(1, 255, (3, SIDE, SIDE), dtype=np.uint8)
        geotiff(root / "images" / f"{i}.tif", image, from_origin(500, 900, 10, 10))
        geotiff(root / "masks" / f"{i}.tif", given[:, ::-1] if flip else given, transform, crs)
    return given[0]


def test_a_mask_that_is_stored_south_up_is_turned(root, tmp_path):
    expected = pairs(root, rasterio.Affine(10, 0, 500, 0, 10, 900 - 10 * SIDE), flip=True)
    for one in packed(root, tmp_path).label_maps:
        np.testing.assert_array_equal(one, expected)


@pytest.mark.parametrize(
    ("transform", "crs", "message"),
    [
        (from_origin(510, 900, 10, 10), "EPSG:32640", "lies elsewhere than its image"),
        (from_origin(500, 900, 20, 20), "EPSG:32640", "lies elsewhere than its image"),
        (from_origin(500, 900, 10, 10), "EPSG:32641", "EPSG:32641, its image in EPSG:32640"),
    ],
)
def test_a_mask_of_another_place_is_refused(root, tmp_path, transform, crs, message):
    pairs(root, transform, crs=crs)
    with pytest.raises(InputError, match=message):
        packed(root, tmp_path)


# Options


@pytest.fixture
def with_masks(root):
    for i in range(6):
        picture(root / "images" / f"g{i // 2}_{i}.png", i, 10)
        mask(root / "masks" / f"g{i // 2}_{i}.png", 0, 1, 10)
    return root


def test_the_area_that_tiles_leave_out_is_told_and_padding_leaves_out_none(with_masks, tmp_path):
    archive = packed(with_masks, tmp_path, tile=8)
    assert len(archive) == 6
    assert any("leave out 36.0 % of the images' area" in note for note in archive.report["notes"])
    padded = prepare(plan(with_masks, tile=8, pad=True), tmp_path / "cache", "padded")
    assert len(padded) == 4 * 6
    assert (np.asarray(padded.label_maps) == 255).sum() == 6 * (16 * 16 - 100)
    assert not any("leave out" in note for note in padded.report["notes"])
    overlapping = prepare(plan(with_masks, tile=8, tile_overlap=6), tmp_path / "cache", "overlapping")
    assert len(overlapping) == 4 * 6
    assert not any("leave out" in note for note in overlapping.report["notes"])


def test_the_groups_of_a_pattern_are_kept(with_masks, tmp_path):
    archive = packed(with_masks, tmp_path, group_pattern=r"^(g\d)")
    assert archive.sample_groups == [name[:2] for name in archive.names]


def test_numbers_that_a_range_clips_are_counted(with_masks, tmp_path):
    for path in (with_masks / "images").iterdir():
        Image.fromarray(np.full((10, 10, 3), 200, np.uint8)).save(path)
    archive = packed(with_masks, tmp_path, value_range=(0.0, 100.0))
    assert archive.report["findings"]["numbers outside --value-range 0 100, clipped to it"] == 6 * 300


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"value_range": (5.0, 5.0)}, "finite numbers, the lower one first"),
        ({"value_range": (0.0, float("inf"))}, "finite numbers"),
        ({"value_range": (float("nan"), 1.0)}, "finite numbers"),
        ({"pad": True}, "--pad needs --tile"),
        ({"tile_overlap": 2}, "--tile-overlap needs --tile"),
        ({"tile": 8, "tile_overlap": 8}, "from 1 to 7"),
        ({"tile": 8, "resize": 8}, "not both"),
        ({"key_column": "file"}, "--key-column is about a table of labels"),
        ({"separator": "comma"}, "--separator is about a table"),
        ({"separator": "coma"}, "Did you mean 'comma'"),
        ({"ignore_classes": ("see",)}, "no class 'see'.*Did you mean 'sea'"),
    ],
)
def test_options_that_would_change_nothing_are_refused(with_masks, options, message):
    with pytest.raises(InputError, match=message):
        plan(with_masks, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_cover": 0.1}, "--min-cover is about masks"),
        ({"min_labelled": 0.1}, "--min-labelled is about masks"),
        ({"separator": "comma"}, "--separator divides the labels of one cell"),
        ({"split": "70/10/20"}, "the table already says the split"),
    ],
)
def test_options_about_masks_need_masks(tmp_path, options, message):
    root = tmp_path / "own"
    for i in range(4):
        picture(root / "images" / f"{i}.png", i)
    rows = "".join(f"{i}.png,{i % 2},{(i + 1) % 2},train\n" for i in range(4))
    (root / "labels.csv").write_text("file,a,b,split\n" + rows)
    with pytest.raises(InputError, match=message):
        plan(root, **options)


def test_the_reading_says_what_became_of_every_column_and_class(tmp_path):
    root = tmp_path / "own"
    for i in range(6):
        picture(root / "images" / f"{i}.png", i)
    rows = "".join(f"{i},{i}.png,a;b,{['train', 'val', 'test'][i % 3]},s{i % 2},0.{i}\n" for i in range(6))
    (root / "labels.csv").write_text("index,file,labels,split,group,score\n" + rows)
    assert plan(root).report["reading"][1:] == [
        "labels: labels.csv: 6 rows, columns divided by commas",
        "  index   not used",
        "  file    name of the image file; there is an image for 6 rows",
        "  labels  labels, divided by semicolons",
        "  split   split: train 2, val 2, test 2",
        "  group   group: 2 groups",
        "  score   not used",
        "classes: 2, images of each in train / val / test",
        "  a  2 / 2 / 2",
        "  b  2 / 2 / 2",
    ]


@pytest.mark.parametrize(("groups", "noted"), [("aabbcc", False), ("aabbbc", True)])
def test_groups_that_a_given_split_divides_are_noted(tmp_path, groups, noted):
    root = tmp_path / "own"
    for i in range(6):
        picture(root / "images" / f"{i}.png", i)
    splits = ["train", "train", "val", "val", "test", "test"]
    rows = "".join(f"{i}.png,{'xy'[i % 2]},{splits[i]},{groups[i]}\n" for i in range(6))
    (root / "labels.csv").write_text("file,label,split,group\n" + rows)
    notes = [note for note in plan(root).report["notes"] if "in several splits" in note]
    assert bool(notes) == noted
    assert all("1 of 3 groups" in note and "'b' in val and test" in note for note in notes)


# Published data sets


def one_hot(path, key, rows, classes):
    """Write a table of 0 and 1: name of each image -> its classes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [",".join([key, *classes])]
    lines += [",".join([name, *(str(int(c in has)) for c in classes)]) for name, has in rows.items()]
    path.write_text("\r\n".join(lines) + "\r\n")


def labels_found(archive):
    return {
        PurePosixPath(name).name: {archive.class_names[c] for c in np.flatnonzero(archive.scene_labels[i])}
        for i, name in enumerate(archive.names)
    }


def test_mlrsnet_has_a_table_for_each_scene_in_an_order_of_its_own(tmp_path):
    root = tmp_path / "MLRSNet"
    truth = {}
    orders = [
        ["sand", "sea", "trees"],
        ["trees", "sand", "sea"],
        ["sea", "trees", "sand"],
        ["sand", "trees", "sea"],
    ]
    for scene, order in zip(["beach", "desert", "forest", "island"], orders, strict=True):
        rows = {}
        for i in range(3):
            name = f"{scene}_{i:05d}"
            picture(root / "Images" / scene / f"{name}.jpg")
            truth[name] = rows[f"{name}.jpg"] = {order[0], *(order[1:2] if i else [])}
        one_hot(root / "Labels" / f"{scene}.csv", "image", rows, order)
    (root / "Categories_names.xlsx").write_bytes(b"not read")
    archive = packed(root, tmp_path)
    assert labels_found(archive) == truth
    assert archive.class_names == ("sand", "sea", "trees")
    assert "  and 1 more table of 3 rows, read by the names of the columns" in archive.report["reading"]


@pytest.mark.parametrize("nested", [True, False])
def test_aid_has_one_table_of_multi_labels_and_a_folder_for_each_split(tmp_path, nested):
    root = tmp_path / "AID_multilabel"
    truth = {}
    for split, first in (("images_tr", 0), ("images_test", 10)):
        for scene, shown in (("airport", "airplane"), ("beach", "sea")):
            for i in range(first, first + 2):
                name = f"{scene}_{i}"
                picture(root / split / (scene.title() if nested else ".") / f"{name}.jpg")
                truth[name] = {"pavement", shown}
    one_hot(root / "multilabel.csv", "IMAGE\\LABEL", truth, ["airplane", "pavement", "sea"])
    archive = packed(root, tmp_path)
    assert labels_found(archive) == truth
    assert len(archive.indices("train")) == len(archive.indices("test")) == 4


def test_tables_of_different_classes_are_refused(tmp_path):
    for scene, classes in (("beach", ["sand", "sea"]), ("forest", ["sand", "trees"])):
        picture(tmp_path / "images" / scene / f"{scene}.png")
        one_hot(tmp_path / "labels" / f"{scene}.csv", "image", {scene: classes}, classes)
    with pytest.raises(InputError, match="do not have the same columns of classes: sea, trees"):
        plan(tmp_path)


def test_multi_labels_of_roboflow_lie_beside_the_images_of_each_split(root, tmp_path):
    (root / "classes.txt").unlink()
    rows = {"train": ["a", "b"], "valid": ["c"], "test": ["d"]}
    for split, names in rows.items():
        for i, name in enumerate(names):
            picture(root / split / f"{name}_png.rf.0{i}f.jpg", ord(name))
        lines = [f"{name}_png.rf.0{i}f.jpg, 1, {int(name in 'bd')}" for i, name in enumerate(names)]
        (root / split / "_classes.csv").write_text("\n".join(["filename, sand, water", *lines]))
    archive = packed(root, tmp_path)
    assert archive.class_names == ("sand", "water")
    labels = {
        name.split("/")[1][0]: tuple(row) for name, row in by_name(archive, archive.scene_labels).items()
    }
    assert labels == {"a": (1, 0), "b": (1, 1), "c": (1, 0), "d": (1, 1)}
    assert [len(archive.indices(split)) for split in ("train", "val", "test")] == [2, 1, 1]


def test_roboflow_calls_the_classes_of_masks_as_the_table_of_labels(root):
    (root / "classes.txt").unlink()
    for split in ("train", "valid", "test"):
        picture(root / split / f"{split}.jpg")
        mask(root / split / f"{split}_mask.png", 0, 1)
        (root / split / "_classes.csv").write_text("Pixel Value, Class\n0, sand\n1, water\n")
    with pytest.raises(InputError, match="--classes FILE"):
        plan(root)
    assert plan(root, classes=root / "train/_classes.csv").layout.class_names == ("sand", "water")
