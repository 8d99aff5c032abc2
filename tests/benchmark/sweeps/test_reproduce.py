"""What tables and figures need, with and without their archive, and what is said of weak results."""

import pytest

from gridbench.errors import InputError
from gridbench.records.runtime import Measured, duration
from gridbench.sweeps.paper import EXHIBITS
from gridbench.sweeps.reproduce import cautions, counts_of, refuse_missing, requirements, source_of


@pytest.fixture
def nothing(tmp_path):
    return tmp_path / "empty-cache"


@pytest.mark.parametrize("shown", EXHIBITS.values(), ids=lambda shown: shown.name)
def test_every_table_and_figure_can_be_planned_without_its_archive(shown, nothing):
    for name in shown.datasets:
        source = source_of(name, nothing)
        assert (source.archive, source.of_paper) == (None, name)
        assert f"gridbench data prepare {name}" in source.missing
        runs = requirements(shown, source, ["0", "1"], None)
        assert len(runs) == 2 * len(requirements(shown, source, ["0"], None))
        for run in runs:
            assert (run["dataset"], run["backbone"]) == (name, "densenet121")
            assert (run["epochs"], run["batch_size"], run["train_size"]) == (100, 128, 0)


def test_computing_without_the_archive_is_refused_with_the_command_that_packs_it(nothing):
    with pytest.raises(InputError, match="gridbench data prepare dlrsd --data"):
        refuse_missing(source_of("dlrsd", nothing))


def test_an_archive_that_nobody_knows_is_refused(nothing):
    with pytest.raises(InputError, match="'dlrds'"):
        source_of("dlrds", nothing)


def test_another_archive_than_the_papers_is_said(cache):
    source = source_of("stripes", cache)
    assert (source.missing, source.of_paper) == ("", "")
    said = cautions(EXHIBITS["table-5"], source, ["0"] * 5, None)
    assert said == ["The paper shows this for dlrsd; here it is stripes, so only trends can be compared."]


@pytest.mark.parametrize(
    ("seeds", "epochs", "words"),
    [
        (5, None, []),
        (5, 100, []),
        (2, None, ["2 seeds: with fewer than 5"]),
        (1, None, ["1 seed: with"]),
        (5, 3, ["3 epochs instead of the recipe's 100", "nothing about the methods"]),
    ],
)
def test_few_seeds_and_epochs_are_said(nothing, seeds, epochs, words):
    said = " ".join(cautions(EXHIBITS["table-5"], source_of("dlrsd", nothing), ["0"] * seeds, epochs))
    assert bool(said) == bool(words)
    for word in words:
        assert word in said


def test_parameters_are_counted_as_the_paper_has_them(nothing):
    counts = {row.task: row for row in counts_of(source_of("bigearthnet", nothing))}
    assert {task: row.hybrid for task, row in counts.items()} == {
        "classification": 7_392_230, "segmentation": 8_214_310, "cooccurrence": 7_589_564,
    }  # fmt: skip
    assert {row.backbone for row in counts.values()} == {6_975_808}


def test_time_is_told_by_the_median_of_measured_runs_of_that_kind_alone(tmp_path, monkeypatch):
    class Stored:
        state = "done"

        def __init__(self, method, epochs, training, retrieval, **extra):
            self.config = {"config": {"method": method, "epochs": epochs}}
            self._environment = {"seconds": {"training": training, "retrieval": retrieval}, **extra}

        def environment(self):
            return self._environment

    records = [
        Stored("bce", 10, 10.0, 2.0, device_name="H", peak_memory=5),
        Stored("bce", 10, 30.0, 2.0, device_name="H", peak_memory=7),
        Stored("bce", 1, 900.0, 2.0, device_name="H", scored_from={}),
        Stored("bce", 10, 20.0, 2.0, device_name="H"),
        Stored("elr", None, 1.0, 1.0),
    ]
    monkeypatch.setattr("gridbench.records.runtime.iter_records", lambda runs: records)
    measured = Measured(tmp_path)
    known = measured.estimate([{"method": "bce", "epochs": 100}])
    assert known.seconds == pytest.approx(100 * 2.0 + 2.0)
    assert (known.known, known.unknown, known.devices, known.memory) == (1, 0, ("H",), 7)
    both = measured.estimate([{"method": "bce", "epochs": 100}, {"method": "grid", "epochs": 1}])
    assert both.words() == (
        "about 3 min of computing, one run at a time on H, for 1 of them; "
        "nothing like the other 1 was measured here"
    )
    assert measured.estimate([{"method": "grid"}]).words() == "unknown, nothing like it was measured here"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h"), (200_000, "2.3 days")],
)
def test_durations_read_as_people_say_them(seconds, words):
    assert duration(seconds) == words
