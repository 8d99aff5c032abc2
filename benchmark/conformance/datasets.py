"""Checks of data sets: what they say of themselves, and the archive that they pack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gridbench.config import make_config
from gridbench.conformance.findings import Finding, carry_out, require
from gridbench.datasets import archive_directory
from gridbench.datasets.open import open_archive
from gridbench.errors import InputError
from gridbench.methods.pairing import LEVELS
from gridbench.registry import DATASETS

__all__ = ["check_dataset"]


@dataclass(frozen=True)
class _Packed:
    """A data set by its name, with the empty cache that it is packed into."""

    name: str
    cache: Path

    @property
    def dataset(self) -> Any:
        return DATASETS.get(self.name)


def check_dataset(name: str, cache: Path) -> Iterator[Finding]:
    """Carry out all checks on a data set.

    Args:
        name: Its registered name.
        cache: An empty folder, into which it is packed.
    """
    subject = _Packed(name, cache)
    basic = (_check_words, _check_packing)
    yield from carry_out((*basic, _check_archive), subject, "", type(subject.dataset), basic)


def _check_words(subject: _Packed) -> None:
    """It says what it is, and its recipes are settings that a run can have."""
    dataset = subject.dataset
    require(str(getattr(dataset, "summary", "")).strip(), "it has no summary")
    version = getattr(dataset, "version", None)
    require(isinstance(version, int) and version >= 1, f"its version is {version!r}, no whole number from 1")
    require(dataset.recipes, "it has no recipe")
    for kind, recipe in dataset.recipes.items():
        require(kind in LEVELS, f"it has a recipe for {kind!r}; allowed are {', '.join(LEVELS)}")
        try:
            make_config(asdict(recipe))
        except InputError as error:
            require(False, f"its recipe for {kind}-level labels cannot be run: {error}")


def _check_packing(subject: _Packed) -> None:
    """It packs its archive into an empty cache, and finds it there the next time."""
    packed = open_archive(subject.name, subject.cache)
    expected = archive_directory(subject.cache, subject.name)
    require(
        packed.directory == expected,
        f"its archive is in {packed.directory}; the folder of its name is archive_directory(cache, {subject.name!r})",
    )
    again = open_archive(subject.name, subject.cache)
    require(again.fingerprint == packed.fingerprint, "the second time it opens another archive")


def _check_archive(subject: _Packed) -> None:
    """Its archive has its name and version, images of each split, and the labels that its recipes are for."""
    archive, version = open_archive(subject.name, subject.cache), subject.dataset.version
    require(
        archive.name == subject.name, f"its archive is called {archive.name!r}; the name is given to finish"
    )
    require(
        archive.report.get("version") == version,
        "its archive does not tell the version, by which an older one is found: "
        f'finish("{subject.name}", ..., {{"version": {version}}})',
    )
    sizes = {split: len(archive.indices(split)) for split in ("train", "val", "test")}
    require(sizes["train"] >= 2 and sizes["test"] >= 1, f"it has too few images to train and search: {sizes}")
    require(sizes["val"] >= 1, f"it has no images of val, which every run is scored on: {sizes}")
    if "pixel" in subject.dataset.recipes:
        require(archive.label_maps is not None, "it has a recipe for pixel-level labels, and no label maps")
