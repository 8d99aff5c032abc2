"""Confident learning over several labels: against cleanlab, and by hand."""

import numpy as np
import pytest
from cleanlab.filter import find_label_issues
from cleanlab.multilabel_classification.filter import find_multilabel_issues_per_class
from cleanlab.rank import get_label_quality_scores
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbench.metrics import confident_learning


def noisy_labels(seed, n=120, classes=6, wrong=0.15):
    rng = np.random.default_rng(seed)
    truth = rng.random((n, classes)) < np.linspace(0.1, 0.7, classes)
    probabilities = np.clip(np.where(truth, 0.75, 0.2) + 0.2 * rng.standard_normal(truth.shape), 0.001, 0.999)
    return (truth ^ (rng.random(truth.shape) < wrong)).astype(np.uint8), probabilities


@pytest.mark.parametrize("seed", range(5))
def test_the_same_entries_are_found_as_by_cleanlab(seed):
    labels, probabilities = noisy_labels(seed)
    listed = [list(np.flatnonzero(row)) for row in labels]
    theirs = find_multilabel_issues_per_class(listed, probabilities, filter_by="confident_learning", n_jobs=1)
    ours = confident_learning(labels, probabilities).found
    assert ours.any()
    np.testing.assert_array_equal(ours, np.asarray(theirs, dtype=bool))


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_cleanlab_with_thresholds_taken_off(seed):
    labels, probabilities = noisy_labels(seed)
    score = confident_learning(labels, probabilities).score
    for c in range(labels.shape[1]):
        two = np.stack([1 - probabilities[:, c], probabilities[:, c]], 1)
        quality = get_label_quality_scores(
            labels[:, c].astype(int), two, method="self_confidence", adjust_pred_probs=True
        )
        np.testing.assert_allclose(1 - score[:, c], quality, atol=1e-12)


def test_by_hand():
    labels = np.array([[1], [1], [0], [0]])
    probabilities = np.array([[0.9], [0.1], [0.2], [0.8]])
    result = confident_learning(labels, probabilities)
    # Both sides have mean self-confidence 0.5, which 0.9 (absent) and 0.8 (present) reach against the label.
    np.testing.assert_allclose(result.thresholds, [[0.5], [0.5]])
    assert result.found[:, 0].tolist() == [False, True, False, True]
    np.testing.assert_allclose(result.score[:, 0], [0.1, 0.9, 0.2, 0.8])


def test_a_class_that_no_image_or_every_image_has_gives_no_finding():
    labels = np.zeros((4, 2), dtype=int)
    labels[:, 1] = 1
    probabilities = np.array([[0.9, 0.1]] * 4)
    result = confident_learning(labels, probabilities)
    assert not result.found.any()
    assert np.isfinite(result.score).all()
    # One class alone still has two sides.
    assert confident_learning([[1], [0]], [[0.2], [0.7]]).found.tolist() == [[True], [True]]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 5))
def test_properties(seed, n, classes):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (n, classes))
    probabilities = rng.random((n, classes)).round(1)
    result = confident_learning(labels, probabilities)
    assert not (result.found & ((probabilities > 0.5) == (labels == 1)) & (probabilities != 0.5)).any()
    assert ((result.score >= -1e-12) & (result.score <= 1 + 1e-12)).all()
    flipped = confident_learning(1 - labels, 1 - probabilities)
    np.testing.assert_allclose(flipped.score, result.score, atol=1e-12)
    order = rng.permutation(n)
    np.testing.assert_array_equal(
        confident_learning(labels[order], probabilities[order]).found, result.found[order]
    )


@pytest.mark.parametrize(
    ("labels", "probabilities", "words"),
    [
        (np.zeros((3, 2)), np.zeros((3, 3)), "shape"),
        (np.zeros(3), np.zeros(3), "shape"),
        (np.full((2, 2), 2), np.zeros((2, 2)), "allowed are 0 and 1"),
        (np.zeros((2, 2)), np.full((2, 2), 1.5), "outside 0 to 1"),
        (np.zeros((2, 2)), np.full((2, 2), np.nan), "outside 0 to 1"),
    ],
)
def test_bad_input_is_refused(labels, probabilities, words):
    with pytest.raises(ValueError, match=words):
        confident_learning(labels, probabilities)


@pytest.mark.parametrize("seed", range(5))
def test_of_one_label_an_image_the_same_is_found_as_by_cleanlab(seed):
    rng = np.random.default_rng(seed)
    truth, logits = rng.integers(0, 5, 200), rng.standard_normal((200, 5))
    logits[np.arange(200), truth] += 1.5
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    classes = np.where(rng.random(200) < 0.2, rng.integers(0, 5, 200), truth)
    one_hot = np.eye(5, dtype=np.uint8)[classes]
    ours = confident_learning(one_hot, probabilities, exclusive=True)
    theirs = find_label_issues(classes, probabilities, filter_by="confident_learning", n_jobs=1)
    np.testing.assert_array_equal(ours.found.any(1), theirs)
    assert theirs.any()
    assert not (ours.found & (one_hot == 0)).any()
    quality = get_label_quality_scores(
        classes, probabilities, method="self_confidence", adjust_pred_probs=True
    )
    np.testing.assert_allclose(1 - ours.score.max(1), quality, atol=1e-12)


def test_of_one_label_an_image_by_hand():
    probabilities = np.array([[0.8, 0.1, 0.1], [0.3, 0.4, 0.3], [0.2, 0.7, 0.1], [0.1, 0.5, 0.4]])
    result = confident_learning(np.eye(3)[[0, 0, 1, 1]], probabilities, exclusive=True)
    # Of class 2 there is no label, and so nothing can be found to be of it.
    np.testing.assert_allclose(result.thresholds, [[0.55, 0.6, 2.0]])
    assert not result.found.any()
    probabilities[1] = [0.2, 0.7, 0.1]
    found = confident_learning(np.eye(3)[[0, 0, 1, 1]], probabilities, exclusive=True).found
    assert found.tolist() == [[False] * 3, [True, False, False], [False] * 3, [False] * 3]
