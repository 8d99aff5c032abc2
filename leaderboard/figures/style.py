"""How figures look: readable in print, in grey, and by people who do not tell red from green."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = [
    "GREY",
    "Look",
    "legend_outside",
    "looks_of",
    "new_figure",
    "rendered",
    "short",
    "styled",
]

P = ParamSpec("P")
R = TypeVar("R")

GREY = "#666666"

# Okabe and Ito's palette, which people with any common colour blindness can tell apart, darker ones first;
# markers, dashes and hatches repeat the distinction for print in grey.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", "#8C6BB1")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (8, 2)))
_HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---", "+++", "ooo")

_SETTINGS: dict[str, Any] = {
    "font.size": 8,
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
    "svg.fonttype": "none",
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
    rows: int = 1, columns: int = 1, width: float = 5.5, height: float = 3.2, share: bool = False
) -> tuple[Figure, list[Axes]]:
    """Make a figure that no global state knows of.

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


def legend_outside(figure: Figure, columns: int = 1) -> None:
    """Put one legend beside the panels, with each name of any panel once."""
    entries = {
        label: handle
        for panel in reversed(figure.axes)
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True)
    }
    names = dict.fromkeys(label for panel in figure.axes for label in panel.get_legend_handles_labels()[1])
    if names:
        place = "outside right upper" if columns == 1 else "outside lower center"
        figure.legend([entries[name] for name in names], list(names), loc=place, ncols=columns, frameon=False)


def rendered(figure: Figure, file_format: str, dpi: int = 200) -> bytes:
    """Return a figure as a file's bytes; pdf and png are the same bytes for the same data."""
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(file_format, {})
    out = io.BytesIO()
    with mpl.rc_context(_SETTINGS):
        figure.savefig(out, format=file_format, dpi=dpi, metadata=metadata)
    return out.getvalue()


def short(names: Sequence[str]) -> str:
    """Join what heads a row into one label, without saying a method named after its loss twice."""
    parts = [name for at, name in enumerate(names) if name and not (at == 1 and name == names[0])]
    label = " · ".join(parts)
    return label if len(label) <= 40 else label[:39] + "…"
