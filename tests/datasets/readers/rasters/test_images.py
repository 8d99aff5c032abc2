"""What image files hold: bands, pages, transparency, orientation, no data, and formats by their first bytes."""

from __future__ import annotations

import io

import numpy as np
import pytest
import rasterio
from PIL import Image, ImageOps
from rasterio.enums import ColorInterp

from gridbench.datasets.readers.folder.folder import FolderOptions, plan_folder
from gridbench.datasets.readers.prepare import prepare
from gridbench.datasets.readers.rasters.opening import quick_raster_access
from gridbench.datasets.readers.rasters.raster import read_raster, read_shape
from gridbench.datasets.readers.source_files import Unreadable
from gridbench.errors import InputError

NAMES = [f"t{i}" for i in range(6)]


def random(bands, seed=0, high=256, dtype=np.uint8, size=(16, 16)):
    return np.random.default_rng(seed).integers(0, high, (bands, *size)).astype(dtype)


def geotiff(path, pixels, **profile):
    path.parent.mkdir(parents=True, exist_ok=True)
    bands, height, width = pixels.shape
    shape = {"count": bands, "height": height, "width": width, "dtype": pixels.dtype.name}
    with quick_raster_access(), rasterio.open(path, "w", driver="GTiff", **shape, **profile) as out:
        out.write(pixels)


def make(root, pixels_of, **profile):
    for i, name in enumerate(NAMES):
        geotiff(root / "images" / f"{name}.tif", pixels_of(i), **profile)
    (root / "labels.csv").write_text("file,labels\n" + "".join(f"{name},a\n" for name in NAMES))
    return root


def packed(root, tmp_path, **options):
    archive = prepare(plan_folder(root, FolderOptions(**options)), tmp_path / "cache", "mine", 1)
    return archive, {name: np.asarray(archive.groups[0].pixels[i]) for i, name in enumerate(archive.names)}


def said(archive):
    return " ".join([*archive.report["notes"], *archive.report["findings"]])


# Bands, pages, transparency


def test_near_infrared_that_is_called_alpha_is_a_band(tmp_path):
    root = make(tmp_path / "mine", lambda i: random(4, i))
    assert read_shape(root / "images" / "t0.tif").alpha
    archive, pixels = packed(root, tmp_path)
    assert all(np.array_equal(pixels[name], random(4, i)) for i, name in enumerate(NAMES))
    assert "--bands 1,2,3 leaves it out" in said(archive)


def test_real_transparency_is_no_band_and_told(tmp_path):
    def pixels_of(i):
        pixels = random(4, i)
        pixels[3] = 255 * (pixels[3] > 20)
        return pixels

    archive, pixels = packed(make(tmp_path / "mine", pixels_of), tmp_path)
    assert all(np.array_equal(pixels[name], random(4, i)[:3]) for i, name in enumerate(NAMES))
    assert "transparency (alpha): it is not read; --bands 1,2,3,4 reads it" in said(archive)


def test_bands_are_chosen_and_ordered_by_number(tmp_path):
    root = make(tmp_path / "mine", lambda i: random(4, i))
    _, pixels = packed(root, tmp_path, bands=(4, 1))
    assert all(np.array_equal(pixels[name], random(4, i)[[3, 0]]) for i, name in enumerate(NAMES))
    with pytest.raises(InputError, match=r"--bands 1,5: the images have bands 1 to 4"):
        plan_folder(root, FolderOptions(bands=(1, 5)))


def save_pages(path, pages):
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *rest = [Image.fromarray(page) for page in pages]
    first.save(path, save_all=True, append_images=rest)


@pytest.mark.parametrize(("pages", "dtype"), [(12, np.uint16), (2, np.uint8)])
def test_pages_are_bands(tmp_path, pages, dtype):
    root = make(tmp_path / "mine", lambda i: random(1))
    for i, name in enumerate(NAMES):
        save_pages(root / "images" / f"{name}.tif", random(pages, i, 250, dtype))
    archive, pixels = packed(root, tmp_path)
    assert all(np.array_equal(pixels[name], random(pages, i, 250, dtype)) for i, name in enumerate(NAMES))
    assert f"several pages, read as bands one after the other: {pages} (6)" in said(archive)


def test_pages_of_colours_follow_each_other(tmp_path):
    colours = [random(3, i).transpose(1, 2, 0) for i in range(2)]
    save_pages(tmp_path / "a.tif", colours)
    np.testing.assert_array_equal(
        read_raster(tmp_path / "a.tif").pixels, np.concatenate([random(3, i) for i in range(2)])
    )


def test_overviews_are_no_pages_and_pages_of_other_sizes_are_refused(tmp_path):
    pixels = random(1, size=(600, 600))
    with (
        quick_raster_access(),
        rasterio.open(
            tmp_path / "cog.tif", "w", driver="COG", count=1, height=600, width=600, dtype="uint8"
        ) as out,
    ):
        out.write(pixels)
    assert read_shape(tmp_path / "cog.tif").pages == 1
    np.testing.assert_array_equal(read_raster(tmp_path / "cog.tif").pixels, pixels)
    save_pages(tmp_path / "odd.tif", [random(1)[0], random(1, size=(8, 8))[0]])
    with pytest.raises(Unreadable, match="pages of several sizes"):
        read_raster(tmp_path / "odd.tif")


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_images_are_seen_upright(tmp_path, orientation, ending):
    smooth = Image.fromarray(random(3, size=(4, 6)).transpose(1, 2, 0)).resize((60, 40))
    path = tmp_path / f"a.{ending}"
    exif = Image.Exif()
    exif[274] = orientation
    how = {"webp": {"lossless": True}, "jpg": {"subsampling": 0, "quality": 95}}.get(ending, {})
    smooth.save(path, exif=exif, **how)
    with Image.open(path) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened)).transpose(2, 0, 1)
    raster = read_raster(path)
    assert raster.orientation == orientation
    # Two builds of libjpeg may differ by rounding.
    assert np.abs(raster.pixels.astype(int) - expected).max() <= (3 if ending == "jpg" else 0)
    assert read_shape(path)[1:3] == expected.shape[1:]
    np.testing.assert_array_equal(read_raster(path, rows=(5, 20)).pixels, raster.pixels[:, 5:20])


@pytest.mark.parametrize("drawn", ["upright", "stored", "with orientation"])
def test_image_and_mask_are_seen_the_same_way(tmp_path, drawn):
    root = tmp_path / "mine"
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    (root / "classes.txt").write_text("a\nb\n")
    exif = Image.Exif()
    exif[274] = 6
    for name in NAMES:
        field = np.zeros((16, 24), np.uint8)
        field[:4, :9] = 1
        Image.fromarray(np.repeat(255 * field[:, :, None], 3, 2)).save(
            root / "images" / f"{name}.png", exif=exif
        )
        mask = np.rot90(field, -1) if drawn == "upright" else field
        more = {"exif": exif} if drawn == "with orientation" else {}
        Image.fromarray(np.ascontiguousarray(mask)).save(root / "masks" / f"{name}.png", **more)
    archive, pixels = packed(root, tmp_path)
    assert archive.image_size == (24, 16)
    for i, name in enumerate(archive.names):
        np.testing.assert_array_equal(archive.label_maps[i], pixels[name][0] > 0)
    assert "6 images turned upright" in said(archive)
    assert ("drawn on the stored image" in said(archive)) == (drawn == "stored")


# No data


def with_gaps(i):
    """Four numbers a band; in the first image the first pixel has no data."""
    pixels = np.array([[[1, 2], [3, 6]], [[10, 20], [30, 40]]], np.int16)
    if i == 0:
        pixels[:, 0, 0] = -9999
    return pixels


@pytest.mark.parametrize(("policy", "expected"), [("mean", [4, 30]), ("7", [7, 7])])
def test_pixels_without_data_are_filled(tmp_path, policy, expected):
    root = make(tmp_path / "mine", with_gaps, nodata=-9999)
    archive, pixels = packed(root, tmp_path, nodata=policy)
    assert len(archive) == 6
    np.testing.assert_array_equal(pixels["t0"][:, 0, 0], expected)
    np.testing.assert_array_equal(pixels["t0"][:, 1], with_gaps(0)[:, 1])
    assert "declare a number as no data: -9999 (6)" in said(archive)


def test_images_with_pixels_without_data_are_left_out_and_counted(tmp_path):
    archive, pixels = packed(make(tmp_path / "mine", with_gaps, nodata=-9999), tmp_path)
    assert sorted(pixels) == NAMES[1:]
    assert list(archive.report["findings"].values()) == [1]


@pytest.mark.parametrize("gap", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_no_data(tmp_path, gap):
    def pixels_of(i):
        pixels = np.full((1, 4, 4), 0.5, np.float32)
        if i == 2:
            pixels[0, 1, 1] = gap
        return pixels

    root = make(tmp_path / "mine", pixels_of)
    _, pixels = packed(root, tmp_path, value_range=(0.0, 1.0))
    assert sorted(pixels) == [name for name in NAMES if name != "t2"]
    shutil_name = tmp_path / "again"
    _, pixels = packed(root, shutil_name, value_range=(0.0, 1.0), nodata="1")
    assert (pixels["t2"][0, 1, 1], pixels["t2"][0, 0, 0]) == (65535, 32768)


def test_black_is_no_data_only_where_every_band_is(tmp_path):
    def pixels_of(i):
        pixels = np.full((3, 4, 4), 9, np.uint8)
        pixels[0, 0, 0] = 0
        if i == 3:
            pixels[:, 2, 2] = 0
        return pixels

    _, pixels = packed(make(tmp_path / "mine", pixels_of, nodata=0), tmp_path)
    assert sorted(pixels) == [name for name in NAMES if name != "t3"]


def test_pixels_without_data_have_no_class(tmp_path):
    root = make(tmp_path / "mine", with_gaps, nodata=-9999)
    (root / "labels.csv").unlink()
    (root / "classes.txt").write_text("a\nb\n")
    (root / "masks").mkdir()
    for name in NAMES:
        Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8)).save(root / "masks" / f"{name}.png")
    archive, _ = packed(root, tmp_path, nodata="mean")
    np.testing.assert_array_equal(archive.label_maps[archive.names.index("t0")], [[255, 1], [1, 0]])


@pytest.mark.parametrize("policy", ["", "median", "nan", "1e999", "1,5"])
def test_policies_that_there_are_not(tmp_path, policy):
    with pytest.raises(InputError, match="--nodata"):
        plan_folder(make(tmp_path / "mine", with_gaps), FolderOptions(nodata=policy))


# Formats


@pytest.mark.parametrize("ending", [".jpg", ".tif", ".img", "", ".dat"])
def test_a_format_is_known_by_its_first_bytes(tmp_path, ending):
    root = make(tmp_path / "mine", lambda i: random(1))
    for i, name in enumerate(NAMES):
        (root / "images" / f"{name}.tif").unlink()
        Image.fromarray(random(3, i).transpose(1, 2, 0)).save(
            root / "images" / f"{name}{ending}", format="png"
        )
    _, pixels = packed(root, tmp_path)
    assert all(
        np.array_equal(pixels[name.split(".")[0]], random(3, i)) for i, name in enumerate(sorted(pixels))
    )


def test_a_jpeg_that_is_cut_behind_its_thumbnail_is_left_out(tmp_path):
    thumbnail = io.BytesIO()
    Image.new("RGB", (16, 16)).save(thumbnail, "jpeg")
    path = tmp_path / "a.jpg"
    Image.fromarray(random(3, size=(200, 200)).transpose(1, 2, 0)).save(
        path, comment=thumbnail.getvalue(), quality=95
    )
    read_raster(path)
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(Unreadable):
        read_raster(path)


# Names, scales and ranges of bands


def describe(root, change):
    for i, name in enumerate(NAMES):
        with rasterio.open(root / "images" / f"{name}.tif", "r+") as file:
            change(file, i)


def colours(*names):
    return [getattr(ColorInterp, name) for name in names]


def test_colours_of_bands_in_another_order_are_refused(tmp_path):
    root = make(tmp_path / "own", lambda i: random(3, i), photometric="rgb")
    with rasterio.open(root / "images/t2.tif", "r+") as file:
        file.colorinterp = colours("blue", "green", "red")
    with pytest.raises(InputError, match="are called blue, green, red, and those of others red, green, blue"):
        plan_folder(root, FolderOptions())
    for name in NAMES:
        with rasterio.open(root / "images" / f"{name}.tif", "r+") as file:
            file.colorinterp = colours("blue", "green", "red")
    notes = plan_folder(root, FolderOptions()).report["notes"]
    assert "6 images whose bands are declared as blue, green, red" in " ".join(notes)


@pytest.mark.parametrize("internal", [True, False])
def test_masks_of_the_pixels_with_data_are_told(tmp_path, internal):
    root = make(tmp_path / "own", lambda i: random(3, i))
    assert plan_folder(root, FolderOptions()).report["notes"] == []
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal), rasterio.open(root / "images/t2.tif", "r+") as file:
        file.write_mask(np.eye(16, dtype=np.uint8) * 255)
    assert (root / "images/t2.tif.msk").exists() != internal
    notes = " ".join(plan_folder(root, FolderOptions()).report["notes"])
    assert (
        "1 image with a mask of the pixels that have data" if internal else "t2.tif.msk says which"
    ) in notes


@pytest.mark.parametrize("how", ["png of one band", "png of three bands", "tiff"])
def test_pixels_that_a_mask_file_leaves_out_have_no_class(tmp_path, how):
    root = make(tmp_path / "own", lambda i: random(3, i))
    (root / "labels.csv").unlink()
    (root / "values.csv").write_text("name,value\nsea,0\nland,1\n")
    values = random(1, 9, high=2)
    ending = "tif" if how == "tiff" else "png"
    for name in NAMES:
        path = root / "masks" / f"{name}.{ending}"
        path.parent.mkdir(exist_ok=True)
        if how == "tiff":
            geotiff(path, values)
            with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
                file.write_mask(values[0] * 255)
        elif how == "png of one band":
            Image.fromarray(values[0]).save(path, transparency=0)
        else:
            Image.fromarray(np.repeat(values, 3, axis=0).transpose(1, 2, 0)).save(
                path, transparency=(0, 0, 0)
            )
    archive, _ = packed(root, tmp_path, classes=root / "values.csv")
    np.testing.assert_array_equal(archive.label_maps[0], np.where(values[0] == 1, 1, 255))


def test_a_png_of_the_transparent_colour_alone_has_no_class(tmp_path):
    Image.new("RGB", (4, 4), (1, 1, 1)).save(tmp_path / "a.png", transparency=(1, 1, 1))
    assert read_shape(tmp_path / "a.png").masked
    assert not read_raster(tmp_path / "a.png").valid.any()


def test_a_transparent_colour_of_an_image_is_told(tmp_path):
    root = make(tmp_path / "own", lambda i: random(3, i))
    (root / "images/t2.tif").unlink()
    Image.fromarray(random(3, 2).transpose(1, 2, 0)).save(root / "images/t2.png", transparency=(0, 0, 0))
    notes = " ".join(plan_folder(root, FolderOptions()).report["notes"])
    assert "1 image with a mask of the pixels that have data" in notes


@pytest.mark.parametrize("bits", [1, 8])
def test_tiffs_whose_numbers_are_no_brightness_are_refused(tmp_path, bits):
    geotiff(tmp_path / "white.tif", random(1, high=2), photometric="MINISWHITE", nbits=bits)
    geotiff(tmp_path / "lab.tif", random(3), photometric="CIELAB")
    for name, reason in (("white", "white as 0 and black as the largest"), ("lab", "colours as CIELAB")):
        for read in (read_raster, read_shape):
            with pytest.raises(Unreadable, match=reason):
                read(tmp_path / f"{name}.tif")


def test_no_data_that_is_declared_beside_an_image_is_told(tmp_path):
    root = make(tmp_path / "own", lambda i: random(3, i))
    (root / "images/t1.tif.aux.xml").write_text("<PAMDataset></PAMDataset>")
    assert "no data" not in " ".join(plan_folder(root, FolderOptions()).report["notes"])
    (root / "images/t2.tif.aux.xml").write_text("<PAMDataset><NoDataValue>7</NoDataValue></PAMDataset>")
    (root / "images/t3.tif.aux.xml").write_text("")
    assert "t2.tif.aux.xml says which pixels have no data" in " ".join(
        plan_folder(root, FolderOptions()).report["notes"]
    )


def test_bands_of_the_same_names_in_another_order_are_refused(tmp_path):
    root = make(tmp_path / "mine", lambda i: random(3, i))
    orders = [("B2", "B3", "B4"), ("B4", "B3", "B2")]
    describe(root, lambda file, i: setattr(file, "descriptions", orders[i % 2]))
    with pytest.raises(InputError, match="called B2, B3, B4, and those of others B4, B3, B2"):
        packed(root, tmp_path)


@pytest.mark.parametrize("differ", [False, True])
def test_a_declared_scale_is_told(tmp_path, differ):
    root = make(tmp_path / "mine", lambda i: random(2, i))

    def change(file, i):
        file.scales, file.offsets = (0.5, 0.5), (-0.25 if differ and i % 2 else 0.0, 0.0)

    describe(root, change)
    archive, pixels = packed(root, tmp_path)
    assert all(np.array_equal(pixels[name], random(2, i)) for i, name in enumerate(NAMES))
    assert "declare a scale and offset of their numbers: 0.5, 0" in said(archive)
    assert ("does not mean the same in every image" in said(archive)) == differ


def test_a_range_of_another_unit_is_told(tmp_path):
    root = make(tmp_path / "mine", lambda i: random(1, i, dtype=np.float32) / 256)
    archive, _ = packed(root, tmp_path, value_range=(0.0, 10000.0))
    assert archive.report["findings"] == {
        "images whose numbers fill less than 1 % of --value-range 0 10000": 6
    }


def test_when_everything_is_left_out_the_reason_is_said(tmp_path):
    root = make(tmp_path / "mine", lambda i: random(1, i, high=2), nodata=0)
    with pytest.raises(InputError, match="6 x left out: images with pixels without data"):
        packed(root, tmp_path)


def test_grey_images_of_few_bits_are_as_bright_as_others(tmp_path):
    images = tmp_path / "own" / "images"
    images.mkdir(parents=True)
    black_and_white = np.where(random(1, 3)[0] > 127, np.uint8(255), np.uint8(0))
    for i, name in enumerate(NAMES):
        image = Image.fromarray(black_and_white)
        image.convert("1" if i % 2 else "L").save(images / f"{name}.{'png' if i < 3 else 'tif'}")
    (tmp_path / "own" / "labels.csv").write_text("file,labels\n" + "".join(f"{n},a\n" for n in NAMES))
    _, pixels = packed(tmp_path / "own", tmp_path)
    assert len(pixels) == len(NAMES)
    assert all((found == black_and_white).all() for found in pixels.values())


def test_bands_of_which_some_have_other_names_are_refused(tmp_path):
    for i, name in enumerate(NAMES):
        path = tmp_path / "own" / "images" / f"{name}.tif"
        geotiff(path, random(3, i))
        with rasterio.open(path, "r+") as file:
            file.descriptions = ("B2", "B3", "B8" if i % 2 else "B4")
    (tmp_path / "own" / "labels.csv").write_text("file,labels\n" + "".join(f"{n},a\n" for n in NAMES))
    with pytest.raises(InputError, match="are called B2, B3, B4, and those of others B2, B3, B8"):
        packed(tmp_path / "own", tmp_path)
