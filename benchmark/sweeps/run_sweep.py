"""Running sweeps: the Python function `sweep`, and the parts shared by `sweep`, `reproduce` and `compare`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gridbench.core.progress import ProgressReporter
from gridbench.datasets import default_cache
from gridbench.engines.choice import EngineChoice
from gridbench.errors import InputError
from gridbench.records.record import RunRecord, read_record
from gridbench.records.run_folder import make_ready, unwritable
from gridbench.records.runner import Execution
from gridbench.records.sweep_manifest import DeclaredRun, declare
from gridbench.sweeps.chosen import chosen_settings
from gridbench.sweeps.computing import Computing, clear_done
from gridbench.sweeps.grid import Item, Sweep, expand, make_sweep
from gridbench.sweeps.model_selection import Selection, require_scores, select, write_selection
from gridbench.sweeps.search_space import Search, tries_of
from gridbench.sweeps.settings import read_settings
from gridbench.training.backbone import require_backbone

__all__ = ["Computing", "PlannedSweep", "SweepResult", "declare_items", "plan_sweep", "sweep"]


@dataclass(frozen=True)
class PlannedSweep:
    """A sweep ready to be computed.

    Attributes:
        sweep: Its runs, with their stored records.
        execution: Where records go.
        computing: How they are computed.
        search: Which parameters are selected; None where none is.
    """

    sweep: Sweep
    execution: Execution
    computing: Computing
    search: Search | None

    def check(self, progress: ProgressReporter, retry_failed: bool = False) -> None:
        """Refuse what the runs that are not done would fail for, as a dry run does; nothing is written.

        Args:
            progress: Shows how far a long check has come.
            retry_failed: Check failed runs, too.

        Raises:
            InputError: With the reason.
        """
        self.computing.check(self.execution.runs, self.sweep.todo(retry_failed), progress)

    def compute(self, command: str, progress: ProgressReporter, retry_failed: bool = False) -> None:
        """Compute the runs that are not done yet.

        Args:
            command: Command line that `gridbench status` shows for continuing the sweep.
            progress: Displays the progress.
            retry_failed: Try failed runs again.

        Raises:
            InputError: A run could not begin (`check`), or a folder of notes is a link.
            RunFailed: Some runs failed, or the disk is full; all that finished are whole.
        """
        self.check(progress, retry_failed)
        todo = self.sweep.todo(retry_failed)
        clear_done(self.sweep.items, self.execution.runs)
        if todo:
            make_ready(self.execution.runs)
            declare_items(self.sweep.items, self.execution.runs, command)
            self.computing.compute(self.execution, todo, progress)

    def selections(self) -> list[tuple[Selection, Path]]:
        """Select parameters by validation scores, and write each choice and its candidates to a file."""
        if self.search is None:
            return []
        chosen = select(self.sweep.items, self.execution.runs, self.search)
        return [(selection, write_selection(selection, self.execution.runs)) for selection in chosen]


@dataclass(frozen=True)
class SweepResult:
    """The records of a sweep, in the order in which its settings vary.

    Attributes:
        records: The finished runs.
        selections: What was selected on validation; empty without `select`.
    """

    records: tuple[RunRecord, ...]
    selections: tuple[Selection, ...]

    def __iter__(self) -> Iterator[RunRecord]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)


def sweep(
    settings: Mapping[str, Any],
    execution: Execution | None = None,
    computing: Computing | None = None,
    *,
    retry_failed: bool = False,
    progress: ProgressReporter | None = None,
) -> SweepResult:
    """Compute every combination of lists and ranges; runs that are done are not computed again.

    Args:
        settings: Name of a field of RunConfig -> value, list or range, as in the YAML file of `gridbench sweep`;
            `seeds`, `trials` and `chosen` too: `{"method": ["grid", "bce"], "slnir": "0:60:10", "seeds": 5}`.
        execution: Where records go; the defaults write below `./runs` and keep no weights.
        computing: Engine, time limit and number of failures after which to stop; the default computes one run after
            the other in this process. `Computing(EngineChoice(workers=2))` starts processes, for which a script needs
            the usual `if __name__ == "__main__"`.
        retry_failed: Try failed runs again.
        progress: Shows what happens; None shows nothing.

    Returns:
        The finished records and what was selected on validation.

    Raises:
        InputError: A name or a value is wrong; nothing was computed.
        RunFailed: Some runs failed; all others are whole.
    """
    execution = execution or Execution(keep="light")
    with progress or ProgressReporter(quiet=True) as shown:
        planned = plan_sweep(settings, execution, computing or Computing(EngineChoice(workers=0)), shown)
        # Paths become strings, so that the call consists of literals.
        plain = {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}
        planned.compute(f"gridbench.sweep({plain!r})", shown, retry_failed)
    folders = (execution.runs / item.plan.folder_name for item in planned.sweep.items)
    stored = [read_record(folder) for folder in folders if folder.exists()]
    records = tuple(record for record in stored if isinstance(record, RunRecord))
    return SweepResult(records, tuple(selection for selection, _ in planned.selections()))


def plan_sweep(
    settings: Mapping[str, Any], execution: Execution, computing: Computing, progress: ProgressReporter
) -> PlannedSweep:
    """Expand the settings of a sweep into its runs, and look up the finished ones.

    Raises:
        InputError: A name or a value is wrong, or nothing is left to run.
    """
    values = dict(settings)
    chosen = values.pop("chosen", False)
    if not isinstance(chosen, bool):
        raise InputError(f"The setting 'chosen' is {chosen!r}; it must be true or false.")
    axes, base, search = read_settings(values)
    if chosen:
        if search is not None:
            raise InputError(
                "--chosen runs what an earlier selection chose, so it cannot be combined with --select."
            )
        combinations = chosen_settings(execution.runs, axes, base)
    else:
        combinations = expand(axes, base) if search is None else tries_of(expand(axes, base), search)
    computing.engine.require_devices()
    for name in axes.get("backbone") or filter(None, [base.get("backbone")]):
        require_backbone(str(name))
    chooser = computing.engine.chooser(execution, base, progress)
    settle = chooser.settle if chooser else None
    cache = execution.cache or default_cache()
    planned = make_sweep(combinations, execution.runs, cache, progress.build, settle)
    if search is not None:
        require_scores(planned.items, search)
    if chooser:
        execution = replace(execution, chosen=chooser.documents)
    return PlannedSweep(planned, execution, computing, search)


def declare_items(items: Iterable[Item], runs: Path, command: str) -> None:
    """Note the runs of a sweep in their folder, for `gridbench status`.

    Args:
        items: All its runs, the finished ones too.
        runs: The folder of records.
        command: What computes them.

    Raises:
        InputError: The folder cannot be written.
        NoRoom: The disk is full.
    """
    rows = [
        DeclaredRun(item.plan.folder_name, item.label, item.plan.config.model_dump(mode="json"))
        for item in items
    ]
    try:
        declare(runs, command, rows)
    except OSError as error:
        raise unwritable(runs, error) from None
