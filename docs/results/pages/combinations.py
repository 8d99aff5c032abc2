"""Some pairs of a method and a loss with five seeds: those of the paper with its losses."""

from __future__ import annotations

from collections.abc import Mapping

from pages.evidence import BCE, PCE, PREDICTIONS, RESOLVED, RRL, TEST, UNSEEN, Records, Where, prose
from pages.scored import Scores, minus_plain, scores

RATE = 30
SCENE: dict[str, Where] = {
    "bce": BCE,
    **{
        f"{method} + {loss}": {"method": method, "loss": loss}
        for method in ("elr", "jocor", "grid")
        for loss in ("bce", "fl", "asl")
    },
}
MAPS: dict[str, Where] = {
    "pce": PCE,
    "rrl": RRL,
    **{f"grid + {loss}": {"method": "grid", "loss": loss} for loss in ("pce", "rrl")},
}
RETRIEVED = {"NDCG@20": TEST, "NDCG@20, unseen queries": UNSEEN, "mAP": "map_macro"}
LEVELS: tuple[tuple[str, Mapping[str, Where], Scores], ...] = (
    (
        "Scene labels",
        SCENE,
        {
            **RETRIEVED,
            "macro F1": "f1_macro",
            "macro F1, tuned": "f1_macro_tuned",
            "ECE": "ece",
            "predicted": "predicted_prevalence",
            "remembered": "memorised",
        },
    ),
    ("Label maps", MAPS, {**RETRIEVED, "mIoU": "miou", "remembered pixels": "memorised_pixels"}),
)
"""Title, rows of which the first trains plainly, and scores."""


def with_five_seeds() -> list[str]:
    """Return the section; its records are a file of their own, of the one machine that computed them."""
    records = Records(PREDICTIONS)
    (machine,) = records.machines()
    lines = prose(
        f"## The paper's methods with its losses, five seeds, SLNIR {RATE}",
        f"Mean ± sample standard deviation over n seeds; computed on {machine}, and paired among themselves alone. "
        "`macro F1, tuned` is at thresholds that were chosen for each class on validation images.",
        RESOLVED,
    )
    for title, rows, columns in LEVELS:
        plain = next(iter(rows))
        ranked = {heading: metric for heading, metric in columns.items() if heading in RETRIEVED}
        lines += [f"### {title}", "", *scores(records, rows, columns, RATE)]
        lines += [f"### {title}: minus `{plain}` of the same seed", ""]
        lines += minus_plain(records, rows, plain, ranked, RATE)
    return lines
