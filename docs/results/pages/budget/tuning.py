"""The same number of tries for every method of a level, plain training among them, and what was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from matplotlib.figure import Figure
from pages.budget.search import RATE, TRIED_AT, USUAL, Search, searched, usual_settings
from pages.comparison import Comparison, rates_told
from pages.evidence import RESOLVED, Records, Where, compared, differences_told, paired, prose, table, told
from pages.gains import win_map

from gridbench.leaderboard.stats.statistics import Interval, holm_corrected, paired_interval

RATES = (0, 30, 60)


@dataclass(frozen=True)
class Tuning:
    """The tries of all methods for one level of labels, and the runs of what was chosen.

    Attributes:
        comparison: The same methods at their defaults.
        file: File of the compact records, in which each noise rate is of one machine.
        picture: Name of the picture of the gains.
    """

    comparison: Comparison
    file: Path
    picture: str

    @cached_property
    def records(self) -> Records:
        """The tries, and what was chosen on five seeds."""
        return Records(self.file, per_noise=True)

    @cached_property
    def searches(self) -> dict[str, Search]:
        """Method -> its search, the best on validation first."""
        names = sorted({str(run.settings["method"]) for run in self.records.runs})
        found = {name: searched(self.records, name, self.comparison) for name in names}
        return dict(sorted(found.items(), key=lambda item: -max(item[1].tries.values())))

    @cached_property
    def rates(self) -> list[int]:
        """The noise rates at which what was chosen for plain training was run with more than one seed."""
        plain = self.comparison.plain
        return [rate for rate in RATES if len(self.records.find(rate, **self.chosen(plain))) > 1]

    @property
    def others(self) -> list[str]:
        """The methods apart from plain training."""
        return [name for name in self.searches if name != self.comparison.plain]

    @cached_property
    def everywhere(self) -> list[str]:
        """Those of the other methods that ran with every seed of plain training at every rate."""
        return [name for name in self.others if all(self.ran(name, rate) for rate in self.rates)]

    def ran(self, method: str, rate: int) -> bool:
        """Return whether what was chosen for a method ran with every seed of plain training."""
        seeds, plain = (
            self.records.find(rate, **self.chosen(name)).keys() for name in (method, self.comparison.plain)
        )
        return seeds >= plain

    def machine(self, rate: int) -> str:
        """Return the machine that computed this noise rate."""
        run, *_ = self.records.find(rate, **self.chosen(self.comparison.plain)).values()
        return run.machine

    def chosen(self, method: str) -> Where:
        """Return the cell of what was chosen for a method."""
        return {"method": method, **self.searches[method].where}

    def usual(self, method: str) -> Where:
        """Return the cell of a method at its defaults."""
        usual = usual_settings(method, self.comparison)
        # A parameter whose default follows from the archive is missing from the settings.
        return {
            "method": method,
            **{name: usual.get(name, str(None)) for name in self.searches[method].where},
        }

    def seeds(self, metric: str, rate: int, method: str) -> dict[int, float]:
        """Return seed -> value of what was chosen for a method."""
        return self.records.seeds(metric, rate, **self.chosen(method))

    @cached_property
    def at_rates(self) -> dict[str, dict[str, list[Interval]]]:
        """Metric -> method -> difference from tuned plain training at each rate; those of a metric are one family."""
        plain = self.comparison.plain
        found = {}
        for metric in self.comparison.paired.values():
            rows = [
                [(self.seeds(metric, rate, name), self.seeds(metric, rate, plain)) for rate in self.rates]
                for name in self.others
            ]
            found[metric] = dict(zip(self.others, paired(rows), strict=True))
        return found

    @cached_property
    def averaged(self) -> dict[str, dict[str, Interval]]:
        """Metric -> method -> difference averaged over the rates of each seed; all of them are one family."""
        metrics = list(self.comparison.paired.values())
        family = iter(
            holm_corrected([self._average(name, metric) for name in self.everywhere for metric in metrics])
        )
        by_method = {name: {metric: next(family) for metric in metrics} for name in self.everywhere}
        return {metric: {name: by_method[name][metric] for name in self.everywhere} for metric in metrics}

    def _average(self, method: str, metric: str) -> Interval:
        one, other = (
            {str(rate): self.seeds(metric, rate, each) for rate in self.rates}
            for each in (method, self.comparison.plain)
        )
        return paired_interval(one, other)


def tries(tuning: Tuning, level: str) -> list[str]:
    """Return the table of the tries; `level`: link to the page of the same methods at their defaults."""
    searches = tuning.searches
    (count,) = {len(search.tries) for search in searches.values()}
    lower = sum(search.rate < float(USUAL) for search in searches.values())
    higher = sum(search.rate > float(USUAL) for search in searches.values())
    rates = {float(dict(each)[RATE]) for search in searches.values() for each in search.tries}
    at_edge = sum(search.rate in (min(rates), max(rates)) for search in searches.values())
    alone = [f"`{name}`" for name in sorted(searches) if list(searches[name].where) == [RATE]]
    derived = [f"`{name}`" for name, search in searches.items() if search.default is None]
    rows = []
    for name, search in searches.items():
        scores = list(search.tries.values())
        default = "–" if search.default is None else f"{search.default:.1f}"
        rows.append([name, f"{scores[-1]:.1f}", default, f"{scores[0]:.1f}", f"**{search.chosen}**"])
    return [
        *prose(
            f"{count} tries of each method, plain training among them, on **validation** NDCG@20 (percent) at SLNIR "
            f"{TRIED_AT} with seed 0; the best try was then run at SLNIR {rates_told(tuning.rates)} with five seeds"
            f"{_partly(tuning)}. A "
            "try is a learning rate and a value of every parameter that the method declares for a search: the "
            f"defaults, and nine drawn at random. {listed(alone)} have no parameters to search, so their tries are "
            "ten learning rates. "
            f"{_derived(derived)}Test scores chose nothing. All else is the recipe of {level}.",
            f"For {lower} of {len(searches)} a learning rate below the recipe's {USUAL} was chosen, for {higher} one "
            f"above it; for {at_edge} it is the lowest or the highest that was tried for any, {min(rates):g} or "
            f"{max(rates):g}, so that a better one may lie beyond.",
        ),
        *table(["", "worst", "defaults", "best", "chosen"], rows),
    ]


def listed(names: list[str]) -> str:
    """Return names as in "a, b and c"."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def _derived(names: list[str]) -> str:
    if not names:
        return ""
    return f"(What {listed(names)} expects by default follows from the archive and is none of its values to try.) "


def _partly(tuning: Tuning) -> str:
    """Say at which rates only some methods ran, and which machines computed what, where that is not one."""
    parts = []
    for rate in tuning.rates:
        ran = sum(tuning.ran(name, rate) for name in tuning.searches)
        if ran < len(tuning.searches):
            parts.append(f"at {rate} that of {ran} of the {len(tuning.searches)} methods")
    if len({tuning.machine(rate) for rate in tuning.rates}) > 1:
        parts += [f"SLNIR {rate} on {tuning.machine(rate)}" for rate in tuning.rates]
    return f" ({'; '.join(parts)})" if parts else ""


def chosen(tuning: Tuning, level: str) -> list[str]:
    """Return the tables of test scores, by default and with what was chosen."""
    comparison = tuning.comparison
    elsewhere = [
        rate
        for rate in tuning.rates
        if comparison.records.find(rate, method=comparison.plain)[0].machine != tuning.machine(rate)
    ]
    paired_with = (
        f", at SLNIR {rates_told(elsewhere)} of another machine, so that no seed is paired with them"
        if elsewhere
        else ""
    )
    lines = [
        "## Test, with what was chosen and by default",
        "",
        *prose(
            "Mean ± sample standard deviation over five seeds. The defaults stand for comparison, and are those of "
            f"{level}{paired_with}."
        ),
    ]
    for title, metric in comparison.paired.items():
        rows = []
        for name in tuning.searches:
            row = [name]
            for rate in tuning.rates:
                row.append(told(comparison.seeds(metric, rate, name)))
                row.append(told(tuning.seeds(metric, rate, name)))
            rows.append(row)
        header = [text for rate in tuning.rates for text in (f"SLNIR {rate}, defaults", "chosen")]
        lines += [f"### {title}", "", *table(["", *header], rows)]
    return lines


def gains(tuning: Tuning) -> list[str]:
    """Return the tables of differences from tuned plain training, and their picture."""
    plain, metrics = tuning.comparison.plain, tuning.comparison.paired
    lines = [
        f"## Minus tuned `{plain}` of the same seed",
        "",
        *prose(RESOLVED, f"![Gain of every tuned method over tuned {plain}](../figures/{tuning.picture})"),
    ]
    for title, metric in metrics.items():
        rows = [
            [f"{name} - {plain}", *differences_told(row)] for name, row in tuning.at_rates[metric].items()
        ]
        lines += [f"### {title}, minus", "", *table(["", *(f"SLNIR {rate}" for rate in tuning.rates)], rows)]
    if len(tuning.rates) == 1:
        return lines
    rows = [
        [f"{name} - {plain}", *differences_told(tuning.averaged[metric][name] for metric in metrics.values())]
        for name in tuning.everywhere
    ]
    return [*lines, "### Averaged over the rates of each seed", "", *table(["", *metrics], rows)]


def _machines(records: Records, rate: int) -> set[str]:
    """Return the machines that have runs at a rate of the paper's noise."""
    return {
        run.machine
        for run in records.runs
        if run.settings["noise"] == "swap" and float(str(run.settings["slnir"])) == rate
    }


def minus_tuned(tuning: Tuning, records: Records, rows: Mapping[str, Where], how: str) -> list[str]:
    """Return the tables of cells of other records minus tuned plain training; `rows`: method -> cell.

    Only those noise rates are compared that one machine computed for both.
    """
    plain = tuning.comparison.plain
    rates = [rate for rate in tuning.rates if {tuning.machine(rate)} == _machines(records, rate)]
    lines = []
    for title, metric in tuning.comparison.paired.items():
        texts = compared(
            [
                [(records.seeds(metric, rate, **where), tuning.seeds(metric, rate, plain)) for rate in rates]
                for where in rows.values()
            ]
        )
        told_rows = [[f"{name}, {how} - tuned {plain}", *row] for name, row in zip(rows, texts, strict=True)]
        lines += [
            f"### {title}, {how} minus tuned",
            "",
            *table(["", *(f"SLNIR {rate}" for rate in rates)], told_rows),
        ]
    return lines


def page_of(tuning: Tuning, level: str) -> list[str]:
    """Return what stands below the title where the defaults of every method are of the machine of the tries.

    `level`: link to the page of the same methods at their defaults.
    """
    comparison = tuning.comparison
    return [
        *tries(tuning, level),
        *chosen(tuning, level),
        *gains(tuning),
        f"## Defaults minus tuned `{comparison.plain}` of the same seed",
        "",
        *prose(
            f"All methods of {level} at their defaults, for which nothing was chosen, and on the same machine."
        ),
        *minus_tuned(
            tuning, comparison.records, {name: tuning.usual(name) for name in comparison.names}, "defaults"
        ),
    ]


def wins(tuning: Tuning) -> Figure:
    """Draw where tuned methods beat tuned plain training, in the order of the page."""
    columns: dict[str, Mapping[str, Mapping[str, Interval]]] = {
        f"SLNIR\n{rate}": {
            metric: {name: row[at] for name, row in rows.items() if row[at].seeds}
            for metric, rows in tuning.at_rates.items()
        }
        for at, rate in enumerate(tuning.rates)
    }
    if len(tuning.rates) > 1:
        columns["mean"] = tuning.averaged
    comparison = tuning.comparison
    about = f"{comparison.labels}, ten tries each: points above tuned {comparison.plain.upper()}"
    return win_map(tuning.others, columns, about, comparison.paired)
