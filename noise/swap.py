"""The paper's label noise: a share of all labels is replaced by classes that the image does not have.

The unit is the pair of an image and a class that it has. Of P pairs in the training set exactly
M = floor(P * SLNIR / 100) are drawn, each one's class is removed, and a class is added that is neither among the
image's original classes nor among those already added to it (paper, Section IV-A). At pixel level the classes of an
image are those of its label map, and all pixels of a drawn class are relabelled at once.

An image with n classes of C can give up min(n, C - n) of them. Pairs are therefore drawn one after another, each
uniformly among the pairs whose image still has room; as long as no image has more than C / 2 classes, that is the
uniform draw without replacement. The new classes of an image are a uniform draw without replacement from its C - n
free ones.

GRID's published code does otherwise: any other class may be added, also one that the image has or that another of its
classes became. M pairs are drawn uniformly however full an image is, all removals come before the additions, and
fewer than M labels go (some are added back) and still fewer are new. That is `replacement="any"`; its rate counts the
pairs that were drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from gridbench.core.labels import IGNORE
from gridbench.errors import InputError, nearest
from gridbench.noise.core.corruption import Corruption, Ints, scene_corruption
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.labels import checked_maps, checked_scene_labels, class_pixels
from gridbench.noise.core.model import NoiseModel
from gridbench.noise.core.rates import Rate, exact_rate, largest_percent, realisable
from gridbench.noise.core.sampling import Flags, capped_pairs, checked_generator, free_classes, spare_classes
from gridbench.parameters import parameter
from gridbench.registry import register_noise

__all__ = ["Parameters", "Swap", "corrupt_label_maps", "corrupt_scene_labels", "draw_any", "largest_slnir"]

REPLACEMENTS = ("absent", "any")


def corrupt_scene_labels(
    labels: Any, slnir: Rate, rng: np.random.Generator, replacement: str = "absent"
) -> Corruption:
    """Replace exactly floor(P * slnir / 100) of the P labels by classes that the image does not have.

    Args:
        labels: (N, C) of 0 and 1, of any numeric type; left as they are.
        slnir: 0 to 100 percent; whole numbers, text and `Decimal` are exact.
        rng: Random number generator.
        replacement: `"absent"`, the paper's rule, or `"any"`: any other class, also one that the image has.

    Returns:
        The noisy labels and the changes. Every image has as many classes as before; with `"any"` as many at
        most, and a label that became a class of the image is in `changed` though no class was added.

    Raises:
        InputError: Labels other than 0 and 1, another replacement, or a rate above what the images have free
            classes for; the message names the largest one.

    Example:
        >>> made = corrupt_scene_labels(np.eye(4, dtype=int), 50, np.random.default_rng(0))
        >>> len(made.changed), made.labels.sum(axis=1).tolist(), made.realised
        (2, [1, 1, 1, 1], 50.0)
    """
    clean = checked_scene_labels(labels)
    return _replace_labels(clean, clean != 0, exact_rate(slnir), rng, replacement)


def _replace_labels(
    clean: npt.NDArray[Any], present: Flags, rate: Decimal, rng: np.random.Generator, replacement: str
) -> Corruption:
    changed = _draw(present, rate, rng, replacement)
    return replace(scene_corruption(clean, changed, rate), merging=replacement == "any")


def corrupt_label_maps(
    maps: Any,
    num_classes: int,
    slnir: Rate,
    rng: np.random.Generator,
    ignore: int = IGNORE,
    replacement: str = "absent",
) -> Corruption:
    """Relabel exactly floor(P * slnir / 100) of the P pairs of a map and a class in it.

    Args:
        maps: (N, H, W) whole numbers; left as they are.
        num_classes: Number of classes C.
        slnir: 0 to 100 percent; whole numbers, text and `Decimal` are exact.
        rng: Random number generator.
        ignore: Class id of pixels without a label; they and negative ones stay as they are.
        replacement: `"absent"`, the paper's rule, or `"any"`: any other class, also one that the map has.

    Returns:
        The noisy maps, in which all pixels of a drawn class have one class that the map did not have, or with
        `"any"` one other class, and what became what.

    Raises:
        InputError: A class outside the range (the message names the sample), another replacement, or a rate above
            what the maps have free classes for (the message names the largest one).

    Example:
        >>> maps = np.array([[[0, 0], [1, 1]], [[2, 2], [2, 2]]])
        >>> made = corrupt_label_maps(maps, 4, "34", np.random.default_rng(0))
        >>> len(made.changed), int((made.labels != maps).any(axis=(1, 2)).sum())
        (1, 1)
    """
    clean = checked_maps(maps, num_classes, ignore)
    present = class_pixels(clean, num_classes, ignore) > 0
    return _relabel(clean, present, exact_rate(slnir), rng, replacement)


def _relabel(
    clean: npt.NDArray[Any], present: Flags, rate: Decimal, rng: np.random.Generator, replacement: str
) -> Corruption:
    changed = _draw(present, rate, rng, replacement)
    noisy = clean.copy()
    for sample, before, after in changed.tolist():
        # Compared with the clean map, so that a class given to one region is not relabelled again with another.
        np.copyto(noisy[sample], after, where=clean[sample] == before, casting="unsafe")
    affected = np.bincount(changed[:, 1], minlength=present.shape[1])
    positives = present.sum(axis=0, dtype=np.int64)
    return Corruption(noisy, changed, rate, "pixel", positives, affected, merging=replacement == "any")


def largest_slnir(labels: Any) -> Decimal:
    """Return the largest rate in percent, in steps of 0.01, that these labels can realise.

    Args:
        labels: (N, C) of 0 and 1; for label maps, which classes each map has.

    Raises:
        InputError: Labels other than 0 and 1.

    Example:
        >>> largest_slnir([[1, 1, 0], [1, 0, 0]])
        Decimal('99.99')
    """
    present = checked_scene_labels(labels) != 0
    return largest_percent(int(spare_classes(present).sum()), int(present.sum()))


@dataclass(frozen=True)
class Parameters:
    """Rule for the replacement classes."""

    replacement: str = parameter(
        "absent",
        "the new class is one that the image does not have (absent), or any other one, as in GRID's code (any)",
        "GRID paper, Section IV-A",
        choices=REPLACEMENTS,
    )


@register_noise()
class Swap(NoiseModel):
    """The paper's rule; the rate is the share of (image, class) pairs that are replaced."""

    levels = ("scene", "pixel", "single")
    Parameters = Parameters
    authors_code: ClassVar[Mapping[str, Any]] = {"replacement": "any"}

    def corrupt_scene(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Replace labels; see `corrupt_scene_labels`."""
        return _replace_labels(labels.scene_labels, labels.present, rate, rng, self.parameters.replacement)

    def corrupt_maps(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Relabel the classes of maps; see `corrupt_label_maps`."""
        return _relabel(labels.maps, labels.class_pixels > 0, rate, rng, self.parameters.replacement)


def _draw(present: Flags, rate: Decimal, rng: np.random.Generator, replacement: str) -> Ints:
    checked_generator(rng)
    if replacement not in REPLACEMENTS:
        raise InputError(
            f"The replacement is {replacement!r}; allowed is one of {', '.join(REPLACEMENTS)}."
            f"{nearest(replacement, REPLACEMENTS)}"
        )
    if replacement == "any":
        return draw_any(present, rate, rng)
    room = spare_classes(present)
    why = "the other images have no classes to spare"
    count = realisable(int(present.sum()), int(room.sum()), rate, "labels", why)
    samples, before = capped_pairs(present, room, count, rng)
    return np.stack((samples, before, free_classes(present, samples, rng)), axis=1)


def draw_any(present: Flags, rate: Decimal, rng: np.random.Generator) -> Ints:
    """Draw floor(P * rate / 100) of the P pairs (N, C), and for each any other class; (K, 3) as in a corruption."""
    total, others = int(present.sum()), present.shape[1] - 1
    reachable = total if others > 0 else 0
    count = realisable(total, reachable, rate, "labels", "there is no other class")
    samples, before = capped_pairs(present, present.sum(axis=1, dtype=np.int64), count, rng)
    after = rng.integers(others, size=count) if count else before
    # One of C - 1 numbers; those from the class itself on stand for the class after it.
    return np.stack((samples, before, after + (after >= before)), axis=1)
