"""Conditions on settings."""

import pytest

from gridbench.errors import InputError
from gridbench.leaderboard.records.filters import keep, parse_condition
from gridbench.leaderboard.records.runs import collect


def left(runs, *texts):
    found = keep(collect(runs), [parse_condition(text) for text in texts])
    return sorted((run.settings["method"], run.settings["slnir"], run.seed) for run in found.runs)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        (["slnir>=30", "seed=0"], [("bce", "30", 0), ("bce", "60", 0), ("grid", "30", 0), ("grid", "60", 0)]),
        (["method=grid", "slnir<30"], [("grid", "0", 0), ("grid", "0", 1), ("grid", "0", 2)]),
        (["method!=bce", "slnir = 30.0,60", "seed>1"], [("grid", "30", 2), ("grid", "60", 2)]),
        (["lambda=20", "seed<=0"], [("grid", "0", 0), ("grid", "30", 0), ("grid", "60", 0)]),
        (["parameters.lambda=20", "slnir>30", "seed=1"], [("grid", "60", 1)]),
    ],
)
def test_conditions(study, conditions, expected):
    assert left(study, "method=grid,bce", *conditions) == expected


@pytest.mark.parametrize("text", ["method", "=grid", "slnir>many", "slnir>1,2", ""])
def test_what_is_no_condition_is_refused_with_examples(text):
    with pytest.raises(InputError, match=r"cannot be read.*method=grid,elr"):
        parse_condition(text)


def test_an_unknown_setting_or_value_names_the_nearest(study):
    with pytest.raises(InputError, match=r"setting 'methd'.*Did you mean 'method'"):
        left(study, "methd=grid")
    with pytest.raises(
        InputError, match=r"No result meets 'method=gird'.*Did you mean 'grid'.*bce, elr, grid"
    ):
        left(study, "method=gird")


def test_a_part_of_its_name_is_enough_for_a_machine(runs, write_run):
    write_run(runs, seed=0, cpu="AMD EPYC 7R13")
    write_run(runs, seed=1, cpu="Intel Xeon")
    write_run(runs, seed=2)
    assert left(runs, "machine=EPYC") == [("bce", "30", 0)]
    assert left(runs, "machine!=EPYC,Xeon") == [("bce", "30", 2)]
    with pytest.raises(InputError, match=r"No result meets 'machine=Threadripper'.*AMD EPYC"):
        left(runs, "machine=Threadripper")


def test_unfinished_runs_are_filtered_too(runs, write_run):
    write_run(runs, slnir="30")
    write_run(runs, slnir="60", state="failed")
    assert keep(collect(runs), [parse_condition("slnir=30")]).left_out == []
    assert len(keep(collect(runs), [parse_condition("method=bce")]).left_out) == 1


def test_a_comparison_that_nothing_meets_has_no_nearest_name(runs, write_run):
    write_run(runs, slnir="30")
    with pytest.raises(InputError, match=r"No result meets 'slnir>50'\. There are: 30\."):
        keep(collect(runs), [parse_condition("slnir>50")])


def test_values_that_no_result_has_are_noted_where_others_of_the_list_have(study):
    found = keep(collect(study), [parse_condition("method=grid,gird"), parse_condition("slnir=30.0,31")])
    assert found.notes == ["No result meets method=gird.", "No result meets slnir=31."]
    assert keep(collect(study), [parse_condition("method!=gird")]).notes == []
