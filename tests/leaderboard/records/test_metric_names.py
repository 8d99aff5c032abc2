"""Names of metrics: what people type, what is near, and why a result has no value."""

import pytest
from click.testing import CliRunner

from gridbench.cli.listing import listing
from gridbench.errors import InputError
from gridbench.leaderboard.records.metric_info import METRICS, unit_of
from gridbench.leaderboard.records.metric_names import closest, full_name, is_prediction
from gridbench.leaderboard.records.runs import collect
from gridbench.leaderboard.tables.cells import cells_of
from gridbench.leaderboard.tables.table import tables_of
from gridbench.metrics.predictions import LabelScores, MapScores, SingleLabelScores

SCENE = {"of": "labels", "classes": ["a"], "test": {"per_class": {}, "without_positives": []}}
NO_HEAD = {"reason": "the method trains no head"}


def test_every_score_of_predictions_has_its_name_and_kind():
    import torch

    several, one, maps = LabelScores(2, thresholds=[0.5, 0.5]), SingleLabelScores(2), MapScores(2)
    several.update(torch.tensor([[0.9, 0.1]]), torch.tensor([[1, 0]]))
    one.update(torch.tensor([[0.9, 0.1]]), torch.tensor([0]))
    maps.update(torch.tensor([[[0]]]), torch.tensor([[[0]]]))
    for scores, of in ((several, "scene labels"), (one, "single labels"), (maps, "label maps")):
        assert scores.compute().values.keys() == {each.name for each in METRICS if of in each.of}


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("val_miou", "validation/miou"),
        ("val/miou", "validation/miou"),
        ("valid", "valid"),
        ("last/val_miou", "last/validation/miou"),
        ("last/accuracy", "last/accuracy"),
        ("last_epochs/val_ndcg@5", "last_epochs/validation/ndcg@5"),
        ("map@r", "map@r"),
    ],
)
def test_validation_may_be_shortened(typed, name):
    assert full_name(typed) == name


def test_an_unknown_name_is_answered_with_three_and_not_with_all():
    names = [each.name for each in METRICS] + [f"validation/{each.name}" for each in METRICS]
    assert closest("f1", names) == " Did you mean 'f1_macro', 'f1_micro' or 'f1_macro_tuned'?"
    assert closest("F1_makro", names).startswith(" Did you mean 'f1_macro'")
    assert closest("zzzzzz", names) == ""


@pytest.mark.parametrize("name", ["hamming", "ece", "validation/hamming", "validation/ece"])
def test_of_errors_lower_is_better(name):
    assert unit_of(name).better == "lower"
    assert unit_of(name).symbol == "%"


def test_a_score_that_the_task_has_not_says_what_there_is(runs, write_run):
    write_run(runs, metrics={"ndcg@20": 0.5, "map_macro": 0.4}, result={"predictions": SCENE})
    with pytest.raises(
        InputError, match="'miou': they predict scene labels, and this is a score of label maps"
    ):
        cells_of(collect(runs), "miou")
    with pytest.raises(InputError, match=r"'map'\. Did you mean 'map_macro'"):
        cells_of(collect(runs), "map")


def test_a_result_of_before_has_no_value_rather_than_zero(runs, write_run):
    write_run(runs, metrics={"ndcg@20": 0.5})
    with pytest.raises(InputError, match=r"recorded before predictions were scored.*--force"):
        cells_of(collect(runs), "map_macro")


def test_a_table_says_which_methods_have_no_value_and_why(runs, write_run):
    scored = {"ndcg@20": 0.5, "map_macro": 0.4}
    write_run(runs, method="grid", metrics=scored, result={"predictions": SCENE})
    write_run(runs, method="elr", metrics={"ndcg@20": 0.5})
    for method in ("untrained", "random"):
        write_run(runs, method=method, loss=None, metrics={"ndcg@20": 0.2}, result={"predictions": NO_HEAD})
    (table,) = tables_of(collect(runs), "map_macro")
    assert [row.names[0] for row in (*table.rows, *table.references)] == ["grid"]
    assert "No map_macro: random, untrained (the method trains no head)." in table.notes
    assert any(note.startswith("No map_macro: elr (recorded before") for note in table.notes)
    (usual,) = tables_of(collect(runs))
    assert not any(note.startswith("No ") for note in usual.notes)


def test_why_there_is_no_mean_over_epochs(runs, write_run):
    write_run(runs, metrics={"ndcg@20": 0.5})
    with pytest.raises(InputError, match="for runs with --last-epochs"):
        cells_of(collect(runs), "last_epochs/ndcg")


@pytest.mark.parametrize("metric", ["last/ndcg", "last/map_macro"])
@pytest.mark.parametrize(
    ("select", "reason"),
    [("last", "its only scores are those of its last epoch"), ("best", "before its last epoch")],
)
def test_why_there_is_no_score_of_the_last_epoch(runs, write_run, metric, select, reason):
    scored = {"ndcg@20": 0.5, "map_macro": 0.4}
    write_run(runs, metrics=scored, result={"predictions": SCENE}, select=select)
    with pytest.raises(InputError, match=f"{reason}.*gridbench list metrics"):
        cells_of(collect(runs), metric)


def test_a_table_of_the_last_epoch(runs, write_run):
    scored = {"ndcg@20": 0.5, "last/ndcg@20": 0.4}
    write_run(runs, method="grid", metrics=scored, select="best")
    write_run(runs, method="bce", metrics={"ndcg@20": 0.5})
    (table,) = tables_of(collect(runs), "last/ndcg")
    assert [row.names[0] for row in table.rows] == ["grid"]
    assert [cell.mean for cell in table.rows[0].cells.values()] == [0.4]


def test_the_names_are_listed_with_what_each_is():
    result = CliRunner().invoke(listing, ["metrics"])
    assert result.exit_code == 0
    assert all(each.name in result.output for each in METRICS)
    assert is_prediction("validation/miou")
    assert not is_prediction("map@20")
