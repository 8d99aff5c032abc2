"""`gridbench reproduce` as a person meets it: the list, dry runs without an archive, small tables and figures."""

import dataclasses
from types import MappingProxyType

import pytest

from gridbench.datasets.recipe import Recipe
from gridbench.errors import InputError
from gridbench.sweeps import paper


@pytest.fixture
def small(monkeypatch):
    """Leave each grid two noise rates, and the archive of the tests a recipe of its own."""
    recipe = Recipe("test_resnet", 3, 16, 1e-3, None, 5, None, None, False, 0.0)
    monkeypatch.setattr("gridbench.datasets.recipe.RECIPES", {"folder": {"scene": recipe, "pixel": recipe}})
    fewer = {
        name: dataclasses.replace(
            shown,
            parts=tuple(
                {**part, "slnir": "10,60" if "10:60" in part["slnir"] else "0,60"}
                | ({"parameters.lambda": "0,20"} if ":" in part.get("parameters.lambda", "") else {})
                for part in shown.parts
            ),
        )
        for name, shown in paper.EXHIBITS.items()
    }
    monkeypatch.setattr(paper, "EXHIBITS", MappingProxyType(fewer))


@pytest.fixture
def here(cache, small):
    return [
        "--dataset",
        "stripes",
        "--cache",
        cache,
        "--workers",
        0,
        "--device",
        "cpu",
        "--seeds",
        2,
        "--epochs",
        1,
    ]


def test_the_list_says_what_each_needs(cli, tmp_path):
    code, out, _ = cli("reproduce", "list", "--cache", tmp_path / "empty")
    assert code == 0
    rows = {line.split()[0]: line for line in out.splitlines() if line.startswith(("table-", "figure-"))}
    assert list(rows) == list(paper.EXHIBITS)
    for word in ("dlrsd", "scene", "350", "unknown"):
        assert word in rows["table-1"]
    assert "label maps" in rows["table-8"]
    for words in (
        "2,100 images",
        "14,832 images",
        "gridbench data prepare dlrsd",
        "gridbench data prepare bigearthnet",
    ):
        assert words in out


@pytest.mark.parametrize("name", list(paper.EXHIBITS))
def test_a_dry_run_needs_no_archive_and_writes_nothing(cli, tmp_path, name):
    code, out, _ = cli("reproduce", name, "--dry-run", "--cache", tmp_path / "empty", "--seeds", 2)
    assert code == 0
    for dataset in paper.EXHIBITS[name].datasets:
        assert f"{name}: " in out
        assert f", on {dataset}" in out
        assert f"gridbench data prepare {dataset}" in out or "no runs" in out
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "reproduced").exists()


def test_without_the_archive_nothing_runs_and_the_message_says_how_to_get_it(cli, tmp_path):
    code, _, messages = cli("reproduce", "table-5", "--cache", tmp_path / "empty")
    assert code == 2
    assert "gridbench data prepare dlrsd --data" in messages


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["table-55"], "'table-5'"),
        (["table-5", "--seeds", "0"], "from 1"),
        (["table-5", "--dataset", "dlrds"], "'dlrds'"),
        (["table-5", "--device", "cudda", "--dry-run"], "There is no device 'cudda'"),
        (["table-5", "--runs", "/dev/null/runs", "--dry-run"], "nothing can be written below it"),
        ([], "NAME"),
    ],
)
def test_wrong_words_are_one_message(cli, tmp_path, words, said):
    code, _, messages = cli("reproduce", *words, "--cache", tmp_path / "empty")
    assert code == 2
    assert said in messages


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["reproduce", "dry run"])
def test_runs_that_could_not_begin_are_refused_before_the_first(cli, here, tmp_path, monkeypatch, dry):
    def none_is_left(plan):
        raise InputError("No label is left.")

    monkeypatch.setattr("gridbench.training.corrupt.corrupt_training_labels", none_is_left)
    code, _, messages = cli("reproduce", "table-1", *here, *dry)
    assert code == 2
    assert "stripes, noise swap, SLNIR 60: No label is left." in messages
    assert not (tmp_path / "runs").exists()


def test_a_table_is_computed_once_and_stands_beside_the_papers(cli, here, tmp_path):
    code, out, _ = cli("reproduce", "table-1", *here)
    assert code == 0
    for words in (
        "table-1: GRID (BCE) by lambda and SLNIR, on stripes",
        "8 runs: 8 new. To compute: 8",
        "Measured here: stripes",
        "n = 2, seeds 0, 1",
        "Reported, not measured: dlrsd, GRID paper, Table I",
        "Change from SLNIR 0 to 60",
        "Note: The paper shows this for dlrsd",
        "Note: 1 epoch instead of the recipe's 3",
        "Note: 2 seeds",
    ):
        assert words in out
    names = {path.name for path in (tmp_path / "reproduced").iterdir()}
    assert names == {f"table-1-stripes.{suffix}" for suffix in ("md", "tex", "png", "pdf")}
    _, again, _ = cli("reproduce", "table-1", *here)
    assert "8 runs: 8 done. To compute: 0." in again
    assert again.partition("Measured here")[2] == out.partition("Measured here")[2]
    # Its plain and its chosen settings are those of other tables.
    _, other, _ = cli("reproduce", "table-5", *here, "--dry-run")
    assert "24 runs: 4 done, 20 new" in other


def test_records_of_other_settings_stay_out(cli, here, tmp_path):
    here = [*here, "--seeds", 1]
    _, before, _ = cli("reproduce", "figure-2", *here)
    cli("reproduce", "figure-2", *here, "--epochs", 2)
    _, after, _ = cli("reproduce", "figure-2", *here)
    assert "To compute: 0." in after
    assert before.partition("stripes: ")[2] == after.partition("stripes: ")[2] != ""
    assert "top-k by loss of bce" in after
    assert "noisy samples found, last epoch" in after
    assert {path.name for path in (tmp_path / "reproduced").iterdir()} == {
        "figure-2-stripes.md", "figure-2-stripes.tex", "figure-2-stripes.png", "figure-2-stripes.pdf",
    }  # fmt: skip


def test_parameters_are_counted_without_a_run(cli, tmp_path):
    code, out, _ = cli("reproduce", "figure-8", "--cache", tmp_path / "empty")
    assert code == 0
    for words in ("8,214,310", "7,392,230", "94.4", "+5.7", "at least 85 %"):
        assert words in out
    assert {path.suffix for path in (tmp_path / "reproduced").iterdir()} == {".md", ".tex", ".png", ".pdf"}
    assert not (tmp_path / "runs").exists()


def test_a_full_disk_leaves_the_files_of_before(cli, tmp_path, full_disk):
    words = ("reproduce", "figure-8", "--cache", tmp_path / "empty")
    out = tmp_path / "reproduced"
    assert cli(*words)[0] == 0
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    (out / "figure-8.md").write_text("of before", encoding="utf-8")
    with full_disk(2):
        code, _, messages = cli(*words)
    assert code == 2
    assert "No space left on device. Free some space, and run the same command again." in messages
    assert sorted(path.name for path in out.iterdir()) == sorted(before)
    assert (out / "figure-8.md").read_text(encoding="utf-8") == "of before"
    assert cli(*words)[0] == 0
    assert (out / "figure-8.md").read_bytes() == before["figure-8.md"]


def test_a_full_disk_ends_all_and_is_told_once(cli, here, full_disk):
    with full_disk(0):
        code, _, messages = cli("reproduce", "table-1", "figure-2", *here)
    assert code == 1
    assert messages.count("There is no room left on the disk") == 1


def test_a_failed_run_is_told_and_the_rest_is_kept(cli, here, monkeypatch):
    from gridbench.methods.losses.bce import BCE

    def broken(self, prediction, target):
        raise RuntimeError("out of luck")

    here = [*here, "--seeds", 1]
    entries = BCE.entries
    monkeypatch.setattr(BCE, "entries", broken)
    code, _, messages = cli("reproduce", "figure-2", *here)
    assert code == 1
    assert messages.count("4 runs failed") == 1
    monkeypatch.setattr(BCE, "entries", entries)
    code, out, _ = cli("reproduce", "figure-2", *here, "--retry-failed")
    assert code == 0
    assert "4 failed. To compute: 4" in out
