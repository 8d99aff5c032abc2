"""Strong augmentation of a batch against torchvision's RandAugment at the same strength, and against a weak batch.

Ours draws for each image; so does RandAugment when it is called image by image, as data loaders do. Called once for a
batch it draws one pair of operations for all of its images, which is another augmentation and its cheapest use.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from helpers.fair import QUICK, compare
from helpers.made_up import packed
from torchvision.transforms import v2

from gridbench.datasets.archive.layout import Sample
from gridbench.datasets.loading.augmentation import Augmentation
from gridbench.datasets.loading.batches import TrainingSet
from gridbench.datasets.loading.strong import DEFAULT_STRENGTH, strong_augment

SIDES = (32,) if QUICK else (32, 120)
BATCH, CLASSES = 64, 17
BINS = 31
"""Magnitudes of RandAugment, from 0; its strength is the chosen one's share of them."""

CALLS = 2 if QUICK else 15
"""Batches of a round: what is drawn decides how long RandAugment takes."""


def samples(side: int) -> Iterator[Sample]:
    """Make random images with random labels."""
    rng = np.random.default_rng(0)
    for _ in range(BATCH):
        image = rng.integers(0, 256, (3, side, side), dtype=np.uint8)
        yield Sample((image,), rng.integers(0, 2, CLASSES, dtype=np.uint8), None, None)


def main() -> None:
    """Run the comparisons."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for side in SIDES:
            against_torchvision(side)
            against_weak(Path(folder), side)


def against_torchvision(side: int) -> None:
    """Compare with RandAugment on the same images, which it takes as bytes."""
    theirs = v2.RandAugment(magnitude=round(DEFAULT_STRENGTH * (BINS - 1)), num_magnitude_bins=BINS)
    raw = torch.randint(
        256, (BATCH, 3, side, side), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    images, rng = (raw.float() - 128) / 64, np.random.default_rng(0)

    def ours() -> None:
        for _ in range(CALLS):
            strong_augment(images, None, DEFAULT_STRENGTH, rng)

    def one_by_one() -> None:
        for _ in range(CALLS):
            for image in raw:
                theirs(image)

    def at_once() -> None:
        for _ in range(CALLS):
            theirs(raw)

    what = f"strong augmentation of {BATCH} images of {side} px, against RandAugment"
    compare(f"{what} of each image", ours, one_by_one, rounds=7, measure="speed", at_least=1)
    compare(f"{what} of the batch with one draw for all", ours, at_once, rounds=15, measure="speed")


def against_weak(folder: Path, side: int) -> None:
    """Compare a strong mini-batch with a weak one, crops and mirroring included."""
    data = packed(folder / f"images{side}", side, CLASSES, ["train"] * BATCH, partial(samples, side))
    positions, rng = np.arange(BATCH), np.random.default_rng(0)
    labels, how = np.asarray(data.scene_labels), Augmentation(flips=True)
    training_set = TrainingSet(data, positions, labels, None, how, torch.device("cpu"))

    def batches(strong: bool) -> None:
        for _ in range(CALLS):
            training_set.batch(positions, rng, strong=strong)

    compare(
        f"strong mini-batch of {BATCH} images of {side} px, against a weak one",
        lambda: batches(True),
        lambda: batches(False),
        rounds=15,
    )


if __name__ == "__main__":
    main()
