"""The review page of an audit: one self-contained HTML file for reviewing the suspicious labels."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import numpy.typing as npt

from gridbench.audit.audit import Audit
from gridbench.audit.expectation import Expectation, advice, beyond_page
from gridbench.audit.export import split_names
from gridbench.audit.pictures import THUMBNAIL, full_size, outline, reduced
from gridbench.audit.ranking import Suspects
from gridbench.audit.skill import warning
from gridbench.core.files import write_bytes
from gridbench.core.terminal import escape
from gridbench.datasets import Archive, default_cache
from gridbench.leaderboard.formats.html.page import inlined

__all__ = [
    "PAGE",
    "address_beside",
    "apply_command",
    "beside",
    "filled",
    "next_command",
    "page_document",
    "render_page",
    "write_page",
    "write_pictures",
]

PAGE, PICTURES = "audit.html", "pictures"
MOST_IMAGES_WITH_LABELS = 50_000
"""Above this the page exports decisions only, and the command line makes corrected labels from them."""

EXAMPLES = 3
"""Images shown beside a suspicious one: typical of each class, and with similar predictions."""

CERTAIN = 1e-3

_SHARED, _OWN = ("common.js",), ("cards.js", "look.js", "decide.js")


def write_page(audit: Audit, archive: Archive, suspects: Suspects) -> Path:
    """Write audit.html, and beside it full pictures of images that are larger than those in it; return where it is."""
    path = audit.folder / PAGE
    write_pictures(audit.folder, archive, audit.positions[np.unique(suspects.samples)])
    write_bytes(path, render_page(audit, archive, suspects).encode())
    return path


def write_pictures(folder: Path, archive: Archive, positions: npt.NDArray[Any]) -> None:
    """Write full pictures of images (n,) of an archive beside its page, where the page holds reduced ones."""
    if beside(archive):
        (folder / PICTURES).mkdir(exist_ok=True)
        for position in positions.tolist():
            write_bytes(folder / address_beside(position), full_size(archive, position))


def render_page(audit: Audit, archive: Archive, suspects: Suspects) -> str:
    """Write suspicious labels as one HTML file that asks the network for nothing.

    Args:
        audit: The audit.
        archive: The archive that it is of.
        suspects: The labels to look at, the most suspicious first.

    Returns:
        The file's text. Names from the archive are escaped, or handed to the script as JSON and shown as text.
    """
    expected = Expectation(**audit.document["expected"])
    facts = {
        "title": f"Labels of {archive.name} to look at",
        "document": audit.document,
        "calibration": _calibration(audit.document["calibration"]),
        "advice": advice(expected),
        "beyond": beyond_page(expected, len(suspects)),
        "planted": float(np.interp(expected.look, expected.k, audit.document["planted"]["recall"])),
        "outlined": archive.has_maps,
        "warning": warning(audit.document["skill"]),
        "shown": len(suspects),
        "complete": len(archive) <= MOST_IMAGES_WITH_LABELS,
    }
    return filled(facts, page_document(audit, archive, suspects), beside(archive))


def filled(facts: Mapping[str, Any], data: Mapping[str, Any], pictures: bool) -> str:
    """Return the page with what its template and its script are given.

    Args:
        facts: Variables of the template.
        data: What the script reads.
        pictures: Whether the page may show pictures that lie beside it.
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
        version=metadata.version("gridbench"),
        data=jinja2.utils.htmlsafe_json_dumps(data, separators=(",", ":"), allow_nan=False),
        **{"masks": False, **facts},
        **inlined(styles, scripts, "data: file: 'self'" if pictures else "data:"),
    )
    return escape(page)


def page_document(audit: Audit, archive: Archive, suspects: Suspects) -> dict[str, Any]:
    """Return everything that the page's script reads."""
    shown = np.unique(suspects.samples)
    examples = _typical(audit.given, audit.scores, audit.probabilities)
    neighbours = _alike(audit.probabilities, shown)
    others = {i for each in (*examples, *neighbours) for i in each}.difference(shown.tolist())
    place = {int(i): at for at, i in enumerate([*shown, *sorted(others)])}
    images = [_image(audit, archive, i) for i in place]
    for image, found in zip(images, neighbours, strict=False):
        position = image["row"]
        image["alike"] = [place[i] for i in found]
        image["outline"] = outline(archive, position)
        image["full"] = address_beside(position) if beside(archive) else None
    return {
        "id": str(audit.document["id"]),
        "classes": list(archive.class_names),
        "images": images,
        "suspects": [_suspect(audit, suspects, at, place) for at in range(len(suspects))],
        "typical": [[place[i] for i in found] for found in examples],
        "expected": audit.document["expected"],
        "injected": audit.injected,
        "next": {
            "labels.csv": next_command(
                archive,
                *("data", "prepare", "folder", "--data", "YOUR-FOLDER", "--labels", "labels.csv"),
                *("--name", f"{archive.name}-corrected"),
            ),
            "decisions.csv": apply_command(archive, audit.folder),
        },
        "table": _table(audit, archive) if len(archive) <= MOST_IMAGES_WITH_LABELS else None,
    }


def next_command(archive: Archive, *words: str) -> str:
    """Return a gridbench command on an archive, quoted as it must be typed."""
    cache = archive.directory.parent.parent
    where = [] if cache == default_cache() else ["--cache", str(cache)]
    return shlex.join(["gridbench", *words, *where])


def apply_command(archive: Archive, folder: Path) -> str:
    """Return the command that applies the decisions which a page exports."""
    return next_command(
        archive, "audit", "apply", str(folder), "--decisions", "decisions.csv", "--out", "corrected"
    )


def _typical(
    given: npt.NDArray[Any], scores: npt.NDArray[Any], probabilities: npt.NDArray[Any]
) -> list[list[int]]:
    """Return for each class three images that have it, are predicted to, and have no suspicious label.

    Args:
        given: (N, C) labels.
        scores: (N, C) probability that each label is wrong.
        probabilities: (N, C) held-out predictions.
    """
    worst = scores.max(1)
    found = []
    for c in range(given.shape[1]):
        having = np.flatnonzero(given[:, c])
        order = np.lexsort((-probabilities[having, c], worst[having] > np.median(worst)))
        found.append(having[order][:EXAMPLES].tolist())
    return found


def _alike(probabilities: npt.NDArray[Any], images: npt.NDArray[Any]) -> list[list[int]]:
    """Return for each of some images the three others whose held-out log-odds are nearest.

    Args:
        probabilities: (N, C) held-out predictions.
        images: (n,) which images.
    """
    present = np.clip(np.asarray(probabilities, dtype=np.float64), CERTAIN, 1 - CERTAIN)
    odds = np.log(present) - np.log1p(-present)
    found = []
    for i in images:
        distances = np.abs(odds - odds[i]).sum(1)
        distances[i] = np.inf
        found.append(np.argsort(distances, kind="stable")[: min(EXAMPLES, len(odds) - 1)].tolist())
    return found


def _image(audit: Audit, archive: Archive, i: int) -> dict[str, Any]:
    position = int(audit.positions[i])
    return {
        "name": archive.names[position],
        "row": position,
        "given": np.flatnonzero(audit.given[i]).tolist(),
        "picture": reduced(archive, position),
    }


def beside(archive: Archive) -> bool:
    """Return whether full-size pictures are stored beside the page because they exceed the embedded size."""
    height, width = archive.image_size
    return bool(height > THUMBNAIL or width > THUMBNAIL)


def address_beside(position: int) -> str:
    """Return the address of an image's full picture, seen from the page."""
    return f"{PICTURES}/{position}.jpg"


def _suspect(audit: Audit, suspects: Suspects, at: int, place: Mapping[int, int]) -> dict[str, Any]:
    i, label, wrong = int(suspects.samples[at]), int(suspects.labels[at]), bool(suspects.wrong[at])
    return {
        "image": place[i],
        "label": label,
        "wrong": wrong,
        "score": round(float(suspects.scores[at]), 3),
        "instead": audit.replacements(i, label, wrong) if wrong else [],
        "replaced": audit.exclusive,
    }


def _table(audit: Audit, archive: Archive) -> dict[str, Any]:
    """Return the labels of all images as lists of classes, from which the page writes the corrected table."""
    labels = np.array(archive.scene_labels)
    labels[audit.positions] = audit.given
    return {
        "names": list(archive.names),
        "splits": split_names(archive),
        "groups": archive.sample_groups,
        "labels": [np.flatnonzero(row).tolist() for row in labels],
    }


def _calibration(calibration: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return the lines of the table of how well injected noise was found."""
    if calibration is None:
        return []
    words = {"all": "all labels", "wrong": "given labels", "missing": "labels not given"}
    return [
        {"kind": words[kind], "by": name, **scored}
        for kind, rankings in calibration.items()
        for name, scored in rankings.items()
        if scored["prevalence"] is not None
    ]
