"""Methods for label maps with the same number of tries, and beside tuned plain training by default."""

from __future__ import annotations

from matplotlib.figure import Figure
from pages.budget.tuning import Tuning, page_of, wins
from pages.comparison import MAPS
from pages.evidence import TUNED_MAPS, Records

TUNING = Tuning(MAPS, TUNED_MAPS, "who-wins-tuned-maps.png")
LEVEL = "[label maps](../label-maps.md)"


def maps_tuned(_: Records) -> list[str]:
    """Return the page of tries and of what was chosen, whose records are a file of their own."""
    title = "# Label maps: every method with the same number of tries, on `bluemarble`"
    return [title, "", *page_of(TUNING, LEVEL)]


def maps_tuned_wins(_: Records) -> Figure:
    """Draw where tuned methods beat tuned plain training."""
    return wins(TUNING)
