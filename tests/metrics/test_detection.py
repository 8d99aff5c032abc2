"""Detection of mislabelled images: hand examples, scikit-learn, exact shares, and what is undefined."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from gridbench import metrics

KEYS = {
    "precision",
    "recall",
    "f1",
    "accuracy",
    "selected_share",
    "auroc",
    "average_precision",
    "prevalence",
}


def test_by_hand():
    truth = [True, True, False, False, False]
    result = metrics.detection_scores(truth, [0.9, 0.2, 0.2, 0.1, 0.0], [1, 0, 1, 0, 0])
    assert set(result) == KEYS
    assert result["precision"] == 1 / 2
    assert result["recall"] == 1 / 2
    assert result["f1"] == 1 / 2
    assert result["accuracy"] == 3 / 5
    assert result["prevalence"] == result["selected_share"] == 2 / 5
    # The second noisy image ties with one clean image and beats two of three.
    assert result["auroc"] == pytest.approx((3 + 2.5) / 6)
    assert result["average_precision"] == pytest.approx((1 + 2 / 3) / 2)


SELECTIONS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(rows=SELECTIONS)
def test_the_kept_images_are_scored_as_scikit_learn_scores_clean_images_that_are_found(rows):
    truth, selected = (np.array(column) for column in zip(*rows, strict=True))
    kept = metrics.kept_scores(metrics.detection_scores(truth, selected=selected))
    undefined = {"label_precision": selected.all(), "label_recall": truth.all()}
    expected = {
        "label_precision": precision_score(~truth, ~selected, zero_division=0),
        "label_recall": recall_score(~truth, ~selected, zero_division=0),
    }
    for name, value in kept.items():
        assert value is None if undefined[name] else value == pytest.approx(expected[name], abs=1e-12)
        assert value is None or 0 <= value <= 1


def test_without_a_selection_no_images_are_kept():
    scores = metrics.detection_scores([True, False], [0.9, 0.1])
    assert metrics.kept_scores(scores) == {"label_precision": None, "label_recall": None}
    assert metrics.kept_scores({}) == {"label_precision": None, "label_recall": None}


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.booleans(), st.integers(-3, 3), st.booleans()), min_size=2, max_size=40
    ).filter(lambda rows: len({row[0] for row in rows}) == 2 and any(row[2] for row in rows))
)
def test_they_equal_scikit_learn(rows):
    truth, score, selected = (np.array(column) for column in zip(*rows, strict=True))
    result = metrics.detection_scores(truth, score, selected)
    assert result["precision"] == pytest.approx(precision_score(truth, selected))
    assert result["recall"] == pytest.approx(recall_score(truth, selected))
    assert result["f1"] == pytest.approx(f1_score(truth, selected))
    assert result["accuracy"] == pytest.approx(accuracy_score(truth, selected))
    assert result["auroc"] == pytest.approx(roc_auc_score(truth, score))
    assert result["average_precision"] == pytest.approx(average_precision_score(truth, score))


def test_a_constant_score_is_worth_a_guess():
    truth = np.arange(100) % 5 == 0
    result = metrics.detection_scores(truth, np.full(100, 0.3))
    assert result["auroc"] == 0.5
    assert result["average_precision"] == result["prevalence"] == 0.2


def test_infinite_scores_are_ranked():
    result = metrics.detection_scores([True, False, False], [math.inf, 0.0, -math.inf])
    assert result["auroc"] == result["average_precision"] == 1


@pytest.mark.parametrize(
    ("truth", "score", "selected", "undefined"),
    [
        ([True, False], None, None, KEYS - {"prevalence"}),
        ([True, False], [1, 0], None, {"precision", "recall", "f1", "accuracy", "selected_share"}),
        ([True, False], [1, 0], [False, False], {"precision"}),
        ([False, False], [1, 0], [True, False], {"recall", "auroc", "average_precision"}),
        ([False, False], [1, 0], [False, False], {"precision", "recall", "f1", "auroc", "average_precision"}),
        ([True, True], [1, 0], [True, False], {"auroc"}),
        ([], [], [], KEYS),
    ],
)
def test_what_is_undefined_is_none(truth, score, selected, undefined):
    result = metrics.detection_scores(truth, score, selected)
    assert {key for key, value in result.items() if value is None} == undefined
    assert not any(value is not None and math.isnan(value) for value in result.values())


def test_tensors_are_taken():
    truth, score = torch.tensor([True, False]), torch.tensor([0.1, 0.2], requires_grad=True)
    assert metrics.detection_scores(truth, score, torch.tensor([True, True]))["auroc"] == 0
    assert metrics.top_share(score, 50).tolist() == [False, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([True, False], [0.1]), r"expected numbers \(2,\)"),
        (([True, False], [0.1, math.nan]), "score of image 1 is not a number"),
        (([True, False], ["a", "b"]), "expected numbers"),
        (([True, False], None, [True]), r"selection has shape \(1,\); expected \(2,\)"),
        (([0, 2],), "truth holds values other than 0 and 1"),
        (([[True]],), r"truth has shape \(1, 1\)"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        metrics.detection_scores(*arguments)


@pytest.mark.parametrize(
    ("count", "percent", "selected"),
    [
        (10, 30, 3),
        (10, 30.0, 3),
        (100, 29, 29),
        (100, 0.29 * 100, 29),
        (100, 57, 57),
        (1000, 0.3, 3),
        (1000, "0.3", 3),
        (1000, Decimal("0.3"), 3),
        (1000, np.float64(0.3), 3),
        (1000, np.float32(0.1), 1),
        (1000, np.int64(7), 70),
        (10, 9.999, 0),
        (10, 0, 0),
        (10, 100, 10),
        (0, 50, 0),
        (7, 50, 3),
    ],
)
def test_top_share_is_an_exact_number(count, percent, selected):
    score = np.random.default_rng(0).random(count)
    mask = metrics.top_share(score, percent)
    assert mask.sum() == selected
    assert mask.shape == (count,)
    if 0 < selected < count:
        assert score[mask].min() > score[~mask].max()


def test_top_share_breaks_ties_by_lower_index():
    assert metrics.top_share([1, 2, 2, 2, 0], 40).tolist() == [False, True, True, False, False]
    assert metrics.top_share(np.zeros(10, np.uint8), 30).nonzero()[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("percent", [-1, 100.1, math.nan, math.inf, "ten", None, True])
def test_top_share_refuses_other_percentages(percent):
    with pytest.raises(ValueError, match=r"percent is .*; allowed is a percentage from 0 to 100"):
        metrics.top_share([1.0, 2.0], percent)


def test_top_share_refuses_scores_that_are_not_numbers():
    with pytest.raises(ValueError, match="not a number"):
        metrics.top_share([1.0, math.nan], 50)
