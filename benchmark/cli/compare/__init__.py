"""`gridbench compare`: comparison of the user's method with the baselines that ship with gridbench."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridbench.cli.compare.report import announce, close, comparison_report, explain_control
from gridbench.cli.computing import computing_of, computing_options
from gridbench.cli.leaderboard import FORMATS, format_of, report_text, write_report
from gridbench.cli.options import (
    GroupedCommand,
    OutputFile,
    cache_option,
    option,
    parse_assignments,
    plugin_option,
    plugin_words,
    quiet_option,
    runs_option,
)
from gridbench.core.percent import is_plain_number
from gridbench.core.terminal import say
from gridbench.errors import InputError, RunFailed

if TYPE_CHECKING:
    from gridbench.engines.choice import EngineChoice
    from gridbench.sweeps.baselines import Baselines

__all__ = ["compare"]


@click.command(cls=GroupedCommand)
@click.argument("what", metavar="FILE_OR_NAME")
@option(
    "-p",
    "parameters",
    group="method",
    multiple=True,
    metavar="NAME=VALUE",
    help="Parameter of the method; can be repeated.",
)
@option(
    "--method", "name", group="method", metavar="NAME", help="Name of the method, if FILE registers several."
)
@option(
    "--loss",
    group="method",
    metavar="NAME",
    help="Loss that it trains with: bce, pce ...  [default: the method's own]",
)
@option(
    "--slnir",
    group="noise",
    metavar="PERCENTS",
    help="Noise rates: 0,30 or all.  [default: those with the most seeds]",
)
@option(
    "--seeds",
    group="recipe",
    metavar="N",
    help="The first N seeds of the baselines, or a list: 0,3.  [default: all]",
)
@option(
    "--quick",
    group="recipe",
    is_flag=True,
    help="One noise rate and one seed: shows only that the method runs.",
)
@option(
    "--metric",
    group="retrieval",
    metavar="NAME",
    help="Metric to compare; validation/ndcg to choose a variant.  [default: ndcg]",
)
@option(
    "--baselines",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Compact records to compare with.  [default: those that ship with gridbench, on bluemarble]",
)
@option(
    "--no-check",
    group="method",
    is_flag=True,
    help="Skip the conformance checks of FILE.",
)
@click.option("--retry-failed", is_flag=True, help="Try failed runs again.")
@click.option("--dry-run", is_flag=True, help="Show what would run, how long it may take, and stop.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="[default: by the extension of --out, else terminal]",
)
@click.option("--out", type=OutputFile(), help="Write the tables to this file.")
@plugin_option
@runs_option
@cache_option
@computing_options
@quiet_option
def compare(
    what: str,
    parameters: tuple[str, ...],
    name: str | None,
    loss: str | None,
    slnir: str | None,
    seeds: str | None,
    quick: bool,
    metric: str | None,
    file: Path | None,
    no_check: bool,
    retry_failed: bool,
    dry_run: bool,
    format_: str | None,
    out: Path | None,
    runs: Path,
    cache: Path | None,
    quiet: bool,
    **given: Any,
) -> None:
    """Check a method, run it on exactly the cells of the baselines, and show its place among them.

    FILE_OR_NAME is a plug-in file or a registered method. It sees the corrupted labels, the initial network, the seeds
    and the settings that the baselines had; the same command again resumes where it stopped. Where the baselines were
    computed on another machine, plain training is also computed here, and the method is paired with that.

    \b
    Examples:
      gridbench compare my_method.py --quick
      gridbench compare my_method.py --slnir 0,30,60 --seeds 5
      gridbench compare grid -p lambda=40
    """  # noqa: D301
    how = computing_of(given)
    how.engine.require_devices()
    chosen = format_of(format_, out)
    method = _method(what, name)
    assigned = parse_assignments(parameters)
    from gridbench.core.progress import ProgressReporter
    from gridbench.datasets import default_cache
    from gridbench.datasets.archive.building import nothing_built
    from gridbench.leaderboard.records.runs import collect, shipped_records
    from gridbench.records.runner import Execution
    from gridbench.sweeps.baselines import baselines_for, control_items, items_beside, noise_differences
    from gridbench.sweeps.computing import clear_done
    from gridbench.sweeps.grid import Sweep

    source = file or shipped_records()
    if not source.exists():
        raise InputError(
            f"There is no file {str(source)!r}; `gridbench leaderboard export --compact` writes one."
        )
    chosen_loss, place = loss or _usual_loss(method), cache or default_cache()
    with ProgressReporter(quiet, "comparison") as progress, nothing_built(dry_run):
        baselines = baselines_for(collect(source).runs, chosen_loss, place)
        baselines = _chosen(baselines, slnir, seeds, quick)
        how = replace(how, engine=replace(how.engine, devices=how.engine.devices or (baselines.device,)))
        here = _machine_here(how.engine)
        items = items_beside(baselines, method, chosen_loss, assigned, runs, place, here, progress.build)
        wrong = noise_differences(baselines, items)
        if wrong:
            raise InputError(
                "The label noise of the baselines cannot be made here, so nothing may be compared with them:\n  "
                + "\n  ".join(wrong)
            )
        control = control_items(baselines, items, runs, place, here)
        todo = Sweep((*control, *items), ()).todo(retry_failed)
        announce(method, chosen_loss, baselines, items, control, todo)
        explain_control(baselines, control, todo, here)
        how.check(runs, todo, progress)
        if dry_run:
            return
        clear_done((*control, *items), runs)
        if todo and not no_check and not _built_in(method):
            _check(method, assigned, chosen_loss)
        if todo:
            how.compute(Execution(runs=runs, cache=cache, keep="light"), todo, progress)
    report = comparison_report(baselines, items, control, runs, metric)
    write_report(report_text(report, chosen, out), out)
    typed: dict[str, object] = {
        "method": name,
        "loss": loss,
        "slnir": slnir,
        "baselines": file,
        "cache": cache,
    }
    typed |= {"runs": runs} if str(runs) != "runs" else {}
    again = shlex.join(
        ["gridbench", "compare", what, *_words("-p", *parameters), *_options(typed), *plugin_words()]
    )
    same = shlex.join(_options({"seeds": seeds, "metric": metric}))
    close(again, f"{again} {same}".rstrip(), baselines, items, control, runs, quick, metric)


def _words(flag: str, *values: object) -> list[str]:
    """Return a flag before each value, as typed."""
    return [word for value in values for word in (flag, str(value))]


def _options(given: Mapping[str, object]) -> list[str]:
    """Return the options that were given, as typed."""
    return [word for name, value in given.items() if value is not None for word in _words(f"--{name}", value)]


def _method(what: str, name: str | None) -> str:
    """Return the registered name of the method in question, loading its file if it is one."""
    from gridbench.registry import METHODS

    path = Path(what)
    if path.suffix != ".py" and not path.is_file():
        METHODS.get(what)
        return what
    from gridbench.core.plugins import load_plugin

    methods = [each for kind, each in load_plugin(path) if kind == METHODS.kind]
    if name is None and len(methods) == 1:
        return methods[0]
    if name not in methods:
        held = (
            f"holds the methods {', '.join(methods)}; choose with --method"
            if methods
            else "registers no method"
        )
        raise InputError(f"The file {what!r} {held}." + (f" There is no {name!r} in it." if name else ""))
    return name


def _built_in(method: str) -> bool:
    from gridbench.registry import METHODS

    return METHODS.origin(method) == "gridbench"


def _usual_loss(method: str) -> str:
    from gridbench.methods.pairing import usual_loss
    from gridbench.registry import METHODS

    loss = usual_loss(METHODS.get(method))
    if loss is None:
        raise InputError(
            f"The method {method!r} trains nothing, so it has no place among methods; it is a reference row."
        )
    return loss


def _chosen(baselines: Baselines, slnir: str | None, seeds: str | None, quick: bool) -> Baselines:
    from gridbench.noise.core.rates import exact_rate
    from gridbench.sweeps.grid import values_of

    given = [] if slnir in (None, "all") else values_of(str(slnir))
    try:
        rates = [exact_rate(text) for text in given] or None
    except InputError:
        raise InputError(
            f"--slnir takes noise rates such as 0,30 or 0:60:10, or all; got {slnir!r}."
        ) from None
    if slnir == "all":
        rates = list(baselines.plain)
    try:
        listed = [] if seeds is None or seeds.isdecimal() else values_of(seeds)
        if not all(map(is_plain_number, listed or [seeds or "0"])):
            raise ValueError(seeds)
        wanted = None if seeds is None else int(seeds) if seeds.isdecimal() else [int(s) for s in listed]
    except ValueError:
        raise InputError(f"--seeds takes a number or a list of seeds such as 0,3; got {seeds!r}.") from None
    if wanted == 0:
        raise InputError("--seeds is 0; it must be at least 1.")
    if quick:
        usual = rates or baselines.usual_rates
        rates = [usual[len(usual) // 2]]
        wanted = 1 if wanted is None or isinstance(wanted, int) else wanted[:1]
    return baselines.chosen(rates, wanted)


def _machine_here(engine: EngineChoice) -> str | None:
    """Return the label of the machine that will compute; None where several kinds may, or threads are measured."""
    from gridbench.core.environment import choose_device
    from gridbench.core.machine import describe_machine, machine_label

    if engine.engine != "local" or not engine.threads.isdecimal():
        return None
    threads = int(engine.threads)
    labels = {machine_label(describe_machine(choose_device(name), threads)) for name in engine.devices}
    return labels.pop() if len(labels) == 1 else None


def _check(method: str, parameters: dict[str, str], loss: str) -> None:
    """Carry out the conformance suite with the loss in question.

    Raises:
        RunFailed: A check failed; the message has them all.
    """
    from gridbench.conformance import check_component
    from gridbench.core.environment import cpu_threads

    # The images have a few pixels, so more threads would only wait for each other.
    with cpu_threads(1):
        findings = list(check_component("method", method, parameters, [loss]))
    failed = [f"  {finding.check}: {finding.reason}" for finding in findings if not finding.passed]
    if failed:
        raise RunFailed(
            f"The method {method!r} does not do what a comparison relies on (gridbench check tells more):\n"
            + "\n".join(dict.fromkeys(failed))
        )
    say(f"Checked: {method} passes all {len({finding.check for finding in findings})} conformance checks.")
