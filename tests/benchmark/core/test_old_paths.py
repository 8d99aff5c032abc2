"""Imports of published scripts: what the documentation of 0.1.0 showed can still be imported from where it was."""

import importlib
import subprocess
import sys

import pytest

from gridbench.core.old_paths import MOVED

# What README, CONTRIBUTING, docs/ and the example package imported before the files moved into folders; how the tables
# of docs/results are asked for has changed since, with the scripts there.
SHOWN = {
    "gridbench": "RunConfig register_dataset register_loss register_method register_noise run",
    "gridbench.datasets.archive": "Archive",
    "gridbench.datasets.building": "build_once",
    "gridbench.datasets.cache": "archive_directory",
    "gridbench.datasets.dataset": "Progress",
    "gridbench.datasets.layout": "GroupLayout Layout Sample",
    "gridbench.datasets.packing": "ArchiveWriter",
    "gridbench.datasets.recipe": "Recipe",
    "gridbench.leaderboard.figure_curves": "noise_curves",
    "gridbench.leaderboard.figure_style": "GREY legend_outside looks_of new_figure rendered styled",
    "gridbench.leaderboard.runs": "Run collect",
    "gridbench.leaderboard.statistics": "Interval paired_interval",
    "gridbench.leaderboard.units": "unit_of",
    "gridbench.methods.base": "ANY_LOSS Batch Loss Setup StepOutput",
    "gridbench.methods.gate": "Gate",
    "gridbench.methods.grid": "GRID",
    "gridbench.methods.plain": "Plain",
    "gridbench.methods.split": "split_batch",
    "gridbench.methods.tasks.classification": "Classification",
    "gridbench.noise": "Corruption NoiseModel",
    "gridbench.noise.corruption": "scene_corruption",
    "gridbench.noise.labels": "checked_scene_labels",
    "gridbench.noise.rates": "Rate exact_rate realisable",
    "gridbench.parameters": "parameter",
}


@pytest.mark.parametrize("module", SHOWN)
def test_names_that_were_shown_are_still_there(module):
    imported = importlib.import_module(module)
    assert [name for name in SHOWN[module].split() if not hasattr(imported, name)] == []


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_an_old_path_is_the_very_same_module(old, new):
    assert importlib.import_module(old) is importlib.import_module(new)


def test_old_paths_work_first_and_a_path_that_never_was_does_not():
    code = (
        "from gridbench.record import RunRecord\n"
        "import gridbench.record as record\n"
        "from gridbench import streams\n"
        "from gridbench.records.record import RunRecord as same\n"
        "assert RunRecord is same and record.__name__ == 'gridbench.records.record' and streams.numpy_stream\n"
        "import gridbench.nothing\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError: No module named 'gridbench.nothing'" in done.stderr
