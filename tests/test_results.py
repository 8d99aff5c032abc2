"""The numbers that are told are those of the records that lie beside them."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_every_table_is_what_the_shipped_records_give():
    spec = importlib.util.spec_from_file_location("rebuild", ROOT / "docs" / "results" / "rebuild.py")
    rebuild = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rebuild)
    texts = rebuild.pages(rebuild.Records())
    assert len(texts) == 4
    for file, text in texts.items():
        assert file.read_text(encoding="utf-8") == text, f"run docs/results/rebuild.py: {file.name}"
