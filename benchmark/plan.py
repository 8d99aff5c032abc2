"""Planning of runs: resolve names, fill in defaults, and reject incompatible settings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gridbench.config import RunConfig
from gridbench.core.files import NO_ROOM, file_hash
from gridbench.core.identity import identity, identity_of_cell
from gridbench.core.plugins import source_digest
from gridbench.datasets import Archive, Recipe, open_archive
from gridbench.datasets.archive.single_labels import SINGLE_LABELS, with_single_labels
from gridbench.datasets.dataset import Progress
from gridbench.datasets.open import recipes_of
from gridbench.datasets.recipe import recipe_at
from gridbench.errors import InputError, reason_of
from gridbench.methods.base import Context, Loss, Method
from gridbench.methods.pairing import chosen_loss, kin_of, losses_at
from gridbench.parameters import describe, parse, public_name
from gridbench.protocols import PUBLISHED_NOISE, defaults_of
from gridbench.registry import DATASETS, METHODS, NOISE
from gridbench.training.optimization.recipe import complete_recipe, own_recipe
from gridbench.training.pretrained import weights_versions

__all__ = ["PROTOCOL_VERSION", "Plan", "make_plan"]

PROTOCOL_VERSION = 1
"""Raised when the harness itself changes what a run computes."""


@dataclass(frozen=True)
class Plan:
    """A fully resolved run.

    Attributes:
        config: The config with all defaults filled in.
        archive: The opened archive; at the level of single labels with these as its scene labels.
        method: The method's class.
        method_parameters: Its resolved parameters.
        loss: The loss's class, or None.
        loss_parameters: Its parameters.
        noise: The noise model.
        kind: Level of the labels that are corrupted: scene, pixel or single.
        versions: Declared versions of everything used.
        plugin: sha256 over the sources of outside components, or None.
        resolved: Values of parameters that were given as words, such as lambda=slnir; empty for most runs.
    """

    config: RunConfig
    archive: Archive
    method: type[Method]
    method_parameters: Any
    loss: type[Loss] | None
    loss_parameters: Any
    noise: Any
    kind: str
    versions: Mapping[str, Any]
    plugin: str | None
    resolved: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cell(self) -> str:
        """The identity without the seed: that of a cell of a table."""
        return identity_of_cell(*self._identity())

    @property
    def id(self) -> str:
        """The identity: a hash of everything that can change the run's numbers."""
        return identity(*self._identity())

    @property
    def folder_name(self) -> str:
        """A readable folder name that ends in the identity."""
        c = self.config
        parts = [c.dataset, c.method, c.loss if c.loss and c.loss != c.method else "", f"slnir{c.slnir}"]
        readable = "-".join(part for part in parts if part)
        return f"{_safe(readable)}-seed{c.seed}-{self.id[:10]}"

    def document(self) -> dict[str, Any]:
        """Return what config.json holds."""
        return {
            "schema": 1,
            "id": self.id,
            "cell": self.cell,
            "config": self.config.canonical(),
            "kind": self.kind,
            "versions": dict(self.versions),
            "dataset_fingerprint": self.archive.fingerprint,
            "plugin": self.plugin,
            "note": self.method.note,
            "reference": self.method.labels != "noisy",
            **({"resolved": dict(self.resolved)} if self.resolved else {}),
        }

    def _identity(self) -> tuple[dict[str, Any], Mapping[str, Any], str, str | None]:
        return self.config.canonical(), self.versions, self.archive.fingerprint, self.plugin


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
    as_published = config.protocol == "authors_code"
    noise = _noise_for(config)
    given = {**(method.authors_code if as_published else {}), **config.parameters}
    of_method, of_loss = _split_parameters(method, loss, given)
    asked = parse(method.Parameters, of_method, f"method {config.method!r}")
    loss_parameters = parse(loss.Parameters, of_loss, f"loss {loss.name!r}") if loss else None
    method_parameters = method.resolve(asked, Context(loss, float(config.slnir)))
    if type(method_parameters) is not type(asked):
        raise InputError(
            f"resolve of the method {config.method!r} returned a {type(method_parameters).__name__}; it must return "
            "the parameters that it was given, or some with other values: dataclasses.replace(parameters, ...)."
        )
    words, resolved = _tied(asked, method_parameters)

    archive = _opened(config.dataset, cache, progress)
    published = PUBLISHED_NOISE.get(archive.kind, {}).get(config.noise)
    if as_published and published and not config.noise_parameters:
        config = config.model_copy(update={"noise": published[0], "noise_parameters": dict(published[1])})
        noise = _noise_for(config)
    kind = loss.task.annotation if loss else config.level or "scene"
    noise.require_kind(kind)
    archive = _labelled(archive, kind, loss)
    recipe = recipe_at(recipes_of(config.dataset, archive.kind), kind)
    if recipe is None:
        raise InputError(f"The data set {config.dataset!r} has no recipe for {kind}-level labels.")
    parameters = {**_values_of(loss_parameters), **_values_of(method_parameters), **words}
    level = kind if kind == "single" or (loss is None and kind != "scene") else None
    config = config.model_copy(update={"level": level})
    filled = _fill(config, recipe, loss, parameters, noise, archive.kind)
    filled = complete_recipe(_fit_to_archive(config, filled, archive), config, method)
    return Plan(
        config=filled,
        archive=archive,
        method=method,
        method_parameters=method_parameters,
        loss=loss,
        loss_parameters=loss_parameters,
        noise=noise,
        kind=kind,
        versions=_versions(filled, method, loss, noise, archive, kind),
        plugin=source_digest([method, loss, loss and loss.task, type(noise), _dataset(config.dataset)]),
        resolved=resolved,
    )


def _opened(dataset: str, cache: Path, progress: Progress | None) -> Archive:
    """Open an archive, or build it.

    Raises:
        InputError: There is no such data set, or the cache cannot be read or written.
    """
    try:
        return open_archive(dataset, cache, progress)
    except OSError as error:
        way_out = "Make room there, or give" if error.errno in NO_ROOM else "Give"
        raise InputError(
            f"The data set {dataset!r} cannot be read from or built in the cache {str(cache)!r}: "
            f"{reason_of(error, cache)}. {way_out} another --cache."
        ) from error


def _versions(
    config: RunConfig, method: type[Method], loss: type[Loss] | None, noise: Any, archive: Archive, kind: str
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
        **({"single_labels": SINGLE_LABELS} if kind == "single" else {}),
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
        InputError: It has no such labels; the message names losses that learn from what it has.
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


def _split_parameters(
    method: type[Method], loss: type[Loss] | None, given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Assign parameters that only the loss has to the loss, and all others, known or not, to the method."""
    known_to_method = {row[0] for row in describe(method.Parameters)}
    known_to_loss = {row[0] for row in describe(loss.Parameters)} if loss else set()
    of_loss = {name: value for name, value in given.items() if name in known_to_loss - known_to_method}
    return {name: value for name, value in given.items() if name not in of_loss}, of_loss


def _tied(asked: Any, resolved: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the words that a method turned into numbers, and the numbers, by public name.

    The word is the setting: a row whose lambda follows the noise rate is one row, whatever the numbers are.
    """
    before, after = asdict(asked), asdict(resolved)
    names = [name for name, value in before.items() if isinstance(value, str) and after[name] != value]
    return (
        {public_name(name): before[name] for name in names},
        {public_name(name): after[name] for name in names},
    )


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


def _fill(
    config: RunConfig,
    recipe: Recipe,
    loss: type[Loss] | None,
    parameters: Mapping[str, Any],
    noise: Any,
    kind: str,
) -> RunConfig:
    values = config.model_dump()
    values["loss"] = loss.name if loss else None
    values["noise_seed"] = config.seed if config.noise_seed is None else config.noise_seed
    for name, value in {**asdict(recipe), **defaults_of(config.protocol, kind)}.items():
        if name in values and values[name] is None:
            values[name] = value
    if config.protocol == "paper":
        # Defaults outside the protocol of the published code are stored as None, so stating them is the same run.
        for name, usual in (("adam_steps", "own"), ("adam_epsilon_form", "torch")):
            values[name] = None if values[name] == usual else values[name]
    values["crop"] = values["crop"] or 0
    values["train_size"] = values["train_size"] or 0
    values["parameters"] = dict(parameters)
    values["noise_parameters"] = _values_of(noise.parameters)
    return RunConfig(**values)


def _fit_to_archive(asked: RunConfig, filled: RunConfig, archive: Archive) -> RunConfig:
    """Refuse sizes that the archive cannot give, and shorten a recipe's k to what a small archive can.

    Raises:
        InputError: The archive is too small for what the user asked.
    """
    sizes = {split: len(archive.indices(split)) for split in ("train", "val", "test")}
    if sizes["train"] < 2 or sizes["test"] < 1:
        raise InputError(f"The data set {asked.dataset!r} is too small to train on and search in: {sizes}.")
    if not 2 <= (filled.train_size or 2) <= sizes["train"]:
        size, have = filled.train_size, sizes["train"]
        if asked.train_size is not None:
            raise InputError(f"The setting 'train_size' is {size}; allowed is 2 to {have}, or 0 for all.")
        filled = filled.model_copy(update={"train_size": 0})
    searched = min(sizes[split] for split in ("val", "test") if sizes[split])
    assert filled.k is not None
    if filled.k > searched:
        if asked.k is not None:
            raise InputError(f"The setting 'k' is {filled.k}, but only {searched} images can be retrieved.")
        filled = filled.model_copy(update={"k": searched})
    assert filled.k is not None
    if isinstance(filled.ideal, int) and filled.ideal < filled.k:
        raise InputError(
            f"The setting 'ideal' is {filled.ideal}, fewer images than the {filled.k} ranks that count (k); allowed is "
            "archive or a number from k on: --ideal archive."
        )
    side = min(archive.image_size)
    if filled.crop and filled.crop > side:
        if asked.crop is not None:
            raise InputError(f"The setting 'crop' is {filled.crop}, but the images have {side} pixels.")
        filled = filled.model_copy(update={"crop": 0})
    return filled


def _values_of(parameters: Any) -> dict[str, Any]:
    if parameters is None:
        return {}
    return {public_name(name): value for name, value in asdict(parameters).items() if value is not None}


def _safe(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_.+" else "_" for c in text)[:80]
