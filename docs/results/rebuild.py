"""Rebuild the tables and pictures of this folder from the records that ship with gridbench or lie in data/.

python docs/results/rebuild.py
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from pages.budget.maps import maps_tuned, maps_tuned_wins
from pages.budget.several import several_tuned, several_tuned_wins
from pages.budget.single import single_tuned, single_tuned_wins
from pages.conditions import other_conditions
from pages.cost import cost
from pages.evidence import BASELINES, BCE, HERE, PCE, STUDIES, TOLD, TOLD_PCE, Records
from pages.leading import leading, over_noise
from pages.maps import label_maps, map_scores, map_wins
from pages.optimisers import optimisers
from pages.pairs import every_pair, pairs
from pages.pictures import found_over_epochs, heads_over_epochs, reasoning
from pages.several import gains, scene_scores, several, wins
from pages.single import single, single_scores, single_wins
from pages.tables import ablation, detection, first_table, methods
from pages.why import why

from gridbench.leaderboard.figures.style import rendered

FIGURES = HERE / "figures"
QUICK_START, RECIPES = HERE.parent / "quick-start.md", HERE.parent / "recipes.md"
FRONT = HERE.parents[1] / "README.md"
BEGIN, END = "<!-- docs/results/rebuild.py writes from here -->", "<!-- to here -->"

TABLES: dict[str, Callable[[Records], list[str]]] = {
    "budget/label-maps.md": maps_tuned,
    "budget/several-labels.md": several_tuned,
    "budget/single-labels.md": single_tuned,
    "cost.md": cost,
    "label-maps.md": label_maps,
    "other-conditions.md": other_conditions,
    "pairs.md": pairs,
    "paper/ablation.md": ablation,
    "paper/detection.md": detection,
    "paper/methods.md": methods,
    "paper/why.md": why,
    "several-labels.md": several,
    "single-labels.md": single,
}
PICTURES: dict[str, Callable[[Records], Figure]] = {
    "ablation.png": reasoning,
    "detection.png": lambda records: found_over_epochs(records, TOLD, BCE),
    "detection-pixel.png": lambda records: found_over_epochs(records, TOLD_PCE, PCE),
    "gains.png": gains,
    "label-maps.png": map_scores,
    "leading.png": over_noise,
    "pairs.png": every_pair,
    "several-labels.png": scene_scores,
    "single-labels.png": single_scores,
    "who-wins-maps.png": map_wins,
    "who-wins-single.png": single_wins,
    "who-wins-tuned-maps.png": maps_tuned_wins,
    "who-wins-tuned-single.png": single_tuned_wins,
    "who-wins-tuned.png": several_tuned_wins,
    "who-wins.png": wins,
    "why.png": heads_over_epochs,
}
SCENE_FIGURES = {
    "*ndcg@20-over-noise.png": FIGURES / "ndcg-over-noise.png",
    "*losses-grid-bce.png": FIGURES / "losses.png",
}
"""What the leaderboard draws of the baselines trained with BCE -> its file here."""


def between_marks(text: str, lines: Sequence[str]) -> str:
    """Return a text with other lines between its marks."""
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return before + BEGIN + "\n\n" + "\n".join(lines) + "\n" + END + after


def texts(records: Records) -> dict[Path, str]:
    """Return file -> its whole text, as the records have it."""
    tables = {HERE / name: "\n".join(build(records)).rstrip("\n") + "\n" for name, build in TABLES.items()}
    parts = {FRONT: leading, QUICK_START: first_table, RECIPES: optimisers}
    return tables | {
        file: between_marks(file.read_text(encoding="utf-8"), build(records)) for file, build in parts.items()
    }


def leaderboard(words: Sequence[str | Path], wanted: Mapping[str, Path]) -> None:
    """Let `gridbench leaderboard` write files of the baselines, and take the wanted ones: pattern -> file here."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "gridbench", "leaderboard", "--baselines", *words]
        subprocess.run(command, check=True, cwd=folder, capture_output=True)
        for pattern, file in wanted.items():
            (found,) = Path(folder).glob(pattern)
            shutil.copy(found, file)


def main() -> None:
    """Write every table and every picture."""
    records = Records()
    for file, text in texts(records).items():
        file.write_text(text, encoding="utf-8")
    for name, picture in PICTURES.items():
        (FIGURES / name).write_bytes(rendered(picture(records), "png"))
    leaderboard(["--statistics", "--out", "table.md"], {"table.md": HERE / "paper" / "leaderboard.md"})
    leaderboard(["--filter", "loss=bce", "--filter", "method!=oracle", "--figures", "."], SCENE_FIGURES)
    print(f"Rebuilt from {len(records.runs)} records in {BASELINES.name} and {STUDIES.name}.")


if __name__ == "__main__":
    main()
