"""Declarations of the tables and figures of the GRID paper, from which their runs are derived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gridbench.errors import InputError, nearest
from gridbench.sweeps.grid import expand, values_of

__all__ = ["ARCHIVES", "EXHIBITS", "MODES", "Exhibit", "PaperArchive", "Part", "exhibit", "settings_of"]

Kind = Literal["sensitivity", "comparison", "detection", "ablation", "losses", "parameters"]
Part = Mapping[str, str]
"""Setting, or `parameters.NAME` -> its values as on the command line; a part is every combination of them."""

RATES = "0:60:10"
NOISY = "10:60:10"
LAMBDAS = "0:90:10"
MODES = "discriminative,generative,joint,hybrid"


@dataclass(frozen=True)
class Exhibit:
    """A table or figure of the paper.

    Attributes:
        name: Name on the command line.
        title: Title of the table or figure.
        kind: How it is shown.
        datasets: The archives that the paper shows it for.
        parts: Its runs, without data set and seeds; none where nothing is trained.
        reported: Number of the paper's table whose numbers belong beside it; empty for figures.
        said: What the paper says of it in words, where it prints no numbers; may be empty.
    """

    name: str
    title: str
    kind: Kind
    datasets: tuple[str, ...]
    parts: tuple[Part, ...]
    reported: str = ""
    said: str = ""


@dataclass(frozen=True)
class PaperArchive:
    """Properties of an archive of the paper, available before the archive is prepared (paper, Section IV-A).

    Attributes:
        images: Number of images.
        classes: Number of classes.
        bands: Number of bands that are used.
        side: Side of the images in pixels.
        bytes: Size of the packed archive with label maps, about.
        prepare: The command that packs it.
    """

    images: int
    classes: int
    bands: int
    side: int
    bytes: int
    prepare: str


ARCHIVES: Mapping[str, PaperArchive] = {
    "dlrsd": PaperArchive(
        2_100, 17, 3, 256, 551_000_000,
        "gridbench data prepare dlrsd --data DLRSD --data UCMerced_LandUse --name dlrsd",
    ),
    "bigearthnet": PaperArchive(
        14_832, 19, 10, 120, 2_563_000_000,
        "gridbench data prepare bigearthnet --data v1 --data v2 --pixels v1 --maps --split paper --name bigearthnet",
    ),
}  # fmt: skip


def _sensitivity(name: str, table: str, dataset: str, loss: str) -> Exhibit:
    part = {"method": "grid", "loss": loss, "slnir": RATES, "parameters.lambda": LAMBDAS}
    return Exhibit(
        name, f"GRID ({loss.upper()}) by lambda and SLNIR", "sensitivity", (dataset,), (part,), table
    )


def _scene(name: str, table: str, dataset: str) -> Exhibit:
    parts = (
        {"method": "bce,fl,asl", "slnir": RATES},
        {"method": "elr,jocor", "loss": "bce", "slnir": RATES},
        {"method": "grid", "loss": "bce", "slnir": RATES, "parameters.lambda": "20"},
    )
    return Exhibit(name, "methods that learn from scene labels", "comparison", (dataset,), parts, table)


def _pixel(name: str, table: str, dataset: str) -> Exhibit:
    parts = (
        {"method": "pce,rrl", "slnir": RATES},
        {"method": "lnc", "loss": "pce", "slnir": RATES},
        {"method": "grid", "loss": "pce,rrl", "slnir": RATES, "parameters.lambda": "10"},
    )
    return Exhibit(name, "methods that learn from label maps", "comparison", (dataset,), parts, table)


def _detection(name: str, dataset: str, loss: str) -> Exhibit:
    parts = (
        {"method": "grid", "loss": loss, "slnir": NOISY, "parameters.lambda": "slnir"},
        {"method": loss, "slnir": NOISY},
    )
    said = "GRID finds noisy samples more accurately than top-k by loss and than chance at almost all rates"
    title = f"noisy samples found by GRID ({loss.upper()}) by epoch"
    return Exhibit(name, title, "detection", (dataset,), parts, said=said)


_ABLATION = Exhibit(
    "figure-6",
    "GRID's reasoning: discriminative, generative, both jointly, hybrid",
    "ablation",
    ("dlrsd", "bigearthnet"),
    ({"method": "grid", "loss": "bce,pce,rrl", "slnir": RATES, "parameters.mode": MODES},),
    said="hybrid scores highest at most rates; generative lowest at most, and falls least with noise",
)

_LOSSES = Exhibit(
    "figure-7",
    "losses of GRID's heads over the epochs",
    "losses",
    ("bigearthnet",),
    ({"method": "grid", "loss": "bce,rrl", "slnir": RATES},),
    said="generative losses are higher and depend less on the noise rate; the hybrid's are lowest",
)

_COUNTS = Exhibit(
    "figure-8",
    "trainable parameters of each kind of reasoning",
    "parameters",
    ("bigearthnet",),
    (),
    said="the backbone has at least 85 % of the parameters; GRID has at most 7 % more than plain training",
)

EXHIBITS: Mapping[str, Exhibit] = {
    shown.name: shown
    for shown in (
        _sensitivity("table-1", "I", "dlrsd", "bce"),
        _sensitivity("table-2", "II", "bigearthnet", "bce"),
        _sensitivity("table-3", "III", "dlrsd", "pce"),
        _sensitivity("table-4", "IV", "bigearthnet", "pce"),
        _scene("table-5", "V", "dlrsd"),
        _scene("table-6", "VI", "bigearthnet"),
        _pixel("table-7", "VII", "dlrsd"),
        _pixel("table-8", "VIII", "bigearthnet"),
        _detection("figure-2", "dlrsd", "bce"),
        _detection("figure-3", "bigearthnet", "bce"),
        _detection("figure-4", "dlrsd", "pce"),
        _detection("figure-5", "bigearthnet", "pce"),
        _ABLATION,
        _LOSSES,
        _COUNTS,
    )
}
"""Tables I to VIII and Figures 2 to 8; Figure 1 is a drawing."""


def exhibit(name: str) -> Exhibit:
    """Return a table or figure by its name.

    Raises:
        InputError: There is none of that name.
    """
    if name not in EXHIBITS:
        raise InputError(
            f"The paper has no {name!r}.{nearest(name, EXHIBITS)} There are: {', '.join(EXHIBITS)}. "
            "`gridbench reproduce list` says what each needs."
        )
    return EXHIBITS[name]


def settings_of(
    shown: Exhibit, dataset: str, seeds: Sequence[str], base: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the settings of every run of a table or figure.

    Args:
        shown: The table or figure.
        dataset: The archive to run it on.
        seeds: The seeds.
        base: Settings that all runs share.
    """
    for part in shown.parts:
        axes = {name: values_of(values) for name, values in part.items()}
        yield from expand({**axes, "seed": list(seeds)}, {**base, "dataset": dataset})
