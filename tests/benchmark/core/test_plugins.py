"""Methods from outside: a package that pip installs, a file that is named on the command line, and broken ones."""

from __future__ import annotations

import contextlib
import csv
import io
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gridbench.cli import main
from gridbench.conformance import check_component
from gridbench.core.plugins import load_plugin, loaded_plugins, registered_from
from gridbench.errors import InputError
from gridbench.registry import METHODS, snapshot

PACKAGE = Path(__file__).resolve().parents[2] / "plugin_package"
FILE = PACKAGE / "gridbench_example" / "small_loss.py"
METHOD = """
from gridbench import register_method
from gridbench.methods.plain import Plain

@register_method({name})
class Mine(Plain):
    "Mine."
    losses = ("bce",)
"""


@pytest.fixture(autouse=True)
def forget():
    """Forget afterwards what a test registers, and whenever it calls this."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(snapshot())

        def at_once():
            stack.close()
            stack.enter_context(snapshot())

        yield at_once


@pytest.fixture
def write(tmp_path):
    def one(text, name="mine.py"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return one


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder into which pip has installed the example package."""
    folder = tmp_path_factory.mktemp("installed")
    shutil.copytree(PACKAGE, folder / "source")
    subprocess.run(
        [sys.executable, "-P", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
         "--no-index", "--no-build-isolation", "--target", str(folder / "site"), str(folder / "source")],
        check=True,
        cwd=folder,
    )  # fmt: skip
    return folder / "site"


@pytest.fixture
def gridbench(installed, tmp_path, cache, warm):
    """Run the command line in a process that has the example package installed."""

    def call(*words):
        script = tmp_path / "installed.py"
        lines = [
            "import sys",
            f"sys.path.insert(0, {str(installed)!r})",
            "from gridbench.cli import main",
            f"main({[str(word) for word in words]!r})",
        ]
        script.write_text("\n".join(lines), encoding="utf-8")
        environment = {"COLUMNS": "2000", "GRIDBENCH_CACHE": str(cache)}
        return warm(folder=tmp_path, environment=environment, script=str(script))

    return call


@pytest.fixture
def here(tmp_path, cache, capsys, monkeypatch):
    """Run the command line in this process, which does not have the package; returns (exit code, output, messages)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRIDBENCH_CACHE", str(cache))
    monkeypatch.setenv("COLUMNS", "2000")

    def call(*words):
        code = 0
        try:
            main([str(word) for word in words])
        except SystemExit as stop:
            code = stop.code or 0
        return code, *capsys.readouterr()

    return call


SHORT = ["--dataset", "stripes", "--backbone", "test_resnet", "--epochs", 2, "--batch-size", 16, "--k", 5,
         "--train-size", 0, "--slnir", 30, "--device", "cpu", "--threads", 1, "--quiet"]  # fmt: skip


def methods_on_the_leaderboard(here):
    """Return the methods of the table, for which their records are enough: this process does not know the plug-in."""
    assert "small_loss" not in METHODS
    code, out, messages = here("leaderboard", "--format", "csv")
    assert code == 0, messages
    return {row["method"] for row in csv.DictReader(io.StringIO(out))}


def test_an_installed_package_is_listed_runs_and_is_on_the_leaderboard(gridbench, here):
    listed = gridbench("list", "methods")
    assert listed.returncode == 0, listed.stderr
    (line,) = (line for line in listed.stdout.splitlines() if line.startswith("small_loss"))
    assert "gridbench-example 1.0" in line
    assert "Small-loss selection" in line
    ran = gridbench("run", "--method", "small_loss", "--loss", "bce", *SHORT)
    assert ran.returncode == 0, ran.stderr
    assert methods_on_the_leaderboard(here) == {"small_loss"}


def test_the_same_method_as_a_file(here, forget):
    code, _, messages = here("run", "--method", "small_loss", *SHORT)
    assert code == 2
    assert "There is no method 'small_loss'" in messages
    code, _, messages = here("run", "--plugin", FILE, "--method", "small_loss", *SHORT)
    assert code == 0, messages
    forget()
    assert methods_on_the_leaderboard(here) == {"small_loss"}


def test_the_same_name_from_a_package_and_a_file_is_a_collision(gridbench, tmp_path):
    done = gridbench("run", "--plugin", FILE, "--method", "small_loss", *SHORT)
    assert done.returncode == 2
    assert "taken twice" in done.stderr
    assert "gridbench-example 1.0" in done.stderr
    assert str(FILE) in done.stderr
    assert not (tmp_path / "runs").exists()


def test_the_example_conforms():
    load_plugin(FILE)
    findings = list(check_component("method", "small_loss", losses=["pce"]))
    assert [finding for finding in findings if not finding.passed] == []


def test_a_file_registers_under_its_own_name_or_the_given_one(write):
    assert load_plugin(write(METHOD.format(name=""))) == [("method", "mine")]
    given = write(METHOD.format(name="'other'"), "file.py")
    assert load_plugin(given) == [("method", "other")]
    assert METHODS.origin("other") == str(given.resolve())
    assert given.resolve() in loaded_plugins()


def test_loading_leaves_nothing_beside_the_file(write, tmp_path):
    load_plugin(write(METHOD.format(name="")))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_two_files_of_one_name_are_two_plug_ins(write, tmp_path):
    (tmp_path / "other").mkdir()
    load_plugin(write(METHOD.format(name="'one'")))
    load_plugin(write(METHOD.format(name="'two'"), "other/mine.py"))
    assert METHODS.get("one") is not METHODS.get("two")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\n\nx = 1 / 0\n", ["ZeroDivisionError", "mine.py, line 3"]),
        ("x = (\n", ["SyntaxError", "mine.py, line 1"]),
        ("import gridbench\nimport not_there_at_all\n", ["not_there_at_all", "mine.py, line 2"]),
        ("import sys\nsys.exit(3)\n", ["SystemExit", "mine.py, line 2"]),
        ("x = 1\n", ["registers nothing", "register_method"]),
        ("", ["registers nothing"]),
        (METHOD.format(name="'grid'"), ["'grid'", "taken twice", "by gridbench", "line 5"]),
        (
            "from gridbench import register_method\n@register_method()\nclass A: pass\n",
            ["lacks step", "line 2"],
        ),
        ("import json\njson.loads('{')\n", ["JSONDecodeError", "mine.py, line 2"]),
        ("\x00", ["mine.py"]),
    ],
)
def test_a_broken_plug_in_is_one_message_with_its_own_line(write, tmp_path, capsys, monkeypatch, text, words):
    path = write(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["run", "--plugin", str(path), "--method", "mine"])
    out, messages = capsys.readouterr()
    assert stop.value.code == 2
    assert messages.startswith("Error: ")
    assert "Traceback" not in messages + out
    for word in words:
        assert word in messages
    assert [file.name for file in tmp_path.iterdir()] == ["mine.py"]
    assert registered_from(path.resolve()) == []


@pytest.mark.parametrize(("name", "words"), [("absent.py", "does not exist"), (".", "is not a Python file")])
def test_a_file_that_is_none_is_refused(tmp_path, name, words):
    with pytest.raises(InputError, match=words):
        load_plugin(tmp_path / name)


def test_a_source_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "mine.py").write_bytes(b"x = '\xff\xfe'\n")
    with pytest.raises(InputError, match=r"mine\.py"):
        load_plugin(tmp_path / "mine.py")


def test_a_sweep_takes_a_file_into_its_workers(here, forget):
    code, _, messages = here(
        "sweep", "--plugin", FILE, "--method", "small_loss,bce", "--seeds", 1, "--workers", 1,
        *(word for word in SHORT if word not in {"--threads", 1}),
    )  # fmt: skip
    assert code == 0, messages
    forget()
    assert methods_on_the_leaderboard(here) == {"small_loss", "bce"}
