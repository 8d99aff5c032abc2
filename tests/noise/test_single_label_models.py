"""Noise for single labels: every image has exactly one label before and after, and the rates are as documented."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from scipy.stats import chisquare

from gridbench.errors import InputError
from gridbench.noise import LabelSet, Manifest
from gridbench.parameters import parse
from gridbench.registry import NOISE

CLASSES = 10
LABELS = np.eye(CLASSES, dtype=np.uint8)[np.random.default_rng(0).integers(0, CLASSES, 500)]
BALANCED = np.eye(CLASSES, dtype=np.uint8)[np.repeat(np.arange(CLASSES), 2000)]
MODELS = {
    "swap": {},
    "symmetric": {},
    "symmetric any": {"new_class": "any"},
    "pair": {},
    "class_dependent": {"table": "cifar10n_worst"},
    "grouped": {},
    "folder_swap": {},
    "confusable": {"pairs": "0-1,2-3,4-5,6-7,8-9"},
    "instance": {},
    "instance_linear": {},
}


def build(name: str, **parameters):
    model = NOISE.get(name.split()[0])
    return model(parse(model.Parameters, parameters, f"noise model {name!r}"))


def corrupt(model, labels=LABELS, rate="30", seed=0):
    names = [f"folder{i % 7}/image{i}" for i in range(len(labels))]
    looks = np.random.default_rng(3).integers(0, 256, (len(labels), 6))
    hard = np.random.default_rng(2).random(labels.shape)
    return model.apply(
        LabelSet(labels.shape[1], labels, names=names, difficulty=hard, descriptors=looks),
        rate,
        np.random.default_rng(seed),
        "single",
    )


def transitions(corruption, classes=CLASSES):
    table = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(table, tuple(corruption.changed[:, 1:].T), 1)
    return table


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rate", ["0", "7.3", "30"])
def test_every_image_keeps_exactly_one_label_and_the_record_says_what_changed(name, rate, tmp_path):
    model = build(name, **MODELS[name])
    made = corrupt(model, rate=rate)
    assert (made.labels.sum(axis=1) == 1).all()
    assert made.level == "single"
    assert made.labels.dtype == LABELS.dtype
    rebuilt = LABELS.copy()
    for image, before, after in made.changed.tolist():
        assert rebuilt[image].tolist() == np.eye(CLASSES)[before].tolist()
        rebuilt[image] = np.eye(CLASSES)[after]
    np.testing.assert_array_equal(rebuilt, made.labels)
    assert made.noisy.tolist() == (made.labels != LABELS).any(axis=1).tolist()
    assert made.requested == Decimal(rate)
    if name not in ("symmetric any", "folder_swap"):
        assert made.affected.sum() == int(len(LABELS) * Decimal(rate) / 100)
    Manifest.of(made, model, 0, "fingerprint").save(tmp_path)
    stored = Manifest.load(tmp_path)
    np.testing.assert_array_equal(stored.apply(LABELS), made.labels)
    assert (stored.summary()["kind"], stored.summary()["requested"]) == ("single", rate)
    assert stored.summary()["realised"] == made.realised


@pytest.mark.parametrize("name", MODELS)
def test_the_same_generator_gives_the_same_noise(name):
    model = build(name, **MODELS[name])
    np.testing.assert_array_equal(corrupt(model).labels, corrupt(model).labels)
    assert not np.array_equal(corrupt(model).labels, corrupt(model, seed=1).labels)


@pytest.mark.parametrize(("new_class", "realised"), [("other", 40.0), ("any", 36.0)])
def test_symmetric_noise_realises_either_of_the_two_usual_rates(new_class, realised):
    made = corrupt(build("symmetric", new_class=new_class), BALANCED, "40")
    # Of 8,000 labels drawn anew among all classes 7,200 change, plus or minus 27.
    assert made.realised == (realised if new_class == "other" else pytest.approx(realised, abs=0.4))
    off_diagonal = transitions(made)[~np.eye(CLASSES, dtype=bool)]
    assert chisquare(off_diagonal).pvalue > 0.01


@pytest.mark.parametrize("rate", [20, 40, 50, 60, 80, 90])
def test_inclusive_rates_are_those_of_dividemix_and_elr(rate):
    made = corrupt(build("symmetric", new_class="any"), BALANCED, str(rate))
    assert made.realised == pytest.approx(rate * (1 - 1 / CLASSES), abs=0.4)


def test_swap_on_single_labels_is_symmetric_noise_among_the_other_classes():
    table = transitions(corrupt(build("swap"), BALANCED, "40"))
    assert (table.sum(), table.trace()) == (8000, 0)
    assert chisquare(table[~np.eye(CLASSES, dtype=bool)]).pvalue > 0.01


def test_pair_noise_makes_each_class_the_next_one():
    made = corrupt(build("pair"), BALANCED, "45")
    before, after = made.changed[:, 1:].T
    assert (after == (before + 1) % CLASSES).all()
    assert made.realised == 45
    assert chisquare(made.affected).pvalue > 0.01


def test_projected_noise_depends_on_the_image_and_is_as_likely_as_its_flip_rate():
    looks = np.random.default_rng(0).integers(0, 256, (20_000, 6))
    # Pairs of images that look the same and have the same label.
    looks[1::2], labels = looks[::2], BALANCED
    given = LabelSet(CLASSES, labels, descriptors=looks)
    made = build("instance_linear").apply(given, "60", np.random.default_rng(1), "single")
    after = np.full(len(labels), -1)
    after[made.changed[:, 0]] = made.changed[:, 2]
    both = (after[::2] >= 0) & (after[1::2] >= 0)
    same = (after[::2] == after[1::2])[both].mean()
    other = (after[::2][both] == np.roll(after[1::2][both], 1)).mean()
    assert same > 0.35 > 0.2 > other
    # Different images of a class become different classes.
    assert ((transitions(made) > 0).sum(axis=1) == CLASSES - 1).all()


RATES = {"aggregate": 9.01, "random1": 17.234, "random2": 18.122, "random3": 17.64, "worst": 40.208}


@pytest.mark.parametrize(("table", "rate"), RATES.items())
def test_noise_at_the_rate_of_a_cifar_10n_table_is_that_table(table, rate):
    made = corrupt(build("class_dependent", table=f"cifar10n_{table}"), BALANCED, str(rate))
    assert made.realised == pytest.approx(rate, abs=0.005)
    observed = transitions(made)
    np.fill_diagonal(observed, 2000 - observed.sum(axis=1))
    path = build("class_dependent", table=f"cifar10n_{table}").inputs()[0]
    expected = np.loadtxt(path, delimiter=",", skiprows=1, usecols=range(1, 11)) / 5
    for row, wanted in zip(observed, expected, strict=True):
        assert chisquare(row[wanted > 0], wanted[wanted > 0]).pvalue > 0.01
        assert row[wanted == 0].sum() == 0


def test_a_table_may_be_of_the_most_frequent_classes_and_leaves_the_others_alone():
    counts = [400, 10, 300, 900, 20, 800, 200, 700, 30, 600, 500, 150, 1000]
    labels = np.eye(len(counts), dtype=np.uint8)[np.repeat(np.arange(len(counts)), counts)]
    frequent = [12, 3, 5, 7, 9, 10, 0, 2, 6, 11]
    by_frequency, by_number = (
        corrupt(build("class_dependent", table="cifar10n_worst", classes=classes), labels, "30")
        for classes in ("frequency", ",".join(map(str, frequent)))
    )
    np.testing.assert_array_equal(by_frequency.changed, by_number.changed)
    table = transitions(by_frequency, len(counts))
    assert table[[1, 4, 8]].sum() == table[:, [1, 4, 8]].sum() == 0
    # An automobile, second in the table, mostly becomes a truck, the last.
    assert table[frequent[1]].argmax() == frequent[9]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"table": "cifar10n_wrost"}, "no transition table 'cifar10n_wrost'. Did you mean 'cifar10n_worst'"),
        ({"table": "cifar10n_worst"}, "is of 10 classes, but the labels have 12. .*classes=frequency"),
        (
            {"table": "cifar10n_worst", "classes": "often"},
            "'often'; allowed is 'frequency' or 10 class numbers",
        ),
        ({"table": "cifar10n_worst", "classes": "0,1,2"}, "10 different class numbers from 0 to 11"),
        ({"table": "cifar10n_worst", "classes": "0,1,2,3,4,5,6,7,8,8"}, "10 different class numbers"),
        ({"table": "cifar10n_worst", "classes": "0,1,2,3,4,5,6,7,8,12"}, "10 different class numbers"),
        ({}, "table=NAME of one of the package: .*cifar10n_aggregate"),
    ],
)
def test_a_table_that_does_not_fit_is_explained(parameters, message):
    labels = np.eye(12, dtype=np.uint8)
    with pytest.raises(InputError, match=message):
        corrupt(build("class_dependent", **parameters), labels)


def test_a_table_of_more_classes_than_there_are_is_refused():
    with pytest.raises(InputError, match=r"is of 10 classes, but the labels have 4\.$"):
        corrupt(
            build("class_dependent", table="cifar10n_worst", classes="frequency"), np.eye(4, dtype=np.uint8)
        )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "corrupts scene labels, not single labels: it removes labels"),
        ("extra", "corrupts scene labels, not single labels: it adds labels"),
        ("mixed", "corrupts scene labels, not single labels: it adds and removes labels"),
        ("boundary", "corrupts label maps, not single labels"),
        (
            "confusable",
            r"classes that never occur together have no partner; name pairs: --noise-parameter pairs=0-1\. The",
        ),
    ],
)
def test_models_that_make_no_sense_on_single_labels_say_why(name, message):
    with pytest.raises(InputError, match=message):
        corrupt(build(name))


@pytest.mark.parametrize("name", ["symmetric", "pair"])
def test_noise_of_single_labels_refuses_scene_labels_and_images_without_exactly_one(name):
    with pytest.raises(InputError, match=f"'{name}' corrupts single labels, not scene labels: .*--loss ce"):
        build(name).apply(LabelSet(CLASSES, LABELS), "30", np.random.default_rng(0), "scene")
    labels = LABELS.copy()
    labels[3], labels[4, :2] = 0, 1
    labels[5] = 1
    with pytest.raises(
        InputError, match=r"1 have none and 2 have several of 500; .*: folder3/image3 \(0\), folder4/"
    ):
        corrupt(build(name), labels)


def test_a_model_that_leaves_images_with_several_labels_is_refused():
    labels = LabelSet(4, np.eye(4, dtype=np.uint8)[[0, 1, 2]], np.array([[[0, 1, 2]]] * 3))
    with pytest.raises(InputError, match="'folder_swap' must leave every image exactly one label"):
        build("folder_swap", labels="maps").apply(labels, "50", np.random.default_rng(1), "single")


def test_one_class_alone_cannot_be_mislabelled():
    for name in ("symmetric", "pair", "swap"):
        with pytest.raises(InputError, match="The largest rate here is 0 "):
            corrupt(build(name), np.ones((8, 1), dtype=np.uint8), "50")
        assert len(corrupt(build(name), np.ones((8, 1), dtype=np.uint8), "0").changed) == 0
