"""Corrupting labels against plain loops: 590,000 x 19 scene labels (BigEarthNet), 14,832 maps of 120 x 120 (a subset).

A loop's time is linear in the images, and is taken of a part of them.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from helpers.fair import QUICK, compare, figure, growth
from helpers.noise_loops import (
    CLASSES,
    MAP_RATE,
    PIXEL_LOOPS,
    RATE,
    SIDE,
    add_in_a_loop,
    remove_in_a_loop,
    replace_in_a_loop,
    replace_with_a_search,
)

from gridbench.parameters import parse
from gridbench.registry import NOISE

IMAGES, SEARCHED, SHARE = (5_900, 1_000, 0.1) if QUICK else (590_000, 20_000, 0.1)
MAPS, PART = (60, 20) if QUICK else (14_832, 494)
SCENE_GROWTH = (1000, 3000, 9000) if QUICK else (100_000, 300_000, 900_000)
MAP_GROWTH = (10, 20, 40) if QUICK else (1000, 4000, 14_832)

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


def ours(name: str, kind: str = "scene", **given: Any) -> Callable[..., object]:
    """Return a call of one of our models, at the rates of this file."""
    component = NOISE.get(name)
    model = component(parse(component.Parameters, given, f"noise model {name!r}"))
    if kind == "scene":
        return lambda labels, **more: model.scene(labels, RATE, np.random.default_rng(0), **more)
    return lambda maps: model.pixel(maps, CLASSES, MAP_RATE, np.random.default_rng(0))


def bench_scenes(folder: Path) -> None:
    """Compare every model of scene labels with its loop."""
    labels = scene_labels(IMAGES)
    some = np.ascontiguousarray(labels[:: round(1 / SHARE)])
    rng = np.random.default_rng(1)
    table = rng.random((CLASSES, CLASSES)) * (rng.random((CLASSES, CLASSES)) < 0.5) + np.eye(CLASSES)
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows(table.tolist())
    np.fill_diagonal(table, 0)
    partner = np.roll(np.eye(CLASSES), 1, axis=1)
    pairs = ",".join(f"{c}-{(c + 1)}" for c in range(0, CLASSES - 1, 2))
    difficulty = rng.random(labels.shape)
    group = rng.integers(0, 10, IMAGES).tolist()
    peers: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "swap": (lambda: ours("swap")(labels), lambda: replace_in_a_loop(some)),
        "missing": (lambda: ours("missing")(labels), lambda: remove_in_a_loop(some)),
        "extra": (lambda: ours("extra")(labels), lambda: add_in_a_loop(some)),
        "mixed": (
            lambda: ours("mixed")(labels),
            lambda: add_in_a_loop(remove_in_a_loop(some, RATE / 200), RATE / 200),
        ),
        "class_dependent": (
            lambda: ours("class_dependent", table=str(folder / "table.csv"))(labels),
            lambda: replace_in_a_loop(some, table),
        ),
        "confusable": (
            lambda: ours("confusable", pairs=pairs)(labels),
            lambda: replace_in_a_loop(some, partner + partner.T),
        ),
        "grouped": (
            lambda: ours("grouped")(labels),
            lambda: replace_in_a_loop(some, allowed=lambda i: group[i] < 5),
        ),
        "instance": (
            lambda: ours("instance")(labels, difficulty=difficulty),
            lambda: replace_in_a_loop(some, np.ones((CLASSES, CLASSES))),
        ),
    }
    for name, (mine, loop) in peers.items():
        what = f"noise {name}, {IMAGES:,} x {CLASSES}"
        result = compare(
            f"{what}, against a plain loop on a tenth, times 10",
            mine, loop, 3, warmup=0, measure="speed", at_least=1, peer_share=len(some) / IMAGES,
        )  # fmt: skip
        figure(f"{what}, seconds", result.ours, "s", at_most=0.4 if name == "swap" else None)
    few = np.ascontiguousarray(labels[:SEARCHED])
    compare(
        f"noise swap, {SEARCHED:,} x {CLASSES}, against a loop that searches, whose time is quadratic",
        lambda: ours("swap")(few), lambda: replace_with_a_search(few), 3, warmup=1, measure="speed",
    )  # fmt: skip
    growth(
        "noise swap on scene labels, growth with images",
        lambda size: partial(ours("swap"), scene_labels(size)), SCENE_GROWTH, float, (7, 7, 5), at_most=1.1,
    )  # fmt: skip


def bench_maps() -> None:
    """Compare every model of label maps with its loop."""
    maps = label_maps(MAPS)
    some = np.ascontiguousarray(maps[:PART])
    whole = ours("swap", "pixel")
    result = compare(
        f"noise swap, {MAPS:,} maps of {SIDE} x {SIDE}, against a plain loop on a thirtieth, times 30",
        lambda: whole(maps), lambda: PIXEL_LOOPS["swap"](some), 5, warmup=1, measure="speed", at_least=1,
        peer_share=PART / MAPS,
    )  # fmt: skip
    figure(f"noise swap, {MAPS:,} maps, seconds", result.ours, "s", at_most=2)
    for name, loop in PIXEL_LOOPS.items():
        if name == "swap":
            continue
        call = ours(name, "pixel")
        result = compare(
            f"noise {name}, {PART} maps of {SIDE} x {SIDE}, against a plain loop",
            partial(call, some), partial(loop, some), 3, warmup=1, measure="speed",
        )  # fmt: skip
        scaled = [seconds * MAPS / PART for seconds in result.ours]
        figure(f"noise {name}, {MAPS:,} maps, seconds of a thirtieth, times 30", scaled, "s")
    growth(
        "noise swap on label maps, growth with maps",
        lambda size: partial(whole, maps[:size]), MAP_GROWTH, float, (7, 5, 3), at_most=1.1,
    )  # fmt: skip


def main() -> None:
    """Run the comparisons."""
    with tempfile.TemporaryDirectory() as folder:
        bench_scenes(Path(folder))
    bench_maps()


if __name__ == "__main__":
    main()
