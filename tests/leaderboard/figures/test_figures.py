"""Figures: what is drawn from which records, and that nobody needs colours to read it."""

import json

import numpy as np
import pytest

from gridbench.leaderboard.figures.bars import mode_bars, parameter_bars
from gridbench.leaderboard.figures.curves import noise_curves
from gridbench.leaderboard.figures.epochs import (
    band_of,
    detection_curves,
    last_value,
    loss_curves,
    score_curves,
)
from gridbench.leaderboard.figures.figures import figures_of
from gridbench.leaderboard.figures.ranks import cliques, rank_diagram
from gridbench.leaderboard.figures.sensitivity import sensitivity_maps
from gridbench.leaderboard.figures.strip_figures import strip_figures
from gridbench.leaderboard.figures.strips import strips_of
from gridbench.leaderboard.figures.style import COLUMN, PAGE, looks_of, rendered
from gridbench.leaderboard.formats.report import Report
from gridbench.leaderboard.records.runs import collect
from gridbench.leaderboard.stats.comparison import ranking_of
from gridbench.leaderboard.tables.cells import Cell
from gridbench.leaderboard.tables.table import tables_of


def table_of(runs):
    (table,) = tables_of(collect(runs))
    return table


def texts(figure):
    return [text.get_text() for panel in figure.axes for text in panel.texts]


def add_history(folder, rows):
    (folder / "history.json").write_text(json.dumps(rows))


def pictures(labels=True, queries=2, retrieved=4):
    arrays = {
        "thumbnail.query_images": np.zeros((queries, 8, 8, 3), np.uint8),
        "thumbnail.retrieved_images": np.zeros((queries, retrieved, 8, 8, 3), np.uint8),
    }
    if labels:
        arrays["thumbnail.query_labels"] = np.tile(np.array([1, 0, 1], bool), (queries, 1))
        arrays["thumbnail.retrieved_labels"] = np.tile(np.eye(3, dtype=bool)[[0, 1, 2, 1]], (queries, 1, 1))
        arrays["thumbnail.class_names"] = np.array(["water", "forest", "urban"])
    return arrays


def test_no_two_series_look_alike_even_without_colour():
    looks = looks_of(str(at) for at in range(24))
    assert len({(look.marker, look.dash) for look in looks.values()}) == 24
    assert len({(look.colour, look.hatch) for look in looks.values()}) == 24


def test_curves_show_means_and_spreads(study):
    figure = noise_curves(table_of(study))
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert list(lines) == ["GRID (BCE)", "ELR (BCE)", "BCE", "Oracle (BCE)"]
    assert "off the scale: Untrained 33.0, Random 21.0" in figure.axes[0].get_xlabel()
    assert list(lines["GRID (BCE)"].get_xdata()) == [0, 30, 60]
    assert list(lines["GRID (BCE)"].get_ydata()) == pytest.approx([57, 51, 45])
    assert list(lines["ELR (BCE)"].get_xdata()) == [0, 30]
    band = figure.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((44, 58))


def test_figures_fit_the_columns_of_a_paper_with_fonts_embedded(study):
    found = collect(study)
    for name, figure in figures_of(Report(found, tables_of(found))):
        assert figure.get_figwidth() in (COLUMN, PAGE), name
        pdf = rendered(figure, "pdf")
        assert b"/FontFile2" in pdf
        assert b"/Type3" not in pdf
        assert b"<text" not in rendered(figure, "svg")
        width = figure.get_tightbbox().width  # what is drawn, a legend included
        assert width <= figure.get_figwidth() + 0.02, name


def test_a_rate_without_a_run_does_not_cut_a_curve(runs, write_run):
    for method, rates in {"bce": (0, 30, 60), "elr": (0, 60)}.items():
        for slnir in rates:
            write_run(runs, method=method, slnir=slnir)
    lines = {line.get_label(): line for line in noise_curves(table_of(runs)).axes[0].lines}
    assert list(lines["ELR (BCE)"].get_xdata()) == [0, 60]
    assert np.isfinite(lines["ELR (BCE)"].get_ydata()).all()


def test_no_curve_over_a_single_rate(runs, write_run):
    write_run(runs)
    assert noise_curves(table_of(runs)) is None


def test_histories_are_averaged_over_the_seeds_that_reached_an_epoch(runs, write_run):
    long = [{"epoch": at, "detection": {"precision": value}} for at, value in ((1, 0.2), (2, 0.4), (3, 0.6))]
    add_history(write_run(runs, seed=0), long)
    add_history(write_run(runs, seed=1), [{"epoch": 1, "detection": {"precision": 0.4}}, {"epoch": 2}])
    write_run(runs, seed=2)
    cell = table_of(runs).rows[0].first
    band = band_of(cell, "detection", "precision")
    assert band["mean"].tolist() == pytest.approx([0.3, 0.4, 0.6])
    assert band["std"].tolist() == pytest.approx([np.std([0.2, 0.4], ddof=1), 0, 0])
    assert last_value(cell, "detection", "precision") == pytest.approx(0.6)
    assert band_of(cell, "kl") is None
    assert band_of(Cell("ndcg@20", {}), "loss") is None


def test_a_legend_names_every_curve_of_every_panel(runs, write_run):
    rows = [{"epoch": at, "detection": {"precision": 0.5, "prevalence": 0.3}} for at in (1, 2)]
    add_history(write_run(runs, method="grid", slnir="30"), rows)
    for method in ("grid", "jocor"):
        add_history(write_run(runs, method=method, slnir="60"), rows)
    ((_, figure),) = detection_curves(table_of(runs))
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sorted(named) == ["GRID (BCE)", "JoCoR (BCE)", "random choice"]


def test_detection_stands_beside_top_k_and_chance(runs, write_run):
    rows = [{"epoch": at, "detection": {"precision": 0.5 + at / 10, "prevalence": 0.3}} for at in (1, 2)]
    for slnir in ("0", "30", "60"):
        add_history(write_run(runs, method="grid", slnir=slnir), rows)
        plain = [{"epoch": at, "loss_detection": {"precision": at / 10}} for at in (1, 4)]
        add_history(write_run(runs, method="bce", slnir=slnir), plain)
    ((name, figure),) = detection_curves(table_of(runs))
    assert name == "detection"
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["SLNIR 30 %", "SLNIR 60 %"]
    lines = {line.get_label(): list(line.get_ydata()) for line in figure.axes[0].lines}
    assert lines["GRID (BCE)"] == pytest.approx([60, 70])
    assert lines["top-k by loss of plain training"] == pytest.approx([40, 40])
    assert lines["random choice"] == pytest.approx([30, 30])


@pytest.mark.parametrize("metric", ["accuracy", "last_epochs/accuracy"])
def test_a_score_is_drawn_over_the_epochs_that_were_scored(runs, write_run, metric):
    means = {"accuracy": 0.5, "last_epochs/accuracy": 0.45}
    for method, slnir, step in (("ce", "0", 0.1), ("ce", "30", 0.1), ("gce", "30", 0.2)):
        rows = [{"epoch": at, **({"scores": {"accuracy": at * step}} if at > 1 else {})} for at in (1, 2, 3)]
        settings = {"method": method, "loss": method, "slnir": slnir, "last_epochs": 2}
        add_history(write_run(runs, metrics=means, **settings), rows)
    (table,) = tables_of(collect(runs), metric)
    ((name, figure),) = score_curves(table)
    assert name == "over epochs"
    assert figure.get_supylabel() == "accuracy (%)"
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["SLNIR 0 %", "SLNIR 30 %"]
    lines = {line.get_label(): list(line.get_ydata()) for line in figure.axes[1].lines}
    assert lines == {
        "CE": pytest.approx([np.nan, 20, 30], nan_ok=True),
        "GCE": pytest.approx([np.nan, 40, 60], nan_ok=True),
    }


def test_one_scored_epoch_is_no_curve(runs, write_run):
    add_history(write_run(runs), [{"epoch": 1}, {"epoch": 2, "scores": {"ndcg@20": 0.5}}])
    assert score_curves(table_of(runs)) == []


def test_loss_curves_need_all_three_losses(runs, write_run):
    losses = {"discriminative_loss": 0.5, "generative_loss": 0.7, "hybrid_loss": 0.4}
    for slnir in ("0", "30"):
        add_history(write_run(runs, method="grid", slnir=slnir), [{"epoch": 1, **losses}])
        add_history(write_run(runs, method="bce", slnir=slnir), [{"epoch": 1, "loss": 0.5}])
    ((name, figure),) = loss_curves(table_of(runs))
    assert name == "GRID (BCE)"
    assert [list(panel.lines[0].get_ydata()) for panel in figure.axes] == [[0.5], [0.7], [0.4]]


def test_a_parameter_that_varies_gives_a_heat_map(runs, write_run):
    for lam, ndcg in ((0.0, 0.4), (10.0, 0.6), (20.0, 0.5)):
        write_run(runs, method="grid", parameters={"lambda": lam, "mode": "hybrid"}, ndcg=ndcg)
    write_run(runs, method="grid", parameters={"lambda": 20.0, "mode": "joint"}, ndcg=0.1)
    ((name, figure),) = sensitivity_maps(table_of(runs))
    assert name == "lambda GRID (BCE)"
    assert texts(figure) == ["40.0", "60.0", "50.0"]
    assert [text.get_weight() for text in figure.axes[0].texts] == ["normal", "bold", "normal"]


def test_only_a_value_with_all_seeds_is_framed_as_the_best(runs, write_run):
    for seed in (0, 1):
        for value, ndcg in ((10.0, 0.4), (20.0, 0.5), (40.0, 0.6)):
            if value < 40 or seed == 0:
                write_run(runs, method="grid", seed=seed, parameters={"lambda": value}, ndcg=ndcg)
    ((_, figure),) = sensitivity_maps(table_of(runs))
    weights = {text.get_text(): text.get_weight() for text in figure.axes[0].texts}
    assert weights == {"40.0": "normal", "50.0": "bold", "60.0": "normal"}


def test_modes_give_bars(runs, write_run):
    for mode, ndcg in (("hybrid", 0.5), ("joint", 0.4)):
        write_run(runs, method="grid", parameters={"lambda": 20.0, "mode": mode}, ndcg=ndcg)
    ((name, figure),) = mode_bars(table_of(runs))
    assert name == "mode GRID (BCE)"
    assert sorted(round(bar.get_height(), 1) for bar in figure.axes[0].patches) == [40.0, 50.0]
    assert len({bar.get_hatch() for bar in figure.axes[0].patches}) == 2


def test_parameters_are_split_into_backbone_and_rest(runs, write_run):
    write_run(runs, result={"parameters": {"total": 7_367_970, "backbone": 6_953_856}})
    figure = parameter_bars(table_of(runs))
    assert texts(figure) == [" 7,367,970 (94 % backbone)"]
    assert [bar.get_width() for bar in figure.axes[0].patches] == pytest.approx([6.953856, 0.414114])


def test_cliques_are_the_widest_stretches_within_the_critical_difference():
    assert cliques((1.0, 1.5, 2.4, 4.0), 1.0) == [(1.0, 1.5), (1.5, 2.4)]
    assert cliques((1.0, 1.2, 1.9), 1.0) == [(1.0, 1.9)]
    assert cliques((1.0, 3.0), 1.0) == []


def test_the_rank_diagram_names_every_method(runs, write_run):
    for slnir in ("0", "30", "60"):
        for method, ndcg in (("bce", 0.4), ("elr", 0.5), ("grid", 0.6)):
            write_run(runs, method=method, slnir=slnir, ndcg=ndcg)
    figure = rank_diagram(ranking_of([table_of(runs)]))
    said = " ".join(texts(figure))
    assert all(
        part in said for part in ("GRID (BCE)  1.00", "ELR (BCE)  2.00", "3.00  BCE", "Nemenyi, 5 %, 3 cells")
    )


def test_strips_mark_what_shares_no_label(runs, write_run):
    folder = write_run(runs)
    np.savez(folder / "retrieval.npz", allow_pickle=False, **pictures())
    table = table_of(runs)
    stored = table.rows[0].first.runs[0].stored
    strips = strips_of(stored)
    assert [picture.wrong for picture in strips[0].retrieved] == [False, True, False, True]
    assert strips[0].query.labels == ("water", "urban")
    figures = strip_figures(table)
    assert [name for name, _ in figures] == ["30 query 1", "30 query 2"]
    said = texts(figures[0][1])
    assert "2 ✗" in said
    assert "1" in said
    assert "water\nurban" in said


@pytest.mark.parametrize("spoil", ["no labels", "other shapes", "a pickle", "no file", "not an archive"])
def test_records_without_usable_pictures_or_labels_do_no_harm(runs, write_run, spoil):
    folder = write_run(runs)
    arrays = pictures(labels=spoil != "no labels")
    if spoil == "other shapes":
        arrays["thumbnail.query_images"] = np.zeros((9, 8, 8, 3), np.uint8)
    if spoil == "a pickle":
        arrays["thumbnail.query_images"] = np.array([{"a": 1}], dtype=object)
    if spoil == "not an archive":
        (folder / "retrieval.npz").write_bytes(b"nothing")
    elif spoil != "no file":
        np.savez(folder / "retrieval.npz", **arrays)
    table = table_of(runs)
    strips = strips_of(table.rows[0].first.runs[0].stored)
    if spoil == "no labels":
        assert strips[0].query.labels == ()
        assert not any(picture.wrong for picture in strips[0].retrieved)
    else:
        assert strips == []
        assert strip_figures(table) == []


def test_figures_have_names_that_files_can_have_and_the_same_bytes_twice(study, write_run):
    for seed in range(3):
        write_run(study, dataset="../é <b>", method="$x$ & y", seed=seed)
    found = collect(study)
    report = Report(found, tables_of(found))
    figures = dict(figures_of(report))
    assert "bluemarble-ndcg@20-over-noise" in figures
    assert all(name == name.strip(".-") and "/" not in name for name in figures)
    figure = figures["bluemarble-ndcg@20-over-noise"]
    assert rendered(figure, "svg").startswith(b"<?xml")
    for file_format in ("pdf", "png"):
        assert rendered(figure, file_format, dpi=50) == rendered(figure, file_format, dpi=50)
    names = [name for name in figures if name.startswith("b-")]
    assert names
    rendered(figures[names[0]], "png", dpi=50)
