"""Verification of a record against a recomputed run, allowing for differences between machines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gridbench.core.machine import NOT_RECORDED
from gridbench.errors import InputError, counted, reason_of
from gridbench.records.record import StoredRun

__all__ = [
    "BOUND",
    "BOUND_SOURCE",
    "Line",
    "Verification",
    "check_comparable",
    "digits_shared",
    "plan_lines",
    "verify_records",
]

BOUND = 1.4
"""Points of test NDCG@k by which one run of two machines may differ, see BOUND_SOURCE."""

BOUND_SOURCE = (
    "1.4 points: with the seed fixed, three arithmetics of one CPU gave a standard deviation of 0.44 points (bce on "
    "bluemarble, SLNIR 30, four seeds), so two of them differ by less than 1.4 in 95 of 100 cases "
    "(docs/computing/machines.md)"
)

FIRST_EPOCH = 1e-3
"""Largest relative difference of the first epoch's loss: rounding has had no time to grow, and machines agreed on four
digits there. More than that is another experiment and not another machine."""

COMPACT_DIGITS = 4
"""Significant digits of the losses of a compact record."""

Outcome = Literal["equal", "differs", "not recorded"]


@dataclass(frozen=True)
class Line:
    """One thing that was compared: its value there and here, and the outcome."""

    what: str
    there: str
    here: str
    outcome: Outcome


@dataclass(frozen=True)
class Verification:
    """Result of a verification.

    Attributes:
        lines: What was compared.
        verdict: `equal`, `within` what machines differ by, or `differs`.
        reason: Why, in a sentence.
    """

    lines: tuple[Line, ...]
    verdict: Literal["equal", "within", "differs"]
    reason: str


def digits_shared(one: float, other: float, most: int = 17) -> int:
    """Return how many significant digits two numbers have in common; `most` where they are equal."""
    if repr(one) == repr(other) or one == other == 0:
        return most
    if not (math.isfinite(one) and math.isfinite(other)):
        return 0
    relative = abs(one - other) / max(abs(one), abs(other))
    return min(max(math.floor(-math.log10(relative)), 0), most - 1)


def plan_lines(stored: Mapping[str, Any], document: Mapping[str, Any]) -> list[Line]:
    """Compare what a record was to compute with what would be computed here.

    Args:
        stored: The content of the record's config.json.
        document: The same of the run that is planned here.

    Returns:
        A line for the archive, and one for settings and versions.
    """
    lines = [_hashes("archive", stored.get("dataset_fingerprint"), document["dataset_fingerprint"])]
    differing = {
        f"{group[:-1] if group == 'versions' else 'setting'} {name}": (theirs.get(name), value)
        for group in ("config", "versions")
        for theirs in [stored.get(group) or {}]
        for name, value in document[group].items()
        if value != theirs.get(name)
    }
    if stored.get("plugin") != document["plugin"]:
        differing["source of the plug-in"] = (stored.get("plugin"), document["plugin"])
    there, here = (
        "; ".join(f"{name} {pair[side]}" for name, pair in differing.items()) or "the same" for side in (0, 1)
    )
    return [*lines, Line("settings and versions", there, here, "differs" if differing else "equal")]


def check_comparable(stored: StoredRun) -> None:
    """Refuse a record that does not hold what `verify_records` compares, before anything is computed.

    Raises:
        InputError: With the reason.
    """
    try:
        _losses(stored.epochs())
        stored.environment().get("initial_weights")
        stored.result["noise"].get("sha256")
        headline = stored.result["metrics"][f"ndcg@{stored.config['config']['k']}"]
        if isinstance(headline, bool) or not math.isfinite(headline):
            raise ValueError("its NDCG is not a number")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(
            f"The record in {stored.folder} is none that can be compared: {reason_of(error)}. Ask for it anew "
            "where it is from."
        ) from None


def verify_records(stored: StoredRun, fresh: StoredRun) -> Verification:
    """Compare two finished records of one run.

    Args:
        stored: The record in question.
        fresh: The same run, computed here.
    """
    first = [
        *plan_lines(stored.config, fresh.config),
        _hashes("label noise", stored.result["noise"].get("sha256"), fresh.result["noise"]["sha256"]),
    ]
    weights, epochs = _initial_weights(stored, fresh), _epochs(stored.epochs(), fresh.epochs())
    scores, difference = _scores(stored, fresh)
    lines = (
        *first,
        weights,
        *epochs,
        *scores,
        Line("machine", stored.machine, fresh.machine, _machines(stored, fresh)),
    )
    return Verification(lines, *_verdict(lines, first, difference, _first_losses(stored, fresh)))


def _verdict(
    lines: Sequence[Line], first: Sequence[Line], difference: float, losses: tuple[float, float] | None
) -> tuple[Literal["equal", "within", "differs"], str]:
    unequal = [line for line in lines if line.outcome == "differs" and line.what != "machine"]
    machine = lines[-1].outcome
    if not unequal:
        return "equal", "All that the record keeps is what was computed here."
    if any(line.outcome == "differs" for line in first):
        what = next(line.what for line in first if line.outcome == "differs")
        return "differs", f"The {what} differs, so this is another experiment."
    if machine == "equal":
        return (
            "differs",
            "One machine computes one run to the same bits, so something else than the machine changed.",
        )
    if losses is not None and abs(losses[0] - losses[1]) > FIRST_EPOCH * abs(losses[0]):
        return (
            "differs",
            "The losses of the first epoch differ by more than 0.1 %, where machines agree on four digits: this is "
            "another computation and not another machine.",
        )
    remark = f"The test score differs by {difference:+.2f} points; what machines differ by is {BOUND_SOURCE}."
    return ("within" if abs(difference) <= BOUND else "differs"), remark


def _hashes(what: str, there: Any, here: Any) -> Line:
    outcome: Outcome = "differs" if there != here else "equal"
    if not (there and here):
        outcome = "not recorded"
    return Line(what, str(there or NOT_RECORDED)[:12], str(here or NOT_RECORDED)[:12], outcome)


def _machines(stored: StoredRun, fresh: StoredRun) -> Outcome:
    if stored.machine == NOT_RECORDED:
        return "not recorded"
    return "equal" if stored.machine == fresh.machine else "differs"


def _initial_weights(stored: StoredRun, fresh: StoredRun) -> Line:
    there, here = (record.environment().get("initial_weights") for record in (stored, fresh))
    return _hashes("initial weights", there, here)


def _losses(history: Sequence[Mapping[str, Any]]) -> list[float]:
    return [float(row["loss"]) for row in history]


def _first_losses(stored: StoredRun, fresh: StoredRun) -> tuple[float, float] | None:
    one, other = _losses(stored.epochs()), _losses(fresh.epochs())
    return (one[0], other[0]) if one and other else None


def _epochs(there: Sequence[Mapping[str, Any]], here: Sequence[Mapping[str, Any]]) -> list[Line]:
    """Compare the losses, as far as a compact record keeps their digits."""
    theirs, ours = _losses(there), _losses(here)
    if not theirs and not ours:
        return []
    if len(theirs) != len(ours):
        return [
            Line("losses", f"{counted(len(theirs), 'epoch')}", f"{counted(len(ours), 'epoch')}", "differs")
        ]
    most = COMPACT_DIGITS if all(float(f"{value:.{COMPACT_DIGITS}g}") == value for value in theirs) else 17
    digits = f" to {most} digits" if most < 17 else ""
    if most < 17:
        ours = [float(f"{loss:.{most}g}") for loss in ours]
    for epoch, (one, other) in enumerate(zip(theirs, ours, strict=True), 1):
        shared = digits_shared(one, other, most)
        if shared < most:
            what = f"losses: epoch {epoch} of {len(ours)}, from digit {shared + 1} on"
            last = Line("loss of the last epoch", f"{theirs[-1]:.{most}g}", f"{ours[-1]:.{most}g}", "differs")
            return [
                Line(what, f"{one:.{most}g}", f"{other:.{most}g}", "differs"),
                *([last] if epoch < len(ours) else []),
            ]
    return [
        Line(
            f"losses of {counted(len(ours), 'epoch')}{digits}",
            f"{theirs[-1]:.{most}g}",
            f"{ours[-1]:.{most}g}",
            "equal",
        )
    ]


def _scores(stored: StoredRun, fresh: StoredRun) -> tuple[list[Line], float]:
    """Compare the metrics; the difference is that of test NDCG@k in points."""
    theirs, ours = stored.result["metrics"], fresh.result["metrics"]
    headline = f"ndcg@{fresh.config['config']['k']}"
    lines = []
    for name, what in (
        (headline, f"test NDCG@{fresh.config['config']['k']}"),
        (f"validation/{headline}", "validation"),
        (f"unseen/{headline}", "unseen queries"),
    ):
        if name in theirs and name in ours:
            outcome: Outcome = "equal" if theirs[name] == ours[name] else "differs"
            points = 100 * (ours[name] - theirs[name])
            change = "" if outcome == "equal" else f" ({points:+.2g})"
            lines.append(
                Line(what, f"{100 * theirs[name]:.2f} %", f"{100 * ours[name]:.2f} %{change}", outcome)
            )
    shared = theirs.keys() & ours.keys()
    same = sum(theirs[name] == ours[name] for name in shared)
    outcome = "equal" if same == len(shared) else "differs"
    lines.append(Line("all scores", f"{len(shared)}", f"{same} of them equal to the bit", outcome))
    return lines, 100 * (ours[headline] - theirs[headline])
