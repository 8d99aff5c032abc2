"""Records of numbers and text that cannot be: each is left out, and the others are shown."""

from __future__ import annotations

import hashlib
import json
import os

import pytest
from inputs import NO_FILES, OSC, RECORDS, write_record

RECORD_FILES = ["config.json", "result.json", "done", "failed.json"]


@pytest.mark.parametrize("kind", [kind for kind in NO_FILES if kind not in ("folder", "dangling", "loop")])
@pytest.mark.parametrize("name", RECORD_FILES)
def test_a_record_file_that_is_none_stops_no_folder(check, tmp_path, name, kind):
    runs = tmp_path / "runs"
    write_record(runs, seed=1)
    bad = write_record(runs, seed=2, state="failed" if name == "failed.json" else "done")
    (bad / name).unlink()
    NO_FILES[kind](bad / name)
    for words in (["status", "--verify"], ["leaderboard"]):
        answer = check(*words, codes=(0, 1))
        assert name == "failed.json" or words[0] == "leaderboard" or bad.name in answer.text


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("place", [".sweeps", "selections"])
def test_notes_that_are_none_stop_no_folder(check, tmp_path, place, kind):
    runs = tmp_path / "runs"
    write_record(runs, seed=1)
    (runs / place).mkdir()
    NO_FILES[kind](runs / place / "x.json")
    check("status", codes=(0,))
    check("leaderboard", codes=(0,))


PAYLOADS: dict[str, bytes] = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"x"',
    "a number": b"7",
    "no JSON": b"{",
    "no UTF-8": b"\xff\xfe\x00",
    "zero bytes": b"\0" * 100,
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "digits": b'{"schema":1,"metrics":{"ndcg@20":' + b"1" * 4200 + b"}}",
    "many digits": b'{"schema":1,"metrics":{"ndcg@20":' + b"9" * 100_000 + b"}}",
    "infinite": b'{"schema":1,"metrics":{"ndcg@20":1e999}}',
    "surrogate": b'{"schema":1,"id":"\\ud800"}',
    "controls": json.dumps({"schema": 1, "id": OSC, "message": OSC, OSC: 1}).encode(),
    "twice": b'{"schema":1,"schema":2}',
    "lists": b"[" + b"[]," * 2_000_000 + b"[]]",
    "texts": b"[" + b'"",' * 2_000_000 + b'""]',
    "numbers": b'{"schema":1,"x":[' + b"0," * 4_000_000 + b"0]}",
    "fractions": b'{"schema":1,"x":[' + b"0.5," * 900_000 + b"1]}",
    "names": b'{"schema":1' + b"".join(b',"%x":1' % i for i in range(700_000)) + b"}",
    "escapes": b'{"schema":1,"x":"' + b'\\"' * 3_900_000 + b'"}',
    "backslashes": b'{"schema":1,"x":"' + b"\\\\" * 3_900_000 + b'"}',
    "surrogates": b'{"schema":1,"x":"' + b"\\ud83d\\ude00" * 650_000 + b'"}',
    "one text": b'{"schema":1,"x":"' + b"x" * 8_000_000 + b'"}',
}


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("name", RECORD_FILES)
def test_a_damaged_record_stops_no_folder(check, tmp_path, name, payload):
    runs = tmp_path / "runs"
    good = write_record(runs, seed=1)
    bad = write_record(runs, seed=2, state="failed" if name == "failed.json" else "done")
    (bad / name).write_bytes(PAYLOADS[payload])
    for words in (
        ["status", "--verify"],
        ["leaderboard"],
        ["leaderboard", "--format", "html", "--out", "o.html"],
    ):
        answer = check(*words, codes=(0, 1))
        assert "--out" in words or good.name in answer.text or "50.0" in answer.text


VALUES = [10**400, -1, 7.3, "x", None, [], {}, True, 1e308, -0.5, "\ud800", 2**70, OSC]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:20])
@pytest.mark.parametrize(
    "field", ["metric", "slnir", "seed", "method", "loss", "reference", "note", "memorised"]
)
def test_a_value_that_cannot_be_stops_no_folder(check, tmp_path, field, value):
    runs = tmp_path / "runs"
    write_record(runs, seed=1)
    bad = write_record(runs, seed=2, folder="bad")
    document, result = (json.loads((bad / name).read_text()) for name in ("config.json", "result.json"))
    if field == "metric":
        result["metrics"]["ndcg@20"] = value
    elif field == "memorised":
        result["memorised"] = value
    elif field in ("reference", "note"):
        document[field] = value
    else:
        document["config"][field] = value
        document |= RECORDS["identities"](document["config"], {**document, "versions": document["versions"]})
        result["id"] = document["id"]
    for name, content in (("config.json", document), ("result.json", result)):
        (bad / name).write_text(json.dumps(content))
    digest = hashlib.sha256((bad / "result.json").read_bytes()).hexdigest()
    (bad / "done").write_text(json.dumps({"schema": 1, "files": {"result.json": digest}}))
    for words in (["leaderboard", "--format", "csv"], ["status"], ["leaderboard", "--format", "json"]):
        answer = check(*words, codes=(0, 1))
        assert "730" not in answer.text


ODD: list[object] = [5e-324, -0.0, 2**63, 1.5, "\x00", "x" * 90_000, [[1]], {"a": {"b": 1}}, ["x"] * 50_000, "1e400",
                     "NaN", {"": 1}, {"a\nb": "=1"}, "../x", 0]  # fmt: skip


@pytest.mark.parametrize("value", ODD, ids=lambda value: ascii(value)[:20])
@pytest.mark.parametrize(
    "field", ["k", "parameters", "epochs", "dataset_fingerprint", "versions", "plugin", "noise"]
)
def test_a_setting_that_cannot_be_stops_no_folder(check, tmp_path, field, value):
    runs = tmp_path / "runs"
    write_record(runs, seed=1)
    bad = write_record(runs, seed=2, folder="bad")
    document, result = (json.loads((bad / name).read_text()) for name in ("config.json", "result.json"))
    place = document["config"] if field in document["config"] else document
    place[field] = value
    try:
        document |= RECORDS["identities"](document["config"], document)
    except (TypeError, AttributeError):
        document |= {"id": "0" * 64, "cell": "0" * 64}
    result["id"] = document["id"]
    for name, content in (("config.json", document), ("result.json", result)):
        (bad / name).write_text(json.dumps(content))
    digest = hashlib.sha256((bad / "result.json").read_bytes()).hexdigest()
    (bad / "done").write_text(json.dumps({"schema": 1, "files": {"result.json": digest}}))
    assert "50.0" in check("leaderboard", "--format", "csv", codes=(0,)).text
    check("status", "--verify", codes=(0, 1))
    check("leaderboard", "--format", "html", "--out", "o.html", codes=(0,))


DONE: list[object] = [
    {"files": {"result.json": "0" * 64, "../../precious/notes.json": "0" * 64}},
    {"files": {"": ""}},
    {"files": {"result.json": None}},
    {"schema": 2, "files": {}},
    {"files": {f"x{i}.npz": "0" * 64 for i in range(20_000)}},
    {"files": "result.json"},
    {"files": {"result.json": ["0" * 64]}},
]


@pytest.mark.parametrize("value", DONE, ids=lambda value: ascii(value)[:30])
def test_a_list_of_files_that_cannot_be_stops_no_folder(check, tmp_path, value):
    write_record(tmp_path / "runs", seed=1)
    bad = write_record(tmp_path / "runs", seed=2, folder="bad")
    (bad / "done").write_text(json.dumps(value))
    assert "bad" in check("status", "--verify", codes=(1,)).text
    assert "50.0" in check("leaderboard", "--format", "csv", codes=(0,)).text


@pytest.mark.parametrize(
    "name", [b"\xff\xfe", b"\xed\xa0\x80", b"x" * 255, b"\xc2\x9b31m", b"a\xcc\x81" * 60]
)
def test_a_folder_whose_name_is_no_text_stops_no_other(check, tmp_path, name):
    write_record(tmp_path / "runs", seed=1)
    write_record(tmp_path / "runs", seed=2, folder="bad")
    (tmp_path / "runs" / "bad").rename(tmp_path / "runs" / os.fsdecode(name))
    assert "50.0" in check("leaderboard", "--format", "csv", codes=(0,)).text
    check("status", "--verify", "--format", "json", codes=(0, 1))
    check("leaderboard", "export", "out.zip", codes=(0, 2))
