"""The paper's label noise: a share of all labels is replaced by classes that the image does not have.

The unit is the pair of an image and a class that it has. Of P pairs in the training set exactly
M = floor(P * SLNIR / 100) are drawn, each one's class is removed, and a class is added that is neither among the
image's original classes nor among those already added to it (paper, Section IV-A). At pixel level the classes of an
image are those of its label map, and all pixels of a drawn class are relabelled at once.

An image with n classes of C can give up min(n, C - n) of them. Pairs are therefore drawn one after another, each
uniformly among the pairs whose image still has room; as long as no image has more than C / 2 classes, that is the
uniform draw without replacement. The new classes of an image are a uniform draw without replacement from its C - n
free ones.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.noise.corruption import Corruption, Ints, scene_corruption
from gridbench.noise.draw import Flags, capped_pairs, free_classes, spare_classes
from gridbench.noise.labels import IGNORE, checked_maps, checked_scene_labels, class_pixels
from gridbench.noise.model import NoiseModel
from gridbench.noise.rates import Rate, exact_rate, largest_percent, realisable
from gridbench.registry import register_noise

__all__ = ["Swap", "corrupt_label_maps", "corrupt_scene_labels", "largest_slnir"]


def corrupt_scene_labels(labels: Any, slnir: Rate, rng: np.random.Generator) -> Corruption:
    """Replace exactly floor(P * slnir / 100) of the P labels by classes that the image does not have.

    Args:
        labels: (N, C) of 0 and 1, of any numeric type; left as they are.
        slnir: 0 to 100 percent; whole numbers, text and `Decimal` are exact.
        rng: Where every random number comes from.

    Returns:
        The noisy labels, in which every image has as many classes as before, and what became what.

    Raises:
        InputError: Labels other than 0 and 1, or a rate above what the images have free classes for; the message
            names the largest one.
    """
    clean, rate = checked_scene_labels(labels), exact_rate(slnir)
    present = clean != 0
    changed = _draw(present, rate, rng)
    return scene_corruption(clean, changed, rate)


def corrupt_label_maps(
    maps: Any, num_classes: int, slnir: Rate, rng: np.random.Generator, ignore: int = IGNORE
) -> Corruption:
    """Relabel exactly floor(P * slnir / 100) of the P pairs of a map and a class in it.

    Args:
        maps: (N, H, W) whole numbers; left as they are.
        num_classes: Number of classes C.
        slnir: 0 to 100 percent; whole numbers, text and `Decimal` are exact.
        rng: Where every random number comes from.
        ignore: Class id of pixels without a label; they and negative ones stay as they are.

    Returns:
        The noisy maps, in which all pixels of a drawn class have one class that the map did not have, and what
        became what.

    Raises:
        InputError: A class outside the range (the message names the sample), or a rate above what the maps have
            free classes for (the message names the largest one).
    """
    clean, rate = checked_maps(maps, num_classes, ignore), exact_rate(slnir)
    present = class_pixels(clean, num_classes, ignore) > 0
    changed = _draw(present, rate, rng)
    noisy = clean.copy()
    for sample, before, after in changed.tolist():
        # Compared with the clean map, so that a class given to one region is not taken for another's.
        np.copyto(noisy[sample], after, where=clean[sample] == before, casting="unsafe")
    affected = np.bincount(changed[:, 1], minlength=num_classes)
    return Corruption(noisy, changed, rate, "pixel", present.sum(axis=0, dtype=np.int64), affected)


def largest_slnir(labels: Any) -> Decimal:
    """Return the largest rate in percent, in steps of 0.01, that these labels can realise.

    Args:
        labels: (N, C) of 0 and 1; for label maps, which classes each map has.

    Raises:
        InputError: Labels other than 0 and 1.
    """
    present = checked_scene_labels(labels) != 0
    return largest_percent(int(spare_classes(present).sum()), int(present.sum()))


@register_noise()
class Swap(NoiseModel):
    """The paper's rule; the rate is the share of (image, class) pairs that are replaced."""

    kinds = ("scene", "pixel")

    def scene(
        self,
        labels: npt.NDArray[Any],
        rate: Rate,
        rng: np.random.Generator,
        difficulty: npt.NDArray[Any] | None = None,
    ) -> Corruption:
        """Replace labels; see `corrupt_scene_labels`."""
        return corrupt_scene_labels(labels, rate, rng)

    def pixel(
        self, maps: npt.NDArray[Any], num_classes: int, rate: Rate, rng: np.random.Generator
    ) -> Corruption:
        """Relabel the classes of maps; see `corrupt_label_maps`."""
        return corrupt_label_maps(maps, num_classes, rate, rng)


def _draw(present: Flags, rate: Decimal, rng: np.random.Generator) -> Ints:
    room = spare_classes(present)
    why = "the other images have no classes to spare"
    count = realisable(int(present.sum()), int(room.sum()), rate, "labels", why)
    samples, before = capped_pairs(present, room, count, rng)
    return np.stack((samples, before, free_classes(present, samples, rng)), axis=1)
