"""`gridbench audit` of one label per image, from a folder for each class to a replaced label."""

import csv

import numpy as np
import pytest
from PIL import Image

from gridbench.datasets.archive.archive import Archive
from tests.benchmark.cli.audit.test_audit import audit_folder, rows

SHORT = ("--folds", 2, "--epochs", 1, "--batch-size", 16, "--quiet")
CLASSES = ("red", "green", "blue")


@pytest.fixture
def folders(cli, tmp_path):
    """An archive of a folder for each class, prepared; returns the words that name the cache."""
    rng = np.random.default_rng(0)
    for at in range(60):
        folder = tmp_path / "mine" / CLASSES[at % 3]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 60, (16, 16, 3)) + 150 * np.eye(3, dtype=int)[at % 3]
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"i{at:02}.png")
    cache = ("--cache", tmp_path / "cache")
    code, _, messages = cli(
        "data", "prepare", "folder", "--data", "mine", "--name", "mine", "--quiet", *cache
    )
    assert code == 0, messages
    return cache


def test_a_folder_for_each_class_is_audited_as_single_labels_and_a_label_is_replaced(cli, folders, tmp_path):
    code, text, messages = cli("audit", "--dataset", "mine", *SHORT, *folders)
    assert code == 0, messages
    assert "ce, 1 epoch" in text
    assert "Estimated given labels that are wrong" in text
    assert "missing" not in text
    folder = tmp_path / audit_folder(text)
    listed = rows(folder / "audit.csv")
    assert {row["kind"] for row in listed} == {"wrong"}
    assert all(row["label"] == row["given"] != row["suggested"] for row in listed)
    assert len({row["sample"] for row in listed}) == len(listed) == 42
    page = (folder / "audit.html").read_text(encoding="utf-8")
    assert "% of the true labels are missing" not in page

    first, second = listed[:2]
    (tmp_path / "d.csv").write_text(
        f"sample,label,decision\n{first['sample']},{first['label']},accept\n{second['sample']},{second['label']},reject\n"
    )
    words = ("audit", "apply", folder, "--out", "fixed", *folders)
    code, text, messages = cli(*words, "--decisions", "d.csv")
    assert code == 0, messages
    archive = Archive.open(tmp_path / "cache" / "archives" / "mine")
    before = {name: archive.scene_labels[at].tolist() for at, name in enumerate(archive.names)}
    with (tmp_path / "fixed" / "labels.csv").open(newline="") as file:
        after = {
            row["file"]: [int(row[name]) for name in archive.class_names] for row in csv.DictReader(file)
        }
    expected = [int(name == first["suggested"]) for name in archive.class_names]
    assert {name: row for name, row in after.items() if row != before[name]} == {first["sample"]: expected}

    code, _, messages = cli(*words, "--top", 1, "--kind", "missing")
    assert code == 2
    assert "each image of this audit has one label" in messages
    other = next(name for name in CLASSES if name != first["label"])
    (tmp_path / "d.csv").write_text(
        f"sample,label,decision\n{first['sample']},{first['label']},reject\n{first['sample']},{other},accept\n"
    )
    code, _, messages = cli(*words, "--decisions", "d.csv", "--force")
    assert code == 2
    assert f"{first['sample']!r} would have 2 labels" in messages


def test_noise_on_top_is_measured_against_confident_learning_for_single_labels(cli, folders):
    code, text, messages = cli(
        "audit", "--dataset", "mine", "--level", "single", "--slnir", 20, *SHORT, *folders
    )
    assert code == 0, messages
    assert "confident learning" in text
    assert "not given" not in text
