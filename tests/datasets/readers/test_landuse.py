"""DLRSD and UC Merced in tiny copies of the layouts that circulate, and in hostile ones."""

from __future__ import annotations

import csv
import random
from collections import Counter
from pathlib import Path

import numpy as np
import openpyxl
import pytest
import scipy.io
from PIL import Image

from gridbench.datasets.readers.landuse.classes import (
    CLASS_NAMES,
    COLOURS,
    SCENES,
    canonical_names,
    class_of,
    split_of,
)
from gridbench.datasets.readers.landuse.dlrsd import plan_dlrsd
from gridbench.datasets.readers.landuse.labels import disagreements, find_label_sources, read_label_source
from gridbench.datasets.readers.landuse.plan import LandUseOptions
from gridbench.datasets.readers.landuse.ucmerced import plan_ucmerced
from gridbench.datasets.readers.prepare import prepare
from gridbench.datasets.readers.rasters.opening import quick_raster_access
from gridbench.datasets.readers.rasters.raster import read_raster
from gridbench.errors import InputError

NAMES = [f"{scene}{number:02d}" for scene in ("airplane", "beach") for number in range(10)]
LEGEND = np.array(list(COLOURS), np.uint8)


def rng_of(name):
    return np.random.default_rng(sum(map(ord, name)) * 100 + int(name[-2:]))


def photograph(name, size=(24, 24)):
    return rng_of(name).integers(0, 256, (*size, 3)).astype(np.uint8)


def classes(name, size=(24, 24)):
    """Return the map's classes, 0 to 16, of which all occur somewhere in the data set."""
    number = NAMES.index(name)
    label_map = np.full(size, number % 17, np.uint8)
    label_map[: size[0] // 2] = (number * 5 + 16) % 17
    return label_map


def labels(name):
    return [int(c in classes(name)) for c in range(17)]


def save_map(path, label_map, mode="P"):
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == "P":
        coded = Image.fromarray((label_map + 1).astype(np.uint8))
        coded.putpalette([0, 0, 0, *LEGEND.reshape(-1).tolist()])
        coded.save(path)
    elif mode in ("L1", "L0"):
        Image.fromarray((label_map + (mode == "L1")).astype(np.uint8)).save(path)
    else:
        colours = LEGEND[label_map]
        if mode == "RGBA":
            colours = np.dstack([colours, np.full(label_map.shape, 200, np.uint8)])
        Image.fromarray(colours).save(path)


def save_photograph(path, name, size=(24, 24)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photograph(name, size)).save(path)


def write_rows(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in [header, *rows]:
            book.active.append(row)
        book.save(path)
    elif path.suffix == ".txt":
        lines = ["\t".join(map(str, row)) for row in [header, *rows]]
        path.write_bytes(("\r\n".join(lines) + "\r\n").encode())
    else:
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([header, *rows])


def spelled(how):
    if how == "joined":
        return [name.replace("-", "") for name in CLASS_NAMES]
    return [name.replace("-", " ") for name in CLASS_NAMES] if how == "spaced" else list(CLASS_NAMES)


@pytest.fixture
def original(tmp_path):
    """The original layouts side by side: UC Merced, DLRSD's maps and workbook, and the multi-labels."""
    root = tmp_path / "original"
    shuffled = random.Random(0).sample(NAMES, len(NAMES))
    for name in shuffled:
        save_photograph(root / "UCMerced_LandUse" / "Images" / name[:-2] / f"{name}.tif", name)
        save_map(root / "DLRSD" / "Images" / name[:-2] / f"{name}.png", classes(name))
    (root / "UCMerced_LandUse" / "readme.txt").write_text("nothing of interest\n")
    rows = [[name, *labels(name)] for name in NAMES]
    write_rows(root / "DLRSD" / "multi-labels.xlsx", ["IMAGE\\LABEL", *spelled("joined")], rows)
    write_rows(root / "multilabels" / "LandUse_Multilabeled.txt", ["IMAGE\\LABEL", *spelled("dash")], rows)
    write_rows(root / "multilabels" / "LandUse_Multilabeled.xlsx", ["IMAGE\\LABEL", *spelled("dash")], rows)
    matrix = np.array([labels(name) for name in NAMES], np.uint8).T
    scipy.io.savemat(root / "multilabels" / "LandUse_multilabels.mat", {"labels": matrix})
    return root


@pytest.fixture
def mirror(tmp_path):
    """The mirror's layout: photographs below Images, maps below Labels, one CSV."""
    root = tmp_path / "mirror"
    for name in NAMES:
        save_photograph(root / "DLRSD" / "Images" / name[:-2] / f"{name}.tif", name)
        save_map(root / "DLRSD" / "Labels" / name[:-2] / f"{name}.png", classes(name))
    rows = [[f"{name}", *labels(name)] for name in NAMES]
    write_rows(root / "DLRSD" / "multilabels.csv", ["image", *spelled("joined")], rows)
    return root


def packed(plan, tmp_path, name="packed"):
    return prepare(plan, tmp_path / "cache", name, workers=1)


def check_content(archive, names=NAMES):
    assert sorted(archive.names) == sorted(names)
    assert archive.class_names == CLASS_NAMES
    for i, name in enumerate(archive.names):
        np.testing.assert_array_equal(archive.groups[0].pixels[i], photograph(name).transpose(2, 0, 1))
        assert archive.scene_labels[i].tolist() == labels(name)
        if archive.label_maps is not None:
            np.testing.assert_array_equal(archive.label_maps[i], classes(name))


# Tables


def test_the_class_table():
    assert len(CLASS_NAMES) == len(COLOURS) == 17
    assert len(SCENES) == 21
    assert COLOURS[(255, 192, 0)] == CLASS_NAMES.index("sand") == 11
    for how in ("dash", "joined", "spaced"):
        assert [class_of(word) for word in spelled(how)] == list(range(17))
    assert class_of("IMAGE\\LABEL") is None


def test_the_split_rule_gives_the_papers_counts():
    names = canonical_names()
    assert len(set(names)) == 2100
    assert Counter(split_of(int(name[-2:])) for name in names) == {"train": 1470, "val": 210, "test": 420}
    assert [split_of(i) for i in range(10)] == ["train", "test", "train", "train", "val", "train", "test"] + [
        "train"
    ] * 3


# Layouts


def test_the_original_layout(original, tmp_path):
    archive = packed(plan_dlrsd([original], LandUseOptions()), tmp_path)
    check_content(archive)
    assert [len(archive.indices(split)) for split in ("train", "val", "test")] == [14, 2, 4]
    assert {archive.names[i] for i in archive.indices("val")} == {"airplane04", "beach04"}


def test_the_mirrors_layout_gives_the_same_archive(original, mirror, tmp_path):
    first = packed(plan_dlrsd([original], LandUseOptions()), tmp_path, "a")
    second = packed(plan_dlrsd([mirror], LandUseOptions()), tmp_path, "b")
    check_content(second)
    assert first.fingerprint == second.fingerprint


def test_uc_merced_alone(original, tmp_path):
    import shutil

    shutil.rmtree(original / "DLRSD")
    archive = packed(plan_ucmerced([original], LandUseOptions()), tmp_path)
    check_content(archive)
    assert archive.label_maps is None


def test_the_folders_may_be_named_one_by_one(original, tmp_path):
    roots = [original / "DLRSD", original / "UCMerced_LandUse"]
    check_content(packed(plan_dlrsd(roots, LandUseOptions()), tmp_path))


def test_converted_copies_in_png_are_told_apart_by_their_folder(tmp_path):
    root = tmp_path / "png"
    for name in NAMES:
        save_photograph(root / "Images" / f"{name}.png", name)
        save_map(root / "Labels" / f"{name}.png", classes(name))
    write_rows(root / "multilabels.csv", ["image", *CLASS_NAMES], [[name, *labels(name)] for name in NAMES])
    check_content(packed(plan_dlrsd([root], LandUseOptions()), tmp_path))


def test_dlrsd_without_photographs_is_refused(original):
    with pytest.raises(InputError, match=r"20 label maps but no photographs.*--data"):
        plan_dlrsd([original / "DLRSD"], LandUseOptions())


def test_label_maps_are_never_taken_for_photographs(original):
    write_rows(original / "DLRSD" / "l.txt", ["i", *CLASS_NAMES], [[name, *labels(name)] for name in NAMES])
    with pytest.raises(InputError, match="is a label map, not a photograph"):
        plan_ucmerced([original / "DLRSD"], LandUseOptions())


def test_photographs_in_png_are_fine_for_uc_merced(tmp_path):
    for name in NAMES:
        save_photograph(tmp_path / "u" / f"{name}.png", name)
    write_rows(tmp_path / "u" / "l.txt", ["image", *CLASS_NAMES], [[name, *labels(name)] for name in NAMES])
    check_content(packed(plan_ucmerced([tmp_path / "u"], LandUseOptions()), tmp_path))


def test_dlrsd_without_maps_points_to_ucmerced(original):
    with pytest.raises(InputError, match=r"no label maps.*ucmerced"):
        plan_dlrsd([original / "UCMerced_LandUse", original / "multilabels"], LandUseOptions())


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(InputError, match="no image of UC Merced"):
        plan_dlrsd([tmp_path], LandUseOptions())
    with pytest.raises(InputError, match="no folder"):
        plan_dlrsd([tmp_path / "x"], LandUseOptions())


def test_two_different_files_for_one_image_are_refused_and_copies_are_not(original, tmp_path):
    copy = original / "copy" / "airplane00.tif"
    save_photograph(copy, "airplane00")
    plan_dlrsd([original], LandUseOptions())
    save_photograph(copy, "airplane01")
    with pytest.raises(InputError, match="two different photographs of airplane00"):
        plan_dlrsd([original], LandUseOptions())


def test_what_lacks_its_partner_is_left_out_and_counted(original, tmp_path):
    (original / "UCMerced_LandUse" / "Images" / "airplane" / "airplane03.tif").unlink()
    (original / "DLRSD" / "Images" / "beach" / "beach08.png").unlink()
    save_photograph(original / "UCMerced_LandUse" / "Images" / "x" / "unrelated.tif", "airplane00")
    archive = packed(plan_dlrsd([original], LandUseOptions()), tmp_path)
    check_content(archive, [name for name in NAMES if name not in ("airplane03", "beach08")])
    notes = archive.report["notes"]
    assert "1 photograph without a label map, left out: beach08" in notes
    assert "1 label map without a photograph, left out: airplane03" in notes
    assert "1 row of scene labels without an image: airplane03" in notes
    assert "passed over: 1 file with the name of no UC Merced image" in notes


# Label maps


@pytest.mark.parametrize("mode", ["P", "L1", "L0", "RGB", "RGBA"])
def test_every_encoding_of_the_maps_gives_the_same_classes(original, tmp_path, mode):
    for name in NAMES:
        save_map(original / "DLRSD" / "Images" / name[:-2] / f"{name}.png", classes(name), mode)
    check_content(packed(plan_dlrsd([original], LandUseOptions()), tmp_path))


def test_encodings_may_differ_from_file_to_file(original, tmp_path):
    for i, name in enumerate(NAMES):
        mode = ["P", "L1", "RGB", "RGBA"][i % 4]
        label_map = classes(name)
        save_map(original / "DLRSD" / "Images" / name[:-2] / f"{name}.png", label_map, mode)
    options = LandUseOptions(map_base=1)
    check_content(packed(plan_dlrsd([original], options), tmp_path))


def test_a_palette_in_another_order_is_read_by_its_colours(original, tmp_path):
    for name in NAMES:
        coded = Image.fromarray((16 - classes(name)).astype(np.uint8))
        coded.putpalette(LEGEND[::-1].reshape(-1).tolist())
        coded.save(original / "DLRSD" / "Images" / name[:-2] / f"{name}.png")
    check_content(packed(plan_dlrsd([original], LandUseOptions()), tmp_path))


def test_a_palette_of_no_meaning_is_read_by_its_indices(original, tmp_path):
    for name in NAMES:
        path = original / "DLRSD" / "Images" / name[:-2] / f"{name}.png"
        Image.fromarray((classes(name).clip(0, 14) + 1).astype(np.uint8)).convert("P").save(path)
    archive = packed(plan_dlrsd([original], LandUseOptions()), tmp_path)
    for name, label_map in zip(archive.names, archive.label_maps, strict=True):
        np.testing.assert_array_equal(label_map, classes(name).clip(0, 14))


def test_indices_that_may_count_from_0_or_from_1_are_not_guessed(original, tmp_path):
    for name in NAMES:
        label_map = classes(name).clip(0, 14)
        save_map(original / "DLRSD" / "Images" / name[:-2] / f"{name}.png", label_map, "L1")
    with pytest.raises(InputError, match=r"from 0 or from 1.*--map-base"):
        plan_dlrsd([original], LandUseOptions())
    archive = packed(plan_dlrsd([original], LandUseOptions(map_base=1)), tmp_path)
    np.testing.assert_array_equal(archive.label_maps[0], classes(archive.names[0]).clip(0, 14))


def test_map_base_is_obeyed_or_refused(original):
    def save(mode, name_of=classes):
        for name in NAMES:
            save_map(original / "DLRSD" / "Images" / name[:-2] / f"{name}.png", name_of(name), mode)

    save("RGB")
    with pytest.raises(InputError, match="--map-base is about label maps of plain indices"):
        plan_dlrsd([original], LandUseOptions(map_base=1))
    save("L1")
    with pytest.raises(InputError, match="--map-base 0 contradicts the label maps: they hold 17"):
        plan_dlrsd([original], LandUseOptions(map_base=0))
    save("L0")
    plan = plan_dlrsd([original], LandUseOptions(map_base=1))
    assert "label maps hold 0, which is not a class when they count from 1" in plan.report["notes"]


def test_grey_pictures_of_palette_maps_are_refused(original):
    for name in NAMES:
        path = original / "DLRSD" / "Images" / name[:-2] / f"{name}.png"
        Image.open(path).convert("RGB").convert("L").save(path)
    with pytest.raises(InputError, match="turned grey"):
        plan_dlrsd([original], LandUseOptions())


def test_colours_outside_the_legend_are_ignored_and_counted(original, tmp_path):
    colours = LEGEND[classes("airplane00")]
    colours[0, :5] = (1, 2, 3)
    Image.fromarray(colours).save(original / "DLRSD" / "Images" / "airplane" / "airplane00.png")
    archive = packed(plan_dlrsd([original], LandUseOptions()), tmp_path)
    assert archive.report["findings"] == {
        "map pixels of the value #010203, which no class has; they are ignored": 5
    }
    assert (archive.label_maps[archive.names.index("airplane00")][0, :5] == 255).all()


def test_sizes_beyond_what_the_data_set_is_known_for_are_left_out(original, tmp_path):
    images, maps = (original / part / "Images" / "airplane" for part in ("UCMerced_LandUse", "DLRSD"))
    save_photograph(images / "airplane00.tif", "airplane00", (48, 48))
    save_map(maps / "airplane01.png", classes("airplane01", (20, 20)))
    save_map(maps / "airplane02.png", classes("airplane02", (24, 25)))
    report = packed(plan_dlrsd([original], LandUseOptions()), tmp_path).report
    reasons = {Path(row["file"]).stem: row["reason"] for row in report["failed"]}
    assert "is 48 x 48 pixels, the others 24 x 24" in reasons["airplane00"]
    assert reasons["airplane01"] == "is 20 x 20 pixels, its photograph 24 x 24"
    assert reasons["airplane02"] == "is 24 x 25 pixels, its photograph 24 x 24"


def test_odd_sizes_are_brought_to_the_usual_one_and_counted(original, tmp_path):
    images = original / "UCMerced_LandUse" / "Images" / "airplane"
    save_photograph(images / "airplane00.tif", "airplane00", (22, 24))
    save_photograph(images / "airplane01.tif", "airplane01", (24, 25))
    save_map(original / "DLRSD" / "Images" / "airplane" / "airplane01.png", classes("airplane01", (24, 25)))
    archive = packed(plan_dlrsd([original], LandUseOptions()), tmp_path)
    assert archive.image_size == (24, 24)
    assert archive.report["findings"] == {
        "photographs of an odd size, resized to 24 x 24": 2,
        "label maps of an odd size, resized to 24 x 24": 1,
    }
    stored = archive.label_maps[archive.names.index("airplane01")]
    assert set(np.unique(stored)) == set(np.unique(classes("airplane01")))
    source = photograph("airplane00", (22, 24))[:, :, 1].astype(np.float32)
    expected = np.asarray(Image.fromarray(source, mode="F").resize((24, 24), Image.Resampling.BICUBIC))
    ours = archive.groups[0].pixels[archive.names.index("airplane00"), 1]
    assert np.abs(ours - expected.clip(0, 255)).max() < 0.51


def test_broken_files_are_listed_and_left_out(original, tmp_path):
    images = original / "UCMerced_LandUse" / "Images" / "airplane"
    (images / "airplane00.tif").write_bytes(b"")
    whole = (original / "DLRSD" / "Images" / "airplane" / "airplane01.png").read_bytes()
    (original / "DLRSD" / "Images" / "airplane" / "airplane01.png").write_bytes(whole[:-20])
    archive = packed(plan_dlrsd([original], LandUseOptions()), tmp_path)
    assert len(archive) == 18
    assert {Path(row["file"]).name for row in archive.report["failed"]} == {
        "airplane00.tif",
        "airplane01.png",
    }


# Labels


def test_every_disagreement_between_label_files_is_reported(original, tmp_path):
    rows = [[name, *labels(name)] for name in NAMES]
    rows[3][1 + 7] = 1 - rows[3][1 + 7]
    write_rows(original / "multilabels" / "LandUse_Multilabeled.txt", ["IMAGE\\LABEL", *CLASS_NAMES], rows)
    archive = packed(plan_dlrsd([original], LandUseOptions()), tmp_path)
    check_content(archive)
    sources = {Path(row["file"]).name: row for row in archive.report["label_sources"]}
    assert sources["multi-labels.xlsx"]["used"]
    wrong = sources["LandUse_Multilabeled.txt"]
    assert wrong["disagreements"] == 1
    assert wrong["listed"] == [
        {
            "image": "airplane03",
            "class": "field",
            "chosen": labels("airplane03")[7],
            "other": 1 - labels("airplane03")[7],
        }
    ]
    assert sources["LandUse_multilabels.mat"]["disagreements"] == 0
    assert any("LandUse_Multilabeled.txt differs in 1 label " in note for note in archive.report["notes"])


def test_a_matrix_alone_is_read_transposed_or_not(original, tmp_path):
    for path in (original / "multilabels").glob("*Multilabeled*"):
        path.unlink()
    matrix = np.array([labels(name) for name in NAMES], np.uint8)
    for content in (matrix, matrix.T):
        scipy.io.savemat(original / "multilabels" / "LandUse_multilabels.mat", {"labels": content})
        (original / "DLRSD" / "multi-labels.xlsx").unlink(missing_ok=True)
        source = read_label_source(original / "multilabels" / "LandUse_multilabels.mat", NAMES)
        assert {name: row.tolist() for name, row in source.labels.items()} == {n: labels(n) for n in NAMES}
    plan = plan_ucmerced([original / "UCMerced_LandUse", original / "multilabels"], LandUseOptions())
    check_content(packed(plan, tmp_path))


def test_a_matrix_that_fits_no_names_is_passed_over_with_a_note(original):
    scipy.io.savemat(
        original / "multilabels" / "LandUse_multilabels.mat", {"labels": np.zeros((17, 5), np.uint8)}
    )
    plan = plan_dlrsd([original], LandUseOptions())
    assert any("5 columns and no names" in note for note in plan.report["notes"])


def test_labels_may_come_from_the_maps(original, tmp_path):
    (original / "DLRSD" / "multi-labels.xlsx").unlink()
    archive = packed(
        plan_dlrsd(
            [original / "DLRSD", original / "UCMerced_LandUse"], LandUseOptions(labels_from_maps=True)
        ),
        tmp_path,
    )
    check_content(archive)


def test_a_named_label_file_is_the_one_that_is_used(original, tmp_path):
    rows = [[f"{name}.tif", *[1] * 17] for name in NAMES]
    write_rows(tmp_path / "own.csv", ["file", *spelled("spaced")], rows)
    archive = packed(plan_dlrsd([original], LandUseOptions(labels=tmp_path / "own.csv")), tmp_path)
    assert archive.scene_labels.all()


def test_without_any_label_file_the_message_says_what_to_give(original):
    with pytest.raises(InputError, match=r"no file of multi-labels.*--labels"):
        plan_ucmerced([original / "UCMerced_LandUse"], LandUseOptions())


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        (["image", *CLASS_NAMES[:-1]], ["airplane00", *[0] * 16], "no column for water"),
        (["image", *CLASS_NAMES], ["airplane00", *[0] * 16, 2], "'2', not 0 or 1"),
        (["image", *CLASS_NAMES], ["airplain00", *[0] * 17], "not an image of UC Merced"),
    ],
)
def test_a_label_file_that_cannot_be_right_is_refused(tmp_path, header, row, message):
    write_rows(tmp_path / "l.csv", header, [row])
    with pytest.raises(InputError, match=message):
        read_label_source(tmp_path / "l.csv", NAMES)


# Real samples


def test_the_real_label_files_agree_in_all_but_one_cell(samples):
    sources, notes = find_label_sources(
        [samples / "ucm-multilabels"], [], ("multilabeled.txt", ".txt", ".xlsx", ".mat")
    )
    assert not notes
    assert [source.path.name for source in sources] == [
        "LandUse_Multilabeled.txt",
        "LandUse_Multilabeled.from-ucmdata.txt",
        "LandUse_Multilabeled.xlsx",
        "LandUse_multilabels.mat",
    ]
    found = [disagreements(sources[0], other) for other in sources[1:]]
    assert found == [[], [], [{"image": "tenniscourt97", "class": "field", "chosen": 0, "other": 1}]]
    values = np.array(list(sources[0].labels.values()))
    assert Counter(values.sum(1).tolist()) == {1: 224, 2: 426, 3: 512, 4: 442, 5: 365, 6: 119, 7: 12}
    expected = [100, 718, 691, 886, 115, 105, 100, 103, 975, 102, 1300, 294, 100, 102, 100, 1009, 203]
    assert values.sum(0).tolist() == expected
    assert list(sources[0].labels) == canonical_names()


def test_the_sample_in_the_original_layout(tmp_path, samples):
    root = samples / "dlrsd-ucm-layout-pseudo"
    archive = packed(plan_dlrsd([root], LandUseOptions()), tmp_path)
    assert len(archive) == 40
    assert archive.image_size == (256, 256)
    assert [len(archive.indices(split)) for split in ("train", "val", "test")] == [28, 4, 8]
    assert archive.report["findings"] == {
        "photographs of an odd size, resized to 256 x 256": 3,
        "label maps of an odd size, resized to 256 x 256": 1,
    }
    assert archive.report["failed_count"] == 0
    for i in (0, 7):
        name = archive.names[i]
        with quick_raster_access():
            indices = read_raster(root / "DLRSD" / "Images" / name[:-2] / f"{name}.png").pixels[0]
        if indices.shape == (256, 256):
            np.testing.assert_array_equal(archive.label_maps[i], indices - 1)
    disagreeing = [row["disagreements"] for row in archive.report["label_sources"][1:]]
    assert disagreeing == [3, 3, 3]
