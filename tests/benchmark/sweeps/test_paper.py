"""The declared grids are the paper's: against the reported tables, and what METHODS and captions say of figures."""

import dataclasses

import pytest

from gridbench.errors import InputError
from gridbench.leaderboard.paper.reported import reported_numbers
from gridbench.leaderboard.tables.cells import order_of
from gridbench.registry import METHODS
from gridbench.sweeps.grid import pair_of, refusal
from gridbench.sweeps.paper import ARCHIVES, EXHIBITS, exhibit, settings_of
from gridbench.sweeps.reproduce import needs_maps

TABLES = [shown for shown in EXHIBITS.values() if shown.reported]


def grid(shown, seeds=("0",)):
    """Return what identifies each run: method, loss, rate, and given parameters."""
    found = []
    for values in settings_of(shown, shown.datasets[0], seeds, {}):
        method, loss = pair_of(values["method"], values.get("loss"))
        given = tuple(sorted((name, order_of(value)) for name, value in values["parameters"].items()))
        found.append((method.name, loss.name, order_of(values["slnir"]), given))
    return found


@pytest.mark.parametrize("shown", TABLES, ids=lambda shown: shown.name)
def test_a_table_has_exactly_the_runs_of_which_the_paper_prints_a_number(shown):
    printed = [
        (
            number.method,
            number.loss,
            order_of(number.slnir),
            tuple(sorted((name, order_of(value)) for name, value in number.parameters.items())),
        )
        for number in reported_numbers()
        if number.table == shown.reported
    ]
    assert len(printed) == len(set(printed))
    assert sorted(grid(shown)) == sorted(printed)
    (dataset,) = {number.dataset for number in reported_numbers() if number.table == shown.reported}
    assert shown.datasets == (dataset,)


def test_there_is_every_table_and_figure_but_the_drawing():
    assert list(EXHIBITS) == [f"table-{n}" for n in range(1, 9)] + [f"figure-{n}" for n in range(2, 9)]
    assert {name for shown in EXHIBITS.values() for name in shown.datasets} == set(ARCHIVES)


@pytest.mark.parametrize(
    ("name", "datasets", "runs"),
    [
        ("figure-2", ("dlrsd",), 6 + 6),
        ("figure-3", ("bigearthnet",), 6 + 6),
        ("figure-4", ("dlrsd",), 6 + 6),
        ("figure-5", ("bigearthnet",), 6 + 6),
        ("figure-6", ("dlrsd", "bigearthnet"), 3 * 4 * 7),
        ("figure-7", ("bigearthnet",), 2 * 7),
        ("figure-8", ("bigearthnet",), 0),
    ],
)
def test_figures_have_the_papers_archives_and_as_many_runs(name, datasets, runs):
    assert EXHIBITS[name].datasets == datasets
    assert len(grid(EXHIBITS[name])) == len(set(grid(EXHIBITS[name]))) == runs
    assert len(list(settings_of(EXHIBITS[name], "bluemarble", ["0", "1"], {}))) == 2 * runs


def test_detection_follows_the_noise_rate():
    runs = list(settings_of(EXHIBITS["figure-3"], "bigearthnet", ["0"], {"epochs": 5}))
    assert {values["parameters"].get("lambda") for values in runs} == {"slnir", None}
    assert {values["slnir"] for values in runs} == {"10", "20", "30", "40", "50", "60"}
    assert {(values["dataset"], values["epochs"]) for values in runs} == {("bigearthnet", 5)}


def test_everything_declared_can_be_run():
    for shown in EXHIBITS.values():
        for method, loss, _, given in grid(shown):
            assert refusal(method, loss) == ""
            names = {field.name.rstrip("_") for field in dataclasses.fields(METHODS.get(method).Parameters)}
            assert {name for name, _ in given} <= names


def test_which_of_them_learn_from_label_maps():
    assert {name for name, shown in EXHIBITS.items() if needs_maps(shown)} == {
        "table-3", "table-4", "table-7", "table-8", "figure-4", "figure-5", "figure-6", "figure-7",
    }  # fmt: skip


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(InputError, match=r"'table-9'.*gridbench reproduce list"):
        exhibit("table-9")
