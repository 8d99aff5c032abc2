"""Run records to a long, tidy table, and what is left out of it."""

import json
import shutil

import pytest

from gridbench.errors import InputError
from gridbench.leaderboard import load


def test_one_row_a_run_and_metric_with_recorded_values(runs, write_run):
    write_run(runs, method="grid", slnir="12.5", seed=3, parameters={"lambda": 20.0}, ndcg=0.4812)
    frame = load(runs)
    first = frame[frame.metric == "ndcg@20"]
    assert len(first) == 1
    row = first.iloc[0]
    assert (row.dataset, row.method, row.loss, row.noise, row.seed) == (
        "bluemarble",
        "grid",
        "bce",
        "swap",
        3,
    )
    assert row.slnir == 12.5
    assert row.value == 0.4812
    assert row.unit == "fraction"
    assert row["parameters.lambda"] == 20.0
    assert row["versions.protocol"] == 1
    assert len(row.id) == len(row.cell) == 64
    assert frame.set_index("metric").value["seconds/train"] == 40.5
    assert frame.set_index("metric").value["noise/realised"] == 29.98
    assert frame.set_index("metric").unit["noise/realised"] == "percent"
    assert frame.set_index("metric").value["memorised"] == 0.71


def test_the_first_columns_are_those_that_scripts_rely_on(study):
    first = list(load(study).columns[:10])
    assert first == ["id", "cell", "dataset", "method", "loss", "noise", "slnir", "seed", "metric", "value"]


def test_detection_is_flattened_and_a_missing_value_gives_no_row(runs, write_run):
    write_run(runs, result={"detection": {"precision": 0.4, "auroc": None}, "memorised": None})
    metrics = set(load(runs).metric)
    assert "detection/precision" in metrics
    assert not metrics & {"detection/auroc", "memorised"}


def test_a_selection_is_scored_by_what_it_keeps_too(runs, write_run):
    """Of ten images four are mislabelled; three are flagged, two of them rightly."""
    scores = {"precision": 2 / 3, "recall": 2 / 4, "prevalence": 0.4, "selected_share": 0.3}
    write_run(runs, result={"detection": scores, "loss_detection": {"prevalence": 0.4, "auroc": 0.5}})
    values = load(runs).set_index("metric").value
    assert values["detection/label_precision"] == pytest.approx(5 / 7)
    assert values["detection/label_recall"] == pytest.approx(5 / 6)
    assert "loss_detection/label_precision" not in values


def test_what_depends_on_unknown_labels_is_no_number(runs, write_run):
    """Nothing injected and no clean labels: none is known to be wrong, which is not that all are right."""
    scores = {"precision": 0.0, "accuracy": 0.8, "f1": 0.0, "prevalence": 0.0, "selected_share": 0.2}
    found = {"image": {"loss": scores, "method": None}, "label": {"loss": {**scores, "prevalence": 0.1}}}
    outcome = {"noisy_images": 0.0, "detection": scores, "sample_detection": found, "memorised": None}
    write_run(runs, slnir="0", result=outcome)
    metrics = {name for name in load(runs).metric if "detection" in name or name == "noisy_images"}
    labels = {f"sample_detection/label/loss/{name}" for name in scores}
    assert metrics == {"detection/selected_share", "sample_detection/image/loss/selected_share", *labels}
    write_run(runs, slnir="30", result={"noisy_images": 0.6, "detection": {**scores, "prevalence": 0.6}})
    known = load(runs)
    assert known[known.metric == "noisy_images"].value.tolist() == [0.6]
    assert known[known.metric == "detection/precision"].value.tolist() == [0.0]


def test_the_machine_of_each_run_is_a_column(runs, write_run):
    write_run(runs, seed=0)
    write_run(runs, seed=1, cpu="EPYC")
    machines = load(runs).drop_duplicates("seed").set_index("seed").machine
    assert machines[0] == "not recorded"
    assert machines[1].startswith("EPYC, ")


def test_an_empty_folder_gives_no_rows_and_a_missing_one_is_an_error(runs, tmp_path):
    assert load(runs).empty
    assert "metric" in load(runs).columns
    with pytest.raises(InputError, match="There is no folder"):
        load(tmp_path / "elsewhere")


@pytest.mark.parametrize("state", ["failed", "incomplete"])
def test_unfinished_runs_are_no_results(runs, write_run, state):
    write_run(runs, state=state, seed=1)
    write_run(runs, seed=0)
    frame = load(runs)
    assert set(frame.seed) == {0}
    assert [(left[1]) for left in frame.attrs["left_out"]] == [state]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"ndcg": float("nan")}, "ndcg@20 is nan"),
        ({"ndcg": float("inf")}, "ndcg@20 is inf"),
        ({"ndcg": -0.1}, "ndcg@20 is negative"),
        ({"result": {"seconds": {"train": -1.0}}}, "seconds/train is negative"),
        ({"method": "x" * 10_000}, "method has 10000 characters"),
        ({"parameters": {"y" * 300: 1}}, "characters"),
        ({"seed": "zero"}, "seed is 'zero'"),
        ({"dataset": None}, "dataset is None"),
        ({"slnir": "thirty"}, "slnir is 'thirty'"),
        ({"learning_rate": float("inf")}, "learning_rate is inf"),
        ({"ndcg": "0.5"}, "ndcg@20 is '0.5'"),
        ({"versions": None}, "NoneType"),
    ],
)
def test_a_record_that_cannot_be_true_is_left_out_with_the_reason(runs, write_run, fields, reason):
    write_run(runs, folder="odd", **fields)
    write_run(runs, seed=7)
    frame = load(runs)
    assert set(frame.seed) == {7}
    (folder, state, said), *_ = frame.attrs["left_out"]
    assert folder.endswith("odd")
    assert state == "corrupt"
    assert reason in said


def test_a_damaged_result_file_is_left_out(runs, write_run):
    folder = write_run(runs)
    (folder / "result.json").write_text("{")
    frame = load(runs)
    assert frame.empty
    assert frame.attrs["left_out"][0][1] == "corrupt"


def test_a_copied_record_counts_once(runs, write_run):
    folder = write_run(runs)
    shutil.copytree(folder, runs / "copy")
    assert len(load(runs).query("metric == 'ndcg@20'")) == 1


def test_one_id_with_two_results_is_refused(runs, write_run):
    write_run(runs, folder="first", ndcg=0.5)
    write_run(runs, folder="second", ndcg=0.6)
    with pytest.raises(InputError, match=r"first has ndcg@20 0\.5.*second has 0\.6"):
        load(runs)


def test_the_seed_of_the_noise_defaults_to_the_seed(runs, write_run):
    write_run(runs, seed=4)
    assert set(load(runs).noise_seed) == {4}


def test_nested_lists_become_their_json(runs, write_run):
    write_run(runs, noise_parameters={"pairs": [[1, 2]]})
    assert json.loads(load(runs)["noise_parameters.pairs"].iloc[0]) == [[1, 2]]
