"""Planning of runs: look up all names, open the archive, fill in defaults, and reject incompatible settings."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from gridbench.config import RunConfig
from gridbench.core.files import NO_ROOM, file_hash
from gridbench.core.plugins import source_digest
from gridbench.datasets import Archive, open_archive
from gridbench.datasets.archive.single_labels import SINGLE_LABELS, with_single_labels
from gridbench.datasets.dataset import Progress
from gridbench.datasets.open import recipes_of
from gridbench.datasets.recipe import recipe_at
from gridbench.errors import InputError, reason_of
from gridbench.methods.base import Loss, Method
from gridbench.methods.pairing import chosen_loss, kin_of, losses_at
from gridbench.parameters import parse
from gridbench.plan.plan import Plan
from gridbench.plan.resolve import fill_defaults, fit_to_archive, resolve_parameters
from gridbench.protocols import PUBLISHED_NOISE
from gridbench.registry import DATASETS, METHODS, NOISE
from gridbench.training.optimization.recipe import complete_recipe, own_recipe
from gridbench.training.pretrained import weights_versions

__all__ = ["PROTOCOL_VERSION", "make_plan"]

PROTOCOL_VERSION = 1
"""Raised when the harness itself changes what a run computes."""


def make_plan(config: RunConfig, cache: Path, progress: Progress | None = None) -> Plan:
    """Resolve all names, reject incompatible settings, open the archive and fill in the defaults.

    Raises:
        InputError: A setting is invalid; the message names the allowed values. Nothing has been written.
    """
    if config.undecided:
        raise InputError(
            f"The setting {config.undecided[0]!r} is auto, which `gridbench run` and `sweep` decide by measuring; "
            "name a value here."
        )
    method: type[Method] = METHODS.get(config.method)
    loss = chosen_loss(method, config.loss, config.level)
    config = own_recipe(method, config)
    noise = _noise_for(config)
    parameters = resolve_parameters(method, loss, config)
    archive = _opened(config.dataset, cache, progress)
    published = PUBLISHED_NOISE.get(archive.kind, {}).get(config.noise)
    if config.protocol == "authors_code" and published and not config.noise_parameters:
        config = config.model_copy(update={"noise": published[0], "noise_parameters": dict(published[1])})
        noise = _noise_for(config)
    level = loss.task.level if loss else config.level or "scene"
    noise.require_level(level)
    archive = _labelled(archive, level, loss)
    recipe = recipe_at(recipes_of(config.dataset, archive.kind), level)
    if recipe is None:
        raise InputError(f"The data set {config.dataset!r} has no recipe for {level}-level labels.")
    told = level == "single" or (loss is None and level != "scene")
    config = config.model_copy(update={"level": level if told else None})
    filled = fill_defaults(config, recipe, loss, parameters.settings(), noise, archive.kind)
    filled = complete_recipe(fit_to_archive(config, filled, archive), config, method)
    return Plan(
        config=filled,
        archive=archive,
        method=method,
        method_parameters=parameters.method,
        loss=loss,
        loss_parameters=parameters.loss,
        noise=noise,
        level=level,
        versions=_versions(filled, method, loss, noise, archive, level),
        plugin=source_digest([method, loss, loss and loss.task, type(noise), _dataset(config.dataset)]),
        resolved=parameters.numbers,
    )


def _opened(dataset: str, cache: Path, progress: Progress | None) -> Archive:
    """Open an archive, or build it.

    Raises:
        InputError: There is no such data set, or the cache cannot be read or written.
    """
    try:
        return open_archive(dataset, cache, progress)
    except OSError as error:
        remedy = "Make room there, or give" if error.errno in NO_ROOM else "Give"
        raise InputError(
            f"The data set {dataset!r} cannot be read from or built in the cache {str(cache)!r}: "
            f"{reason_of(error, cache)}. {remedy} another --cache."
        ) from error


def _versions(
    config: RunConfig, method: type[Method], loss: type[Loss] | None, noise: Any, archive: Archive, level: str
) -> dict[str, Any]:
    """Return the versions and hashes of everything that a run uses, for its identity.

    Raises:
        InputError: A file cannot be read.
    """
    return {
        "protocol": PROTOCOL_VERSION,
        "method": method.version,
        "loss": loss.version if loss else None,
        "noise": noise.version,
        # Real noise affects every score of labels, and the oracle learns from the clean table.
        **({"real_noise": 1} if archive.has_clean_labels else {}),
        **({"single_labels": SINGLE_LABELS} if level == "single" else {}),
        # Whether a plug-in's row is a reference is part of the identity; of built-in methods it is known.
        **({"reference": 1} if method.labels != "noisy" and source_digest([method]) else {}),
        # Images pass through a frozen backbone in larger batches than before, with other rounding.
        **({"frozen_features": 1} if config.freeze else {}),
        **_files_of(noise),
        **weights_versions(config),
    }


def _labelled(archive: Archive, level: str, loss: type[Loss] | None) -> Archive:
    """Return the archive with the labels of a level.

    Raises:
        InputError: It has no such labels; the message names losses for the labels that it has.
    """
    family = kin_of(loss.name) if loss else []
    if level == "pixel" and not archive.has_maps:
        what = f"The loss {loss.name!r}" if loss else "--level pixel"
        near = [name for name in family if name not in losses_at("pixel")]
        raise InputError(
            f"{what} learns from label maps, and the data set {archive.name!r} has none. Compatible losses: "
            f"{', '.join([*near, *(name for name in losses_at('scene') if name not in near)])}."
        )
    if level == "single":
        several = [name for name in family if name in losses_at("scene")]
        return with_single_labels(archive, several[0] if several else "bce")
    return archive


def _noise_for(config: RunConfig) -> Any:
    chosen = NOISE.get(config.noise)
    usual = chosen.authors_code if config.protocol == "authors_code" else {}
    values = {**usual, **config.noise_parameters}
    return chosen(parse(chosen.Parameters, values, f"noise model {config.noise!r}"))


def _files_of(noise: Any) -> dict[str, str]:
    """Return one hash of what the noise model reads from files, or nothing if it reads none.

    Raises:
        InputError: A file cannot be read.
    """
    hashes = []
    for path in noise.inputs():
        try:
            hashes.append(file_hash(path))
        except OSError as error:
            raise InputError(
                f"The file {str(path)!r} of the noise model {noise.name!r} cannot be read: {error.strerror}."
            ) from None
    return {"noise_files": hashlib.sha256(" ".join(hashes).encode()).hexdigest()} if hashes else {}


def _dataset(name: str) -> Any:
    """Return the registered data set, or None for an archive that the user prepared."""
    return DATASETS.get(name) if name in DATASETS else None
