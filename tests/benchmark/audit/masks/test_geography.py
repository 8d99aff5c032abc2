"""Findings as GeoJSON and GeoPackage: coordinates by hand, and the tables of the specification."""

import dataclasses
import json
import sqlite3
import types
from itertools import pairwise

import numpy as np
import pytest

from gridbench.audit.exchange.geography import feature_collection, geopackage
from gridbench.audit.masks.audit import MaskAudit
from gridbench.audit.masks.correction import mask_features
from gridbench.audit.masks.regions import WRONG, Candidate
from gridbench.datasets.archive.layout import Georeference
from gridbench.errors import InputError

PLACE = Georeference("EPSG:4326", (0.1, 0.0, 10.0, 0.0, -0.1, 50.0))


def case(tmp_path, places):
    """A region of 3 x 3 pixels with a hole, at row and column 1 of the first of two maps."""
    inside = np.zeros((6, 6), bool)
    inside[1:4, 1:4] = True
    inside[2, 2] = False
    pixels = np.flatnonzero(inside)
    finding = Candidate(WRONG, 1.0, pixels, np.ones(len(pixels), np.uint8), 0, 1)
    audit = MaskAudit(
        tmp_path,
        {},
        np.arange(2),
        np.zeros((2, 6, 6), np.uint8),
        np.array([0]),
        [finding],
        np.array([0.75]),
        None,
    )
    archive = types.SimpleNamespace(
        names=["a", "b"], class_names=("x", "y"), georeferences=places, name="two"
    )
    return audit, archive


def test_a_region_with_a_hole_has_its_corners_in_degrees(tmp_path):
    (feature,) = json.loads(feature_collection(mask_features(*case(tmp_path, [PLACE, None]), 9)))["features"]
    assert feature["properties"]["finding"] == 1
    assert feature["properties"]["probability"] == 0.75
    ((outer, hole),) = feature["geometry"]["coordinates"]
    assert {tuple(np.round(point, 6)) for point in outer} == {
        (10.1, 49.9),
        (10.1, 49.6),
        (10.4, 49.6),
        (10.4, 49.9),
    }
    assert {tuple(np.round(point, 6)) for point in hole} == {
        (10.2, 49.8),
        (10.2, 49.7),
        (10.3, 49.7),
        (10.3, 49.8),
    }
    area = [sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring)) for ring in (outer, hole)]
    assert area[0] > 0 > area[1]


def test_a_geopackage_has_the_tables_of_the_specification(tmp_path):
    path = tmp_path / "f.gpkg"
    path.write_bytes(geopackage(mask_features(*case(tmp_path, [PLACE, None]), 9)))
    with sqlite3.connect(path) as base:
        assert base.execute("PRAGMA application_id").fetchone()[0] == int.from_bytes(b"GPKG", "big")
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert base.execute("SELECT srs_id FROM gpkg_spatial_ref_sys ORDER BY 1").fetchall() == [
            (-1,),
            (0,),
            (4326,),
        ]
        box = base.execute("SELECT min_x, min_y, max_x, max_y FROM gpkg_contents").fetchone()
        assert box == pytest.approx((10.1, 49.6, 10.4, 49.9))
        sample, blob = base.execute("SELECT sample, geom FROM findings").fetchone()
    assert sample == "a"
    assert blob[:2] == b"GP"
    assert int.from_bytes(blob[4:8], "little") == 4326


LOCAL = 'LOCAL_CS["plan of the site",UNIT["metre",1]]'


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        (LOCAL, PLACE.transform),
        ("EPSG:999999", PLACE.transform),
        ("nonsense", PLACE.transform),
        ("EPSG:32633", (10, 0, 1e12, 0, -10, 5e6)),
        ("EPSG:32633", (float("nan"), 0, 0, 0, -1, 0)),
        ("EPSG:4326", (1, 0, 10, 0, -1, 95)),
    ],
)
def test_findings_in_images_that_lie_nowhere_on_earth_are_left_out(tmp_path, crs, transform):
    audit, archive = case(tmp_path, [Georeference(crs, transform), PLACE])
    with pytest.raises(InputError, match="coordinates are known as degrees"):
        mask_features(audit, archive, 9)
    audit = dataclasses.replace(audit, images=np.array([1]))
    assert len(mask_features(audit, archive, 9)) == 1


def test_findings_that_lie_nowhere_are_refused(tmp_path):
    with pytest.raises(InputError, match="coordinates are known"):
        mask_features(*case(tmp_path, [None, None]), 9)
