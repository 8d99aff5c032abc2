"""The records that ship with gridbench or lie in docs/results/data, and how their numbers are told."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

import pandas as pd

from gridbench.leaderboard.records.metric_info import unit_of
from gridbench.leaderboard.records.runs import Run, collect
from gridbench.leaderboard.stats.statistics import FEWEST_SEEDS, Interval, holm_corrected, paired_interval

HERE = Path(__file__).resolve().parents[1]
BASELINES = HERE.parents[1] / "leaderboard" / "records" / "baselines" / "bluemarble.zip"
STUDIES = HERE / "data" / "studies.zip"
"""Records of `bluemarble` that are no baselines: other noise models, other parameters, methods of studies."""
SEVERAL = tuple(sorted((HERE / "data" / "several-labels").glob("*.zip")))
"""Records of every method for several labels per image, of one recipe, which is its own; each noise of one machine."""
AGAIN = HERE / "data" / "other-machine.zip"
"""Records of SEVERAL that another machine computed, too."""
OTHER_INSTRUCTIONS = HERE / "data" / "other-instructions.zip"
"""Records of the leading methods of SEVERAL under other noises, of a machine with other instructions."""
OTHER_ARCHIVES = HERE / "data" / "other-archives.zip"
"""Records of the leading methods of SEVERAL and LABEL_MAPS on other archives, all of one machine."""
PREDICTIONS = HERE / "data" / "predictions.zip"
"""Records of the methods and losses of the tables of scene labels and label maps, with scores of their predictions."""
PAIRS = HERE / "data" / "pairs.zip"
"""Records of every pair of a method and a loss, one seed each, all of one machine."""
BUDGET = HERE / "data" / "budget"
TUNED = BUDGET / "several-labels.zip"
"""Records of the tries of the methods of SEVERAL, and of what was chosen on five seeds, all of one machine."""
SAME_RATE = BUDGET / "same-rate.zip"
"""Records of methods of SEVERAL at the learning rate chosen for plain training, of the machine of TUNED."""
TUNED_SINGLE = BUDGET / "single-labels.zip"
"""Records of the tries of the methods of SINGLE_LABELS, and of what was chosen, all of the same machine."""
TUNED_MAPS = BUDGET / "label-maps.zip"
"""Records of the tries of the methods of LABEL_MAPS, and of what was chosen, each noise rate of one machine."""
OPTIMISERS = HERE / "data" / "optimisers.zip"
"""Records of plain training by optimisers and schedules, all of one machine."""
SINGLE_LABELS = tuple(sorted((HERE / "data" / "single-labels").glob("*.zip")))
"""Records of every method for one label per image, of one recipe, which is its own; each noise of one machine."""
LABEL_MAPS = tuple(sorted((HERE / "data").glob("label-maps*.zip")))
"""Records of every method for label maps; each noise rate of one machine."""

_HEADS = {"mode": "hybrid", "kl_reduction": "sum", "kl_weight": "1", "epsilon": "sample"}
GRID = {"method": "grid", "loss": "bce", **{f"parameters.{name}": value for name, value in _HEADS.items()}}
DEFAULT = {**GRID, "parameters.lambda": "20"}
AUTO = {**GRID, "parameters.lambda": "auto"}
BCE = {"method": "bce", "loss": "bce"}
FL = {"method": "fl", "loss": "fl", "parameters.gamma": "2"}
ASL = {"method": "asl", "loss": "asl", "parameters.gamma_negative": "4"}
ELR = {"method": "elr", "loss": "bce", "parameters.lambda": "1"}
JOCOR = {"method": "jocor", "loss": "bce", "parameters.tau": "0.05"}
PCE = {"method": "pce", "loss": "pce"}
RRL = {"method": "rrl", "loss": "rrl"}
LNC = {"method": "lnc", "loss": "pce", "parameters.tau": "0.2"}
TOLD = {**GRID, "parameters.lambda": "slnir"}
GRID_PCE = {**GRID, "loss": "pce", "parameters.lambda": "10"}
GRID_RRL = {**GRID, "loss": "rrl", "parameters.lambda": "10"}
TOLD_PCE = {**GRID_PCE, "parameters.lambda": "slnir"}

TEST, VALIDATION, UNSEEN = "ndcg@20", "validation/ndcg@20", "unseen/ndcg@20"
Where = Mapping[str, str]


class Records:
    """The records of one or more files: unless given, the baselines and the studies.

    Args:
        files: Files of compact records.
        per_noise: Whether each noise may be of a machine of its own, where runs under one noise alone are paired.

    Raises:
        ValueError: Those of one level of labels, or of one noise, are of several machines, whose runs are never paired.
    """

    def __init__(self, *files: Path, per_noise: bool = False) -> None:
        self.runs = _runs(*(files or (BASELINES, STUDIES)))
        # Every number of a page asks for a cell, and there are thousands of runs.
        self._under: dict[tuple[str, str, str | None], list[Run]] = {}
        for run in self.runs:
            slnir, noise, method = (_plain(run.settings[name]) for name in ("slnir", "noise", "method"))
            for each in (method, None):
                self._under.setdefault((slnir, noise, each), []).append(run)
        paired: dict[tuple[object, ...], set[str]] = {}
        for run in self.runs:
            condition = (run.settings["noise"], str(run.settings["slnir"])) if per_noise else ()
            paired.setdefault((run.settings["kind"] == "single", *condition), set()).add(run.machine)
        for machines in paired.values():
            if len(machines) > 1:
                raise ValueError(
                    f"these records are of several machines, which are never paired: {sorted(machines)}"
                )

    def machines(self) -> dict[str, list[Run]]:
        """Return machine -> its runs, the machine with most of them first."""
        found: dict[str, list[Run]] = {}
        for run in self.runs:
            found.setdefault(run.machine, []).append(run)
        return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))

    def find(self, slnir: float, noise: str = "swap", **where: str) -> dict[int, Run]:
        """Return seed -> run of the one cell with these settings.

        Raises:
            ValueError: The settings belong to more than one cell.
        """
        conditions = {"slnir": f"{slnir:g}", "noise": noise, **where}
        under = self._under.get((conditions["slnir"], conditions["noise"], conditions.get("method")), [])
        found = [run for run in under if all(_plain(run.settings.get(k)) == v for k, v in where.items())]
        if len({run.cell for run in found}) > 1:
            raise ValueError(f"{conditions} is more than one cell")
        return {run.seed: run for run in found}

    def seeds(self, metric: str, slnir: float, noise: str = "swap", **where: str) -> dict[int, float]:
        """Return seed -> value, in percent where it is a share."""
        scale = 100 if unit_of(metric).recorded == "fraction" else 1
        found = {seed: run.metric(metric) for seed, run in self.find(slnir, noise, **where).items()}
        return {seed: value * scale for seed, value in sorted(found.items()) if value is not None}

    def epochs(self, name: str, slnir: int, **where: str) -> pd.DataFrame:
        """Return what was logged in each epoch under a name: a row an epoch from 1, a column a seed."""
        runs = self.find(slnir, **where)
        series = {seed: [row[name] for row in run.stored.epochs()] for seed, run in sorted(runs.items())}
        frame = pd.DataFrame(series)
        frame.index = frame.index + 1
        return frame


@cache
def _runs(*files: Path) -> Sequence[Run]:
    """Return the runs of one or more files; each file is read once, however many pages are of it."""
    if len(files) == 1:
        return collect(*files).runs
    runs = [run for file in files for run in _runs(file)]
    # What is there twice counts once, if its numbers are the same.
    return runs if len({(run.origin, run.id) for run in runs}) == len(runs) else collect(*files).runs


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def told(values: Mapping[int, float] | pd.Series[float], n: bool = False, digits: int = 1) -> str:
    """Write mean ± standard deviation (ddof 1), with n where it is asked for or a deviation is impossible."""
    series = pd.Series(values, dtype=float)
    if series.empty:
        return "–"
    centre = float(f"{series.mean():.{digits}f}") + 0.0  # no negative zero
    if len(series) == 1:
        return f"{centre:.{digits}f} (n = 1)"
    return f"{centre:.{digits}f} ± {series.std(ddof=1):.{digits}f}" + (f" (n = {len(series)})" if n else "")


Seeds = Mapping[int, float]


def mean(values: Seeds) -> float:
    """Return the mean over the seeds."""
    return statistics.mean(values.values())


RESOLVED = (
    "A bold difference is resolved: a paired t test at 5 % after Holm's correction over all differences of its table "
    "that have five seeds. The 95 % intervals are Student's t, each by itself."
)


def paired(rows: Sequence[Sequence[tuple[Seeds, Seeds]]]) -> list[list[Interval]]:
    """Return the paired differences of one table, corrected as one family."""
    intervals = iter(
        holm_corrected([paired_interval({"": one}, {"": other}) for row in rows for one, other in row])
    )
    return [[next(intervals) for _ in row] for row in rows]


def compared(rows: Sequence[Sequence[tuple[Seeds, Seeds]]]) -> list[list[str]]:
    """Write the mean paired differences of one table with their 95 % intervals and n, the resolved ones in bold."""
    return [differences_told(row) for row in paired(rows)]


def differences_told(intervals: Iterable[Interval]) -> list[str]:
    """Write mean differences with their 95 % intervals and n, the resolved ones in bold."""
    return [_difference(interval) for interval in intervals]


def _difference(interval: Interval) -> str:
    if not interval.seeds:
        return "–"
    mean = f"{interval.difference:+.1f}".replace("-0.0", "0.0").replace("+0.0", "0.0")
    if interval.seeds < FEWEST_SEEDS:
        return f"{mean} (n = {interval.seeds})"
    if interval.verdict in ("better", "worse"):
        mean = f"**{mean}**"
    # An end's sign tells on which side of zero it lies, however near.
    low, high = (f"{end:+.1f}" if end else "0.0" for end in (interval.low, interval.high))
    return f"{mean} ({low} to {high}; n = {interval.seeds})"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a markdown table, without the rows that nothing was measured for."""
    rows = [row for row in rows if set(row[1:]) - {"–", ""}]
    return ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *rows)] + [""]


def prose(*paragraphs: str) -> list[str]:
    """Return the lines of paragraphs, wrapped, each followed by an empty one."""
    return [line for each in paragraphs for line in (*textwrap.wrap(each, 118, break_on_hyphens=False), "")]


def over_rates(
    records: Records, settings: Mapping[str, Where], metric: str, rates: Sequence[int] = (0, 30, 60)
) -> list[str]:
    """Return the table of a metric, a row for each named setting and a column for each noise rate."""
    rows = [
        [name, *(told(records.seeds(metric, rate, **where), n=True) for rate in rates)]
        for name, where in settings.items()
    ]
    return table(["", *(f"SLNIR {rate}" for rate in rates)], rows)


def differences(
    records: Records,
    pairs: Mapping[str, tuple[Where, Where]],
    metric: str = TEST,
    rates: Sequence[int] = (0, 30, 60),
) -> list[str]:
    """Return the table of paired differences of a metric, a row for each named pair of settings."""
    texts = compared(
        [
            [(records.seeds(metric, rate, **one), records.seeds(metric, rate, **other)) for rate in rates]
            for one, other in pairs.values()
        ]
    )
    rows = [[name, *row] for name, row in zip(pairs, texts, strict=True)]
    return table(["", *(f"SLNIR {rate}" for rate in rates)], rows)
