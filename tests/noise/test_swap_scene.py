"""The paper's rule on scene labels: exact counts, what may become what, uniform draws, and degenerate archives."""

from __future__ import annotations

import itertools
from collections import Counter
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chisquare

from gridbench.errors import InputError
from gridbench.noise import corrupt_scene_labels, largest_slnir


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def label_matrices(max_samples: int = 12, max_classes: int = 7):
    shapes = st.tuples(st.integers(0, max_samples), st.integers(1, max_classes))
    return shapes.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 1)))


rates = st.one_of(
    st.integers(0, 100),
    st.decimals(0, 100, places=3),
    st.sampled_from(["0", "12.5", "33.333", "100"]),
)


def expected_count(labels: np.ndarray, slnir: object) -> int:
    return int(Fraction(str(slnir)) * int(labels.sum()) / 100)


@settings(max_examples=300, deadline=None)
@given(labels=label_matrices(), slnir=rates, seed=st.integers(0, 2**32))
def test_invariants(labels, slnir, seed):
    before = labels.copy()
    capacity = int(np.minimum(labels.sum(1), (1 - labels).sum(1)).sum())
    wanted = expected_count(labels, slnir)
    if wanted > capacity:
        with pytest.raises(InputError, match="The largest rate here is"):
            corrupt_scene_labels(labels, slnir, generator(seed))
        return
    result = corrupt_scene_labels(labels, slnir, generator(seed))
    np.testing.assert_array_equal(labels, before)
    assert result.labels.dtype == labels.dtype
    assert result.labels.shape == labels.shape
    assert not np.shares_memory(result.labels, labels)

    removed, added = (labels == 1) & (result.labels == 0), (labels == 0) & (result.labels == 1)
    assert removed.sum() == added.sum() == len(result.changed) == wanted
    np.testing.assert_array_equal(result.labels.sum(1), labels.sum(1))

    sample, old, new = result.changed.T
    assert labels[sample, old].all()
    assert not labels[sample, new].any()
    assert len(set(zip(sample, old, strict=True))) == len(set(zip(sample, new, strict=True))) == wanted
    rebuilt = labels.copy()
    rebuilt[sample, old], rebuilt[sample, new] = 0, 1
    np.testing.assert_array_equal(rebuilt, result.labels)
    assert result.changed.dtype == np.int64
    assert sorted(map(tuple, result.changed.tolist())) == list(map(tuple, result.changed.tolist()))

    assert result.level == "scene"
    assert result.positives.tolist() == labels.sum(0).tolist()
    assert result.affected.tolist() == removed.sum(0).tolist()
    assert result.noisy.tolist() == removed.any(1).tolist()
    if labels.any():
        assert result.realised == pytest.approx(100 * wanted / labels.sum())

    again = corrupt_scene_labels(labels, slnir, generator(seed))
    np.testing.assert_array_equal(again.changed, result.changed)


@settings(max_examples=100, deadline=None)
@given(labels=label_matrices())
def test_the_largest_rate_is_realisable_and_the_next_one_is_not(labels):
    largest = largest_slnir(labels)
    capacity = int(np.minimum(labels.sum(1), (1 - labels).sum(1)).sum())
    result = corrupt_scene_labels(labels, largest, generator())
    assert len(result.changed) <= capacity
    if largest < 100:
        assert expected_count(labels, largest + Decimal("0.01")) > capacity
        with pytest.raises(InputError):
            corrupt_scene_labels(labels, largest + Decimal("0.01"), generator())
    else:
        assert len(result.changed) == labels.sum()


def test_the_message_names_the_largest_rate_and_that_rate_works():
    labels = np.array([[1, 1, 1, 0], [1, 0, 0, 0]])
    with pytest.raises(
        InputError, match=r"change 4 of 4 labels, but only 2 can.*largest rate here is (74.99) "
    ) as error:
        corrupt_scene_labels(labels, 100, generator())
    assert "--slnir 74.99" in str(error.value)
    assert len(corrupt_scene_labels(labels, "74.99", generator()).changed) == 2


def test_a_full_rate_replaces_every_label_where_there_is_room():
    labels = np.array([[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]], dtype=bool)
    result = corrupt_scene_labels(labels, 100, generator())
    assert result.labels.dtype == bool
    assert not (result.labels & labels).any()
    assert result.labels[0].tolist() == [False, False, True, True]
    assert result.realised == 100


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int64, np.float32, np.float64])
def test_every_numeric_type_gives_the_same_result(dtype):
    labels = (generator(1).random((40, 9)) < 0.3).astype(np.uint8)
    expected = corrupt_scene_labels(labels, 40, generator(2))
    result = corrupt_scene_labels(labels.astype(dtype), 40, generator(2))
    assert result.labels.dtype == dtype
    np.testing.assert_array_equal(result.changed, expected.changed)
    np.testing.assert_array_equal(result.labels.astype(np.uint8), expected.labels)


def test_read_only_input_is_enough():
    labels = np.eye(4, dtype=np.uint8)
    labels.setflags(write=False)
    assert len(corrupt_scene_labels(labels, 50, generator()).changed) == 2


@pytest.mark.parametrize(
    "labels",
    [
        np.zeros((5, 4), int),
        np.zeros((0, 4), int),
        np.ones((3, 4), int),
        np.ones((3, 1), int),
        np.zeros((3, 1), int),
        np.eye(4, dtype=int),
    ],
)
def test_rate_zero_is_the_identity(labels):
    result = corrupt_scene_labels(labels, 0, generator())
    np.testing.assert_array_equal(result.labels, labels)
    assert result.changed.shape == (0, 3)
    assert result.realised == 0
    assert not result.noisy.any()


def test_one_class_cannot_be_swapped():
    with pytest.raises(InputError, match="only 0 can change"):
        corrupt_scene_labels(np.ones((10, 1), int), 10, generator())


def test_no_labels_at_all_take_any_rate():
    assert len(corrupt_scene_labels(np.zeros((5, 3), int), 100, generator()).changed) == 0
    assert largest_slnir(np.zeros((5, 3), int)) == 100


def test_an_image_with_all_classes_keeps_them():
    labels = np.array([[1, 1, 1], [1, 0, 0], [0, 1, 0]])
    for seed in range(20):
        result = corrupt_scene_labels(labels, 40, generator(seed))
        assert len(result.changed) == 2
        assert result.labels[0].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "slnir",
    [
        30,
        30.0,
        "30",
        "30.0",
        Decimal(30),
        Decimal("3e1"),
        np.int64(30),
        np.float64(30),
        0.1 + 29.9,
        0.3 * 100,
    ],
)
def test_ways_to_write_a_rate(slnir):
    labels = np.tile(np.eye(5, dtype=int), (2, 1))
    assert len(corrupt_scene_labels(labels, slnir, generator()).changed) == 3


@pytest.mark.parametrize(
    ("slnir", "count"), [(0.29 * 100, 29), (0.57 * 100, 57), (0.1 + 0.2, 0), (28.999, 28)]
)
def test_binary_fractions_do_not_decide(slnir, count):
    assert (
        len(corrupt_scene_labels(np.tile(np.eye(4, dtype=int), (25, 1)), slnir, generator()).changed) == count
    )


def test_a_tenth_and_two_tenths_are_three_tenths():
    labels = np.tile(np.eye(4, dtype=int), (250, 1))
    assert len(corrupt_scene_labels(labels, 0.1 + 0.2, generator()).changed) == 3
    assert len(corrupt_scene_labels(labels, 0.3, generator()).changed) == 3


@pytest.mark.parametrize("slnir", [-1, 100.5, "lots", None, True, float("nan"), float("inf"), "nan", [30]])
def test_bad_rates(slnir):
    with pytest.raises(InputError, match="allowed is a percentage from 0 to 100"):
        corrupt_scene_labels(np.eye(3), slnir, generator())


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[0, 1], [2, 0]], "hold 2 for class 0 of sample 1"),
        ([[0, 0.5]], "hold 0.5 for class 1 of sample 0"),
        ([[0, np.nan]], "hold nan"),
        ([[0, -1]], "hold -1"),
        ([0, 1], r"shape \(2,\)"),
        (np.zeros((2, 2, 2)), r"shape \(2, 2, 2\)"),
        ([["a", "b"]], "expected .samples, classes."),
    ],
)
def test_bad_labels(labels, message):
    with pytest.raises(InputError, match=message):
        corrupt_scene_labels(labels, 10, generator())


def assert_frequencies(counts: Counter, probabilities: dict, draws: int) -> None:
    assert set(counts) <= set(probabilities)
    keys = sorted(probabilities)
    observed, expected = [counts[key] for key in keys], [draws * probabilities[key] for key in keys]
    assert chisquare(observed, expected).pvalue > 1e-3


def test_every_set_of_pairs_is_equally_likely():
    labels = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [1, 0, 0, 0, 1], [0, 0, 0, 1, 0]])
    rng, draws = generator(3), 1500
    counts = Counter(
        tuple(map(tuple, corrupt_scene_labels(labels, 34, rng).changed[:, :2].tolist())) for _ in range(draws)
    )
    pairs = list(map(tuple, np.argwhere(labels).tolist()))
    sets = list(itertools.combinations(pairs, 2))
    assert_frequencies(counts, {each: 1 / len(sets) for each in sets}, draws)


def test_every_choice_of_new_classes_is_equally_likely():
    labels = np.array([[1, 0, 1, 0, 0, 0]])
    rng, draws = generator(4), 1500
    counts = Counter(
        tuple(corrupt_scene_labels(labels, 100, rng).changed[:, 2].tolist()) for _ in range(draws)
    )
    choices = list(itertools.permutations((1, 3, 4, 5), 2))
    assert_frequencies(counts, {each: 1 / len(choices) for each in choices}, draws)


def test_few_free_classes_among_many_are_drawn_uniformly():
    # With 3 of 60 classes free, most guesses fail, so the listing of free classes is what is tested.
    labels = np.ones((400, 60), dtype=int)
    labels[:, [7, 31, 59]] = 0
    result = corrupt_scene_labels(labels, "1.7", generator(5))
    counts = Counter(result.changed[:, 2].tolist())
    assert_frequencies(counts, dict.fromkeys((7, 31, 59), 1 / 3), len(result.changed))


def greedy_probabilities(labels: np.ndarray, count: int) -> dict:
    """Enumerate the stated rule: one pair after another, each uniform over those whose image still has room."""
    room = np.minimum(labels.sum(1), (1 - labels).sum(1))
    pairs = list(map(tuple, np.argwhere(labels).tolist()))
    reached = {(): Fraction(1)}
    for _ in range(count):
        following: Counter = Counter()
        for drawn, chance in reached.items():
            used = Counter(sample for sample, _ in drawn)
            open_pairs = [pair for pair in pairs if pair not in drawn and used[pair[0]] < room[pair[0]]]
            for pair in open_pairs:
                following[tuple(sorted((*drawn, pair)))] += chance / len(open_pairs)
        reached = following
    return {drawn: float(chance) for drawn, chance in reached.items()}


def test_crowded_images_follow_the_stated_rule():
    labels = np.array([[1, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]])
    rng, draws = generator(6), 2000
    counts = Counter(
        tuple(map(tuple, corrupt_scene_labels(labels, 50, rng).changed[:, :2].tolist())) for _ in range(draws)
    )
    probabilities = greedy_probabilities(labels, 3)
    assert sum(probabilities.values()) == pytest.approx(1)
    assert_frequencies(counts, probabilities, draws)


def test_other_states_of_the_generator_give_other_results():
    labels = (generator(7).random((60, 10)) < 0.3).astype(int)
    rng = generator(8)
    first, second = (corrupt_scene_labels(labels, 30, rng).changed for _ in range(2))
    assert first.shape == second.shape
    assert (first != second).any()


def test_the_global_generator_is_left_alone():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    corrupt_scene_labels(np.eye(5), 60, generator())
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_new_classes_at_bigearthnet_size():
    labels = (generator(9).random((20_000, 19)) < 0.153).astype(np.uint8)
    result = corrupt_scene_labels(labels, 60, generator(10))
    assert len(result.changed) == expected_count(labels, 60)
    sample, _, new = result.changed.T
    assert not labels[sample, new].any()
    np.testing.assert_array_equal(result.labels.sum(1), labels.sum(1))
