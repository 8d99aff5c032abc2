"""Rebuild the tables and the picture of this folder from the records that ship with gridbench or lie beside this file.

python docs/results/rebuild.py
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd

from gridbench.leaderboard import load
from gridbench.leaderboard.statistics import paired_interval

HERE = Path(__file__).resolve().parent
BASELINES = HERE.parents[1] / "leaderboard" / "baselines" / "bluemarble.zip"
STUDIES = HERE / "studies.zip"
"""Records of `bluemarble` that are no baselines: other noise models and other values of lambda."""

GRID = {"method": "grid", "loss": "bce", "parameters.mode": "hybrid", "parameters.kl_reduction": "sum"}
DEFAULT = {**GRID, "parameters.lambda": "20"}
BCE = {"method": "bce", "loss": "bce"}
TEST, VALIDATION = "ndcg@20", "validation/ndcg@20"


README = HERE.parents[1] / "README.md"
BEGIN, END = "<!-- docs/results/rebuild.py writes from here -->", "<!-- to here -->"


class Records:
    """The records of both files, one row a run and metric."""

    def __init__(self) -> None:
        frame = pd.concat([load(BASELINES), load(STUDIES)]).drop_duplicates(["id", "seed", "metric"])
        frame["parameters.lambda"] = frame["parameters.lambda"].map(_plain)
        frame["slnir"] = frame["slnir"].map(_plain)
        self._frame = frame

    def seeds(self, metric: str, slnir: int, noise: str = "swap", **where: str) -> dict[int, float]:
        """Return seed -> value, in percent where it is a share."""
        conditions = {"metric": metric, "slnir": str(slnir), "noise": noise, **where}
        found = self._frame
        for name, value in conditions.items():
            found = found[found[name] == value]
        if found["cell"].nunique() > 1:
            raise ValueError(f"{conditions} is more than one cell")
        scale = 100 if set(found["unit"]) == {"fraction"} else 1
        return dict(zip(found["seed"].astype(int), found["value"].astype(float) * scale, strict=True))


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def told(values: dict[int, float], n: bool = False) -> str:
    """Write mean ± standard deviation (ddof 1), with n where it is asked for or a deviation is impossible."""
    if not values:
        return "–"
    series = pd.Series(values)
    if len(series) == 1:
        return f"{series.iloc[0]:.1f} (n = 1)"
    return f"{series.mean():.1f} ± {series.std(ddof=1):.1f}" + (f" (n = {len(series)})" if n else "")


def difference(one: dict[int, float], other: dict[int, float]) -> str:
    """Write the mean paired difference with its 95 % interval and n; no interval under five seeds."""
    interval = paired_interval({"": one}, {"": other})
    if not interval.seeds:
        return "–"
    if interval.seeds < 5:
        return f"{interval.difference:+.1f} (n = {interval.seeds})".replace("-0.0", "0.0")
    return f"{interval.difference:+.1f} ({interval.low:+.1f} to {interval.high:+.1f}; n = {interval.seeds})"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a markdown table, without the rows that nothing was measured for."""
    rows = [row for row in rows if set(row[1:]) - {"–", ""}]
    return ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *rows)] + [""]


def detection(records: Records) -> list[str]:
    """How well noisy images and wrong labels are found at the end of training."""
    lines = [
        "# Detection at the end of a run on `bluemarble`",
        "",
        "Percent, mean ± sample standard deviation over n seeds; default recipe, the paper's noise, GRID with",
        "lambda 20. What the scores are: [detection](../detection.md). Each number is",
        "`gridbench leaderboard --baselines --metric sample_detection/LEVEL/WAY/SCORE`.",
        "",
    ]
    scores = {"image": ("precision", "auroc"), "label": ("precision", "auroc", "average_precision")}
    ways = (
        ("grid", DEFAULT, ("method", "loss", "confident_learning", "random")),
        ("bce", BCE, ("loss", "confident_learning", "random")),
    )
    for slnir in (10, 30, 60):
        for level, names in scores.items():
            prevalence = records.seeds(f"sample_detection/{level}/loss/prevalence", slnir, **BCE)
            rows = []
            for method, where, each in ways:
                for way in each:
                    values = [
                        records.seeds(f"sample_detection/{level}/{way}/{name}", slnir, **where)
                        for name in names
                    ]
                    rows.append([method, way.replace("_", " "), *map(told, values), str(len(values[0]))])
            lines += [f"## SLNIR {slnir}, level `{level}`: {told(prevalence)} % are noisy", ""]
            lines += table(["trained with", "way", *(name.replace("_", " ") for name in names), "n"], rows)
    return lines


NOISE_MODELS = ("swap", "confusable", "class_dependent", "instance", "grouped", "mixed", "missing", "extra")


def noise_models(records: Records) -> list[str]:
    """BCE and GRID under each noise model."""
    rows = []
    for noise in NOISE_MODELS:
        cells = [
            [records.seeds(metric, 30, noise, **where) for where in (BCE, DEFAULT)]
            for metric in (VALIDATION, TEST)
        ]
        noisy = records.seeds("noisy_images", 30, noise, **BCE)
        found = records.seeds("detection/precision", 30, noise, **DEFAULT)
        kept = [records.seeds("memorised", 30, noise, **where) for where in (BCE, DEFAULT)]
        seeds = sorted(set(cells[0][0]) & set(cells[0][1]))[:3]
        cut = [[{s: side[s] for s in seeds} for side in pair] for pair in cells]
        short = [{s: each[s] for s in seeds if s in each} for each in (noisy, found, *kept)]
        row = [f"`{noise}`", *map(told, cut[0]), *map(told, cut[1]), difference(cut[1][1], cut[1][0])]
        rows.append([*row, *map(told, short)])
    header = [
        "noise model",
        "bce, validation",
        "grid, validation",
        "bce, test",
        "grid, test",
        "grid - bce, test",
    ]
    header += ["noisy images", "grid's precision in mini-batches", "bce memorised", "grid memorised"]
    clean = [told({s: v for s, v in records.seeds(m, 0, **BCE).items() if s < 3}) for m in (VALIDATION, TEST)]
    return [
        "# BCE and GRID under each scene-level noise model, rate 30, on `bluemarble`",
        "",
        "NDCG@20 and shares in percent, mean ± sample standard deviation over seeds 0, 1, 2 (n = 3, too few to resolve",
        "a difference); default recipe, GRID with lambda 20. The precision of guessing is the column of noisy images.",
        f"Without noise BCE has {clean[0]} on validation and {clean[1]} on test. What 30 means is each model's own",
        "(`gridbench list noise NAME`): `missing` only removes and `extra` only adds labels, `mixed` does both, the",
        "others replace; `class_dependent` was given [confusions.csv](confusions.csv).",
        "",
        *table(header, rows),
    ]


def lambdas(records: Records) -> list[str]:
    """GRID over lambda."""
    lines = [
        "# GRID over lambda on `bluemarble`",
        "",
        "NDCG@20 in percent, mean ± sample standard deviation over n seeds; default recipe. Lambda 0 is plain BCE, bit",
        "for bit. `auto` reads lambda off GRID's own predictions (ours, not the paper's).",
        "",
    ]
    settings = {"0 (bce)": BCE} | {
        share: {**GRID, "parameters.lambda": share} for share in ("10", "20", "40", "60", "auto")
    }
    for title, metric in (("Validation", VALIDATION), ("Test", TEST)):
        rows = [
            [name, *(told(records.seeds(metric, slnir, **where), n=True) for slnir in (0, 30, 60))]
            for name, where in settings.items()
        ]
        lines += [f"## {title}", "", *table(["lambda", "SLNIR 0", "SLNIR 30", "SLNIR 60"], rows)]
    auto = settings["auto"]
    pairs = [name for name in settings if name != "auto"]
    rows = [
        [
            name,
            *(
                difference(records.seeds(TEST, s, **auto), records.seeds(TEST, s, **settings[name]))
                for s in (0, 30, 60)
            ),
        ]
        for name in pairs
    ]
    lines += ["## `auto` minus a fixed lambda, test, paired by seed (95 % interval)", ""]
    return lines + table(["against lambda", "SLNIR 0", "SLNIR 30", "SLNIR 60"], rows)


def first_table(records: Records) -> list[str]:
    """The table of the README: test scores over the noise rates."""
    settings = {
        "oracle (clean labels)": {"method": "oracle", "loss": "bce"},
        "bce": BCE,
        "grid (lambda 20)": DEFAULT,
        "grid (lambda auto, ours)": {**GRID, "parameters.lambda": "auto"},
        "jocor": {"method": "jocor", "loss": "bce"},
        "untrained": {"method": "untrained"},
        "random": {"method": "random"},
    }
    rows = [
        [name, *(told(records.seeds(TEST, slnir, **where), n=True) for slnir in (0, 30, 60))]
        for name, where in settings.items()
    ]
    return table(["method", "SLNIR 0", "SLNIR 30", "SLNIR 60"], rows)


def between_marks(text: str, lines: Sequence[str]) -> str:
    """Return a text with other lines between its marks."""
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return before + BEGIN + "\n\n" + "\n".join(lines) + "\n" + END + after


TABLES: dict[str, Callable[[Records], list[str]]] = {
    "detection.md": detection,
    "noise-models.md": noise_models,
    "lambda.md": lambdas,
}


def pages(records: Records) -> dict[Path, str]:
    """Return file -> its whole text, as the records have it."""
    texts = {HERE / name: "\n".join(build(records)).rstrip("\n") + "\n" for name, build in TABLES.items()}
    return {**texts, README: between_marks(README.read_text(encoding="utf-8"), first_table(records))}


def main() -> None:
    """Write every table and the picture."""
    records = Records()
    for file, text in pages(records).items():
        file.write_text(text, encoding="utf-8")
    gridbench = [sys.executable, "-m", "gridbench", "leaderboard", "--baselines"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*gridbench, "--statistics", "--out", HERE / "leaderboard.md"], check=True, cwd=folder)
        subprocess.run([*gridbench, "--filter", "loss=bce", "--figures", folder], check=True, cwd=folder)
        (curves,) = Path(folder).glob("*ndcg@20-over-noise.png")
        shutil.copy(curves, HERE / "ndcg-over-noise.png")


if __name__ == "__main__":
    main()
