"""Opens an archive by name: a registered data set, or one that the user prepared into the cache."""

from __future__ import annotations

import functools
import multiprocessing
import shlex
from collections.abc import Mapping
from pathlib import Path

from gridbench.core.terminal import say
from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.archive.building import packed_from
from gridbench.datasets.cache import archive_directory, default_cache, prepared_names
from gridbench.datasets.dataset import Progress
from gridbench.datasets.recipe import Recipe
from gridbench.errors import InputError, nearest
from gridbench.registry import DATASETS, PLUGIN_SOURCES

__all__ = ["open_archive", "recipes_of"]


def open_archive(name: str, cache: Path | None = None, progress: Progress | None = None) -> Archive:
    """Open the archive of that name: a registered data set first, else one prepared into the cache.

    Args:
        name: Registry name, or the name given to `gridbench data prepare`.
        cache: The cache folder; None for the user's own.
        progress: Progress callback for the first build.

    Raises:
        InputError: There is no such data set; the message lists what there is, with the nearest name.
    """
    folder = default_cache() if cache is None else cache
    if name in DATASETS:
        return _opened(name, folder, progress)
    prepared = prepared_names(folder)
    if name in prepared:
        return Archive.open(archive_directory(folder, name))
    known = DATASETS.names()
    own = [each for each in prepared if each not in known]
    raise InputError(
        f"There is no data set {name!r}.{nearest(name, [*known, *prepared])} Built in: {', '.join(known)}. "
        f"Prepared in {folder}: {', '.join(own) or 'none'}. "
        "Prepare your own with: gridbench data prepare --help"
    )


def _opened(name: str, cache: Path, progress: Progress | None) -> Archive:
    """Return the archive of a registered data set; refuse other objects and archives of earlier versions."""
    dataset = DATASETS.get(name)
    origin = DATASETS.origin(name)
    source = PLUGIN_SOURCES.get(Path(origin))
    with packed_from(source):
        archive = dataset.open(cache, progress)
    if not isinstance(archive, Archive):
        raise InputError(
            f"open of the data set {name!r} returned a {type(archive).__name__}; it must return the Archive: "
            f"return build_once(archive_directory(cache, {name!r}), build)."
        )
    packed = archive.report.get("version", dataset.version)
    if packed != dataset.version:
        raise InputError(
            f"The archive of the data set {name!r} was packed by its version {packed}, and its version is "
            f"{dataset.version} now. Remove it, and it is packed anew: rm -r {shlex.quote(str(archive.directory))}"
        )
    if archive.source is not None and source is not None and archive.source != source:
        # Only a warning: the change may be in a method in the same file.
        _warn(
            f"Warning: the archive of the data set {name!r} was packed before {origin} was changed. "
            "If its images, labels or splits are others now, remove it, and it is packed anew: "
            f"rm -r {shlex.quote(str(archive.directory))}"
        )
    return archive


@functools.cache
def _warn(text: str) -> None:
    """Print a warning once; the workers of a sweep leave it to the process that started them."""
    if multiprocessing.parent_process() is None:
        say(text, err=True)


def recipes_of(name: str, kind: str) -> Mapping[str, Recipe]:
    """Return the recipes of an archive.

    Args:
        name: Name of the data set.
        kind: Which reader built it (`Archive.kind`).
    """
    from gridbench.datasets.recipe import RECIPES

    if name in DATASETS:
        recipes: Mapping[str, Recipe] = DATASETS.get(name).recipes
        return recipes
    return RECIPES.get(kind, RECIPES["folder"])
