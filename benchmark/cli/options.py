"""Options that several commands share, and how they become a RunConfig."""

from __future__ import annotations

import functools
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from gridbench.errors import InputError

__all__ = [
    "GroupedCommand",
    "OutputFile",
    "OutputFolder",
    "cache_option",
    "collect",
    "config_options",
    "device_option",
    "keep_option",
    "option",
    "parse_assignments",
    "plugin_option",
    "plugin_words",
    "quiet_option",
    "runs_option",
    "threads_option",
    "typed_command",
]

F = TypeVar("F", bound=Callable[..., Any])


class _GroupedOption(click.Option):
    """An option that `--help` shows under the title of its group."""

    def __init__(self, *names: Any, group: str = "output", **attributes: Any) -> None:
        super().__init__(*names, **attributes)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose `--help` groups its options, in the order of `gridbench.config.GROUPS`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, a section for each group."""
        from gridbench.config import GROUPS

        rows: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                rows[getattr(parameter, "group", GROUPS[-1])].append(record)
        for group, records in rows.items():
            if records:
                with formatter.section(group.capitalize()):
                    formatter.write_dl(records)


class OutputFile(click.Path):
    """A file to write, refused before anything is computed if it cannot be written or must not be replaced."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Path:
        """Return the path.

        Raises:
            InputError: Its folder does not exist or cannot be written, or a link, a device or a read-only file has its
                name.
        """
        from gridbench.core.files import check_target, check_writable

        path = Path(os.fsdecode(super().convert(value, parameter, context)))
        if not path.parent.is_dir():
            raise InputError(f"There is no folder {str(path.parent)!r} to write {path.name!r} to.")
        check_target(path)
        check_writable(path.parent)
        return path


class OutputFolder(click.Path):
    """A folder to write into: refused before anything is computed where it is a link, a device or a named pipe."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Path:
        """Return the path.

        Raises:
            InputError: It is not a folder, or cannot be written.
        """
        from gridbench.core.files import check_folder, check_writable

        path = Path(os.fsdecode(value))
        check_folder(path)
        super().convert(value, parameter, context)
        check_writable(path)
        return path


option = functools.partial(click.option, cls=_GroupedOption)

runs_option = option(
    "--runs",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs"),
    show_default=True,
    metavar="DIR",
    help="Folder of run records.",
)
cache_option = option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    metavar="DIR",
    group="data",
    help="Folder of packed archives.  [default: the user's cache folder]",
)
device_option = option(
    "--device", default="auto", show_default=True, group="machine", help="auto, cpu, cuda or cuda:N."
)
# More cores than any machine has; a million threads would crash the process.
threads_option = option(
    "--threads",
    type=click.IntRange(min=1, max=1024),
    default=1,
    show_default=True,
    group="machine",
    help="Number of CPU threads; runs with another number count as another machine's.",
)


def keep_option(default: str) -> Callable[[F], F]:
    """Return the option that says how much a record holds."""
    return option(
        "--keep",
        type=click.Choice(["light", "weights", "all"]),
        default=default,
        show_default=True,
        help="What a record holds: no weights and pictures, weights, or also descriptors and predictions.",
    )


def _load_plugins(context: click.Context, parameter: click.Parameter, value: tuple[Path, ...]) -> None:
    if not value or context.resilient_parsing:
        return
    from gridbench.core.plugins import load_plugin

    for path in value:
        load_plugin(path)
    context.meta[_PLUGINS] = value


_PLUGINS = "gridbench.plugins"


def plugin_words() -> list[str]:
    """Return the options --plugin of this command, for a command that it suggests."""
    context = click.get_current_context(silent=True)
    paths = () if context is None else context.meta.get(_PLUGINS, ())
    return [word for path in paths for word in ("--plugin", str(path))]


plugin_option = option(
    "--plugin",
    group="method",
    type=click.Path(path_type=Path),
    multiple=True,
    expose_value=False,
    callback=_load_plugins,
    metavar="FILE",
    help="Load methods, losses, noise models or data sets from this Python file; can be repeated.",
)
quiet_option = option("--quiet", is_flag=True, help="Show no progress.")


def config_options(*only: str, without: Sequence[str] = (), **descriptions: str) -> Callable[[F], F]:
    """Return a decorator that adds an option for each field of RunConfig, given as keywords that may be None.

    Values are checked by RunConfig, so that flags, YAML and Python get the same messages.

    Args:
        only: Names of the fields to offer, and no file of settings; none: all of them.
        without: Names of fields that this command does not offer.
        descriptions: What the help says of a field where this command has another default than a run.
    """
    from gridbench.config import FIELDS

    options = [
        _setting_option(name, descriptions.get(name)) for name in only or FIELDS if name not in without
    ]
    if not only:
        options.append(_file_option)

    def decorate(command: F) -> F:
        for add in reversed(options):
            command = add(command)
        return command

    return decorate


_file_option = option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="YAML file of settings by name, such as noise_seed: 1; flags take precedence.",
)


def _setting_option(name: str, description: str | None) -> Callable[[F], F]:
    """Return the option of one field of RunConfig."""
    from gridbench.config import FIELDS, RunConfig, flag_of, is_switch

    shown, field, flag = FIELDS[name], RunConfig.model_fields[name], flag_of(name)
    attributes: dict[str, Any] = {"default": None, "group": shown.group}
    if field.default_factory is not None:
        return option(
            flag, name, multiple=True, metavar="NAME=VALUE", group=shown.group, help=field.description
        )
    if not is_switch(name):
        attributes["metavar"] = shown.metavar or _placeholder(field.annotation)
    elif field.annotation == (bool | None):
        flag = f"{flag}/--no-{flag.removeprefix('--')}"
    else:
        attributes["is_flag"] = True
    usual = shown.unset or (None if is_switch(name) else field.default)
    default = "" if usual is None else f"  [default: {usual}]"
    return option(flag, name, help=description or f"{field.description}{default}", **attributes)


def _placeholder(annotation: Any) -> str:
    """Return how a value is written: its words, N for a whole number, X for any number."""
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not type(None)]
    words = kinds if all(isinstance(kind, str) for kind in kinds) else get_args(kinds[0])
    return "|".join(words) or {int: "N", float: "X"}.get(kinds[0], "TEXT")


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


def typed_command() -> str:
    """Return the command as it was typed, quoted so that it can be pasted into a shell."""
    return shlex.join(["gridbench", *sys.argv[1:]])
