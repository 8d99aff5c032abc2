"""Which rows are compared with which, and what is said when they cannot be."""

import math

import pytest

from gridbench.errors import InputError
from gridbench.leaderboard.records.filters import keep, parse_condition
from gridbench.leaderboard.records.runs import collect
from gridbench.leaderboard.stats.comparison import compare_rows, ranking_of
from gridbench.leaderboard.stats.sheets import comparison_sheets
from gridbench.leaderboard.tables.table import tables_of


@pytest.fixture
def five(runs, write_run):
    """BCE and GRID with five seeds at three rates, ELR with five seeds at two, oracle at one."""
    for seed in range(5):
        for slnir, base in (("0", 0.56), ("30", 0.48), ("60", 0.44)):
            noise = 0.002 * ((seed * 7) % 5)
            write_run(runs, method="bce", slnir=slnir, seed=seed, ndcg=base + noise)
            gain = 0.03 + 0.001 * seed if slnir == "30" else 0.004 * (-1) ** seed
            write_run(runs, method="grid", slnir=slnir, seed=seed, ndcg=base + noise + gain)
            if slnir != "60":
                write_run(runs, method="elr", slnir=slnir, seed=seed, ndcg=base + noise - 0.01)
    return runs


def tables(runs, **request):
    return tables_of(collect(runs), **request)


def by_name(table, **options):
    return {one.row.names[0]: one for one in compare_rows(table, **options)}


def test_methods_are_compared_with_plain_training_pair_by_pair(five):
    (table,) = tables(five)
    compared = by_name(table)
    assert compared["bce"].is_baseline
    assert compared["bce"].interval is None
    grid = compared["grid"]
    assert grid.by_column["30"].verdict == "better"
    assert grid.by_column["60"].verdict == "not resolved"
    assert grid.interval.difference == pytest.approx((0.032 + 2 * 0.0008) / 3)
    assert grid.wins == pytest.approx((5 + 3 + 3) / 15)
    assert compared["elr"].interval.verdict == "worse"
    assert compared["elr"].interval.seeds == 5


def test_areas_and_drops_are_taken_where_every_row_has_a_value(five):
    (table,) = tables(five)
    compared = by_name(table)
    clean, noisy = (0.004 + base for base in (0.56, 0.48))
    assert compared["bce"].area == pytest.approx((clean + noisy) / 2)
    assert compared["bce"].drop == pytest.approx((clean - noisy) / clean)
    assert math.isnan(by_name(tables(five, columns=("noise",), rows=("method", "slnir"))[0])["bce"].drop)


def test_another_baseline_can_be_named(five):
    (table,) = tables(five)
    assert by_name(table, against="elr")["grid"].by_column.keys() == {"0", "30"}
    with pytest.raises(InputError, match=r"method 'elrr'.*Did you mean 'elr'.*bce, elr, grid"):
        compare_rows(table, "elrr")


def test_a_method_with_a_loss_of_its_own_is_compared_with_the_one_that_is_named(runs, write_run):
    for seed in range(5):
        noise = 0.002 * ((seed * 7) % 5)
        write_run(runs, method="bce", seed=seed, ndcg=0.5 + noise)
        write_run(runs, method="small", loss="soft", seed=seed, ndcg=0.52 + noise)
        for loss in ("bce", "asl"):
            write_run(runs, method="jocor", loss=loss, seed=seed, ndcg=0.53 + noise)
    (table,) = tables(runs)
    assert by_name(table)["small"].interval is None
    assert "at the same settings: jocor+asl, small+soft. --against METHOD" in " ".join(
        comparison_sheets([table])[0].notes
    )
    compared = {one.row.names: one.interval for one in compare_rows(table, "bce")}
    assert compared["small", "soft"].difference == pytest.approx(0.02)
    assert compared["jocor", "asl"].difference == pytest.approx(0.03)
    assert not any("No plain" in note for note in comparison_sheets([table], "bce")[0].notes)
    # JoCoR has two losses, and neither is more like the loss of the row than the other.
    compared = {one.row.names: one.interval for one in compare_rows(table, "jocor")}
    assert compared["bce", "bce"].difference == pytest.approx(-0.03)
    assert compared["small", "soft"] is None


def test_a_baseline_at_other_settings_is_none(runs, write_run):
    for seed in range(5):
        write_run(runs, method="bce", seed=seed, epochs=5)
        write_run(runs, method="grid", seed=seed, epochs=9)
    (table,) = tables(runs)
    assert by_name(table)["grid"].interval is None


def test_a_plain_loss_with_other_parameters_is_no_baseline(runs, write_run):
    write_run(runs, method="fl", loss="fl", parameters={"gamma": 5.0})
    write_run(runs, method="grid", loss="fl", parameters={"gamma": 2.0, "lambda": 20.0})
    (table,) = tables(runs)
    assert by_name(table)["grid"].interval is None
    write_run(runs, method="fl", loss="fl", parameters={"gamma": 2.0})
    (table,) = tables(runs)
    assert by_name(table)["grid"].interval.seeds == 1


def test_ranking_leaves_out_who_lacks_cells(five):
    standing = ranking_of(tables(five))
    assert standing is not None
    assert standing.names == (("grid", "bce"), ("bce", "bce"))
    assert standing.ranks == (1.0, 2.0)
    assert standing.blocks == 3
    assert standing.left_out == (("elr", "bce"),)
    assert standing.test is None


def test_ranking_over_several_data_sets(five, write_run):
    for seed in range(5):
        for method, ndcg in (("bce", 0.3), ("grid", 0.2), ("elr", 0.1)):
            write_run(five, method=method, dataset="dlrsd", slnir="30", seed=seed, ndcg=ndcg)
    assert ranking_of(tables(five)).blocks == 4
    assert ranking_of(tables(five)).ranks == (pytest.approx(1.25), pytest.approx(1.75))


def test_without_anything_in_common_nothing_is_ranked(runs, write_run):
    write_run(runs, method="bce", slnir="0")
    write_run(runs, method="grid", slnir="30")
    assert ranking_of(tables(runs)) is None


def test_the_sheets_say_what_was_found(five, write_run):
    write_run(five, method="jocor", slnir="30", ndcg=0.9)
    sheet, ranking = comparison_sheets(tables(five))
    lines = {names[0]: [mark.text for mark in marks] for names, marks in sheet.lines}
    assert lines["bce"][0] == "(baseline)"
    assert lines["grid"][0] == "+1.1 (n = 5)"
    assert lines["grid"][2:] == ["0.003", "better", "73", "30+", *lines["grid"][6:]]
    assert lines["jocor"][2:4] == ["", "not enough seeds"]
    assert "Holm's correction over all verdicts of this table" in sheet.notes[0]
    assert ranking.title == "Ranking"
    assert "jocor bce" in ranking.notes[-1]


def test_runs_of_different_machines_never_pair(runs, write_run):
    for seed in range(6):
        write_run(runs, method="bce", seed=seed, ndcg=0.50, cpu="EPYC")
        write_run(runs, method="oracle", seed=seed, ndcg=0.60, cpu="EPYC")
        write_run(runs, method="grid", seed=seed, ndcg=0.52, cpu="EPYC" if seed else "Xeon")
        write_run(runs, method="elr", seed=seed, ndcg=0.53, cpu="Xeon")
    (table,) = tables(runs)
    compared = by_name(table)
    assert compared["grid"].interval.seeds == 5
    assert (compared["elr"].interval.seeds, compared["elr"].interval.verdict) == (0, "not enough seeds")
    (sheet,) = comparison_sheets([table])[:1]
    lines = {names[0]: [mark.text for mark in marks] for names, marks in sheet.lines}
    assert lines["elr"] == ["— (n = 0)", "", "", "not enough seeds", ""]
    shares = {row.names[0]: row.first.gap_closed for row in table.rows}
    assert shares["grid"] == pytest.approx(20)
    assert shares["elr"] is None


def test_a_table_is_one_family_of_verdicts(runs, write_run):
    # Of ten methods that each are just resolved by themselves, none is in one table.
    gains = [0.02, 0.01, 0.03, 0.005, 0.01]
    for seed in range(5):
        write_run(runs, method="bce", seed=seed, ndcg=0.5 + 0.01 * seed)
        for method in ("grid", "elr", *(f"other{at}" for at in range(8))):
            write_run(runs, method=method, seed=seed, ndcg=0.5 + 0.01 * seed + gains[seed])
    (table,) = tables(runs)
    compared = [one.interval for one in compare_rows(table) if one.interval]
    assert {interval.low > 0 for interval in compared} == {True}
    assert {interval.verdict for interval in compared} == {"not resolved"}
    assert [interval.adjusted for interval in compared] == pytest.approx([10 * compared[0].p_value] * 10)
    (alone,) = tables_of(keep(collect(runs), [parse_condition("method=bce,grid")]))
    assert by_name(alone)["grid"].interval.verdict == "better"


def test_one_seed_and_one_cell_are_told_in_the_singular(runs, write_run):
    for at, method in enumerate(("bce", "grid")):
        write_run(runs, method=method, slnir="30", seed=0, ndcg=0.5 + 0.1 * at)
    statistics, ranking = comparison_sheets(tables(runs))
    assert statistics.caption.endswith("over seed 0")
    assert "over 1 cell, of" in ranking.caption
