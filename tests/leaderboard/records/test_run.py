"""What of a record cannot be, although its files are whole."""

from __future__ import annotations

import json

import pytest

from gridbench.leaderboard.records.runs import LeftOut, as_run
from gridbench.records.record import read_record

VERSIONS = {"protocol": 1, "method": 1, "loss": 1, "noise": 1}


@pytest.mark.parametrize(
    ("method", "plugin", "versions", "reference"),
    [
        ("bce", None, {}, False),
        ("oracle", None, {}, True),
        ("mine", "a" * 64, {}, False),
        ("mine", "a" * 64, {"reference": 1}, True),
        ("oracle", "a" * 64, {}, True),
    ],
)
def test_which_rows_give_others_a_scale_follows_from_what_is_in_the_identity(
    write_run, tmp_path, method, plugin, versions, reference
):
    fields = {"method": method, "plugin": plugin, "versions": {**VERSIONS, **versions}}
    told = read_record(write_run(tmp_path / "right", reference=reference, **fields))
    assert as_run(told, "").reference is reference
    forged = as_run(read_record(write_run(tmp_path / "forged", reference=not reference, **fields)), "")
    assert isinstance(forged, LeftOut)
    assert "reference row" in forged.reason


@pytest.mark.parametrize(("schema", "newer"), [(2, True), (0, False), ("1", False)])
def test_a_record_of_another_format_says_whether_a_newer_gridbench_wrote_it(
    write_run, tmp_path, schema, newer
):
    folder = write_run(tmp_path)
    document = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**document, "schema": schema}))
    stored = read_record(folder)
    assert stored.state == "corrupt"
    assert "another format than 1" in stored.reason
    assert ("a newer gridbench wrote it" in stored.reason) == newer
