"""The exported network of a run, loaded in a process that has timm and cannot import gridbench."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from gridbench.cli import main
from gridbench.config import make_config
from gridbench.datasets.open import open_archive
from gridbench.records.runner import Execution, run

ALONE = """
import sys
sys.modules["gridbench"] = None
import re, numpy as np, timm, torch
folder, images = sys.argv[1], torch.from_numpy(np.load("images.npy"))
(code,) = re.findall(r"```python\\n(.*?)```", open(f"{folder}/README.md").read(), re.DOTALL)
names = {"images": images}
exec(code.replace("FOLDER", folder), names)
np.save("found.npy", names["descriptors"].numpy())
"""


@pytest.fixture
def record(settings, cache, tmp_path, request):
    values = {"method": "bce", "slnir": 30, "epochs": 1, **getattr(request, "param", {})}
    execution = Execution(runs=tmp_path / "runs", cache=cache, device="cpu", threads=1, keep="all")
    return run(make_config({**settings, **values}), execution)


@pytest.mark.parametrize(
    "record",
    [{}, {"method": "pce"}, {"backbone": "vit_tiny_patch16_224", "descriptor_map": "relu", "crop": 16}],
    indirect=True,
    ids=["scene", "pixel", "a network for one size"],
)
def test_timm_alone_gives_the_same_descriptors(record, cache, tmp_path, capsys, full_disk):
    words = [
        "export-model",
        str(record.folder),
        "--out",
        str(tmp_path / "model"),
        "--cache",
        str(cache),
        "--quiet",
    ]
    # The same command goes on once there is room.
    with full_disk(1), pytest.raises(SystemExit):
        main(words)
    assert not (tmp_path / "model").exists()
    main(words)
    assert f"timm.create_model('local-dir:{tmp_path / 'model'}', pretrained=True)" in capsys.readouterr().out
    archive = open_archive("stripes", cache)
    test = archive.indices("test")
    np.save(tmp_path / "images.npy", archive.gather(test).numpy().astype(np.float32) / 255)
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, "model"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found, kept = np.load(tmp_path / "found.npy"), record.arrays("descriptors.npz")["test"]
    assert np.abs(found - kept).max() <= 1e-6 * max(1, np.abs(kept).max())
    card = (tmp_path / "model" / "README.md").read_text()
    assert f"| test NDCG@5 | {100 * record.metrics['ndcg@5']:.2f} % |" in card
    for part in (
        record.id,
        record.machine,
        f"{record.result['noise']['realised']:.2f} %",
        "library_name",
        "gridbench run --d",
    ):
        assert part in card
    written = json.loads((tmp_path / "model" / "config.json").read_text())
    assert written["pretrained_cfg"]["mean"] == pytest.approx(archive.mean / 255)
    weights, own = tmp_path / "model" / "model.safetensors", tmp_path / "own"
    own.write_text("kept")
    weights.unlink()
    weights.symlink_to(own)
    with pytest.raises(SystemExit):
        main([*words, "--force"])
    assert own.read_text() == "kept"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"keep": "light"}, "kept no weights"),
        ({}, "is not a finished run"),
    ],
)
def test_what_cannot_be_exported(settings, cache, tmp_path, capsys, values, reason):
    keep = values.pop("keep", "weights")
    execution = Execution(runs=tmp_path / "runs", cache=cache, device="cpu", threads=1, keep=keep)
    folder = run(make_config({**settings, "method": "bce", "epochs": 1, **values}), execution).folder
    if reason == "is not a finished run":
        (folder / "done").unlink()
    with pytest.raises(SystemExit) as stop:
        main(["export-model", str(folder), "--out", str(tmp_path / "model"), "--cache", str(cache)])
    assert stop.value.code == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "model").exists()
