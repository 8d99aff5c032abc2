"""What the documentation shows is run: its Python, its commands, its make targets and its links.

A Python block whose first line is a comment that names a file is written to that file, which must pass `gridbench
check`; the other blocks are run after these, and commands with `--plugin` too, shortened; sweeps are planned only. A
page has one folder, and in it the plug-ins of this repository that it names.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from gridbench.cli import cli
from gridbench.datasets.bluemarble import BLUEMARBLE

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (?:[\w/]+/)?(\w+\.py)\n")
SHORT = ["--epochs", "1", "--train-size", "128", "--quiet"]
EACH_LEVEL = ["--loss", "bce", "--loss", "pce"]
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of one language."""
    return [text for word, text in BLOCK.findall(page.read_text(encoding="utf-8")) if word == language]


def commands(page: Path, program: str) -> list[list[str]]:
    """Return the words after a program's name in every shell line that calls it."""
    lines = [line.partition(" #")[0].strip() for block in blocks(page, "sh") for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.split(" ")[0] == program]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A cache that the pages share, so that an archive is prepared once."""
    folder = tmp_path_factory.mktemp("prepared")
    # Dry runs pack nothing.
    BLUEMARBLE.open(folder)
    return folder


@each_page
def test_python_and_plugins_run(page, warm, tmp_path, prepared):
    code, checks = [], []
    for block in blocks(page, "python"):
        named = FILE.match(block)
        if named:
            # A loss of each level of labels; whether it goes with every loss is slow to tell.
            checks.append(["check", named[1], *(EACH_LEVEL if "ANY_LOSS" in block else [])])
            (tmp_path / named[1]).write_text(block, encoding="utf-8")
        else:
            code.append(block)
    (tmp_path / "page.py").write_text("\n\n".join(code), encoding="utf-8")
    # Submitting needs finished runs; tests/leaderboard/bundles/test_submission.py does it.
    plugged = [w for w in commands(page, "gridbench") if "--plugin" in w and w[0] != "leaderboard"]
    for words in plugged:
        plugin = words[words.index("--plugin") + 1]
        if (ROOT / plugin).is_file():
            (tmp_path / plugin).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / plugin).write_bytes((ROOT / plugin).read_bytes())
        words += ["--dry-run"] if words[0] == "sweep" else SHORT
    environment = {"GRIDBENCH_CACHE": str(prepared)}
    for what in [{"script": "page.py"}] * bool(code) + [{"lines": checks + plugged}] * bool(checks + plugged):
        done = warm(folder=tmp_path, environment=environment, **what)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@each_page
def test_plugins_go_with_every_loss(page, tmp_path):
    for block in blocks(page, "python"):
        if FILE.match(block) and "ANY_LOSS" in block:
            path = tmp_path / FILE.match(block)[1]
            path.write_text(block, encoding="utf-8")
            done = subprocess.run(
                [sys.executable, "-P", "-m", "gridbench", "check", path],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr


@each_page
def test_commands_exist_with_the_options_that_are_shown(page):
    inline = re.findall(r"`gridbench ((?:\w|-)[^`]*)`", page.read_text(encoding="utf-8"))
    for words in [*commands(page, "gridbench"), *(text.split() for text in inline)]:
        command: click.Command = cli
        context = click.Context(cli, info_name="gridbench")
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            found = command.get_command(context, words[0])
            assert found is not None, f"gridbench {' '.join(words)}"
            command, words = found, words[1:]
        context = click.Context(command)
        command.make_parser(context).parse_args(list(words))


@each_page
def test_make_targets_exist(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = page.read_text(encoding="utf-8")
    targets = {words[0] for words in commands(page, "make")} | set(re.findall(r"`make (\w+)", text))
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


@each_page
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    inside = [link for link in links if "://" not in link]
    assert [link for link in inside if not (page.parent / link).exists()] == []


def test_the_files_of_the_ten_tasks_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^\| task \| open \|\n\|---\|---\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    found = []
    for line in table.splitlines():
        folder = ROOT
        for name in re.findall(r"`([\w/]+(?:\.\w+|/))`", line):
            # A name without a folder stands beside the file before it.
            path = ROOT / name if "/" in name else folder / name
            folder = path.parent
            found += [path] if "NAME" not in name else []
    assert len(table.splitlines()) == 10
    assert len(found) > 25
    assert [path for path in found if not path.exists()] == []


def test_the_commands_of_the_table_are_all_there_are():
    table = set(
        re.findall(
            r"^\| `gridbench ([\w-]+)",
            (ROOT / "docs" / "quick-start.md").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    )
    assert table == set(cli.list_commands(click.Context(cli)))
