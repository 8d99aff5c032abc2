"""Style of figures: column width of papers, and readable in print, in greyscale and with colour blindness."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = [
    "COLUMN",
    "GREY",
    "PAGE",
    "Look",
    "legend_outside",
    "looks_of",
    "new_figure",
    "rendered",
    "styled",
    "wrapped",
]

P = ParamSpec("P")
R = TypeVar("R")

COLUMN, PAGE = 3.5, 7.2
"""Width in inches of one column and of both, as IEEE and most journals set them."""

GREY = "#666666"
_CHARACTER = 0.056
"""Mean width in inches of a character of 8 points."""

# Okabe and Ito's palette, which people with any common colour blindness can tell apart, darker ones first;
# markers, dashes and hatches repeat the distinction for print in grey.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", "#8C6BB1")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (8, 2)))
_HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---", "+++", "ooo")

_SETTINGS: dict[str, Any] = {
    "font.size": 8,
    "figure.titlesize": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 7.5,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "hatch.linewidth": 0.6,
    "pdf.fonttype": 42,
    "svg.hashsalt": "gridbench",
    "svg.fonttype": "path",  # a browser or Inkscape need not have the font
    "text.usetex": False,
    "text.parse_math": False,
}


@dataclass(frozen=True)
class Look:
    """Colour, marker, dash and hatch of one series; no two of these repeat together."""

    colour: str
    marker: str
    dash: Any
    hatch: str


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Let a function draw in gridbench's style, and leave matplotlib's own settings as they were."""

    @wraps(draw)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with mpl.rc_context(_SETTINGS):
            return draw(*args, **kwargs)

    return inner


def looks_of(names: Iterable[str]) -> dict[str, Look]:
    """Give each name a look, in the order of the names."""
    looks = {}
    for at, name in enumerate(dict.fromkeys(names)):
        turn = at // len(_COLOURS)
        looks[name] = Look(
            _COLOURS[at % len(_COLOURS)],
            _MARKERS[(at + turn) % len(_MARKERS)],
            _DASHES[(at + turn) % len(_DASHES)],
            _HATCHES[(at + turn) % len(_HATCHES)],
        )
    return looks


def new_figure(
    rows: int = 1, columns: int = 1, width: float = COLUMN, height: float = 2.4, share: bool = False
) -> tuple[Figure, list[Axes]]:
    """Make a figure that is not in matplotlib's global state.

    Args:
        rows: Rows of panels.
        columns: Columns of panels.
        width: Width in inches.
        height: Height in inches.
        share: Whether the panels share their axes.

    Returns:
        The figure and its panels in reading order.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=share, sharey=share, squeeze=False)
    return figure, list(panels.flat)


def legend_outside(figure: Figure) -> None:
    """Put one legend below the panels, with each name of any panel once, and make the figure that much higher."""
    entries = {
        label: handle
        for panel in reversed(figure.axes)
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    names = list(
        dict.fromkeys(label for panel in figure.axes for label in panel.get_legend_handles_labels()[1])
    )
    if not names:
        return
    entry = 0.48 + _CHARACTER * max(map(len, names))
    across = max(1, min(len(names), int(figure.get_figwidth() / entry)))
    down = math.ceil(len(names) / across)
    across = math.ceil(len(names) / down)
    figure.set_figheight(figure.get_figheight() + 0.1 + 0.155 * down)
    figure.legend(
        [entries[name] for name in names], names, loc="outside lower center", ncols=across, frameon=False,
        handlelength=2.6, handletextpad=0.6, columnspacing=1, labelspacing=0.35,
    )  # fmt: skip


def wrapped(text: str, width: float) -> str:
    """Break a title into lines that fit into so many inches."""
    return textwrap.fill(text, int(width / _CHARACTER), break_on_hyphens=False)


def rendered(figure: Figure, file_format: str, dpi: int = 300) -> bytes:
    """Return a figure as a file's bytes; the same bytes for the same data."""
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(file_format, {})
    out = io.BytesIO()
    with mpl.rc_context(_SETTINGS):
        figure.savefig(out, format=file_format, dpi=dpi, metadata=metadata)
    return out.getvalue()
