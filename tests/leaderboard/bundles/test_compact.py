"""Compact records: everything that tables need comes back, and nothing is believed that was not checked."""

import hashlib
import json
import zipfile
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from gridbench.cli.leaderboard import leaderboard
from gridbench.errors import InputError
from gridbench.leaderboard import load
from gridbench.leaderboard.bundles.bundle_import import import_bundle
from gridbench.leaderboard.bundles.compact import as_columns, as_rows, pack_compact, read_compact
from gridbench.leaderboard.figures.epochs import band_of
from gridbench.leaderboard.records.runs import collect, shipped_records
from gridbench.leaderboard.tables.table import tables_of

HISTORY = [
    {"epoch": 1, "loss": 0.123456789, "detection": {"precision": 0.66666666, "auroc": None}},
    {"epoch": 2, "loss": 1.5e-7, "detection": {"precision": 0.5, "auroc": 0.25}, "kl": 12.0},
]


@pytest.fixture
def packed(study, tmp_path):
    """The study's records in a compact file; one of them has a history and an environment."""
    folder = next(path for path in sorted(study.iterdir()) if path.name.startswith("grid"))
    (folder / "history.json").write_text(json.dumps(HISTORY))
    (folder / "environment.json").write_text(json.dumps({"threads": 1, "seconds": {"training": 4.5}}))
    (folder / "noise.json").write_text(json.dumps({"sha256": "a" * 64, "realised": 29.9}))
    file = tmp_path / "records.zip"
    file.write_bytes(pack_compact(collect(study).runs, "0.1.0"))
    return file


def shown(runs, form):
    more = [] if form == "csv" else ["--statistics"]
    done = CliRunner().invoke(leaderboard, ["--runs", str(runs), "--format", form, *more])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("form", ["terminal", "markdown", "latex", "csv", "json"])
def test_every_table_is_that_of_the_whole_records(packed, study, form):
    assert shown(packed, form) == shown(study, form)


def test_the_long_table_is_that_of_the_whole_records(packed, study):
    assert load(packed).equals(load(study))


def test_history_environment_and_noise_come_back(packed):
    (run,) = [run.stored for run in collect(packed).runs if run.stored.epochs()]
    first, second = run.epochs()
    assert first == {
        "epoch": 1,
        "loss": 0.1235,
        "detection": {"precision": 0.6667, "auroc": None},
        "kl": None,
    }
    assert second == {"epoch": 2, "loss": 1.5e-7, "detection": HISTORY[1]["detection"], "kl": 12.0}
    assert run.environment() == {"threads": 1, "seconds": {"training": 4.5}}
    assert run.noise()["sha256"] == "a" * 64
    with pytest.raises(FileNotFoundError, match="keeps no rankings"):
        run.retrieval()
    cells = [cell for table in tables_of(collect(packed)) for cell in table.cells]
    assert {tuple(band["mean"]) for cell in cells if (band := band_of(cell, "loss")) is not None} == {
        (0.1235, 1.5e-7)
    }


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers() | st.none()), max_size=5))
def test_rows_survive_being_columns(rows):
    names = dict.fromkeys(name for row in rows for name in row)
    whole = [{name: row.get(name) for name in names} for row in rows]
    assert as_rows(as_columns(rows)) == (whole if names else [])


def test_the_same_records_give_the_same_bytes_and_can_be_packed_again(packed, study):
    runs = collect(study).runs
    assert pack_compact(reversed(runs), "0.1.0") == packed.read_bytes()
    assert pack_compact(collect(packed).runs, "0.1.0") == packed.read_bytes()


def test_several_places_are_read_as_one(packed, study, runs, write_run, tmp_path):
    more = tmp_path / "more"
    write_run(more, seed=7)
    found = collect(packed, more, study)
    assert len(found.runs) == len(collect(study).runs) + 1
    assert len(found.notes) == len(collect(study).runs)


def test_there_must_be_something_to_pack_and_no_damage(study):
    with pytest.raises(InputError, match="no finished record"):
        pack_compact([], "0.1.0")
    run = collect(study).runs[0]
    with pytest.raises(InputError, match="Two records are called"):
        pack_compact([run, run], "0.1.0")
    (run.stored.folder / "history.json").write_text("[")
    with pytest.raises(InputError, match="cannot be packed"):
        pack_compact([run], "0.1.0")


def rewrite(file, change=None, texts=None, honest=True):
    """Rewrite a compact file; `change` edits the first record, `texts` sets or (None) removes whole entries."""
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    if change is not None:
        first, *others = entries["records.jsonl"].splitlines(keepends=True)
        document = json.loads(first)
        change(document)
        entries["records.jsonl"] = b"".join([json.dumps(document).encode() + b"\n", *others])
    entries.update(texts or {})
    if honest:
        contents = json.loads(entries["bundle.json"])
        contents["files"] = {
            name: hashlib.sha256(entries[name] or b"").hexdigest()
            for name in entries
            if name != "bundle.json"
        }
        entries["bundle.json"] = json.dumps(contents).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            if content is not None:
                archive.writestr(name, content)


def within(part, **values):
    return lambda document: document[part].update(values)


def settings(**values):
    return lambda document: document["config"]["config"].update(values)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d.update(folder="../outside"), "not that of a folder"),
        (lambda d: d.update(folder="/etc"), "not that of a folder"),
        (lambda d: d.pop("result"), "it lacks 'result'"),
        (lambda d: d.update(config=[]), "list"),
        (settings(epochs=500), "settings were edited"),
        (settings(method="<script>alert(1)</script>"), "settings were edited"),
        (within("config", cell="b" * 64), "settings were edited"),
        (within("result", id="b" * 64), "belongs to another run"),
        (within("result", metrics={"ndcg@20": 1.5}), "a share is at most 1"),
        (within("result", metrics={"ndcg@20": -1}), "is negative"),
        (within("result", metrics={"ndcg@20": float("nan")}), "NaN, which is not a number"),
        (within("result", metrics={}), "holds no metrics"),
        (within("result", extra="x" * 200_000), "a text of 200,000 characters"),
        (within("result", seconds={"train": -3.0}), "is negative"),
    ],
)
def test_a_file_with_a_wrong_record_is_refused_whole(packed, change, reason):
    rewrite(packed, change)
    with pytest.raises(InputError, match=reason):
        collect(packed)


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ({"bundle.json": None}, r"bundle\.json is missing"),
        ({"histories.jsonl": None}, "is listed but missing"),
        ({"histories.jsonl": b""}, "histories"),
        ({"method.py": b"print()"}, "has no place"),
        ({"../outside": b""}, "has no place"),
        ({"a/config.json": b"{}"}, "gridbench leaderboard import"),
        ({"records.jsonl": b"[" * 5000 + b"\n"}, "1 record and"),
        ({"bundle.json": b'{"schema":1,"kind":"compact","files":[]}'}, "another format"),
        ({"bundle.json": b'{"schema":9,"kind":"compact","files":{}}'}, "another format"),
        ({"bundle.json": b"[]"}, "another format"),
    ],
)
def test_a_file_of_another_form_is_refused(packed, texts, reason):
    rewrite(packed, texts=texts, honest="bundle.json" not in texts)
    with pytest.raises(InputError, match=reason):
        read_compact(packed)


def test_a_changed_byte_is_refused(packed):
    with zipfile.ZipFile(packed) as archive:
        text = archive.read("records.jsonl")
    rewrite(packed, texts={"records.jsonl": text.replace(b"0.5", b"0.9")}, honest=False)
    with pytest.raises(InputError, match="its hash is wrong"):
        read_compact(packed)
    packed.write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a zip file"):
        read_compact(packed)


def test_a_history_that_is_none_is_no_history(packed):
    count = len(read_compact(packed))
    rewrite(packed, texts={"histories.jsonl": b'{"loss":[1,2],"kl":[1]}\n' * count})
    for run in read_compact(packed):
        with pytest.raises(ValueError, match="differ in length"):
            run.epochs()
    assert shown(packed, "csv")


@pytest.mark.parametrize(
    "history", [{"loss": 5}, {"loss": "x"}, {"loss": None}, {"loss": {"kl": 1}}, {"loss": True}]
)
def test_a_history_whose_columns_are_none_is_no_history(packed, history):
    count = len(read_compact(packed))
    rewrite(packed, texts={"histories.jsonl": json.dumps(history).encode() + b"\n" + b"{}\n" * (count - 1)})
    with pytest.raises(ValueError, match="not a list"):
        read_compact(packed)[0].epochs()
    assert shown(packed, "html")


def test_an_import_says_where_compact_records_are_read(packed, tmp_path):
    with pytest.raises(InputError, match="read them where they are"):
        import_bundle(packed, tmp_path / "target", "friend")


def test_the_commands(packed, study, tmp_path):
    target = tmp_path / "again.zip"
    arguments = ["export", "--compact", "--out", str(target), "--filter", "method=grid"]
    done = CliRunner().invoke(leaderboard, [*arguments, "--runs", str(study), "--runs", str(packed)])
    assert done.exit_code == 0, done.output
    assert "with 9 records" in done.stdout
    assert {run.settings["method"] for run in collect(target).runs} == {"grid"}
    for words, reason in (
        (["export", "--runs", str(packed)], "Name the file"),
        (["export", "a.zip", "--compact", "--weights"], "packs no weights"),
        (["export", str(target), "--runs", str(packed)], "only be packed with --compact"),
    ):
        refused = CliRunner().invoke(leaderboard, words)
        assert isinstance(refused.exception, InputError)
        assert reason in str(refused.exception)


def test_unfinished_records_are_left_out_and_counted(study, write_run, tmp_path):
    write_run(study, state="failed", seed=9)
    words = ["export", "--compact", "--out", str(tmp_path / "a.zip"), "--runs", str(study)]
    done = CliRunner().invoke(leaderboard, words)
    assert "Left out 1 unfinished" in done.stdout
    assert 9 not in {run.seed for run in collect(tmp_path / "a.zip").runs}


def test_what_ships_is_read_by_name(packed, monkeypatch, tmp_path):
    monkeypatch.setattr("gridbench.leaderboard.records.runs.shipped_records", lambda: packed)
    done = CliRunner().invoke(leaderboard, ["--baselines", "--format", "csv"])
    assert done.exit_code == 0, done.output
    assert done.stdout == shown(packed, "csv")


def test_what_does_not_ship_is_said_with_what_to_do():
    with pytest.raises(InputError, match=r"No baseline records of 'nowhere' ship.*--baselines"):
        shipped_records("nowhere")


def test_whatever_ships_is_whole():
    folder = Path(str(resources.files("gridbench.leaderboard.records") / "baselines"))
    for file in folder.glob("*.zip"):
        runs = collect(shipped_records(file.stem)).runs
        assert {run.settings["dataset"] for run in runs} == {file.stem}
        assert all(run.stored.noise()["sha256"] == run.stored.result["noise"]["sha256"] for run in runs)
        assert all(run.stored.environment()["threads"] == 1 for run in runs)
        assert all(len(run.stored.epochs()) in (0, run.settings["epochs"]) for run in runs)
