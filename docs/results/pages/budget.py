"""The same small validation budget for every method."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pages.evidence import (
    ASL,
    BCE,
    DEFAULT,
    ELR,
    FL,
    GRID_PCE,
    GRID_RRL,
    JOCOR,
    LNC,
    PCE,
    RESOLVED,
    TEST,
    VALIDATION,
    Records,
    Where,
    differences,
    over_rates,
    prose,
    table,
)

Tries = Mapping[str, tuple[Where, str, tuple[str, ...]]]
"""Method -> its defaults, the parameter that is tried and the values; the documented default is among them."""

SCENE: Tries = {
    "fl": (FL, "parameters.gamma", ("1", "2", "4")),
    "asl": (ASL, "parameters.gamma_negative", ("2", "4", "6")),
    "elr": (ELR, "parameters.lambda", ("0.3", "1", "3")),
    "jocor": (JOCOR, "parameters.tau", ("0.05", "0.15", "0.3")),
    "grid": (DEFAULT, "parameters.lambda", ("10", "20", "40")),
}
PIXEL: Tries = {
    "lnc (reconstructed)": (LNC, "parameters.tau", ("0.1", "0.2", "0.5")),
    "grid + pce": (GRID_PCE, "parameters.lambda", ("10", "20", "40")),
    "grid + rrl": (GRID_RRL, "parameters.lambda", ("10", "20", "40")),
}


def budget(records: Records) -> list[str]:
    """Three values of each method's main parameter, and what the one that validation chose scores."""
    lines = prose(
        "# Every method with the same small validation budget, on `bluemarble`",
        "Three values of one parameter for each method, the documented default among them, at SLNIR 0, 30 and 60 "
        "with seeds 0 and 1; one value is chosen for all rates by the mean validation NDCG@20 (percent). Test "
        "scores were not read for it. `gridbench sweep --select NAME` does the same. BCE, PCE and RRL have no "
        "parameter of their own.",
        "Some differences below are those of [methods.md](methods.md), whose tables hold more of them: what is "
        "resolved here, after a correction for few, need not be resolved there.",
    )
    for title, tries, plain, where in (
        ("Scene level", SCENE, "bce", BCE),
        ("Pixel level", PIXEL, "pce", PCE),
    ):
        lines += _level(records, title, tries, plain, where)
    return lines


def _level(records: Records, title: str, tries: Tries, plain: str, baseline: Where) -> list[str]:
    rows, chosen = [], {}
    for method, (where, name, values) in tries.items():
        scores = {value: _mean_validation(records, {**where, name: value}) for value in values}
        if any(math.isnan(score) for score in scores.values()):
            continue
        best = max(scores, key=lambda value: scores[value])
        label = name.removeprefix("parameters.")
        cells = ", ".join(f"{value}: {score:.1f}" for value, score in scores.items())
        rows.append(
            [f"{method}, {label}", cells, f"**{best}**" + (" (default)" if best == where[name] else "")]
        )
        chosen[f"{method}, {label} {best}"] = {**where, name: best}
    if not rows:
        return []
    settings = {f"{plain} (nothing to choose)": baseline, **chosen}
    return [
        f"## {title}",
        "",
        *table(["parameter", "mean validation score of each value", "chosen"], rows),
        "### Test, with what was chosen",
        "",
        *over_rates(records, settings, TEST),
        *prose(f"### Minus `{plain}`, test, paired by seed", RESOLVED),
        *differences(records, {f"{name} - {plain}": (where, baseline) for name, where in chosen.items()}),
    ]


def _mean_validation(records: Records, where: Where) -> float:
    scores = [records.seeds(VALIDATION, rate, **where) for rate in (0, 30, 60)]
    if any(not {0, 1} <= set(values) for values in scores):
        return math.nan
    return sum(values[seed] for values in scores for seed in (0, 1)) / 6
