"""The review page for label maps: regions, with overlays of the given and the suggested classes."""

from __future__ import annotations

import base64
import colorsys
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.audit.expectation import Expectation, advice, beyond_page
from gridbench.audit.masks.audit import MaskAudit
from gridbench.audit.masks.regions import KINDS, SHIFTED, Candidate
from gridbench.audit.page import PAGE, address_beside, apply_command, beside, filled, write_pictures
from gridbench.audit.pictures import reduced
from gridbench.audit.skill import warning
from gridbench.core.files import write_bytes
from gridbench.core.labels import IGNORE
from gridbench.datasets import Archive

__all__ = ["render_mask_page", "write_mask_page"]

Array = npt.NDArray[Any]

GOLDEN = 0.618
"""Share of the circle of hues between one class and the next: neighbours in the list are far apart in colour."""


def write_mask_page(audit: MaskAudit, archive: Archive, count: int) -> Path:
    """Write audit.html with the first findings, and full pictures beside it where needed; return where it is."""
    path = audit.folder / PAGE
    write_pictures(audit.folder, archive, audit.positions[np.unique(audit.images[:count])])
    write_bytes(path, render_mask_page(audit, archive, count).encode())
    return path


def render_mask_page(audit: MaskAudit, archive: Archive, count: int) -> str:
    """Return the page with the first findings as one HTML file that asks the network for nothing."""
    shown = min(count, len(audit))
    expected = Expectation(**audit.document["expected"])
    facts = {
        "title": f"Label maps of {archive.name} to look at",
        "document": audit.document,
        "calibration": [],
        "advice": advice(expected),
        "beyond": beyond_page(expected, shown),
        "planted": 0.0,
        "warning": warning(audit.document["skill"]),
        "outlined": True,
        "shown": shown,
        "complete": False,
        "masks": True,
    }
    return filled(facts, _document(audit, archive, shown), beside(archive))


def _document(audit: MaskAudit, archive: Archive, shown: int) -> dict[str, Any]:
    """Return everything that the page's script reads."""
    colours = [_colour(c) for c in range(archive.num_classes)]
    order = np.unique(audit.images[:shown])
    place = {int(i): at for at, i in enumerate(order)}
    images = []
    for i in order:
        position = int(audit.positions[i])
        images.append(
            {
                "name": archive.names[position],
                "row": position,
                "given": np.unique(audit.given[i][audit.given[i] != IGNORE]).tolist(),
                "picture": reduced(archive, position),
                "full": address_beside(position) if beside(archive) else None,
                "outline": None,
                "overlay": _overlay(audit.given[i], colours),
                "alike": [],
            }
        )
    suspects = []
    for at in range(shown):
        i, one = int(audit.images[at]), audit.findings[at]
        after = audit.given[i].copy()
        after.ravel()[one.pixels] = one.becomes
        suspects.append(
            {
                "image": place[i],
                "label": one.suspected,
                "given": one.given,
                "finding": str(at + 1),
                "kind": KINDS[one.kind],
                "ask": _question(one, archive),
                "score": round(float(audit.scores[at]), 3),
                "area": len(one.pixels) / after.size,
                "overlay": _overlay(after, colours),
                "region": _outline(one, after.shape),
            }
        )
    return {
        "id": str(audit.document["id"]),
        "classes": list(archive.class_names),
        "colours": ["#{:02x}{:02x}{:02x}".format(*each) for each in colours],
        "images": images,
        "suspects": suspects,
        "typical": [[] for _ in archive.class_names],
        "expected": audit.document["expected"],
        "injected": audit.document["injected"] is not None,
        "next": {"decisions.csv": apply_command(archive, audit.folder)},
        "table": None,
    }


def _question(one: Candidate, archive: Archive) -> str:
    given, suspected = archive.class_names[one.given], archive.class_names[one.suspected]
    if one.kind == SHIFTED:
        down, across = one.moved
        words = [f"{abs(down)} px {'down' if down > 0 else 'up'}"] if down else []
        words += [f"{abs(across)} px {'right' if across > 0 else 'left'}"] if across else []
        return f"move the map {' and '.join(words)}"
    return f"{given} becomes {suspected}"


def _colour(c: int) -> tuple[int, int, int]:
    red, green, blue = colorsys.hls_to_rgb((c * GOLDEN) % 1.0, 0.5, 0.9)
    return round(255 * red), round(255 * green), round(255 * blue)


def _overlay(classes: Array, colours: list[tuple[int, int, int]]) -> str:
    """Return a map as a PNG in the colours of its classes; pixels without a class are transparent."""
    palette = np.zeros((256, 3), dtype=np.uint8)
    palette[: len(colours)] = colours
    return _png(classes, palette.ravel().tolist(), IGNORE)


def _outline(one: Candidate, shape: tuple[int, ...]) -> str:
    """Return the edge of a finding as a transparent PNG."""
    inside = np.zeros((shape[0] + 2, shape[1] + 2), dtype=bool)
    rows, columns = np.divmod(one.pixels, shape[1])
    inside[rows + 1, columns + 1] = True
    core = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    return _png((inside[1:-1, 1:-1] & ~core).astype(np.uint8), [0, 0, 0, 255, 230, 0], 0)


def _png(values: Array, palette: list[int], transparent: int) -> str:
    from PIL import Image

    picture = Image.fromarray(values.astype(np.uint8))
    picture.putpalette(palette)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=transparent, optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
