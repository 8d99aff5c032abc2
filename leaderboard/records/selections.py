"""Model selections on validation: annotation of the selected rows, and filtering of the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gridbench.core.json_files import read_json
from gridbench.errors import counted, in_words
from gridbench.leaderboard.records.run import Run
from gridbench.leaderboard.records.runs import Collection
from gridbench.leaderboard.tables.cells import setting_text
from gridbench.records.record import SELECTIONS

__all__ = ["Chosen", "only_chosen", "read_selections", "say_chosen"]


_NOISE = ("noise", "slnir", "versions.noise")


@dataclass(frozen=True)
class Chosen:
    """One selection.

    Attributes:
        words: What was chosen, out of how many tries and by which score.
        cells: Cells of the chosen try.
        tried: Cells of every try.
    """

    words: str
    cells: frozenset[str]
    tried: frozenset[str]


def read_selections(places: Iterable[Path]) -> tuple[list[Chosen], list[str]]:
    """Read what sweeps selected in folders of records.

    Args:
        places: Folders, or files, which hold no selections.

    Returns:
        The selections in which something was chosen, and notes on files that cannot be read.
    """
    found, notes = [], []
    for file in (file for place in places for file in sorted((place / SELECTIONS).glob("*.json"))):
        try:
            document = read_json(file)
            if document["chosen"] is not None:
                found.append(_chosen(document))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            notes.append(f"{SELECTIONS}/{file.name} is not a selection: {in_words(error)}")
    return found, notes


def say_chosen(found: Collection, selections: Iterable[Chosen]) -> Collection:
    """Add a note to the runs of chosen tries, and of the same settings under other noise, for every table with them."""
    words: dict[str, list[str]] = {}
    for selection in selections:
        for cell in selection.cells:
            words.setdefault(cell, []).append(selection.words)
    settings = {run.cell: _without_noise(run) for run in found.runs if run.cell in words}
    described: dict[str, list[str]] = {}
    for cell, same in settings.items():
        described.setdefault(same, []).extend(words[cell])
    runs = [
        replace(run, note="; ".join(filter(None, (run.note, *dict.fromkeys(said)))))
        if not run.origin and (said := described.get(_without_noise(run)))
        else run
        for run in found.runs
    ]
    return replace(found, runs=runs)


def _without_noise(run: Run) -> str:
    """Return the settings of a run apart from its noise, as text."""
    return repr(sorted((name, value) for name, value in run.settings.items() if not name.startswith(_NOISE)))


def only_chosen(found: Collection, selections: Iterable[Chosen]) -> Collection:
    """Leave out the runs of tries that no selection chose; what was not part of any stays."""
    chosen, tried = set[str](), set[str]()
    for selection in selections:
        chosen |= selection.cells
        tried |= selection.tried
    runs = [run for run in found.runs if run.origin or run.cell in chosen or run.cell not in tried]
    return replace(found, runs=runs)


def _chosen(document: Mapping[str, Any]) -> Chosen:
    values = ", ".join(f"{name} = {setting_text(value)}" for name, value in document["chosen"].items())
    rates, seeds = (", ".join(map(str, document[name])) for name in ("slnir", "seeds"))
    words = (
        f"{values} was chosen by {document['metric']} out of {counted(len(document['trials']), 'try', 'tries')}, "
        "one choice for all "
        f"noise rates (mean over SLNIR {rates} and seeds {seeds}); test scores were not read"
    )
    tried = frozenset(str(cell) for trial in document["trials"] for cell in trial["cells"])
    return Chosen(words, frozenset(map(str, document["chosen_cells"])), tried)
