"""Options that several commands share, and how they become a RunConfig."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from gridbench.errors import InputError

__all__ = [
    "cache_option",
    "collect",
    "config_options",
    "parse_assignments",
    "plugin_option",
    "quiet_option",
    "runs_option",
]

F = TypeVar("F", bound=Callable[..., Any])

runs_option = click.option(
    "--runs",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    show_default=True,
    metavar="DIR",
    help="Folder of run records.",
)
cache_option = click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    metavar="DIR",
    help="Folder of packed archives.  [default: the user's cache folder]",
)


def _load_plugins(context: click.Context, parameter: click.Parameter, value: tuple[Path, ...]) -> None:
    if not value or context.resilient_parsing:
        return
    from gridbench.core.plugins import load_plugin

    for path in value:
        load_plugin(path)


plugin_option = click.option(
    "--plugin",
    type=click.Path(path_type=Path),
    multiple=True,
    expose_value=False,
    callback=_load_plugins,
    metavar="FILE",
    help="Load methods, losses, noise models or data sets from this Python file; again for more.",
)
quiet_option = click.option("--quiet", is_flag=True, help="Show no progress.")

# Every option here is a field of RunConfig; None means that the user said nothing. Values are checked there, so that
# flags, YAML and Python get the same messages.
_CONFIG_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("--dataset",), {"metavar": "NAME", "help": "A built-in or prepared archive.  [default: bluemarble]"}),
    (("--method",), {"metavar": "NAME", "help": "Training strategy.  [default: grid]"}),
    (
        ("--loss",),
        {"metavar": "NAME", "help": "Loss that the method trains with.  [default: the method's own]"},
    ),
    (
        ("--slnir",),
        {"metavar": "PERCENT", "help": "Label noise injected into the training labels.  [default: 0]"},
    ),
    (("--noise",), {"metavar": "NAME", "help": "Noise model.  [default: swap, the paper's]"}),
    (("--seed",), {"metavar": "N", "help": "Seed of every random stream.  [default: 0]"}),
    (("--noise-seed",), {"metavar": "N", "help": "Seed of the label noise.  [default: the seed]"}),
    (("--backbone",), {"metavar": "NAME", "help": "Any timm model.  [default: the data set's recipe]"}),
    (("--weights",), {"metavar": "FILE", "help": "Start from this weights file instead of from scratch."}),
    (("--output-stride",), {"metavar": "N", "help": "Stride of the feature map, for pixel losses."}),
    (("--descriptor-map",), {"metavar": "relu|softplus", "help": "Make descriptors non-negative."}),
    (("--distance",), {"metavar": "NAME", "help": "chi2, euclidean, cosine or manhattan.  [default: chi2]"}),
    (("--k",), {"metavar": "N", "help": "Length of the scored ranking.  [default: recipe]"}),
    (
        ("--ideal",),
        {"metavar": "archive|N", "help": "Ideal ranking of NDCG: the archive, or N retrieved images."},
    ),
    (("--epochs",), {"metavar": "N", "help": "Number of epochs.  [default: recipe]"}),
    (("--batch-size",), {"metavar": "N", "help": "Mini-batch size.  [default: recipe]"}),
    (("--learning-rate",), {"metavar": "X", "help": "Learning rate of Adam.  [default: recipe]"}),
    (("--train-size",), {"metavar": "N", "help": "Number of training images, 0 for all.  [default: recipe]"}),
    (("--crop",), {"metavar": "N", "help": "Side of the random crop, 0 for none.  [default: recipe]"}),
    (("--brightness",), {"metavar": "X", "help": "Random brightness offset.  [default: recipe]"}),
    (
        ("--crop-for",),
        {"metavar": "image|run", "help": "Draw a crop per image, or one per run.  [default: protocol]"},
    ),
    (
        ("--brightness-for",),
        {"metavar": "image|batch", "help": "Draw brightness for each.  [default: protocol]"},
    ),
    (("--statistics",), {"metavar": "train|published", "help": "Standardise by these.  [default: protocol]"}),
    (("--adam-epsilon",), {"metavar": "X", "help": "Epsilon of Adam.  [default: protocol]"}),
    (
        ("--adam-steps",),
        {
            "metavar": "shared",
            "help": "Step counter of Adam.  [default: protocol, its own for each parameter]",
        },
    ),
    (
        ("--precision",),
        {
            "metavar": "NAME",
            "help": "Arithmetic of the backbone: float32, bfloat16, or auto, which measures what is fastest here; "
            "heads and losses are float32 always.  [default: float32]",
        },
    ),
    (
        ("--memory-format",),
        {
            "metavar": "NAME",
            "help": "How images and weights lie in memory: contiguous, channels_last (often faster for convolutions), "
            "or auto.  [default: contiguous]",
        },
    ),
    (
        ("--select",),
        {"metavar": "NAME", "help": "Score the last epoch, or the best on validation.  [default: last]"},
    ),
    (
        ("--protocol",),
        {"metavar": "NAME", "help": "paper, or authors_code (published code).  [default: paper]"},
    ),
)


def config_options(command: F) -> F:
    """Add every RunConfig option to a command, which receives them as keyword arguments that may be None."""
    flags = click.option(
        "--flips/--no-flips", default=None, help="Mirror images at random.  [default: recipe]"
    )
    maps = click.option(
        "--move-maps/--no-move-maps", default=None, help="Cut and mirror label maps too.  [default: protocol]"
    )
    pretrained = click.option("--pretrained", is_flag=True, default=None, help="Start from timm's weights.")
    compiling = click.option(
        "--compile",
        is_flag=True,
        default=None,
        help="Train the backbone through torch.compile: minutes of compiling first, other last digits.",
    )
    parameters = click.option(
        "-p",
        "parameters",
        multiple=True,
        metavar="NAME=VALUE",
        help="Parameter of the method or its loss, such as -p lambda=20; again for more.",
    )
    noise = click.option(
        "--noise-parameter",
        "noise_parameters",
        multiple=True,
        metavar="NAME=VALUE",
        help="Parameter of the noise.",
    )
    file = click.option(
        "--config",
        "config_file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="YAML file with the same names; flags win.",
    )
    command = file(parameters(noise(flags(maps(pretrained(compiling(command)))))))
    for names, attributes in reversed(_CONFIG_OPTIONS):
        command = click.option(*names, default=None, **attributes)(command)
    return command


def collect(given: dict[str, Any]) -> dict[str, Any]:
    """Merge a YAML file and flags into RunConfig values; flags win, parameters are merged name by name.

    Raises:
        InputError: The file cannot be read, or an assignment is not NAME=VALUE.
    """
    from gridbench.config import load_yaml

    given = dict(given)
    file = given.pop("config_file", None)
    values = load_yaml(file) if file is not None else {}
    for group in ("parameters", "noise_parameters"):
        assigned = parse_assignments(given.pop(group, ()))
        if assigned:
            base = values.get(group) or {}
            if not isinstance(base, dict):
                raise InputError(f"The setting {group!r} must hold `name: value` lines.")
            values[group] = {**base, **assigned}
    values.update({name: value for name, value in given.items() if value is not None})
    return values


def parse_assignments(words: Iterable[str]) -> dict[str, str]:
    """Turn NAME=VALUE words into a mapping.

    Raises:
        InputError: A word without `=`, or a name given twice.
    """
    values: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name or not value:
            raise InputError(f"-p takes NAME=VALUE, such as -p lambda=20; got {word!r}.")
        if name in values:
            raise InputError(f"The parameter {name!r} is given twice.")
        values[name] = value
    return values
