"""Names as papers print them: every shipped method and loss has one, in tables, sentences and labels."""

import pytest

from gridbench.leaderboard.tables.display_names import (
    NAMES,
    as_printed,
    display_metric,
    display_name,
    row_label,
    sheet_as_printed,
)
from gridbench.leaderboard.tables.sheet import Sheet, SheetCell
from gridbench.methods.catalogue import CATALOGUE
from gridbench.methods.losses import BUILT_IN


def test_every_shipped_method_and_loss_has_a_name_in_print():
    assert {*CATALOGUE, *BUILT_IN} <= set(NAMES)
    assert len(set(NAMES.values())) == len(NAMES)


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (("grid", "bce"), "GRID (BCE)"),
        (("bce", "bce"), "BCE"),
        (("untrained", ""), "Untrained"),
        (("lnc [1]", "pce"), "LNC (PCE) [1]"),
        (("trimmed", "asl"), "trimmed (ASL)"),
    ],
)
def test_method_and_loss_make_one_name(names, label):
    assert row_label(names) == label


def test_other_settings_stand_beside_the_name():
    assert (
        row_label(("grid", "bce", "20", "joint"), ("method", "loss", "lambda", "mode"))
        == "GRID (BCE), λ 20, joint"
    )
    assert row_label(("30",), ("SLNIR (%)",)) == "SLNIR 30 %"
    assert len(row_label(("x" * 99, "bce"))) == 48


@pytest.mark.parametrize(
    ("metric", "printed"),
    [
        ("ndcg@20", "NDCG@20"),
        ("unseen/map@5", "mAP@5 (unseen queries)"),
        ("last/accuracy", "accuracy (last epoch)"),
        ("last/unseen/map@5", "mAP@5 (unseen queries, last epoch)"),
        ("last_epochs/accuracy", "accuracy (mean over the last epochs)"),
        ("noise/realised", "noise/realised"),
    ],
)
def test_metrics_in_print(metric, printed):
    assert display_metric(metric) == printed


def test_scores_of_predictions_are_printed_in_sentences():
    assert as_printed("validation/ece (percent) of grid") == "ECE (validation) (percent) of GRID"
    assert as_printed("last/miou (percent)") == "mIoU (last epoch) (percent)"
    assert as_printed("last_epochs/ece") == "ECE (mean over the last epochs)"
    assert as_printed("balanced_accuracy, f1_macro_tuned") == "balanced accuracy, macro F1 (tuned thresholds)"
    assert as_printed("its accuracy and hamming") == "its accuracy and hamming"


def test_words_of_english_paths_and_commands_stay():
    for text in ("a random choice", "grids", "runs/grid", "`run --method grid`", "ndcg", "a role"):
        assert as_printed(text) == text
    assert display_name("random") == "Random"


def test_a_sheet_has_method_and_loss_in_one_column():
    sheet = Sheet(
        "dlrsd · labels scene", "ndcg@20 (percent)", ("method", "loss", "lambda"), ("verdict", "p (Holm)"),
        ((("grid [1]", "bce", "20"), (SheetCell("1"), SheetCell("2"))),), notes=("[1] grid differs",),
    )  # fmt: skip
    printed = sheet_as_printed(sheet)
    assert (printed.title, printed.caption) == ("DLRSD · scene labels", "NDCG@20 (percent)")
    assert (printed.headings, printed.columns) == (("Method", "λ"), ("Verdict", "p (Holm)"))
    assert printed.lines[0][0] == ("GRID (BCE) [1]", "20")
    assert printed.notes == ("[1] GRID differs",)
