"""`gridbench audit` as people type it: from their own labels over the list to labels that are read back."""

from __future__ import annotations

import csv
import json
import re
import shlex
import sqlite3
import warnings

import numpy as np
import pytest
from PIL import Image

from gridbench.datasets.archive.archive import Archive

SHORT = ("--folds", 2, "--epochs", 1, "--backbone", "test_resnet", "--batch-size", 16, "--quiet")


@pytest.fixture
def mine(cli, tmp_path):
    """A user's own folder, prepared; returns the words that name the cache."""
    rng = np.random.default_rng(0)
    (tmp_path / "mine" / "images").mkdir(parents=True)
    with (tmp_path / "mine" / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "red", "green", "blue"])
        for at in range(60):
            labels = rng.integers(0, 2, 3)
            labels[at % 3] = 1
            pixels = rng.integers(0, 60, (16, 16, 3)) + 150 * labels
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "mine" / "images" / f"i{at:02}.png")
            writer.writerow([f"i{at:02}.png", *labels])
    cache = ("--cache", tmp_path / "cache")
    code, _, messages = cli(
        "data", "prepare", "folder", "--data", "mine", "--name", "mine", "--quiet", *cache
    )
    assert code == 0, messages
    return cache


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def audit_folder(text):
    return re.search(r"List:\s+(\S+)/audit\.csv", text)[1]


def test_from_labels_to_corrected_labels_that_are_read_back(cli, mine, tmp_path, monkeypatch, full_disk):
    typed = ["audit", "--dataset", "mine", *map(str, SHORT), *map(str, mine)]
    monkeypatch.setattr("sys.argv", ["gridbench", *typed])
    code, text, messages = cli(*typed)
    assert code == 0, messages
    assert f"How good is the list? {shlex.join(['gridbench', *typed])} --slnir 10" in text
    assert "expected" in text or "None can be changed unseen" in text
    folder = tmp_path / audit_folder(text)
    listed = rows(folder / "audit.csv")
    assert "Estimated given labels that are wrong" in text
    assert len({float(row["margin"]) for row in listed}) > 50
    assert len(json.loads((folder / "audit.json").read_text())["skill"]) == 2
    code, _, messages = cli("audit", "export", folder, "--format", "geojson", "--out", "f.geojson", *mine)
    assert code == 2
    assert "coordinates are known" in messages
    assert "Labels of mine to look at" in (folder / "audit.html").read_text(encoding="utf-8")

    first, second = listed[0], listed[1]
    with (tmp_path / "decisions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["sample", "label", "decision"])
        writer.writerow([first["sample"], first["label"], "accept"])
        writer.writerow([second["sample"], second["label"], "reject"])
    words = ("audit", "apply", folder, "--decisions", "decisions.csv", "--out", "fixed", *mine)
    (tmp_path / "other.csv").write_text("file,label\nx.png,water\n")
    code, text, messages = cli(*words, "--labels", "other.csv", "--top", 1, "--beyond-line")
    assert (code, text) == (2, ""), messages
    with full_disk(40):
        assert cli(*words, "--images")[0] == 2
    assert not [path for path in (tmp_path / "fixed").rglob("*") if path.is_file()]
    code, text, messages = cli(*words)
    assert code == 0, messages
    assert re.search(r"(1 label added, 0|0 labels added, 1) taken away", text)

    prepare = ("data", "prepare", "folder", "--data", "mine", "--labels", "fixed/labels.csv")
    code, text, messages = cli(*prepare, "--name", "fixed", "--quiet", *mine)
    assert code == 0, messages
    before, after = (Archive.open(tmp_path / "cache" / "archives" / name) for name in ("mine", "fixed"))
    labels = {name: after.scene_labels[at].tolist() for at, name in enumerate(after.names)}
    expected = {name: before.scene_labels[at].tolist() for at, name in enumerate(before.names)}
    changed = expected[first["sample"]]
    place = before.class_names.index(first["label"])
    changed[place] = 1 - changed[place]
    assert labels == {name: row for name, row in expected.items() if any(row)}
    for split in ("val", "test"):
        here, there = ({a.names[i] for i in a.indices(split)} for a in (before, after))
        assert here == there

    words = (
        "audit",
        "export",
        folder,
        "--format",
        "coco",
        "--top",
        3,
        "--suffix",
        ".png",
        "--out",
        "coco.json",
    )
    code, text, messages = cli(*words, *mine)
    assert code == 0, messages
    document = json.loads((tmp_path / "coco.json").read_text())
    gone = document["annotations"].pop(0)
    (tmp_path / "coco.json").write_text(json.dumps(document))
    words = ("audit", "apply", folder, "--decisions", "coco.json", "--from", "coco", "--out", "coco", *mine)
    code, text, messages = cli(*words, "--labels", "mine/labels.csv")
    assert code == 0, messages
    assert "1 label to change, 0 to keep" in text
    labels, original = rows(tmp_path / "coco" / "labels.csv"), rows(tmp_path / "mine" / "labels.csv")
    image, label = (
        document[key][gone[of] - 1] for key, of in (("images", "image_id"), ("categories", "category_id"))
    )
    wrong = [
        (row["file"], k) for row, old in zip(labels, original, strict=True) for k in old if row[k] != old[k]
    ]
    assert wrong == [(image["file_name"], label["name"])]

    words = ("audit", "compare", "mine", "fixed", "--seeds", 1, *SHORT[2:], *mine)
    code, text, messages = cli(*words, "--dry-run")
    assert code == 0, messages
    assert re.search(
        rf"Labels of train: (1 added \({first['label']} 1\), 0|0 added \(none\), 1) removed", text
    )
    assert not (tmp_path / "audits" / "compared").exists()
    code, text, messages = cli(*words, "--out", "compared.json")
    assert code == 0, messages
    assert re.search(r"ndcg@\d+ +\d+\.\d +\d+\.\d +[−+]?\d+\.\d \(n = 1\) +not enough seeds", text)
    document = json.loads((tmp_path / "compared.json").read_text())
    assert document["changes"]["changed"] == {"train": 1, "val": 0, "test": 0}
    assert document["scores"]["before"].keys() == document["scores"]["after"].keys()
    code, _, messages = cli(*words, "--out", "compared.json")
    assert code == 2
    assert "compared.json" in messages


def test_the_first_of_the_list_can_be_changed_unseen(cli, mine, tmp_path):
    text = cli("audit", "--dataset", "mine", *SHORT, *mine)[1]
    folder = audit_folder(text)
    listed = rows(tmp_path / folder / "audit.csv")
    for top, count in (("3", 3), ("10%", 12)):
        code, text, messages = cli("audit", "apply", folder, "--top", top, "--out", "fixed", *mine)
        assert code == 2
        assert "may break more labels than it mends" in messages
        code, text, messages = cli(
            "audit", "apply", folder, "--top", top, "--beyond-line", "--out", "fixed", *mine
        )
        assert code == 0, messages
        assert re.search(r"expected to mend \d+ and to break \d+", text)
        assert sum(map(int, re.search(r"(\d+) labels? added, (\d+)", text).groups())) == count
    (tmp_path / "d.csv").write_text(
        f"sample,label,decision\n{listed[0]['sample']},{listed[0]['label']},reject\n"
    )
    text = cli(
        "audit", "apply", folder, "--top", 3, "--beyond-line", "--decisions", "d.csv", "--out", "fixed", *mine
    )[1]
    assert sum(map(int, re.search(r"(\d+) labels? added, (\d+)", text).groups())) == 2
    code, text, _ = cli(
        "audit", "apply", folder, "--top", 2, "--kind", "missing", "--beyond-line", "--out", "fixed", *mine
    )
    assert "2 labels added, 0 taken away" in text


def test_noise_on_top_is_measured_and_not_exported_by_accident(cli, mine, tmp_path):
    code, text, messages = cli("audit", "--dataset", "mine", "--slnir", 10, *SHORT, *mine)
    assert code == 0, messages
    assert "confident learning" in text
    assert "prevalence" in text
    folder = audit_folder(text)
    assert {row["injected"] for row in rows(tmp_path / folder / "audit.csv")} <= {"0", "1"}
    words = ("audit", "apply", folder, "--top", 3, "--beyond-line", "--out", "fixed", *mine)
    code, _, messages = cli(*words)
    assert code == 2
    assert "put in on purpose" in messages
    assert not (tmp_path / "fixed").exists()
    code, text, messages = cli(*words, "--with-injected-noise", "--images")
    assert code == 0, messages
    prepare = ("data", "prepare", "folder", "--data", "fixed", "--clean-labels", "fixed/clean_labels.csv")
    code, _, messages = cli(*prepare, "--name", "again", "--quiet", *mine)
    assert code == 0, messages
    before, after = (Archive.open(tmp_path / "cache" / "archives" / name) for name in ("mine", "again"))
    clean = {name: before.scene_labels[at].tolist() for at, name in enumerate(before.names)}
    pixels = {name: before.groups[0].pixels[at] for at, name in enumerate(before.names)}
    for at, name in enumerate(after.names):
        assert after.clean_scene_labels[at].tolist() == clean[name]
        assert np.array_equal(after.groups[0].pixels[at], pixels[name])


def test_the_recipe_is_one_for_audits_unless_the_user_says_otherwise(cli, mine, tmp_path):
    words = [*SHORT[:2], *SHORT[4:]]
    text = cli("audit", "--dataset", "mine", "--slnir", 10, *SHORT, *mine)[1]
    assert "42 training images" in text
    assert "bce, 1 epoch" in text
    code, text, messages = cli("audit", "--dataset", "mine", "--method", "grid", *words, "--epochs", 1, *mine)
    assert code == 0, messages
    assert "grid with bce, 1 epoch" in text


def test_networks_whose_descriptors_can_be_negative_audit_too(cli, mine):
    negative = ("--dataset", "mine", "--method", "bce", *SHORT[2:], "--backbone", "test_efficientnet", *mine)
    code, _, messages = cli("run", *negative)
    assert code == 2
    assert "--distance" in messages
    code, _, messages = cli("audit", "--dataset", "mine", *SHORT, "--backbone", "test_efficientnet", *mine)
    assert code == 0, messages


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--method", "oracle"), "does not learn from the labels as they are"),
        (("--loss", "rrl", "--method", "rrl"), "label maps"),
        (("--folds", 400), "The number of folds is 400; with 42 images it can be 2 to 42"),
        (("--group-pattern", "("), "not a regular expression"),
        (("--steps", 3), "Give --steps or --epochs, not both"),
        (("--splits", "all", "--train-size", 10), "leave out --train-size"),
        (("--dataset", "mien"), "mine"),
        (("--device", "cudda", "--dataset", "mien"), "There is no device 'cudda'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(cli, mine, tmp_path, words, message):
    code, _, messages = cli("audit", "--dataset", "mine", *SHORT[2:], *words, *mine)
    assert code == 2
    assert message in messages
    assert not (tmp_path / "audits").exists()


def test_a_file_of_settings_cannot_ask_an_audit_for_scores_of_epochs(cli, mine, tmp_path):
    (tmp_path / "settings.yaml").write_text("last_epochs: 2\n")
    code, _, messages = cli(
        "audit", "--dataset", "mine", "--config", tmp_path / "settings.yaml", *SHORT, *mine
    )
    assert code == 2
    assert "leave last_epochs out" in messages
    assert not (tmp_path / "audits").exists()


def test_applying_nothing_sensible_is_refused(cli, mine, tmp_path):
    folder = audit_folder(cli("audit", "--dataset", "mine", *SHORT, *mine)[1])
    refused = {
        (): "Say what to change",
        ("--top", "0"): "allowed is a number from 1",
        ("--top", "many"): "allowed is a number from 1",
        ("--top", "500%"): "allowed is a number from 1",
        ("--decisions", "none.csv"): "cannot be read",
    }
    for words, message in refused.items():
        code, _, messages = cli("audit", "apply", folder, *words, "--out", "fixed", *mine)
        assert code == 2
        assert message in messages
    code, _, messages = cli("audit", "apply", "nowhere", "--top", 1, "--out", "fixed", *mine)
    assert code == 2
    assert "There is no finished audit in 'nowhere'" in messages
    assert not (tmp_path / "fixed").exists()


def test_the_help_tells_the_defaults_of_audits_and_leaves_those_of_runs_alone(cli):
    text = cli("audit", "--help")[1]
    assert "[default: bce]" in text
    assert "[default: test_resnet]" in " ".join(text.split())
    assert "[default: grid]" not in text
    assert "--last-epochs" not in text
    assert "[default: grid]" in cli("run", "--help")[1]


def test_a_dry_run_tells_the_time_and_writes_nothing(cli, mine, tmp_path):
    words = (
        "audit",
        "--dataset",
        "mine",
        "--folds",
        2,
        "--steps",
        7,
        "--members",
        2,
        "--splits",
        "all",
        *SHORT[4:],
    )
    code, text, messages = cli(*words, "--dry-run", *mine)
    assert code == 0, messages
    assert (
        "60 images of mine; 4 networks (test_resnet, bce), each 8 optimiser steps of 16 images (4 epochs)"
        in text
    )
    assert re.search(r"About \d+ (s|min) here", text)
    assert not (tmp_path / "audits").exists()


def test_validation_and_test_labels_change_only_when_asked(cli, mine, tmp_path):
    code, text, messages = cli("audit", "--dataset", "mine", "--splits", "all", *SHORT, *mine)
    assert code == 0, messages
    folder = audit_folder(text)
    page = (tmp_path / folder / "audit.html").read_text(encoding="utf-8")
    table = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page)[1])[
        "table"
    ]
    archive = Archive.open(tmp_path / "cache" / "archives" / "mine")
    for split in ("train", "val", "test"):
        assert table["splits"].count(split) == len(archive.indices(split)), (
            "not those of the view that is trained on"
        )
    exported = (
        "audit",
        "export",
        folder,
        "--format",
        "label-studio",
        "--top",
        9,
        "--out",
        "tasks.json",
        *mine,
    )
    code, text, messages = cli(*exported)
    assert code == 0, messages
    assert "9 suspicious labels" in text
    assert json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))[0]["predictions"]
    assert cli(*exported)[0] == 2
    every = ("audit", "apply", folder, "--top", "50%", "--beyond-line", "--out", "fixed", "--force", *mine)
    text = cli(*every)[1]
    left = int(re.search(r"Left out: (\d+) changes? of validation and test labels", text)[1])
    assert left > 0
    assert sum(map(int, re.search(r"(\d+) labels? added, (\d+)", text).groups())) == 90 - left
    text = cli(*every, "--splits", "all")[1]
    assert f"Changed: {left} labels of validation and test images; scores on them cannot be compared" in text


def test_findings_of_georeferenced_images_are_exported_with_their_outlines(cli, tmp_path):
    import rasterio

    rng = np.random.default_rng(0)
    (tmp_path / "tiles").mkdir()
    lines = ["file,red,green"]
    for at in range(20):
        labels = [at % 2, int(at % 4 != 1)]
        pixels = (rng.integers(0, 60, (3, 16, 16)) + 150 * np.reshape([*labels, 0], (3, 1, 1))).astype(
            np.uint8
        )
        place = (
            {"crs": "EPSG:4326", "transform": rasterio.Affine(0.01, 0, at, 0, -0.01, 40)} if at < 15 else {}
        )
        shape = {"driver": "GTiff", "count": 3, "height": 16, "width": 16, "dtype": "uint8"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with rasterio.open(tmp_path / "tiles" / f"t{at:02}.tif", "w", **shape, **place) as target:
                target.write(pixels)
        lines.append(f"t{at:02}.tif,{labels[0]},{labels[1]}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    cache = ("--cache", tmp_path / "cache")
    words = ("--data", "tiles", "--labels", "labels.csv", "--name", "tiles", "--quiet")
    code, _, messages = cli("data", "prepare", "folder", *words, *cache)
    assert code == 0, messages
    code, text, messages = cli("audit", "--dataset", "tiles", "--splits", "all", *SHORT, *cache)
    assert code == 0, messages
    folder = audit_folder(text)
    listed = rows(tmp_path / folder / "audit.csv")
    words = ("audit", "export", folder, "--top", 40, *cache)
    code, text, messages = cli(*words, "--format", "geojson", "--out", "f.geojson")
    assert code == 0, messages
    assert "30 of 40 suspicious labels" in text
    features = json.loads((tmp_path / "f.geojson").read_text())["features"]
    known = [row for row in listed if int(row["sample"][1:3]) < 15]
    assert [each["properties"]["rank"] for each in features] == [int(row["rank"]) for row in known]
    for each, row in zip(features, known, strict=True):
        west = int(row["sample"][1:3])
        ((ring,),) = each["geometry"]["coordinates"]
        corners = {(west, 40), (west, 39.84), (west + 0.16, 39.84), (west + 0.16, 40)}
        assert {tuple(np.round(point, 6)) for point in ring} == corners
        assert (each["properties"]["label"], each["properties"]["kind"]) == (row["label"], row["kind"])
    code, _, messages = cli(*words, "--format", "gpkg", "--out", "f.gpkg")
    assert code == 0, messages
    with sqlite3.connect(tmp_path / "f.gpkg") as base:
        stored = base.execute("SELECT rank, sample, score FROM findings ORDER BY rank").fetchall()
    assert stored == [(int(row["rank"]), row["sample"], float(row["score"])) for row in known]
