"""Findings of georeferenced images as GeoJSON (RFC 7946) and GeoPackage (OGC 12-128r18), in WGS 84."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.audit.audit import Audit
from gridbench.audit.export import list_table
from gridbench.audit.ranking import Suspects
from gridbench.datasets import Archive
from gridbench.datasets.archive.layout import Georeference
from gridbench.errors import InputError

__all__ = ["GEOGRAPHIC", "feature_collection", "geopackage", "located", "polygons", "scene_features"]

Array = npt.NDArray[Any]
Ring = list[list[float]]
Feature = tuple[dict[str, Any], list[list[Ring]]]
"""Properties of a finding, and its outlines: polygons of an outer ring and holes."""

DIGITS = 8
"""Decimals of a degree: about a millimetre."""

KINDS: Mapping[str, type] = {
    **dict.fromkeys(("rank", "finding", "pixels", "row", "column", "down", "across"), int),
    **dict.fromkeys(("score", "probability", "margin", "injected"), float),
}
"""Columns of the lists that are numbers; the others are text."""

TYPES = {int: "INTEGER", float: "REAL", str: "TEXT"}
WGS84 = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4326"]]'
)


def polygons(pixels: Array, shape: tuple[int, int], place: Georeference) -> list[list[Ring]]:
    """Return the outlines of some pixels as polygons in degrees, longitude first: outer ring anticlockwise, then holes.

    Args:
        pixels: (P,) positions in the flat map.
        shape: (H, W).
        place: Where the image lies, in a coordinate reference system that is known.

    Returns:
        The polygons; none where the coordinate reference system says nothing of degrees, as a local one, or the image
        lies outside of it.
    """
    from rasterio.features import shapes
    from rasterio.transform import Affine
    from rasterio.warp import transform_geom

    inside = np.zeros(shape, dtype=np.uint8)
    inside.ravel()[pixels] = 1
    found = []
    for outline, _ in shapes(inside, mask=inside == 1, connectivity=4, transform=Affine(*place.transform)):
        try:
            there = transform_geom(
                place.crs, "EPSG:4326", outline, antimeridian_cutting=True, precision=DIGITS
            )
        except Exception:  # rasterio passes on whatever GDAL and PROJ raise
            return []
        parts = there["coordinates"] if there["type"] == "MultiPolygon" else [there["coordinates"]]
        found += [[_turned(ring, at == 0) for at, ring in enumerate(part)] for part in parts]
    return found if _on_earth(found) else []


def _on_earth(outlines: Sequence[list[Ring]]) -> bool:
    """Whether all points are degrees; longitudes may pass the antimeridian, and count from 0 to 360."""
    points = np.array([point for outline in outlines for ring in outline for point in ring])
    return bool(np.isfinite(points).all() and (np.abs(points) <= (360, 90)).all())


def feature_collection(features: Sequence[Feature]) -> bytes:
    """Return features as a GeoJSON FeatureCollection."""
    rows = [
        {
            "type": "Feature",
            "properties": facts,
            "geometry": {"type": "MultiPolygon", "coordinates": outlines},
        }
        for facts, outlines in features
    ]
    return json.dumps({"type": "FeatureCollection", "features": rows}, ensure_ascii=False).encode()


def geopackage(features: Sequence[Feature]) -> bytes:
    """Return features, at least one, as a GeoPackage with one layer, `findings`.

    A GeoPackage is an SQLite file of a few tables, which the standard library writes; no further library is needed.
    """
    columns = list(features[0][0])
    words = [*columns, "geom"]
    box = _box(outline for _, outlines in features for outline in outlines)
    with sqlite3.connect(":memory:") as base:
        base.executescript(_TABLES)
        base.execute(
            "INSERT INTO gpkg_spatial_ref_sys VALUES ('WGS 84', 4326, 'EPSG', 4326, ?, 'longitude/latitude')",
            (WGS84,),
        )
        kinds = [f'"{name}" {TYPES[type(value)]}' for name, value in features[0][0].items()]
        base.execute(
            f"CREATE TABLE findings (fid INTEGER PRIMARY KEY, geom MULTIPOLYGON, {', '.join(kinds)})"
        )
        base.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, min_x, min_y, max_x, max_y, srs_id) "
            "VALUES ('findings', 'features', 'findings', ?, ?, ?, ?, 4326)",
            box,
        )
        base.execute(
            "INSERT INTO gpkg_geometry_columns VALUES ('findings', 'geom', 'MULTIPOLYGON', 4326, 0, 0)"
        )
        names = ", ".join(f'"{name}"' for name in words)
        base.executemany(
            f"INSERT INTO findings ({names}) VALUES ({', '.join('?' * len(words))})",
            [(*facts.values(), _blob(outlines)) for facts, outlines in features],
        )
        base.commit()
        return base.serialize()


GEOGRAPHIC = {"geojson": feature_collection, "gpkg": geopackage}

_TABLES = """
PRAGMA application_id = 1196444487; PRAGMA user_version = 10300;
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL,
    organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
INSERT INTO gpkg_spatial_ref_sys VALUES ('Undefined Cartesian', -1, 'NONE', -1, 'undefined', NULL);
INSERT INTO gpkg_spatial_ref_sys VALUES ('Undefined geographic', 0, 'NONE', 0, 'undefined', NULL);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
    description TEXT DEFAULT '', last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
    min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL,
    geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL REFERENCES gpkg_spatial_ref_sys(srs_id),
    z TINYINT NOT NULL, m TINYINT NOT NULL, PRIMARY KEY (table_name, column_name));
"""


def scene_features(audit: Audit, archive: Archive, suspects: Suspects) -> list[Feature]:
    """Return the columns of the list, and the outline of the whole image, of suspicious labels whose place is known.

    Raises:
        InputError: There is none.
    """
    header, rows = list_table(audit, archive, suspects)
    whole = np.arange(archive.image_size[0] * archive.image_size[1])
    positions = audit.positions[suspects.samples].tolist()
    words = [dict(zip(header, row, strict=True)) for row in rows]
    return located(
        archive, [(i, facts, whole) for i, facts in zip(positions, words, strict=True)], archive.image_size
    )


def located(
    archive: Archive, found: Sequence[tuple[int, Mapping[str, str], Array]], shape: tuple[int, int]
) -> list[Feature]:
    """Return what was found in images whose coordinates are known.

    Args:
        archive: The archive.
        found: Position in the archive, columns of the list, and positions of the pixels in the flat image.
        shape: (H, W) of the images.

    Raises:
        InputError: There is none.
    """
    places: Sequence[Georeference | None] = archive.georeferences or [None] * len(archive)
    features = []
    for position, words, pixels in found:
        place = places[position]
        if place is not None and place.crs is not None:
            facts = {name: KINDS.get(name, str)(word) for name, word in words.items()}
            outlines = polygons(pixels, shape, place)
            features += [(facts, outlines)] if outlines else []
    if not features:
        raise InputError(
            f"No finding lies in an image of {archive.name!r} whose coordinates are known as degrees. They are kept of "
            "GeoTIFF and JPEG 2000 with a coordinate reference system that is not a local one; an archive that was "
            "prepared before has none: gridbench data prepare folder ... --force"
        )
    return features


def _turned(ring: Any, outer: bool) -> Ring:
    """Return a ring anticlockwise where it is an outer one, else clockwise."""
    points = [[float(x), float(y)] for x, y in ring]
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(points))
    return points if (area > 0) == outer else points[::-1]


def _box(outlines: Iterable[list[Ring]]) -> tuple[float, float, float, float]:
    points = np.array([point for outline in outlines for ring in outline for point in ring])
    return (
        float(points[:, 0].min()),
        float(points[:, 1].min()),
        float(points[:, 0].max()),
        float(points[:, 1].max()),
    )


def _blob(outlines: list[list[Ring]]) -> bytes:
    """Return a multipolygon in GeoPackage's binary form: header with envelope, then well-known binary."""
    x0, y0, x1, y1 = _box(outlines)
    parts = [
        struct.pack("<2sBBi4d", b"GP", 0, 3, 4326, x0, x1, y0, y1),
        struct.pack("<BII", 1, 6, len(outlines)),
    ]
    for outline in outlines:
        parts.append(struct.pack("<BII", 1, 3, len(outline)))
        for ring in outline:
            parts.append(struct.pack("<I", len(ring)) + np.array(ring, dtype="<f8").tobytes())
    return b"".join(parts)
