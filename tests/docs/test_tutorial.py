"""The tutorial: its method runs as the page shows and fits on a screen; `test_docs.py` checks that it conforms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gridbench.cli import main
from gridbench.records.record import iter_records

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")
(CODE,) = re.findall(r"^```python\n# small\.py\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def file(tmp_path, registries):
    path = tmp_path / "small.py"
    path.write_text(CODE, encoding="utf-8")
    return path


def test_the_page_is_one_screen_and_the_method_about_twenty_lines():
    assert len(PAGE.splitlines()) <= 50
    assert len([line for line in CODE.splitlines() if line.strip()]) <= 22


def test_the_commands_make_a_table(file, cache, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRIDBENCH_CACHE", str(cache))
    short = ["--dataset", "stripes", "--backbone", "test_resnet", "--epochs", "2", "--batch-size", "16", "--k", "5",
             "--train-size", "0", "--device", "cpu", "--threads", "1", "--quiet"]  # fmt: skip
    shown = [
        line.partition("#")[0].split()[1:] for line in PAGE.splitlines() if line.startswith("gridbench run")
    ]
    assert len(shown) == 2
    for words in shown:
        main([*words, *short])
    assert {stored.config["config"]["method"] for stored in iter_records(tmp_path / "runs")} == {
        "small",
        "bce",
    }
    capsys.readouterr()
    main(["leaderboard"])
    assert "small" in capsys.readouterr().out
