"""Details of single runs for the page: settings, environment, history, noise and pictures, within a budget."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gridbench.leaderboard.figures.strips import Picture, Strip, strips_of
from gridbench.leaderboard.records.command_line import command_of, setting_text
from gridbench.leaderboard.records.metric_info import unit_of
from gridbench.leaderboard.records.runs import Run, flatten
from gridbench.leaderboard.tables.text import clean, number

__all__ = ["Budget", "details_of"]

LONGEST_HISTORY = 60
LONGEST_VALUE = 200
LONGEST_COMMAND = 4000


@dataclass(frozen=True)
class Budget:
    """How much detail a page carries.

    Attributes:
        runs: Most runs with settings, metrics, environment, noise and history.
        pictures: Most bytes of pictures.
    """

    runs: int = 500
    pictures: int = 8_000_000


@dataclass
class _Environments:
    """Environments, each once; what differs from run to run is listed."""

    known: dict[tuple[tuple[str, str], ...], int] = field(default_factory=dict)

    def place(self, entries: Mapping[str, str]) -> int:
        return self.known.setdefault(tuple(entries.items()), len(self.known))


def details_of(runs: Sequence[Run], budget: Budget) -> tuple[dict[str, Any], dict[str, int]]:
    """Gather the details of as many runs as the budget allows.

    Args:
        runs: Runs in order of importance.
        budget: What there is room for.

    Returns:
        The page's `details` member, and run id -> position in it.
    """
    chosen = runs[: budget.runs]
    common = _common(chosen)
    environments = _Environments()
    left = budget.pictures
    contents = []
    for run in chosen:
        content = _run(run, common, environments)
        if left > 0:
            strips = _sprite(strips_of(run.stored))
            if strips is not None and len(strips["image"]) <= left:
                left -= len(strips["image"])
                content["strips"] = strips
        contents.append(content)
    pictured = sum("strips" in content for content in contents)
    details = {
        "common": {name: _short(value) for name, value in common.items() if value != ""},
        "environments": [dict(entries) for entries in environments.known],
        "runs": contents,
        "pictured": pictured,
        "left_out": (
            f"This page has the details of {len(contents)} of {len(runs)} runs; those of this run are in its folder."
        ),
    }
    return details, {_key(run): at for at, run in enumerate(chosen)}


def _key(run: Run) -> str:
    return f"{run.origin}/{run.id}"


def _common(runs: Sequence[Run]) -> dict[str, str]:
    """Return the settings that all runs share."""
    if not runs:
        return {}
    shared = {name: setting_text(value) for name, value in runs[0].settings.items()}
    for run in runs[1:]:
        shared = {n: t for n, t in shared.items() if setting_text(run.settings.get(n)) == t}
    return shared


def _run(run: Run, common: Mapping[str, str], environments: _Environments) -> dict[str, Any]:
    texts = {name: setting_text(value) for name, value in run.settings.items() if name not in common}
    environment, timing = _environment(run)
    return {
        "command": clean(command_of(run.stored.config), LONGEST_COMMAND),
        "folder": _short(run.stored.folder.name),
        "id": run.id[:16],
        "origin": _short(run.origin),
        "machine": _short(run.machine),
        "settings": {name: _short(text) for name, text in texts.items() if text != ""},
        "metrics": dict(_metrics(run)),
        "noise": _noise(run),
        "environment": environments.place(environment),
        "timing": timing,
        "history": _history(run),
    }


def _metrics(run: Run) -> Iterable[tuple[str, str]]:
    for name, value in run.metrics.items():
        unit = unit_of(name)
        yield f"{name}{f' ({unit.symbol})' if unit.symbol else ''}", number(value, unit)


def _environment(run: Run) -> tuple[dict[str, str], list[tuple[str, str]]]:
    entries = dict(flatten(run.environment))
    timing = [(n, _short(v)) for n, v in entries.items() if n == "started" or n.startswith("seconds.")]
    apart = {name for name, _ in timing} | {"schema"}
    return {name: _short(value) for name, value in entries.items() if name not in apart}, timing


def _noise(run: Run) -> dict[str, str]:
    try:
        manifest: Any = run.stored.noise()
    except (OSError, ValueError):
        manifest = run.stored.result.get("noise")
    if not isinstance(manifest, Mapping):
        return {}
    # Lists, such as counts per class, stay in the record: the page has no room for them.
    entries = {name: value for name, value in flatten(manifest) if name != "schema" and value is not None}
    return {
        name: _short(value) for name, value in list(entries.items())[:60] if not str(value).startswith("[")
    }


def _history(run: Run) -> dict[str, Any] | None:
    """Return the numbers of the history as columns, at most 60 epochs of them, evenly spaced."""
    try:
        rows: Any = run.stored.epochs()
    except (OSError, ValueError):
        return None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, Mapping) for row in rows):
        return None
    kept = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), LONGEST_HISTORY)).astype(int))
    flat = [dict(flatten(rows[at])) for at in kept]
    names = dict.fromkeys(name for row in flat for name in row if name != "epoch")
    if not any(row.get("detection.prevalence") for row in flat):  # no label is known to be wrong
        names = {name: None for name in names if not name.startswith("detection.")}
    columns = {name: [_rounded(row.get(name)) for row in flat] for name in names}
    series = {_short(name): values for name, values in columns.items() if any(v is not None for v in values)}
    if not series:
        return None
    first = [name for name in ("detection.precision", "hybrid_loss", "loss") if name in series]
    ordered = {name: series[name] for name in dict.fromkeys([*first, *series])}
    return {"epochs": [int(at) + 1 for at in kept], "series": ordered}


def _rounded(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(f"{value:.4g}")


def _sprite(strips: Sequence[Strip]) -> dict[str, Any] | None:
    """Put all pictures of a run into one JPEG, a row per query."""
    if not strips:
        return None
    from PIL import Image

    height, width = strips[0].query.pixels.shape[:2]
    across = 1 + max(len(strip.retrieved) for strip in strips)
    sheet = np.zeros((height * len(strips), width * across, 3), dtype=np.uint8)
    for row, strip in enumerate(strips):
        for column, picture in enumerate((strip.query, *strip.retrieved)):
            if picture.pixels.shape != (height, width, 3):
                return None
            sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = picture.pixels
    out = io.BytesIO()
    Image.fromarray(sheet).save(out, "JPEG", quality=88, subsampling=0)
    return {
        "image": "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode(),
        "width": width,
        "height": height,
        "queries": [
            {**_picture(strip.query), "retrieved": [_picture(picture) for picture in strip.retrieved]}
            for strip in strips
        ],
    }


def _picture(picture: Picture) -> dict[str, Any]:
    return {"labels": [_short(label) for label in picture.labels], "wrong": picture.wrong}


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = setting_text(value) if isinstance(value, str | int | bool) else str(value)
    return clean(text, LONGEST_VALUE)
