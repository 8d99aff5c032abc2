"""`gridbench completion`: completion of commands, options, names of components and records in a shell."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

__all__ = ["answer", "complete_names", "completion"]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands, options, methods, losses, data sets and records.

    \b
      bash:  eval "$(gridbench completion bash)"     in ~/.bashrc
      zsh:   eval "$(gridbench completion zsh)"      in ~/.zshrc, after compinit
      fish:  gridbench completion fish > ~/.config/fish/completions/gridbench.fish
    """  # noqa: D301
    answer(click.Command("gridbench"), f"{shell}_source")


def answer(command: click.Command, instruction: str) -> int:
    """Print what a shell asks for, as text, since click's own way writes bytes past the guard of the terminal.

    Args:
        command: The command line that is completed.
        instruction: `SHELL_complete` for what may come next, as the shell's variables say, or `SHELL_source`.

    Returns:
        The exit code.
    """
    shell, _, what = instruction.partition("_")
    kind = get_completion_class(shell)
    if kind is None or what not in ("complete", "source"):
        return 2
    asked = kind(command, {}, "gridbench", "_GRIDBENCH_COMPLETE")
    # Not `source()`, which starts bash to find its version: 4.4 or later is required.
    source = asked.source_template % asked.source_vars()
    # click's script for fish keeps only the first of several names joined by commas.
    source = source.replace('string split "," ', 'string split -m 1 "," ')
    click.echo(asked.complete() if what == "complete" else source)
    return 0


def _components(registry: str) -> Callable[[click.Context], Iterable[str]]:
    def names(context: click.Context) -> Iterable[str]:
        import gridbench.registry

        return list(getattr(gridbench.registry, registry))

    return names


def _datasets(context: click.Context) -> list[str]:
    from gridbench.datasets.cache import default_cache, prepared_names
    from gridbench.registry import DATASETS

    cache = context.params.get("cache")
    return sorted({*DATASETS, *prepared_names(Path(cache) if cache else default_cache())})


def _records(context: click.Context) -> list[str]:
    # For `verify`, --runs is the folder of recomputed runs, not that of the records to verify.
    given = context.params.get("runs") if context.command.name != "verify" else None
    runs = Path(given or "runs")
    found = runs.iterdir() if runs.is_dir() else ()
    return sorted(path.as_posix() for path in found if (path / "config.json").is_file())


def _methods_and_records(context: click.Context) -> list[str]:
    return [*_components("METHODS")(context), *_records(context)]


def _everything(context: click.Context) -> list[str]:
    return sorted(
        {name for kind in ("METHODS", "LOSSES", "NOISE", "DATASETS") for name in _components(kind)(context)}
    )


# (command, parameter) -> possible values; an empty command means every command that has such a parameter.
VALUES: dict[tuple[str, str], Callable[[click.Context], Iterable[str]]] = {
    ("", "method"): _components("METHODS"),
    ("", "loss"): _components("LOSSES"),
    ("", "noise"): _components("NOISE"),
    ("", "dataset"): _datasets,
    ("methods", "name"): _components("METHODS"),
    ("losses", "name"): _components("LOSSES"),
    ("noise", "name"): _components("NOISE"),
    ("info", "name"): _datasets,
    ("verify", "name"): _datasets,
    ("where", "name"): _datasets,
    ("verify", "what"): _methods_and_records,
    ("compare", "what"): _components("METHODS"),
    ("check", "what"): _everything,
    ("score", "run"): _records,
    ("export-model", "record"): _records,
}


_PLAIN_WORD = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.+@=:-]*")


def _is_plain(name: str) -> bool:
    """Return whether a shell takes a name, or every part of a path, as it is; hidden files are not offered."""
    parts = name.removeprefix("/").split("/")
    return all(map(_PLAIN_WORD.fullmatch, parts)) and not parts[-1].startswith(".")


class _Names(click.types.StringParamType):
    """Text of which the shell may complete the last of several names that are joined by commas."""

    name = "text"

    def __init__(self, values: Callable[[click.Context], Iterable[str]], usual: click.ParamType[Any]) -> None:
        self._values = values
        self._usual = usual

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return self._usual.convert(value, param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        others = self._usual.shell_complete(ctx, param, incomplete)
        # Completions are inserted unescaped, so names with blanks, quotes or $(...) are not offered.
        fitting = [
            name
            for name in self._values(ctx)
            if _is_plain(name) and (name.startswith(last) or name.rpartition("/")[2].startswith(last))
        ]
        # A shell discards the offers before an item that stands for file names.
        return [*others, *(CompletionItem(f"{before}{comma}{name}") for name in fitting)]


def complete_names(command: click.Command) -> None:
    """Add completion of component and file names to the parameters of a command and its subcommands."""
    if isinstance(command, click.Group):
        for each in command.commands.values():
            complete_names(each)
    for parameter in command.params:
        key = (command.name or "", str(parameter.name))
        values = VALUES.get(key) or VALUES.get(("", key[1]))
        if values is not None and not isinstance(parameter.type, click.Choice | _Names):
            parameter.type = _Names(values, parameter.type)
