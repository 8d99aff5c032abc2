"""A record verified: equal, within what machines differ by, or not, and what the command says of each."""

import json
from types import SimpleNamespace

import pytest

from gridbench.core.files import file_hash
from gridbench.errors import InputError
from gridbench.records.record import read_record
from gridbench.records.verify import check_comparable, digits_shared, verify_records


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (0.6668377685546875, 0.6668377685546875, 17),
        (0.6668377685546875, 0.6668378194173177, 7),
        (0.4315, 0.4316, 3),
        (0.5, 5.0, 0),
        (float("nan"), float("nan"), 17),
        (float("nan"), 1.0, 0),
        (0.0, -0.0, 17),
    ],
)
def test_digits_that_two_numbers_share(one, other, expected):
    assert digits_shared(one, other) == expected


RIGHT = {
    "epochs": [{"loss": 0.5}],
    "environment": {"initial_weights": "0" * 64},
    "result": {"noise": {"sha256": "0" * 64}, "metrics": {"ndcg@5": 0.5}},
}
LIES = [
    {"epochs": [{}]},
    {"epochs": [{"loss": None}]},
    {"epochs": [{"loss": "x"}]},
    {"epochs": [{"loss": [1]}]},
    {"epochs": [{"loss": {"a": 1}}]},
    {"environment": []},
    {"result": {}},
    {"result": {**RIGHT["result"], "noise": None}},
    {"result": {**RIGHT["result"], "noise": "x"}},
    {"result": {**RIGHT["result"], "metrics": {}}},
    {"result": {**RIGHT["result"], "metrics": {"ndcg@7": 0.5}}},
    {"result": {**RIGHT["result"], "metrics": {"ndcg@5": "x"}}},
    {"result": {**RIGHT["result"], "metrics": {"ndcg@5": None}}},
    {"result": {**RIGHT["result"], "metrics": {"ndcg@5": True}}},
    {"result": {**RIGHT["result"], "metrics": {"ndcg@5": float("nan")}}},
]


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_a_record_that_cannot_be_compared_is_refused_before_anything_is_computed(lie):
    told = {**RIGHT, **lie}
    record = SimpleNamespace(
        folder="runs/x",
        epochs=lambda: told["epochs"],
        environment=lambda: told["environment"],
        result=told["result"],
        config={"config": {"k": 5}},
    )
    with pytest.raises(InputError, match="runs/x is none that can be compared"):
        check_comparable(record)
    told.update(RIGHT)
    record.result = told["result"]
    check_comparable(record)


@pytest.fixture
def changed():
    """Change a record's documents, with honest hashes, and read it again."""

    def change(record, **changes):
        done = json.loads((record.folder / "done").read_text())
        for name, edit in changes.items():
            path = record.folder / f"{name}.json"
            content = json.loads(path.read_text())
            edit(content)
            path.write_text(json.dumps(content))
            done["files"][path.name] = file_hash(path)
        (record.folder / "done").write_text(json.dumps(done))
        return read_record(record.folder)

    return change


def shifted(points):
    return lambda result: result["metrics"].update({"ndcg@5": result["metrics"]["ndcg@5"] + points / 100})


def nudged(epoch, factor):
    return lambda history: history[epoch].update(loss=history[epoch]["loss"] * factor)


def moved(environment):
    environment["machine"]["cpu"] = {"model": "Another CPU"}


def outcomes(found):
    return {line.what: line.outcome for line in found.lines}


def test_the_same_run_is_equal(finished):
    record = finished(method="bce", slnir=30)
    found = verify_records(record, finished("other", method="bce", slnir=30))
    assert found.verdict == "equal"
    assert set(outcomes(found).values()) == {"equal"}
    assert "losses of 3 epochs" in outcomes(found)
    assert {"archive", "settings and versions", "label noise", "initial weights", "machine"} <= outcomes(
        found
    ).keys()


@pytest.mark.parametrize(
    ("changes", "verdict", "reason"),
    [
        (
            {"environment": moved, "result": shifted(1.3), "history": nudged(1, 1 + 1e-6)},
            "within",
            "1.4 points",
        ),
        ({"environment": moved, "result": shifted(-1.3)}, "within", "1.4 points"),
        ({"environment": moved, "result": shifted(1.5)}, "differs", "differs by -1.50 points"),
        ({"environment": moved, "history": nudged(0, 1.01)}, "differs", "another computation"),
        ({"result": shifted(0.001)}, "differs", "One machine computes one run to the same bits"),
        ({"environment": lambda e: e.pop("machine"), "result": shifted(0.5)}, "within", "1.4 points"),
        ({"environment": moved}, "equal", "All that the record keeps"),
        (
            {"environment": moved, "result": lambda r: r["noise"].update(sha256="0" * 64)},
            "differs",
            "The label noise differs",
        ),
    ],
)
def test_verdicts(finished, changed, changes, verdict, reason):
    record = changed(finished(method="bce", slnir=30), **changes)
    found = verify_records(record, finished("other", method="bce", slnir=30))
    assert found.verdict == verdict
    assert reason in found.reason


def test_the_first_epoch_and_digit_that_differ_are_named(finished, changed):
    record = finished(method="bce", slnir=30)
    loss = record.epochs()[1]["loss"]
    other = changed(record, environment=moved, history=nudged(1, 1 + 1e-5))
    found = verify_records(other, finished("other", method="bce", slnir=30))
    digit = digits_shared(loss, loss * (1 + 1e-5)) + 1
    assert outcomes(found)[f"losses: epoch 2 of 3, from digit {digit} on"] == "differs"


def test_a_compact_record_is_compared_to_the_digits_that_it_keeps(finished, changed):
    def rounded(history):
        for row in history:
            row["loss"] = float(f"{row['loss']:.4g}")

    record = changed(finished(method="bce", slnir=30), history=rounded)
    found = verify_records(record, finished("other", method="bce", slnir=30))
    assert outcomes(found)["losses of 3 epochs to 4 digits"] == "equal"
    assert found.verdict == "equal"


def test_a_row_without_training_has_no_losses(finished):
    found = verify_records(finished(method="random"), finished("other", method="random"))
    assert found.verdict == "equal"
    assert not [line for line in found.lines if "loss" in line.what]
