"""Conformance checks for noise models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from gridbench.conformance.documentation import check_documentation
from gridbench.conformance.findings import Finding, Violation, carry_out, require
from gridbench.core.labels import IGNORE
from gridbench.core.streams import numpy_stream
from gridbench.errors import InputError
from gridbench.noise import LabelSet, NoiseModel
from gridbench.noise.core.model import LEVELS, WrongCorruption
from gridbench.parameters import parse

__all__ = ["check_noise"]

CLASSES = 6
COUNT = 60
SIDE = 12
LOOKS = numpy_stream(0, "conformance looks").integers(0, 256, (COUNT, 6))
RATES = ("30", "12.5", "1", "0")
"""From the highest; a model may refuse those that it cannot realise."""


@dataclass(frozen=True)
class Case:
    """A noise model at one level of labels.

    Attributes:
        model: The noise model.
        level: scene, pixel or single.
        scene: (N, C) uint8; at the level of single labels every image has exactly one.
        maps: (N, H, W) uint8.
    """

    model: Any
    level: str
    scene: np.ndarray[Any, Any]
    maps: np.ndarray[Any, Any]

    @property
    def clean(self) -> np.ndarray[Any, Any]:
        """The labels before."""
        return self.maps if self.level == "pixel" else self.scene

    def corrupt(self, rate: str, seed: int = 0) -> Any:
        """Corrupt copies of the labels."""
        labels = LabelSet(CLASSES, self.scene, self.maps, difficulty=self.scene * 0.5, descriptors=LOOKS)
        try:
            corruption = self.model.apply(labels, rate, numpy_stream(seed, "noise"), self.level)
            self.model.check(corruption, labels, rate, self.level)
            return corruption
        except WrongCorruption as error:
            raise Violation(str(error).partition(". A noise model")[0]) from None

    @cached_property
    def rate(self) -> str:
        """The highest of the rates that the model can realise here."""
        refusal = ""
        for rate in RATES:
            try:
                self.corrupt(rate)
            except InputError as error:
                refusal = refusal or str(error)
            else:
                return rate
        raise Violation(f"it refuses every rate, 0 too: {refusal}")


def check_noise(model: type[Any], parameters: Mapping[str, Any]) -> Iterator[Finding]:
    """Carry out every check on a noise model with these parameters, at each level of labels that it corrupts."""
    documented = list(carry_out((check_documentation, _check_declarations), model, "", model))
    yield from documented
    if not all(finding.passed for finding in documented):
        return
    chosen = parse(model.Parameters, parameters, f"noise model {model.name!r}")
    for level in model.levels:
        yield from carry_out(CHECKS, _case(model(chosen), level), level, model, (corrupts,))


def _check_declarations(model: type[Any]) -> None:
    """It extends NoiseModel and says which levels of labels it corrupts."""
    require(issubclass(model, NoiseModel), "it does not extend gridbench.noise.NoiseModel")
    levels = tuple(getattr(model, "levels", ()))
    require(
        levels and set(levels) <= set(LEVELS), f"its levels are {levels}; allowed are {', '.join(LEVELS)}"
    )


def corrupts(case: Case) -> None:
    """Returns noisy labels of the same shape and type, and leaves the clean ones alone."""
    before = case.clean.copy()
    corruption = case.corrupt(case.rate)
    require(np.array_equal(before, case.clean), "it writes into the labels that it is given")
    noisy = np.asarray(corruption.labels)
    require(noisy.shape == before.shape, f"labels of {before.shape} become {noisy.shape}")
    require(noisy.dtype == before.dtype, f"labels of {before.dtype} become {noisy.dtype}")
    known = set(np.unique(before)) | set(range(CLASSES)) if case.level == "pixel" else {0, 1}
    require(set(np.unique(noisy)) <= known, "it makes labels that do not exist")


def does_nothing_at_rate_zero(case: Case) -> None:
    """At rate 0 nothing changes."""
    corruption = case.corrupt("0")
    require(np.array_equal(corruption.labels, case.clean), "labels change at rate 0")
    require(len(corruption.changed) == 0, "it lists changes at rate 0")


def depends_on_its_generator_alone(case: Case) -> None:
    """The same generator gives the same noise, another generator another."""
    one, same, other = (case.corrupt(case.rate, seed) for seed in (0, 0, 1))
    require(np.array_equal(one.labels, same.labels), "the same generator gives other labels the second time")
    require(
        np.array_equal(one.changed, same.changed), "the same generator gives other changes the second time"
    )
    if len(one.changed):
        require(not np.array_equal(one.labels, other.labels), "it does not draw from the generator")


def lists_what_it_changed(case: Case) -> None:
    """The list of changes tells which images changed, and for scene labels exactly how."""
    corruption = case.corrupt(case.rate)
    changed = np.asarray(corruption.changed)
    require(changed.ndim == 2 and changed.shape[1] == 3, f"changed has the shape {changed.shape}, not (K, 3)")
    different = (np.asarray(corruption.labels) != case.clean).reshape(COUNT, -1).any(1)
    listed = np.zeros(COUNT, dtype=bool)
    listed[changed[:, 0]] = True
    missed = np.flatnonzero(different & ~listed)
    require(not len(missed), f"image {missed[:1]} was changed and is not listed")
    if case.level != "pixel":
        rebuilt = case.clean.copy()
        removed, added = changed[changed[:, 1] >= 0], changed[changed[:, 2] >= 0]
        rebuilt[removed[:, 0], removed[:, 1]] = 0
        rebuilt[added[:, 0], added[:, 2]] = 1
        require(np.array_equal(rebuilt, corruption.labels), "applying the listed changes gives other labels")


def realises_the_rate(case: Case) -> None:
    """The requested share changes, but for what is rounded down in each class."""
    for rate in RATES:
        try:
            corruption = case.corrupt(rate)
        except InputError:
            continue
        total, affected = int(corruption.positives.sum()), int(corruption.affected.sum())
        wanted = total * Fraction(rate) / 100
        require(
            wanted - 2 * CLASSES < affected <= wanted, f"{affected} of {total} change at a rate of {rate} %"
        )


CHECKS: tuple[Callable[[Case], None], ...] = (
    corrupts,
    does_nothing_at_rate_zero,
    depends_on_its_generator_alone,
    lists_what_it_changed,
    realises_the_rate,
)


def _case(model: Any, level: str) -> Case:
    rng = numpy_stream(0, "conformance")
    scene = np.zeros((COUNT, CLASSES), dtype=np.uint8)
    maps = np.full((COUNT, SIDE, SIDE), IGNORE, dtype=np.uint8)
    for i in range(1, COUNT):
        classes = rng.choice(CLASSES, rng.integers(1, 4), replace=False)
        scene[i, classes] = 1
        for row, c in enumerate(classes):
            maps[i, 4 * row : 4 * row + 4] = c
    if level == "single":
        scene = np.eye(CLASSES, dtype=np.uint8)[scene.argmax(axis=1)]
    return Case(model, level, scene, maps)
