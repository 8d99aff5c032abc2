"""Bad input through the command line: one clear message, exit 2, no traceback, nothing on disk."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.fixture
def call(command, monkeypatch, tmp_path, cache):
    """Call gridbench in an empty folder, with the tests' archive; returns (exit code, output, messages)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRIDBENCH_CACHE", str(cache))
    return command


@pytest.fixture
def refused(call, tmp_path):
    """Assert that a command says these words, exits with 2, and leaves the folder as it was."""

    def check(words, expected):
        before = sorted(tmp_path.iterdir())
        code, out, messages = call(*words)
        assert code == 2, messages
        assert "Traceback" not in out + messages
        for word in expected:
            assert word in messages
        assert sorted(tmp_path.iterdir()) == before

    return check


COMMON = ["run", "--dataset", "stripes", "--backbone", "test_resnet", "--batch-size", "16", "--k", "5",
          "--train-size", "0", "--device", "cpu", "--threads", "1"]  # fmt: skip
SHORT = [*COMMON, "--epochs", "1"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--method", "gird"], ["'gird'", "Did you mean 'grid'?"]),
        (["--loss", "bec"], ["'bec'", "Did you mean 'bce'?"]),
        (["--loss", ""], ["'loss' (--loss) is ''", "not an empty text"]),
        (["--method", "bce,grid"], ["'method' (--method) is 'bce,grid'", "`gridbench sweep` takes lists"]),
        (["--slnir", "0:60:10"], ["'slnir' (--slnir) is '0:60:10'", "`gridbench sweep` takes lists"]),
        (["--slnir", "130"], ["'slnir' (--slnir) is '130'", "less than or equal to 100"]),
        (["--slnir", "-5"], ["'slnir' (--slnir) is '-5'", "greater than or equal to 0"]),
        (["--slnir", "nan"], ["'slnir' (--slnir) is 'nan'", "finite"]),
        (["--slnir", "x"], ["'slnir' (--slnir) is 'x'", "decimal"]),
        (["--slnir", "100"], ["A rate of 100 %", "The largest rate here is", "--slnir"]),
        (["--method", "elr", "--loss", "pce"], ["'elr'", "'pce'", "bce"]),
        (["--method", "random", "--loss", "bce"], ["'random'", "no --loss"]),
        (["--backbone", "resnet81"], ["'resnet81'", "Did you mean", "gridbench list backbones"]),
        (["--backbone", "test_vit"], ["negative descriptors", "--distance", "--descriptor-map"]),
        (["--method", "grid", "-p", "lambda=200"], ["'lambda'", "'200'", "0 to 100", "'slnir'"]),
        (["--method", "grid", "-p", "lamda=20"], ["'lamda'", "Did you mean 'lambda'?"]),
        (["-p", "lambda"], ["NAME=VALUE"]),
        (["--epochs", "0"], ["'epochs' (--epochs) is '0'", "1"]),
        (["--epochs", "x"], ["'epochs' (--epochs) is 'x'", "integer"]),
        (["--seed", "-1"], ["'seed' (--seed) is '-1'"]),
        (["--batch-size", "1"], ["'batch_size' (--batch-size) is '1'"]),
        (["--k", "9999"], ["'k' is 9999", "24"]),
        (["--ideal", "0"], ["'ideal' (--ideal) is '0'", "'archive'"]),
        (["--ideal", "4"], ["'ideal' is 4", "(k)", "--ideal archive"]),
        (["--crop", "999"], ["'crop' is 999", "16"]),
        (["--weights", "absent.pt"], ["'absent.pt'", "does not exist"]),
        (["--noise", "swop"], ["'swop'", "Did you mean 'swap'?"]),
        (["--dataset", "stripe"], ["'stripe'", "Did you mean 'stripes'?", "gridbench data prepare"]),
        (["--dataset", "../stripes"], ["'../stripes'"]),
        (["--plugin", "absent.py"], ["'absent.py'", "does not exist"]),
        (["--config", "absent.yaml"], ["absent.yaml"]),
        (["--device", "gpu7"], ["'gpu7'", "auto, cpu"]),
        (["--keep", "everything"], ["everything", "light"]),
        (["--threads", "0"], ["--threads"]),
        (["--slnr", "3"], ["--slnr", "--slnir"]),
    ],
)
def test_run_refuses(refused, words, message):
    refused([*SHORT, *words], message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch: 3\n", ["'epoch'", "Did you mean 'epochs'?"]),
        ("epochs: many\n", ["'epochs'", "'many'"]),
        ("epochs: yes\n", ["'epochs'", "True"]),
        ("epochs: [3]\n", ["'epochs'", "[3]"]),
        ("slnir: {a: 1}\n", ["'slnir' (--slnir) is {'a': 1}; it must be a number."]),
        ("seeds: 5\n", ["'seeds' is one of sweeps", "`gridbench sweep` takes it"]),
        ("parameters: 3\n", ["'parameters'", "3"]),
        ("parameters: {lambda: 200}\n", ["'lambda'", "200"]),
        ("seed: 1\nseed: 2\n", ["'seed' is there twice"]),
        ("- a\n", ["name: value"]),
        ("a: [\n", ["is not YAML"]),
        ("!!python/object/apply:os.system [ls]\n", ["is not YAML"]),
    ],
)
def test_a_bad_file_is_refused(refused, tmp_path, text, message):
    (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
    refused([*COMMON, "--config", "run.yaml"], message)


def test_a_file_that_is_no_text_is_refused(refused, tmp_path):
    (tmp_path / "run.yaml").write_bytes(b"\xff\xfe\x00")
    refused([*SHORT, "--config", "run.yaml"], ["run.yaml"])


def test_an_output_folder_that_cannot_be_written_is_refused(refused, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for runs in ("file", "file/runs"):
        refused([*SHORT, "--runs", runs], ["file"])


def test_a_cache_that_cannot_be_written_is_refused(call, tmp_path):
    (tmp_path / "file").write_text("in the way")
    code, out, messages = call("run", "--dataset", "bluemarble", "--cache", "file/cache")
    assert code == 2, messages
    assert "Traceback" not in out + messages
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_loss_that_the_data_set_cannot_carry_is_refused(call, tmp_path, cache, monkeypatch):
    from gridbench.datasets import Archive

    monkeypatch.setattr(Archive, "has_maps", property(lambda self: False))
    code, _, messages = call(*SHORT, "--method", "grid", "--loss", "pce")
    assert code == 2
    assert "learns from label maps" in messages
    assert "bce" in messages
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["leaderboard", "--format", "docx"], ["docx", "markdown"]),
        (["leaderboard", "--runs", "absent"], ["absent"]),
        (["status", "--runs", "absent"], ["absent"]),
        (["score", "absent", "--k", "3"], ["absent"]),
        (["check", "gird"], ["'gird'", "'grid'"]),
        (["list", "method"], ["method"]),
        (["list", "methods", "gird"], ["'gird'", "'grid'"]),
        (["list", "backbones", "nothing-like-it"], ["nothing-like-it"]),
        (["leaderbord"], ["Did you mean 'leaderboard'?"]),
        (["--nonsense"], ["--nonsense"]),
    ],
)
def test_other_commands_refuse(refused, words, message):
    refused(words, message)


def test_the_installed_command_does_the_same(tmp_path):
    # A command that needs no torch, so that it starts in a moment.
    done = subprocess.run(
        [sys.executable, "-P", "-m", "gridbench", "leaderboard", "--runs", "absent"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: There is no folder 'absent'")
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["run"],
        ["sweep", "--method", "bce"],
        ["compare", "grid"],
        ["reproduce", "table-5", "--dataset", "bluemarble"],
    ],
    ids=lambda words: words[0],
)
def test_a_dry_run_packs_nothing(refused, tmp_path, words):
    refused(
        [*words, "--dry-run", "--cache", str(tmp_path / "cache")],
        ["gridbench data info bluemarble", "packs nothing"],
    )


@pytest.mark.parametrize("closed", [1, 2])
@pytest.mark.parametrize(
    "words", [["list", "methods"], ["leaderboard", "--baselines"], ["lis"]], ids=" ".join
)
def test_a_closed_stream_is_no_defect(tmp_path, words, closed):
    shell = ["bash", "-c", f'exec "$0" -P -m gridbench "$@" {closed}>&-', sys.executable]
    told = subprocess.run([*shell, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == (2 if closed == 1 or words == ["lis"] else 0)
    assert "defect" not in told.stdout + told.stderr
    assert "Traceback" not in told.stdout + told.stderr
    assert closed == 2 or "Bad file descriptor" in told.stderr or words == ["lis"]


def test_debug_shows_the_traceback(call):
    from gridbench.errors import InputError

    with pytest.raises(InputError, match="gird"):
        call(*SHORT, "--method", "gird", "--debug")
