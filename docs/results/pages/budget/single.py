"""Methods for one label per image with the same number of tries, and beside tuned plain training by default."""

from __future__ import annotations

from matplotlib.figure import Figure
from pages.budget.tuning import Tuning, page_of, wins
from pages.comparison import SINGLE
from pages.evidence import TUNED_SINGLE, Records

TUNING = Tuning(SINGLE, TUNED_SINGLE, "who-wins-tuned-single.png")
LEVEL = "[single labels](../single-labels.md)"


def single_tuned(_: Records) -> list[str]:
    """Return the page of tries and of what was chosen, whose records are a file of their own."""
    title = "# One label per image: every method with the same number of tries, on `bluemarble`"
    return [title, "", *page_of(TUNING, LEVEL)]


def single_tuned_wins(_: Records) -> Figure:
    """Draw where tuned methods beat tuned plain training."""
    return wins(TUNING)
