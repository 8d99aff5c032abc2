"""Contact sheets: example images with their labels and maps, selected so that every class is shown."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.archive.layout import IGNORE

__all__ = ["class_colours", "contact_sheet", "pick_images", "pictures"]

_COLUMNS = 6
_CELL_INCHES = 2.0
_LEGEND_INCHES = 1.8
_IGNORE_COLOUR = (40, 40, 40)


def contact_sheet(archive: Archive, count: int = 24) -> bytes:
    """Return a PNG that shows some images, with their label map beside each and their labels below.

    Args:
        archive: The archive.
        count: Number of images; more when there are more classes than that.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    chosen = pick_images(archive.scene_labels, count)
    shown = pictures(archive, chosen)
    colours = class_colours(archive.num_classes, archive.report.get("class_colours", {}))
    across = 2 if archive.label_maps is not None else 1
    columns = min(_COLUMNS // across, len(chosen))
    rows = -(-len(chosen) // columns)
    legend_height = 0.17 * (archive.num_classes + 3) if archive.label_maps is not None else 0.0
    height = max(rows * (_CELL_INCHES + 0.6) + 0.6, legend_height)
    width = columns * across * _CELL_INCHES + (_LEGEND_INCHES if archive.label_maps is not None else 0.0)
    figure = Figure(figsize=(max(width, 6.0), height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns * across, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for cell, (position, picture) in enumerate(zip(chosen.tolist(), shown, strict=True)):
        row, column = divmod(cell, columns)
        axis = axes[row, column * across]
        axis.imshow(picture, interpolation="nearest")
        names = [archive.class_names[c] for c in np.flatnonzero(archive.scene_labels[position])]
        caption = "\n".join(textwrap.wrap("; ".join(names) or "no label", 34)[:4])
        axis.set_title(f"{archive.names[position][-34:]}\n{caption}", fontsize=6, loc="left")
        if archive.label_maps is not None:
            axes[row, column * across + 1].imshow(
                colours[archive.label_maps[position]], interpolation="nearest"
            )
    if archive.label_maps is not None:
        handles: list[Any] = [
            Patch(color=_matplotlib_colour(colours[c]), label=name)
            for c, name in enumerate(archive.class_names)
        ]
        handles.append(Patch(color=_matplotlib_colour(colours[IGNORE]), label="no class"))
        figure.legend(handles=handles, loc="outside right upper", fontsize=7, frameon=False)
    heading = f"{archive.name}: {len(chosen)} of {len(archive)} images"
    if archive.groups[0].pixels.dtype != np.uint8:
        heading += ", each stretched on its own"
    figure.suptitle(heading, fontsize=9, x=0.01, ha="left")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()


def pick_images(labels: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
    """Choose positions so that every class that occurs is seen, the rarest first, then in packed order.

    Args:
        labels: (N, C) scene labels.
        count: How many; more when the classes need more.
    """
    chosen: list[int] = []
    frequency = labels.sum(0)
    for c in np.argsort(frequency, kind="stable").tolist():
        if frequency[c] and not labels[chosen, c].any():
            chosen.append(int(np.flatnonzero(labels[:, c])[0]))
    rest = [i for i in range(len(labels)) if i not in set(chosen)]
    chosen += rest[: max(0, count - len(chosen))]
    return np.array(chosen, dtype=np.int64)


def pictures(archive: Archive, positions: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return (n, H, W, 3) uint8 pictures of the finest bands, each 16-bit one stretched on its own.

    One stretch for all would leave every field black beside a single patch of snow.
    """
    pixels = np.asarray(archive.groups[0].pixels[positions])
    three = pixels[:, :3] if pixels.shape[1] >= 3 else np.repeat(pixels[:, :1], 3, axis=1)
    colours = three.transpose(0, 2, 3, 1)
    if colours.dtype == np.uint8:
        return np.ascontiguousarray(colours)
    low, high = np.percentile(colours, (1, 99), axis=(1, 2), keepdims=True)
    stretched = (colours - low) / np.maximum(high - low, 1.0)
    return np.asarray((stretched.clip(0, 1) * 255).astype(np.uint8))


def class_colours(classes: int, own: Mapping[str, str] | None = None) -> NDArray[np.uint8]:
    """Return (256, 3) colours, one for each class; the last one is for pixels without a class.

    Args:
        classes: Number of classes C.
        own: Position of a class -> `#RRGGBB` that its masks have; used when every class has one.
    """
    from matplotlib import colormaps

    strong, pale = np.arange(0, 20, 2), np.arange(1, 20, 2)
    palette = np.concatenate(
        [colormaps[name](order) for name in ("tab20", "tab20b") for order in (strong, pale)]
    )
    table = np.zeros((256, 3), dtype=np.uint8)
    table[:classes] = np.rint(255 * palette[np.arange(classes) % len(palette), :3]).astype(np.uint8)
    if own and len(own) == classes:
        for position, colour in own.items():
            table[int(position)] = np.frombuffer(bytes.fromhex(colour.lstrip("#")), dtype=np.uint8)
    table[IGNORE] = _IGNORE_COLOUR
    return table


def _matplotlib_colour(colour: NDArray[np.uint8]) -> tuple[float, float, float]:
    red, green, blue = (int(channel) / 255 for channel in colour)
    return red, green, blue
