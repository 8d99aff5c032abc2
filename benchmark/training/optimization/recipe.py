"""Resolution and validation of the optimiser, schedule and augmentation settings of a run."""

from __future__ import annotations

from typing import Any

from gridbench.config import RunConfig, flag_of, make_config
from gridbench.datasets.loading.strong import DEFAULT_STRENGTH
from gridbench.errors import InputError, nearest
from gridbench.methods.base import Method

__all__ = ["OPTIMIZERS", "complete_recipe", "own_recipe"]

OPTIMIZERS = (
    "adam",
    "adamw",
    "nadam",
    "nadamw",
    "radam",
    "adamax",
    "adabelief",
    "adan",
    "adagrad",
    "adadelta",
    "lamb",
    "lars",
    "lion",
    "rmsprop",
    "sgd",
    "momentum",
)
"""Those of timm's optimisers whose runs are resumed exactly, which the tests show for each."""

OF_OPTIMIZER = ("momentum", "adam_epsilon", "adam_steps", "adam_epsilon_form")

MOMENTUM = 0.9
"""timm's default, for optimisers that have one."""


def own_recipe(method: type[Method], config: RunConfig) -> RunConfig:
    """Fill the settings that the user left open with those that the method's own paper trains with.

    Raises:
        InputError: The method brings no recipe.
    """
    if config.recipe != "own":
        return config
    if not method.recipe:
        raise InputError(
            f"The method {method.name!r} brings no recipe of its own; leave out --recipe own and set what its paper "
            "says, such as --optimizer and --schedule."
        )
    open_settings = {name: value for name, value in method.recipe.items() if getattr(config, name) is None}
    if config.optimizer is not None:
        # Settings that belong to the recipe's optimiser do not apply to another one.
        open_settings = {name: value for name, value in open_settings.items() if name not in OF_OPTIMIZER}
    return make_config({**config.model_dump(), **open_settings})


def complete_recipe(config: RunConfig, asked: RunConfig, method: type[Method]) -> RunConfig:
    """Refuse settings of the recipe that contradict each other or change nothing, and fill in what follows from others.

    Args:
        config: The settings, with those of the data set's recipe filled in.
        asked: The settings before that.
        method: The method.

    Raises:
        InputError: With the setting and what it needs.
    """
    values = _optimizer(config, asked)
    if config.fused and (
        config.optimizer not in (None, "adam") or config.adam_steps or config.adam_epsilon_form
    ):
        if asked.fused:
            raise InputError(
                "The setting 'fused' (--fused) is for plain Adam; leave it out with --optimizer and --protocol "
                "authors_code."
            )
        values["fused"] = None
    rate, epochs = config.learning_rate or 0.0, config.epochs or 0
    if config.min_lr:
        if config.schedule in (None, "constant"):
            _changes_nothing("min_lr", "--schedule cosine, step or onecycle")
        if config.min_lr >= rate:
            raise InputError(
                f"The setting 'min_lr' (--min-lr) is {config.min_lr:g}; it must be below the learning rate, {rate:g}."
            )
    if config.warmup_epochs:
        if config.schedule == "onecycle":
            raise InputError(
                "The schedule onecycle has a warm-up of its own, three tenths of the run; leave out --warmup-epochs."
            )
        if config.warmup_epochs >= epochs:
            raise InputError(
                f"The setting 'warmup_epochs' (--warmup-epochs) is {config.warmup_epochs:g}; it must be below the "
                f"number of epochs, {epochs}."
            )
    if config.select_by and config.select != "best":
        _changes_nothing("select_by", "--select best")
    if config.last_epochs and config.last_epochs > epochs:
        raise InputError(
            f"The setting 'last_epochs' (--last-epochs) is {config.last_epochs}; it may be at most the number of "
            f"epochs, {epochs}."
        )
    if config.freeze and not method.losses:
        _changes_nothing("freeze", "a method that trains")
    strong = config.augment == "strong" or "strong" in method.views
    if strong and config.augment_strength is None:
        values["augment_strength"] = DEFAULT_STRENGTH
    if config.augment_strength is not None and not strong:
        _changes_nothing("augment_strength", "--augment strong or a method with a strong view")
    if config.augment == "strong" and config.move_maps is False:
        raise InputError(
            "Strong augmentation moves label maps with their images; --no-move-maps and --protocol authors_code do not."
        )
    if config.augment_strength == 0 and config.augment == "strong":
        raise InputError("Strong augmentation of strength 0 changes nothing; leave out --augment strong.")
    return config.model_copy(update=values)


def _optimizer(config: RunConfig, asked: RunConfig) -> dict[str, Any]:
    """Return what the choice of the optimiser changes about other settings."""
    name = config.optimizer
    if name in (None, "adam"):
        if config.momentum is not None:
            _no_such("momentum", "adam", "sgd, momentum, rmsprop and lars have one")
        return {}
    from timm.optim import get_optimizer_info  # type: ignore[attr-defined]

    if name not in OPTIMIZERS:
        raise InputError(
            f"There is no optimiser {name!r} here.{nearest(name, OPTIMIZERS)} There are: {', '.join(OPTIMIZERS)}."
        )
    for setting in ("adam_steps", "adam_epsilon_form"):
        if getattr(config, setting) is not None:
            _no_such(setting, name, "it belongs to adam, and --protocol authors_code sets it")
    info = get_optimizer_info(name)
    if config.momentum is not None and not info.has_momentum:
        _no_such("momentum", name, "sgd, momentum, rmsprop and lars have one")
    if asked.adam_epsilon is not None and not info.has_eps:
        _no_such("adam_epsilon", name, "it has none")
    if name == "sgd" and config.momentum == 0:
        raise InputError(
            "The optimiser sgd is Nesterov's; without momentum it is --optimizer momentum --momentum 0."
        )
    # If unset, the default is that of the optimiser, not Adam's.
    values: dict[str, Any] = {"adam_epsilon": asked.adam_epsilon}
    if info.has_momentum and config.momentum is None:
        values["momentum"] = MOMENTUM
    return values


def _no_such(setting: str, optimizer: str, hint: str) -> None:
    raise InputError(
        f"The optimiser {optimizer!r} does not take the setting {setting!r} ({flag_of(setting)}); {hint}."
    )


def _changes_nothing(setting: str, needs: str) -> None:
    raise InputError(f"The setting {setting!r} ({flag_of(setting)}) changes nothing without {needs}.")
