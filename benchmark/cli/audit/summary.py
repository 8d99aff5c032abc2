"""Summary printed by `gridbench audit`: findings, recommended stopping point, and the next command."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridbench.cli.options import typed_command
from gridbench.core.terminal import say
from gridbench.errors import counted, method_in_words

if TYPE_CHECKING:
    from gridbench.audit.audit import Audit

__all__ = ["next_steps", "print_audit"]


def print_audit(found: Audit, listed: Path, page: Path, where: Sequence[str], shown: int) -> None:
    """Print the findings, their expected precision, and the next command."""
    from rich.table import Table

    from gridbench.audit.expectation import Expectation, advice, beyond_page
    from gridbench.audit.skill import warning
    from gridbench.core.console import Console

    document = found.document
    config, rate = document["config"], document["noise_rate"]
    method = method_in_words(config["method"], config["loss"])
    say(
        f"Audited {counted(document['labels'], 'label')} of {counted(document['images'], 'training image')} of "
        f"{document['dataset']}: "
        f"{len(document['folds'])} folds of {min(document['folds'])} to {max(document['folds'])} images, "
        f"{method}, {counted(config['epochs'], 'epoch')}, {document['seconds']:.0f} s."
    )
    say(f"Kept together in a fold: {document['together']}.")
    poor = warning(document["skill"])
    if poor:
        say(f"Warning: {poor}")
    if not document["margins"]:
        say("Ranked without margins in training (AUM), which the method does not show.")
    for words, name in (
        ("true labels that are missing", "missing"),
        ("given labels that are wrong", "wrong"),
        ("all yes or no labels in error", "errors"),
    ):
        if found.exclusive and name != "wrong":
            continue
        value, low, high = (100 * each for each in rate[name])
        say(f"Estimated {words}: {value:.1f} % (95 % interval {low:.1f} to {high:.1f})")
    expected = Expectation(**document["expected"])
    say(advice(expected).replace(". ", ".\n"))
    more = beyond_page(expected, shown, typed_command())
    if more:
        say(more)
    if document["calibration"]:
        Console().print(_calibration(document, Table))
    say(f"List:   {listed}\nPage:   {page}")
    if found.injected:
        say("The labels hold noise that was put in on purpose; to correct your own, audit without --slnir.")
    else:
        say("\n".join(next_steps(found.folder, expected.change, where)))
        say(f"How good is the list? {typed_command()} --slnir 10")


def next_steps(folder: Path, change: int, where: Sequence[str]) -> list[str]:
    """Return the lines that say how findings become corrected labels or masks.

    Args:
        folder: The audit's folder.
        change: How many leading findings may be changed without review; with 0 that is not offered.
        where: Options of the cache.
    """

    def command(*words: str) -> str:
        return shlex.join(["gridbench", "audit", "apply", str(folder), *words, "--out", "corrected", *where])

    lines = [
        f"Next:   open the page, decide, export decisions.csv, and: {command('--decisions', 'decisions.csv')}"
    ]
    return lines + ([f"Unseen: {command('--top', str(change))}"] if change else [])


def _calibration(document: dict[str, Any], table_class: Any) -> Any:
    """Return the table of precision and recall against prevalence."""
    from gridbench.audit.calibration import SHARES

    injected = document["injected"]
    table = table_class(
        title=f"Injected noise ({injected['noise']}, {injected['slnir']} %): precision (recall) of the first, percent",
        title_justify="left",
    )
    for heading in ("labels", "by", "prevalence", *(f"{100 * share:g} %" for share in SHARES)):
        table.add_column(heading, justify="left" if heading in ("labels", "by") else "right")
    words = {"all": "all", "wrong": "given", "missing": "not given"}
    for kind, rankings in document["calibration"].items():
        for name, scored in rankings.items():
            if scored["prevalence"] is None:
                continue
            cells = [_cell(row) for row in scored["rows"]]
            table.add_row(words[kind], name, f"{100 * scored['prevalence']:.1f}", *cells)
    return table


def _cell(row: dict[str, Any]) -> str:
    recall = "" if row["recall"] is None else f" ({100 * row['recall']:.0f})"
    return f"{100 * row['precision']:.1f}{recall}"
