"""Consistency check of records: recompute scores from the underlying data in the record."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gridbench.core.zip_files import read_arrays
from gridbench.errors import InputError, reason_of
from gridbench.evaluation.scores import LAST, LAST_EPOCHS, mean_over_epochs
from gridbench.metrics.detection import detection_scores
from gridbench.noise.core.manifest import Manifest
from gridbench.records.record import StoredRun, is_group

__all__ = ["is_ranked", "outside_of_classes", "wrong_numbers"]

# Scores of single queries are kept as float32, whose rounding moves a mean of rates by at most 2**-24.
TOLERANCE = 1e-6
PREFIXES = {"test": "", "validation": "validation/", "unseen": "unseen/"}
PREFIXES |= {f"last.{split}": f"last/{prefix}" for split, prefix in PREFIXES.items()}
SCORED = {"validation/": "val", "": "test"}
PREDICTED = {"predictions": "", "last_predictions": "last/"}
"""Entry of a result with the scores of single classes -> what the names of its metrics begin with."""
MACRO_MEANS = {
    "average_precision": "map_macro",
    "f1": "f1_macro",
    "f1_tuned": "f1_macro_tuned",
    "iou": "miou",
    "recall": "balanced_accuracy",
}
# Counted over all classes at once, each is an average of the scores of single classes with unknown weights: the
# accuracy of their recall, weighted by images; F1, to which the share of right pixels is equal where every pixel is
# of one class, weighted by what is predicted or true.
BETWEEN = {
    "accuracy": "recall",
    "f1_micro": "f1",
    "f1_micro_tuned": "f1_tuned",
    "pixel_accuracy": "f1",
}
_RANKED = re.compile(r"(?:last/)?(?:validation/|unseen/)?(?:ndcg|map|precision|recall)@(?:\d+|r)")
_SCORES = re.compile(r"(?:last\.)?(?:test|validation|unseen)\.(?:ndcg|map|precision|recall)@(?:\d+|r)")


def is_ranked(metric: str) -> bool:
    """Return whether a metric is a score of retrieval, which has a value for each query."""
    return _RANKED.fullmatch(metric) is not None


def wrong_numbers(stored: StoredRun, needed: bool = False) -> list[str]:
    """Recompute the scores of a finished record from the underlying data, as far as the record contains them.

    Retrieval scores follow from per-query scores, macro means from per-class scores, detection scores from the model's
    scores of each image and label, the noise from the list of changes, and the last epoch from the history.

    Args:
        stored: A finished record whose files are those that its `done` lists.
        needed: Whether the underlying data must be present, as for records submitted by others.

    Returns:
        Descriptions of the inconsistencies; empty for a consistent record.
    """
    reasons: list[str] = []
    if needed and "retrieval.npz" not in stored.hashes:
        reasons.append("retrieval.npz is missing, so its scores cannot be computed again")
    checks = (_retrieval, _predictions, _detection, _noise, _history, *((_unfounded,) if needed else ()))
    for check in checks:
        try:
            reasons += check(stored)
        # Errors caused by untrusted files; any other error is a bug in gridbench, not a reason to reject a record.
        except (OSError, ValueError) as error:
            reasons.append(f"{check.__name__[1:]}: {reason_of(error)}")
    return reasons


def _retrieval(stored: StoredRun) -> Iterator[str]:
    metrics = stored.result["metrics"]
    if "retrieval.npz" not in stored.hashes:
        return
    arrays = read_arrays(stored.folder / "retrieval.npz", _SCORES.fullmatch)
    found = {}
    for key, values in arrays.items():
        tag, _, name = key.rpartition(".")
        rates = values.ndim == 1 and len(values) > 0 and values.dtype.kind in "fiu"
        if not rates or not bool(((values >= 0) & (values <= 1 + TOLERANCE)).all()):
            yield f"{key}: the scores of single queries must be from 0 to 1"
            continue
        found[PREFIXES[tag] + name] = float(values.mean(dtype=np.float64))
    for name in (name for name in metrics if is_ranked(name)):
        if name not in found:
            yield f"{name} is {metrics[name]:.6g}, and there are no scores of single queries for it"
        elif not math.isclose(metrics[name], found[name], rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield f"{name} is {metrics[name]:.6g}, but the scores of its queries have the mean {found[name]:.6g}"
    if not any(name.startswith("ndcg@") for name in found):
        yield "retrieval.npz holds no NDCG of single queries"


def _predictions(stored: StoredRun) -> Iterator[str]:
    metrics = stored.result["metrics"]
    for prefix, classes in _scores_of_classes(stored):
        for name, values in classes.items():
            metric = prefix + MACRO_MEANS[name]
            known = [value for value in values if value is not None]
            if metric not in metrics or not known:
                continue
            recorded, mean = metrics[metric], math.fsum(known) / len(known)
            if not math.isclose(recorded, mean, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
                yield f"{metric} is {recorded:.6g}, but the scores of its classes have the mean {mean:.6g}"
        yield from outside_of_classes(metrics, prefix, classes)


def _scores_of_classes(stored: StoredRun) -> Iterator[tuple[str, dict[str, list[float | None]]]]:
    """Yield the prefix of every group of metrics of predictions, with the scores of single classes by name."""
    for entry, lead in PREDICTED.items():
        for prefix, split in SCORED.items():
            yield lead + prefix, _of_classes(stored.result.get(entry), split)


def outside_of_classes(
    metrics: Mapping[str, float], prefix: str, classes: Mapping[str, Sequence[float | None]]
) -> Iterator[str]:
    """Yield the scores over all classes that no weights give from the scores of single ones.

    Args:
        metrics: Name -> score from 0 to 1.
        prefix: What the names of a split begin with.
        classes: Name -> C scores, None for a class without a positive.
    """
    for metric, name in BETWEEN.items():
        values, recorded = classes.get(name) or [], metrics.get(prefix + metric)
        known = [value for value in values if value is not None]
        if recorded is None or not known:
            continue
        # Predictions of an absent class lower F1 and leave recall unchanged.
        low = 0.0 if len(known) < len(values) and name != "recall" else min(known)
        if not low - TOLERANCE <= recorded <= max(known) + TOLERANCE:
            yield (
                f"{prefix}{metric} is {recorded:.6g}, but the {name} of its classes is from {low:.6g} to "
                f"{max(known):.6g}"
            )


def _of_classes(document: Any, split: str) -> dict[str, list[float | None]]:
    """Return the scores of single classes that a result has for a split.

    Raises:
        ValueError: They are not lists of numbers under the names of scores.
    """
    if document is None:
        return {}
    if not is_group(document, 1) or not is_group(document.get(split), 1):
        raise ValueError("they are not of the form that results have")
    scores = (document.get(split) or {}).get("per_class") or {}
    if not isinstance(scores, dict) or not scores.keys() <= MACRO_MEANS.keys():
        raise ValueError("the scores of classes have unknown names")
    for values in scores.values():
        numbers: list[Any] = (
            [value for value in values if value is not None] if isinstance(values, list) else [None]
        )
        if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in numbers):
            raise ValueError("the scores of classes are not numbers")
        if not all(0 <= value <= 1 + TOLERANCE for value in numbers):
            raise ValueError("the scores of classes must be from 0 to 1")
    return scores


def _detection(stored: StoredRun) -> Iterator[str]:
    document = stored.result.get("sample_detection") or {}
    kept = _kept(stored)
    for level in ("image", "label"):
        truth = kept.get(f"{level}.wrong")
        for way, scores in (document.get(level) or {}).items():
            values = kept.get(f"{level}.{way}")
            if truth is None or values is None or scores is None:
                continue
            again = detection_scores(truth, values, kept.get(f"{level}.{way}.selected"))
            yield from _differences(f"sample_detection/{level}/{way}", scores, again)


def _kept(stored: StoredRun) -> dict[str, np.ndarray[Any, Any]]:
    kept = stored.detection() if "detection.npz" in stored.hashes else {}
    for name, values in kept.items():
        if values.dtype.kind not in "bfiu":
            raise ValueError(f"{name} in detection.npz holds no numbers")
    return kept


def _epochs(stored: StoredRun) -> list[dict[str, Any]]:
    rows: Any = stored.epochs() if "history.json" in stored.hashes else []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("history.json is not a list of epochs")
    return rows


def _noise(stored: StoredRun) -> Iterator[str]:
    recorded = stored.result.get("noise") or {}
    if not {"noise.json", "noise.npz"} <= stored.hashes.keys():
        return
    try:
        summary = Manifest.load(stored.folder).summary()
    except InputError as error:
        yield f"noise: {error}"
        return
    for name in ("realised", "sha256"):
        if name in recorded and recorded[name] != summary[name]:
            yield f"noise/{name} is {recorded[name]!r}, but the list of changes gives {summary[name]!r}"


def _history(stored: StoredRun) -> Iterator[str]:
    rows = _epochs(stored)
    for name in ("detection", "loss_detection"):
        recorded, last = stored.result.get(name), rows[-1].get(name) if rows else None
        if isinstance(recorded, Mapping) and isinstance(last, Mapping):
            yield from _differences(name, recorded, last)
    if "history.json" in stored.hashes:
        yield from _means_over_epochs(stored, rows)


def _means_over_epochs(stored: StoredRun, rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    metrics, wanted = stored.result["metrics"], stored.config["config"].get("last_epochs")
    recorded = {name: value for name, value in metrics.items() if name.startswith(LAST_EPOCHS)}
    scored = [row["scores"] for row in rows if "scores" in row]
    if not all(is_group(scores, 1) for scores in scored):
        raise ValueError("the scores of an epoch are not of the form that histories have")
    if recorded and rows and len(scored) != wanted:
        yield f"{len(scored)} epochs of history.json have scores, and the settings ask for {wanted} (last_epochs)"
        return
    # What trains nothing has the same scores after every epoch.
    again = mean_over_epochs(rows) if rows else {LAST_EPOCHS + name: value for name, value in metrics.items()}
    for name in recorded:
        if name not in again:
            yield f"{name} has a value, and the epochs of history.json have none"
    yield from _differences("metrics", recorded, again)
    if scored:
        lead = LAST if stored.result.get("best_epoch") is not None else ""
        final = {name: metrics.get(lead + name) for name in scored[-1]}
        yield from _differences("scores of the last epoch", scored[-1], final)


def _unfounded(stored: StoredRun) -> Iterator[str]:
    """Yield the scores of predictions and detection that the record keeps nothing to compute from."""
    for prefix, classes in _scores_of_classes(stored):
        for name, metric in (*MACRO_MEANS.items(), *((name, metric) for metric, name in BETWEEN.items())):
            score = prefix + metric
            # F1 and the share of right pixels have other classes in records of scene labels and of label maps.
            if score in stored.result["metrics"] and not any(
                value is not None for value in classes.get(name, [])
            ):
                yield f"{score} has a value, and result.json has no {name} of single classes"
    kept = _kept(stored)
    for level in ("image", "label"):
        for way, scores in ((stored.result.get("sample_detection") or {}).get(level) or {}).items():
            # Random rankings follow from the seed and are not stored.
            needed = {f"{level}.wrong"} | ({f"{level}.{way}"} - {f"{level}.random"})
            if scores is not None and not needed <= kept.keys():
                yield f"sample_detection/{level}/{way} has scores, and detection.npz holds nothing to compute them from"
            unknown = (scores or {}).keys() - detection_scores([True]).keys()
            if unknown:
                yield f"sample_detection/{level}/{way} has scores of unknown names: {', '.join(sorted(unknown)[:3])}"
    rows = _epochs(stored)
    for name in ("detection", "loss_detection"):
        if stored.result.get(name) and not (rows and rows[-1].get(name)):
            yield f"{name} has scores, and the last epoch of history.json has none"


def _differences(where: str, recorded: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[str]:
    for name in recorded.keys() & again.keys():
        one, other = recorded[name], again[name]
        both = isinstance(one, int | float) and isinstance(other, int | float)
        if not (math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE) if both else one == other):
            yield f"{where}/{name} is {one!r}, but what it is made of gives {other!r}"
