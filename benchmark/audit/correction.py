"""Correction of scene labels by decisions about suspicious labels, in memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.audit.ranking import Suspects
from gridbench.core.csv_files import as_written
from gridbench.core.json_files import parse_json
from gridbench.datasets.readers.tables.rows import read_text
from gridbench.errors import InputError, nearest, reason_of

__all__ = [
    "ACCEPT",
    "REJECT",
    "UNSURE",
    "changes_of",
    "check_once",
    "correct",
    "read_decisions",
    "replacement",
    "table_lines",
]

Array = npt.NDArray[Any]
Change = tuple[int, int]

ACCEPT, REJECT, UNSURE = "accept", "reject", "unsure"
WRONG, MISSING = "wrong", "missing"
"""Kinds of suspicious labels: given ones, and others."""
COLUMNS = ("sample", "label", "decision")
PROBABLE = 0.5
"""Probability above which an absent class is suggested."""


def correct(labels: Array, changes: Iterable[Change]) -> Array:
    """Return a copy of labels (N, C) in which the given (image, class) entries are flipped."""
    corrected = labels.copy()
    for sample, label in changes:
        corrected[sample, label] = 1 - (labels[sample, label] != 0)
    return corrected


def changes_of(suspects: Suspects) -> list[Change]:
    """Return the (image, class) pairs of suspicious labels."""
    return list(zip(suspects.samples.tolist(), suspects.labels.tolist(), strict=True))


def replacement(
    given: Array, probabilities: Array, label: int, wrong: bool, exclusive: bool = False
) -> list[int]:
    """Return the classes that an image should have instead of a wrong label, or the one that it lacks.

    Args:
        given: (C,) the image's labels.
        probabilities: (C,) how probable each class is according to the model.
        label: The suspicious class.
        wrong: Whether it is given.
        exclusive: Whether the image has exactly one label.

    Returns:
        For a missing label that class; for a wrong one the classes that the model predicts (above one half) and that
        are not given, the most probable first; often none. With one label per image the most probable other class.
    """
    if exclusive:
        return [int(np.where(given != 0, -1.0, probabilities).argmax())]
    if not wrong:
        return [label]
    absent = np.flatnonzero((given == 0) & (probabilities > PROBABLE))
    return [int(c) for c in absent[np.argsort(-probabilities[absent], kind="stable")]]


def read_decisions(
    path: Path,
    names: Sequence[str],
    class_names: Sequence[str],
    given: Array,
    replaced: Callable[[int, int], Sequence[int]] | None = None,
) -> dict[Change, str]:
    """Read decisions that the page exported: a .csv or .json of sample, label, decision and, if it says so, kind.

    Of single labels it may say `becomes`, too: the class that was suggested in the place of the label.

    Args:
        path: The file.
        names: Names of the audited images.
        class_names: Names of the C classes.
        given: (N, C) the audited labels.
        replaced: Of an image and its wrong single label, the classes that take its place; None for scene labels.

    Returns:
        (image, class) -> `"accept"`, `"reject"` or `"unsure"`.

    Raises:
        InputError: The file cannot be read, names an unknown image, class or decision, decides twice about a label, or
            states that a label is given that is not, or that another class takes its place than here.
    """
    places = {name: i for i, name in enumerate(names)}
    classes = {name: i for i, name in enumerate(class_names)}
    decisions: dict[Change, str] = {}
    for row in _rows(path):
        sample, label, decision = (str(row[column]) for column in COLUMNS)
        if sample not in places:
            raise InputError(f"{path}: there is no image {sample!r} in this audit.{nearest(sample, places)}")
        if label not in classes:
            raise InputError(f"{path}: there is no class {label!r}.{nearest(label, classes)}")
        if decision not in (ACCEPT, REJECT, UNSURE):
            raise InputError(f"{path}: the decision {decision!r} must be {ACCEPT}, {REJECT} or {UNSURE}.")
        pair = places[sample], classes[label]
        check_once(path, f"the label {label!r} of {sample!r}", decisions.setdefault(pair, decision), decision)
        kind = WRONG if given[pair] else MISSING
        if row.get("kind") not in (None, "", kind):
            raise InputError(
                f"{path}: {label!r} of {sample!r} has the kind {str(row['kind'])!r:.40}, but this audit's label "
                f"{'is given' if kind == WRONG else 'is not given'}, so it can only be {kind}. Are these decisions of "
                "another audit, such as one of the labels before they were corrected?"
            )
        becomes = row.get("becomes") or ""
        if replaced is not None and decision == ACCEPT and given[pair] and becomes:
            here = ", ".join(class_names[c] for c in replaced(*pair))
            if becomes != here:
                raise InputError(
                    f"{path}: {label!r} of {sample!r} should become {str(becomes)!r:.60}, but in this audit "
                    f"{here!r}. Give the folder of the audit that these decisions are of, or decide again."
                )
    return decisions


def check_once(path: Path, what: str, before: str, decision: str) -> None:
    """Refuse two decisions about the same thing that differ.

    Raises:
        InputError: They differ.
    """
    if before != decision:
        raise InputError(f"{path}: about {what} there are two decisions, {before} and {decision}. Keep one.")


def table_lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a CSV table by the names of its columns; lines of empty cells are left out.

    A spreadsheet may have saved it again since the page wrote it, with semicolons or tabs, or as UTF-16.

    Raises:
        InputError: It cannot be read, or is not text.
        ValueError: A line has more cells than the header, or two columns have one name.
    """
    text = read_text(path)
    header = text.partition("\n")[0]
    mark = next((mark for mark in ",;\t" if mark in header), ",")
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=mark)
    names = [name for name in reader.fieldnames or () if name]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two columns are called {twice!r}")
    lines = list(reader)
    for number, line in enumerate(lines, 1):
        if None in line:
            raise ValueError(f"row {number} has more cells than the header")
    return [line for line in lines if any(line.values())]


def _rows(path: Path) -> list[Mapping[str, Any]]:
    try:
        if path.suffix.lower() == ".json":
            content = parse_json(read_text(path).encode())
            rows = content.get("decisions") if isinstance(content, dict) else None
        else:
            rows = [
                {key: as_written(value) if isinstance(value, str) else value for key, value in line.items()}
                for line in table_lines(path)
            ]
        if not isinstance(rows, list) or not all(
            isinstance(row, dict) and set(COLUMNS) <= row.keys() for row in rows
        ):
            raise ValueError(f"it lacks the columns {', '.join(COLUMNS)}")
        if not rows:
            raise ValueError("it holds no decision")
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, csv.Error, RecursionError) as error:
        raise InputError(f"The decisions {str(path)!r} cannot be read: {reason_of(error, path)}.") from None
    return rows
