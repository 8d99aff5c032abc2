"""Where images lie: kept by the archive, through tiles and resizing, and no part of its identity."""

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.archive.layout import Georeference
from gridbench.datasets.readers.folder import folder
from gridbench.datasets.readers.prepare import prepare
from gridbench.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

PLACE = Affine(10, 0, 500000, 0, -10, 2800000)


@pytest.fixture
def source(tmp_path):
    """Four images of 16 x 24 px with masks, of which one lies nowhere."""

    def make(where, placed=True):
        root = tmp_path / where
        (root / "images").mkdir(parents=True)
        (root / "masks").mkdir()
        (root / "classes.txt").write_text("a\nb\n")
        rng = np.random.default_rng(0)
        for i in range(4):
            facts = (
                {"crs": "EPSG:32640", "transform": PLACE @ Affine.translation(100 * i, 0)}
                if placed and i < 3
                else {}
            )
            shape = {"driver": "GTiff", "height": 16, "width": 24, "dtype": "uint8", **facts}
            with rasterio.open(root / "images" / f"{i}.tif", "w", count=3, **shape) as file:
                file.write(rng.integers(0, 255, (3, 16, 24)).astype(np.uint8))
            with rasterio.open(root / "masks" / f"{i}.tif", "w", count=1, **shape) as file:
                file.write(rng.integers(0, 2, (1, 16, 24)).astype(np.uint8))
        return root

    return make


def packed(root, cache, **options):
    return prepare(
        folder.plan_folder(root, folder.FolderOptions(split="50/25/25", **options)), cache, "place"
    )


def test_whole_images_keep_their_place(source, tmp_path):
    archive = packed(source("a"), tmp_path / "cache")
    places = dict(zip(archive.names, archive.georeferences, strict=True))
    assert places["1"] == Georeference("EPSG:32640", (10, 0, 501000, 0, -10, 2800000))
    assert places["3"] is None
    archive.verify()


def test_tiles_and_resized_images_lie_where_they_were_cut(source, tmp_path):
    root = source("a")
    archive = packed(root, tmp_path / "tiles", tile=8)
    places = dict(zip(archive.names, archive.georeferences, strict=True))
    assert places["1_r001_c002"].transform == (10, 0, 501160, 0, -10, 2799920)
    small = packed(root, tmp_path / "small", resize=8)
    places = dict(zip(small.names, small.georeferences, strict=True))
    assert places["0"].transform == (30, 0, 500000, 0, -20, 2800000)


def test_the_place_is_no_part_of_the_identity(source, tmp_path):
    somewhere = packed(source("a"), tmp_path / "somewhere")
    nowhere = packed(source("b", placed=False), tmp_path / "nowhere")
    assert nowhere.georeferences is None
    assert (somewhere.fingerprint, somewhere.plan) == (nowhere.fingerprint, nowhere.plan)


def test_a_damaged_file_of_places_is_told(source, tmp_path):
    archive = packed(source("a"), tmp_path / "cache")
    path = archive.directory / "georeferences.json"
    path.write_bytes(path.read_bytes().replace(b"501000", b"abcdef"))
    with pytest.raises(InputError, match="georeferences cannot be read"):
        _ = Archive.open(archive.directory).georeferences
    with pytest.raises(InputError, match="has changed since it was packed"):
        archive.verify()
