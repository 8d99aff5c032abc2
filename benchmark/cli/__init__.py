"""The command line: one file per command, imported only when that command is called."""

from __future__ import annotations

import copy
import errno
import functools
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

import gridbench
from gridbench.core.percent import is_plain_number
from gridbench.core.terminal import guarded, say
from gridbench.errors import AlreadyPrinted, GridbenchError, RunFailed, in_words, nearest, on_a_screen

__all__ = ["main"]

COMPLETION = "_GRIDBENCH_COMPLETE"
"""The variable by which click's script of a shell asks the command for what may come next."""

# Name -> (module, attribute, help); the help stands here so that `gridbench --help` imports no command.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "run": ("gridbench.cli.run", "run", "Corrupt labels, train a method, retrieve and score: one run."),
    "sweep": ("gridbench.cli.sweep", "sweep", "Compute every combination of methods, noise rates and seeds."),
    "reproduce": (
        "gridbench.cli.reproduce",
        "reproduce",
        "Compute the paper's tables and figures beside its numbers.",
    ),
    "status": ("gridbench.cli.status", "status", "Show what is done, running, left, or failed, and why."),
    "score": (
        "gridbench.cli.records.score",
        "score",
        "Score a trained run by another distance or cut-off, without training.",
    ),
    "compare": (
        "gridbench.cli.compare",
        "compare",
        "Run a method of your own on the baselines' cells and show its place.",
    ),
    "verify": (
        "gridbench.cli.records.verify",
        "verify",
        "Recompute the run of a record and show where the two start to differ.",
    ),
    "export-model": (
        "gridbench.cli.records.export_model",
        "export_model",
        "Export the network of a run for timm and the Hugging Face hub.",
    ),
    "leaderboard": ("gridbench.cli.leaderboard", "leaderboard", "Tabulate the finished runs of a folder."),
    "data": ("gridbench.cli.data", "data", "Prepare, verify and inspect archives, built in or your own."),
    "noise": ("gridbench.cli.noise", "noise", "Write corrupted labels to files, inspect and verify them."),
    "audit": ("gridbench.cli.audit", "audit", "List the labels that are probably wrong or missing."),
    "check": (
        "gridbench.cli.check",
        "check",
        "Check whether a method or plug-in does all that the harness needs.",
    ),
    "list": (
        "gridbench.cli.listing",
        "listing",
        "List methods, losses, noise models, metrics, data sets or backbones.",
    ),
    "doctor": ("gridbench.cli.doctor", "doctor", "Report versions, devices, folders and what is missing."),
    "completion": ("gridbench.cli.completion", "completion", "Print the completion script of a shell."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), attribute)
        _check_words(command)
        if ctx.resilient_parsing:
            from gridbench.cli.completion import complete_names

            complete_names(command)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            known = ", ".join(COMMANDS)
            raise click.UsageError(
                f"There is no command {args[0]!r}.{nearest(args[0], COMMANDS)} There are: {known}.", ctx
            )
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that begin so, without importing any command."""
        commands = [
            CompletionItem(name, help=entry[2])
            for name, entry in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry[2]) for name, entry in COMMANDS.items()])


@click.group(
    cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(gridbench.__version__, prog_name="gridbench")
@click.option("--debug", is_flag=True, help="Show the traceback of errors.")
def cli(debug: bool) -> None:
    """Compare label-noise-robust image representation learning methods under one harness.

    Start here:

    \b
      gridbench run --method grid --loss bce --slnir 30
      gridbench run --method bce --slnir 30
      gridbench leaderboard
    """  # noqa: D301


def _check_words(command: click.Command) -> None:
    """Let the options of a command, and of its subcommands, accept plain digits and paths that are not empty only."""
    for each in command.params:
        kind = each.type
        if isinstance(kind, click.types.IntParamType | click.types.FloatParamType | click.Path):
            # A copy, since click's own types are shared by all programs of a process.
            each.type = copy.copy(kind)
            check = _path if isinstance(kind, click.Path) else _plain_number
            vars(each.type)["convert"] = functools.partial(check, kind)
    for below in getattr(command, "commands", {}).values():
        # click would cut the summary in the help of its group after some words.
        below.short_help = below.short_help or " ".join(str(below.help).split("\n\n")[0].split())
        _check_words(below)


def _plain_number(kind: Any, value: Any, *where: Any) -> Any:
    if isinstance(value, str) and not is_plain_number(value):
        kind.fail(f"{value!r} is not a number in plain digits.", *where)
    number = type(kind).convert(kind, value, *where)
    if abs(number) >= 2**63 and not isinstance(number, float):
        kind.fail(f"{value!r} is too large a number.", *where)
    return number


def _path(kind: Any, value: Any, *where: Any) -> Any:
    # An empty word, such as a shell variable that is not set, would be the current folder.
    if not value or "\0" in os.fsdecode(value):
        kind.fail(f"{os.fsdecode(value)!r} is not a path; the current folder is '.'.", *where)
    return type(kind).convert(kind, value, *where)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; return when it is done, else exit: 1 a run failed, 2 bad input, 130 interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    # --debug is accepted anywhere on the line, since it is often appended to a command that has just failed.
    words = [word for word in words if word != "--debug"]
    _open_standard_streams()
    with guarded():
        code = _exit_code(words, debug)
    code = max(code, _flushed())
    if code:
        sys.exit(code)


def _open_standard_streams() -> None:
    """Replace closed standard streams by the null device, so that no opened file takes their number.

    It is opened for reading, so that what is printed to a closed stream fails as on a full disk. Characters that the
    encoding of a stream does not have are written out in place of an error after all was computed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if number == 1 else os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal of ASCII has no ±, and one of Latin-1 no Chinese name of a class.
            stream.reconfigure(errors="backslashreplace")


def _flushed() -> int:
    """Flush the output; return the exit code for an output that cannot be written."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        return 0
    except OSError as error:
        # The reader of the output, such as `head`, may have ended; Python would try again at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 1
        click.echo(f"Error: the output cannot be written: {error.strerror}", err=True)
        return 2


def _exit_code(words: Sequence[str], debug: bool) -> int:
    """Run a command; print what went wrong, and return the exit code."""
    try:
        if COMPLETION in os.environ:
            from gridbench.cli.completion import answer

            return answer(cli, os.environ[COMPLETION])
        _call(words)
        return 0
    except click.exceptions.Exit as stop:
        # Raised by click after it has printed --help or --version.
        return stop.exit_code
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        say(shown.getvalue().rstrip(), err=True)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        say(
            "\nInterrupted. Give the same command again: training goes on after the last finished epoch, and all else "
            "starts over.",
            err=True,
        )
        return 130
    except (AlreadyPrinted, BrokenPipeError):
        return 1
    except BaseException as error:
        if debug:
            raise
        return _explain(error)


def _call(words: Sequence[str]) -> None:
    """Run a command; what a plug-in raises, or ends the process with, is a failure that names its line.

    Raises:
        RunFailed: Code of a plug-in failed, and nothing of gridbench's own caught it.
    """
    try:
        # Not `cli.main`, to which a command is done when anything in it raises click's Exit.
        with cli.make_context("gridbench", list(words)) as context:
            cli.invoke(context)
    except BaseException as error:
        if isinstance(error, GridbenchError) and type(error).__module__.startswith("gridbench."):
            raise
        # If the module was not imported, no plug-in was loaded; importing it takes time.
        plugins = sys.modules.get("gridbench.core.plugins")
        fault = plugins.plugin_fault(error) if plugins else ""
        ended = isinstance(error, SystemExit) or (
            isinstance(error, click.exceptions.Exit) and plugins and plugins.loaded_plugins()
        )
        if ended and not fault:
            fault = f"A plug-in or a library ended the command: {in_words(error)}"
        if not fault:
            raise
        raise RunFailed(fault) from error


def _explain(error: BaseException) -> int:
    """Print an error for the person at the keyboard and return the exit code."""
    if isinstance(error, GridbenchError):
        say(f"Error: {on_a_screen(in_words(error))}", err=True)
        return 2 if error.exit_code == 2 else 1
    if isinstance(error, OSError) and error.errno is not None:
        where = f"{str(error.filename)[:200]}: " if error.filename else ""
        from gridbench.core.files import NO_ROOM

        next_step = " Free some space, and run the same command again." if error.errno in NO_ROOM else ""
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            next_step = " Check its permissions, or name another place."
        say(f"Error: {where}{error.strerror}.{next_step}", err=True)
        return 2
    if isinstance(error, MemoryError):
        say(f"Error: there is not enough memory. {error}".rstrip(), err=True)
        return 1
    say(f"Error: {in_words(error)}\nThis looks like a defect; run again with --debug.", err=True)
    return 1
