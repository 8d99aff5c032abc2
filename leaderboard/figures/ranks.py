"""The critical-difference diagram: mean ranks, and groups without significant differences."""

from __future__ import annotations

from matplotlib.figure import Figure

from gridbench.leaderboard.figures.style import PAGE, new_figure, styled
from gridbench.leaderboard.stats.comparison import Standing
from gridbench.leaderboard.tables.display_names import row_label

__all__ = ["cliques", "rank_diagram"]


@styled
def rank_diagram(standing: Standing) -> Figure | None:
    """Draw mean ranks on an axis, methods that do not differ significantly joined by a bar (Demšar 2006, Fig. 1).

    Returns:
        None without a Friedman test.
    """
    if standing.test is None:
        return None
    count = len(standing.names)
    bars = cliques(standing.ranks, standing.test.difference)
    levels = (count + 1) // 2
    deepest = 0.55 + 0.16 * len(bars) + 0.42 * levels
    figure, (panel,) = new_figure(width=PAGE, height=0.9 + 0.42 * deepest)
    panel.set_axis_off()
    panel.set_xlim(0.2 - 0.28 * count, count + 0.8 + 0.28 * count)
    panel.set_ylim(deepest + 0.1, -1.35)
    panel.hlines(0, 1, count, color="black", linewidth=1.2)
    for tick in range(1, count + 1):
        panel.vlines(tick, -0.12, 0, color="black", linewidth=1)
        panel.text(tick, -0.2, str(tick), ha="center", va="bottom", fontsize=8)
    for at, (left, right) in enumerate(bars):
        panel.hlines(0.3 + 0.16 * at, left - 0.04, right + 0.04, color="black", linewidth=3.5)
    start = 0.55 + 0.16 * len(bars)
    for at, (names, rank) in enumerate(zip(standing.names, standing.ranks, strict=True)):
        on_left = at < levels
        depth = start + 0.42 * (at if on_left else count - 1 - at)
        edge = 0.75 if on_left else count + 0.25
        panel.vlines(rank, 0, depth, color="black", linewidth=0.8)
        panel.hlines(depth, min(edge, rank), max(edge, rank), color="black", linewidth=0.8)
        label = f"{row_label(names)}  {rank:.2f}" if on_left else f"{rank:.2f}  {row_label(names)}"
        panel.text(edge, depth, f" {label} ", ha="right" if on_left else "left", va="center", fontsize=8)
    difference = standing.test.difference
    panel.hlines(-0.85, 1, 1 + difference, color="black", linewidth=1.2)
    panel.vlines([1, 1 + difference], -0.93, -0.77, color="black", linewidth=1.2)
    said = f"critical difference {difference:.2f} (Nemenyi, 5 %, {standing.blocks} cells)"
    panel.text(1, -1.0, said, ha="left", va="bottom", fontsize=8)
    return figure


def cliques(ranks: tuple[float, ...], difference: float) -> list[tuple[float, float]]:
    """Return the longest ranges of ascending ranks that are within the critical difference.

    Args:
        ranks: Ascending mean ranks.
        difference: The critical difference.

    Returns:
        (First, last) rank of each stretch of two or more methods that no other stretch holds.
    """
    found: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = max(at for at in range(first, len(ranks)) if ranks[at] - ranks[first] <= difference)
        if last > first and not any(a <= first and last <= b for a, b in found):
            found.append((first, last))
    return [(ranks[first], ranks[last]) for first, last in found]
