"""The tables of this folder's pages, each from the records alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pages.evidence import (
    ASL,
    AUTO,
    BCE,
    DEFAULT,
    ELR,
    FL,
    GRID,
    GRID_PCE,
    GRID_RRL,
    JOCOR,
    LNC,
    PCE,
    RESOLVED,
    RRL,
    TEST,
    UNSEEN,
    VALIDATION,
    Records,
    Where,
    compared,
    differences,
    over_rates,
    prose,
    table,
    told,
)

MODES: dict[str, Where] = {
    "discriminative (bce)": BCE,
    **{mode: {**DEFAULT, "parameters.mode": mode} for mode in ("generative", "joint", "hybrid")},
}
NOISE_MODELS = ("swap", "confusable", "class_dependent", "instance", "grouped", "mixed", "missing", "extra")
SCENE: dict[str, Where] = {
    "bce": BCE,
    "fl": FL,
    "asl": ASL,
    "elr": ELR,
    "jocor": JOCOR,
    "grid (lambda 20)": DEFAULT,
    "grid (lambda auto, ours)": AUTO,
    "untrained": {"method": "untrained", "kind": "scene"},
    "random": {"method": "random", "kind": "scene"},
}
PIXEL: dict[str, Where] = {
    "pce": PCE,
    "lnc (reconstructed)": LNC,
    "rrl": RRL,
    "grid + pce": GRID_PCE,
    "grid + rrl": GRID_RRL,
}


def detection(records: Records) -> list[str]:
    """How well noisy images and wrong labels are found, over the epochs and at the end of training."""
    lines = prose(
        "# Detection on `bluemarble`",
        "What the scores are: [detection](../../scores.md#detection-of-noisy-samples). Default recipe, the "
        "paper's noise.",
        "## In mini-batches, over the epochs (Figs. 2 and 4)",
        "The paper's measure, with its setting: lambda is the noise rate. Scene level (BCE), then pixel level (PCE).",
        "![Precision of detection over the epochs, scene level](../figures/detection.png)",
        "![Precision of detection over the epochs, pixel level](../figures/detection-pixel.png)",
        "## At the end of a run",
        "Percent, mean ± sample standard deviation over n seeds; lambda at its defaults, 20 at scene level and 10 at "
        "pixel level. Each number is "
        "`gridbench leaderboard --baselines --metric sample_detection/LEVEL/DETECTOR/SCORE`.",
    )
    opinions = ("loss", "confident_learning", "random")
    for title, grid, plain, rates in (
        ("scene level", ("grid", DEFAULT), ("bce", BCE), (10, 30, 60)),
        ("pixel level", ("grid + pce", GRID_PCE), ("pce", PCE), (30, 60)),
    ):
        ways = ((*grid, ("method", *opinions)), (*plain, opinions))
        for slnir in rates:
            for level in ("image", "label"):
                lines += _found(records, slnir, title, level, ways)
    return lines


def _found(
    records: Records,
    slnir: int,
    title: str,
    level: str,
    ways: Sequence[tuple[str, Where, Sequence[str]]],
) -> list[str]:
    names = ("precision", "auroc") if level == "image" else ("precision", "auroc", "average_precision")
    prevalence = records.seeds(f"sample_detection/{level}/loss/prevalence", slnir, **ways[-1][1])
    rows = []
    for method, where, each in ways:
        for way in each:
            values = [
                records.seeds(f"sample_detection/{level}/{way}/{name}", slnir, **where) for name in names
            ]
            if values[0]:
                rows.append([method, way.replace("_", " "), *map(told, values), str(len(values[0]))])
    return [
        f"### {title.capitalize()}, SLNIR {slnir}, `{level}`: {told(prevalence)} % are noisy",
        "",
        *table(["trained with", "way", *(name.replace("_", " ") for name in names), "n"], rows),
    ]


def noise_models(records: Records) -> list[str]:
    """BCE and GRID under each noise model."""
    rows = []
    for noise in NOISE_MODELS:
        cells = [
            [records.seeds(metric, 30, noise, **where) for where in (BCE, DEFAULT)]
            for metric in (VALIDATION, TEST)
        ]
        noisy = records.seeds("noisy_images", 30, noise, **BCE)
        found = records.seeds("detection/precision", 30, noise, **DEFAULT)
        kept = [records.seeds("memorised", 30, noise, **where) for where in (BCE, DEFAULT)]
        seeds = sorted(set(cells[0][0]) & set(cells[0][1]))[:3]
        cut = [[{s: side[s] for s in seeds} for side in pair] for pair in cells]
        short = [{s: each[s] for s in seeds if s in each} for each in (noisy, found, *kept)]
        ((won,),) = compared([[(cut[1][1], cut[1][0])]])
        row = [f"`{noise}`", *map(told, cut[0]), *map(told, cut[1]), won]
        rows.append([*row, *map(told, short)])
    header = [
        "noise model",
        "bce, validation",
        "grid, validation",
        "bce, test",
        "grid, test",
        "grid - bce, test",
    ]
    header += ["noisy images", "grid's precision in mini-batches", "bce memorised", "grid memorised"]
    clean = [told({s: v for s, v in records.seeds(m, 0, **BCE).items() if s < 3}) for m in (VALIDATION, TEST)]
    return [
        *prose(
            "## BCE and GRID under each scene-level noise model, rate 30",
            "NDCG@20 and shares in percent, mean ± sample standard deviation over seeds 0, 1, 2 (n = 3, too few to "
            "resolve a difference); default recipe, GRID with lambda 20. The precision of guessing is the column of"
            f" noisy images. Without noise BCE has {clean[0]} on validation and {clean[1]} on test. What 30 means is"
            " each model's own (`gridbench list noise NAME`): `missing` only removes and `extra` only adds labels, "
            "`mixed` does both, the others replace; `class_dependent` was given "
            "[confusions.csv](../data/confusions.csv), in its first version, which drew labels one after another, so "
            "that the classes that the table makes noisiest came out less noisy than it says.",
        ),
        *table(header, rows),
    ]


def ablation(records: Records) -> list[str]:
    """What GRID's parts are worth: kinds of reasoning (Fig. 6), and lambda (Tables I and III)."""
    lines = prose(
        "# Ablation of GRID on `bluemarble`",
        "NDCG@20 in percent, mean ± sample standard deviation over n seeds; default recipe.",
        RESOLVED,
        "## Kinds of reasoning (Fig. 6)",
        "Lambda is 20. Only the hybrid, which is GRID, chooses samples. What `generative` and `joint` train the "
        "backbone with is our reading: the paper does not say ([protocols](../../protocols.md)).",
        "![Kinds of reasoning](../figures/ablation.png)",
    )
    others = {f"hybrid - {name}": (DEFAULT, where) for name, where in MODES.items() if where != DEFAULT}
    lines += _both_splits(records, MODES)
    lines += ["### `hybrid` minus the others, test, paired by seed", "", *differences(records, others)]
    shares = ("10", "20", "40", "60", "slnir", "auto")
    settings: dict[str, Where] = {
        "lambda 0 (bce)": BCE,
        **{f"lambda {share}": {**GRID, "parameters.lambda": share} for share in shares},
    }
    lines += prose(
        "## Lambda (Tables I and III)",
        "Lambda 0 is plain BCE, bit for bit. `slnir` is given the noise rate; `auto` reads lambda off GRID's own "
        "predictions (ours, not the paper's).",
    )
    fixed = {f"auto - {name}": (AUTO, where) for name, where in settings.items() if where != AUTO}
    lines += _both_splits(records, settings)
    return [
        *lines,
        *("### `auto` minus a fixed lambda, test, paired by seed", ""),
        *differences(records, fixed),
    ]


def _both_splits(records: Records, settings: Mapping[str, Where]) -> list[str]:
    lines = []
    for title, metric in (("Validation", VALIDATION), ("Test", TEST)):
        lines += [f"### {title}", "", *over_rates(records, settings, metric)]
    return lines


def methods(records: Records) -> list[str]:
    """Every method at its documented defaults, with what noise costs it on seen and on unseen queries."""
    lines = prose(
        "# Methods at their documented defaults on `bluemarble`",
        "NDCG@20 in percent, mean ± sample standard deviation over n seeds; default recipes, the paper's noise. The"
        " same records as the [leaderboard](leaderboard.md) with its statistics, which also has the combinations "
        "that were run once. `memorised` is the share of injected labels (pixels) that the trained network predicts"
        " for the training images; `predicted` the share of all labels that it predicts present.",
        RESOLVED,
    )
    for level, settings, plain in (("Scene level", SCENE, "bce"), ("Pixel level", PIXEL, "pce")):
        rates = [rate for rate in (0, 10, 20, 30, 40, 50, 60) if records.find(rate, **settings[plain])]
        lines += [f"## {level}: test", "", *over_rates(records, settings, TEST, rates)]
        lines += [f"### Test, minus `{plain}` of the same seed", ""]
        others = {name: where for name, where in settings.items() if name != plain}
        pairs = {f"{name} - {plain}": (where, settings[plain]) for name, where in others.items()}
        lines += differences(records, pairs, rates=rates)
        lines += ["### Validation", "", *over_rates(records, settings, VALIDATION)]
        lines += ["### Queries that were never trained on", "", *over_rates(records, settings, UNSEEN)]
        lines += ["### Noise's price, SLNIR 0 to 60, in points of NDCG@20", ""]
        lines += table(["", "seen queries (the paper's)", "unseen queries"], _prices(records, settings))
        lines += ["### Remembered and predicted at SLNIR 60", ""]
        lines += table(
            ["", "memorised", "predicted", "n"],
            [
                [
                    name,
                    *(told(records.seeds(m, 60, **where)) for m in ("memorised", "predicted_prevalence")),
                    str(len(records.seeds(TEST, 60, **where))),
                ]
                for name, where in settings.items()
                if records.seeds("predicted_prevalence", 60, **where)
            ],
        )
    return lines + noise_models(records)


def _prices(records: Records, settings: dict[str, Where]) -> list[list[str]]:
    prices = compared(
        [
            [
                (records.seeds(metric, 0, **where), records.seeds(metric, 60, **where))
                for metric in (TEST, UNSEEN)
            ]
            for where in settings.values()
        ]
    )
    return [[name, *row] for name, row in zip(settings, prices, strict=True)]


def first_table(records: Records) -> list[str]:
    """The table of the quick start: test scores over the noise rates."""
    rows = [
        [name, *(told(records.seeds(TEST, slnir, **where), n=True) for slnir in (0, 30, 60))]
        for name, where in SCENE.items()
    ]
    return table(["method", "SLNIR 0", "SLNIR 30", "SLNIR 60"], rows)
