"""Band statistics that GRID's published code standardises with, for its literal protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gridbench.errors import InputError

__all__ = ["PUBLISHED", "published_statistics"]

# The DLRSD constants are far from what the train split has (about 123, 124, 114 and 55, 52, 50); the published code
# uses them all the same. Those of BigEarthNet are TU Berlin's for version 1.
PUBLISHED: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "dlrsd": ((76.548, 76.802, 73.499), (72.219, 70.419, 63.127)),
    "bigearthnet": (
        (590.236, 614.217, 429.943, 2218.946, 950.684, 1792.463, 2075.468, 2266.460, 1594.427, 1009.327),
        (675.887, 582.879, 572.416, 1365.456, 729.898, 1096.015, 1273.454, 1356.138, 1079.191, 818.867),
    ),
}
"""Kind of archive -> (mean, standard deviation) of each band in packed order: red, green, blue for DLRSD; B04, B03,
B02, B08, B05, B06, B07, B8A, B11, B12 for BigEarthNet."""


def published_statistics(
    kind: str, band_names: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the published mean and standard deviation of each band.

    Args:
        kind: Which reader built the archive (`Archive.kind`).
        band_names: Its bands.

    Returns:
        Two (bands,) arrays.

    Raises:
        InputError: Nothing was published for such archives.
    """
    mean, std = PUBLISHED.get(kind, ((), ()))
    if not mean or len(mean) != len(band_names):
        raise InputError(
            f"GRID's code has no statistics for a {kind!r} archive of {len(band_names)} bands; "
            f"it has them for: {', '.join(PUBLISHED)}. Leave --statistics at train."
        )
    return np.array(mean), np.array(std)
