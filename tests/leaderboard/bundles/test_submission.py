"""A method handed in and checked: round trip, tampered bundles, and no code that runs without being asked."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

import pytest

from gridbench.cli import main
from gridbench.registry import snapshot

PLUGIN = '''"""A method of one's own."""

from pathlib import Path

from gridbench import register_method
from gridbench.methods.base import ANY_LOSS
from gridbench.methods.plain import Plain

with Path("MARK").open("a") as mark:
    mark.write("run ")


@register_method()
class Handed(Plain):
    """Plain training."""

    losses = ANY_LOSS
'''


@pytest.fixture
def call(capsys):
    def of(*words):
        code = 0
        with snapshot():
            try:
                main([str(word) for word in words])
            except SystemExit as stop:
                code = stop.code or 0
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return of


@pytest.fixture
def bundle(call, tmp_path, cache, monkeypatch):
    """A submission of one run of a plug-in whose import leaves a mark."""
    (tmp_path / "handed.py").write_text(PLUGIN.replace("MARK", str(tmp_path / "mark")))
    monkeypatch.setattr("gridbench.conformance.check_component", lambda kind, name: [])
    words = [
        "--dataset",
        "stripes",
        "--backbone",
        "test_resnet",
        "--epochs",
        "1",
        "--batch-size",
        "16",
        "--k",
        "5",
    ]
    words += ["--train-size", "0", "--cache", cache, "--runs", tmp_path / "runs", "--quiet"]
    plugin = ["--plugin", tmp_path / "handed.py"]
    assert call("run", "--method", "handed", "--loss", "bce", "--slnir", "30", *words, *plugin)[0] == 0
    made = call("leaderboard", "submit", tmp_path / "mine.zip", "--runs", tmp_path / "runs", *plugin)
    assert made[0] == 0, made
    (tmp_path / "mark").unlink()
    return tmp_path / "mine.zip"


def test_a_round_trip(call, bundle, cache, tmp_path):
    code, said = call("leaderboard", "verify", bundle, "--cache", cache)
    assert code == 0
    assert "1 record" in said
    assert "handed at 30 % (n = 1)" in said
    assert "plug-in: handed.py" in said
    assert "\nsubmitted  stripes-handed" in said
    code, said = call("leaderboard", "verify", bundle, "--recompute", "stripes-handed", "--cache", cache)
    assert (code, "--run-plugin" in said) == (2, True)
    assert not (tmp_path / "mark").exists()
    words = ["--recompute", "all", "--run-plugin", "--cache", cache, "--quiet"]
    code, said = call("leaderboard", "verify", bundle, *words)
    assert (code, "\nverified   stripes-handed" in said) == (0, True), said
    assert (tmp_path / "mark").exists()
    assert call("leaderboard", "verify", bundle, "--recompute", "nothing")[0] == 2


def rewritten(bundle, change):
    """Rewrite a bundle together with its list of hashes, as a forger would."""
    with zipfile.ZipFile(bundle) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    contents = json.loads(files.pop("bundle.json"))
    change(files)
    contents["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    with zipfile.ZipFile(bundle, "w") as archive:
        for name, content in {**files, "bundle.json": json.dumps(contents).encode()}.items():
            archive.writestr(name, content)


def better_scores(files):
    """Raise every score of the records, and set their hashes right."""
    records = zipfile.ZipFile(io.BytesIO(files["records.zip"]))
    inner = {name: records.read(name) for name in records.namelist()}
    contents = json.loads(inner.pop("bundle.json"))
    result = next(name for name in inner if name.endswith("result.json"))
    document = json.loads(inner[result])
    document["metrics"]["ndcg@5"] = 0.99
    inner[result] = json.dumps(document).encode()
    done = result.replace("result.json", "done")
    listed = json.loads(inner[done])
    listed["files"]["result.json"] = hashlib.sha256(inner[result]).hexdigest()
    inner[done] = json.dumps(listed).encode()
    contents["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in inner.items()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in {**inner, "bundle.json": json.dumps(contents).encode()}.items():
            archive.writestr(name, content)
    files["records.zip"] = out.getvalue()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda files: files.update({"plugin/handed.py": b"other = 1"}),
            "with another plug-in than the one in the bundle",
        ),
        (lambda files: files.pop("plugin/handed.py"), "with a plug-in that is not in the bundle"),
        (lambda files: files.update({"plugin/../evil.py": b""}), "no submission has a file of that name"),
        (lambda files: files.update({"setup.py": b""}), "no submission has a file of that name"),
        (lambda files: files.pop("records.zip"), "is missing"),
        (lambda files: files.update({"conformance.json": b"{}"}), "not a list of findings"),
        (lambda files: files.update({"records.zip": b"PK"}), "records.zip"),
        (better_scores, "ndcg@5"),
    ],
    ids=["other plug-in", "no plug-in", "path", "other file", "no records", "no report", "no zip", "scores"],
)
def test_what_was_tampered_with_is_refused(call, bundle, change, reason, tmp_path):
    rewritten(bundle, change)
    code, said = call("leaderboard", "verify", bundle)
    assert code == 2
    assert reason in said
    assert str(bundle) in said.replace("\n", "")
    assert not (tmp_path / "mark").exists()


def test_what_cannot_be_submitted(call, bundle, tmp_path):
    (tmp_path / "handed.py").write_text('"""Changed."""\n')
    code, said = call("leaderboard", "submit", tmp_path / "two.zip", "--runs", tmp_path / "runs")
    assert (code, "with a plug-in that is not in the bundle" in said) == (2, True)
    assert not (tmp_path / "two.zip").exists()
    assert call("leaderboard", "submit", tmp_path / "two.zip", "--runs", tmp_path / "nothing")[0] == 2
