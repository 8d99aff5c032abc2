"""Models to export: targets that would destroy, records that lie, and weights that are none."""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from check_weights import WEIGHTS
from inputs import NO_FILES, OSC

FILES = ("config.json", "model.safetensors", "README.md")


@pytest.fixture
def record(finished) -> Path:
    """The folder of a finished run that kept its weights."""
    return finished("runs", method="bce", loss="bce", epochs=1).folder


def tampered(folder: Path, name: str, content: bytes) -> None:
    """Replace a file of a record, and its hash in the record."""
    (folder / name).write_bytes(content)
    done = json.loads((folder / "done").read_text())
    done["files"][name] = hashlib.sha256(content).hexdigest()
    (folder / "done").write_text(json.dumps(done))


# An ordinary file is replaced by --force, and a folder that is there is written into.
ALLOWED = {("folder", "", False), ("folder", "", True)}
ALLOWED |= {(kind, name, True) for kind in ("a file", "sparse") for name in FILES}
KINDS = [*NO_FILES, "read-only", "a file", "link to a folder"]


@pytest.mark.parametrize(
    ("kind", "name", "force"),
    sorted({(kind, name, force) for kind in KINDS for name in ("", *FILES) for force in (0, 1)} - ALLOWED),
)
def test_a_target_that_is_no_file_of_ones_own_is_refused(check, tmp_path, record, kind, name, force):
    target = tmp_path / "out" / name if name else tmp_path / "out"
    target.parent.mkdir(exist_ok=True)
    makers = {
        "read-only": lambda path: (path.write_text("mine"), path.chmod(0o444)),
        "a file": lambda path: path.write_text("mine"),
        "link to a folder": lambda path: path.symlink_to(tmp_path / "precious"),
    }
    {**NO_FILES, **makers}[kind](target)
    before = target.lstat()
    check("export-model", record, "--out", "out", *["--force"] * force, memory=None)
    after = target.lstat()
    assert (before.st_mode, before.st_size, before.st_ino) == (after.st_mode, after.st_size, after.st_ino)
    assert not name or [path.name for path in target.parent.iterdir()] == [name]


@pytest.mark.parametrize("place", [".", "inside", "..", "/dev/null", "/proc/self", "/dev/shm/../null/x"])
@pytest.mark.parametrize("force", [False, True])
def test_a_record_is_not_replaced_by_its_model(check, tmp_path, record, place, force):
    before = {path.name: path.read_bytes() for path in record.iterdir() if path.is_file()}
    check("export-model", record, "--out", record / place, *["--force"] * force, codes=(0, 2), memory=None)
    assert {path.name: path.read_bytes() for path in record.iterdir() if path.is_file()} == before
    check("status", "--verify", "--runs", "runs", codes=(0,))


@pytest.mark.parametrize(
    "name",
    [
        " ",
        "a b",
        "a\nb",
        OSC,
        "a#b",
        "a?b",
        "a@b",
        "a:b",
        "$(id)",
        "-rf",
        "=1",
        "\u202e",
        "é",
        "x" * 250,
        "%s",
        "'",
        '"',
        "hf-hub:a",
    ],
)
def test_a_folder_of_any_name_is_written_or_refused(check, tmp_path, record, name):
    check("export-model", record, f"--out={name}", codes=(0, 2), memory=None)


RESULTS: dict[str, object] = {
    "no noise": {"noise": None}, "noise of text": {"noise": {"realised": OSC}}, "no rate": {"noise": {}},
    "a rate of a list": {"noise": {"realised": [1]}}, "infinite": {"noise": {"realised": 1e308}},
    "no metrics": {"metrics": {}}, "a metric of text": {"metrics": {"ndcg@5": "x"}},
    "a metric of 730 %": {"metrics": {"ndcg@5": 7.3}}, "negative": {"metrics": {"ndcg@5": -1}},
    "made-up": {"metrics": {"ndcg@5": 0.999}},
}  # fmt: skip


@pytest.mark.parametrize("kind", RESULTS)
def test_a_result_that_lies_is_refused(check, tmp_path, record, kind):
    result = json.loads((record / "result.json").read_text())
    tampered(record, "result.json", json.dumps({**result, **RESULTS[kind]}).encode())
    check("export-model", record, "--out", "out", memory=None)
    assert not (tmp_path / "out").exists()


def of_machine(cpu: str, torch: str = "2") -> bytes:
    told = {"cpu": {"model": cpu}, "instructions": {"torch": torch}, "libraries": {"torch": torch}}
    return json.dumps({"machine": told}).encode()


MACHINES: dict[str, bytes] = {
    "controls": of_machine(OSC, OSC),
    "a heading": of_machine("x\n# Certified\n\n<script>a</script>"),
    "code": of_machine("`\n```python\nimport os\n```\n`"),
    "none": b"{}",
    "a list": b"[]",
    "no JSON": b"{",
}


@pytest.mark.parametrize("kind", MACHINES)
def test_words_of_a_record_do_not_act_in_a_model_card(check, tmp_path, record, kind):
    tampered(record, "environment.json", MACHINES[kind])
    check("export-model", record, "--out", "out", codes=(0, 2), memory=None)
    card = tmp_path / "out" / "README.md"
    text = card.read_text() if card.exists() else ""
    assert "\n# Certified" not in text
    assert all(line.startswith("- Machine: `") for line in text.splitlines() if "<script" in line)
    assert text.count("\n```") in (0, 4)
    assert not set(text) & set("\x1b\x9b\x07\u202e\u200b")


class Ran:
    def __reduce__(self):
        return exec, ("import pathlib; pathlib.Path('precious/ran').touch()",)


def float32(*shapes: tuple[int, ...]) -> bytes:
    """A safetensors file of zeros of these shapes."""
    header, at = {}, 0
    for i, shape in enumerate(shapes):
        size = 4
        for side in shape:
            size *= side
        header[f"t{i}"] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(at)


CHECKPOINTS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda c: b"",
    "half": lambda c: c[: len(c) // 2],
    "one byte less": lambda c: c[:-1],
    "one byte more": lambda c: c + b"\0",
    "a pickle": lambda c: pickle.dumps(Ran()),
    "zeros of another network": lambda c: float32((3, 3), (1,)),
    "no tensors": lambda c: float32(),
    "another dtype": lambda c: c.replace(b'"F32"', b'"I32"', 1),
    "another shape": lambda c: c.replace(b'"shape":[32]', b'"shape":[23]', 1),
    "not a number": lambda c: c[:-400] + b"\xff" * 400,
    "another name": lambda c: c.replace(b"conv", b"c\\u0", 1),
    **{kind: lambda c, kind=kind: WEIGHTS[kind] for kind in WEIGHTS},
}


@pytest.mark.parametrize("kind", CHECKPOINTS)
def test_weights_that_are_none_are_refused(check, tmp_path, record, kind):
    content = (record / "weights.safetensors").read_bytes()
    tampered(record, "weights.safetensors", CHECKPOINTS[kind](content))
    check("export-model", record, "--out", "out", memory=None)
    assert not (tmp_path / "out").exists()


SETTINGS = {
    "method": [OSC, "../x", "random", 7, None],
    "backbone": ["local-dir:/etc", "hf-hub:a/../b", OSC, "../../x", None, "vit_huge_patch14_224"],
    "dataset": [OSC, "../../precious", "/etc"],
    "weights": ["/dev/zero", "/etc/passwd", "fifo"],
    "output_stride": [-1, 10**20, "x"],
    "descriptor_map": [OSC, "softmax\n"],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in SETTINGS.items() for v in values])
def test_settings_of_a_record_that_lie_are_refused(check, tmp_path, record, name, value):
    import os

    from inputs import RECORDS

    os.mkfifo(tmp_path / "fifo")
    document, result = (json.loads((record / n).read_text()) for n in ("config.json", "result.json"))
    document["config"][name] = value
    document |= RECORDS["identities"](document["config"], {**document})
    result["id"] = document["id"]
    tampered(record, "config.json", json.dumps(document).encode())
    tampered(record, "result.json", json.dumps(result).encode())
    answer = check("export-model", record, "--out", "out", memory=None)
    assert answer.seconds < 6
    assert not (tmp_path / "out").exists()
