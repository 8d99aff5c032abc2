"""Scene-level noise models: what holds for all of them, and what is each one's own."""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chisquare

from gridbench.errors import InputError
from gridbench.noise import Manifest
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
    if "pixel" not in model.levels:
        with pytest.raises(InputError, match=f"'{name}' corrupts scene labels.*, not label maps"):
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
    # What is deleted makes no room, as in the source.
    result = build("mixed", added=50, cap=40).scene(labels, 100, generator())
    assert result.labels.sum(0).tolist() == [45, 49]
    assert ((labels == 0) & (result.labels == 1)).sum() == 0
    common = (np.arange(1000)[:, None] < np.array([[720, 750, 800, 900, 940, 970]])).astype(int)
    result = build("mixed", added=50).scene(common, 60, generator())
    added = ((common == 0) & (result.labels == 1)).sum(0).tolist()
    assert added == [216, 200, 150, 50, 10, 0]


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


@pytest.mark.parametrize(
    "pairs", ["0", "0-0", "0-9", "a-b", "0-1-2", "", "0-1,,", "-1-2", "0-1,0-1", "0-1,1-0"]
)
def test_bad_pairs(pairs):
    with pytest.raises(InputError, match=r"allowed are 'auto' and two different classes from 0 to 5|twice"):
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
