"""Class-dependent noise: transition tables as files, as estimates, and as what labels really become."""

from __future__ import annotations

import heapq
from collections import Counter
from decimal import Decimal

import numpy as np
import pytest
from cleanlab.benchmarking.noise_generation import generate_noisy_labels
from scipy.stats import chisquare

from gridbench.errors import InputError
from gridbench.noise import estimate_transition
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.transition import checked_table, read_table, replace_by_table, replace_by_weight
from gridbench.registry import NOISE


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def random_labels(samples: int, classes: int) -> np.ndarray:
    return (generator().random((samples, classes)) < 0.3).astype(np.uint8)


def by_table(path: object = "") -> object:
    model_class = NOISE.get("class_dependent")
    return model_class(model_class.Parameters(table=str(path)))


def test_labels_move_as_the_table_says(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("clean,a,b,c,d\na,0,3,1,0\nb,0,1,0,0\nc,1,0,1,0\nd,0,0,0,0\n")
    labels = np.eye(4, dtype=int)[generator(8).integers(0, 4, 4000)]
    result = by_table(path).scene(labels, 20, generator(9))
    moves = Counter(map(tuple, result.changed[:, 1:].tolist()))
    assert set(moves) == {(0, 1), (0, 2), (2, 0)}
    # Of class 0 all are to move, three quarters of them to class 1, of class 2 one half.
    of_zero, of_two = labels.sum(0)[0], labels.sum(0)[2] / 2
    shares = np.array([0.75 * of_zero, 0.25 * of_zero, of_two]) / (of_zero + of_two)
    np.testing.assert_allclose([moves[0, 1], moves[0, 2], moves[2, 0]], 800 * shares, atol=1)


def test_a_table_at_its_own_rate_is_realised_as_cleanlab_realises_it(tmp_path):
    table = np.array([[0.1, 0.9, 0], [0.1, 0.9, 0], [0.25, 0.25, 0.5]])
    counts = np.array([4000, 4000, 2000])
    classes = np.repeat(np.arange(3), counts)
    np.savetxt(tmp_path / "table.csv", table, delimiter=",")
    own = 100 * ((1 - table.diagonal()) * counts).sum() / counts.sum()
    assert own == pytest.approx(50)
    ours = by_table(tmp_path / "table.csv").scene(np.eye(3, dtype=int)[classes], 50, generator())
    np.testing.assert_allclose(estimate_transition(np.eye(3)[classes], ours.labels), table, atol=1e-12)
    with np.errstate(all="ignore"):
        theirs = generate_noisy_labels(classes, table.T)
    np.testing.assert_allclose(estimate_transition(np.eye(3)[classes], np.eye(3)[theirs]), table, atol=1e-3)


@pytest.mark.parametrize("rate", [1, 10, 50, 80, 90])
def test_numbers_of_every_class_are_in_proportion_at_any_rate_until_a_class_is_used_up(tmp_path, rate):
    table = np.array([[0.1, 0.9], [0.1, 0.9]])
    np.savetxt(tmp_path / "table.csv", table, delimiter=",")
    labels = np.eye(2, dtype=int)[np.repeat([0, 1], 500)]
    moved = by_table(tmp_path / "table.csv").scene(labels, rate, generator()).affected
    wanted = 10 * rate
    assert moved.sum() == wanted
    assert moved.tolist() == pytest.approx([min(0.9 * wanted, 500), wanted - min(0.9 * wanted, 500)], abs=1)


def test_several_labels_an_image_follow_the_table_as_far_as_their_images_allow(tmp_path):
    labels = (generator(3).random((3000, 6)) < 0.25).astype(np.uint8)
    table = checked_table(generator(4).random((6, 6)))
    np.savetxt(tmp_path / "table.csv", table, delimiter=",")
    result = by_table(tmp_path / "table.csv").scene(labels, 20, generator(5))
    weights = table * labels.sum(0)[:, None]
    np.fill_diagonal(weights, 0)
    moves = np.zeros((6, 6))
    np.add.at(moves, (result.changed[:, 1], result.changed[:, 2]), 1)
    np.testing.assert_allclose(moves, len(result.changed) * weights / weights.sum(), atol=1)


def test_which_labels_of_a_class_move_is_drawn_uniformly(tmp_path):
    np.savetxt(tmp_path / "table.csv", [[0, 1], [0, 1]], delimiter=",")
    labels, rng = np.eye(2, dtype=int)[[0, 0, 0, 0, 1, 1]], generator(6)
    model = by_table(tmp_path / "table.csv")
    drawn = Counter(int(row) for _ in range(1000) for row in model.scene(labels, 34, rng).changed[:, 0])
    assert set(drawn) == {0, 1, 2, 3}
    assert chisquare(list(drawn.values())).pvalue > 1e-3


def test_weighted_offers_follow_their_weights():
    labels = np.array([[1, 0, 0], [0, 1, 0]])
    rng = generator(10)
    source = np.array([3.0, 1.0])
    first = Counter(
        int(
            replace_by_weight(
                labels, Decimal(50), source, lambda s, c: np.ones((len(s), 3)), "", rng
            ).changed[0, 0]
        )
        for _ in range(2000)
    )
    assert chisquare([first[0], first[1]], [1500, 500]).pvalue > 1e-3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3,4\n", "is of 2 classes, but the labels have 5"),
        ("1,2,3\n4,5,6\n", "one row and one column per class"),
        ("1,2\n3\n", "not a table of numbers"),
        ("a,b\nc,d\n", "not a table of numbers|one row and one column"),
        ("", "one row and one column per class"),
        ("\n".join(["1,1,1,1,-1"] * 5), "holds -1 in row 0, column 4"),
        ("\n".join(["1,1,nan,1,1"] * 5), "holds nan in row 0, column 2"),
        ("\n".join(["1,1,inf,1,1"] * 5), "holds inf"),
    ],
)
def test_a_transition_table_that_is_none(text, message, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        by_table(path).scene(random_labels(9, 5), 10, generator())


def test_a_missing_table():
    with pytest.raises(InputError, match=r"needs a transition table: --noise-parameter table=FILE\.csv"):
        by_table().scene(random_labels(9, 5), 10, generator())
    with pytest.raises(InputError, match="cannot be read"):
        by_table("nowhere.csv").scene(random_labels(9, 5), 10, generator())


def test_a_table_that_moves_nothing():
    labels = np.eye(25, dtype=int)
    with pytest.raises(InputError, match=r"is 0 \(--slnir 0\)"):
        replace_by_weight(
            labels, Decimal(50), np.zeros(25), lambda s, c: np.ones((len(s), 25)), "", generator()
        )


def test_tables_are_read_with_and_without_names(tmp_path):
    expected = [[0.5, 0.5], [0, 1]]
    for text in (
        "1,1\n0,4\n",
        "a,b\n1,1\n0,4\n",
        ",a,b\na,1,1\nb,0,4\n",
        "a,1,1\nb,0,4\n\n",
        "\ufeff1,1\r\n0,4\r\n",
    ):
        (tmp_path / "table.csv").write_text(text, encoding="utf-8")
        assert read_table(tmp_path / "table.csv").tolist() == expected
    assert checked_table([[0, 0], [1, 1]]).tolist() == [[1, 0], [0.5, 0.5]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",a,b\nb,1,1\na,0,4\n", "has the rows b, a and the columns a, b. Bring both into one order"),
        ("from,a,b,c\na,1,0,0\nb,0,1,0\nd,0,0,1\n", "has the rows a, b, d and the columns a, b, c"),
        ("0.9,0.3\n0.1,0.7\n", "columns .* sum to 1, and its rows do not"),
    ],
)
def test_tables_whose_rows_may_be_others_are_refused(tmp_path, text, message):
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_table(tmp_path / "table.csv")


@pytest.mark.parametrize(
    "text", ["sand,water,Roads\n2,1,1\n0,4,0\n0,1,3\n", "sand,2,1,1\nwater,0,4,0\nRoads,0,1,3\n"]
)
def test_a_table_that_names_the_classes_in_another_order_is_refused(tmp_path, text):
    (tmp_path / "table.csv").write_text(text)
    labels = np.eye(3, dtype=int)[generator(11).integers(0, 3, 600)]
    given = LabelSet(3, labels, class_names=("roads", "sand", "water"))
    with pytest.raises(
        InputError, match=r"has the row 'sand' where the class 'roads' is expected.*classes=1,2,0$"
    ):
        by_table(tmp_path / "table.csv").apply(given, "10", generator(), "scene")
    said = NOISE.get("class_dependent")
    placed = said(said.Parameters(str(tmp_path / "table.csv"), "1,2,0")).apply(
        given, "10", generator(), "scene"
    )
    assert set(map(tuple, placed.changed[:, 1:].tolist())) <= {(1, 2), (1, 0), (0, 2)}
    named = LabelSet(3, labels, class_names=("sand", "water", "Roads"))
    assert by_table(tmp_path / "table.csv").apply(
        named, "10", generator(), "scene"
    ).realised == pytest.approx(10)


def test_transitions_are_estimated():
    clean = np.array([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    noisy = np.array([[0, 1, 0], [1, 0, 0], [0, 1, 1], [0, 0, 0]])
    # Of three labels of class 0 one became 1 and one became 2; a label of class 1 was removed and is left out.
    np.testing.assert_allclose(estimate_transition(clean, noisy), [[1 / 3] * 3, [0, 1, 0], [0, 0, 1]])
    assert estimate_transition(clean, clean).tolist() == np.eye(3).tolist()
    two = estimate_transition([[1, 1, 0, 0]], [[0, 0, 1, 1]])
    np.testing.assert_allclose(two[:2], [[0, 0, 0.5, 0.5]] * 2)
    with pytest.raises(InputError, match=r"shape \(4, 3\) and the noisy ones \(1, 3\)"):
        estimate_transition(clean, noisy[:1])


def test_an_estimated_table_reproduces_the_noise(tmp_path):
    labels = np.eye(4, dtype=int)[generator(11).integers(0, 4, 5000)]
    path = tmp_path / "table.csv"
    np.savetxt(path, [[6, 2, 1, 1], [0, 8, 2, 0], [1, 0, 9, 0], [0, 0, 0, 1]], delimiter=",")
    noisy = by_table(path).scene(labels, 15, generator(12)).labels
    estimate = estimate_transition(labels, noisy)
    np.savetxt(path, estimate, delimiter=",")
    again = by_table(path).scene(labels, 15, generator(13)).labels
    np.testing.assert_allclose(estimate_transition(labels, again), estimate, atol=1e-3)


def moved_one_by_one(labels, count, moves, rng):
    """Move labels by a table as its rule says: whichever pair of classes is due next moves one label."""
    taken, changed = labels != 0, []
    samples, classes = np.nonzero(taken)
    order = rng.permutation(len(samples))
    waiting = [samples[order][classes[order] == c].tolist() for c in range(labels.shape[1])]
    weights = moves * np.array([[len(queue)] for queue in waiting])
    due = [(0.5 / float(weights[pair]), *pair, 0) for pair in map(tuple, np.argwhere(weights > 0))]
    heapq.heapify(due)
    while due and len(changed) < count:
        _, before, after, moved = heapq.heappop(due)
        sample = next((sample for sample in waiting[before] if not taken[sample, after]), None)
        if sample is not None:
            waiting[before].remove(sample)
            taken[sample, after] = True
            changed.append((int(sample), int(before), int(after)))
            heapq.heappush(due, ((moved + 1.5) / float(weights[before, after]), before, after, moved + 1))
    return sorted(changed)


@pytest.mark.parametrize("seed", range(40))
def test_labels_move_in_the_order_in_which_the_pairs_are_due(seed):
    rng = generator(seed)
    classes = int(rng.integers(2, 8))
    labels = (rng.random((50, classes)) < rng.choice([0.1, 0.3, 0.7])).astype(np.uint8)
    # Whole numbers make pairs due at the same time, tiny ones a pair that is never due before others have ended.
    table = rng.integers(0, 3, (classes, classes)) * rng.choice([1, 1e-310], (classes, classes))
    moves = checked_table(table)
    np.fill_diagonal(moves, 0)
    most = len(moved_one_by_one(labels, labels.sum(), moves, generator(seed)))
    for count in (most // 3, most):
        percent = Decimal(100 * count) / Decimal(max(1, int(labels.sum())))
        result = replace_by_table(labels, percent, moves, "why", generator(seed))
        wanted = len(result.changed)
        assert count - 1 <= wanted <= count
        assert result.changed.tolist() == [
            list(row) for row in moved_one_by_one(labels, wanted, moves, generator(seed))
        ]
