"""Every block of commands of the documentation is run by a shell, as its reader would paste it.

Programs other than gridbench are stand-ins that write down how they were called. What gridbench was called with is
then run for real, but with `--dry-run` by the commands that have it, since they would train for hours; `make` must have
the target, `pip` the extra. tests/docs/test_docs.py runs the Python of the pages, and trains with their plug-ins.

Run by `make test-docs`.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from gridbench.cli import cli
from gridbench.datasets.bluemarble import BLUEMARBLE

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LANGUAGES = {"sh", "bash", "python", "yaml", "toml", "console", "text"}
"""Of these, `python` is run by tests/docs/test_docs.py, and `text` is a form to fill in."""

OTHERS = ("git", "make", "pip", "ray", "scontrol", "srun", "sleep")
STAND_IN = """#!/bin/bash
{ printf '%s\\0' "${0##*/}" "$@"; echo; } >> "$CALLS"
[ "${0##*/}" != git ] || { mkdir -p gridbench/.venv/bin && touch gridbench/.venv/bin/activate; }
"""
SHORT = ["--epochs", "1", "--train-size", "128", "--quiet"]
PICTURES = 40
COLOURS = """name,color
Building,#3C1098
Land,#8429F6
Road,#6EC1E4
Vegetation,#FEDD3A
Water,#E2A929
Unlabeled,#9B9B9B
"""
"""The legend of the photographs of Dubai."""


def blocks(page: Path, *languages: str) -> list[str]:
    return [text for word, text in BLOCK.findall(page.read_text(encoding="utf-8")) if word in languages]


def has_blocks(*languages: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, *languages)]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, warm):
    """A cache, and finished runs of the built-in archive at which pages look."""
    folder = tmp_path_factory.mktemp("prepared")
    BLUEMARBLE.open(folder / "cache")
    plain = ["run", "--slnir", "30", *SHORT]
    lines = [
        [*plain, "--method", "bce", "--profile"],
        [*plain, "--method", "pce"],
        [*plain, "--method", "ce", "--level", "single"],
        [
            "sweep",
            "--method",
            "grid",
            "--slnir",
            "30",
            "--seeds",
            "1",
            "--select",
            "lambda",
            "--trials",
            "2",
            *SHORT,
        ],
    ]
    done = warm(folder=folder, lines=lines, environment={"GRIDBENCH_CACHE": str(folder / "cache")})
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def write_own_files(folder: Path) -> None:
    """Write what pages presume: images with labels and masks, a Parquet file, arrays."""
    rng = np.random.default_rng(0)
    own = folder / "my" / "archive"
    for name in ("images", "masks"):
        (own / name).mkdir(parents=True)
    images = rng.integers(0, 255, (PICTURES, 32, 32, 3), dtype=np.uint8)
    rows = ["file,labels"]
    for i, image in enumerate(images):
        first, second = i % 3, (i + 1) % 3
        mask = np.full((32, 32), first, np.uint8)
        mask[:16] = second
        Image.fromarray(image).save(own / "images" / f"i{i:02}.png")
        Image.fromarray(mask).save(own / "masks" / f"i{i:02}.png")
        rows.append(f"i{i:02}.png,{'abc'[first]} {'abc'[second]}")
    (own / "classes.txt").write_text("a\nb\nc\n")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    (folder / "dataset" / "data").mkdir(parents=True)
    encoded = [{"bytes": path.read_bytes(), "path": path.name} for path in sorted((own / "images").iterdir())]
    table = pd.DataFrame({"image": encoded, "label": [i % 3 for i in range(PICTURES)]})
    table.to_parquet(folder / "dataset" / "data" / "train-00000-of-00001.parquet")
    np.save(folder / "cifar10.npy", images)
    classes = np.arange(PICTURES) % 3
    np.savez(folder / "cifar10n.npz", worse_label=classes, clean_label=np.roll(classes, 1))


def calls_of(page: Path, folder: Path) -> list[list[str]]:
    """Let bash run the page's blocks with stand-ins; return how each program was called."""
    programs = folder / "programs"
    programs.mkdir()
    for name in ("gridbench", *OTHERS):
        (programs / name).write_text(STAND_IN)
        (programs / name).chmod(0o755)
    home = folder / "home"
    for checkout in (home, home / "gridbench"):
        (checkout / ".venv" / "bin").mkdir(parents=True)
        (checkout / ".venv" / "bin" / "activate").touch()
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "USER": "reader",
        "CALLS": str(folder / "calls"),
        "SLURM_JOB_ID": "1",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_CPUS_PER_TASK": "2",
    }
    text = "\n".join(blocks(page, "sh", "bash")).replace("<this repository>", "REPOSITORY")
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", f"{text}\nwait"],
        cwd=folder / "home",
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [line.rstrip("\0").split("\0") for line in (folder / "calls").read_text().splitlines()]


def takes_dry_run(words: list[str]) -> bool:
    command: click.Command = cli
    for word in words:
        if not isinstance(command, click.Group) or not (
            found := command.get_command(click.Context(command), word)
        ):
            break
        command = found
    return any("--dry-run" in parameter.opts for parameter in command.params)


def as_run(words: list[str]) -> list[str]:
    """Return the words of a command that does not train for hours, on an archive that is there."""
    words = ["bluemarble" if word == "dlrsd" and words[0] == "sweep" else word for word in words]
    if words[0] != "check" and (
        "--dry-run" in words or words[:2] == ["data", "prepare"] or not takes_dry_run(words)
    ):
        return words
    if words[0] == "check":
        # Whether it goes with every loss takes minutes to tell.
        return [*words, "--loss", "bce"]
    # Submissions pack and verify what was trained.
    if words[0] == "sweep" and "mine.py" in words:
        words = list(words)
        for name, fewer in {"--slnir": "30", "--seeds": "1"}.items():
            words[words.index(name) + 1] = fewer
        return [*words, *SHORT]
    if "--chosen" in words and "--runs" in words:
        # A dry run before it selected nothing; that folder holds a selection.
        words = list(words)
        words[words.index("--runs") + 1] = "runs"
    return [*words, "--dry-run"]


@pytest.mark.parametrize("page", has_blocks("sh", "bash"), ids=name_of)
def test_commands_run(page, prepared, tmp_path, warm):
    calls = calls_of(page, tmp_path)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    for program, *words in calls:
        if program == "make":
            assert re.search(rf"^{words[0]}:", makefile, re.MULTILINE), words
        if program == "pip":
            assert words[0] == "install"
            assert re.fullmatch(r"gridbench\[(\w+)\]", words[1])[1] in extras
    lines = [as_run(words) for program, *words in calls if program == "gridbench"]
    write_own_files(tmp_path)
    for folder in ("runs", "scored"):
        shutil.copytree(prepared / "runs", tmp_path / folder)
    shutil.copytree(prepared / "cache", tmp_path / "cache")
    shutil.copytree(ROOT / "docs" / "results", tmp_path / "docs" / "results")
    shutil.copy(ROOT / "docs" / "results" / "data" / "confusions.csv", tmp_path)
    for block in blocks(page, "python"):
        if named := re.match(r"# (?:[\w/]+/)?(\w+\.py)\n", block):
            (tmp_path / named[1]).write_text(block, encoding="utf-8")
    environment = {"GRIDBENCH_CACHE": str(tmp_path / "cache")}
    for words in lines:
        done = warm(*words, folder=tmp_path, environment=environment)
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", has_blocks("yaml"), ids=name_of)
def test_settings_are_planned(page, prepared, tmp_path, warm):
    for block in blocks(page, "yaml"):
        assert yaml.safe_load(block)
        (tmp_path / "sweep.yaml").write_text(block)
        words = ["sweep", "--config", "sweep.yaml", "--dry-run"]
        done = warm(*words, folder=tmp_path, environment={"GRIDBENCH_CACHE": str(prepared / "cache")})
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", has_blocks("toml"), ids=name_of)
def test_entry_points_are_those_that_are_read(page):
    from gridbench.registry import METHODS

    for block in blocks(page, "toml"):
        (group,) = tomllib.loads(block)["project"]["entry-points"]
        assert group == METHODS.group


@pytest.mark.parametrize("page", has_blocks("console"), ids=name_of)
def test_output_is_as_shown(page, request, tmp_path, warm):
    for block in blocks(page, "console"):
        typed, *shown = block.splitlines()
        words = shlex.split(typed.removeprefix("$ "))[1:]
        if "--data" in words:
            samples, data = request.getfixturevalue("samples"), words[words.index("--data") + 1]
            (tmp_path / data).symlink_to(samples / data, target_is_directory=True)
            (tmp_path / "colours.csv").write_text(COLOURS)
            words.append("--quiet")
        done = warm(*words, folder=tmp_path, environment={"GRIDBENCH_CACHE": str(tmp_path / "cache")})
        assert done.returncode == 0, done.stderr
        assert [line.rstrip() for line in done.stdout.splitlines()][: len(shown)] == shown


def test_every_block_has_a_language_that_is_run():
    found = {word for page in PAGES for word, _ in BLOCK.findall(page.read_text(encoding="utf-8"))}
    assert found == LANGUAGES
