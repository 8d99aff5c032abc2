"""The notebook runs from its first cell to its last, on a small archive."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "notebook.ipynb"


def test_the_notebook_runs(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("GRIDBENCH_CACHE", str(cache))
    monkeypatch.setenv("GRIDBENCH_NOTEBOOK_DATASET", "stripes")
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "commit the notebook without its output"
    client = NotebookClient(
        notebook, timeout=600, startup_timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 4
    # The network that was loaded gives the descriptors that were kept.
    assert float(outputs[-1]["data"]["text/plain"].removeprefix("np.float32(").removesuffix(")")) < 1e-5
    (runs,) = [text for output in outputs if "<bce on stripes" in (text := str(output.get("data")))]
    assert "SLNIR 60 %" in runs
