"""The 17 classes, 21 scenes and the split that UC Merced, its multi-labels and DLRSD share.

Classes and their order: Chaudhuri et al. 2018; colours of the label maps: Shao, Yang, Zhou 2018; split: the paper's
70/10/20 rule within each scene on sorted names.
"""

from __future__ import annotations

import re

__all__ = ["CLASS_NAMES", "COLOURS", "SCENES", "canonical_names", "class_of", "parse_name", "split_of"]

_TABLE: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("airplane", (166, 202, 240)),
    ("bare-soil", (128, 128, 0)),
    ("buildings", (0, 0, 128)),
    ("cars", (255, 0, 0)),
    ("chaparral", (0, 128, 0)),
    ("court", (128, 0, 0)),
    ("dock", (255, 233, 233)),
    ("field", (160, 160, 164)),
    ("grass", (0, 128, 128)),
    ("mobile-home", (90, 87, 255)),
    ("pavement", (255, 255, 0)),
    ("sand", (255, 192, 0)),
    ("sea", (0, 0, 255)),
    ("ship", (255, 0, 192)),
    ("tanks", (128, 0, 128)),
    ("trees", (0, 255, 0)),
    ("water", (0, 255, 255)),
)
CLASS_NAMES = tuple(name for name, _ in _TABLE)
COLOURS = {colour: index for index, (_, colour) in enumerate(_TABLE)}
SCENES = (
    "agricultural",
    "airplane",
    "baseballdiamond",
    "beach",
    "buildings",
    "chaparral",
    "denseresidential",
    "forest",
    "freeway",
    "golfcourse",
    "harbor",
    "intersection",
    "mediumresidential",
    "mobilehomepark",
    "overpass",
    "parkinglot",
    "river",
    "runway",
    "sparseresidential",
    "storagetanks",
    "tenniscourt",
)
IMAGES_PER_SCENE = 100

_LETTERS = {re.sub("[^a-z]", "", name): index for index, name in enumerate(CLASS_NAMES)}
_NAME = re.compile(r"([a-z]+)(\d{2})")


def class_of(word: str) -> int | None:
    """Return the class of a name in any of its spellings (bare-soil, baresoil, bare soil), or None."""
    return _LETTERS.get(re.sub("[^a-z]", "", word.lower()))


def parse_name(stem: str) -> tuple[str, int] | None:
    """Return (scene, number) of an image's name such as `"agricultural07"`, or None."""
    found = _NAME.fullmatch(stem.lower())
    return (found[1], int(found[2])) if found and found[1] in SCENES else None


def split_of(number: int) -> str:
    """Return the split of the image with that number within its scene (the paper's 70/10/20 rule)."""
    if (number + 1) % 10 in (2, 7):
        return "test"
    return "val" if (number + 1) % 10 == 5 else "train"


def canonical_names() -> list[str]:
    """Return the names of all 2,100 images in the order of the label files."""
    return [f"{scene}{number:02d}" for scene in SCENES for number in range(IMAGES_PER_SCENE)]
