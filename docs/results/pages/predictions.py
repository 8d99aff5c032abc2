"""Every method and loss of the tables of scene labels and label maps: how well its head predicts beside retrieval."""

from __future__ import annotations

from pages.evidence import ASL, FL, PREDICTIONS, RESOLVED, TEST, UNSEEN, Records, Where, prose
from pages.scored import Rows, Scores, minus_plain, orders, scores
from pages.tables import PIXEL, SCENE

ONCE: dict[str, Where] = {
    f"{method} + {loss['loss']}": {"method": method, "loss": loss["loss"]}
    for method in ("elr", "jocor", "grid")
    for loss in (FL, ASL)
}
"""Combinations that the leaderboard has with one seed."""
LEVELS: tuple[tuple[str, str, Rows, Rows, Scores, str], ...] = (
    (
        "Scene labels",
        "bce",
        {name: SCENE[name] for name in ("bce", "fl", "asl", "elr", "jocor", "grid (lambda 20)")}
        | {"grid_auto (ours)": {"method": "grid_auto", "loss": "bce"}, **ONCE},
        {
            "oracle": {"method": "oracle", "loss": "bce"},
            **{name: SCENE[name] for name in ("untrained", "random")},
        },
        {
            "NDCG@20": TEST,
            "NDCG@20, unseen queries": UNSEEN,
            "mAP": "map_macro",
            "macro F1": "f1_macro",
            "macro F1, tuned": "f1_macro_tuned",
            "ECE": "ece",
            "remembered": "memorised",
        },
        "map_macro",
    ),
    (
        "Label maps",
        "pce",
        {**PIXEL, "jocor + pce": {"method": "jocor", "loss": "pce"}},
        {},
        {
            "NDCG@20": TEST,
            "NDCG@20, unseen queries": UNSEEN,
            "mIoU": "miou",
            "pixel accuracy": "pixel_accuracy",
            "remembered pixels": "memorised_pixels",
            "mAP": "map_macro",
        },
        "miou",
    ),
)
"""Title, row that trains plainly, trained rows, references, scores, and the score of predictions that orders."""


def predictions(_: Records) -> list[str]:
    """Return the page; its records are a file of their own, of the one machine that computed them."""
    records = Records(PREDICTIONS)
    (machine,) = {run.machine for run in records.runs}
    lines = prose(
        "# Predictions beside retrieval, on `bluemarble`",
        "Percent, mean ± sample standard deviation over n seeds; every method and loss of the [tables of scene labels "
        "and label maps](methods.md) at its documented defaults, the paper's noise. The records of those tables were "
        "made before predictions were scored, so these are runs of their own, on one machine "
        f"({machine}), by the default recipes ([recipes](../recipes.md)) with the images in memory as channels last "
        "and the fused kernel of Adam (`--memory-format channels_last --fused`).",
        "NDCG is of the descriptors. mAP (mean over classes of the average precision), macro F1 (labels at 0.5; tuned: "
        "thresholds chosen by class on validation), ECE, mIoU and pixel accuracy are of the head against clean test "
        "labels. `remembered` is the share of injected wrong labels that the trained network predicts. `oracle` trains "
        "on the clean labels; `untrained` and `random` have no head. RRL's head predicts which classes an image shows, "
        "not where, so it has mAP in place of mIoU.",
        RESOLVED,
    )
    for title, plain, trained, references, metrics, prediction in LEVELS:
        for rate in (0, 30, 60):
            if not records.find(rate, **trained[plain]):
                continue
            rows = {name: where for name, where in trained.items() if records.find(rate, **where)}
            lines += [f"## {title}, SLNIR {rate}", "", *scores(records, rows | references, metrics, rate)]
            ranked = {
                heading: metric for heading, metric in metrics.items() if metric in (TEST, UNSEEN, prediction)
            }
            lines += [f"### {title}, SLNIR {rate}: minus `{plain}` of the same seed", ""]
            lines += minus_plain(records, rows, plain, ranked, rate)
            lines += orders(records, rows, (TEST, prediction), rate)
    return lines
