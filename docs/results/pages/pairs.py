"""Every method with every loss it allows, under one noise and one seed: scores, detection, prevalence and time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from pages.combinations import with_five_seeds
from pages.evidence import PAIRS, TEST, Records, prose, table

from gridbench.leaderboard.figures.style import PAGE, styled
from gridbench.leaderboard.records.runs import Run
from gridbench.methods.catalogue import CATALOGUE
from gridbench.methods.pairing import losses_at

RATE, SEED = 30, 0
LEVELS: Mapping[str, tuple[str, str, str]] = {
    "scene": ("Scene labels", "map_macro", "mAP"),
    "pixel": ("Label maps", "miou", "mIoU"),
    "single": ("One label per image", "accuracy", "accuracy"),
}
"""Level of labels -> title, the score of its predictions, and what papers call that score."""
REFERENCES = ("untrained", "random")
ALONE = "the loss alone"
PROBES: Mapping[tuple[str, str], tuple[str, str]] = {
    ("elr", "mae"): ("lambda", "0.3"),
    ("elr", "nce"): ("lambda", "0.3"),
    ("jocor", "mae"): ("lambda", "0.1"),
    ("jocor", "anl_ce"): ("lambda", "0.1"),
    ("dividemix", "ce"): ("unlabelled", "0"),
    ("elr", "wan"): ("two_sided", "True"),
    ("elr", "hill"): ("two_sided", "True"),
}
"""(method, loss) -> a parameter and another value than its default, to see what a failure is from."""
REASONS: Mapping[str, tuple[str, ...]] = {
    "scene": (
        "ELR runs away with the losses that punish absent labels least: EM not at all, WAN by a sixteenth, ASL little "
        "where p is small, Hill little where it is large. ELR's term log(1 - t p) only ever pulls p towards a "
        "remembered t; what it pulls up, nothing pushes down, until all labels are predicted. The last table has two "
        "such pairs again with the term over absent labels, too (`two_sided`, which is ours). With ASL the order of "
        "the predictions survives, so that NDCG and mAP are high while nearly all labels are predicted.",
        "MAE on noisy labels recognises four to eight of the 17 classes, by whatever method, most of them frequent: "
        "its gradient vanishes at improbable labels, so that most rare classes never start. JoCoR on FL predicts less "
        "than a fifth as many labels as are present; the order of the predictions is none the worse for it.",
    ),
    "pixel": (
        "LNC gives every pixel whose entropy is low the predicted class, from the thirteenth epoch on. A network that "
        "trains with PSCE or with PNCE + PRCE is then certain of one class everywhere: LNC corrects 82 % of all pixels "
        "to it, the loss falls to 0, and the network never leaves that class. With PGCE 54 % are corrected; with PCE "
        "and PDICE_CE less than 1 %.",
        "AIO2 adds objects that it finds missing, and under this noise none is: it adds half of all pixels, which "
        "costs half of the mIoU and not the retrieval. It was made for missing objects (`--noise missing_objects`).",
        "PNCE + PRCE alone, with GRID, JoCoR and even on clean labels recognises few classes: its passive part is of "
        "the size of MAE and does not learn the rare classes of 300 tiles in 120 epochs.",
    ),
    "single": (
        "ELR and JoCoR add a term of a fixed weight to the loss (ELR's lambda is 3; JoCoR weighs the agreement of its "
        "networks by 0.9 and the labels by 0.1). Both weights are their papers' for cross entropy. The gradients of "
        "MAE, RCE and the normalised losses are bounded and vanish at improbable labels, so the added term wins: the "
        "networks stay with the few classes that they predicted first (ELR) or agree on (JoCoR). The last table has "
        "four such pairs again with a smaller weight.",
        "DivideMix, ELR+ and PRISM end below plain CE in accuracy by 9 to 12 points, RNSL and mixup with CE by 5. "
        "Their papers train on 10,000 images or more, mostly for hundreds of epochs and by SGD (`--recipe own`); here "
        "are 600 images, 120 epochs of Adam and the default recipe, with a quarter of a mini-batch for each of "
        "DivideMix's four sets.",
    ),
}
"""Level of labels -> paragraphs on what went wrong, and why."""


def pairs(_: Records) -> list[str]:
    """Return the page; its records are a file of their own, of the one machine that computed them."""
    records = Records(PAIRS)
    (machine,) = {run.machine for run in records.runs}
    count = sum(len(runs_at(records, level)) for level in LEVELS)
    lines = prose(
        "# Every method with every loss, on `bluemarble`",
        f"All {count} pairs of a method and a loss that it allows, SLNIR {RATE}, the paper's noise, at their "
        "documented defaults and by the default recipes ([recipes](../recipes.md)) with the images in memory as "
        f"channels last and the fused kernel of Adam. **One seed each (seed {SEED}, n = 1)**: differences of a few "
        "points mean nothing here. Five seeds and verdicts are on the pages of [several labels](several-labels.md), "
        "[single labels](single-labels.md) and [label maps](label-maps.md), where each method has the loss that it "
        "comes with, "
        f"and [at the end](#the-papers-methods-with-its-losses-five-seeds-slnir-30). All runs are of {machine}.",
        "Percent. NDCG@20 is of the descriptors; mAP, mIoU and accuracy are of the head against clean test labels. "
        "`predicted` is the share of all training labels that the trained network predicts present, `classes` the "
        "number of classes that it recognises in at least one test image (F1 above 0) of those that are there, and "
        "`remembered` the share of the injected wrong labels (of wrongly labelled pixels for label maps) that it "
        "predicts. `by its loss` and `by the method` are AUROC of finding the noisy training images at the end "
        "of training: by the loss, and by what the method itself keeps, where it keeps something. `seconds` are those "
        "of training, one thread, two runs side by side on two cores: a guide, no comparison.",
        "![NDCG@20 and predictions of every pair](figures/pairs.png)",
    )
    for level, (title, metric, name) in LEVELS.items():
        runs = runs_at(records, level)
        lines += [f"## {title}", "", *_references(records, level)]
        header = ["method", "loss", "NDCG@20", name, "predicted", "classes", "remembered"]
        header += ["by its loss", "by the method", "seconds"]
        lines += table(header, [_row(pair, run, metric, level) for pair, run in runs.items()])
        lines += [*_fallen(records, level, runs), *prose(*REASONS[level])]
        lines += _again(records, level, runs, metric, name)
    return lines + with_five_seeds()


def runs_at(records: Records, level: str) -> dict[tuple[str, str], Run]:
    """Return (method, loss) -> run at a level of labels; the losses alone come first, in the registry's order."""
    trained = [
        r for r in records.runs if r.settings["kind"] == level and r.settings["method"] not in REFERENCES
    ]
    found = {
        (str(run.settings["method"]), str(run.settings["loss"])): run for run in trained if not probe(run)
    }
    order = {loss: at for at, loss in enumerate(losses_at(level))}

    def place(item: tuple[tuple[str, str], Run]) -> tuple[bool, str, int]:
        method, loss = item[0]
        return (True, method, order[loss]) if method in CATALOGUE else (False, "", order[loss])

    return dict(sorted(found.items(), key=place))


def _again(
    records: Records, level: str, runs: Mapping[tuple[str, str], Run], metric: str, name: str
) -> list[str]:
    """Compare pairs with the same pairs under another value of one parameter."""
    rows = []
    for run in records.runs:
        if run.settings["kind"] == level and probe(run):
            pair = str(run.settings["method"]), str(run.settings["loss"])
            parameter, value = PROBES[pair]
            usual = runs[pair].settings[f"parameters.{parameter}"]
            scores = [_percent(each, score) for score in (TEST, metric) for each in (runs[pair], run)]
            rows.append([" + ".join(pair), parameter, _plain(usual), value, *scores])
    header = ["", "parameter", "default", "here", "NDCG@20", "here", name, "here"]
    return ["### With another value of one parameter, one seed", "", *table(header, rows)] if rows else []


def probe(run: Run) -> bool:
    """Return whether a run has the value of `PROBES` in place of the default."""
    name, value = PROBES.get((str(run.settings["method"]), str(run.settings["loss"])), ("", ""))
    return _plain(run.settings.get(f"parameters.{name}")) == value


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _references(records: Records, level: str) -> list[str]:
    values = {name: records.seeds(TEST, RATE, method=name, kind=level).get(SEED) for name in REFERENCES}
    told = [f"`{name}` has {value:.1f}" for name, value in values.items() if value is not None]
    present = next(iter(runs_at(records, level).values())).metric("true_prevalence")
    truth = [f"{100 * present:.1f} % of all training labels are present"] if present is not None else []
    return prose(
        f"NDCG@20 of references: {', '.join(told)}. {'; '.join(truth)}".strip() + ("." if truth else "")
    )


def _row(pair: tuple[str, str], run: Run, metric: str, level: str) -> list[str]:
    remembered = "memorised_pixels" if level == "pixel" else "memorised"
    found = "sample_detection/image/{}/auroc"
    predicted = "–" if level == "single" else _percent(run, "predicted_prevalence")
    method = pair[0] if pair[0] in CATALOGUE else ALONE
    shown = [_percent(run, name) for name in (remembered, found.format("loss"), found.format("method"))]
    scores = [_percent(run, name) for name in (TEST, metric)]
    return [
        method,
        pair[1],
        *scores,
        predicted,
        _recognised(run),
        *shown,
        f"{run.costs()['seconds/training']:.0f}",
    ]


def _recognised(run: Run) -> str:
    """Return how many of the classes of test images have a true positive."""
    there = [
        score for score in run.stored.result["predictions"]["test"]["per_class"]["f1"] if score is not None
    ]
    return f"{sum(score > 0 for score in there)} of {len(there)}"


def _percent(run: Run, name: str) -> str:
    value = run.metric(name)
    return "–" if value is None else f"{100 * value:.1f}"


def _fallen(records: Records, level: str, runs: Mapping[tuple[str, str], Run]) -> list[str]:
    """Name the pairs that learned nothing for retrieval, few classes, or to predict far too many labels."""
    nothing = records.seeds(TEST, RATE, method="untrained", kind=level)[SEED] / 100
    kinds = {
        "Retrieve no better than the untrained network": [
            p for p, run in runs.items() if (run.metric(TEST) or 0.0) <= nothing
        ],
        "Recognise fewer than half of the classes": [p for p, run in runs.items() if _few(run)],
        "Predict more than twice as many labels as are present": [p for p, run in runs.items() if _many(run)],
    }
    return prose(*(f"{kind}: {', '.join(map(_named, found)) or 'none'}." for kind, found in kinds.items()))


def _few(run: Run) -> bool:
    recognised, _, there = _recognised(run).partition(" of ")
    return 2 * int(recognised) < int(there)


def _many(run: Run) -> bool:
    predicted, present = run.metric("predicted_prevalence"), run.metric("true_prevalence")
    return predicted is not None and present is not None and predicted > 2 * present


def _named(pair: tuple[str, str]) -> str:
    return f"{pair[0]} + {pair[1]}" if pair[0] in CATALOGUE else pair[1]


@styled
def every_pair(_: Records) -> Figure:
    """Draw NDCG and the score of predictions of every pair: a row a method, a column a loss, a panel row a level."""
    records = Records(PAIRS)
    grids = {level: runs_at(records, level) for level in LEVELS}
    names = {level: _methods(runs) for level, runs in grids.items()}
    heights = [len(rows) for rows in names.values()]
    figure = Figure(figsize=(PAGE, 0.17 * sum(heights) + 2.6), layout="constrained")
    panels = figure.subplots(len(LEVELS), 2, gridspec_kw={"height_ratios": heights}).ravel()
    for at, (level, (title, metric, name)) in enumerate(LEVELS.items()):
        losses = [loss for loss in losses_at(level) if any(pair[1] == loss for pair in grids[level])]
        for panel, score, heading in zip(
            panels[2 * at : 2 * at + 2], (TEST, metric), ("NDCG@20", name), strict=True
        ):
            cells = np.full((len(names[level]), len(losses)), np.nan)
            for (method, loss), run in grids[level].items():
                value = run.metric(score)
                row = names[level].index(method if method in CATALOGUE else ALONE)
                cells[row, losses.index(loss)] = np.nan if value is None else 100 * value
            panel.imshow(cells, aspect="auto", cmap="viridis")
            middle = np.nanmean([np.nanmin(cells), np.nanmax(cells)])
            for row, column in np.argwhere(~np.isnan(cells)):
                value = cells[row, column]
                panel.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=6,
                           color="white" if value < middle else "black")  # fmt: skip
            panel.set_xticks(range(len(losses)), losses, rotation=45, ha="right", rotation_mode="anchor")
            panel.set_yticks(
                range(len(names[level])), names[level] if score == TEST else [""] * len(names[level])
            )
            panel.set_title(f"{title}: {heading}", loc="left")
            panel.grid(visible=False)
            panel.tick_params(length=0, labelsize=6.5)
    figure.suptitle(
        f"bluemarble · SLNIR {RATE} %, percent, one seed; colours within each panel", x=0.01, ha="left"
    )
    return figure


def _methods(runs: Mapping[tuple[str, str], Run]) -> list[str]:
    return list(dict.fromkeys(method if method in CATALOGUE else ALONE for method, _ in runs))
