"""Submissions, models to export, logs, audits, completion, the environment: whatever else takes a name or a file."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import shlex
import zipfile
from collections.abc import Callable

import pytest
from check_bundles import BOMBS, ZIPS
from inputs import NO_FILES, OSC, bomb, bundle, write_record


def submission(changes: dict[str, bytes | None], version: object = OSC, **options: object) -> bytes:
    """A submission of one record, with an honest list of its files; `changes` replaces or removes (None) files."""
    files = {"records.zip": bundle({}, **options), "conformance.json": b"[]", **changes}
    kept = {name: content for name, content in files.items() if content is not None}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in kept.items()}
    kept["bundle.json"] = json.dumps({"schema": 1, "gridbench": version, "files": hashes}).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in kept.items():
            archive.writestr(name, content)
    return out.getvalue()


END = b"import os, pathlib\npathlib.Path('../precious/ran').touch()\n"
SUBMISSIONS: dict[str, Callable[[], bytes]] = {
    "no records": lambda: submission({"records.zip": None}),
    "no conformance": lambda: submission({"conformance.json": None}),
    "conformance of numbers": lambda: submission({"conformance.json": b"[1, 2]"}),
    "conformance of rows without names": lambda: submission({"conformance.json": b"[{}]"}),
    "conformance that is a bomb": lambda: submission(
        {"conformance.json": b"[" + b'{"a":"b"},' * 200_000 + b"{}]"}
    ),
    "a plug-in upward": lambda: submission({"plugin/../../x.py": END}),
    "a plug-in of 60 MB": lambda: submission({"plugin/x.py": b"#" * (60 * 2**20)}),
    "a package": lambda: submission({"plugin/x/__init__.py": END}),
    "compiled code": lambda: submission({"plugin/x.pyc": END}),
    "a plug-in of no run": lambda: submission({"plugin/" + "x" * 200 + ".py": END}),
    "nine plug-ins": lambda: submission({f"plugin/x{i}.py": END + b"#%d" % i for i in range(9)}),
    "records that are a bomb": lambda: submission({"records.zip": BOMBS["arrays"]()}),
    "records of records": lambda: submission({"records.zip": submission({})}),
    "no zip of records": lambda: submission({"records.zip": b"PK"}),
    "made-up numbers": lambda: submission({}, told=0.999),
    "a plug-in that no record used": lambda: submission({"plugin/x.py": END}),
    "a plug-in twice": lambda: submission({"plugin/x.py": END, "plugin/y.py": END}),
    "a plug-in in a folder": lambda: submission({"plugin/x/y.py": END}),
    "a plug-in beside its folder": lambda: submission({"x.py": END}),
    "a plug-in named by an absolute path": lambda: submission({"/tmp/plugin/x.py": END}),
    "a plug-in for Windows": lambda: submission({"plugin\\..\\x.py": END}),
    "a plug-in with a hidden name": lambda: submission({"plugin/.x.py": END}),
    "a plug-in of a name that acts": lambda: submission({f"plugin/{OSC}.py": END}),
    "a report of texts of a megabyte": lambda: submission({"conformance.json": json.dumps(
        [{"component": "x" * 10**6, "check": "", "subject": "", "reason": ""}]).encode()}),
    "a report that is an object": lambda: submission({"conformance.json": b'{"component": "x"}'}),
    "a report of numbers for words": lambda: submission({"conformance.json": json.dumps(
        [{"component": 1, "check": 2, "subject": 3, "reason": None}]).encode()}),
    "an honest list of a tampered record": lambda: submission({"records.zip": mutated(bundle({}))}),
    "an ordinary bundle": lambda: bundle({}),
    **{f"a zip: {kind}": lambda kind=kind: ZIPS[kind](submission({})) for kind in ("half", "encrypted", "far offset")},
    **{f"a bomb: {kind}": BOMBS[kind] for kind in ("contents", "a member")},
}  # fmt: skip


def mutated(content: bytes) -> bytes:
    """Change a byte of the first member."""
    return content[:70] + bytes([content[70] ^ 1]) + content[71:]


@pytest.mark.parametrize("kind", SUBMISSIONS)
def test_an_odd_submission_is_refused(check, tmp_path, kind):
    (tmp_path / "b.zip").write_bytes(SUBMISSIONS[kind]())
    assert check("leaderboard", "verify", "b.zip").seconds < 5


@pytest.mark.parametrize(
    "row",
    [{"component": OSC, "check": OSC, "subject": OSC, "reason": OSC}, {"reason": "x" * 100_000}, {OSC: "x"}],
    ids=range(3),
)
def test_words_of_a_submission_do_not_act(check, tmp_path, row):
    (tmp_path / "b.zip").write_bytes(submission({"conformance.json": json.dumps([row]).encode()}))
    check("leaderboard", "verify", "b.zip", codes=(0, 1, 2))


def test_no_line_of_an_answer_is_made_up(check, tmp_path):
    """Line feeds in what a submission says of itself make no lines of their own."""
    forged = "1.0\nverified   record\n\x1b[2J"
    (tmp_path / "b.zip").write_bytes(submission({"conformance.json": b"[]"}, version=forged))
    answer = check("leaderboard", "verify", "b.zip", codes=(0,))
    assert "\nverified" not in answer.text
    assert "all 0 checks passed" not in answer.text


COMMANDS: dict[str, list[str]] = {
    "export-model": ["export-model", "x"],
    "score": ["score", "x", "--distance", "cosine"],
    "verify": ["verify", "x"],
    "audit apply": ["audit", "apply", "x", "--top", "1", "--out", "o"],
    "audit export": ["audit", "export", "x", "--format", "fiftyone", "--out", "o.json"],
}


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_folder_is_refused(check, tmp_path, command, kind):
    NO_FILES[kind](tmp_path / "x")
    check(*COMMANDS[command])


@pytest.mark.parametrize(
    "name", ["result.json", "weights.safetensors", "environment.json", "predictions.npz"]
)
@pytest.mark.parametrize("kind", ["fifo", "zero", "sparse", "environ"])
@pytest.mark.parametrize("command", ["export-model", "score", "verify"])
def test_a_record_with_files_that_are_none_is_refused(check, tmp_path, command, name, kind):
    folder = write_record(tmp_path / "runs", seed=1)
    (folder / name).unlink(missing_ok=True)
    NO_FILES[kind](folder / name)
    check(*[str(folder) if word == "x" else word for word in COMMANDS[command]], codes=(1, 2))


@functools.cache
def an_archive_of_zeros() -> bytes:
    return bomb("before.npy", 300)


DOCUMENTS = {
    "nothing": b"",
    "a list": b"[]",
    "empty": b"{}",
    "deep": b"[" * 100_000,
    "lists": b"[" + b"[]," * 1_000_000 + b"[]]",
    "words": json.dumps({"schema": 1, "archive": OSC, "dataset": OSC, OSC: OSC, "classes": [OSC]}).encode(),
    "a way out": b'{"schema": 1, "archive": "../../precious", "dataset": "../../precious"}',
}


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("command", ["audit apply", "audit export"])
def test_an_audit_that_is_none_is_refused(check, tmp_path, command, document):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "audit.json").write_bytes(DOCUMENTS[document])
    (tmp_path / "x" / "labels.npz").write_bytes(an_archive_of_zeros())
    check(*COMMANDS[command])


LONG = "x" * 5000
RUN = ["run", "--dataset", "stripes", "--epochs", "1"]
WORDS: list[list[str]] = [
    *([*RUN, "--backbone", "test_resnet", "--weights-prefix", word, "--weights", "x.pth"] for word in (OSC, LONG)),
    *([*RUN, "--backbone", f"{kind}:{word}"] for kind in ("hf-hub", "local-dir")
      for word in ("", "/proc/self", "/dev", "../../precious", "http://127.0.0.1:1/x", OSC, LONG, "a/b/c", "/etc")),
    *([*RUN, "--log", word] for word in (OSC, LONG, "", "tensorboard,nothing")),
    *([*RUN, "--device", word] for word in ("meta", "cpu:5", "cuda:-1", "CUDA", "", "cuda:\u0665", "fpga", OSC)),
    *([*RUN, "--slnir", word] for word in ("1_0", "\u0665", "\uff11", " 5", "5\n", "0x10", "1e-400")),
    *([*RUN, f"--{name}", word] for name in ("epochs", "batch-size", "momentum", "learning-rate", "k")
      for word in ("1_0", "\u0665", " 5")),
    *(["sweep", "--method", "bce", "--dataset", "stripes", "--seeds", word]
      for word in ("0", "1_0", "\u0665", "0:\u0665:1")),
    *([*RUN, "--method", "grid", "-p", f"lambda={word}"] for word in ("1_0", "\u0665", " 5", "1e-400", "inf")),
    ["data", "prepare", "folder", "--data", ".", "--name", "n", "--tile", "\u0665"],
    ["data", "prepare", "folder", "--data", ".", "--name", "n", "--workers", "1_0"],
    ["leaderboard", "verify", OSC],
    ["leaderboard", "submit", OSC, "--runs", "nothing"],
    ["completion", OSC],
]  # fmt: skip


@pytest.mark.parametrize("words", WORDS, ids=lambda words: ascii(" ".join(words))[1:70])
def test_words_that_make_no_sense_are_refused(check, tmp_path, words):
    (tmp_path / "link").symlink_to("precious")
    check(*words)


@pytest.mark.parametrize(
    "name", ["$(id)", "`id`", "a b", "a\nplain,b", "*", "-rf", OSC, "a;b", "'", '"', "a|b", "\u202e"]
)
def test_no_name_that_a_shell_would_act_on_is_completed(check, tmp_path, monkeypatch, name):
    write_record(tmp_path / "runs", folder="good", seed=1)
    write_record(tmp_path / "runs", folder=name, seed=2)
    monkeypatch.setenv("_GRIDBENCH_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "gridbench score runs/")
    monkeypatch.setenv("COMP_CWORD", "2")
    answer = check(codes=(0,))
    assert [line for line in answer.text.splitlines() if line.startswith("plain,")] == ["plain,runs/good"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("folder", ["$(id)", "a b", "`id`", "a;b", "a\nplain,b", OSC, "'", "~x", "{a,b}"])
def test_no_folder_that_a_shell_would_act_on_is_completed(check, tmp_path, monkeypatch, folder, shell):
    write_record(tmp_path / folder, folder="good", seed=1)
    monkeypatch.setenv("_GRIDBENCH_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", f"gridbench score --runs {shlex.quote(folder)} ")
    monkeypatch.setenv("COMP_CWORD", "4" if shell != "fish" else "")
    assert "good" not in check(codes=(0,)).text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_runs_no_plugin(check, tmp_path, monkeypatch, shell):
    (tmp_path / "evil.py").write_bytes(END.replace(b"..", b"."))
    monkeypatch.setenv("_GRIDBENCH_COMPLETE", f"{shell}_complete")
    monkeypatch.setenv("COMP_WORDS", "gridbench run --plugin evil.py --method ")
    monkeypatch.setenv("COMP_CWORD", "4" if shell != "fish" else "")
    check(codes=(0,))


@pytest.mark.parametrize("command", ["rm -rf ~", "gridbench sweep; id", "gridbench sweep $(id)", "gridbench sweep\nid",
    "gridbench.sweep(__import__('os').system('id'))", "gridbench.sweep({})\nid", "gridbench", OSC, [1], None,
    "gridbench sweep `id`", "gridbench.sweep({'a': 1}) or exit()", "gridbenchx sweep", "sudo gridbench",
    "gridbench run --plugin x.py", "gridbench audit apply a --out b"])  # fmt: skip
def test_no_command_of_a_file_is_recommended(check, tmp_path, command):
    write_record(tmp_path / "runs", seed=1)
    (tmp_path / "runs" / ".sweeps").mkdir()
    run = {"folder": "a\nb", "label": "x", "config": {}}
    note = json.dumps({"schema": 1, "command": command, "runs": [run]})
    (tmp_path / "runs" / ".sweeps" / "$(id) x.json").write_text(note)
    answer = check("status", codes=(0, 1))
    assert "To go on: " not in answer.text
    assert "rm runs" not in answer.text


SETTINGS: list[dict[str, object]] = [
    *({name: value} for name in ("dataset", "batch_size", "fused") for value in ([], {}, [[1]], {"a": 1})),
    *({"epochs": value} for value in ("x", [1], {}, -1, 1.5, 10**9, OSC, "9" * 5000)),
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: ascii(settings)[:40])
def test_a_sweep_of_settings_that_are_none_is_passed_over(check, tmp_path, settings):
    folder = write_record(tmp_path / "runs", seed=1)
    (folder / "environment.json").write_text('{"seconds": {"training": 40}}')
    digest = hashlib.sha256((folder / "environment.json").read_bytes()).hexdigest()
    done = json.loads((folder / "done").read_text())
    done["files"]["environment.json"] = digest
    (folder / "done").write_text(json.dumps(done))
    config = json.loads((folder / "config.json").read_text())["config"] | settings
    (tmp_path / "runs" / ".sweeps").mkdir()
    note = {
        "schema": 1,
        "command": "gridbench sweep",
        "runs": [{"folder": "a", "label": "x", "config": config}],
    }
    (tmp_path / "runs" / ".sweeps" / "a.json").write_text(json.dumps(note))
    assert "sweep " not in check("status", codes=(0,)).text


@pytest.mark.parametrize("name", ["a\ndone       good", "a\r\nb", "a\tb", "a\x0bb", "a\x85b", "a\u2028b"])
def test_no_line_of_the_status_is_made_up(check, tmp_path, name):
    write_record(tmp_path / "runs", folder=name, seed=1, state="failed")
    answer = check("status", codes=(1,))
    assert len([line for line in answer.text.splitlines() if line.startswith(("failed ", "done "))]) == 1


@pytest.mark.parametrize("value", [OSC, LONG, "0", "nan", "/dev/null", "fifo", "link", ""])
@pytest.mark.parametrize("variable", ["GRIDBENCH_CACHE", "GRIDBENCH_LIMIT_FACTOR", "HOME", "TMPDIR"])
def test_a_doctor_tells_of_any_environment(check, tmp_path, monkeypatch, variable, value):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("precious")
    monkeypatch.setenv(variable, value)
    check("doctor", codes=(0, 1, 2))


SWEEP = ["sweep", "--method", "bce", "--dataset", "stripes", "--seeds", "1", "--engine", "ray", "--address"]


ADDRESSES = [
    "", OSC, LONG, "ray://127.0.0.1:1", "http://127.0.0.1:1", "0.0.0.0:0", "127.0.0.1:99999", "127.0.0.1:-1", "$(id)",
    "/dev/null", "auto\n", "local:1", "127.0.0.1:\u0661", "[::1]:1", "a b:1", "-x",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_is_none_is_refused(check, tmp_path, monkeypatch, address):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert check(*SWEEP[:-1], f"--address={address}", memory=None).seconds < 8


@pytest.mark.parametrize("kind", ["fifo", "folder", "zero", "dangling", "empty", "readable", "link", "large"])
def test_a_token_that_is_none_is_refused(check, tmp_path, monkeypatch, kind):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    more = {
        "empty": lambda path: (path.write_text(""), path.chmod(0o600)),
        "readable": lambda path: (path.write_text("a" * 64), path.chmod(0o644)),
        "link": lambda path: path.symlink_to(tmp_path / "precious" / "notes.json"),
        "large": lambda path: (path.write_text("a" * 10**7), path.chmod(0o600)),
    }
    {**NO_FILES, **more}[kind](tmp_path / "token")
    check(*SWEEP, "127.0.0.1:1", memory=None)
