"""`gridbench sweep`: many runs in one line."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridbench.cli.computing import computing_of, computing_options, print_summary
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
    typed_command,
)
from gridbench.core.terminal import say
from gridbench.errors import RunFailed

if TYPE_CHECKING:
    from gridbench.sweeps.run_sweep import PlannedSweep

__all__ = ["sweep"]


class _Sweep(GroupedCommand):
    """Refuses a list of values that several options of one name hold, of which click would keep the last."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words after the command."""
        order = [] if ctx.resilient_parsing else self.make_parser(ctx).parse_args(list(args))[2]
        for each in [each for each, times in Counter(order).items() if times > 1]:
            from gridbench.sweeps.grid import AXES

            if each.name in (*AXES, "seeds"):
                flag = each.opts[0]
                raise click.UsageError(f"{flag} is given twice; give all values in one list: {flag} A,B", ctx)
        return super().parse_args(ctx, args)


@click.command(cls=_Sweep)
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
    help="Number of variants to try per method in a selection.  [default: 10]",
)
@option(
    "--metric",
    group="retrieval",
    metavar="NAME",
    help="Validation score that --select chooses by.  [default: validation/ndcg]",
)
@click.option(
    "--chosen",
    is_flag=True,
    default=None,
    help="Run the variants that earlier selections in the folder of runs chose.",
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
    """Compute every combination of comma-separated lists and ranges; rerunning the same command resumes the sweep.

    \b
      gridbench sweep --method grid,bce,oracle --slnir 0:60:10 --seeds 5
      gridbench sweep --method grid --slnir 30 -p lambda=0:90:10 --seeds 3
      gridbench sweep --method grid --slnir 10:60:10 -p lambda=slnir --seeds 3
      gridbench sweep --method grid,bce --noise swap,missing,confusable \\
        --slnir 30 --seeds 3
      gridbench sweep --config sweep.yaml --dry-run

    Lists may be given for dataset, method, loss, noise, slnir, distance, seed, parameters, and every setting of the
    recipe that takes a value, such as backbone, optimizer or learning-rate.

    The YAML file holds the same names, lists and ranges; flags win over it.

    --select NAME chooses a parameter by the validation score, as the paper does: one value for all noise rates, by
    the mean over noise rates and seeds. Every method gets the same number of tries (--trials), test scores are never
    read, and the choice is written to selections/ in the folder of runs. A parameter is tried at the values given
    with -p, else at those that its method declares (gridbench list methods NAME); `all` selects every parameter that
    declares some. A setting of the recipe given as a list can be selected, too, also for methods without parameters,
    such as plain training; write its usual value first. The score is NDCG, or another of validation that --metric
    names (gridbench list metrics).

    \b
      gridbench sweep --method grid,elr,jocor --slnir 0:60:10 --seeds 3 \\
        --select lambda
      gridbench sweep --method grid,elr,fl,asl --slnir 30 --seeds 3 \\
        --select all --trials 20
      gridbench sweep --method bce,grid --slnir 30 --seeds 3 \\
        --learning-rate 1e-3,1e-4,3e-4,3e-3 --select all,learning-rate

    --chosen then runs what was chosen, with all other settings of the tries, at other noise rates and seeds:

    \b
      gridbench sweep --chosen --slnir 0,30,60 --seeds 5
    """  # noqa: D301
    from gridbench.core.progress import ProgressReporter
    from gridbench.datasets.archive.building import nothing_built
    from gridbench.records.runner import Execution
    from gridbench.sweeps.run_sweep import plan_sweep

    computing, settings = computing_of(given), collect(given)
    with ProgressReporter(quiet, "sweep") as progress, nothing_built(dry_run):
        planned = plan_sweep(settings, Execution(runs=runs, cache=cache, keep=keep), computing, progress)
        print_summary(planned.sweep, runs, retry_failed, dry_run)
        if dry_run:
            planned.check(progress, retry_failed)
            return
        try:
            planned.compute(typed_command(), progress, retry_failed)
        except RunFailed:
            _print_selections(planned)
            raise
        _print_selections(planned)


def _print_selections(planned: PlannedSweep) -> None:
    """Print what was selected and where it is written; nothing where nothing is selected."""
    from gridbench.leaderboard.stats.statistics import FEWEST_SEEDS
    from gridbench.sweeps.model_selection import describe_selection
    from gridbench.sweeps.search_space import REFERENCE

    if planned.search is None:
        return
    selections = planned.selections()
    tuned = {(selection.method, selection.loss) for selection, _ in selections}
    plans = {(item.plan.config.method, item.plan.config.loss): item.plan for item in planned.sweep.items}
    for (method, loss), plan in plans.items():
        if (method, loss) not in tuned:
            who = " + ".join(dict.fromkeys(filter(None, (method, loss))))
            why = "it has none of these parameters" if plan.method.labels == "noisy" else REFERENCE
            say(f"Nothing is selected for {who}: {why}.")
    for selection, path in selections:
        say("\n".join([*describe_selection(selection), f"    written to {path}"]))
    if any(selection.chosen for selection, _ in selections):
        runs = planned.execution.runs
        where = "" if str(runs) == "runs" else f" --runs {shlex.quote(str(runs))}"
        say(f"Next: gridbench sweep --chosen --slnir 0,30,60 --seeds {FEWEST_SEEDS}{where}")
