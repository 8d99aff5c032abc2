"""Plain training by optimisers and schedules: under which recipe noise shows most clearly on validation."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from pages.evidence import OPTIMISERS, VALIDATION, Records, Seeds, Where, prose, table, told

UNSET = str(None)
"""A setting at its default, which records leave out."""
BUILT: Mapping[str, Where] = {
    "Adam": {"optimizer": UNSET},
    "AdamW, weight decay 0.05": {"optimizer": "adamw"},
    "SGD (Nesterov), learning rate 0.1, weight decay 5e-4": {"optimizer": "sgd"},
}
SCHEDULES = {"constant": UNSET, "cosine": "cosine", "onecycle": "onecycle"}
RATES = (0, 30)


def optimisers(_: Records) -> list[str]:
    """Return the table; its records are a file of their own, of the one machine that computed them."""
    records = Records(OPTIMISERS)
    (machine,) = {run.machine for run in records.runs}
    rows = []
    for name, built in BUILT.items():
        for schedule, recorded in SCHEDULES.items():
            where = {"method": "bce", **built, "schedule": recorded}
            clean, noisy = (records.seeds(VALIDATION, rate, **where) for rate in RATES)
            remembered = records.seeds("memorised", RATES[1], **where)
            lost = {seed: clean[seed] - noisy[seed] for seed in clean if seed in noisy}
            row = [told(clean), told(noisy), told(lost), _clearness(lost), told(remembered), str(len(lost))]
            rows.append([name, schedule, *row])
    others = []
    for method in ("jocor", "sat", "grid"):
        row = [f"{method} - bce"]
        for schedule in ("constant", "cosine"):
            where = {**BUILT["Adam"], "schedule": SCHEDULES[schedule]}
            one, plain = (
                records.seeds(VALIDATION, RATES[1], method=name, **where) for name in (method, "bce")
            )
            gained = {seed: one[seed] - plain[seed] for seed in one if seed in plain}
            row += [told(gained), _clearness(gained), str(len(gained))]
        others.append(row)
    header = ["optimiser", "schedule", "SLNIR 0", "SLNIR 30", "lost", "lost / SD", "remembered at 30", "n"]
    return [
        *prose(
            "Plain BCE on `bluemarble` by optimisers and schedules, else by its recipe: **validation** NDCG@20 in "
            "percent, mean ± sample standard deviation over n seeds; `lost` is the paired difference of the rates, "
            "`lost / SD` its mean in standard deviations over seeds, and `remembered` the share of the injected labels "
            f"that the network predicts at its end. No learning rate was tuned. One machine ({machine}), channels last."
        ),
        *table(header, rows),
        *prose(
            "Three methods minus BCE of the same seed at SLNIR 30, Adam, validation NDCG@20, under two of these "
            "schedules:"
        ),
        *table(["", "constant", "mean / SD", "n", "cosine", "mean / SD", "n"], others),
    ]


def _clearness(lost: Seeds) -> str:
    return f"{statistics.mean(lost.values()) / statistics.stdev(lost.values()):.1f}" if len(lost) > 1 else "–"
