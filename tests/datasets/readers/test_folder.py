from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from gridbench.datasets.archive.groups import groupings_of
from gridbench.datasets.archive.summary import describe
from gridbench.datasets.readers.folder.folder import FolderOptions, plan_folder
from gridbench.datasets.readers.prepare import prepare
from gridbench.datasets.readers.rasters.opening import quick_raster_access
from gridbench.errors import InputError

SIDE = 16
CLASSES = ["water", "wood, wet", "road"]


def image_of(i, side=SIDE, bands=3, dtype=np.uint8):
    rng = np.random.default_rng(i)
    return rng.integers(0, 200, (side, side, bands)).astype(dtype)


def mask_of(i, side=SIDE):
    mask = np.zeros((side, side), np.uint8)
    mask[: side // 2] = i % 3
    mask[side // 2 :] = (i // 3) % 3
    return mask


@pytest.fixture
def root(tmp_path):
    """An own archive of 12 images with masks and a class list."""
    folder = tmp_path / "mine"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for i in range(12):
        Image.fromarray(image_of(i)).save(folder / "images" / f"im{i:02d}.png")
        Image.fromarray(mask_of(i)).save(folder / "masks" / f"im{i:02d}.png")
    (folder / "classes.txt").write_bytes("\r\n".join(CLASSES).encode() + b"\r\n\r\n")
    return folder


def label_csv(root, rows, header="file,labels"):
    (root / "labels.csv").write_text("\n".join([header, *rows]) + "\n")


def packed(root, tmp_path, **options):
    plan = plan_folder(root, FolderOptions(**options))
    return prepare(plan, tmp_path / "cache", "mine")


def by_name(archive, values):
    return dict(zip(archive.names, values, strict=True))


def write_tiff(path, pixels):
    with (
        quick_raster_access(),
        rasterio.open(
            path,
            "w",
            driver="GTiff",
            width=pixels.shape[2],
            height=pixels.shape[1],
            count=len(pixels),
            dtype=pixels.dtype.name,
        ) as sink,
    ):
        sink.write(pixels)


# Masks, labels, and how they go together


def test_images_and_masks_alone_make_an_archive(root, tmp_path):
    archive = packed(root, tmp_path)
    assert len(archive) == 12
    assert archive.class_names == tuple(CLASSES)
    images = by_name(archive, archive.groups[0].pixels)
    maps = by_name(archive, archive.label_maps)
    labels = by_name(archive, archive.scene_labels)
    for i in range(12):
        np.testing.assert_array_equal(images[f"im{i:02d}"], image_of(i).transpose(2, 0, 1))
        np.testing.assert_array_equal(maps[f"im{i:02d}"], mask_of(i))
        assert set(np.flatnonzero(labels[f"im{i:02d}"])) == set(np.unique(mask_of(i)))


def test_a_table_decides_the_scene_labels_and_names_may_hold_commas(root, tmp_path):
    rows = [f'im{i:02d}.png,"wood, wet;road"' for i in range(11)] + ['im11,"wood, wet"']
    label_csv(root, rows)
    archive = packed(root, tmp_path)
    labels = by_name(archive, archive.scene_labels.tolist())
    assert labels["im00"] == [0, 1, 1]
    assert labels["im11"] == [0, 1, 0]


def test_one_column_for_each_class_works_too(root, tmp_path):
    rows = [f"images/im{i:02d}.png,{i % 2},1,0" for i in range(12)]
    label_csv(root, rows, 'image,water,"wood, wet",road')
    archive = packed(root, tmp_path)
    assert by_name(archive, archive.scene_labels.tolist())["im03"] == [1, 1, 0]


def test_labels_without_masks_and_without_a_class_list(root, tmp_path):
    import shutil

    shutil.rmtree(root / "masks")
    (root / "classes.txt").unlink()
    label_csv(root, [f"im{i:02d}.png,b|a" for i in range(12)])
    archive = packed(root, tmp_path)
    assert archive.class_names == ("a", "b")
    assert archive.label_maps is None


def test_files_without_rows_and_rows_without_files_are_counted(root, tmp_path):
    label_csv(root, [f"im{i:02d}.png,water" for i in range(10)] + ["ghost.png,water", "ghost2.png,road"])
    archive = packed(root, tmp_path)
    assert len(archive) == 10
    notes = " ".join(archive.report["notes"])
    assert "2 rows of the labels without an image: ghost.png, ghost2.png" in notes
    assert "2 images without labels, left out: im10, im11" in notes


def test_masks_and_images_that_lack_each_other_are_counted(root, tmp_path):
    (root / "masks" / "im00.png").unlink()
    (root / "images" / "im01.png").unlink()
    archive = packed(root, tmp_path)
    assert len(archive) == 10
    assert "1 mask without an image: im01" in archive.report["notes"]
    assert "1 image without a mask, left out: im00" in archive.report["notes"]


def test_a_label_that_no_class_has_is_refused_with_the_nearest(root):
    label_csv(root, [f"im{i:02d}.png,water" for i in range(11)] + ["im11.png,watter"])
    with pytest.raises(InputError, match=r"labels.csv, row 13, .*'watter'.*Did you mean 'water'"):
        plan_folder(root, FolderOptions())


def test_a_class_that_never_occurs_stays_in_its_place(root, tmp_path):
    (root / "classes.txt").write_text("water\nwood, wet\nroad\nnever\n")
    archive = packed(root, tmp_path)
    assert archive.class_names[3] == "never"
    assert not archive.scene_labels[:, 3].any()


def test_a_second_table_gives_the_clean_labels(root, tmp_path):
    label_csv(root, [f"im{i:02d}.png,water" for i in range(12)])
    (root / "truth.csv").write_text("file,labels\n" + "".join(f"im{i:02d}.png,road\n" for i in range(12)))
    archive = packed(root, tmp_path, clean_labels=root / "truth.csv")
    assert archive.scene_labels[:, 0].all()
    assert archive.clean_scene_labels[:, 2].all()
    assert not archive.clean_scene_labels[:, 0].any()


def test_a_second_table_of_other_columns_is_refused_with_the_reason(root):
    label_csv(root, [f"im{i:02d}.png,x,water" for i in range(12)], "name,other,labels")
    (root / "truth.csv").write_text("file,labels\n" + "".join(f"im{i:02d}.png,trees\n" for i in range(12)))
    options = FolderOptions(clean_labels=root / "truth.csv", key_column="name")
    with pytest.raises(InputError, match=r"no column 'name'.*give both the same columns"):
        plan_folder(root, options)


def test_a_class_that_only_the_clean_labels_have_must_be_listed(root):
    (root / "classes.txt").unlink()
    shutil.rmtree(root / "masks")
    label_csv(root, [f"im{i:02d}.png,{('water', 'road')[i % 2]}" for i in range(12)])
    (root / "truth.csv").write_text("file,labels\n" + "".join(f"im{i:02d}.png,trees\n" for i in range(12)))
    with pytest.raises(InputError, match=r"'trees' is not among the classes.*list all with --classes FILE"):
        plan_folder(root, FolderOptions(clean_labels=root / "truth.csv"))
    (root / "all.txt").write_text("water\nroad\ntrees\n")
    plan = plan_folder(root, FolderOptions(clean_labels=root / "truth.csv", classes=root / "all.txt"))
    assert plan.layout.class_names == ("water", "road", "trees")


@pytest.mark.parametrize(
    ("column", "first", "other"), [("split", "train", "test"), ("group", "east", "west")]
)
def test_a_second_table_of_another_split_or_group_is_refused(root, column, first, other):
    label_csv(root, [f"im{i:02d}.png,water,{first}" for i in range(12)], f"file,labels,{column}")
    words = [first] * 11 + [other]
    lines = [f"im{i:02d}.png,water,{words[i]}" for i in range(12)]
    (root / "truth.csv").write_text("\n".join([f"file,labels,{column}", *lines]))
    with pytest.raises(
        InputError, match=f"gives the image im11 the {column} '{other}', and the first table '{first}'"
    ):
        plan_folder(root, FolderOptions(clean_labels=root / "truth.csv"))


def test_one_table_cannot_be_both_the_noisy_and_the_clean_labels(root):
    (root / "other.csv").write_text("file,labels\n" + "".join(f"im{i:02d}.png,road\n" for i in range(12)))
    with pytest.raises(InputError, match=r"other.csv is the table of the labels, too.*a table of its own"):
        plan_folder(root, FolderOptions(labels=root / "other.csv", clean_labels=root / "other.csv"))


def test_a_further_table_of_labels_is_told(root):
    label_csv(root, [f"im{i:02d}.png,road" for i in range(12)])
    (root / "labels.tsv").write_text("file\tlabels\n")
    assert "1 file of labels, not read: labels.tsv" in plan_folder(root, FolderOptions()).report["notes"]


def test_a_mask_may_have_the_whole_name_of_its_image_before_its_ending(root):
    for path in list((root / "masks").iterdir()):
        path.rename(path.with_name(f"{path.stem}.jpg.png"))
    assert len(plan_folder(root, FolderOptions()).names) == len(list((root / "images").iterdir()))


@pytest.mark.parametrize("tile", [None, 8])
def test_a_second_folder_of_masks_gives_the_clean_maps_and_labels(root, tmp_path, tile):
    (root / "truth").mkdir()
    for i in range(12):
        Image.fromarray(np.full((SIDE, SIDE), i % 3, np.uint8)).save(root / "truth" / f"im{i:02d}_mask.png")
    archive = packed(root, tmp_path, clean_masks=root / "truth", tile=tile)
    for name, given, clean, labels in zip(
        archive.names,
        archive.label_maps,
        archive.clean_label_maps,
        archive.clean_scene_labels,
        strict=True,
    ):
        i = int(name[2:4])
        assert (clean == i % 3).all()
        assert np.flatnonzero(labels).tolist() == [i % 3]
        assert tile or np.array_equal(given, mask_of(i))
    differ = np.mean(np.asarray(archive.label_maps) != np.asarray(archive.clean_label_maps))
    assert describe(archive).wrong_pixels == pytest.approx(differ)
    other = packed(root, tmp_path / "other", tile=tile)
    assert other.clean_label_maps is None
    assert describe(other).wrong_pixels is None
    assert other.fingerprint != archive.fingerprint


def test_clean_masks_need_noisy_ones_of_the_same_images(root, tmp_path):
    with pytest.raises(InputError, match="--clean-masks: there is no folder"):
        packed(root, tmp_path, clean_masks=root / "nothing")
    (root / "truth").mkdir()
    for i in range(11):
        wide = SIDE + (i == 3)
        Image.fromarray(np.zeros((SIDE, wide), np.uint8)).save(root / "truth" / f"im{i:02d}.png")
    archive = packed(root, tmp_path, clean_masks=root / "truth")
    assert "1 image without a clean mask, left out" in " ".join(archive.report["notes"])
    assert "im03.png" in archive.report["failed"][0]["file"]
    (root / "masks").rename(root / "unused")
    label_csv(root, [f"im{i:02d}.png,road" for i in range(12)])
    with pytest.raises(InputError, match="--masks DIR"):
        packed(root, tmp_path, clean_masks=root / "truth")


def test_two_rows_for_one_image_are_refused(root):
    label_csv(root, ["im00.png,water", "im00,road"])
    with pytest.raises(InputError, match="two rows fit the file im00"):
        plan_folder(root, FolderOptions())
    label_csv(root, ["im00.png,water", "im00.png,road"])
    with pytest.raises(InputError, match=r"names the file im00.png twice"):
        plan_folder(root, FolderOptions())


def test_images_of_the_same_name_in_two_folders_are_kept_apart(root, tmp_path):
    (root / "images" / "deep").mkdir()
    (root / "masks" / "deep").mkdir()
    Image.fromarray(image_of(50)).save(root / "images" / "deep" / "im00.png")
    Image.fromarray(mask_of(1)).save(root / "masks" / "deep" / "im00.png")
    archive = packed(root, tmp_path)
    np.testing.assert_array_equal(
        by_name(archive, archive.groups[0].pixels)["deep/im00"], image_of(50).transpose(2, 0, 1)
    )
    label_csv(root, ["im00.png,water"])
    with pytest.raises(InputError, match=r"'im00.png' fits several files"):
        plan_folder(root, FolderOptions())


@pytest.mark.parametrize("ending", ["_mask", "_label"])
def test_masks_may_carry_a_usual_ending(root, tmp_path, ending):
    for path in list((root / "masks").iterdir()):
        path.rename(path.with_name(path.stem + ending + ".png"))
    assert len(packed(root, tmp_path)) == 12


def test_a_folder_with_nothing_to_learn_from_says_what_is_missing(tmp_path):
    with pytest.raises(InputError, match="There is no folder"):
        plan_folder(tmp_path / "nowhere", FolderOptions())
    with pytest.raises(InputError, match=r"neither labels.*nor masks"):
        plan_folder(tmp_path, FolderOptions())
    (tmp_path / "labels.csv").write_text("file,labels\na,b\n")
    with pytest.raises(InputError, match=r"no image below.*--images DIR"):
        plan_folder(tmp_path, FolderOptions())


def test_masks_without_a_class_table_are_refused(root):
    (root / "classes.txt").unlink()
    with pytest.raises(InputError, match="--classes FILE"):
        plan_folder(root, FolderOptions())


# What masks may look like


def test_colour_and_palette_masks_are_read_by_the_colours_of_the_table(root, tmp_path):
    colours = np.array([(60, 16, 152), (132, 41, 246), (110, 193, 228)], np.uint8)
    for i in range(12):
        mask = mask_of(i)
        path = root / "masks" / f"im{i:02d}.png"
        if i % 2:
            Image.fromarray(colours[mask]).save(path)
        else:
            coded = Image.fromarray((mask + 5).astype(np.uint8))
            coded.putpalette([0] * 15 + colours.reshape(-1).tolist())
            coded.save(path)
    (root / "classes.csv").write_text(
        'name,color\nwater,#3C1098\n"wood, wet","132,41,246"\nroad,110 193 228\nnothing,#9B9B9B\n'
    )
    archive = packed(root, tmp_path, classes=root / "classes.csv", ignore_classes=("nothing",))
    assert archive.class_names == tuple(CLASSES)
    for name, label_map in by_name(archive, archive.label_maps).items():
        np.testing.assert_array_equal(label_map, mask_of(int(name[2:])))


def test_a_palette_mask_without_a_table_of_colours_is_read_by_index(root, tmp_path):
    for i in range(12):
        coded = Image.fromarray(mask_of(i))
        coded.putpalette([200, 10, 10] * 3)
        coded.save(root / "masks" / f"im{i:02d}.png")
    archive = packed(root, tmp_path)
    np.testing.assert_array_equal(by_name(archive, archive.label_maps)["im05"], mask_of(5))


def test_values_and_colours_that_no_class_has_are_ignored_and_counted(root, tmp_path):
    mask = mask_of(0)
    mask[0, :3] = 77
    mask[1, :2] = 255
    Image.fromarray(mask).save(root / "masks" / "im00.png")
    archive = packed(root, tmp_path)
    assert archive.report["findings"] == {
        "mask pixels of the value 77, which no class has; they are ignored": 3
    }
    stored = by_name(archive, archive.label_maps)["im00"]
    assert (stored[0, :3] == 255).all()
    assert (stored[1, :2] == 255).all()


def test_masks_that_count_from_one_are_read_as_such_with_and_without_a_table_of_values(root, tmp_path):
    for i in range(12):
        Image.fromarray(mask_of(i) + 1).save(root / "masks" / f"im{i:02d}.png")
    (root / "values.csv").write_text('name,value\nwater,1\n"wood, wet",2\nroad,3\n')
    for number, options in enumerate([{}, {"classes": root / "values.csv"}]):
        archive = prepare(plan_folder(root, FolderOptions(**options)), tmp_path / "cache", f"mine{number}")
        np.testing.assert_array_equal(by_name(archive, archive.label_maps)["im05"], mask_of(5))


def test_a_mask_of_another_size_is_listed_and_left_out(root, tmp_path):
    Image.fromarray(mask_of(0, 18)).save(root / "masks" / "im00.png")
    archive = packed(root, tmp_path)
    assert len(archive) == 11
    assert archive.report["failed_count"] == 1
    assert "im00.png" in archive.report["failed"][0]["file"]
    assert "18 x 18, its image 16 x 16" in archive.report["failed"][0]["reason"]
    note = "1 mask of another size than its image, which is left out: im00.png (18 x 18)"
    assert note in plan_folder(root, FolderOptions()).report["notes"]


def test_masks_that_all_have_another_size_are_refused_before_packing(root):
    for path in (root / "masks").iterdir():
        Image.fromarray(mask_of(0, 8)).save(path)
    with pytest.raises(
        InputError, match=r"None of the masks has the size of its image; the first: im00.png \(8 x 8\)"
    ):
        plan_folder(root, FolderOptions())


# What images may look like


def test_broken_images_are_listed_and_left_out(root, tmp_path):
    (root / "images" / "im00.png").write_bytes(b"")
    (root / "images" / "im01.png").write_bytes(b"not an image")
    whole = (root / "images" / "im02.png").read_bytes()
    (root / "images" / "im02.png").write_bytes(whole[: len(whole) // 2])
    archive = packed(root, tmp_path)
    assert len(archive) == 9
    reasons = {Path(row["file"]).name: row["reason"] for row in archive.report["failed"]}
    assert reasons["im00.png"] == "is empty"
    assert set(reasons) == {"im00.png", "im01.png", "im02.png"}


def test_grey_rgba_and_palette_images_become_rgb(root, tmp_path):
    grey = image_of(0)[:, :, 0]
    Image.fromarray(grey).save(root / "images" / "im00.png")
    transparent = np.dstack([image_of(1), np.full((SIDE, SIDE), 9, np.uint8)])
    Image.fromarray(transparent).save(root / "images" / "im01.png")
    Image.fromarray(image_of(2)[:, :, 0] // 50).save(root / "images" / "im02.png")
    coded = Image.fromarray(image_of(3)[:, :, 0] // 50)
    coded.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120])
    coded.save(root / "images" / "im03.png")
    archive = packed(root, tmp_path)
    images = by_name(archive, np.asarray(archive.groups[0].pixels))
    np.testing.assert_array_equal(images["im00"], np.stack([grey] * 3))
    np.testing.assert_array_equal(images["im01"], image_of(1).transpose(2, 0, 1))
    assert set(np.unique(images["im03"][0])) <= {10, 40, 70, 100}
    assert "several numbers of bands" in " ".join(archive.report["notes"])


def test_a_16_bit_image_among_8_bit_ones_is_listed_not_guessed(root, tmp_path):
    write_tiff(root / "images" / "im00.tif", np.full((3, SIDE, SIDE), 3000, np.uint16))
    (root / "images" / "im00.png").unlink()
    archive = packed(root, tmp_path)
    assert len(archive) == 11
    assert "holds uint16" in archive.report["failed"][0]["reason"]
    assert "images of several types" in " ".join(archive.report["notes"])


@pytest.mark.parametrize(
    ("dtype", "stored"), [("uint16", "uint16"), ("int16", "uint16"), ("int32", "uint16")]
)
def test_many_bands_of_whole_numbers_are_stored_as_they_are(root, tmp_path, dtype, stored):
    for i in range(12):
        (root / "images" / f"im{i:02d}.png").unlink()
        write_tiff(
            root / "images" / f"im{i:02d}.tif",
            np.arange(7 * SIDE * SIDE).reshape(7, SIDE, SIDE).astype(dtype),
        )
    archive = packed(root, tmp_path)
    assert archive.bands == 7
    assert archive.groups[0].pixels.dtype == stored
    assert archive.groups[0].pixels[0, 6, -1, -1] == 7 * SIDE * SIDE - 1


def test_numbers_that_do_not_fit_are_listed(root, tmp_path):
    for i in range(12):
        (root / "images" / f"im{i:02d}.png").unlink()
        pixels = np.full((1, SIDE, SIDE), -1 if i == 0 else 70000 if i == 1 else 5, np.int32)
        write_tiff(root / "images" / f"im{i:02d}.tif", pixels)
    archive = packed(root, tmp_path)
    assert [row["reason"].split(";")[0] for row in archive.report["failed"]] == [
        "holds numbers from -1 to -1",
        "holds numbers from 70000 to 70000",
    ]


def test_real_numbers_need_a_range_and_are_then_stretched(root, tmp_path):
    for i in range(12):
        (root / "images" / f"im{i:02d}.png").unlink()
        pixels = np.full((2, SIDE, SIDE), 0.25, np.float32)
        pixels[0, 0, :3] = [-1.0, 0.5, 7.0]
        if i == 0:
            pixels[1, 1, 1] = np.nan
        write_tiff(root / "images" / f"im{i:02d}.tif", pixels)
    with pytest.raises(InputError, match=r"float32.*--value-range"):
        plan_folder(root, FolderOptions())
    archive = packed(root, tmp_path, value_range=(0.0, 1.0))
    assert len(archive) == 11
    reasons = [what for what in archive.report["findings"] if what.startswith("left out")]
    assert len(reasons) == 1
    assert "pixels without data" in reasons[0]
    assert archive.groups[0].pixels[0, 0, 0, :4].tolist() == [0, 32768, 65535, 16384]


def test_several_sizes_need_a_decision(root, tmp_path):
    Image.fromarray(image_of(0, 20)).save(root / "images" / "im00.png")
    Image.fromarray(mask_of(0, 20)).save(root / "masks" / "im00.png")
    with pytest.raises(InputError, match=r"several sizes: 16 x 16 \(11\), 20 x 20 \(1\).*--resize 16"):
        plan_folder(root, FolderOptions())
    archive = packed(root, tmp_path, resize=16)
    assert archive.image_size == (16, 16)
    assert len(archive) == 12
    stored = by_name(archive, archive.label_maps)["im00"]
    assert set(np.unique(stored)) == set(np.unique(mask_of(0)))
    ours = by_name(archive, np.asarray(archive.groups[0].pixels))["im00"].astype(int)
    for band in range(3):
        source = Image.fromarray(image_of(0, 20)[:, :, band].astype(np.float32), mode="F")
        theirs = np.asarray(source.resize((16, 16), Image.Resampling.BICUBIC)).clip(0, 255)
        assert np.abs(ours[band] - theirs).max() < 0.51


# Tiles


@pytest.fixture
def large(tmp_path):
    """Six large images of two sizes, one smaller than a tile."""
    folder = tmp_path / "large"
    (folder / "image").mkdir(parents=True)
    (folder / "mask").mkdir()
    for i in range(6):
        side = 8 if i == 5 else 40 + 3 * (i % 2)
        Image.fromarray(image_of(i, side)).save(folder / "image" / f"part_{i // 2}t{i % 3}.png")
        mask = mask_of(i, side)
        mask[:16, :16] = 255
        mask[:2, :3] = 0
        Image.fromarray(mask).save(folder / "mask" / f"part_{i // 2}t{i % 3}.png")
    (folder / "classes.txt").write_text("\n".join(CLASSES))
    return folder


def test_large_images_are_cut_into_tiles_side_by_side(large, tmp_path):
    archive = packed(large, tmp_path, tile=16)
    assert len(archive) == 5 * 4
    assert archive.image_size == (16, 16)
    images, maps = by_name(archive, archive.groups[0].pixels), by_name(archive, archive.label_maps)
    whole = image_of(1, 43).transpose(2, 0, 1)
    np.testing.assert_array_equal(images["part_0t1_r001_c000"], whole[:, 16:32, :16])
    np.testing.assert_array_equal(maps["part_0t1_r001_c001"], mask_of(1, 43)[16:32, 16:32])
    assert "1 image smaller than a tile, left out: part_2t2" in archive.report["notes"]


def test_a_class_counts_from_the_cover_and_tiles_from_the_labelled_share(large, tmp_path):
    archive = packed(large, tmp_path, tile=16, min_cover=0.03)
    assert len(archive) == 3 * 5
    assert archive.report["findings"] == {
        "left out: no scene label": 5,
        "water covers less than 3 % (--min-cover), no scene label": 5,
    }
    archive = prepare(
        plan_folder(large, FolderOptions(tile=16, min_labelled=0.5)), tmp_path / "other", "mine"
    )
    assert len(archive) == 3 * 5
    assert archive.report["findings"] == {"left out: too little of the mask has a class": 5}


def test_tiles_of_one_group_stay_together(large, tmp_path):
    archive = packed(large, tmp_path, tile=16, group_pattern=r"t(\d)$", split="60/20/20")
    groups = {}
    for split in ("train", "val", "test"):
        for i in archive.indices(split):
            groups.setdefault(archive.names[i].split("_r")[0][-1], set()).add(split)
    assert sorted(map(len, groups.values())) == [1, 1, 1]
    assert set.union(*groups.values()) == {"train", "val", "test"}


def test_tiles_take_labels_from_the_masks_even_beside_a_table(large, tmp_path):
    rows = [f"part_{i // 2}t{i % 3},road,{'train' if i < 3 else 'test'}" for i in range(6)]
    label_csv(large, rows, "file,labels,split")
    archive = packed(large, tmp_path, tile=16)
    labels = by_name(archive, archive.scene_labels)
    assert labels["part_0t0_r001_c001"].tolist() == [1, 0, 0]
    assert {archive.names[i].split("_r")[0] for i in archive.indices("test")} == {"part_1t0", "part_2t1"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tile": 64}, "No tile of 64 px fits"),
        ({"tile": 16, "resize": 16}, "not both"),
        ({"tile": 16, "group_pattern": "("}, "not a regular expression"),
        ({"tile": 16, "group_pattern": "x(9)"}, "does not fit the image"),
        ({"tile": 16, "split": "70/10"}, "70/10/20"),
        ({"tile": 16, "split": "0/10/20"}, "70/10/20"),
    ],
)
def test_options_that_cannot_be_met_are_refused(large, options, message):
    with pytest.raises(InputError, match=message):
        plan_folder(large, FolderOptions(**options))


def test_tiles_without_masks_are_refused(root):
    import shutil

    shutil.rmtree(root / "masks")
    label_csv(root, [f"im{i:02d}.png,water" for i in range(12)])
    with pytest.raises(InputError, match="--tile needs masks"):
        plan_folder(root, FolderOptions(tile=8))


# The split


def test_a_column_gives_the_split(root, tmp_path):
    words = ["train", "Validation", "TEST"]
    label_csv(root, [f"im{i:02d}.png,water,{words[i % 3]}" for i in range(12)], "file,labels,split")
    archive = packed(root, tmp_path)
    assert {archive.names[i] for i in archive.indices("val")} == {"im01", "im04", "im07", "im10"}


def test_a_column_gives_the_groups(root, tmp_path):
    label_csv(root, [f"im{i:02d}.png,water,g{i // 3}" for i in range(12)], "file,labels,group")
    archive = packed(root, tmp_path, split="50/25/25")
    assert archive.sample_groups == [f"g{int(name[2:]) // 3}" for name in archive.names]
    (known,) = groupings_of(archive)
    assert known.groups == archive.sample_groups
    for split, count in (("train", 6), ("val", 3), ("test", 3)):
        names = {archive.names[i] for i in archive.indices(split)}
        assert len(names) == count
        assert len({int(name[2:]) // 3 for name in names}) == count // 3


def test_a_change_of_labels_or_settings_is_another_archive(root, tmp_path):
    label_csv(root, [f"im{i:02d}.png,water" for i in range(12)])
    packed(root, tmp_path)
    packed(root, tmp_path)
    label_csv(root, [f"im{i:02d}.png,road" for i in range(12)])
    message = r"Since 'mine' was packed from .*mine.*, there is a change in the labels\..*--force"
    with pytest.raises(InputError, match=message):
        packed(root, tmp_path)


# Real samples


def test_the_sample_of_an_own_archive(tmp_path, samples):
    archive = packed(samples / "own-data-example", tmp_path)
    assert len(archive) == 120
    assert archive.report["failed_count"] == 0
    assert len(archive.class_names) == 17
    maps = np.asarray(archive.label_maps)
    cover = np.stack([(maps == c).mean((1, 2)) for c in range(17)], 1)
    np.testing.assert_array_equal(archive.scene_labels, cover >= 0.02)


def test_the_dubai_images_in_tiles(tmp_path, samples):
    colours = {"Building": "#3C1098", "Land": "#8429F6", "Road": "#6EC1E4", "Vegetation": "#FEDD3A"}
    colours |= {"Water": "#E2A929", "Unlabeled": "#9B9B9B"}
    table = tmp_path / "classes.csv"
    table.write_text("name,color\n" + "".join(f"{name},{colour}\n" for name, colour in colours.items()))
    options = FolderOptions(tile=128, classes=table, ignore_classes=("Unlabeled",), group_pattern=r"t(\d)$")
    plan = plan_folder(samples / "dubai", options)
    assert len(plan.names) == 5535
    groups = {}
    for name, split in zip(plan.names, plan.split, strict=True):
        groups.setdefault(name.split("_r")[0][-1], set()).add(split)
    assert len(groups) == 8
    assert all(len(splits) == 1 for splits in groups.values())
    few = tmp_path / "few"
    for folder, suffix in (("image", "jpg"), ("mask", "png")):
        (few / folder).mkdir(parents=True)
        for t in range(1, 9):
            file = f"{folder}/image_part_001t{t}.{suffix}"
            (few / file).symlink_to(samples / "dubai" / file)
    archive = packed(few, tmp_path, **vars(options))
    assert len(archive) == sum(name.startswith("image_part_001t") for name in plan.names)
    assert archive.report["failed_count"] == 0
    whole = np.asarray(Image.open(few / "mask" / "image_part_001t3.png").convert("RGB"))
    legend = [
        [0x3C, 0x10, 0x98],
        [0x84, 0x29, 0xF6],
        [0x6E, 0xC1, 0xE4],
        [0xFE, 0xDD, 0x3A],
        [0xE2, 0xA9, 0x29],
    ]
    stored = by_name(archive, archive.label_maps)["image_part_001t3_r001_c002"]
    for c, colour in enumerate(legend):
        np.testing.assert_array_equal(stored == c, (whole[128:256, 256:384] == colour).all(2))
