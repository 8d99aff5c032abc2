"""Methods for several labels per image with the same number of tries, and beside tuned plain training by default."""

from __future__ import annotations

from matplotlib.figure import Figure
from pages.budget.search import RATE
from pages.budget.tuning import Tuning, chosen, gains, minus_tuned, tries, wins
from pages.comparison import SCENE
from pages.evidence import SAME_RATE, TUNED, Records, prose

TUNING = Tuning(SCENE, TUNED, "who-wins-tuned.png")
LEVEL = "[several labels](../several-labels.md)"
AT_DEFAULTS = ("sat", "jocor")


def several_tuned(_: Records) -> list[str]:
    """Return the page of tries and of what was chosen, whose records are files of their own."""
    plain = SCENE.plain
    rate = TUNING.searches[plain].where[RATE]
    same_rate = Records(TUNED, SAME_RATE)
    ran = sorted({str(run.settings["method"]) for run in Records(SAME_RATE).runs}, key=TUNING.others.index)
    return [
        "# Several labels per image: every method with the same number of tries, on `bluemarble`",
        "",
        *tries(TUNING, LEVEL),
        *chosen(TUNING, LEVEL),
        *gains(TUNING),
        f"## Defaults minus tuned `{plain}` of the same seed",
        "",
        *prose(
            f"The methods that lead {LEVEL} at their defaults, and `{plain}` by the recipe, run on the machine of the "
            "tries. Nothing was chosen for them."
        ),
        *minus_tuned(
            TUNING,
            TUNING.records,
            {name: TUNING.usual(name) for name in (plain, *AT_DEFAULTS)},
            "defaults",
        ),
        f"## At the learning rate of tuned `{plain}`",
        "",
        *prose(
            f"Methods with the learning rate that was chosen for `{plain}`, {rate}, and their defaults otherwise: what "
            "a method adds where plain training is at its best."
        ),
        *minus_tuned(
            TUNING,
            same_rate,
            {name: {**TUNING.usual(name), RATE: rate} for name in ran},
            "same learning rate",
        ),
    ]


def several_tuned_wins(_: Records) -> Figure:
    """Draw where tuned methods beat tuned plain training."""
    return wins(TUNING)
