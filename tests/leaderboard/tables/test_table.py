"""What stands where in the table, what is best, and what is said of it."""

import json
from dataclasses import replace

import pytest

from gridbench.errors import InputError
from gridbench.leaderboard import load
from gridbench.leaderboard.formats.latex import render_latex
from gridbench.leaderboard.formats.markdown import render_markdown
from gridbench.leaderboard.records.filters import keep, parse_condition
from gridbench.leaderboard.records.metric_info import shown
from gridbench.leaderboard.records.runs import Collection, collect
from gridbench.leaderboard.stats.sheets import comparison_sheets
from gridbench.leaderboard.tables.sheet import sheets_of
from gridbench.leaderboard.tables.table import tables_of


def tables(runs, **request):
    return tables_of(collect(runs), **request)


def row(table, *names):
    return next(row for row in (*table.rows, *table.references) if row.names == names)


def test_methods_by_noise_rates(study):
    (table,) = tables(study)
    assert table.columns == ("0", "30", "60")
    assert [line.names for line in table.rows] == [("grid", "bce"), ("elr", "bce"), ("bce", "bce")]
    assert [line.names for line in table.references] == [("oracle", "bce"), ("untrained", ""), ("random", "")]
    assert row(table, "grid", "bce").cells["30"].mean == pytest.approx(0.51)
    assert list(row(table, "elr", "bce").cells) == ["0", "30"]
    assert table.seeds == (0, 1, 2)
    assert "ddof 1" in table.caption
    assert "n = 1 to 3, seeds 0, 1, 2" in table.caption
    assert table.notes == ("Rows are ordered by their mean over 0, 30.",)


def test_best_and_second_are_marked_per_column_and_never_a_reference(study):
    (table,) = tables(study)
    places = {line.names[0]: {c: cell.place for c, cell in line.cells.items()} for line in table.rows}
    assert places == {
        "grid": {"0": "best", "30": "best", "60": "best"},
        "elr": {"0": "", "30": "second"},
        "bce": {"0": "second", "30": "", "60": "second"},
    }
    assert all(cell.place == "" for line in table.references for cell in line.cells.values())


def test_values_that_look_equal_share_a_place(runs, write_run):
    for method, ndcg in (("bce", 0.50001), ("elr", 0.50004), ("grid", 0.48)):
        write_run(runs, method=method, ndcg=ndcg)
    (table,) = tables(runs)
    places = {line.names[0]: line.first.place for line in table.rows}
    assert places == {"bce": "best", "elr": "best", "grid": "second"}


def test_a_single_row_is_not_the_best_of_anything(runs, write_run):
    write_run(runs)
    (table,) = tables(runs)
    assert table.rows[0].first.place == ""


def test_lower_is_better_for_what_was_memorised_and_nothing_is_for_prevalence(runs, write_run):
    write_run(runs, method="bce", result={"memorised": 0.6})
    write_run(runs, method="grid", result={"memorised": 0.7})
    (table,) = tables(runs, metric="memorised")
    assert [(line.names[0], line.first.place) for line in table.rows] == [
        ("bce", "best"),
        ("grid", "second"),
    ]
    (table,) = tables(runs, metric="predicted_prevalence")
    assert {line.first.place for line in table.rows} == {""}


def test_times_are_read_from_the_environment_and_rank_nothing(runs, write_run):
    for method, spent in (("bce", 9.0), ("grid", 4.0)):
        folder = write_run(runs, method=method)
        content = {
            "seconds": {"training": spent, "retrieval": 0.5, "odd": "x", "negative": -1.0},
            "peak_memory": 5e8,
        }
        (folder / "environment.json").write_text(json.dumps(content))
    write_run(runs, method="elr")
    (table,) = tables(runs, metric="seconds/training")
    assert [(line.names[0], line.first.place) for line in table.rows] == [("bce", ""), ("grid", "")]
    assert [line.first.mean for line in table.rows] == [9.0, 4.0]
    assert "they rank nothing" in table.notes[-1]
    assert tables(runs, metric="seconds/total")[0].cells[0].mean == 9.5
    assert comparison_sheets([table]) == []
    (memory,) = tables(runs, metric="memory/peak")
    assert (memory.unit.shown, shown(memory.cells[0].mean, memory.unit)) == ("megabytes", 500.0)
    with pytest.raises(InputError, match="Did you mean 'seconds/training'"):
        tables(runs, metric="seconds/trainig")
    assert not any(
        name.startswith("seconds/train") and name.endswith("ing") for name in set(load(runs).metric)
    )
    frame = load(runs, costs=True)
    assert sorted(frame[frame.metric == "seconds/training"].value) == [4.0, 9.0]
    assert set(frame[frame.metric == "seconds/training"].unit) == {"seconds"}


def test_rows_that_differ_in_a_setting_stay_apart_and_show_it(runs, write_run):
    write_run(runs, epochs=30)
    write_run(runs, epochs=120, seed=1)
    (table,) = tables(runs)
    assert table.headings == ("method", "loss", "epochs")
    assert {line.names for line in table.rows} == {("bce", "bce", "30"), ("bce", "bce", "120")}


def test_cells_that_no_setting_tells_apart_show_their_hash(runs, write_run):
    write_run(runs)
    (run,) = collect(runs).runs
    (table,) = tables_of(Collection([run, replace(run, id="b" * 64, cell="c" * 64)]))
    assert table.headings == ("method", "loss", "cell")
    assert len(table.rows) == 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dataset": "dlrsd"}, "dlrsd"),
        ({"dataset_fingerprint": "a" * 64}, "data fingerprint aaaa"),
        ({"versions": {"protocol": 2, "method": 1, "loss": 1, "noise": 1}}, "protocol version 2"),
        ({"protocol": "authors_code"}, "protocol authors_code"),
        ({"noise": "missing"}, "noise missing"),
        ({"kind": "pixel"}, "labels pixel"),
        ({"noise_parameters": {"scope": "class"}}, "noise scope class"),
        ({"k": 30}, "bluemarble"),
        ({"recipe": "own"}, "recipe own"),
    ],
)
def test_what_cannot_be_compared_is_never_in_one_table(runs, write_run, fields, words):
    write_run(runs)
    write_run(runs, seed=1, **fields)
    both = tables(runs)
    assert len(both) == 2
    assert all(len(table.rows) == 1 for table in both)
    assert any(words in table.title for table in both)


def test_a_table_of_methods_own_recipes_says_so(runs, write_run):
    write_run(runs, recipe="own")
    (table,) = tables(runs)
    assert table.title == "bluemarble · recipe own"


def test_a_title_tells_no_parameters_that_its_noise_model_does_not_have(runs, write_run):
    write_run(runs)
    write_run(runs, seed=1, noise="confusable", noise_parameters={"pairs": "auto"})
    write_run(runs, seed=2, noise="grouped", noise_parameters={"groups": 10})
    write_run(runs, seed=3, noise="grouped", noise_parameters={"groups": 5})
    assert sorted(table.title for table in tables(runs)) == [
        "bluemarble · noise confusable",
        "bluemarble · noise grouped · noise groups 10",
        "bluemarble · noise grouped · noise groups 5",
        "bluemarble · noise swap",
    ]


def test_share_of_the_lost_ndcg_won_back(study):
    (table,) = tables(study)
    shares = {line.names[0]: [cell.gap_closed for cell in line.cells.values()] for line in table.rows}
    assert shares["grid"][0] is None
    assert shares["grid"][1] == pytest.approx(100 * (0.510 - 0.479) / (0.566 - 0.479))
    assert shares["elr"][1] == pytest.approx(100 * (0.500 - 0.479) / (0.566 - 0.479))
    assert shares["bce"] == [None, None, None]


def test_no_share_without_all_three_at_the_same_setting(runs, write_run):
    write_run(runs, method="bce", ndcg=0.4)
    write_run(runs, method="grid", ndcg=0.5)
    write_run(runs, method="oracle", ndcg=0.6, epochs=5)
    (table,) = tables(runs)
    assert all(cell.gap_closed is None for cell in table.cells)


def test_the_share_uses_the_seeds_that_all_three_have(runs, write_run):
    write_run(runs, method="bce", ndcg=0.4, seed=0)
    write_run(runs, method="bce", ndcg=0.1, seed=1)
    write_run(runs, method="grid", ndcg=0.5, seed=0)
    write_run(runs, method="oracle", ndcg=0.6, seed=0)
    (table,) = tables(runs)
    assert row(table, "grid", "bce").first.gap_closed == pytest.approx(50)


def test_no_share_where_noise_cost_next_to_nothing(runs, write_run):
    for method, ndcg in (("bce", 0.595), ("grid", 0.65), ("oracle", 0.6)):
        write_run(runs, method=method, ndcg=ndcg)
    (table,) = tables(runs)
    assert row(table, "grid", "bce").first.gap_closed is None


def test_what_must_be_said_of_a_method_stands_below_the_table(runs, write_run):
    write_run(runs, method="lnc", loss="pce", note="Our re-implementation.")
    (table,) = tables(runs)
    assert table.rows[0].note == "[1]"
    assert table.notes == ("[1] Our re-implementation.",)


def test_rows_that_were_told_the_noise_rate_say_so_below_the_table(runs, write_run):
    write_run(runs, method="co_teaching", parameters={"tau": "slnir"})
    write_run(runs, method="bce", parameters={})
    (table,) = tables(runs)
    assert {row.names[0]: row.note for row in table.rows} == {"co_teaching": "[1]", "bce": ""}
    assert "[1] given the noise rate (tau=slnir)" in table.notes


@pytest.mark.parametrize(("slnir", "told"), [("0", True), ("30", False)])
def test_labels_that_are_noisy_as_given_are_told_below_the_table(runs, write_run, slnir, told):
    write_run(runs, slnir=slnir, result={"noisy_images": 0.338})
    write_run(runs, slnir=slnir, method="grid", result={"noisy_images": 0.338})
    (table,) = tables(runs)
    note = "At SLNIR 0 the labels are as given: 33.8 % of the training images are noisy."
    assert (note in table.notes) == told


def test_labels_that_are_right_as_far_as_is_known_need_no_note(runs, write_run):
    write_run(runs, slnir="0", result={"noisy_images": 0.0})
    (table,) = tables(runs)
    assert not table.notes


def test_seeds_of_failed_runs_are_counted_as_missing(runs, write_run):
    write_run(runs, seed=0)
    write_run(runs, seed=1, state="failed")
    write_run(runs, seed=2, state="incomplete", dataset="elsewhere")
    (table,) = tables(runs)
    assert table.seeds == (0, 1)


def test_one_row_that_was_measured_everywhere_does_not_decide_the_order(study, write_run):
    for rate in ("10", "20", "40", "50"):
        write_run(study, method="bce", slnir=rate, ndcg=0.99)
    (table,) = tables(study)
    assert [line.names[0] for line in table.rows] == ["grid", "elr", "bce"]
    assert table.notes == ("Rows are ordered by their mean over 0, 30.",)


def test_one_lonely_cell_does_not_decide_the_order(study, write_run):
    write_run(study, method="lonely", slnir="30", ndcg=0.99)
    (table,) = tables(study)
    assert [line.names[0] for line in table.rows] == ["grid", "elr", "bce", "lonely"]
    assert table.notes == ("Rows are ordered by their mean over 0, 30; those that lack one come last.",)


def test_rows_and_columns_can_be_any_setting(study):
    (table,) = tables(study, rows=("slnir",), columns=("method",))
    assert table.headings == ("SLNIR (%)", "loss")
    assert table.columns == ("bce", "elr", "grid", "oracle", "random", "untrained")


def test_a_setting_heads_rows_or_columns_and_not_both(study):
    (table,) = tables(study, columns=("method",))
    assert "method" not in table.headings
    for request in ({"rows": ("slnir",)}, {"rows": ("method",), "columns": ("method",)}):
        with pytest.raises(InputError, match="cannot head both rows and columns"):
            tables(study, **request)


def test_an_empty_metric_is_no_metric(study):
    with pytest.raises(InputError, match="No result has the metric ''"):
        tables(study, metric="")


def test_an_unknown_setting_names_the_nearest(study):
    with pytest.raises(InputError, match=r"No result has the setting 'epoch'.*Did you mean 'epochs'"):
        tables(study, rows=("method", "epoch"))


def test_a_setting_can_be_named_as_tables_head_it(study, write_run):
    write_run(study, method="grid", slnir="30", loss="pce", kind="pixel")
    assert [table.title for table in tables(study)] == [
        "bluemarble · labels pixel",
        "bluemarble · labels scene",
    ]
    found = keep(collect(study), [parse_condition("labels=pixel")])
    assert [run.settings["loss"] for run in found.runs] == ["pce"]
    assert tables(study, rows=("method", "labels"))[0].headings[:2] == ("method", "labels")


def test_a_table_of_one_seed_says_which(runs, write_run):
    write_run(runs, seed=3)
    (table,) = tables(runs)
    assert table.caption.endswith("one seed, no spread; n = 1, seed 3")


def test_only_what_has_all_seeds_is_best(runs, write_run):
    for seed in range(5):
        write_run(runs, method="bce", seed=seed, ndcg=0.50)
        write_run(runs, method="grid", seed=seed, ndcg=0.52)
    write_run(runs, method="jocor", seed=0, ndcg=0.60)
    (table,) = tables_of(collect(runs))
    places = {row.names[0]: row.first.place for row in table.rows}
    assert places == {"grid": "best", "bce": "second", "jocor": ""}
    assert [row.names[0] for row in table.rows] == ["grid", "bce", "jocor"]
    for render in (render_latex, render_markdown):
        text = render(sheets_of(table))
        assert "60.0" in text
        assert r"\textbf{60.0}" not in text
        assert "**60.0**" not in text


def test_a_row_with_fewer_seeds_comes_last_and_the_table_says_so(runs, write_run):
    for slnir in ("0", "30"):
        for seed in range(3):
            write_run(runs, method="bce", slnir=slnir, seed=seed, ndcg=0.50)
        write_run(runs, method="jocor", slnir=slnir, seed=0, ndcg=0.60)
    (table,) = tables_of(collect(runs))
    assert [row.names[0] for row in table.rows] == ["bce", "jocor"]
    assert table.notes == (
        "Rows are ordered by their mean over all columns; those that lack seeds come last.",
    )


def test_a_cell_that_mixes_machines_says_so(runs, write_run):
    for seed in range(3):
        write_run(runs, method="bce", seed=seed, cpu="EPYC")
        write_run(runs, method="grid", seed=seed, cpu="Xeon" if seed == 1 else "EPYC")
    (table,) = tables_of(collect(runs))
    notes = {row.names[0]: row.note for row in table.rows}
    assert notes == {"bce": "", "grid": "[1]"}
    both, mixed = table.notes
    assert both.startswith("Computed on 2 machines, of which the runs are never paired: EPYC")
    assert mixed.startswith("[1] averages runs of several machines, at SLNIR 30 %: seeds 0, 2 on EPYC")
    assert "seed 1 on Xeon" in mixed


def test_runs_of_one_machine_are_told_without_a_note(runs, write_run):
    write_run(runs, method="bce", cpu="EPYC")
    write_run(runs, method="grid", cpu="EPYC")
    (table,) = tables_of(collect(runs))
    assert table.notes == ()
    assert {cell.text("machine") for cell in table.cells} == {"EPYC, AVX2/AVX2/AVX2, 1 thread, torch 2.8.0"}
