"""Corrupting labels against plain loops: 590,000 x 19 scene labels (BigEarthNet), maps of 120 x 120 (its subset).

A loop goes through labels, or through maps and their classes, regions or blocks, one at a time, in the way that such
scripts are written. It draws the same kind and amount of noise, but checks no input and keeps no account of it.
Loops over maps get a tenth of the maps, and so do we; the time for all of them is printed beside.
"""

from __future__ import annotations

import csv
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fair import compare
from scipy import ndimage

from gridbench.parameters import parse
from gridbench.registry import NOISE

IMAGES, CLASSES, RATE = 590_000, 19, 30
MAPS, PART, SIDE, MAP_RATE = 15_000, 1_500, 120, 20
WIDTH, BLOCK, DISTANCE, LARGEST = 5, 8, 3, 720

Array = np.ndarray[Any, Any]


def scene_labels(images: int) -> Array:
    """Return labels with about three classes an image, common ones and rare ones."""
    rng = np.random.default_rng(0)
    labels = (rng.random((images, CLASSES)) < np.geomspace(0.5, 0.02, CLASSES)).astype(np.uint8)
    labels[np.arange(images), rng.integers(0, CLASSES, images)] = 1
    return labels


def label_maps(count: int) -> Array:
    """Return maps of a few dozen patches of up to five classes."""
    rng = np.random.default_rng(0)
    palette = rng.integers(0, CLASSES, (count, 5)).astype(np.uint8)
    seeds = np.take_along_axis(palette, rng.integers(0, 5, (count, 49)), axis=1).reshape(count, 7, 7)
    cuts = rng.integers(5, SIDE - 5, (2, count, 6))
    rows, columns = (np.arange(SIDE)[None, :, None] >= cuts[:, :, None, :]).sum(axis=3)
    return seeds[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]


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


def ours(name: str, **given: Any) -> Callable[..., object]:
    """Return a call of one of our models, at the rates of this file."""
    component = NOISE.get(name)
    model = component(parse(component.Parameters, given, f"noise model {name!r}"))
    if "scene" in model.kinds and name not in PIXEL:
        return lambda labels, **more: model.scene(labels, RATE, np.random.default_rng(0), **more)
    return lambda maps: model.pixel(maps, CLASSES, MAP_RATE, np.random.default_rng(0))


PIXEL: dict[str, Callable[[Array], Array]] = {
    "boundary": move_boundaries,
    "coarse": make_blocks_uniform,
    "missing_objects": paint_objects_over,
    "region": relabel_regions,
    "shift": displace_maps,
}


def bench_scenes(folder: Path, images: int) -> None:
    """Compare every model of scene labels with its loop."""
    labels = scene_labels(images)
    rng = np.random.default_rng(1)
    table = rng.random((CLASSES, CLASSES)) * (rng.random((CLASSES, CLASSES)) < 0.5) + np.eye(CLASSES)
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows(table.tolist())
    np.fill_diagonal(table, 0)
    partner = np.roll(np.eye(CLASSES), 1, axis=1)
    pairs = ",".join(f"{c}-{(c + 1)}" for c in range(0, CLASSES - 1, 2))
    difficulty = rng.random(labels.shape)
    group = rng.integers(0, 10, images).tolist()
    peers: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "swap": (lambda: ours("swap")(labels), lambda: replace_in_a_loop(labels)),
        "missing": (lambda: ours("missing")(labels), lambda: remove_in_a_loop(labels)),
        "extra": (lambda: ours("extra")(labels), lambda: add_in_a_loop(labels)),
        "mixed": (
            lambda: ours("mixed")(labels),
            lambda: add_in_a_loop(remove_in_a_loop(labels, RATE / 200), RATE / 200),
        ),
        "class_dependent": (
            lambda: ours("class_dependent", table=str(folder / "table.csv"))(labels),
            lambda: replace_in_a_loop(labels, table),
        ),
        "confusable": (
            lambda: ours("confusable", pairs=pairs)(labels),
            lambda: replace_in_a_loop(labels, partner + partner.T),
        ),
        "grouped": (
            lambda: ours("grouped")(labels),
            lambda: replace_in_a_loop(labels, allowed=lambda i: group[i] < 5),
        ),
        "instance": (
            lambda: ours("instance")(labels, difficulty=difficulty),
            lambda: replace_in_a_loop(labels, np.ones((CLASSES, CLASSES))),
        ),
    }
    for name, (mine, loop) in peers.items():
        compare(f"noise {name} {images} x {CLASSES}", mine, loop, 3, warmup=0, measure="speed", at_least=1)


def bench_maps(count: int, part: int) -> None:
    """Compare every model of label maps with its loop on a part, and time the whole."""
    maps = label_maps(count)
    swap = NOISE.get("swap")()
    calls = {"swap": lambda maps: swap.pixel(maps, CLASSES, MAP_RATE, np.random.default_rng(0))}
    calls |= {name: ours(name) for name in PIXEL}
    some = np.ascontiguousarray(maps[:part])
    for name, call in calls.items():
        loop = PIXEL.get(name, swap_classes)
        compare(
            f"noise {name} {part} maps", lambda c=call: c(some), lambda loop=loop: loop(some), 3, warmup=0,
            measure="speed",
        )  # fmt: skip
        started = time.perf_counter()
        call(maps)
        print(f"  all {count} maps of {SIDE} x {SIDE}: {time.perf_counter() - started:.1f} s", flush=True)


def main(scale: float = 1.0) -> None:
    """Run the comparisons, on a share of the labels and maps where one is given."""
    with tempfile.TemporaryDirectory() as folder:
        bench_scenes(Path(folder), int(IMAGES * scale))
    bench_maps(int(MAPS * scale), int(PART * scale))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
