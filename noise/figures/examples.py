"""Example images with their labels before and after a corruption, drawn so that print in grey shows what changed."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["choose_examples", "draw_label_examples", "draw_map_examples"]

Array = npt.NDArray[Any]

REMOVED, ADDED = "#B34700", "#00558C"
LONGEST = 30
SMALLEST_NUMBERED = 3.0
"""Half the width in pixels, at 64 pixels a side, of the smallest patch of a map that has room for a number."""


def choose_examples(changed: Array, count: int) -> Array:
    """Return up to `count` samples of those that changed, evenly spread over their order.

    Args:
        changed: (K, 3) of sample, class before, class after.
        count: How many at most.
    """
    noisy = np.unique(changed[:, 0])
    places = np.unique(np.linspace(0, max(len(noisy) - 1, 0), min(count, len(noisy))).astype(np.int64))
    chosen: Array = noisy[places]
    return chosen


def draw_label_examples(
    pictures: Array, names: Sequence[str], before: Array, after: Array, class_names: Sequence[str], title: str
) -> bytes:
    """Draw images beside their labels as a PNG: `–` and struck through is removed, `+` and bold is added.

    Args:
        pictures: (n, h, w, 3) uint8.
        names: n names of the images.
        before: (n, C) clean labels.
        after: (n, C) noisy labels.
        class_names: C names.
        title: Title of the figure.

    Returns:
        The file's bytes.
    """
    columns = 3
    rows = max(-(-len(pictures) // columns), 1)
    labels = int(((before != 0) | (after != 0)).sum(1).max(initial=0))
    # A line of text is 0.14 inches; an image and its name take 1.3.
    height = max(1.45, 0.14 * (labels + 1) + 0.2)
    figure = _figure(3.6 * columns, height * rows + 0.7)
    grid = figure.add_gridspec(
        rows, 2 * columns, width_ratios=[1.15, 2.0] * columns, left=0.01, right=0.995, bottom=0.02,
        top=1 - 0.55 / (height * rows + 0.7), wspace=0.06, hspace=0.12,
    )  # fmt: skip
    for i, picture in enumerate(pictures):
        row, column = divmod(i, columns)
        axis = _blank(figure.add_subplot(grid[row, 2 * column]))
        axis.imshow(picture, interpolation="nearest")
        axis.set_anchor("N")
        words = _blank(figure.add_subplot(grid[row, 2 * column + 1]))
        words.set_frame_on(False)
        lines = [(names[i], "black", "normal", "")]
        for c in np.flatnonzero((before[i] != 0) | (after[i] != 0)).tolist():
            was, now = bool(before[i, c]), bool(after[i, c])
            look = ("black", "normal", "   ") if was and now else _look(now)
            lines.append((class_names[c], *look))
        for line, (text, colour, weight, mark) in enumerate(lines):
            shown = mark + (_struck(_short(text)) if mark == "–  " else _short(text))
            style = "italic" if line == 0 else "normal"
            words.text(
                0, 0.99 - line * 0.14 / height * 1.05, shown, transform=words.transAxes, va="top", fontsize=7,
                color=colour, fontweight=weight, fontstyle=style, parse_math=False,
            )  # fmt: skip
    key = "– struck through: removed     + bold: added     the others stayed"
    return _rendered(figure, title, key)


def draw_map_examples(
    pictures: Array, names: Sequence[str], before: Array, after: Array, class_names: Sequence[str], title: str
) -> bytes:
    """Draw images, their label maps before and after and the pixels that changed as a PNG.

    Numbers on all patches but the smallest tell classes apart; colours only help the eye.

    Args:
        pictures: (n, h, w, 3) uint8.
        names: n names of the images.
        before: (n, H, W) clean maps; what is not a class is left white.
        after: (n, H, W) noisy maps.
        class_names: C names.
        title: Title of the figure.

    Returns:
        The file's bytes.
    """
    classes, rows = len(class_names), max(len(pictures), 1)
    shown = np.unique(np.concatenate([before.ravel(), after.ravel()]).astype(np.int64))
    shown = shown[(shown >= 0) & (shown < classes)].tolist()
    # Spaces that do not break keep a class and its number on one line.
    legend = [f"{c} {_short(class_names[c])}".replace(" ", "\u00a0") for c in shown]
    legend += ["white:\u00a0no\u00a0label"]
    key = textwrap.fill("\u00a0\u00a0 ".join(legend), 125, break_on_hyphens=False)
    room = 0.75 + 0.14 * (key.count("\n") + 1)
    figure = _figure(8.4, 2.05 * rows + room)
    top, bottom = 1 - 0.6 / (2.05 * rows + room), (0.14 * (key.count("\n") + 1) + 0.08) / (2.05 * rows + room)
    axes = figure.subplots(
        rows, 4, squeeze=False,
        gridspec_kw={"left": 0.03, "right": 0.995, "top": top, "bottom": bottom, "wspace": 0.05, "hspace": 0.06},
    )  # fmt: skip
    for row, line in enumerate(axes):
        for axis in line:
            _blank(axis)
        if row >= len(pictures):
            continue
        line[0].imshow(pictures[row], interpolation="nearest")
        line[0].set_ylabel(_short(names[row]), fontsize=7, parse_math=False)
        _draw_map(line[1], before[row], classes)
        _draw_map(line[2], after[row], classes)
        line[3].imshow(before[row] != after[row], cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    for axis, words in zip(
        axes[0], ("image", "labels before", "labels after", "changed (black)"), strict=True
    ):
        axis.set_title(words, fontsize=8, pad=3)
    return _rendered(figure, title, key)


def _look(added: bool) -> tuple[str, str, str]:
    return (ADDED, "bold", "+  ") if added else (REMOVED, "normal", "–  ")


def _struck(text: str) -> str:
    """Return a text with a line through every letter."""
    return "".join(letter + "\u0336" for letter in text)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def _blank(axis: Axes) -> Axes:
    axis.set_xticks([])
    axis.set_yticks([])
    for side in axis.spines.values():
        side.set_linewidth(0.5)
    return axis


def _draw_map(axis: Axes, label_map: Array, classes: int) -> None:
    """Draw a map in pale colours with the number of each class on its widest patch."""
    from matplotlib import colormaps
    from matplotlib.patheffects import withStroke
    from scipy.ndimage import distance_transform_edt

    palette = colormaps["turbo"](np.linspace(0.03, 0.97, max(classes, 2)))[:, :3]
    # Neighbouring numbers would be neighbouring colours; three strengths differ in print in grey too.
    order = np.argsort(np.arange(classes) * 7 % max(classes, 1), kind="stable")
    strength = np.array([0.3, 0.85, 0.55])[np.arange(classes) % 3, None]
    colours = 1 - strength * (1 - palette[order])
    values = label_map.astype(np.int64)
    known = (values >= 0) & (values < classes)
    axis.imshow(np.where(known[..., None], colours[np.where(known, values, 0)], 1.0), interpolation="nearest")
    smallest = SMALLEST_NUMBERED * max(values.shape) / 64
    for c in np.unique(values[known]).tolist():
        # A border of zeros, so that the edge of the map bounds a patch.
        depth = distance_transform_edt(np.pad(values == c, 1))[1:-1, 1:-1]
        row, column = np.unravel_index(int(depth.argmax()), depth.shape)
        if depth[row, column] >= smallest:
            number = axis.text(int(column), int(row), str(c), ha="center", va="center_baseline", fontsize=7)
            number.set_path_effects([withStroke(linewidth=1.5, foreground="white")])


def _rendered(figure: Figure, title: str, key: str) -> bytes:
    width, height = figure.get_size_inches()
    figure.text(
        0.01, 1 - 0.08 / height, textwrap.fill(title, int(14 * width)), fontsize=8, va="top", parse_math=False
    )
    figure.text(0.01, 0.06 / height, key, fontsize=7.5, va="bottom", parse_math=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None})
    return buffer.getvalue()
