"""Tables under one noise, a row for each method and a column for each score: retrieval beside prediction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pages.evidence import Records, Where, compared, mean, prose, table, told
from scipy.stats import kendalltau

from gridbench.methods.catalogue import CATALOGUE

Rows = Mapping[str, Where]
"""Name of a row -> the settings of its cell."""
Scores = Mapping[str, str]
"""Heading of a column -> the metric."""

NAMES = {"ndcg@20": "NDCG@20", "map_macro": "mAP", "miou": "mIoU", "accuracy": "accuracy"}
"""Metric -> what papers call it."""


def described(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the columns of each method's paper, and of the passes of its training step."""
    known = {name: CATALOGUE.get(name) for name in names}
    return {
        "paper": {name: each.paper if each else "loss alone" for name, each in known.items()},
        "passes": {name: each.cost if each else "1F 1B" for name, each in known.items()},
    }


def scores(
    records: Records,
    rows: Rows,
    metrics: Scores,
    rate: float,
    noise: str = "swap",
    about: Mapping[str, Mapping[str, str]] | None = None,
) -> list[str]:
    """Return the table of the scores and the number of seeds; `about`: heading -> row -> text."""
    described = about or {}
    texts = []
    for name, where in rows.items():
        values = [records.seeds(metric, rate, noise, **where) for metric in metrics.values()]
        texts.append(
            [
                name,
                *(column[name] for column in described.values()),
                *map(told, values),
                str(len(values[0])) if values[0] else "–",
            ]
        )
    return table(["", *described, *metrics, "n"], texts)


def minus_plain(
    records: Records, rows: Rows, plain: str, metrics: Scores, rate: float, noise: str = "swap"
) -> list[str]:
    """Return the table of the paired differences of every other row from the one that trains plainly."""
    others = [name for name in rows if name != plain]
    texts = compared(
        [
            [
                (
                    records.seeds(metric, rate, noise, **rows[name]),
                    records.seeds(metric, rate, noise, **rows[plain]),
                )
                for metric in metrics.values()
            ]
            for name in others
        ]
    )
    return table(
        ["", *metrics], [[f"{name} - {plain}", *line] for name, line in zip(others, texts, strict=True)]
    )


def orders(
    records: Records, rows: Rows, metrics: tuple[str, str], rate: float, noise: str = "swap"
) -> list[str]:
    """Say how alike two metrics order the rows that have both."""
    found = [[records.seeds(metric, rate, noise, **where) for metric in metrics] for where in rows.values()]
    both = [pair for pair in found if all(pair)]
    means = [[mean(pair[at]) for pair in both] for at in (0, 1)]
    test = kendalltau(*means)
    retrieval, prediction = (NAMES[metric] for metric in metrics)
    return prose(
        f"Kendall's tau between the orders of the {len(both)} means by test {retrieval} and by test {prediction} is "
        f"{test.statistic:+.2f} (p = {test.pvalue:.2g})."
    )
