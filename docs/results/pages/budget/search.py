"""The tries of one method, and what validation chose of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pages.comparison import Comparison
from pages.evidence import VALIDATION, Records, Where

from gridbench.leaderboard.records.runs import Run

TRIED_AT = 30
"""Noise rate of the tries, which are of seed 0."""
RATE = "learning_rate"
USUAL = "0.001"
"""The learning rate of the recipe."""


@dataclass(frozen=True)
class Search:
    """The tries of one method.

    Attributes:
        tries: Settings that differ between them -> validation score in percent, in the order of the score.
        default: Validation score of the defaults; None where a default, which follows from the archive, is no try.
        where: The settings of the try of highest score.
    """

    tries: Mapping[tuple[tuple[str, str], ...], float]
    default: float | None
    where: Where

    @property
    def chosen(self) -> str:
        """The chosen values in words."""
        return ", ".join(f"{name.removeprefix('parameters.')} {value}" for name, value in self.where.items())

    @property
    def rate(self) -> float:
        """The chosen learning rate."""
        return float(self.where[RATE])


def searched(records: Records, method: str, comparison: Comparison) -> Search:
    """Return what was tried for a method at one noise rate and seed, and what validation chose."""
    runs = {
        run.cell: run
        for run in records.runs
        if run.settings["method"] == method and run.settings["slnir"] == str(TRIED_AT) and run.seed == 0
    }
    texts = {cell: _settings(run) for cell, run in runs.items()}
    varied = [name for name in next(iter(texts.values())) if len({text[name] for text in texts.values()}) > 1]
    scores = {
        tuple((name, texts[cell][name]) for name in varied): 100 * (run.metric(VALIDATION) or 0.0)
        for cell, run in runs.items()
    }
    tries = dict(sorted(scores.items(), key=lambda item: -item[1]))
    usual = usual_settings(method, comparison)
    scores_of_defaults = (
        score for values, score in tries.items() if all(usual.get(name) == value for name, value in values)
    )
    return Search(tries, next(scores_of_defaults, None), dict(next(iter(tries))))


def usual_settings(method: str, comparison: Comparison) -> Where:
    """Return the defaults of the settings that a search may vary, without those that follow from the archive."""
    return _settings(comparison.records.find(TRIED_AT, method=method)[0])


def _settings(run: Run) -> dict[str, str]:
    return {
        name: f"{value:g}" if isinstance(value, int | float) else str(value)
        for name, value in run.settings.items()
        if name == RATE or name.startswith("parameters.")
    }
