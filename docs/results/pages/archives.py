"""The leading methods on other archives: photographs of Dubai, their maps, and larger tiles with a larger network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pages.comparison import MAPS, REFERENCES, SCENE, Comparison
from pages.evidence import OTHER_ARCHIVES, TEST, Records, Where, mean, prose, table
from pages.leading import CHOSEN, CHOSEN_CELL
from pages.scored import minus_plain, orders, scores
from scipy.stats import kendalltau

RATES = (0, 30)


@dataclass(frozen=True)
class Elsewhere:
    """The leading methods for one level of labels on another archive.

    Attributes:
        title: Heading of its section.
        name: What its tables are called.
        about: What the archive and the recipe are.
        home: The comparison of all methods on `bluemarble`.
        where: Settings that its runs share.
        also: Name -> cell of further rows, which are no method of that comparison.
    """

    title: str
    name: str
    about: str
    home: Comparison
    where: Where
    also: Mapping[str, Where] = field(default_factory=dict)

    def rows(self, records: Records, names: list[str], rate: float) -> dict[str, Where]:
        """Return name -> cell of the methods that were run at this rate."""
        cells = {name: {"method": name, **self.where} for name in names}
        return {name: cell for name, cell in cells.items() if records.find(rate, **cell)}


PLACES: tuple[Elsewhere, ...] = (
    Elsewhere(
        title="Photographs of Dubai",
        name="Dubai",
        about="72 photographs of eight places in Dubai (MBRSC, annotated by Humans in the Loop) at half their "
        "resolution, in 5,535 tiles of 64 × 64 pixels with five classes, 2.5 of them in a tile on average; the places "
        "are split into 3,870 tiles for training, 540 and 1,125. What the places show differs: 46 % of the test pixels "
        "are water and 4 % of the training pixels. `test_resnet`, 20 epochs of 61 steps (as many steps as on "
        "`bluemarble`), otherwise the recipe of prepared archives, the paper's noise, convolutions in bfloat16 "
        "(`--precision bfloat16`).",
        home=SCENE,
        where={"dataset": "dubai", "kind": "scene"},
    ),
    Elsewhere(
        title="Label maps of Dubai",
        name="maps of Dubai",
        about="The same tiles with their maps. 600 of the tiles for training, 30 epochs, `test_resnet` at an output "
        "stride of 8 as on `bluemarble`, otherwise as above. The methods are the eight that are best on `bluemarble` "
        "by NDCG@20 on validation at SLNIR 30 ([label maps](label-maps.md)), GRID, and plain training.",
        home=MAPS,
        where={"dataset": "dubai", "kind": "pixel"},
    ),
    Elsewhere(
        title="Larger tiles and a larger network",
        name="bluemarble64",
        about="`bluemarble64`: the image and map of `bluemarble` in 828 tiles of 64 × 64 pixels (593 for training, 101 "
        "and 134; 4.0 labels in a tile), and `resnet18` from scratch, a network with 30 times as many weights as "
        "`test_resnet`. 40 epochs, otherwise the recipe of `bluemarble`, convolutions in bfloat16; plain training once "
        "more at the learning rate that validation chose on `bluemarble` ([budget](budget/several-labels.md)). "
        "Three seeds tell directions alone.",
        home=SCENE,
        where={"dataset": "bluemarble64", "learning_rate": "0.001"},
        also={CHOSEN: {**CHOSEN_CELL, "dataset": "bluemarble64"}},
    ),
)


def other_archives() -> list[str]:
    """Return the sections of every archive, and of what carries over to it."""
    records = Records(OTHER_ARCHIVES)
    (machine,) = records.machines()
    lines = prose("## Other archives", f"All of these runs were computed on {machine}.")
    carried = [row for place in PLACES for row in _carried(place, records)]
    for place in PLACES:
        lines += [f"## {place.title}", "", *prose(place.about)]
        for rate in RATES:
            lines += _at_rate(place, records, rate)
    lines += prose(
        "## What carries over from `bluemarble`",
        "How alike `bluemarble` and the other archive order the methods by their mean gain over plain training, and "
        "for how many of them that gain has the same sign.",
    )
    return lines + table(["", "Kendall's tau", "same sign"], carried)


def _at_rate(place: Elsewhere, records: Records, rate: int) -> list[str]:
    home = place.home
    rows = {**place.rows(records, home.names, rate), **place.also}
    references = place.rows(records, list(REFERENCES), rate)
    return [
        f"### SLNIR {rate}, {place.name}",
        "",
        *scores(records, {**rows, **references}, home.scores, rate),
        f"#### Minus `{home.plain}` of the same seed, SLNIR {rate}, {place.name}",
        "",
        *minus_plain(records, rows, home.plain, home.paired, rate),
        *orders(records, rows, (TEST, home.prediction), rate),
    ]


def _carried(place: Elsewhere, records: Records) -> list[list[str]]:
    """Return a row for each rate and score."""
    home = place.home
    found = []
    for rate in RATES:
        rows = place.rows(records, home.others, rate)
        plain = place.rows(records, [home.plain], rate)[home.plain]
        for title, metric in home.paired.items():
            gains = []
            for name, cell in rows.items():
                there = _gain(records, cell, plain, metric, rate)
                here = _gain(home.records, {"method": name}, {"method": home.plain}, metric, rate)
                if there is not None and here is not None:
                    gains.append((here, there))
            test = kendalltau(*zip(*gains, strict=True))
            same = sum((one > 0) == (other > 0) for one, other in gains)
            found.append(
                [
                    f"{place.name}, SLNIR {rate}, {title}",
                    f"{test.statistic:+.2f} (p = {test.pvalue:.2g})",
                    f"{same} of {len(gains)}",
                ]
            )
    return found


def _gain(
    records: Records, cell: Mapping[str, str], plain: Mapping[str, str], metric: str, rate: float
) -> float | None:
    """Return the mean paired difference, or nothing where one of both lacks the score."""
    one, other = (records.seeds(metric, rate, **where) for where in (cell, plain))
    both = one.keys() & other.keys()
    return mean({seed: one[seed] - other[seed] for seed in both}) if both else None
