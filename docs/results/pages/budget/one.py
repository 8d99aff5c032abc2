"""Methods for one label per image with the same number of tries, and beside tuned plain training by default."""

from __future__ import annotations

from matplotlib.figure import Figure
from pages.budget.tuning import Tuning, chosen, gains, minus_tuned, tries, wins
from pages.comparison import SINGLE
from pages.evidence import TUNED_SINGLE, Records, prose

TUNING = Tuning(SINGLE, TUNED_SINGLE, "who-wins-tuned-single.png")
LEVEL = "[single labels](../single-labels.md)"


def one_tuned(_: Records) -> list[str]:
    """Return the page of tries and of what was chosen, whose records are a file of their own."""
    plain = SINGLE.plain
    return [
        "# One label per image: every method with the same number of tries, on `bluemarble`",
        "",
        *tries(TUNING, LEVEL),
        *chosen(TUNING, LEVEL),
        *gains(TUNING),
        f"## Defaults minus tuned `{plain}` of the same seed",
        "",
        *prose(
            f"All methods of {LEVEL} at their defaults, for which nothing was chosen, and on the same machine."
        ),
        *minus_tuned(
            TUNING,
            SINGLE.records,
            {name: TUNING.usual(name) for name in SINGLE.names},
            "defaults",
        ),
    ]


def one_tuned_wins(_: Records) -> Figure:
    """Draw where tuned methods beat tuned plain training."""
    return wins(TUNING)
