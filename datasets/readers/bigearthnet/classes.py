"""The 19 classes of BigEarthNet and how CORINE's level-3 classes (codes and names) map to them.

The order is the official one (CORINE code order), not alphabetical; everything is mapped by name or code.
Source: Sumbul et al. 2021 (the 19-class nomenclature), CORINE Land Cover level 3.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.archive.layout import IGNORE

__all__ = ["CLASS_NAMES", "CORINE", "NO_DATA_CODES", "UnknownLabel", "classes_of_codes", "multi_hot"]

CLASS_NAMES = (
    "Urban fabric",
    "Industrial or commercial units",
    "Arable land",
    "Permanent crops",
    "Pastures",
    "Complex cultivation patterns",
    "Land principally occupied by agriculture, with significant areas of natural vegetation",
    "Agro-forestry areas",
    "Broad-leaved forest",
    "Coniferous forest",
    "Mixed forest",
    "Natural grassland and sparsely vegetated areas",
    "Moors, heathland and sclerophyllous vegetation",
    "Transitional woodland, shrub",
    "Beaches, dunes, sands",
    "Inland wetlands",
    "Coastal wetlands",
    "Inland waters",
    "Marine waters",
)

CORINE: tuple[tuple[int, str, int | None], ...] = (
    (111, "Continuous urban fabric", 0),
    (112, "Discontinuous urban fabric", 0),
    (121, "Industrial or commercial units", 1),
    (122, "Road and rail networks and associated land", None),
    (123, "Port areas", None),
    (124, "Airports", None),
    (131, "Mineral extraction sites", None),
    (132, "Dump sites", None),
    (133, "Construction sites", None),
    (141, "Green urban areas", None),
    (142, "Sport and leisure facilities", None),
    (211, "Non-irrigated arable land", 2),
    (212, "Permanently irrigated land", 2),
    (213, "Rice fields", 2),
    (221, "Vineyards", 3),
    (222, "Fruit trees and berry plantations", 3),
    (223, "Olive groves", 3),
    (231, "Pastures", 4),
    (241, "Annual crops associated with permanent crops", 3),
    (242, "Complex cultivation patterns", 5),
    (243, "Land principally occupied by agriculture, with significant areas of natural vegetation", 6),
    (244, "Agro-forestry areas", 7),
    (311, "Broad-leaved forest", 8),
    (312, "Coniferous forest", 9),
    (313, "Mixed forest", 10),
    (321, "Natural grassland", 11),
    (322, "Moors and heathland", 12),
    (323, "Sclerophyllous vegetation", 12),
    (324, "Transitional woodland/shrub", 13),
    (331, "Beaches, dunes, sands", 14),
    (332, "Bare rock", None),
    (333, "Sparsely vegetated areas", 11),
    (334, "Burnt areas", None),
    (335, "Glaciers and perpetual snow", None),
    (411, "Inland marshes", 15),
    (412, "Peatbogs", 15),
    (421, "Salt marshes", 16),
    (422, "Salines", 16),
    (423, "Intertidal flats", None),
    (511, "Water courses", 17),
    (512, "Water bodies", 17),
    (521, "Coastal lagoons", 18),
    (522, "Estuaries", 18),
    (523, "Sea and ocean", 18),
)
"""(code, name in version 1, class or None) of every CORINE level-3 class."""

NO_DATA_CODES = (0, 999)
"""Codes of reference maps where CORINE has no data."""

# Stands for codes that are not CORINE's; 255 is `IGNORE`.
_UNKNOWN = 254
_BY_NAME: dict[str, int | None] = {name: target for _, name, target in CORINE}
_BY_NAME.update({name: index for index, name in enumerate(CLASS_NAMES)})
_BY_CODE = np.full(1 << 16, _UNKNOWN, dtype=np.uint8)
for _code, _, _target in CORINE:
    _BY_CODE[_code] = IGNORE if _target is None else _target
for _code in NO_DATA_CODES:
    _BY_CODE[_code] = IGNORE


class UnknownLabel(ValueError):
    """A label or a code that CORINE does not have."""


def multi_hot(labels: Iterable[str]) -> NDArray[np.uint8]:
    """Return (19,) scene labels for names of version 1 (43 classes) or of version 2 (19 classes).

    Names without one of the 19 classes are dropped, so the result can be all zero.

    Raises:
        UnknownLabel: A name is none of them.
    """
    result = np.zeros(len(CLASS_NAMES), dtype=np.uint8)
    for name in labels:
        if name not in _BY_NAME:
            raise UnknownLabel(f"the label {name!r} is none of BigEarthNet's classes")
        target = _BY_NAME[name]
        if target is not None:
            result[target] = 1
    return result


def classes_of_codes(codes: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Turn a reference map of CORINE codes into one of the 19 classes; codes without a class become 255.

    Args:
        codes: (H, W) whole numbers.

    Raises:
        UnknownLabel: A code is none of CORINE's.
    """
    if (
        codes.dtype.kind not in "ui"
        or int(codes.min(initial=0)) < 0
        or int(codes.max(initial=0)) >= len(_BY_CODE)
    ):
        raise UnknownLabel(
            f"{codes.dtype.name} numbers from {codes.min()} to {codes.max()} are not CORINE codes"
        )
    result = _BY_CODE[codes]
    unknown = result == _UNKNOWN
    if unknown.any():
        listed = ", ".join(map(str, np.unique(codes[unknown])[:5].tolist()))
        raise UnknownLabel(f"the codes {listed} are none of CORINE's")
    return np.asarray(result)
