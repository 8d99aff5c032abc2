"""Registry of annotation formats, with export of an audit to a file and import of decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gridbench.audit.audit import Audit
from gridbench.audit.correction import ACCEPT, REJECT, UNSURE
from gridbench.audit.exchange.coco import COCO
from gridbench.audit.exchange.cvat import CVAT
from gridbench.audit.exchange.fiftyone import FIFTYONE
from gridbench.audit.exchange.images import Format, ImageNames, Labelled, Suspected, Task
from gridbench.audit.exchange.label_studio import LABEL_STUDIO
from gridbench.audit.ranking import Suspects
from gridbench.core.files import LARGEST_TABLE, read_bytes
from gridbench.datasets import Archive
from gridbench.errors import InputError, nearest, reason_of

__all__ = ["EXCHANGE_FORMATS", "export_suspects", "import_decisions"]

EXCHANGE_FORMATS: Mapping[str, Format] = {
    "label-studio": LABEL_STUDIO,
    "cvat": CVAT,
    "coco": COCO,
    "fiftyone": FIFTYONE,
}


def export_suspects(
    name: str, audit: Audit, archive: Archive, suspects: Suspects, prefix: str = "", suffix: str = ""
) -> bytes:
    """Return suspicious labels as a file of an annotation tool, the image with the most suspicious one first.

    Args:
        name: Name of the format.
        audit: The audit.
        archive: The archive that it is of.
        suspects: Suspicious labels, the most suspicious first.
        prefix: Prefix of the image names, such as the address at which the tool finds them.
        suffix: Suffix of the image names, such as .png.
    """
    found: dict[int, Task] = {}
    classes = archive.class_names
    for at in range(len(suspects)):
        i, c = int(suspects.samples[at]), int(suspects.labels[at])
        if i not in found:
            image = archive.names[audit.positions[i]]
            given = [classes[k] for k in np.flatnonzero(audit.given[i])]
            found[i] = Task(image, f"{prefix}{image}{suffix}", archive.image_size, given)
        score = float(suspects.scores[at])
        found[i].suspects.append(Suspected(classes[c], bool(suspects.wrong[at]), score))
        if audit.exclusive:
            found[i].suspects.extend(
                Suspected(classes[k], False, score) for k in audit.replacements(i, c, True)
            )
    return EXCHANGE_FORMATS[name].write(list(found.values()), list(classes), str(audit.document["id"]))


def import_decisions(
    name: str,
    path: Path,
    given: Any,
    names: Sequence[str],
    class_names: Sequence[str],
    prefix: str = "",
) -> dict[tuple[int, int], str]:
    """Read what was labelled in an annotation tool as decisions about the audited labels.

    A label that differs from the given one is an accepted change. One that stays is a rejected suspicion where the
    file says that an annotator has finished the image, else no decision. Where annotators disagree it is unsure.

    Args:
        name: Name of the format.
        path: The file.
        given: (N, C) audited labels.
        names: Names of the audited images.
        class_names: Names of the classes.
        prefix: Prefix of the image names in the file.

    Returns:
        (image, class) -> `"accept"`, `"reject"` or `"unsure"`.

    Raises:
        InputError: The file cannot be read, or names an unknown image or class.
    """
    try:
        found = EXCHANGE_FORMATS[name].read(path, read_bytes(path, LARGEST_TABLE))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f"The {name} file {str(path)!r} cannot be read: {reason_of(error, path)}.") from None
    if not found:
        raise InputError(f"{path} holds no image that somebody has labelled, so there is nothing to apply.")
    places = ImageNames(str(path), names, prefix)
    classes = {label: c for c, label in enumerate(class_names)}
    decisions: dict[tuple[int, int], str] = {}
    seen: dict[int, str] = {}
    for each in found:
        i = places.find(each.name)
        if i in seen:
            raise InputError(f"{path}: {each.name!r} and {seen[i]!r} are the same image, {names[i]!r}.")
        seen[i] = each.name
        _check_classes(path, each, classes)
        for label, c in classes.items():
            changed = {(label in labels) != bool(given[i][c]) for labels in each.labels}
            if len(changed) > 1:
                decisions[i, c] = UNSURE
            elif changed == {True}:
                decisions[i, c] = ACCEPT
            elif each.finished:
                decisions[i, c] = REJECT
    return decisions


def _check_classes(path: Path, each: Labelled, classes: Mapping[str, int]) -> None:
    for label in sorted(frozenset().union(*each.labels)):
        if label not in classes:
            raise InputError(
                f"{path}: {each.name!r} has the label {label!r:.80}, which is not a class of the archive."
                f"{nearest(label, classes)} A correction cannot add classes."
            )
