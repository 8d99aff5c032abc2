"""Which labels `gridbench audit apply` changes: accepted ones, and the first of the list unseen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from gridbench.errors import InputError, counted

if TYPE_CHECKING:
    from gridbench.audit.audit import Audit
    from gridbench.datasets import Archive

__all__ = ["chosen_changes", "decided_labels"]


def decided_labels(
    found: Audit, archive: Archive, decisions: Path | None, kind: str, prefix: str, said: list[str]
) -> dict[tuple[int, int], str]:
    """Read the decisions of the page or of an annotation tool, and append their number to the messages."""
    from gridbench.audit.correction import ACCEPT, REJECT, UNSURE, read_decisions
    from gridbench.audit.exchange import import_decisions

    if decisions is None:
        return {}
    names = [archive.names[i] for i in found.positions]
    if kind == "page":
        replaced = (lambda i, label: found.replacements(i, label, True)) if found.exclusive else None
        decided = read_decisions(decisions, names, archive.class_names, found.given, replaced)
    else:
        decided = import_decisions(kind, decisions, found.given, names, archive.class_names, prefix)
    counts = {word: sum(each == word for each in decided.values()) for word in (ACCEPT, REJECT, UNSURE)}
    said.append(
        f"{decisions}: {counted(counts[ACCEPT], 'label')} to change, {counts[REJECT]} to keep, {counts[UNSURE]} unsure."
    )
    return decided


def chosen_changes(
    found: Audit,
    decided: Mapping[tuple[int, int], str],
    top: str | None,
    kind: str,
    beyond: bool,
    said: list[str],
) -> list[tuple[int, int]]:
    """Return the (image, class) pairs whose labels are flipped, and append the number of unreviewed ones."""
    from gridbench.audit.correction import ACCEPT, changes_of
    from gridbench.audit.expectation import leading

    chosen = {pair for pair, word in decided.items() if word == ACCEPT}
    if top is not None:
        ranked = found.ranked(kind)
        line = found.document["expected"]["change"]
        certain = set(changes_of(found.ranked().first(line)))
        if top == "auto":
            first = [pair for pair in changes_of(ranked.first(line)) if pair in certain]
        else:
            first = changes_of(ranked.first(_count(top, len(ranked))))
        if not beyond and not certain.issuperset(first):
            few = f"Of the list, only {leading(line, 'label')} {'is' if line == 1 else 'are'}"
            allowed = few if line else "No label of the list is"
            raise InputError(
                f"--top is {top!r}. {allowed} wrong with a probability that certainly exceeds one half; "
                "changing more unseen may break more labels than it mends. Decide about them on the page, "
                "take --top auto, or insist with --beyond-line."
            )
        unseen = [pair for pair in first if pair not in decided]
        mended = round(sum(float(found.scores[pair]) for pair in unseen))
        said.append(
            f"Changed unseen: {counted(len(unseen), 'label')}; expected to mend {mended} and to break "
            f"{len(unseen) - mended}."
        )
        chosen |= set(unseen)
    if found.exclusive:
        # An annotator who added another label to an image has already chosen the replacement.
        added = {i for i, c in chosen if not found.given[i, c]}
        chosen |= {(i, k) for i, c in chosen if i not in added for k in found.replacements(i, c, True)}
    return sorted(chosen)


def _count(text: str, total: int) -> int:
    """Read `N` or `P%` of `total`.

    Raises:
        InputError: It is neither, or more than there are.
    """
    count, percent = -1, text.endswith("%")
    number = text[:-1] if percent else text
    # What int and float read besides: digits of other scripts, 1_000, inf and blanks.
    if re.fullmatch(r"\d+(\.\d+)?" if percent else r"\d{1,18}", number, re.ASCII):
        share = Decimal(number) / 100
        count = int(total * share) if percent and share <= 1 else -1 if percent else int(number)
    if not 0 < count <= total:
        raise InputError(
            f"--top is {text!r}; allowed is a number from 1 to {total}, a share such as 5%, or auto."
        )
    return count
