"""Plain training for one label per image at ten learning rates, and methods at their defaults beside it."""

from __future__ import annotations

from pages.budget.search import RATE, USUAL
from pages.budget.tuning import Tuning, minus_tuned, tries
from pages.comparison import SINGLE
from pages.evidence import SINGLE_LABELS, TUNED_SINGLE, Records, prose

TUNING = Tuning(SINGLE, TUNED_SINGLE, "")
LEVEL = "[single labels](../single-labels.md)"


def one_tuned(_: Records) -> list[str]:
    """Return the page of tries and of what was chosen, whose records are a file of their own."""
    plain = SINGLE.plain
    return [
        f"# One label per image: `{plain}` with a learning rate of its own, on `bluemarble`",
        "",
        *tries(TUNING, LEVEL),
        f"## Defaults minus tuned `{plain}` of the same seed",
        "",
        *prose(
            f"All methods of {LEVEL} at their defaults, for which nothing was chosen, and on the same machine."
        ),
        *minus_tuned(
            TUNING,
            Records(TUNED_SINGLE, *SINGLE_LABELS),
            {name: {"method": name, RATE: USUAL} for name in SINGLE.names},
            "defaults",
        ),
    ]
