"""The same number of tries for every method, plain training among them, and what was chosen on five seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.figure import Figure
from pages.comparison import ACCURACY, MAP, SCENE, SINGLE, Comparison
from pages.evidence import (
    RESOLVED,
    SAME_RATE,
    SINGLE_LABELS,
    TEST,
    TUNED,
    TUNED_SINGLE,
    UNSEEN,
    VALIDATION,
    Records,
    Where,
    differences,
    differences_told,
    over_rates,
    paired,
    prose,
    table,
    told,
)
from pages.gains import win_map

from gridbench.leaderboard.records.runs import Run
from gridbench.leaderboard.stats.statistics import Interval, holm_corrected, paired_interval

PLAIN = "bce"
RATES = (0, 30, 60)
TRIED_AT = 30
"""Noise rate of the tries, which are of seed 0."""
RATE = "learning_rate"
USUAL = "0.001"
"""The learning rate of the recipe."""
AT_DEFAULTS = ("sat", "jocor")
AT_ITS_RATE = ("sat", "jocor", "role", "elr", "grid")
LEADING_SINGLE = ("anl_ce", "gce", "sce", "nce_rce", "sop", "npn", "jocor", "elr", "grid")
SCORES: Mapping[str, str] = {"NDCG@20": TEST, "NDCG@20, unseen queries": UNSEEN, "mAP": MAP}


@dataclass(frozen=True)
class Search:
    """The tries of one method.

    Attributes:
        tries: Settings that differ between them -> validation score in percent, in the order of the score.
        default: Validation score of the defaults; None where a default, which follows from the archive, is no try.
        where: The settings of the try of highest score.
    """

    tries: Mapping[tuple[tuple[str, str], ...], float]
    default: float | None
    where: Where

    @property
    def chosen(self) -> str:
        """The chosen values in words."""
        return ", ".join(f"{name.removeprefix('parameters.')} {value}" for name, value in self.where.items())


def budget(_: Records) -> list[str]:
    """Return the page of tries and of what was chosen, whose records are a file of their own."""
    tuned, found, order = _searches()
    return [
        "# Every method with the same number of tries, on `bluemarble`",
        "",
        *_tries(found, order),
        *_chosen(tuned, found, order),
        *_differences(_gains(tuned, found, order)),
        *_at_defaults(found),
        *_one_label(Records(TUNED_SINGLE, *SINGLE_LABELS)),
    ]


def _searches() -> tuple[Records, dict[str, Search], list[str]]:
    """Return the records, the search of every method, and the methods, the best on validation first."""
    tuned = Records(TUNED)
    names = sorted({str(run.settings["method"]) for run in tuned.runs})
    found = {name: searched(tuned, name, SCENE) for name in names}
    return tuned, found, sorted(names, key=lambda name: -max(found[name].tries.values()))


def searched(records: Records, method: str, comparison: Comparison) -> Search:
    """Return what was tried for a method at one noise rate and seed, and what validation chose."""
    runs = {
        run.cell: run
        for run in records.runs
        if run.settings["method"] == method and run.settings["slnir"] == str(TRIED_AT) and run.seed == 0
    }
    texts = {cell: _settings(run) for cell, run in runs.items()}
    varied = [name for name in next(iter(texts.values())) if len({text[name] for text in texts.values()}) > 1]
    scores = {
        tuple((name, texts[cell][name]) for name in varied): 100 * (run.metric(VALIDATION) or 0.0)
        for cell, run in runs.items()
    }
    tries = dict(sorted(scores.items(), key=lambda item: -item[1]))
    usual = _settings(comparison.records.find(TRIED_AT, method=method)[0])
    scores_of_defaults = (
        score for values, score in tries.items() if all(usual.get(name) == value for name, value in values)
    )
    default = next(scores_of_defaults, None)
    return Search(tries, default, dict(next(iter(tries))))


def _settings(run: Run) -> dict[str, str]:
    """Return the settings of a run that a search may vary, as text."""
    return {
        name: f"{value:g}" if isinstance(value, int | float) else str(value)
        for name, value in run.settings.items()
        if name == RATE or name.startswith("parameters.")
    }


def _tries(found: Mapping[str, Search], order: list[str]) -> list[str]:
    (count,) = {len(search.tries) for search in found.values()}
    rates = [float(search.where[RATE]) for search in found.values()]
    lower, higher = (sum(rate < float(USUAL) for rate in rates), sum(rate > float(USUAL) for rate in rates))
    rows = []
    for name in order:
        scores = list(found[name].tries.values())
        best = f"{scores[0]:.1f}"
        default = found[name].default
        told_default = "–" if default is None else f"{default:.1f}"
        rows.append([name, f"{scores[-1]:.1f}", told_default, best, f"**{found[name].chosen}**"])
    return [
        *prose(
            f"{count} tries of each method, plain training among them, on **validation** NDCG@20 (percent) at SLNIR "
            f"{TRIED_AT} with seed 0; the best try was then run at every rate with five seeds. A try is a learning "
            "rate and a value of every parameter that the method declares for a search: the defaults, and nine drawn "
            "at random. BCE, MAE and WAN have no parameters, so their tries are ten learning rates. (What ROLE expects "
            "by default follows from the archive and is none of its values to try.) Test scores chose nothing. All "
            "else is the recipe of [several labels](several-labels.md).",
            f"For {lower} of {len(order)} a learning rate below the recipe's {USUAL} was chosen, for {higher} one "
            "above it.",
        ),
        *table(["", "worst", "defaults", "best", "chosen"], rows),
    ]


def _where(method: str, found: Mapping[str, Search]) -> Where:
    return {"method": method, **found[method].where}


def _chosen(tuned: Records, found: Mapping[str, Search], order: list[str]) -> list[str]:
    lines = ["## Test, with what was chosen and by default", ""]
    lines += prose(
        "Mean ± sample standard deviation over five seeds. The defaults stand for comparison, and are those of "
        "[several labels](several-labels.md), at SLNIR 30 and 60 of another machine, so that no seed is paired with "
        "them."
    )
    for title, metric in SCORES.items():
        rows = []
        for name in order:
            row = [name]
            for rate in RATES:
                row.append(told(SCENE.seeds(metric, rate, name)))
                row.append(told(tuned.seeds(metric, rate, **_where(name, found))))
            rows.append(row)
        header = [text for rate in RATES for text in (f"SLNIR {rate}, defaults", "chosen")]
        lines += [f"### {title}", "", *table(["", *header], rows)]
    return lines


@dataclass(frozen=True)
class Gains:
    """What the tuned methods gain over tuned plain training.

    Attributes:
        others: The methods, the best on validation first.
        at_rates: Metric -> method -> difference at each of RATES; those of one metric are one family.
        averaged: Metric -> method -> difference averaged over the rates of each seed; all of them are one family.
    """

    others: tuple[str, ...]
    at_rates: Mapping[str, Mapping[str, list[Interval]]]
    averaged: Mapping[str, Mapping[str, Interval]]


def _gains(tuned: Records, found: Mapping[str, Search], order: list[str]) -> Gains:
    others = tuple(name for name in order if name != PLAIN)

    def seeds(name: str, metric: str, rate: int) -> dict[int, float]:
        return tuned.seeds(metric, rate, **_where(name, found))

    def averaged(name: str, metric: str) -> Interval:
        one, other = ({str(rate): seeds(each, metric, rate) for rate in RATES} for each in (name, PLAIN))
        return paired_interval(one, other)

    at_rates = {}
    for metric in SCORES.values():
        rows = [
            [(seeds(name, metric, rate), seeds(PLAIN, metric, rate)) for rate in RATES] for name in others
        ]
        at_rates[metric] = dict(zip(others, paired(rows), strict=True))
    family = iter(holm_corrected([averaged(name, metric) for name in others for metric in SCORES.values()]))
    by_method = {name: {metric: next(family) for metric in SCORES.values()} for name in others}
    return Gains(
        others,
        at_rates,
        {metric: {name: by_method[name][metric] for name in others} for metric in SCORES.values()},
    )


def _differences(gains: Gains) -> list[str]:
    lines = [f"## Minus tuned `{PLAIN}` of the same seed", "", *prose(RESOLVED)]
    lines += prose("![Gain of every tuned method over tuned plain training](figures/who-wins-tuned.png)")
    for title, metric in SCORES.items():
        rows = [[f"{name} - {PLAIN}", *differences_told(row)] for name, row in gains.at_rates[metric].items()]
        lines += [f"### {title}, minus", "", *table(["", *(f"SLNIR {rate}" for rate in RATES)], rows)]
    rows = [
        [f"{name} - {PLAIN}", *differences_told(gains.averaged[metric][name] for metric in SCORES.values())]
        for name in gains.others
    ]
    return [*lines, "### Averaged over the rates of each seed", "", *table(["", *SCORES], rows)]


def tuned_wins(_: Records) -> Figure:
    """Draw where tuned methods beat tuned plain training, in the order of the page."""
    gains = _gains(*_searches())
    columns: dict[str, Mapping[str, Mapping[str, Interval]]] = {
        f"SLNIR\n{rate}": {
            metric: {name: row[at] for name, row in rows.items()} for metric, rows in gains.at_rates.items()
        }
        for at, rate in enumerate(RATES)
    }
    columns["mean"] = gains.averaged
    about = f"scene labels, ten tries each: points above tuned {PLAIN.upper()}"
    return win_map(gains.others, columns, about, SCORES)


def _usual(found: Mapping[str, Search], name: str) -> Where:
    """Return the cell of a method at its defaults."""
    usual = _settings(SCENE.records.find(TRIED_AT, method=name)[0])
    # A parameter whose default follows from the archive is missing from the settings.
    return {"method": name, **{setting: usual.get(setting, str(None)) for setting in found[name].where}}


def _at_defaults(found: Mapping[str, Search]) -> list[str]:
    """Return the sections on methods at their defaults, of which nothing was chosen, against tuned plain training."""
    rate = found[PLAIN].where[RATE]
    usual = {name: _usual(found, name) for name in (PLAIN, *AT_DEFAULTS)}
    at_its_rate = {name: {**_usual(found, name), RATE: rate} for name in AT_ITS_RATE}
    return [
        f"## Defaults minus tuned `{PLAIN}` of the same seed",
        "",
        *prose(
            "The methods that lead [several labels](several-labels.md) at their defaults, and "
            f"`{PLAIN}` by the recipe, run on the machine of the tries. Nothing was chosen for them."
        ),
        *_minus_tuned(Records(TUNED), found, usual, "defaults"),
        f"## At the learning rate of tuned `{PLAIN}`",
        "",
        *prose(
            f"Methods with the learning rate that was chosen for `{PLAIN}`, {rate}, and their defaults otherwise: what "
            "a method adds where plain training is at its best."
        ),
        *_minus_tuned(Records(TUNED, SAME_RATE), found, at_its_rate, "same learning rate"),
    ]


def _minus_tuned(
    records: Records, found: Mapping[str, Search], rows: Mapping[str, Where], how: str
) -> list[str]:
    plain = _where(PLAIN, found)
    pairs = {f"{name}, {how} - tuned {PLAIN}": (where, plain) for name, where in rows.items()}
    lines = []
    for title, metric in SCORES.items():
        lines += [f"### {title}, {how} minus tuned", "", *differences(records, pairs, metric)]
    return lines


def _one_label(records: Records) -> list[str]:
    """Return the section on plain training for one label per image against the methods at their defaults."""
    search = searched(records, SINGLE.plain, SINGLE)
    plain = {"method": SINGLE.plain, **search.where}
    rows = {f"{SINGLE.plain}, {search.chosen}": plain} | {
        f"{name}, defaults": {"method": name, RATE: USUAL} for name in (SINGLE.plain, *LEADING_SINGLE)
    }
    scores = ", ".join(f"{dict(values)[RATE]}: {score:.1f}" for values, score in search.tries.items())
    lines = [
        f"## One label per image: `{SINGLE.plain}` with a learning rate of its own",
        "",
        *prose(
            f"The same ten learning rates of `{SINGLE.plain}` with one label per image, by validation NDCG@20 at SLNIR "
            f"{TRIED_AT} with seed 0 ({scores}), beside the leading methods of [single labels](single-labels.md) at "
            "their defaults, which nothing was chosen for. All of one machine.",
        ),
    ]
    for title, metric in {"NDCG@20": TEST, "NDCG@20, unseen queries": UNSEEN, "accuracy": ACCURACY}.items():
        lines += [f"### {title}, one label", "", *over_rates(records, rows, metric)]
        pairs = {
            f"{name} - tuned {SINGLE.plain}": (where, plain) for name, where in rows.items() if where != plain
        }
        lines += [f"### {title}, one label, minus", "", *differences(records, pairs, metric)]
    return lines
