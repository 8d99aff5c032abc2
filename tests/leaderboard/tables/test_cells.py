"""A cell averages seeds and nothing else."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbench.errors import InputError
from gridbench.leaderboard.records.runs import Collection, collect
from gridbench.leaderboard.tables.cells import Cell, cells_of, differing, order_of


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_mean_and_spread_are_those_of_numpy(values):
    cell = Cell("ndcg@20", dict(enumerate(values)))
    assert cell.mean == pytest.approx(np.mean(values), abs=1e-12)
    if len(values) == 1:
        assert math.isnan(cell.std)
    else:
        assert cell.std == pytest.approx(np.std(values, ddof=1), abs=1e-12)


def test_seeds_are_averaged_and_nothing_else(runs, write_run):
    for seed, ndcg in enumerate((0.1, 0.2, 0.6)):
        write_run(runs, seed=seed, ndcg=ndcg)
    for name, value in (("epochs", 30), ("slnir", "60"), ("backbone", "resnet18"), ("noise_seed", 9)):
        write_run(runs, seed=0, **{name: value})
    cells = cells_of(collect(runs))
    assert len(cells) == 5
    assert sorted(cell.n for cell in cells) == [1, 1, 1, 1, 3]
    big = max(cells, key=lambda cell: cell.n)
    assert big.mean == pytest.approx(0.3)
    assert big.std == pytest.approx(0.26457513)
    assert differing(cells) == ["slnir", "noise_seed", "backbone", "epochs"]


@pytest.mark.parametrize("field", ["dataset_fingerprint", "plugin", "versions"])
def test_fingerprint_plugin_and_versions_keep_cells_apart(runs, write_run, field):
    changed = {"protocol": 2, "method": 1, "loss": 1, "noise": 1} if field == "versions" else "a" * 64
    write_run(runs, seed=0)
    write_run(runs, seed=1, **{field: changed})
    cells = cells_of(collect(runs))
    assert len(cells) == 2
    assert differing(cells) == ["versions.protocol" if field == "versions" else field]


def test_parameters_of_different_methods_are_no_difference_but_those_of_one_are(runs, write_run):
    write_run(runs, method="bce")
    write_run(runs, method="grid", parameters={"lambda": 20.0})
    assert differing(cells_of(collect(runs))) == []
    write_run(runs, method="grid", parameters={"lambda": 30.0})
    assert differing(cells_of(collect(runs))) == ["parameters.lambda"]


def test_training_settings_of_references_that_train_nothing_do_not_matter(runs, write_run):
    write_run(runs, method="bce")
    write_run(runs, method="random", loss=None, epochs=1)
    assert differing(cells_of(collect(runs))) == []
    write_run(runs, method="oracle", epochs=5)
    assert differing(cells_of(collect(runs))) == ["epochs"]


def test_the_headline_is_ndcg_at_each_runs_own_k(runs, write_run):
    write_run(runs, k=20)
    write_run(runs, k=30, ndcg=0.7)
    assert {(cell.metric, cell.mean) for cell in cells_of(collect(runs))} == {
        ("ndcg@20", 0.5),
        ("ndcg@30", 0.7),
    }
    assert len(cells_of(collect(runs), "map@20")) == 2


def test_an_unknown_metric_names_the_nearest(runs, write_run):
    write_run(runs)
    with pytest.raises(InputError, match=r"No result has the metric 'map@2'.*Did you mean 'map@20'"):
        cells_of(collect(runs), "map@2")


def test_two_runs_of_one_seed_and_cell_are_refused(runs, write_run):
    write_run(runs, folder="one")
    (run,) = collect(runs).runs
    other = replace(run, id="b" * 64, stored=replace(run.stored, folder=runs / "two"))
    with pytest.raises(InputError, match=r"Two runs claim seed 0 of one cell: .*one and .*two"):
        cells_of(Collection([run, other]))


def test_numbers_are_ordered_as_numbers():
    assert sorted(["60", "12.5", "", "swap", "5"], key=order_of) == ["", "5", "12.5", "60", "swap"]
