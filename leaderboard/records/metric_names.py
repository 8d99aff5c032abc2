"""Names of metrics as users type them: accepted spellings, suggestions, and reasons for missing values."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from gridbench.leaderboard.records.metric_info import (
    EPOCHS,
    LABELS,
    LAST,
    LAST_EPOCHS,
    MAPS,
    METRICS,
    SINGLE,
    VALIDATION,
    of_scored_weights,
)
from gridbench.leaderboard.records.run import Run

__all__ = ["HEADLINE", "closest", "full_name", "is_prediction", "of_other_labels", "why_missing"]

HEADLINE = "ndcg"
"""The name of the metric that means NDCG at each run's own cut-off k."""

OF = {"labels": LABELS, "single": SINGLE, "pixels": MAPS}
"""What a task predicts -> the labels that its scores are of."""

_PREDICTIONS = {
    metric.name: metric.of
    for metric in METRICS
    if not {LABELS, SINGLE, MAPS}.isdisjoint(metric.of.split(", "))
}


def full_name(typed: str) -> str:
    """Return the recorded spelling of a metric: `val_miou` and `val/miou` are `validation/miou`."""
    return re.sub(rf"^({'|'.join(EPOCHS)})?val(idation)?[_/]", rf"\1{VALIDATION}", typed)


def is_prediction(name: str) -> bool:
    """Return whether a metric scores what a trained head predicts."""
    return _of_test(name) in _PREDICTIONS


def of_other_labels(name: str, predicted: str) -> str:
    """Return why predictions of a kind of labels have no value of a metric of predictions; empty where they may have.

    Args:
        name: The metric.
        predicted: What is predicted: `Task.predicts`.

    >>> of_other_labels("validation/miou", "labels")
    'they predict scene labels, and this is a score of label maps'
    """
    of, wanted = OF.get(predicted, "other labels"), _PREDICTIONS[_of_test(name)]
    return "" if of in wanted else f"they predict {of}, and this is a score of {wanted}"


def _of_test(name: str) -> str:
    """Return a metric's name for test images and the weights that a run is scored with."""
    return of_scored_weights(name).removeprefix(VALIDATION)


def closest(typed: str, known: Iterable[str], count: int = 3) -> str:
    """Name the nearest names as the tail of a message, those that begin with or hold what was typed first.

    Returns:
        `" Did you mean 'f1_macro', 'f1_micro' or 'f1_macro_tuned'?"`, or nothing where nothing is close.
    """
    names, typed = sorted(known, key=lambda name: ("/" in name, len(name), name)), typed.lower()
    near = [name for name in names if name.startswith(typed)] + [name for name in names if typed in name]
    near += difflib.get_close_matches(typed, names, n=count, cutoff=0.5)
    few = [repr(name) for name in dict.fromkeys(near)][:count]
    return f" Did you mean {' or '.join(filter(None, (', '.join(few[:-1]), few[-1])))}?" if few else ""


def why_missing(run: Run, name: str) -> str:
    """Return why a run has no value of a metric of predictions or of last epochs; empty for other metrics."""
    if name.startswith(LAST_EPOCHS) and run.settings.get("last_epochs") is None:
        return "only its final weights were scored; means over epochs are for runs with --last-epochs"
    if name.startswith(LAST) and run.settings.get("select") != "best":
        return f"its only scores are those of its last epoch; {LAST} is for runs with --select best"
    if name.startswith(LAST) and not any(metric.startswith(LAST) for metric in run.metrics):
        return "recorded before its last epoch was scored, too; computed again with --force, it has them"
    if not is_prediction(name):
        return ""
    predictions = run.stored.result.get("last_predictions" if name.startswith(LAST) else "predictions")
    if not isinstance(predictions, dict) or not predictions:
        return "recorded before predictions were scored; computed again with --force, they have it"
    if "reason" in predictions:
        return str(predictions["reason"])
    return of_other_labels(name, str(predictions.get("of"))) or "undefined for want of images or of positives"
