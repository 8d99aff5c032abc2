"""What needs a compiler and what does not."""

import pytest
import torch
import torch._dynamo

from gridbench import run
from gridbench.config import make_config
from gridbench.records.rescore import rescore
from gridbench.records.runner import Execution


@pytest.fixture
def backend(monkeypatch):
    """Set what compiles."""
    torch._dynamo.reset()
    yield lambda chosen: monkeypatch.setattr("gridbench.training.compile.BACKEND", chosen)
    torch._dynamo.reset()


def test_a_compiled_run_is_scored_where_there_is_no_compiler(backend, tmp_path, cache, settings, monkeypatch):
    def no_compiler(graph, inputs):
        raise RuntimeError("No working C++ compiler found")

    execution = Execution(tmp_path / "runs", cache, "cpu", threads=1)
    backend("eager")
    # What compiling does to a backbone is tested elsewhere, and takes long.
    monkeypatch.setattr("gridbench.training.backbone.compiled", lambda function: function)
    record = run(make_config({**settings, "method": "bce", "epochs": 1, "compile": True}), execution)
    backend(no_compiler)
    scored = rescore(record.folder, {"k": 3}, execution)
    assert scored.config["config"]["compile"] is True
    assert scored.metrics.keys() != record.metrics.keys()
