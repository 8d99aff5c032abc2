"""`gridbench sweep`: many runs in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridbench.cli.options import (
    GroupedCommand,
    cache_option,
    collect,
    config_options,
    keep_option,
    option,
    plugin_option,
    quiet_option,
    runs_option,
)
from gridbench.cli.run_sweep import Computing, computing_options, print_summary
from gridbench.errors import InputError, RunFailed, nearest
from gridbench.records.sweep_note import declare_items

if TYPE_CHECKING:
    from gridbench.sweeps.grid import Sweep
    from gridbench.sweeps.search_space import Search

__all__ = ["sweep"]

OWN = ("seeds", "trials")
"""What a sweep's YAML file may hold besides the settings of a run."""

EVERY = "all"


@click.command(cls=GroupedCommand)
@config_options(
    select="Choose these parameters on validation (above); last or best: which epoch is scored.  [default: last]"
)
@plugin_option
@option("--seeds", metavar="N", group="recipe", help="Seeds 0 to N-1, or a list such as 0,3,7.")
@option(
    "--trials",
    group="retrieval",
    type=click.IntRange(min=2),
    metavar="N",
    help="Tries of each method in a selection.  [default: 10]",
)
@runs_option
@cache_option
@computing_options
@keep_option("light")
@click.option("--retry-failed", is_flag=True, help="Try failed runs again.")
@click.option("--dry-run", is_flag=True, help="Show the runs, what is done and a time estimate, and stop.")
@quiet_option
def sweep(
    runs: Path,
    cache: Path | None,
    keep: str,
    retry_failed: bool,
    dry_run: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Compute every combination of comma lists and ranges; the same command again goes on where it stopped.

    \b
      gridbench sweep --method grid,bce,oracle --slnir 0:60:10 --seeds 5
      gridbench sweep --method grid --slnir 30 -p lambda=0:90:10 --seeds 3
      gridbench sweep --method grid --slnir 10:60:10 -p lambda=slnir --seeds 3
      gridbench sweep --method grid,bce --noise swap,missing,confusable --slnir 30 --seeds 3
      gridbench sweep --config sweep.yaml --dry-run

    Lists may be given for dataset, method, loss, noise, slnir, backbone, distance, seed and for parameters.

    The YAML file holds the same names, lists and ranges; flags win over it.

    --select NAME chooses a parameter by the validation score, as the paper does: one value for all noise rates, by
    the mean over noise rates and seeds. Every method gets the same number of tries (--trials), test scores are never
    read, and the choice is written to selections/ in the folder of runs. A parameter is tried at the values given
    with -p, else at those that its method declares (gridbench list methods NAME); `all` selects every parameter that
    declares some.

    \b
      gridbench sweep --method grid,elr,jocor --slnir 0:60:10 --seeds 3 --select lambda
      gridbench sweep --method grid,elr,fl,asl --slnir 30 --seeds 3 --select all --trials 20
    """  # noqa: D301
    from gridbench.core.progress import ProgressReporter
    from gridbench.datasets import default_cache
    from gridbench.records.runner import Execution
    from gridbench.sweeps.grid import expand, make_sweep
    from gridbench.sweeps.search_space import tries_of

    how = Computing.taken_from(given)
    axes, base, search = _declaration(collect(given))
    settings = expand(axes, base) if search is None else tries_of(expand(axes, base), search)
    execution = Execution(runs=runs, cache=cache, keep=keep)
    with ProgressReporter(quiet, "sweep") as progress:
        chooser = how.engine.chooser(execution, base, progress)
        settle = chooser.settle if chooser else None
        planned = make_sweep(settings, runs, cache or default_cache(), progress.build, settle)
        if chooser:
            execution = replace(execution, chosen=chooser.documents)
        print_summary(planned, runs, retry_failed, dry_run)
        todo = planned.todo(retry_failed)
        if dry_run:
            return
        try:
            if todo:
                declare_items(planned.items, runs)
                how.compute(execution, todo, progress)
        except RunFailed:
            _print_selections(planned, runs, search)
            raise
        _print_selections(planned, runs, search)


def _declaration(
    values: dict[str, Any],
) -> tuple[dict[str, list[str]], dict[str, Any], Search | None]:
    """Take apart what was given: axes with their values, settings that all runs share, and what is selected.

    Raises:
        InputError: A name or a value is wrong.
    """
    from gridbench.config import RunConfig
    from gridbench.sweeps.grid import AXES, seeds_of, several

    known = [*RunConfig.model_fields, *OWN]
    for name in values:
        if name not in known:
            raise InputError(
                f"There is no setting {name!r}.{nearest(name, known)} There are: {', '.join(known)}."
            )
    parameters = values.pop("parameters", None) or {}
    if not isinstance(parameters, dict):
        raise InputError(
            f"The setting 'parameters' is {parameters!r}; it must hold `name: value` lines, such as lambda: 0:90:10."
        )
    axes = {name: several(name, values.pop(name)) for name in AXES if values.get(name) is not None}
    seeds = values.pop("seeds", None)
    if seeds is not None:
        if "seed" in axes:
            raise InputError("Give --seed or --seeds, not both.")
        axes["seed"] = seeds_of(seeds)
    for name, given in parameters.items():
        axes[f"parameters.{name}"] = several(f"parameters.{name}", given)
    return axes, values, _search(axes, values)


def _search(axes: dict[str, list[str]], values: dict[str, Any]) -> Search | None:
    """Take what is selected out of the declaration; `last` and `best` stay, which are about epochs."""
    from gridbench.sweeps.grid import several
    from gridbench.sweeps.search_space import Search

    given = values.pop("select", None)
    words = several("select", given) if given is not None else []
    epochs = [word for word in words if word in ("last", "best")]
    names = tuple(word for word in words if word not in epochs)
    if epochs:
        values["select"] = epochs[-1]
    trials = values.pop("trials", None)
    if not names:
        if trials is not None:
            raise InputError(
                "--trials says how much a selection tries; say what with --select, such as --select lambda."
            )
        return None
    if trials is not None and (
        not isinstance(trials, int | str) or isinstance(trials, bool) or not str(trials).isdecimal()
    ):
        raise InputError(f"--trials is {trials!r}; it must be a number from 2.")
    picked = axes if EVERY in names else {f"parameters.{name}": None for name in names}
    own = [name for name in axes if name.startswith("parameters.") and name in picked]
    tried = {name.removeprefix("parameters."): axes.pop(name) for name in own}
    return Search(names, tried, None if trials is None else int(trials))


def _print_selections(planned: Sweep, runs: Path, search: Search | None) -> None:
    """Choose by validation scores, write down what was chosen, and print it; nothing where nothing is selected."""
    if search is None:
        return
    from gridbench.sweeps.model_selection import describe_selection, select, write_selection

    selections = select(planned.items, runs, search)
    tuned = {(selection.method, selection.loss) for selection in selections}
    asked = dict.fromkeys((item.plan.config.method, item.plan.config.loss) for item in planned.items)
    for method, loss in asked:
        if (method, loss) not in tuned:
            who = " + ".join(dict.fromkeys(filter(None, (method, loss))))
            click.echo(f"Nothing to select for {who}: it has none of these parameters, and ran as it is.")
    for selection in selections:
        path = write_selection(selection, runs)
        click.echo("\n".join([*describe_selection(selection), f"    written to {path}"]))
