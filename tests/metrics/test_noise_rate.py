"""The noise rate read off the surest predictions: known rates of made-up labels are found, and nothing breaks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbench.metrics.noise_rate import estimate_noise_rate


def labelled(count=3000, classes=12, seed=0):
    """Clean labels and the predictions of a model that is good, not perfect, and says nothing of noise."""
    rng = np.random.default_rng(seed)
    clean = rng.random((count, classes)) < rng.uniform(0.05, 0.4, classes)
    logits = np.where(clean, 2.0, -2.5) + rng.normal(0, 1.2, clean.shape)
    return clean.astype(np.uint8), 1 / (1 + np.exp(-logits)), rng


def corrupted(clean, rng, lost, added):
    """Take away a share `lost` of the labels, and add as many as a share `added` of them."""
    noisy = clean.copy()
    present, absent = np.flatnonzero(clean == 1), np.flatnonzero(clean == 0)
    noisy.flat[rng.choice(present, int(lost * len(present)), replace=False)] = 0
    noisy.flat[rng.choice(absent, int(added * len(present)), replace=False)] = 1
    return noisy


@pytest.mark.parametrize(
    ("lost", "added", "rate"),
    [
        (0.0, 0.0, 0.0),
        (0.2, 0.2, 0.2),
        (0.5, 0.5, 0.5),
        (0.3, 0.0, 0.3),
        (0.0, 0.4, 0.4),
        (0.4, 0.1, 0.4),
    ],
)
def test_known_rates_are_found(lost, added, rate):
    clean, probabilities, rng = labelled()
    found = estimate_noise_rate(corrupted(clean, rng, lost, added), probabilities, np.random.default_rng(1))
    assert found.rate == pytest.approx(rate, abs=0.06)
    assert found.missing == pytest.approx(lost, abs=0.06)
    assert found.wrong == pytest.approx(added / (1 - lost + added), abs=0.06)
    assert found.images == 3000


def test_a_hand_example():
    # Ten labels of fifty are given, so the surest 0.04 x 10, one prediction at least, tells of missing ones: it is
    # given, so none is missing. Of the least probable 15 one is given, each image counting the same.
    labels, probabilities = np.zeros((10, 5)), np.full((10, 5), 0.5)
    labels[:, 0], probabilities[:, 0] = 1, 0.8
    probabilities[0, 0] = 0.9
    probabilities[:5, 2:] = 0.1
    labels[0, 2] = 1
    found = estimate_noise_rate(labels, probabilities)
    assert found.missing == 0
    anyway = (1 / 3) / 5
    true = (11 / 50 - anyway) / (1 - anyway)
    assert found.wrong == pytest.approx(anyway * (1 - true) / (11 / 50))
    assert found.rate == pytest.approx(found.wrong / (1 - found.wrong))


def test_the_interval_holds_the_truth_and_narrows_with_more_images():
    widths = []
    for count in (500, 8000):
        clean, probabilities, rng = labelled(count)
        found = estimate_noise_rate(corrupted(clean, rng, 0.3, 0.3), probabilities, np.random.default_rng(1))
        low, high = found.rate_interval
        assert low <= 0.3 + 0.03
        assert high >= 0.3
        assert low <= found.rate <= high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_the_same_generator_gives_the_same_interval_and_none_gives_no_width():
    clean, probabilities, _ = labelled(200)
    one, other = (estimate_noise_rate(clean, probabilities, np.random.default_rng(3)) for _ in range(2))
    assert one == other
    bare = estimate_noise_rate(clean, probabilities)
    assert bare.rate == one.rate
    assert bare.rate_interval == (bare.rate, bare.rate)


@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (5, 3)])
def test_nothing_given_means_nothing_found(shape):
    found = estimate_noise_rate(np.zeros(shape), np.full(shape, 0.2), np.random.default_rng(0))
    assert (found.rate, found.missing, found.wrong) == (0, 0, 0)
    assert found.rate_interval == (0, 0)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(
            st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=n, max_size=n),
            st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=n, max_size=n),
        )
    )
)
def test_whatever_is_given_the_shares_are_shares(pair):
    labels, probabilities = np.array(pair[0], dtype=int), np.array(pair[1])
    found = estimate_noise_rate(labels, probabilities, np.random.default_rng(0), 5)
    for share in (found.rate, found.missing, found.wrong, *found.rate_interval):
        assert 0 <= share <= 1


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([[0, 1]], [[0.5]], "same"),
        ([0, 1], [0.5, 0.5], "expected"),
        ([[0, 2]], [[0.5, 0.5]], "0 and 1"),
        ([[0, 1]], [[0.5, 1.5]], "outside"),
        ([[0, 1]], [[0.5, float("nan")]], "outside"),
    ],
)
def test_bad_input_is_refused(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        estimate_noise_rate(np.array(labels), np.array(probabilities))
