"""One label an image: accuracy and retrieval side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from pages.evidence import (
    RESOLVED,
    TEST,
    UNSEEN,
    VALIDATION,
    Records,
    Where,
    compared,
    prose,
    table,
    told,
)
from scipy.stats import kendalltau

ACCURACY = "accuracy"
CE: Where = {"method": "ce", "loss": "ce"}
SINGLE: dict[str, Where] = {
    "ce": CE,
    "gce": {"method": "gce", "loss": "gce"},
    "sce": {"method": "sce", "loss": "sce"},
    "nce_rce": {"method": "nce_rce", "loss": "nce_rce"},
    "elr": {"method": "elr", "loss": "ce"},
    "jocor": {"method": "jocor", "loss": "ce"},
    "grid (lambda 20)": {"method": "grid", "loss": "ce", "parameters.lambda": "20"},
    "oracle": {"method": "oracle", "loss": "ce"},
    "untrained": {"method": "untrained", "kind": "single"},
}
TRAINED = tuple(name for name in SINGLE if name not in ("oracle", "untrained"))
WORST = 37.72
"""Percent of the images that the table `cifar10n_worst` mislabels where classes are balanced; its rate."""

_CIFAR = (
    "`cifar10n_worst` draws by the confusions of CIFAR-10N's worst labels, laid over the ten most frequent classes "
    "([noise](../noise.md))."
)

Column = tuple[str, float, str]
"""Heading, rate and noise of one column."""

COLUMNS: tuple[Column, ...] = (
    *((f"SLNIR {rate}", rate, "swap") for rate in (0, 30, 60)),
    ("cifar10n_worst", WORST, "class_dependent"),
)
SCORES: Mapping[str, str] = {
    "Accuracy, test": ACCURACY,
    "NDCG@20, test": TEST,
    "NDCG@20, queries that were never trained on": UNSEEN,
    "Accuracy, validation": f"validation/{ACCURACY}",
    "NDCG@20, validation": VALIDATION,
    "Expected calibration error, test": "ece",
}


def single(records: Records) -> list[str]:
    """Return the page of the comparison under single labels."""
    columns = [column for column in COLUMNS if records.find(*column[1:], **CE)]
    lines = prose(
        "# One label an image, on `bluemarble`",
        "Percent, mean ± sample standard deviation over n seeds; every method at its documented defaults, the default "
        "recipe ([recipes](../recipes.md)). The label of a tile is the class that covers most of it. SLNIR is the "
        "paper's noise: a share of the images gets another class, drawn uniformly. Accuracy and calibration "
        "are of the head of labels against clean test labels; NDCG is of the descriptors.",
        *([_CIFAR] if len(columns) == len(COLUMNS) else []),
        RESOLVED,
    )
    for title, metric in SCORES.items():
        lines += [f"## {title}", "", *_means(records, columns, metric)]
        if metric in (ACCURACY, TEST):
            lines += ["### Minus `ce` of the same seed", "", *_differences(records, columns, metric)]
    lines += ["## Do accuracy and NDCG order the methods alike?", "", *_orders(records, columns)]
    lines += prose(
        "## Remembered and found",
        "The share of injected labels that the trained network predicts for the training images, and the AUROC with "
        "which the loss at the end of training tells noisy images; by GRID's own choice, the difference of the losses "
        "of its heads, it is in the last row.",
    )
    return lines + _remembered(records, columns[1:])


def _means(records: Records, columns: Sequence[Column], metric: str) -> list[str]:
    rows = [
        [name, *(told(records.seeds(metric, rate, noise, **where), n=True) for _, rate, noise in columns)]
        for name, where in SINGLE.items()
    ]
    return table(["", *(title for title, _, _ in columns)], rows)


def _differences(records: Records, columns: Sequence[Column], metric: str) -> list[str]:
    names = [name for name in TRAINED if name != "ce"]
    texts = compared(
        [
            [
                tuple(records.seeds(metric, rate, noise, **where) for where in (SINGLE[name], CE))
                for _, rate, noise in columns
            ]
            for name in names
        ]
    )
    rows = [[f"{name} - ce", *row] for name, row in zip(names, texts, strict=True)]
    return table(["", *(title for title, _, _ in columns)], rows)


def _orders(records: Records, columns: Sequence[Column]) -> list[str]:
    rows = []
    for title, rate, noise in columns:
        means = [
            pd.Series(
                {
                    name: pd.Series(records.seeds(metric, rate, noise, **SINGLE[name]), dtype=float).mean()
                    for name in TRAINED
                }
            )
            for metric in (ACCURACY, TEST)
        ]
        test = kendalltau(means[0], means[1])
        best = [" > ".join(each.sort_values(ascending=False).index[:3]) for each in means]
        rows.append([title, f"{test.statistic:+.2f} (p = {test.pvalue:.2f})", *best])
    return table(["", "Kendall's tau of the means", "best three by accuracy", "best three by NDCG@20"], rows)


def _remembered(records: Records, columns: Sequence[Column]) -> list[str]:
    ways = [(name, name, "loss") for name in TRAINED] + [
        ("grid, its own choice", "grid (lambda 20)", "method")
    ]
    rows = []
    for row, name, way in ways:
        auroc = f"sample_detection/image/{way}/auroc"
        values = [
            told(records.seeds(metric, rate, noise, **SINGLE[name]))
            for metric in ("memorised", auroc)
            for _, rate, noise in columns
        ]
        rows.append([row, *values])
    heads = [f"{what}, {title}" for what in ("remembered", "AUROC") for title, _, _ in columns]
    return table(["", *heads], rows)
