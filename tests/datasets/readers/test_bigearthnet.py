"""BigEarthNet, versions 1 and 2, in tiny copies of the true layouts and in hostile ones."""

from __future__ import annotations

import bz2
import gzip
import json
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio

from gridbench.datasets.readers.bigearthnet.bigearthnet import BigEarthNetOptions, plan_bigearthnet
from gridbench.datasets.readers.bigearthnet.classes import (
    CLASS_NAMES,
    CORINE,
    UnknownLabel,
    classes_of_codes,
    multi_hot,
)
from gridbench.datasets.readers.bigearthnet.lists import (
    find_split_lists,
    paper_lists,
    read_names,
)
from gridbench.datasets.readers.bigearthnet.lmdb import plan_units_from_lmdb, read_lmdb_unit, v1_or_v2_keys
from gridbench.datasets.readers.bigearthnet.lmdb_file import read_place, value_places
from gridbench.datasets.readers.bigearthnet.metadata import PatchRow
from gridbench.datasets.readers.bigearthnet.split import Patch
from gridbench.datasets.readers.bigearthnet.unit import BANDS
from gridbench.datasets.readers.prepare import prepare
from gridbench.datasets.readers.rasters.opening import quick_raster_access
from gridbench.datasets.readers.source_files import Unreadable
from gridbench.errors import InputError

FINE, COARSE, ROUGH = 12, 6, 2
SIZES = {"B01": ROUGH, "B09": ROUGH} | dict.fromkeys(BANDS[0][1], FINE) | dict.fromkeys(BANDS[1][1], COARSE)

V1 = [
    "S2A_MSIL2A_20170613T101031_87_48",
    "S2A_MSIL2A_20170613T101031_4_5",
    "S2B_MSIL2A_20180204T94161_57_38",
    "S2B_MSIL2A_20170802T92031_0_0",
    "S2A_MSIL2A_20170803T094031_7_90",
    "S2A_MSIL2A_20170803T094031_8_9",
]
V1_LABELS = [
    ["Discontinuous urban fabric", "Non-irrigated arable land", "Road and rail networks and associated land"],
    ["Transitional woodland/shrub", "Beaches, dunes, sands"],
    ["Coniferous forest", "Mixed forest"],
    ["Sea and ocean", "Estuaries"],
    ["Land principally occupied by agriculture, with significant areas of natural vegetation"],
    ["Bare rock", "Peatbogs"],
]
TILE = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP"
OTHER_TILE = "S2B_MSIL2A_20180204T094161_N9999_R036_T35VPK"
V2 = [f"{TILE}_87_48", f"{TILE}_04_05", f"{OTHER_TILE}_57_38", f"{TILE}_00_00"]
V2_OF_V1 = [0, 1, 2, 3]
CODES = [[112, 211, 122], [324, 331, 999], [312, 313, 0], [523, 522, 335]]
SPLITS = ["train", "train", "validation", "test"]


def band_pixels(index, band):
    rng = np.random.default_rng(index * 100 + int(band[1:].replace("8A", "80")))
    return rng.integers(0, 20000, (SIZES[band], SIZES[band])).astype(np.uint16)


def write(path, pixels, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "height": pixels.shape[0], "width": pixels.shape[1], "count": 1}
    with quick_raster_access(), rasterio.open(path, "w", dtype=pixels.dtype.name, **profile, **more) as sink:
        sink.write(pixels, 1)


def write_patch(folder, index, dtype=np.uint16, size=None):
    for band in SIZES:
        pixels = band_pixels(index, band)
        if size:
            pixels = np.resize(pixels, (size, size))
        write(folder / f"{folder.name}_{band}.tif", pixels.astype(dtype))


def reference(index):
    return np.resize(np.array(CODES[index], np.uint16), (FINE, FINE))


def metadata_table(names=V2, v1=True, columns=None):
    content = {
        "patch_id": names,
        "labels": [sorted(np.array(CLASS_NAMES)[multi_hot_of_codes(i)].tolist()) for i in range(len(names))],
        "split": SPLITS[: len(names)],
        "country": ["Austria"] * len(names),
        "s1_name": [f"S1A_{i}" for i in range(len(names))],
        "s2v1_name": [V1[V2_OF_V1[i]] for i in range(len(names))],
        "contains_seasonal_snow": [False] * len(names),
        "contains_cloud_or_shadow": [False] * len(names),
    }
    if columns:
        content = {name: content[name] for name in columns}
    return pa.table(content)


def multi_hot_of_codes(index):
    targets = {code: target for code, _, target in CORINE}
    present = {targets.get(code) for code in CODES[index]} - {None}
    return [c in present for c in range(19)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Both versions, as they are unpacked."""
    root = tmp_path_factory.mktemp("ben")
    for index, (name, labels) in enumerate(zip(V1, V1_LABELS, strict=True)):
        folder = root / "one" / "BigEarthNet-v1.0" / name
        write_patch(folder, index)
        content = {"labels": labels, "projection": "x", "acquisition_date": "2017-06-13 10:10:31"}
        (folder / f"{name}_labels_metadata.json").write_text(json.dumps(content))
    (root / "one" / "BigEarthNet-v1.0" / "readme.txt").write_text("stray")
    (root / "one" / "BigEarthNet-S1-v1.0" / "S1A_IW_GRDH_1SDV_20170613T165043_33UUP_61_39").mkdir(
        parents=True
    )
    two = root / "two"
    for index, name in enumerate(V2):
        tile = name.rsplit("_", 2)[0]
        write_patch(two / "BigEarthNet-S2" / tile / name, 10 + index)
        where = two / "Reference_Maps" / tile / name / f"{name}_reference_map.tif"
        write(where, reference(index), nodata=0, compress="deflate", predictor=2)
    pq.write_table(metadata_table(), two / "metadata.parquet")
    return root


@pytest.fixture
def one(made, tmp_path):
    return shutil.copytree(made / "one", tmp_path / "one")


@pytest.fixture
def two(made, tmp_path):
    return shutil.copytree(made / "two", tmp_path / "two")


def packed(roots, tmp_path, name="ben", **options):
    roots = roots if isinstance(roots, list) else [roots]
    return prepare(
        plan_bigearthnet(roots, BigEarthNetOptions(**options)), tmp_path / "cache", name, workers=1
    )


def check_pixels(archive, names, first):
    assert archive.band_names == ("B04", "B03", "B02", "B08", "B05", "B06", "B07", "B8A", "B11", "B12")
    for i, name in enumerate(archive.names):
        for group, (_, bands) in zip(archive.groups, BANDS, strict=True):
            expected = np.stack([band_pixels(first + names.index(name), band) for band in bands])
            np.testing.assert_array_equal(group.pixels[i], expected)


def split_of(archive):
    return {archive.names[i]: split for split in ("train", "val", "test") for i in archive.indices(split)}


# Class tables


def test_the_class_tables():
    assert len(CLASS_NAMES) == 19
    assert len(CORINE) == 44
    assert CLASS_NAMES.index("Pastures") == 4
    assert CLASS_NAMES.index("Marine waters") == 18
    without = [code for code, _, target in CORINE if target is None]
    assert without == [122, 123, 124, 131, 132, 133, 141, 142, 332, 334, 335, 423]
    by_class = {}
    for code, _, target in CORINE:
        by_class.setdefault(target, []).append(code)
    assert by_class[3] == [221, 222, 223, 241]
    assert by_class[11] == [321, 333]
    assert by_class[12] == [322, 323]
    assert by_class[18] == [521, 522, 523]


def test_codes_without_a_class_are_ignored_and_unknown_ones_refused():
    codes = np.array([[0, 999, 111, 523], [335, 423, 122, 331]], np.uint16)
    assert classes_of_codes(codes).tolist() == [[255, 255, 0, 18], [255, 255, 255, 14]]
    for wrong in (110, 524, 998, 65535):
        with pytest.raises(UnknownLabel, match=str(wrong)):
            classes_of_codes(np.array([[111, wrong]], np.uint16))


def test_labels_are_mapped_by_name_in_both_nomenclatures():
    assert np.flatnonzero(multi_hot(["Transitional woodland/shrub"])).tolist() == [13]
    assert np.flatnonzero(multi_hot(["Transitional woodland, shrub", "Peatbogs"])).tolist() == [13, 15]
    assert not multi_hot(["Bare rock", "Burnt areas"]).any()
    with pytest.raises(UnknownLabel, match="Moorland"):
        multi_hot(["Moorland"])


# Lists of names


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("header", [False, True])
def test_lists_in_every_form(tmp_path, ending, columns, header):
    lines = ["s2,s1" if columns == 2 else "patch"] if header else []
    lines += [f"{name},S1A_IW_x" if columns == 2 else name for name in [*V1, *V2]]
    lines.insert(3, "")
    (tmp_path / "train.csv").write_bytes((ending.join(lines) + ending + ending).encode())
    assert read_names(tmp_path / "train.csv") == [*V1, *V2]


def test_a_list_with_the_columns_exchanged_and_a_byte_order_mark(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + "\n".join(f"S1A_IW_x,{name}" for name in V1).encode())
    assert read_names(tmp_path / "a.csv") == V1


def test_lists_that_cannot_be_right_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text(f"{V1[0]}\nnonsense\n")
    with pytest.raises(InputError, match="'nonsense' in line 2"):
        read_names(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("header\n")
    with pytest.raises(InputError, match="no patch"):
        read_names(tmp_path / "a.csv")
    (tmp_path / "train.csv").write_text(V1[0])
    (tmp_path / "bigearthnet-test.csv").write_text(V1[0])
    with pytest.raises(InputError, match="in two lists"):
        find_split_lists(tmp_path)
    (tmp_path / "validation.csv").write_text(V1[1])
    (tmp_path / "val.csv").write_text(V1[1])
    with pytest.raises(InputError, match="two lists of the split val"):
        find_split_lists(tmp_path)


def test_the_papers_lists_ship_with_the_product():
    lists = paper_lists()
    assert {split: len(names) for split, names in lists.items()} == {"train": 7761, "val": 3508, "test": 3563}
    everything = [name for names in lists.values() for name in names]
    assert len(set(everything)) == 14832
    dates = Counter(name.split("_")[2][:8] for name in everything)
    assert dates == {"20170825": 5378, "20170803": 4875, "20170802": 2850, "20170827": 1101, "20170719": 628}


# Version 1


@pytest.mark.parametrize("where", [".", "BigEarthNet-v1.0"])
def test_version_1_from_the_folder_above_or_itself(one, tmp_path, where):
    archive = packed(one / where, tmp_path, split="60/20/20")
    assert len(archive) == 6
    check_pixels(archive, V1, 0)
    assert [g.pixels.shape[1:] for g in archive.groups] == [(4, FINE, FINE), (6, COARSE, COARSE)]
    for name, labels in zip(archive.names, archive.scene_labels, strict=True):
        expected = multi_hot(V1_LABELS[V1.index(name)])
        np.testing.assert_array_equal(labels, expected)
    assert archive.label_maps is None
    assert archive.report["failed_count"] == 0


def test_damaged_patches_of_version_1_are_listed_and_left_out(one, tmp_path):
    root = one / "BigEarthNet-v1.0"
    for i, name in enumerate([f"S2A_MSIL2A_20170613T101031_{n}_1" for n in range(6)]):
        shutil.copytree(root / V1[0], root / name)
        for path in list((root / name).iterdir()):
            path.rename(path.with_name(path.name.replace(V1[0], name)))
        if i == 0:
            (root / name / f"{name}_labels_metadata.json").unlink()
        if i == 1:
            (root / name / f"{name}_B8A.tif").unlink()
        if i == 2:
            (root / name / f"{name}_B02.tif").write_bytes(b"")
        if i == 3:
            path = root / name / f"{name}_B12.tif"
            path.write_bytes(path.read_bytes()[:-10])
        if i == 4:
            (root / name / f"{name}_labels_metadata.json").write_text('{"labels": ["Atlantis"]}')
        if i == 5:
            # Sparse, so that it takes no room on the disk.
            os.truncate(root / name / f"{name}_B03.tif", 100 * 2**30)
    archive = packed(one, tmp_path, split="60/20/20")
    assert sorted(archive.names) == sorted(V1)
    check_pixels(archive, V1, 0)
    reasons = {
        Path(row["file"]).name.split("20170613T101031_")[1]: row["reason"] for row in archive.report["failed"]
    }
    assert archive.report["failed_count"] == 6
    assert reasons["0_1_labels_metadata.json"] == "is missing"
    assert reasons["1_1_B8A.tif"] == "is missing"
    assert reasons["2_1_B02.tif"] == "is empty"
    assert reasons["3_1_B12.tif"] == "is cut short"
    assert "'Atlantis'" in reasons["4_1_labels_metadata.json"]
    assert reasons["5_1_B03.tif"].startswith("has 107,374,182,400 bytes; such a file may have 67,108,864")


@pytest.mark.parametrize("content", ["", "[]", '{"labels": 3}', "{}", "\x00"])
def test_a_json_that_is_none_is_listed(one, tmp_path, content):
    (one / "BigEarthNet-v1.0" / V1[0] / f"{V1[0]}_labels_metadata.json").write_text(content)
    archive = packed(one, tmp_path, split="60/20/20")
    assert len(archive) == 5
    reason = "is not JSON with labels" if content else "is empty"
    assert reason in archive.report["failed"][0]["reason"]


def test_patches_without_one_of_the_19_classes_are_left_out_and_counted(one, tmp_path):
    (one / "BigEarthNet-v1.0" / V1[5] / f"{V1[5]}_labels_metadata.json").write_text(
        '{"labels": ["Bare rock"]}'
    )
    archive = packed(one, tmp_path, split="60/20/20")
    assert len(archive) == 5
    assert archive.report["findings"] == {"left out: none of the 19 classes": 1}


def test_bands_that_all_have_one_tiny_size_are_read(one, tmp_path):
    for index, name in enumerate(V1):
        write_patch(one / "BigEarthNet-v1.0" / name, index, size=2)
    archive = packed(one, tmp_path, split="60/20/20")
    assert [g.pixels.shape for g in archive.groups] == [(6, 4, 2, 2), (6, 6, 2, 2)]
    assert archive.gather(np.arange(6)).shape == (6, 10, 2, 2)


def test_a_patch_of_another_size_is_listed(one, tmp_path):
    write(one / "BigEarthNet-v1.0" / V1[2] / f"{V1[2]}_B03.tif", np.zeros((5, 5), np.uint16))
    archive = packed(one, tmp_path, split="60/20/20")
    assert len(archive) == 5
    assert "1 x 5 x 5 pixels instead of 1 x 12 x 12" in archive.report["failed"][0]["reason"]


def test_the_lists_beside_the_archive_are_its_split(one, tmp_path):
    (one / "bigearthnet-train.csv").write_text("".join(f"{name},S1A_x\n" for name in V1[:3]))
    (one / "bigearthnet-val.csv").write_text(f"{V1[3]},S1A_x\n")
    (one / "bigearthnet-test.csv").write_text(f"{V1[4]},S1A_x\n\nS2A_MSIL2A_20170613T101031_50_50,S1A_x\n")
    archive = packed(one, tmp_path)
    assert split_of(archive) == dict(zip(V1[:5], ["train", "train", "train", "val", "test"], strict=True))
    notes = " | ".join(archive.report["notes"])
    assert "1 of the 6 patches of the lists" in notes
    assert "test 1 of 2" in notes
    assert "left out: 1 patch in none of" in notes


def test_a_folder_of_lists_may_be_named(one, tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "train.txt").write_text("\r\n".join(V1[1:3]) + "\r\n")
    archive = packed(one, tmp_path, splits=tmp_path / "lists")
    assert split_of(archive) == {V1[1]: "train", V1[2]: "train"}
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no lists train, val, test"):
        plan_bigearthnet([one], BigEarthNetOptions(splits=tmp_path / "empty"))


def test_the_papers_lists_decide_when_they_know_patches(one, tmp_path):
    known = {split: names[0] for split, names in paper_lists().items()}
    root = one / "BigEarthNet-v1.0"
    for name in known.values():
        shutil.copytree(root / V1[0], root / name)
        for path in list((root / name).iterdir()):
            path.rename(path.with_name(path.name.replace(V1[0], name)))
    archive = packed(one, tmp_path)
    assert split_of(archive) == {name: split for split, name in known.items()}
    notes = " | ".join(archive.report["notes"])
    assert "not there: 14829 of the 14832 patches of the paper's lists" in notes
    assert "train 7760 of 7761, val 3507 of 3508, test 3562 of 3563" in notes


def test_without_any_list_that_fits_the_split_is_by_name_and_says_so(one, tmp_path):
    archive = packed(one, tmp_path)
    assert len(archive) == 6
    assert any(
        "divided 70/10/20 by their names; results are not comparable" in n for n in archive.report["notes"]
    )
    with pytest.raises(InputError, match=r"train split of the paper's lists.*--split 70/10/20"):
        plan_bigearthnet([one], BigEarthNetOptions(split="paper"))


def test_lists_of_snow_and_clouds_leave_patches_out(one, tmp_path):
    (one / "patches_with_seasonal_snow.csv").write_text(V1[0] + "\n")
    (tmp_path / "mine.csv").write_text(V1[1] + "\n")
    archive = packed(one, tmp_path, split="50/25/25", exclude=(tmp_path / "mine.csv",))
    assert sorted(archive.names) == sorted(V1[2:])
    assert "1 patch left out because patches_with_seasonal_snow.csv lists them" in archive.report["notes"]


# Version 2


def test_version_2_with_its_maps_and_its_split(two, tmp_path):
    archive = packed(two, tmp_path)
    assert split_of(archive) == dict(zip(V2, ["train", "train", "val", "test"], strict=True))
    check_pixels(archive, V2, 10)
    for i, name in enumerate(archive.names):
        index = V2.index(name)
        np.testing.assert_array_equal(archive.label_maps[i], classes_of_codes(reference(index)))
        np.testing.assert_array_equal(archive.scene_labels[i], multi_hot_of_codes(index))
    assert archive.report["findings"] == {"reference maps with pixels without a class, which are ignored": 4}


def test_version_2_without_maps(two, tmp_path):
    shutil.rmtree(two / "Reference_Maps")
    assert packed(two, tmp_path).label_maps is None
    with pytest.raises(InputError, match=r"no reference maps.*--no-maps"):
        plan_bigearthnet([two], BigEarthNetOptions(maps=True))


def test_maps_that_lack_or_lie_are_listed_or_counted(two, tmp_path):
    maps = two / "Reference_Maps" / TILE
    (maps / V2[1] / f"{V2[1]}_reference_map.tif").unlink()
    write(maps / V2[3] / f"{V2[3]}_reference_map.tif", np.full((FINE, FINE), 777, np.uint16))
    write(maps / V2[0] / f"{V2[0]}_reference_map.tif", np.full((FINE, FINE), 211, np.uint16))
    archive = packed(two, tmp_path)
    assert sorted(archive.names) == sorted([V2[0], V2[2]])
    reasons = {Path(row["file"]).name: row["reason"] for row in archive.report["failed"]}
    assert reasons == {
        f"{V2[1]}_reference_map.tif": "is missing",
        f"{V2[3]}_reference_map.tif": "the codes 777 are none of CORINE's",
    }
    assert archive.report["findings"]["reference maps whose classes are not the labels of version 2"] == 1


def test_signed_bands_of_one_size_and_four_columns_are_enough(two, tmp_path):
    for index, name in enumerate(V2):
        folder = two / "BigEarthNet-S2" / name.rsplit("_", 2)[0] / name
        write_patch(folder, 10 + index, dtype=np.int16, size=FINE)
    pq.write_table(
        metadata_table(columns=["patch_id", "s1_name", "split", "labels"]), two / "metadata.parquet"
    )
    archive = packed(two, tmp_path)
    assert [g.pixels.shape for g in archive.groups] == [(4, 4, FINE, FINE), (4, 6, FINE, FINE)]
    assert [g.pixels.dtype for g in archive.groups] == [np.uint16, np.uint16]


def test_negative_numbers_in_a_band_are_listed(two, tmp_path):
    write(two / "BigEarthNet-S2" / TILE / V2[0] / f"{V2[0]}_B02.tif", np.full((FINE, FINE), -5, np.int16))
    archive = packed(two, tmp_path)
    assert "int16 numbers from -5 to -5" in archive.report["failed"][0]["reason"]


def test_patches_of_the_metadata_that_are_not_there_are_counted(two, tmp_path):
    shutil.rmtree(two / "BigEarthNet-S2" / TILE / V2[3])
    archive = packed(two, tmp_path)
    assert "not there: 1 of the 4 patches of the metadata: test 1" in archive.report["notes"]


def test_version_2_without_metadata_says_what_is_needed(two):
    (two / "metadata.parquet").unlink()
    with pytest.raises(InputError, match=r"no metadata.parquet"):
        plan_bigearthnet([two], BigEarthNetOptions())
    (two / "metadata.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match="cannot be read"):
        plan_bigearthnet([two], BigEarthNetOptions())
    pq.write_table(pa.table({"patch_id": V2}), two / "metadata.parquet")
    with pytest.raises(InputError, match="no column labels"):
        plan_bigearthnet([two], BigEarthNetOptions())


# Both


def test_pixels_of_version_1_with_maps_of_version_2_are_joined_by_name_alone(one, two, tmp_path):
    with pytest.raises(InputError, match=r"Both versions are there.*--pixels"):
        plan_bigearthnet([one, two], BigEarthNetOptions())
    archive = packed([one, two], tmp_path, pixels="v1", maps=True, split="50/25/25")
    assert sorted(archive.names) == sorted(V1[:4])
    check_pixels(archive, V1, 0)
    for i, name in enumerate(archive.names):
        np.testing.assert_array_equal(archive.label_maps[i], classes_of_codes(reference(V1.index(name))))
        np.testing.assert_array_equal(archive.scene_labels[i], multi_hot(V1_LABELS[V1.index(name)]))
    assert any(
        "2 patches missing from the metadata of version 2, left out" in n for n in archive.report["notes"]
    )


def test_version_1_labels_to_train_on_and_version_2_as_the_truth(one, two, tmp_path):
    archive = packed([one, two], tmp_path, pixels="v2", labels="both", maps=False)
    assert sorted(archive.names) == sorted(V2)
    for i, name in enumerate(archive.names):
        index = V2.index(name)
        np.testing.assert_array_equal(archive.scene_labels[i], multi_hot(V1_LABELS[index]))
        np.testing.assert_array_equal(archive.clean_scene_labels[i], multi_hot_of_codes(index))


def test_version_1_alone_takes_no_part_in_a_join(one, two, tmp_path):
    archive = packed([one, two], tmp_path, pixels="v1", maps=False, labels="v1", split="50/25/25")
    assert len(archive) == 6


def test_a_join_without_its_column_is_refused(one, two):
    pq.write_table(metadata_table(columns=["patch_id", "labels", "split"]), two / "metadata.parquet")
    with pytest.raises(InputError, match="no column s2v1_name"):
        plan_bigearthnet([one, two], BigEarthNetOptions(pixels="v1", labels="v2"))


def test_a_folder_without_bigearthnet_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match=r"no BigEarthNet below.*Unpack"):
        plan_bigearthnet([tmp_path], BigEarthNetOptions())
    with pytest.raises(InputError, match="no folder"):
        plan_bigearthnet([tmp_path / "x"], BigEarthNetOptions())


def test_two_places_with_the_same_thing_are_refused(one, tmp_path):
    shutil.copytree(one / "BigEarthNet-v1.0", one / "copy")
    with pytest.raises(InputError, match="two places with version 1"):
        plan_bigearthnet([one], BigEarthNetOptions())


@pytest.mark.parametrize("ending", ["", ".gz", ".bz2", ".txt"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_packed_lists_are_known_by_their_first_bytes(tmp_path, pack, ending):
    path = tmp_path / f"train.csv{ending}"
    path.write_bytes(pack("\n".join(V1).encode()))
    assert read_names(path) == V1


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(bytes(2**27)),
        bz2.compress(bytes(2**27)),
        gzip.compress(b"x")[:-5],
        b"\x1f\x8b" + bytes(100),
        b"BZh9" + bytes(100),
        b'"' + b"x" * 200_000 + b'"\n' * 2,
        b"\xff\xfe\x00",
    ],
    # Names of their own: gzip writes the time into its bytes, and the workers must collect the same tests.
    ids=[
        "gzip bomb",
        "bzip2 bomb",
        "gzip cut short",
        "gzip header",
        "bzip2 header",
        "endless cell",
        "binary",
    ],
)
def test_a_list_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "train.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"The list .*train\.csv"):
        read_names(tmp_path / "train.csv")


# LMDB


@pytest.fixture
def encoded(two, tmp_path):
    import lmdb
    from safetensors.numpy import save

    folder = tmp_path / "encoded"
    environment = lmdb.open(str(folder), map_size=1 << 24)
    with environment.begin(write=True) as transaction:
        for index, name in enumerate(V2):
            bands = {band: band_pixels(10 + index, band) for band in SIZES}
            transaction.put(name.encode(), save(bands))
            transaction.put(f"{name}_reference_map".encode(), save({"Data": reference(index)}))
        transaction.put(
            b"S1A_IW_GRDH_1SDV_20170613T165043_33UUP_70_48", save({"VV": np.zeros((2, 2), np.float32)})
        )
    environment.close()
    shutil.copy(two / "metadata.parquet", folder / "metadata.parquet")
    return folder


def test_an_lmdb_of_safetensors_gives_the_same_archive_as_the_files(encoded, two, tmp_path):
    first = packed(two, tmp_path, "files")
    second = packed(encoded, tmp_path, "lmdb")
    assert first.fingerprint == second.fingerprint


def test_what_an_lmdb_lacks_is_listed(encoded, tmp_path):
    import lmdb

    environment = lmdb.open(str(encoded), map_size=1 << 24)
    with environment.begin(write=True) as transaction:
        transaction.delete(f"{V2[3]}_reference_map".encode())
        transaction.put(V2[2].encode(), b"nonsense")
    environment.close()
    archive = packed(encoded, tmp_path)
    assert sorted(archive.names) == sorted(V2[:2])
    reasons = sorted(row["reason"][:15] for row in archive.report["failed"])
    assert reasons == ["is missing", "is not safetens"]


def test_a_pickled_lmdb_is_refused(tmp_path, two):
    import lmdb

    folder = tmp_path / "pickled"
    environment = lmdb.open(str(folder), map_size=1 << 20)
    with environment.begin(write=True) as transaction:
        transaction.put(V1[0].encode(), b"\x80\x04\x95anything")
    environment.close()
    with pytest.raises(InputError, match=r"pickled objects.*refused"):
        plan_bigearthnet([folder, two / "Reference_Maps"], BigEarthNetOptions())


def test_an_lmdb_is_read_as_its_library_reads_it(tmp_path):
    import lmdb

    rng = np.random.default_rng(0)
    sizes = [0, 1, 100, 2000, 2030, 4080, 5000, 70_000]
    for round_ in range(3):
        environment = lmdb.open(str(tmp_path / "db"), map_size=1 << 26)
        with environment.begin(write=True) as transaction:
            for _ in range([1, 40, 400][round_]):
                transaction.put(rng.bytes(rng.integers(1, 500)), rng.bytes(rng.choice(sizes)))
            for key in [bytes(key) for key, _ in transaction.cursor()][::5]:
                transaction.delete(key)
        with environment.begin() as transaction:
            expected = {bytes(key): bytes(value) for key, value in transaction.cursor()}
        environment.close()
        path = tmp_path / "db" / "data.mdb"
        assert {key: read_place(path, place) for key, place in value_places(path).items()} == expected


def test_a_damaged_lmdb_is_answered(encoded, tmp_path):
    """Flipped bytes and lost ends; the library itself ends the process at one in fifteen of these."""
    content = (encoded / "data.mdb").read_bytes()
    rng = np.random.default_rng(1)
    outcomes = Counter()
    for number in range(300):
        damaged = bytearray(content)
        for _ in range(rng.choice([1, 3, 20])):
            page = 4096 * int(rng.integers(len(content) // 4096))
            damaged[page + int(rng.integers(rng.choice([64, 4096])))] = int(rng.choice([0, 255, 3]))
        folder = tmp_path / f"damaged{number}"
        folder.mkdir()
        (folder / "data.mdb").write_bytes(
            damaged[: rng.integers(len(content))] if number % 9 == 0 else damaged
        )
        try:
            keys = v1_or_v2_keys(folder)
            patches = [
                Patch(name, None, PatchRow(name, None, b"\1" + bytes(18), None))
                for name in sorted(keys.patches)
            ]
            _, units = plan_units_from_lmdb(folder, patches, "v2", maps=True)
        except InputError:
            outcomes["refused"] += 1
            continue
        for unit in units:
            try:
                read_lmdb_unit(unit.argument)
                outcomes["read"] += 1
            except Unreadable:
                outcomes["left out"] += 1
    assert set(outcomes) == {"refused", "read", "left out"}


# Real samples


def test_the_rule_gives_exactly_the_papers_lists(samples):
    import bz2

    folder = samples / "bigearthnet-v1-lists"
    countries = {}
    for line in (
        bz2.decompress((folder / "s1_s2_name_country_season.csv.bz2").read_bytes()).decode().split("\n")[1:]
    ):
        if line:
            _, name, country, _ = line.split(",")
            countries[name] = country
    assert len(countries) == 590326
    official = {split: read_names(folder / f"{split}.csv.bz2") for split in ("train", "val", "test")}
    excluded = set()
    for path in folder.glob("patches_with_*"):
        excluded.update(read_names(path))
    shipped = paper_lists()
    published = find_split_lists(samples / "grid-splits")
    for split in ("train", "val", "test"):
        # The month is that of the Sentinel-2 acquisition, S2A_MSIL2A_20170802T...
        derived = {
            name
            for name in official[split]
            if countries.get(name) == "Serbia" and name not in excluded and name[15:17] in ("06", "07", "08")
        }
        assert derived == set(shipped[split])
        assert list(shipped[split]) == published[split]


def test_the_sample_of_version_1(tmp_path, samples):
    root = samples / "bigearthnet-v1-s2-sample"
    archive = packed(root, tmp_path)
    assert len(archive) == 3
    assert "S2B_MSIL2A_20180204T94161_57_38" in archive.names
    assert archive.image_size == (120, 120)
    i = archive.names.index("S2B_MSIL2A_20180204T94161_57_38")
    present = {CLASS_NAMES[c] for c in np.flatnonzero(archive.scene_labels[i])}
    assert present == {"Arable land", "Coniferous forest", "Mixed forest"}
    folder = root / "BigEarthNet-v1.0" / archive.names[i]
    with quick_raster_access():
        for row, band in enumerate(BANDS[1][1]):
            with rasterio.open(folder / f"{folder.name}_{band}.tif") as source:
                np.testing.assert_array_equal(archive.groups[1].pixels[i, row], source.read(1))
                resampling = rasterio.enums.Resampling.cubic
                theirs = source.read(1, out_shape=(120, 120), resampling=resampling).astype(float)
            ours = archive.gather(np.array([i]))[0, 4 + row].numpy()
            unclipped = theirs > 0
            assert np.abs(ours - theirs)[unclipped].max() <= 0.51


def test_the_sample_of_version_2(tmp_path, samples):
    archive = packed(samples / "bigearthnet-v2-sample", tmp_path)
    assert len(archive) == 8
    assert archive.report["failed_count"] == 0
    name = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_26_57"
    i = archive.names.index(name)
    present = {CLASS_NAMES[c] for c in np.flatnonzero(archive.scene_labels[i])}
    assert present == {"Arable land", "Pastures", "Broad-leaved forest", "Mixed forest"}
    assert {CLASS_NAMES[c] for c in np.unique(archive.label_maps[i])} == present
    assert (np.asarray(archive.label_maps) == 255).any()
