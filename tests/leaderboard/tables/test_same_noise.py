"""Results of other label noise, data or protocol never enter a table unseen."""

import pytest

from gridbench.errors import InputError
from gridbench.leaderboard.records.runs import collect
from gridbench.leaderboard.tables.cells import cells_of, differing


def noise(digit):
    return {"noise": {"requested": "30", "realised": 29.98, "sha256": digit * 64}}


def test_methods_of_one_cell_with_different_noise_are_refused_by_name(runs, write_run):
    write_run(runs, method="bce", folder="a-old", result=noise("1"))
    write_run(runs, method="grid", folder="b-new", result=noise("2"))
    with pytest.raises(
        InputError, match=r"a-old and .*b-new say that they saw the same label noise \(swap, SLNIR 30\)"
    ):
        cells_of(collect(runs))


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"noise_seed": 7},
        {"slnir": "60"},
        {"noise": "flip"},
        {"noise_parameters": {"within": True}},
        {"train_size": 300},
        {"kind": "pixel"},
        {"dataset_fingerprint": "a" * 64},
        {"versions": {"protocol": 1, "method": 1, "loss": 1, "noise": 2}},
        {"versions": {"protocol": 1, "method": 1, "loss": 1, "noise": 1, "noise_files": "b" * 64}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_noise_hangs_on_may_differ_and_so_may_the_noise(runs, write_run, other):
    write_run(runs, method="bce", result=noise("1"))
    write_run(runs, method="grid", result=noise("2"), **other)
    assert len(cells_of(collect(runs))) == 2


@pytest.mark.parametrize(
    "other", [{"epochs": 3}, {"backbone": "resnet18"}, {"batch_size": 8}, {"method": "elr"}]
)
def test_training_does_not_touch_the_noise(runs, write_run, other):
    write_run(runs, result=noise("1"))
    write_run(runs, result=noise("1"), **other)
    assert len(cells_of(collect(runs))) == 2
    write_run(runs, result=noise("2"), seed=1)
    write_run(runs, result=noise("3"), seed=1, **other)
    with pytest.raises(InputError, match="move it away"):
        cells_of(collect(runs))


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("versions", {"protocol": 2, "method": 1, "loss": 1, "noise": 1}, "versions.protocol"),
        ("versions", {"protocol": 1, "method": 1, "loss": 1, "noise": 2}, "versions.noise"),
        ("dataset_fingerprint", "a" * 64, "dataset_fingerprint"),
    ],
)
def test_stale_results_stand_in_rows_of_their_own_that_say_why(runs, write_run, field, value, shown):
    for seed in range(2):
        write_run(runs, seed=seed)
    write_run(runs, seed=2, **{field: value})
    cells = cells_of(collect(runs))
    assert sorted(cell.n for cell in cells) == [1, 2]
    assert differing(cells) == [shown]
