"""`gridbench run --profile`: a table of the time spent in each phase of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridbench.core.terminal import say

if TYPE_CHECKING:
    from gridbench.records.record import RunRecord

__all__ = ["print_profile", "profile_rows"]

WHAT = {
    "data": "putting batches together",
    "forward": "networks, heads and losses",
    "backward": "gradients",
    "optimizer": "Adam",
    "detection": "scores of the epoch log",
    "other training": "order of the epoch, random streams",
    "checkpoint": "written after each epoch",
    "validation": "after epochs, for --select best and --last-epochs",
    "retrieval": "descriptors, rankings, their scores",
    "predictions": "validation and test images predicted by the head, and scored",
    "sample_detection": "the trained model judges its training set",
}


def profile_rows(environment: dict[str, Any]) -> list[tuple[str, float, float | None]]:
    """Return (phase, seconds, milliseconds per step or None) of a record; the seconds add up to the run's.

    Args:
        environment: The record's environment.json; one from before phases were kept gives fewer rows.
    """
    spent = dict(environment.get("seconds") or {})
    profile = environment.get("profile") or {}
    parts, steps = dict(profile.get("seconds") or {}), profile.get("steps") or 0
    if parts:
        parts["other training"] = max(spent.pop("training", 0.0) - sum(parts.values()), 0.0)
    rows = [(phase, seconds, 1000 * seconds / steps if steps else None) for phase, seconds in parts.items()]
    return sorted(rows + [(phase, seconds, None) for phase, seconds in spent.items()], key=_place)


def print_profile(record: RunRecord) -> None:
    """Print the phases of a run with seconds, share, and milliseconds per step of training."""
    from rich.table import Table

    from gridbench.core.console import Console

    environment = record.environment()
    rows = profile_rows(environment)
    total = sum(seconds for _, seconds, _ in rows) or 1.0
    table = Table(title=f"Phases of {total:.1f} s", title_justify="left")
    for name in ("phase", "seconds", "share", "ms per step"):
        table.add_column(name, justify="left" if name == "phase" else "right")
    table.add_column("")
    for phase, seconds, step in rows:
        per_step = "" if step is None else f"{step:.2f}"
        table.add_row(
            phase, f"{seconds:.2f}", f"{100 * seconds / total:.1f} %", per_step, WHAT.get(phase, "")
        )
    Console().print(table)
    profile = environment.get("profile") or {}
    if rates := profile.get("learning_rate"):
        say("Learning rate at the end of each epoch: " + ", ".join(f"{rate:.3g}" for rate in rates))
    if any(phase == "training" for phase, *_ in rows):
        say("This record tells no phases of training; --force --profile runs anew and measures them.")
    elif profile and not profile.get("synchronised"):
        say(
            f"Measured on {environment.get('device')} without waiting for it, so a phase may hold another's work; "
            "--force --profile runs anew and waits."
        )


def _place(row: tuple[str, float, float | None]) -> int:
    names = list(WHAT)
    return names.index(row[0]) if row[0] in names else len(names)
