"""The transition matrix of a corruption: counted, and drawn as a figure."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence

import numpy as np

from gridbench.noise.core.corruption import Ints

__all__ = ["count_transitions", "draw_transitions"]

NUMBERED = 25
"""Largest number of classes for which each cell still has room for its number."""


def count_transitions(changed: Ints, num_classes: int) -> Ints:
    """Count how often each class was replaced by each other one.

    Args:
        changed: (K, 3) of sample, class before, class after; -1 is none.
        num_classes: Number of classes C.

    Returns:
        (C + 1, C + 1): row = class before, column = class after; the last of both is none.
    """
    counts = np.zeros((num_classes + 1, num_classes + 1), dtype=np.int64)
    # -1 is the last place of an axis.
    np.add.at(counts, (changed[:, 1], changed[:, 2]), 1)
    return counts


def draw_transitions(counts: Ints, class_names: Sequence[str], title: str) -> bytes:
    """Draw transition counts as a PNG: a row per class before, a column per class after.

    Args:
        counts: (C + 1, C + 1), as `count_transitions` returns them.
        class_names: C names.
        title: Title of the figure.

    Returns:
        The file's bytes; the row and the column of none are left out where they are empty.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = [name if len(name) <= 28 else name[:27] + "…" for name in class_names]
    rows = len(names) + bool(counts[-1].any())
    columns = len(names) + bool(counts[:, -1].any())
    shown = counts[:rows, :columns]
    size = 0.34 * len(counts) + 2.6
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    image = axis.imshow(np.ma.masked_equal(shown, 0), cmap="viridis_r", vmin=0, vmax=max(1, shown.max()))
    axis.set_xticks(range(columns), [*names, "none (removed)"][:columns], rotation=90, fontsize=7)
    axis.set_yticks(range(rows), [*names, "none (added)"][:rows], fontsize=7)
    axis.set_xlabel("class after", fontsize=8)
    axis.set_ylabel("class before", fontsize=8)
    words = textwrap.fill(title, int(14 * size))
    figure.suptitle(words, fontsize=8, x=0.01, ha="left", parse_math=False)
    for label in (*axis.get_xticklabels(), *axis.get_yticklabels()):
        label.set_parse_math(False)
    if len(names) <= NUMBERED:
        half = shown.max() / 2
        for row, column in np.argwhere(shown).tolist():
            count = int(shown[row, column])
            colour = "white" if count > half else "black"
            axis.text(column, row, str(count), ha="center", va="center", fontsize=5.5, color=colour)
    bar = figure.colorbar(image, ax=axis, shrink=0.7)
    bar.locator = MaxNLocator(integer=True)
    bar.ax.tick_params(labelsize=7)
    bar.set_label("changes", fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()
