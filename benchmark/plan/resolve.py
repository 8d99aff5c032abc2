"""Completion of what the user gave: parameters of method and loss, and settings that were left open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gridbench.config import RunConfig
from gridbench.datasets import Archive, Recipe
from gridbench.errors import InputError
from gridbench.methods.base import Context, Loss, Method
from gridbench.parameters import describe, parse, public_name
from gridbench.protocols import defaults_of

__all__ = ["ResolvedParameters", "fill_defaults", "fit_to_archive", "public_values", "resolve_parameters"]


@dataclass(frozen=True)
class ResolvedParameters:
    """Parameters of a method and its loss.

    Attributes:
        method: Parameters that the method is built with.
        loss: Parameters of the loss; None without one.
        words: Parameters that were given as words, such as lambda=slnir, by public name.
        numbers: The numbers that these words stand for.
    """

    method: Any
    loss: Any
    words: Mapping[str, Any]
    numbers: Mapping[str, Any]

    def settings(self) -> dict[str, Any]:
        """Return all parameters by public name as the config stores them.

        A word is stored, not its number: a row whose lambda follows the noise rate is one row at all rates.
        """
        return {**public_values(self.loss), **public_values(self.method), **self.words}


def resolve_parameters(
    method: type[Method], loss: type[Loss] | None, config: RunConfig
) -> ResolvedParameters:
    """Parse the parameters of a method and its loss, and let the method fill in those that depend on the run.

    Raises:
        InputError: A parameter does not exist, is out of range, or does not fit the loss.
    """
    given = {**(method.authors_code if config.protocol == "authors_code" else {}), **config.parameters}
    of_method, of_loss = _split_parameters(method, loss, given)
    asked = parse(method.Parameters, of_method, f"method {config.method!r}")
    loss_parameters = parse(loss.Parameters, of_loss, f"loss {loss.name!r}") if loss else None
    resolved = method.resolve(asked, Context(loss, float(config.slnir)))
    if type(resolved) is not type(asked):
        raise InputError(
            f"resolve of the method {config.method!r} returned a {type(resolved).__name__}; it must return "
            "the parameters that it was given, or some with other values: dataclasses.replace(parameters, ...)."
        )
    before, after = asdict(asked), asdict(resolved)
    words = [name for name, value in before.items() if isinstance(value, str) and after[name] != value]
    return ResolvedParameters(
        method=resolved,
        loss=loss_parameters,
        words={public_name(name): before[name] for name in words},
        numbers={public_name(name): after[name] for name in words},
    )


def _split_parameters(
    method: type[Method], loss: type[Loss] | None, given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Assign parameters that only the loss has to the loss, and all others, known or not, to the method."""
    known_to_method = {row[0] for row in describe(method.Parameters)}
    known_to_loss = {row[0] for row in describe(loss.Parameters)} if loss else set()
    of_loss = {name: value for name, value in given.items() if name in known_to_loss - known_to_method}
    return {name: value for name, value in given.items() if name not in of_loss}, of_loss


def fill_defaults(
    config: RunConfig,
    recipe: Recipe,
    loss: type[Loss] | None,
    parameters: Mapping[str, Any],
    noise: Any,
    kind: str,
) -> RunConfig:
    """Fill in the settings that the user left open.

    Args:
        config: The settings as the user gave them.
        recipe: The data set's recipe for the labels of the run.
        loss: The loss's class; None for a method that trains nothing.
        parameters: Parameters of method and loss by public name.
        noise: The noise model.
        kind: Which reader built the archive.
    """
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
    values["noise_parameters"] = public_values(noise.parameters)
    return RunConfig(**values)


def fit_to_archive(asked: RunConfig, filled: RunConfig, archive: Archive) -> RunConfig:
    """Refuse sizes that the archive cannot provide, and reduce those of a recipe to what it can.

    Args:
        asked: The settings as the user gave them.
        filled: The same settings with all defaults.
        archive: The archive.

    Raises:
        InputError: The archive is too small for what the user asked for.
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


def public_values(parameters: Any) -> dict[str, Any]:
    """Return the parameters that are not None, by public name; an empty mapping for None."""
    if parameters is None:
        return {}
    return {public_name(name): value for name, value in asdict(parameters).items() if value is not None}
