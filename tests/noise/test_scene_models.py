"""Scene-level noise models: what holds for all of them, and what is each one's own."""

from __future__ import annotations

import re
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
from gridbench.noise import Manifest, estimate_transition
from gridbench.noise.transition import checked_table, read_table, replace_by_weight
from gridbench.parameters import parse
from gridbench.registry import NOISE

MODELS = ("missing", "extra", "mixed", "grouped", "class_dependent", "confusable", "instance", "swap")
CLASSES = 5


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def random_labels(samples: int, classes: int, share: float = 0.3, seed: int = 0) -> np.ndarray:
    return (generator(seed).random((samples, classes)) < share).astype(np.uint8)


@pytest.fixture(scope="module")
def table_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "table.csv"
    np.savetxt(path, generator(1).integers(0, 9, (CLASSES, CLASSES)), delimiter=",", fmt="%d")
    return path


def build(name: str, table_file=None, **parameters):
    model_class = NOISE.get(name)
    if name == "class_dependent" and table_file is not None:
        parameters["table"] = str(table_file)
    return model_class(parse(model_class.Parameters, parameters, f"noise model {name!r}"))


def difficulty_of(labels: np.ndarray) -> np.ndarray:
    return generator(2).random(labels.shape)


def check_record(labels: np.ndarray, result) -> None:
    """Check that the record says exactly how the noisy labels came from the clean ones."""
    rebuilt = labels.copy()
    for sample, before, after in result.changed.tolist():
        assert before >= 0 or after >= 0
        if before >= 0:
            assert labels[sample, before] == 1
            assert rebuilt[sample, before] == 1
            rebuilt[sample, before] = 0
        if after >= 0:
            assert labels[sample, after] == 0
            assert rebuilt[sample, after] == 0
            rebuilt[sample, after] = 1
    np.testing.assert_array_equal(rebuilt, result.labels)
    assert result.changed.tolist() == sorted(result.changed.tolist())
    assert result.labels.dtype == labels.dtype
    assert result.positives.tolist() == labels.sum(0).tolist()
    assert result.affected.sum() == len(result.changed)
    counted = [before if before >= 0 else after for _, before, after in result.changed.tolist()]
    assert result.affected.tolist() == [counted.count(c) for c in range(labels.shape[1])]


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=60, deadline=None)
@given(
    labels=st.integers(0, 12).flatmap(
        lambda samples: arrays(np.uint8, (samples, CLASSES), elements=st.integers(0, 1))
    ),
    rate=st.one_of(st.integers(0, 100), st.decimals(0, 100, places=2)),
    seed=st.integers(0, 2**32),
)
def test_what_holds_for_all(name, table_file, labels, rate, seed):
    model, clean = build(name, table_file), labels.copy()
    total = int(labels.sum())
    refusal = ""
    try:
        result = model.corrupt(labels, None, CLASSES, rate, generator(seed), "scene", difficulty_of(labels))
    except InputError as error:
        refusal = str(error)
    if refusal:
        largest = re.search(r"The largest rate here is ([0-9.]+) ", refusal)
        assert largest is not None, refusal
        assert Fraction(largest[1]) < Fraction(rate)
        rate = largest[1]
        result = model.corrupt(labels, None, CLASSES, rate, generator(seed), "scene", difficulty_of(labels))
    np.testing.assert_array_equal(labels, clean)
    check_record(labels, result)
    if name != "mixed":
        assert len(result.changed) == int(Fraction(rate) * total / 100)
    if name in ("swap", "grouped", "class_dependent", "confusable", "instance"):
        np.testing.assert_array_equal(result.labels.sum(1), labels.sum(1))
    again = model.corrupt(labels, None, CLASSES, rate, generator(seed), "scene", difficulty_of(labels))
    np.testing.assert_array_equal(again.changed, result.changed)
    np.testing.assert_array_equal(Manifest.of(result, model).apply(labels), result.labels)


@pytest.mark.parametrize("name", MODELS)
def test_rate_zero_is_the_identity(name, table_file):
    labels = random_labels(50, CLASSES)
    result = build(name, table_file).corrupt(labels, None, 5, 0, generator(), "scene", difficulty_of(labels))
    np.testing.assert_array_equal(result.labels, labels)
    assert (len(result.changed), result.realised) == (0, 0)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [np.bool_, np.float32])
def test_the_type_of_the_labels_does_not_matter(name, dtype, table_file):
    labels = random_labels(50, CLASSES)
    model = build(name, table_file)
    expected = model.corrupt(labels, None, 5, 20, generator(3), "scene", difficulty_of(labels))
    result = model.corrupt(labels.astype(dtype), None, 5, 20, generator(3), "scene", difficulty_of(labels))
    assert result.labels.dtype == dtype
    np.testing.assert_array_equal(result.changed, expected.changed)


@pytest.mark.parametrize("name", MODELS)
def test_they_refuse_label_maps_and_other_labels(name, table_file):
    model = build(name, table_file)
    if "pixel" not in model.kinds:
        with pytest.raises(InputError, match=f"'{name}' corrupts scene labels, not label maps"):
            model.corrupt(np.eye(5), np.zeros((5, 2, 2), int), 5, 10, generator(), "pixel")
    with pytest.raises(InputError, match="allowed are 0 and 1"):
        model.corrupt(np.full((2, 5), 2), None, 5, 10, generator(), "scene", np.zeros((2, 5)))


@pytest.mark.parametrize("name", MODELS)
def test_the_manifest_survives_a_round_trip(name, table_file, tmp_path):
    labels, model = random_labels(60, CLASSES), build(name, table_file)
    result = model.corrupt(labels, None, 5, 25, generator(4), "scene", difficulty_of(labels))
    Manifest.of(result, model, seed=4, fingerprint="ab").save(tmp_path)
    loaded = Manifest.load(tmp_path)
    np.testing.assert_array_equal(loaded.apply(labels), result.labels)
    assert loaded.summary()["realised"] == pytest.approx(result.realised)
    assert (loaded.model, loaded.seed) == (name, 4)


# missing


def test_missing_removes_only_and_leaves_what_is_to_be_kept():
    labels = random_labels(200, 8, 0.4)
    result = build("missing", keep=1).scene(labels, 60, generator())
    assert (result.labels <= labels).all()
    assert (result.changed[:, 2] == -1).all()
    assert (result.labels.sum(1) >= np.minimum(labels.sum(1), 1)).all()
    with pytest.raises(InputError, match="every image keeps 3 of its labels"):
        build("missing", keep=3).scene(labels, 60, generator())


def test_missing_can_remove_everything():
    labels = random_labels(20, 4)
    assert build("missing").scene(labels, 100, generator()).labels.sum() == 0


# extra


def test_extra_adds_only_and_can_fill_up():
    labels = random_labels(200, 8, 0.3)
    result = build("extra").scene(labels, 100, generator())
    assert (result.labels >= labels).all()
    assert result.labels.sum() == 2 * labels.sum()
    full = np.ones((3, 4), int)
    full[0, 0] = 0
    assert build("extra").scene(full, 10, generator()).labels.all()
    with pytest.raises(InputError, match="images have all other classes already"):
        build("extra").scene(full, 50, generator())


def test_extra_draws_every_absent_label_equally_often():
    labels, rng = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1]]), generator(5)
    counts = Counter(
        tuple(row[[0, 2]]) for _ in range(1500) for row in build("extra").scene(labels, 17, rng).changed
    )
    assert set(counts) == {(0, 1), (0, 2), (1, 2)}
    assert chisquare(list(counts.values())).pvalue > 1e-3


# mixed


@pytest.mark.parametrize(("rate", "added"), [(60, 50), (30, 0), (30, 100), (45, 20), ("12.5", 50)])
def test_mixed_is_exact_for_every_class(rate, added):
    labels = random_labels(300, 6, 0.35)
    result = build("mixed", added=added).scene(labels, rate, generator())
    share = Fraction(str(rate)) * added / 10_000
    for column, held in enumerate(labels.sum(0).tolist()):
        new = ((labels[:, column] == 0) & (result.labels[:, column] == 1)).sum()
        gone = ((labels[:, column] == 1) & (result.labels[:, column] == 0)).sum()
        assert new == int(share * held)
        assert gone == int((Fraction(str(rate)) / 100 - share) * held)


def test_mixed_stops_at_the_cap():
    labels = np.zeros((100, 2), int)
    labels[:90, 0] = labels[:97, 1] = 1
    result = build("mixed", added=100).scene(labels, 50, generator())
    assert result.labels.sum(0).tolist() == [95, 97]
    # floor(100 * 50 %) deleted first, so that there is room again; then as many added as fit.
    result = build("mixed", added=50, cap=40).scene(labels, 100, generator())
    assert result.labels.sum(0).tolist() == [45, 49]
    assert ((labels == 0) & (result.labels == 1)).sum() == 0


# grouped


def test_grouped_noise_stays_in_its_groups():
    labels = random_labels(400, 10, 0.2)
    model = build("grouped", groups=8, noisy=2, by="random")
    result = model.scene(labels, 20, generator())
    assert result.noisy.sum() <= 100
    everywhere = build("swap").scene(labels, 20, generator())
    assert everywhere.noisy.sum() > 120


def test_groups_by_labels_hold_similar_label_sets():
    labels = np.eye(8, dtype=int)[generator(6).permutation(np.repeat(np.arange(8), 30))]
    result = build("grouped", groups=8, noisy=2, by="labels").scene(labels, 20, generator(7))
    assert len(set(result.changed[:, 1].tolist())) == 2
    spread = build("grouped", groups=8, noisy=2, by="random").scene(labels, 20, generator(7))
    assert len(set(spread.changed[:, 1].tolist())) > 4


def test_grouped_with_all_groups_noisy_is_the_swap_and_refuses_more():
    labels = random_labels(50, 6)
    result = build("grouped", groups=4, noisy=4).scene(labels, 30, generator())
    assert len(result.changed) == labels.sum() * 30 // 100
    with pytest.raises(InputError, match="5 of 4 groups cannot be noisy"):
        build("grouped", groups=4, noisy=5).scene(labels, 30, generator())
    with pytest.raises(InputError, match="1 of 4 groups are noisy"):
        build("grouped", groups=4, noisy=1).scene(labels, 60, generator())


# class_dependent


def test_labels_move_as_the_table_says(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("clean,a,b,c,d\na,0,3,1,0\nb,0,1,0,0\nc,1,0,1,0\nd,0,0,0,0\n")
    labels = np.eye(4, dtype=int)[generator(8).integers(0, 4, 4000)]
    result = build("class_dependent", path).scene(labels, 20, generator(9))
    moves = Counter(map(tuple, result.changed[:, 1:].tolist()))
    assert set(moves) == {(0, 1), (0, 2), (2, 0)}
    # Class 0 is offered with weight 1 and class 2 with one half; of class 0 three quarters become class 1.
    to_one, to_two = moves[0, 1], moves[0, 2]
    assert chisquare([to_one, to_two], [(to_one + to_two) * 0.75, (to_one + to_two) * 0.25]).pvalue > 1e-3
    assert to_one + to_two > moves[2, 0]


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
        ("1,2\n3\n", "no table of numbers"),
        ("a,b\nc,d\n", "no table of numbers|one row and one column"),
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
        build("class_dependent", path).scene(random_labels(9, 5), 10, generator())


def test_a_missing_table():
    with pytest.raises(InputError, match=r"needs a transition table: its parameter table=FILE\.csv"):
        build("class_dependent").scene(random_labels(9, 5), 10, generator())
    with pytest.raises(InputError, match="cannot be read"):
        build("class_dependent", "nowhere.csv").scene(random_labels(9, 5), 10, generator())


def test_a_table_that_moves_nothing():
    labels = np.eye(25, dtype=int)
    with pytest.raises(InputError, match=r"is 3\.99 "):
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
    noisy = build("class_dependent", path).scene(labels, 15, generator(12)).labels
    estimate = estimate_transition(labels, noisy)
    np.savetxt(path, estimate, delimiter=",")
    again = build("class_dependent", path).scene(labels, 15, generator(13)).labels
    np.testing.assert_allclose(estimate_transition(labels, again), estimate, atol=0.02)


# confusable


def test_confusable_labels_become_their_partner():
    labels = random_labels(300, 6, 0.25)
    result = build("confusable", pairs="0-3, 1-2").scene(labels, 20, generator())
    assert set(map(tuple, result.changed[:, 1:].tolist())) == {(0, 3), (3, 0), (1, 2), (2, 1)}
    with pytest.raises(InputError, match="have no partner"):
        build("confusable", pairs="0-3").scene(labels, 60, generator())


def test_auto_finds_classes_that_keep_the_same_company():
    # 0 and 1 occur with 2 and never together; 3 and 4 occur with 5.
    sets = [[0, 2], [1, 2], [3, 5], [4, 5]] * 20
    labels = np.zeros((len(sets), 6), int)
    for row, classes in enumerate(sets):
        labels[row, classes] = 1
    result = build("confusable").scene(labels, 40, generator())
    moves = set(map(tuple, result.changed[:, 1:].tolist()))
    assert {(0, 1), (1, 0), (3, 4), (4, 3)} <= moves
    assert not {(0, 3), (0, 2), (1, 2), (3, 5)} & moves


def test_auto_finds_nothing_where_no_labels_meet():
    with pytest.raises(InputError, match="have no partner"):
        build("confusable").scene(np.eye(4, dtype=int), 25, generator())


@pytest.mark.parametrize("pairs", ["0", "0-0", "0-9", "a-b", "0-1-2", "", "0-1,,", "-1-2"])
def test_bad_pairs(pairs):
    with pytest.raises(InputError, match="allowed are 'auto' and two different classes from 0 to 5"):
        build("confusable", pairs=pairs).scene(random_labels(9, 6), 10, generator())


# instance


def test_hard_labels_are_replaced_by_plausible_ones():
    labels = np.zeros((200, 6), int)
    labels[:, 0] = 1
    hard = np.zeros((200, 6))
    hard[:, 0] = np.arange(200)
    hard[:, 4] = 1
    result = build("instance", sharpness=20).scene(labels, 20, generator(), hard)
    assert np.median(result.changed[:, 0]) > 160
    assert set(result.changed[:, 2].tolist()) == {4}


def test_without_sharpness_the_difficulty_is_ignored():
    labels, rng = random_labels(100, 6), generator(14)
    expected = build("instance", sharpness=0).scene(labels, 30, generator(15), rng.random(labels.shape))
    other = build("instance", sharpness=0).scene(labels, 30, generator(15), rng.random(labels.shape))
    np.testing.assert_array_equal(expected.changed, other.changed)


def test_only_the_order_of_the_difficulty_counts():
    labels, hard = random_labels(100, 6), generator(16).normal(size=(100, 6))
    one = build("instance").scene(labels, 30, generator(17), hard)
    other = build("instance").scene(labels, 30, generator(17), np.exp(3 * hard))
    np.testing.assert_array_equal(one.changed, other.changed)


@pytest.mark.parametrize(
    ("hard", "message"),
    [
        (None, "needs to know how hard each label is"),
        (np.zeros((3, 5)), r"shape \(3, 5\) .* \(9, 5\)"),
        (np.full((9, 5), np.nan), "expected finite numbers"),
        (np.full((9, 5), "a"), "expected finite numbers"),
    ],
)
def test_bad_difficulty(hard, message):
    model = build("instance")
    with pytest.raises(InputError, match=message):
        model.corrupt(random_labels(9, 5), None, 5, 10, generator(), "scene", hard)
    with pytest.raises(InputError, match=message):
        model.scene(random_labels(9, 5), 10, generator(), hard)
