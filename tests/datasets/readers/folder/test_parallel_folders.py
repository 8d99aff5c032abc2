"""Folders of images and of their masks, which are not classes."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from gridbench.datasets.readers.folder.folder import plan_folder
from gridbench.datasets.readers.folder.options import FolderOptions
from gridbench.errors import InputError

NAMES = [f"t{i}" for i in range(6)]


def picture(path, seed=0, bands=3):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8, bands), dtype=np.uint8)
    Image.fromarray(pixels.squeeze()).save(path)


def plan(root, **options):
    return plan_folder(root, FolderOptions(**options))


@pytest.mark.parametrize(
    ("images", "masks", "ending", "bands"),
    [
        ("photos/{}.jpg", "drawn/{}.png", "other ending", 3),
        ("s2/{}.png", "s1/{}.png", "other bands", 1),
        ("photos/{}.png", "segmentation/{}.png", "by the folder's name", 3),
        ("train/photos/{}.png", "train/segmentation/{}.png", "below the splits", 3),
    ],
)
def test_folders_of_images_and_masks_are_no_classes(tmp_path, images, masks, ending, bands):
    for i, name in enumerate(NAMES):
        for form, count in ((images, 3), (masks, bands)):
            path = tmp_path / form.format(name)
            picture(path, i, count)
            if "train" in form:
                picture(path.parents[2] / "test" / path.parent.name / path.name, i, count)
    with pytest.raises(
        InputError, match=r"hold files of the same names.*--images .*--masks .*--classes FILE"
    ):
        plan(tmp_path)


def test_a_list_of_the_classes_says_that_they_are(tmp_path):
    for i, name in enumerate(NAMES):
        picture(tmp_path / "with_mask" / f"{name}.png", i)
        picture(tmp_path / "without" / f"{name}.png", i)
    classes = tmp_path / "classes.txt"
    classes.write_text("with_mask\nwithout\n")
    assert plan(tmp_path, classes=classes).layout.class_names == ("with_mask", "without")


def test_classes_may_be_numbered_alike(tmp_path):
    for i, name in enumerate(NAMES):
        for folder in ("beach", "forest", "river"):
            picture(tmp_path / folder / f"{name}.png", i, 1 if (folder, i) == ("beach", 0) else 3)
    found = plan(tmp_path)
    assert found.layout.class_names == ("beach", "forest", "river")
    assert any("hold files of the same names" in note for note in found.report["notes"])


@pytest.mark.parametrize("name", ["unlabeled", "None", "NaN"])
def test_a_folder_of_images_without_a_label_is_no_class(tmp_path, name):
    for folder in ("cat", "dog", name):
        for i in range(4):
            picture(tmp_path / folder / f"{folder}{i}.png", i)
    with pytest.raises(
        InputError, match=f"The folder '{name}' may be a class, or hold images without a label"
    ):
        plan(tmp_path)


def test_folders_of_one_number_are_refused(tmp_path):
    for folder in ("01", "1", "2"):
        for i in range(4):
            picture(tmp_path / folder / f"{folder}_{i}.png", i)
    with pytest.raises(InputError, match="'01' and '1' are the same number"):
        plan(tmp_path)


def test_the_layout_of_pascal_voc_is_read(tmp_path):
    for i, name in enumerate(NAMES):
        picture(tmp_path / "JPEGImages" / f"{name}.jpg", i)
        path = tmp_path / "SegmentationClass" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8), i % 2, np.uint8)).save(path)
    (tmp_path / "classes.txt").write_text("sea\nland\n")
    assert plan(tmp_path).layout.map_size == (8, 8)


def test_overviews_beside_images_are_no_images(tmp_path):
    for i, name in enumerate(NAMES):
        picture(tmp_path / ("cat" if i < 3 else "dog") / f"{name}.tif", i)
        side = tmp_path / ("cat" if i < 3 else "dog") / f"{name}.tif.ovr"
        side.write_bytes((side.parent / f"{name}.tif").read_bytes())
    assert len(plan(tmp_path).names) == len(NAMES)


@pytest.mark.parametrize(
    ("ending", "words"),
    [(".txt", "YOLO, Pascal VOC and LabelMe"), (".npy", r"must be saved as PNG or TIFF")],
)
def test_files_of_other_kinds_are_named_where_there_are_no_labels(tmp_path, ending, words):
    for i, name in enumerate(NAMES):
        picture(tmp_path / "images" / f"{name}.png", i)
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels" / f"{name}{ending}").write_text("0 0.5 0.5 0.2 0.2")
    with pytest.raises(InputError, match=rf"end in \{ending} \(6\).*{words}"):
        plan(tmp_path)


def test_other_kinds_are_named_where_there_is_no_image(tmp_path):
    (tmp_path / "labels.csv").write_text("file,label\nt0,a\n")
    (tmp_path / "images.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"There is no image below .*\.zip \(1\).*unpack archives"):
        plan(tmp_path)
