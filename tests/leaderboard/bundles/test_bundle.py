"""Bundles: what travels, what is refused and why, and that origins stay apart."""

import hashlib
import io
import json
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gridbench.errors import InputError
from gridbench.leaderboard.bundles.bundle import pack_bundle
from gridbench.leaderboard.bundles.bundle_import import import_bundle
from gridbench.leaderboard.records.runs import collect
from gridbench.leaderboard.tables.table import tables_of


def npz(**arrays):
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def per_query(metrics):
    """Scores of two queries whose means are those metrics."""
    tags = {name: name.replace("/", ".") if "/" in name else f"test.{name}" for name in metrics}
    return npz(**{tags[name]: np.float32([value - 0.01, value + 0.01]) for name, value in metrics.items()})


def safetensors(header, data=b"\0" * 8):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.fixture
def record(runs, write_run):
    """A record with every file that one has, and one file that must not travel."""

    def make(**fields):
        folder = write_run(runs, **fields)
        (folder / "history.json").write_text("[]")
        metrics = json.loads((folder / "result.json").read_text())["metrics"]
        (folder / "retrieval.npz").write_bytes(per_query(metrics))
        (folder / "noise.npz").write_bytes(npz(changed=np.zeros((2, 3), np.int64)))
        header = {"weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
        (folder / "weights.safetensors").write_bytes(safetensors(header))
        (folder / "notes.py").write_text("print('code')")
        files = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.iterdir()
            if path.name != "done"
        }
        (folder / "done").write_text(json.dumps({"schema": 1, "files": files}))
        return folder

    return make


@pytest.fixture
def bundle(record, runs, tmp_path):
    record()
    file = tmp_path / "friend.zip"
    file.write_bytes(pack_bundle(collect(runs).runs, "0.1.0"))
    return file


def rewrite(bundle, change):
    """Rewrite a bundle's entries with honest hashes; `change` edits {path: bytes} in place."""
    with zipfile.ZipFile(bundle) as archive:
        entries = {name: archive.read(name) for name in archive.namelist() if name != "bundle.json"}
    change(entries)
    for done in [name for name in entries if name.endswith("/done")]:
        folder = done.removesuffix("done")
        files = {
            name.removeprefix(folder): hashlib.sha256(content).hexdigest()
            for name, content in entries.items()
            if name.startswith(folder) and name != done
        }
        entries[done] = json.dumps({"schema": 1, "files": files}).encode()
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in entries.items()}
    contents = json.dumps({"schema": 1, "gridbench": "0.1.0", "files": hashes}).encode()
    with zipfile.ZipFile(bundle, "w") as archive:
        for name, content in {**entries, "bundle.json": contents}.items():
            archive.writestr(name, content)


def edit_json(entries, ending, change):
    name = next(name for name in entries if name.endswith(ending))
    document = json.loads(entries[name])
    change(document)
    entries[name] = json.dumps(document).encode()


def test_what_travels_and_what_does_not(bundle, record, runs):
    names = {name.partition("/")[2] for name in zipfile.ZipFile(bundle).namelist() if "/" in name}
    kept = {"config.json", "result.json", "history.json", "noise.npz", "retrieval.npz"}
    assert names == {*kept, "done"}
    whole = pack_bundle(collect(runs).runs, "0.1.0", weights=True)
    assert any("weights" in name for name in zipfile.ZipFile(io.BytesIO(whole)).namelist())
    assert pack_bundle(collect(runs).runs, "0.1.0", weights=True) == whole


def test_imported_records_are_rows_of_their_own(bundle, runs, tmp_path):
    done = import_bundle(bundle, runs, "friend")
    assert (done.new, done.known) == (1, 0)
    assert done.folder == runs / "imported" / "friend"
    (table,) = tables_of(collect(runs))
    assert table.headings == ("method", "loss", "origin")
    assert {row.names[2] for row in table.rows} == {"", "friend"}
    assert {cell.n for cell in table.cells} == {1}
    again = import_bundle(bundle, runs, "friend")
    assert (again.new, again.known) == (0, 1)
    elsewhere = tmp_path / "elsewhere"
    assert import_bundle(bundle, elsewhere, "friend").new == 1
    (table,) = tables_of(collect(elsewhere))
    assert table.title == "bluemarble · from friend"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_told_by_the_file_that_is_written(bundle, runs, monkeypatch):
    """Before, it was the bundle that could not be read."""
    opened = Path.open

    def full(path, mode="r", **more):
        # A device that is always full.
        return opened(Path("/dev/full"), "wb") if mode == "xb" else opened(path, mode, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        with pytest.raises(OSError, match=r"No space left on device: .*imported"):
            import_bundle(bundle, runs, "friend")
    assert list((runs / "imported").iterdir()) == []
    assert import_bundle(bundle, runs, "friend").new == 1


@pytest.mark.parametrize("same", [True, False], ids=["the same record", "another record"])
def test_two_imports_at_once_leave_one_copy_of_a_record(bundle, runs, tmp_path, monkeypatch, same):
    """The other import moves its records after this one has looked, and before it moves its own."""
    home = runs / "imported" / "friend"
    import_bundle(bundle, tmp_path / "other", "friend")
    (other,) = (tmp_path / "other" / "imported" / "friend").iterdir()
    make_folder = Path.mkdir

    def slow(path, *arguments, **options):
        make_folder(path, *arguments, **options)
        if path == home:
            shutil.copytree(other, home / other.name)
            if not same:
                (home / other.name / "done").write_text("another", encoding="utf-8")

    monkeypatch.setattr(Path, "mkdir", slow)
    if same:
        done = import_bundle(bundle, runs, "friend")
        assert (done.new, done.known) == (0, 1)
    else:
        with pytest.raises(InputError, match=f"{other.name}: another record of that name is there"):
            import_bundle(bundle, runs, "friend")
    assert [path.name for path in home.iterdir()] == [other.name]
    assert not [path for path in (home / other.name).iterdir() if path.is_dir()]


def test_another_record_of_the_same_name_is_not_overwritten(bundle, runs):
    import_bundle(bundle, runs, "friend")
    rewrite(
        bundle,
        lambda entries: edit_json(entries, "result.json", lambda r: r.update({"memorised": 0.1})),
    )
    with pytest.raises(InputError, match="import under another --origin"):
        import_bundle(bundle, runs, "friend")
    assert collect(runs).runs[1].metrics["memorised"] == 0.71


def add(name, content=b"{}"):
    return lambda entries: entries.update({name: content})


def replace(ending, content):
    def change(entries):
        entries[next(name for name in entries if name.endswith(ending))] = content

    return change


def within(ending, change):
    return lambda entries: edit_json(entries, ending, change)


PICKLED = npz(changed=np.array([{"a": 1}], dtype=object))
HUGE = npz(changed=np.zeros(1))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (add("../outside/config.json"), "path leads outside"),
        (add("a/../../config.json"), "path leads outside"),
        (add("/etc/passwd"), "path leads outside"),
        (add("..\\outside\\config.json"), "path leads outside"),
        (add("record/method.py", b"print()"), "no record has a file of that name"),
        (add("record/deeper/config.json"), "no record has a file of that name"),
        (add(".hidden/config.json"), "no record has a file of that name"),
        (replace("noise.npz", PICKLED), "pickled Python objects"),
        (replace("noise.npz", b"PK nothing"), "not an archive of arrays"),
        (replace("history.json", b"[NaN]"), "NaN, which is not a number"),
        (replace("history.json", b"[" * 5000 + b"]" * 5000), "nested too deeply"),
        (replace("history.json", b'["' + b"x" * 200_000 + b'"]'), "a text of 200,000 characters"),
        (replace("history.json", b"\xc3\x28\xc3\x28"), "not text"),
        (replace("history.json", b"[1e999]"), "out of range"),
        (within("result.json", lambda r: r["metrics"].update({"ndcg@20": 1.5})), "a share is at most 1"),
        (within("result.json", lambda r: r["metrics"].update({"ndcg@20": -0.5})), "is negative"),
        (within("result.json", lambda r: r["seconds"].update({"train": -3.0})), "is negative"),
        (
            within("result.json", lambda r: r["noise"].update({"realised": 130.0})),
            "its noise/realised is 130",
        ),
        (within("result.json", lambda r: r.update({"id": "b" * 64})), "belongs to another run"),
        (within("config.json", lambda c: c.update({"schema": 9})), "another format"),
        (within("config.json", lambda c: c.update({"cell": "../x"})), "settings were edited.*claims ../x"),
        (within("config.json", lambda c: c["config"].update({"epochs": 500})), "settings were edited"),
        (within("config.json", lambda c: c["config"].update({"method": "mine"})), "settings were edited"),
        (within("config.json", lambda c: c["versions"].update({"protocol": 2})), "settings were edited"),
        (within("config.json", lambda c: c.update({"plugin": "a" * 64})), "settings were edited"),
        (within("config.json", lambda c: c["config"].update({"seed": "zero"})), "seed is 'zero'"),
        (add("other/config.json"), "not finished|incomplete|config.json"),
    ],
)
def test_a_bundle_with_something_wrong_is_refused_whole(bundle, runs, tmp_path, change, reason):
    rewrite(bundle, change)
    target = tmp_path / "target"
    with pytest.raises(InputError, match=reason):
        import_bundle(bundle, target, "friend")
    assert [path for path in target.rglob("*") if path.is_file()] == []
    assert not (tmp_path / "outside").exists()


def test_a_wrong_hash_is_refused(bundle, runs):
    with zipfile.ZipFile(bundle) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in entries if name.endswith("result.json"))
    entries[name] = entries[name].replace(b"0.5", b"0.9")
    with zipfile.ZipFile(bundle, "w") as archive:
        for path, content in entries.items():
            archive.writestr(path, content)
    with pytest.raises(InputError, match=r"result\.json': its hash is wrong"):
        import_bundle(bundle, runs, "friend")


def test_weights_whose_tensors_lie_outside_are_refused(record, runs, tmp_path):
    record()
    file = tmp_path / "friend.zip"
    file.write_bytes(pack_bundle(collect(runs).runs, "0.1.0", weights=True))
    bad = safetensors({"weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 9000]}})
    for content, reason in (
        (bad, "outside the file"),
        (b"123", "not a safetensors file"),
        (b"\xff" * 20, "not a safetensors file"),
    ):
        rewrite(file, replace("weights.safetensors", content))
        with pytest.raises(InputError, match=reason):
            import_bundle(file, tmp_path / "target", "friend")


def test_a_link_in_a_bundle_is_refused(bundle, runs):
    entry = zipfile.ZipInfo("record/config.json")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(InputError, match="not a plain file"):
        import_bundle(bundle, runs, "friend")


def test_what_is_no_bundle_is_said(runs, tmp_path):
    file = tmp_path / "some.zip"
    file.write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read"):
        import_bundle(file, runs, "friend")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("record/config.json", "{}")
    with pytest.raises(InputError, match=r"bundle\.json is missing"):
        import_bundle(file, runs, "friend")


@pytest.mark.parametrize("origin", ["", "../x", "a/b", ".hidden", "x" * 100])
def test_an_origin_that_is_no_folder_name_is_refused(bundle, runs, origin):
    with pytest.raises(InputError, match="The origin"):
        import_bundle(bundle, runs, origin)


def test_there_must_be_something_to_pack():
    with pytest.raises(InputError, match="no finished record"):
        pack_bundle([], "0.1.0")


@pytest.mark.parametrize(
    ("claimed", "reason"),
    [
        ({"sample_detection": {"image": {"loss": {"auroc": 0.99}}}}, "holds nothing to compute them from"),
        ({"sample_detection": {"label": {"loss": {"found": 0.99}}}}, "scores of unknown names: found"),
        ({"detection": {"precision": 0.99}}, "the last epoch of history.json has none"),
    ],
)
def test_scores_of_detection_without_what_they_are_made_of_are_refused(bundle, runs, claimed, reason):
    rewrite(bundle, lambda entries: edit_json(entries, "result.json", lambda result: result.update(claimed)))
    with pytest.raises(InputError, match=reason):
        import_bundle(bundle, runs, "friend")
