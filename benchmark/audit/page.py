"""The audit's page: one self-contained HTML file on which a person goes through the suspicious labels."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from gridbench.audit.audit import Audit
from gridbench.audit.correction import replacement
from gridbench.audit.export import split_names
from gridbench.audit.ranking import Suspects
from gridbench.core.files import write_bytes
from gridbench.core.terminal import escape
from gridbench.datasets import Archive
from gridbench.evaluation.thumbnails import thumbnails
from gridbench.leaderboard.formats.html.page import inlined

__all__ = ["PAGE", "page_document", "render_page", "write_page"]

PAGE = "audit.html"
MOST_IMAGES_WITH_LABELS = 50_000
"""Above this the page exports decisions only, and the command line makes corrected labels from them."""

_SHARED, _OWN = ("common.js",), ("cards.js", "decide.js")


def write_page(audit: Audit, archive: Archive, suspects: Suspects) -> Path:
    """Write audit.html and return where it is."""
    path = audit.folder / PAGE
    write_bytes(path, render_page(audit, archive, suspects).encode())
    return path


def render_page(audit: Audit, archive: Archive, suspects: Suspects) -> str:
    """Write suspicious labels as one HTML file that asks the network for nothing.

    Args:
        audit: The audit.
        archive: The archive that it is of.
        suspects: The labels to look at, the most suspicious first.

    Returns:
        The file's text. Names from the archive are escaped, or handed to the script as JSON and shown as text.
    """
    own = resources.files("gridbench.audit") / "templates"
    # The same look, theme and helpers as the leaderboard's page.
    shared = resources.files("gridbench.leaderboard.formats.html") / "templates"
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (own / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    styles = [folder.joinpath(name) for folder, name in ((shared, "page.css"), (own, "audit.css"))]
    scripts = [*(shared / name for name in _SHARED), *(own / name for name in _OWN)]
    page = environment.get_template("page.html.j2").render(
        title=f"Labels of {archive.name} to look at",
        version=metadata.version("gridbench"),
        document=audit.document,
        calibration=_calibration(audit.document["calibration"]),
        images=len({int(i) for i in suspects.samples}),
        shown=len(suspects),
        complete=len(archive) <= MOST_IMAGES_WITH_LABELS,
        data=jinja2.utils.htmlsafe_json_dumps(
            page_document(audit, archive, suspects), separators=(",", ":"), allow_nan=False
        ),
        **inlined(styles, scripts),
    )
    return escape(page)


def page_document(audit: Audit, archive: Archive, suspects: Suspects) -> dict[str, Any]:
    """Return everything that the page's script reads."""
    shown = np.unique(suspects.samples)
    place = {int(i): at for at, i in enumerate(shown)}
    images = []
    for i, picture in zip(shown, _pictures(archive, audit.positions[shown]), strict=True):
        images.append(
            {
                "name": archive.names[audit.positions[i]],
                "row": int(audit.positions[i]),
                "given": np.flatnonzero(audit.given[i]).tolist(),
                "picture": picture,
            }
        )
    return {
        "id": str(audit.document["id"]),
        "classes": list(archive.class_names),
        "images": images,
        "suspects": [_suspect(audit, suspects, at, place) for at in range(len(suspects))],
        "injected": audit.injected,
        "table": _table(audit, archive) if len(archive) <= MOST_IMAGES_WITH_LABELS else None,
    }


def _suspect(audit: Audit, suspects: Suspects, at: int, place: Mapping[int, int]) -> dict[str, Any]:
    i, label, wrong = int(suspects.samples[at]), int(suspects.labels[at]), bool(suspects.wrong[at])
    return {
        "image": place[i],
        "label": label,
        "wrong": wrong,
        "score": round(float(suspects.scores[at]), 3),
        "instead": replacement(audit.given[i], audit.probabilities[i], label, wrong) if wrong else [],
    }


def _table(audit: Audit, archive: Archive) -> dict[str, Any]:
    """Return the labels of all images, so that the page alone can write corrected ones: classes as lists."""
    labels = np.array(archive.scene_labels)
    labels[audit.positions] = audit.given
    return {
        "names": list(archive.names),
        "splits": split_names(archive),
        "labels": [np.flatnonzero(row).tolist() for row in labels],
    }


def _pictures(archive: Archive, positions: Sequence[int] | np.ndarray[Any, Any]) -> list[str]:
    """Return small JPEG files as data addresses."""
    from PIL import Image

    found = []
    for start in range(0, len(positions), 256):
        for pixels in thumbnails(archive, np.asarray(positions[start : start + 256])):
            out = io.BytesIO()
            Image.fromarray(pixels).save(out, "JPEG", quality=88, subsampling=0)
            found.append("data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode())
    return found


def _calibration(calibration: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the lines of the table that tells how well injected noise was found."""
    if calibration is None:
        return []
    words = {"all": "all labels", "wrong": "given labels", "missing": "labels not given"}
    return [
        {"kind": words[kind], "by": name, **scored}
        for kind, rankings in calibration.items()
        for name, scored in rankings.items()
        if scored["prevalence"] is not None
    ]
