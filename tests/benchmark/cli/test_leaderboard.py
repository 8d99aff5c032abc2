"""`gridbench leaderboard` as people type it."""

import hashlib
import json
import resource
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from gridbench.cli.leaderboard import leaderboard
from gridbench.core.identity import identity, identity_of_cell
from gridbench.errors import InputError

CONFIG = {
    "dataset": "bluemarble", "method": "bce", "loss": "bce", "parameters": {}, "noise": "swap", "slnir": "30",
    "seed": 0, "noise_seed": None, "protocol": "paper", "k": 20, "epochs": 3,
}  # fmt: skip


@pytest.fixture
def write(tmp_path):
    def one(seed=0, ndcg=0.5, **fields):
        parts = (CONFIG | fields | {"seed": seed}, {"protocol": 1}, "f", None)
        document = {"schema": 1, "id": identity(*parts), "cell": identity_of_cell(*parts), "note": ""}
        document |= dict(zip(("config", "versions", "dataset_fingerprint", "plugin"), parts, strict=True))
        folder = tmp_path / "runs" / f"run-{document['id'][:8]}"
        folder.mkdir(parents=True)
        result = {"schema": 1, "id": document["id"], "metrics": {"ndcg@20": ndcg, "map@20": 0.3}}
        for name, content in (("config", document), ("result", result)):
            (folder / f"{name}.json").write_text(json.dumps(content))
        scores = {f"test.{name}": np.full(2, value) for name, value in result["metrics"].items()}
        np.savez(folder / "retrieval.npz", allow_pickle=False, **scores)
        files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
        (folder / "done").write_text(json.dumps({"schema": 1, "files": files}))
        return folder

    return one


def run(*arguments):
    return CliRunner().invoke(leaderboard, list(arguments))


def test_every_format_to_the_screen_and_to_a_file(write, tmp_path):
    write(seed=0, ndcg=0.5)
    write(seed=1, ndcg=0.6)
    for name, suffix in (("terminal", "txt"), ("markdown", "md"), ("csv", "csv")):
        shown = run("--runs", str(tmp_path / "runs"), "--format", name)
        assert shown.exit_code == 0, shown.output
        assert "55.0" in shown.stdout
        target = tmp_path / f"table.{suffix}"
        assert run("--runs", str(tmp_path / "runs"), "--out", str(target)).exit_code == 0
        assert target.read_text() == shown.stdout


def test_an_unknown_format_is_refused_with_the_choices(write, tmp_path):
    write()
    refused = run("--runs", str(tmp_path / "runs"), "--format", "docx")
    assert refused.exit_code == 2
    assert "docx" in refused.stderr
    assert "terminal" in refused.stderr
    assert "markdown" in refused.stderr


def test_an_empty_folder_says_what_to_do(tmp_path, write):
    (tmp_path / "runs").mkdir()
    refused = run("--runs", str(tmp_path / "runs"))
    assert isinstance(refused.exception, InputError)
    assert refused.exception.exit_code == 2
    assert "There is no finished run" in str(refused.exception)
    assert "gridbench run --method grid" in str(refused.exception)
    (write() / "done").unlink()
    for words in ([], ["export", str(tmp_path / "a.zip")], ["export", "--compact", str(tmp_path / "a.zip")]):
        said = str(run(*words, "--runs", str(tmp_path / "runs")).exception)
        assert "1 incomplete (gridbench status says why)" in said
        assert f"--runs {tmp_path / 'runs'}" in said


def test_an_unknown_data_set_or_metric_names_the_nearest(write, tmp_path):
    write()
    wrong = run("--runs", str(tmp_path / "runs"), "--dataset", "bluemarbel")
    assert "Did you mean 'bluemarble'" in str(wrong.exception)
    wrong = run("--runs", str(tmp_path / "runs"), "--metric", "map@21")
    assert "Did you mean 'map@20'" in str(wrong.exception)


def test_what_is_left_out_is_said_beside_the_table(write, tmp_path):
    write()
    broken = write(method="elr")
    (broken / "result.json").write_text("{")
    shown = run("--runs", str(tmp_path / "runs"), "--format", "csv")
    assert shown.exit_code == 0
    assert f"Left out {broken.name}" in shown.stderr
    assert "Left out" not in shown.stdout


def test_a_file_in_a_folder_that_is_not_there_is_refused(write, tmp_path):
    write()
    refused = run("--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "no" / "table.md"))
    assert isinstance(refused.exception, InputError)
    assert "There is no folder" in str(refused.exception)


def test_a_hundred_results_take_a_moment_and_no_torch(write, tmp_path):
    for seed in range(10):
        for slnir in range(0, 100, 10):
            write(seed=seed, slnir=str(slnir))
    program = (
        "import sys; from gridbench.cli.leaderboard import leaderboard; "
        "leaderboard(['--runs', sys.argv[1]], standalone_mode=False); "
        "sys.exit(sum(name in sys.modules for name in ('torch', 'pandas', 'scipy', 'matplotlib')))"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "runs")], capture_output=True, text=True, cwd=tmp_path
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert "n = 10, seeds 0, 1, 2, 3, 4, 5, 6, 7, 8, 9" in done.stdout
    # Seconds of the processor: what else the machine does at the time adds nothing to them.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1.5


def test_rows_columns_filters_and_statistics(write, tmp_path):
    for seed in range(5):
        for method, gain in (("bce", 0.0), ("elr", 0.02)):
            write(seed=seed, method=method, ndcg=0.5 + gain + 0.001 * seed)
    runs = ("--runs", str(tmp_path / "runs"))
    turned = run(*runs, "--rows", "slnir", "--columns", "method", "--filter", "seed>=1")
    assert turned.exit_code == 0, turned.output
    assert "n = 4, seeds 1, 2, 3, 4" in turned.stdout
    assert "better" in run(*runs, "--statistics").stdout
    document = json.loads(run(*runs, "--against", "elr", "--format", "json").stdout)
    bce = next(row for row in document["tables"][0]["rows"] if row["names"][0] == "bce")
    assert bce["statistics"]["difference"]["verdict"] == "worse"
    assert bce["statistics"]["difference"]["mean"] == pytest.approx(-2)
    assert "no place" in str(run(*runs, "--statistics", "--format", "csv").exception)
    assert "cannot be read" in str(run(*runs, "--filter", "method").exception)


def test_reported_numbers_with_and_without_results(write, tmp_path):
    write(dataset="dlrsd", method="bce", ndcg=0.55)
    runs = ("--runs", str(tmp_path / "runs"))
    beside = run(*runs, "--against", "reported").stdout
    assert "measured beside reported" in beside
    assert "55.6" in beside
    lines = run(*runs, "--reported", "--format", "csv").stdout.splitlines()
    assert sum("measured" in line for line in lines) == 1
    assert sum('"GRID paper, Table V"' in line for line in lines) == 42
    alone = run(
        "--runs", str(tmp_path / "none"), "--reported", "--dataset", "bigearthnet", "--format", "markdown"
    )
    assert alone.exit_code == 0, alone.output
    assert alone.stdout.count("Reported, not measured: bigearthnet") == 4


def test_figures_are_written_as_pdf_svg_and_png(write, tmp_path):
    for slnir in ("0", "30"):
        write(slnir=slnir)
    done = run("--runs", str(tmp_path / "runs"), "--figures", str(tmp_path / "figures"))
    assert done.exit_code == 0, done.output
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        f"bluemarble-ndcg@20-over-noise.{ending}" for ending in ("pdf", "svg", "png")
    }


def test_figures_are_written_all_or_none(write, tmp_path, full_disk):
    write(slnir="0")
    words = ["--runs", str(tmp_path / "runs"), "--figures", str(tmp_path / "figures")]
    # Of one noise rate there is no curve.
    done = run(*words)
    assert done.exit_code == 0, done.output
    assert "No figure can be drawn of these results" in done.output
    assert not (tmp_path / "figures").exists()
    write(slnir="30")
    with full_disk(2):
        assert isinstance(run(*words).exception, OSError)
    assert not (tmp_path / "figures").exists()


def test_imported_records_are_not_handed_on_as_ones_own(write, tmp_path):
    for seed in range(2):
        write(seed=seed)
    bundle, mine = str(tmp_path / "friend.zip"), str(tmp_path / "mine")
    run("export", bundle, "--runs", str(tmp_path / "runs"))
    run("import", bundle, "--runs", mine)
    plugin = tmp_path / "own.py"
    plugin.write_text("")
    for words in (
        ["export", str(tmp_path / "again.zip")],
        ["export", "--compact", "--out", str(tmp_path / "again.zip"), "--filter", "seed=1"],
        ["submit", str(tmp_path / "again.zip"), "--plugin", str(plugin)],
    ):
        said = str(run(*words, "--runs", mine).exception)
        assert "only records of others (2 of friend)" in said
        assert f"gridbench leaderboard --runs {mine}" in said
    run("import", bundle, "--runs", str(tmp_path / "runs"))
    words = ["export", str(tmp_path / "again.zip"), "--runs", str(tmp_path / "runs")]
    said = str(run(*words, "--filter", "origin=friend").exception)
    assert "that meets 'origin=friend', only records of others (2 of friend)" in said
    assert "with 2 records" in run(*words).output


def test_records_can_be_handed_over_and_taken_in(write, tmp_path):
    write(seed=0, ndcg=0.5)
    write(seed=1, ndcg=0.6)
    runs, bundle = str(tmp_path / "runs"), str(tmp_path / "friend.zip")
    assert "with 1 record" in run("export", bundle, "--runs", runs, "--filter", "seed=1").output
    done = run("import", bundle, "--runs", str(tmp_path / "mine"))
    assert done.exit_code == 0, done.output
    assert "1 record added to" in done.output
    assert "60.0" in run("--runs", str(tmp_path / "mine")).stdout
    assert isinstance(run("import", bundle, "--runs", runs, "--origin", "../x").exception, InputError)


def test_baselines_and_a_folder_are_not_both_read(tmp_path):
    words = ["--baselines", "--runs", str(tmp_path / "nowhere")]
    with pytest.raises(InputError, match=r"There is no folder .*nowhere', and --baselines reads"):
        leaderboard.main(words, standalone_mode=False)
