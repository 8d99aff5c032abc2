"""The plain loops that noise models are compared with, written in the way that such scripts are.

A loop goes through labels, or through maps and their classes, regions or blocks, one at a time. It draws the same kind
and amount of noise as the model, but checks no input and keeps no account of what it did.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage

CLASSES, RATE = 19, 30
SIDE, MAP_RATE = 120, 20
WIDTH, BLOCK, DISTANCE, LARGEST = 5, 8, 3, 720

Array = np.ndarray[Any, Any]


def replace_in_a_loop(
    labels: Array, weights: Array | None = None, allowed: Callable[[int], bool] = lambda i: True
) -> Array:
    """Replace labels one after another by a class that the image has not; by weight where there are weights."""
    dice, noisy, rows = random.Random(0), labels.copy(), labels.tolist()
    pairs = [(i, c) for i, row in enumerate(rows) for c, there in enumerate(row) if there]
    wanted = len(pairs) * RATE // 100
    dice.shuffle(pairs)
    for i, c in pairs:
        if wanted == 0:
            break
        if not allowed(i):
            continue
        row = noisy[i]
        free = [k for k in range(CLASSES) if not row[k] and not rows[i][k]]
        if weights is not None:
            free = [k for k in free if weights[c][k] > 0]
        if not free:
            continue
        chosen = (
            dice.choices(free, [weights[c][k] for k in free])[0] if weights is not None else dice.choice(free)
        )
        row[c], row[chosen] = 0, 1
        wanted -= 1
    return noisy


def remove_in_a_loop(labels: Array, share: float = RATE / 100) -> Array:
    """Remove labels one after another."""
    dice, noisy = random.Random(0), labels.copy()
    pairs = [(i, c) for i, row in enumerate(labels.tolist()) for c, there in enumerate(row) if there]
    for i, c in dice.sample(pairs, int(len(pairs) * share)):
        noisy[i, c] = 0
    return noisy


def add_in_a_loop(labels: Array, share: float = RATE / 100) -> Array:
    """Add labels one after another."""
    dice, noisy = random.Random(0), labels.copy()
    wanted = int(labels.sum() * share)
    while wanted:
        i, c = dice.randrange(len(labels)), dice.randrange(CLASSES)
        if not noisy[i, c]:
            noisy[i, c] = 1
            wanted -= 1
    return noisy


def swap_classes(maps: Array) -> Array:
    """Give a share of each map's classes another one."""
    dice, noisy = random.Random(0), maps.copy()
    for before, after in zip(maps, noisy, strict=True):
        there = np.unique(before).tolist()
        absent = [c for c in range(CLASSES) if c not in there]
        for c in there:
            if absent and dice.random() < MAP_RATE / 100:
                after[before == c] = absent.pop(dice.randrange(len(absent)))
    return noisy


def move_boundaries(maps: Array) -> Array:
    """Let some classes of each map grow by a maximum filter over a random order of the classes."""
    rng, noisy = np.random.default_rng(0), maps.copy()
    cross = ndimage.generate_binary_structure(2, 1)
    for before, after in zip(maps, noisy, strict=True):
        rank = rng.permutation(CLASSES)
        grown = rank[before]
        for _ in range(WIDTH):
            grown = ndimage.maximum_filter(grown, footprint=cross)
        moved = np.argsort(rank)[grown]
        where = (moved != before) & (rng.random(before.shape) < MAP_RATE / 100)
        after[where] = moved[where]
    return noisy


def regions_of(one: Array) -> Any:
    """Yield (class, mask) of each connected region."""
    for c in np.unique(one).tolist():
        numbers, count = ndimage.label(one == c)
        for n in range(1, count + 1):
            yield c, numbers == n


def relabel_regions(maps: Array) -> Array:
    """Give a share of the connected regions another class."""
    dice, noisy = random.Random(0), maps.copy()
    for before, after in zip(maps, noisy, strict=True):
        absent = [c for c in range(CLASSES) if c not in np.unique(before)]
        for _, mask in regions_of(before):
            if absent and dice.random() < MAP_RATE / 100:
                after[mask] = dice.choice(absent)
    return noisy


def paint_objects_over(maps: Array) -> Array:
    """Give a share of the small regions the class that surrounds them."""
    dice, noisy = random.Random(0), maps.copy()
    for before, after in zip(maps, noisy, strict=True):
        for _, mask in regions_of(before):
            if mask.sum() <= LARGEST and dice.random() < MAP_RATE / 100:
                around = before[ndimage.binary_dilation(mask) & ~mask]
                if len(around):
                    after[mask] = np.bincount(around).argmax()
    return noisy


def make_blocks_uniform(maps: Array) -> Array:
    """Give a share of the blocks the class of most of their pixels."""
    dice, noisy = random.Random(0), maps.copy()
    for before, after in zip(maps, noisy, strict=True):
        for row in range(0, SIDE, BLOCK):
            for column in range(0, SIDE, BLOCK):
                block = before[row : row + BLOCK, column : column + BLOCK]
                if (block != block[0, 0]).any() and dice.random() < MAP_RATE / 100:
                    after[row : row + BLOCK, column : column + BLOCK] = np.bincount(block.ravel()).argmax()
    return noisy


def displace_maps(maps: Array) -> Array:
    """Displace a share of the maps."""
    dice, noisy = random.Random(0), maps.copy()
    for i in dice.sample(range(len(maps)), len(maps) * MAP_RATE // 100):
        down, across = (dice.randint(-DISTANCE, DISTANCE) for _ in range(2))
        rows = np.clip(np.arange(SIDE) - down, 0, SIDE - 1)
        noisy[i] = maps[i][rows][:, np.clip(np.arange(SIDE) - across, 0, SIDE - 1)]
    return noisy


def replace_with_a_search(labels: Array) -> Array:
    """Replace labels image by image, and look for each image in the list of those that were drawn.

    That is how GRID's published script goes about it; its time grows with the square of the images.
    """
    rng, noisy = np.random.default_rng(0), labels.copy()
    samples, classes = np.nonzero(labels)
    drawn = rng.choice(len(samples), len(samples) * RATE // 100, replace=False)
    chosen, gone = samples[drawn], classes[drawn]
    for i in range(len(labels)):
        if i in chosen:
            for c in gone[chosen == i].tolist():
                free = np.flatnonzero((labels[i] == 0) & (noisy[i] == 0))
                if len(free):
                    noisy[i, c], noisy[i, rng.choice(free)] = 0, 1
    return noisy


PIXEL_LOOPS: dict[str, Callable[[Array], Array]] = {
    "boundary": move_boundaries,
    "coarse": make_blocks_uniform,
    "missing_objects": paint_objects_over,
    "region": relabel_regions,
    "shift": displace_maps,
    "swap": swap_classes,
}
