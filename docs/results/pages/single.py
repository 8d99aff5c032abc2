"""One label per image: accuracy and retrieval side by side."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from pages.evidence import (
    RESOLVED,
    TEST,
    UNSEEN,
    VALIDATION,
    WORST,
    Records,
    Where,
    differences,
    over_rates,
    prose,
    table,
    told,
)
from pages.scored import minus_plain, orders, scores
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
RATES = (0, 30, 60)
CIFAR = ("class_dependent", 37.72)
"""Noise model, and the rate that its table `cifar10n_worst` has by itself on the ten most frequent classes."""
WORST_SCORES: Mapping[str, str] = {
    "NDCG@20": TEST,
    "NDCG@20, unseen queries": UNSEEN,
    "accuracy": ACCURACY,
    "ECE": "ece",
    "remembered": "memorised",
}
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
    lines = prose(
        "# One label per image, on `bluemarble`",
        "Percent, mean ± sample standard deviation over n seeds; every method at its documented defaults, the default "
        "recipe ([recipes](../recipes.md)). The label of a tile is the class that covers most of it. SLNIR is the "
        "paper's noise: a share of the images gets another class, drawn uniformly. Accuracy and calibration "
        "are of the head of labels against clean test labels; NDCG is of the descriptors.",
        RESOLVED,
    )
    for title, metric in SCORES.items():
        lines += [f"## {title}", "", *over_rates(records, SINGLE, metric)]
        if metric in (ACCURACY, TEST):
            pairs = {f"{name} - ce": (SINGLE[name], CE) for name in TRAINED if name != "ce"}
            lines += ["### Minus `ce` of the same seed", "", *differences(records, pairs, metric)]
    lines += ["## Do accuracy and NDCG order the methods alike?", "", *_orders(records)]
    lines += prose(
        "## Remembered and found",
        "The share of injected labels that the trained network predicts for the training images, and the AUROC with "
        "which the loss at the end of training tells noisy images; by GRID's own choice, the difference of the losses "
        "of its heads, it is in the last row.",
    )
    return lines + _remembered(records) + _worst()


def _orders(records: Records) -> list[str]:
    rows = []
    for rate in RATES:
        means = [
            pd.Series(
                {
                    name: pd.Series(records.seeds(metric, rate, **SINGLE[name]), dtype=float).mean()
                    for name in TRAINED
                }
            )
            for metric in (ACCURACY, TEST)
        ]
        test = kendalltau(means[0], means[1])
        best = [" > ".join(each.sort_values(ascending=False).index[:3]) for each in means]
        rows.append([f"SLNIR {rate}", f"{test.statistic:+.2f} (p = {test.pvalue:.2f})", *best])
    return table(["", "Kendall's tau of the means", "best three by accuracy", "best three by NDCG@20"], rows)


def _remembered(records: Records) -> list[str]:
    ways = [(name, name, "loss") for name in TRAINED] + [
        ("grid, its own choice", "grid (lambda 20)", "method")
    ]
    noisy = [rate for rate in RATES if rate]
    rows = []
    for row, name, way in ways:
        auroc = f"sample_detection/image/{way}/auroc"
        values = [
            told(records.seeds(metric, rate, **SINGLE[name]))
            for metric in ("memorised", auroc)
            for rate in noisy
        ]
        rows.append([row, *values])
    heads = [f"{what}, SLNIR {rate}" for what in ("remembered", "AUROC") for rate in noisy]
    return table(["", *heads], rows)


def _worst() -> list[str]:
    """Return the section on the noise of CIFAR-10N's worst labels, whose runs are of another machine."""
    records = Records(WORST)
    (machine,) = {run.machine for run in records.runs}
    noise, rate = CIFAR
    trained = {name: SINGLE[name] for name in TRAINED}
    paired = {title: metric for title, metric in WORST_SCORES.items() if metric in (ACCURACY, TEST)}
    return [
        *prose(
            "## CIFAR-10N's worst labels",
            "`cifar10n_worst` draws by the confusions of CIFAR-10N's worst labels, laid over the ten most frequent "
            f"classes ([noise](../noise.md)); at {rate} % it is the table itself. These runs were computed on another "
            f"machine than those above ({machine}), and are paired among themselves alone.",
        ),
        *scores(records, SINGLE, WORST_SCORES, rate, noise),
        "### Minus `ce` of the same seed, CIFAR-10N's worst labels",
        "",
        *minus_plain(records, trained, "ce", paired, rate, noise),
        *orders(records, trained, (TEST, ACCURACY), rate, noise),
    ]
