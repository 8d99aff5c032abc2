from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gridbench.cli import main

Call = Callable[..., tuple[int | str, str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Call:
    """Call gridbench as typed; returns (exit code, output, messages)."""

    def call(*words: object) -> tuple[int | str, str, str]:
        code: int | str = 0
        try:
            main([str(word) for word in words])
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def cli(command: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """Call gridbench in an empty folder with a terminal that is wider than any message."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "2000")
    return command
