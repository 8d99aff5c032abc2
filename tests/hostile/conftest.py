"""What every file of the hostile set uses: `check` runs words in a process of limited time and memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def warm() -> None:
    """Import once what commands import, so that a child has only its own work to do."""
    import openpyxl  # noqa: F401
    import timm  # noqa: F401
    import torch

    import gridbench.cli.audit.apply
    import gridbench.cli.data.prepare
    import gridbench.cli.leaderboard
    import gridbench.cli.noise
    import gridbench.cli.run
    import gridbench.cli.status
    import gridbench.training.backbone  # noqa: F401
    from gridbench.records import recompute, runner, status  # noqa: F401

    torch.set_num_threads(1)


@pytest.fixture
def check(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Run words in the sandbox; whatever they are, the answer is one of these codes, short, quick and small."""
    import sandbox

    monkeypatch.setenv("GRIDBENCH_CACHE", str(cache))
    monkeypatch.delenv("GRIDBENCH_LIMIT_FACTOR", raising=False)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "notes.json").write_text("mine")

    def call(
        *words: object, codes: tuple[int, ...] = (2,), memory: int | None = sandbox.MOST_MEMORY
    ) -> object:
        answer = sandbox.call([str(word) for word in words], tmp_path)
        assert answer.code in codes, answer
        assert "This looks like a defect" not in answer.text, answer
        assert "Traceback" not in answer.text, answer
        assert "not enough memory" not in answer.text, answer
        assert not sandbox.ACTS.search(answer.text.replace("\n", "").replace("\t", "")), answer
        assert memory is None or answer.memory < memory, answer
        assert [path.name for path in (tmp_path / "precious").iterdir()] == ["notes.json"]
        assert (tmp_path / "precious" / "notes.json").read_text() == "mine"
        return answer

    return call
