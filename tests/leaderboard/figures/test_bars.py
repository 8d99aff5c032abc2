"""Bars of each kind of reasoning: in the order that is asked for, a panel for each loss, with its spread."""

import pytest

from gridbench.leaderboard.figures.bars import ablation_panels
from gridbench.leaderboard.figures.sensitivity import sensitivity_maps
from gridbench.leaderboard.records.runs import collect
from gridbench.leaderboard.tables.table import tables_of

ORDER = ("discriminative", "joint", "hybrid")


def tables(runs):
    return tables_of(collect(runs))


def test_a_panel_for_each_loss_and_bars_in_the_order_asked_for(runs, write_run):
    for loss, kind in (("bce", "scene"), ("pce", "pixel")):
        for at, mode in enumerate(ORDER):
            for seed in (0, 1):
                ndcg = 0.5 + 0.02 * at + (0.01 if seed else -0.01)
                write_run(
                    runs, method="grid", loss=loss, kind=kind, seed=seed, ndcg=ndcg, parameters={"mode": mode}
                )
    figure = ablation_panels(tables(runs), "parameters.mode", ORDER)
    assert [panel.get_title(loc="left") for panel in figure.axes] == [
        "bluemarble · pixel labels: GRID (PCE)",
        "bluemarble · scene labels: GRID (BCE)",
    ]
    for panel in figure.axes:
        bars = [group for group in panel.containers if group.get_label() in ORDER]
        assert [group.get_label() for group in bars] == list(ORDER)
        assert [group.patches[0].get_height() for group in bars] == pytest.approx([50, 52, 54])
        left = [group.patches[0].get_x() for group in bars]
        assert left == sorted(left)
    assert "n = 2" in figure.axes[-1].get_xlabel()


def test_nothing_is_drawn_where_nothing_has_the_setting(runs, write_run):
    write_run(runs, method="bce")
    assert ablation_panels(tables(runs), "parameters.mode", ORDER) is None


def test_a_word_among_numbers_leaves_the_numbers_their_map(runs, write_run):
    for value in (10.0, 20.0, "slnir"):
        for slnir in ("10", "20"):
            write_run(runs, method="grid", slnir=slnir, parameters={"lambda": value})
    ((_, figure),) = sensitivity_maps(tables(runs)[0])
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["10", "20"]
