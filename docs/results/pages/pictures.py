"""The pictures that `gridbench leaderboard --baselines` does not draw by itself."""

from __future__ import annotations

import statistics

from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter
from pages.evidence import TEST, Records, Where
from pages.tables import MODES
from pages.why import PROBE

from gridbench.leaderboard.figures.epochs import detection_curves
from gridbench.leaderboard.figures.style import (
    COLUMN,
    GREY,
    PAGE,
    legend_outside,
    looks_of,
    new_figure,
    styled,
)
from gridbench.leaderboard.records.runs import Collection
from gridbench.leaderboard.tables.table import tables_of


@styled
def reasoning(records: Records) -> Figure:
    """Draw the kinds of reasoning side by side (Fig. 6)."""
    figure, (panel,) = new_figure(1, 1, COLUMN, 2.3)
    rates = (0, 30, 60)
    looks = looks_of(MODES)
    seeds = set()
    for at, (name, where) in enumerate(MODES.items()):
        values = [list(records.seeds(TEST, rate, **where).values()) for rate in rates]
        seeds |= {len(each) for each in values}
        panel.bar(
            [place + (at - 1.5) * 0.2 for place in range(len(rates))],
            [statistics.mean(each) for each in values],
            0.2,
            yerr=[statistics.stdev(each) if len(each) > 1 else 0.0 for each in values],
            color=looks[name].colour,
            hatch=looks[name].hatch,
            alpha=0.75,
            edgecolor="black",
            linewidth=0.5,
            label=name,
            error_kw={"linewidth": 0.8, "capsize": 2},
        )
    nothing = statistics.mean(records.seeds(TEST, 0, method="untrained", kind="scene").values())
    panel.axhline(nothing, color=GREY, linestyle=":", linewidth=1, label="untrained")
    panel.set_ylim(bottom=35)
    panel.set_ylabel("NDCG@20 (%)\naxis cut")
    panel.set_xticks(range(len(rates)), [str(rate) for rate in rates])
    count = " to ".join(str(n) for n in sorted({min(seeds), max(seeds)}))
    panel.set_xlabel(f"SLNIR (%)\nwhiskers: ± one SD over seeds (n = {count})")
    panel.set_title("bluemarble · scene labels: kinds of reasoning", loc="left")
    panel.grid(visible=False, axis="x")
    legend_outside(figure)
    return figure


@styled
def heads_over_epochs(records: Records) -> Figure:
    """Draw KL, AUROC and pull of both heads over the epochs, at SLNIR 30."""
    figure, panels = new_figure(1, 3, PAGE, 2.2)
    looks = looks_of(("discriminative", "generative"))
    n = 0
    for panel, (title, logs) in zip(
        panels,
        {
            "KL divergence (nat)": ("kl",),
            "AUROC (%)": ("discriminative_auroc", "generative_auroc"),
            "pull": ("discriminative_pull", "generative_pull"),
        }.items(),
        strict=True,
    ):
        for log in logs:
            frame = records.epochs(log, 30, **PROBE) * (100 if log.endswith("auroc") else 1)
            head = log.partition("_")[0] if "_" in log else "generative"
            look, mean, n = looks[head], frame.mean(axis=1), frame.shape[1]
            panel.plot(frame.index, mean, color=look.colour, linestyle=look.dash, label=f"{head} head")
            spread = frame.std(axis=1, ddof=1) if n > 1 else mean * 0
            panel.fill_between(
                frame.index, mean - spread, mean + spread, color=look.colour, alpha=0.15, linewidth=0
            )
        panel.set_title(title, loc="left")
        panel.set_xlabel("epoch")
    panels[0].set_yscale("log")
    panels[0].yaxis.set_major_formatter(FormatStrFormatter("%g"))
    panels[1].axhline(50, color=GREY, linestyle=":", linewidth=1, label="chance")
    panels[2].set_ylim(bottom=0)
    figure.suptitle(
        f"bluemarble: GRID, lambda 20, SLNIR 30; bands: ± one SD over seeds (n = {n})",
        x=0.01,
        ha="left",
        fontsize=8,
    )
    legend_outside(figure)
    return figure


def found_over_epochs(records: Records, grid: Where, plain: Where) -> Figure:
    """Draw the precision of what GRID flags as noisy in its mini-batches (Figs. 2 and 4)."""
    rates = (10, 30, 60)
    runs = [run for rate in rates for where in (grid, plain) for run in records.find(rate, **where).values()]
    (table,) = tables_of(Collection(runs))
    ((_, figure),) = detection_curves(table)
    return figure
