"""`gridbench noise` as people type it: files that say what a run trains on, what changed, and that it did."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image

from gridbench.config import make_config
from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.archive.writer import ArchiveWriter, build_once
from gridbench.noise import Manifest
from gridbench.noise.figures.transition_matrix import count_transitions
from gridbench.plan import make_plan
from gridbench.training.experiment import Experiment


@pytest.fixture
def noise(cli, cache):
    """Call `gridbench noise` in an empty folder; returns (exit code, output, messages)."""
    return lambda *words: cli("noise", *words, "--cache", cache)


@pytest.fixture
def archive(cache):
    return Archive.open(cache / "archives" / "stripes")


@pytest.fixture
def applied(noise):
    def make(*words, out="noisy"):
        code, text, messages = noise("apply", "--dataset", "stripes", "--slnir", 30, "--out", out, *words)
        assert code == 0, messages
        return text

    return make


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize(("level", "room"), [("scene", 1), ("scene", 3), ("pixel", 20)])
def test_the_same_command_goes_on_after_a_full_disk(noise, applied, tmp_path, full_disk, level, room):
    """Before, what was written stayed there, and the same command refused a folder that is not empty."""
    with full_disk(room):
        words = ("apply", "--dataset", "stripes", "--level", level, "--slnir", 30, "--out", "noisy")
        code, _, messages = noise(*words)
    assert code == 2
    assert "No space left on device. Free some space, and run the same command again." in messages
    assert not [path for path in (tmp_path / "noisy").rglob("*") if path.is_file()]
    applied("--level", level)


@pytest.mark.parametrize("words", [(), ("--noise-seed", 7, "--protocol", "authors_code", "--train-size", 20)])
def test_scene_labels_are_those_that_a_run_trains_on(applied, tmp_path, archive, cache, settings, words):
    out = applied(*words)
    assert "requested 30 %, realised " in out
    assert f"gridbench noise inspect noisy --dataset stripes --cache {cache}" in out
    chosen = {str(a)[2:].replace("-", "_"): b for a, b in zip(words[::2], words[1::2], strict=True)}
    config = make_config({**settings, "method": "bce", "slnir": 30, **chosen})
    run = Experiment(make_plan(config, cache), torch.device("cpu"))
    manifest = Manifest.load(tmp_path / "noisy")
    assert manifest.summary() == run.manifest.summary()

    header, *lines = rows(tmp_path / "noisy" / "labels.csv")
    train = archive.indices("train")[: manifest.shape[0]]
    assert header == ["file", *archive.class_names]
    assert [line[0] for line in lines] == [archive.names[i] for i in train]
    np.testing.assert_array_equal(np.array([line[1:] for line in lines], int), run.corruption.labels)

    header, *lines = rows(tmp_path / "noisy" / "changes.csv")
    assert header == ["file", "before", "after"]
    classes = archive.class_names
    expected = [[archive.names[train[i]], classes[a], classes[b]] for i, a, b in manifest.changed.tolist()]
    assert lines == expected
    assert expected


def test_label_maps_become_pictures(applied, tmp_path, archive):
    applied("--level", "pixel")
    manifest = Manifest.load(tmp_path / "noisy")
    train = archive.indices("train")
    clean = archive.label_maps[train]
    pictures = [Image.open(tmp_path / "noisy" / "maps" / f"{archive.names[i]}.png") for i in train]
    assert {picture.mode for picture in pictures} == {"L"}
    found = np.stack([np.asarray(picture) for picture in pictures])
    np.testing.assert_array_equal(found, manifest.apply_maps(clean))
    np.testing.assert_array_equal(found == 255, clean == 255)
    assert (found != clean).any()
    assert not (tmp_path / "noisy" / "labels.csv").exists()


def test_labels_that_vanish_have_no_class_after(applied, tmp_path):
    applied("--noise", "missing")
    _, *lines = rows(tmp_path / "noisy" / "changes.csv")
    assert {line[2] for line in lines} == {""}


def test_inspect_shows_what_was_done(applied, noise, tmp_path, archive):
    applied()
    manifest = Manifest.load(tmp_path / "noisy")
    code, out, _ = noise("inspect", "noisy", "--dataset", "stripes", "--figure", "table.png")
    assert code == 0
    assert f"({len(manifest.changed)} of {manifest.positives.sum()} labels)" in out
    line = next(line for line in out.splitlines() if line.startswith("class 3"))
    removed, added = ((manifest.changed[:, column] == 3).sum() for column in (1, 2))
    share = f"{100 * removed / manifest.positives[3]:.1f}"
    assert line.split()[2:] == [
        str(manifest.positives[3]),
        str(removed),
        share,
        "%",
        str(removed),
        str(added),
    ]
    with Image.open(tmp_path / "table.png") as figure:
        assert figure.format == "PNG"
        assert len(np.unique(np.asarray(figure.convert("RGB")).reshape(-1, 3), axis=0)) > 20


@pytest.mark.parametrize(("words", "again"), [((), True), (("--level", "pixel"), False)])
def test_inspect_draws_examples_of_what_changed(applied, noise, tmp_path, words, again):
    applied(*words)
    code, out, messages = noise("inspect", "noisy", "--dataset", "stripes", "--examples", "examples.png")
    assert code == 0, messages
    assert "example images: examples.png" in out
    with Image.open(tmp_path / "examples.png") as figure:
        assert figure.format == "PNG"
        assert len(np.unique(np.asarray(figure.convert("RGB")).reshape(-1, 3), axis=0)) > 20
    if again:
        first = (tmp_path / "examples.png").read_bytes()
        noise("inspect", "noisy", "--dataset", "stripes", "--examples", "examples.png")
        assert (tmp_path / "examples.png").read_bytes() == first


def test_examples_without_an_archive_or_without_a_change_are_refused(applied, noise):
    applied()
    code, _, messages = noise("inspect", "noisy", "--examples", "examples.png")
    assert code == 2
    assert "--dataset NAME" in messages
    assert noise("apply", "--dataset", "stripes", "--slnir", 0, "--out", "clean")[0] == 0
    code, _, messages = noise("inspect", "clean", "--dataset", "stripes", "--examples", "examples.png")
    assert code == 2
    assert "Nothing was changed" in messages


def test_inspect_as_json_adds_up(applied, noise, tmp_path):
    applied()
    manifest = Manifest.load(tmp_path / "noisy")
    code, out, _ = noise("inspect", "noisy", "--format", "json")
    told = json.loads(out)
    assert code == 0
    assert told["sha256"] == manifest.sha256
    assert told["class_names"][0] == "class 0"
    images = told["changes_per_image"]
    assert sum(images.values()) == manifest.shape[0]
    assert sum(int(count) * number for count, number in images.items()) == len(manifest.changed)
    table = np.array(told["transitions"])
    assert table.shape == (6, 6)
    np.testing.assert_array_equal(table[:5].sum(1), told["per_class"]["removed"])
    np.testing.assert_array_equal(table[:, :5].sum(0), told["per_class"]["added"])


def test_transitions_of_added_and_removed_labels_have_their_own_places():
    changed = np.array([[0, 1, 0], [1, 1, 0], [1, -1, 1], [2, 0, -1]])
    assert count_transitions(changed, 2).tolist() == [[0, 0, 1], [2, 0, 0], [0, 1, 0]]
    assert count_transitions(np.zeros((0, 3), int), 1).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--level", "pixel"),
        ("--level", "pixel", "--noise", "boundary", "--slnir", 20),
        ("--noise", "missing"),
        ("--protocol", "authors_code"),
    ],
)
def test_verify_accepts_what_apply_wrote(applied, noise, words):
    applied(*words)
    code, out, messages = noise("verify", "noisy", "--dataset", "stripes")
    assert code == 0, messages
    assert "noisy follows from stripes (fingerprint " in out
    assert "and so do " in out
    assert noise("inspect", "noisy", "--figure", "table.png")[0] == 0


def write_labels(path, labels, names):
    classes = [f"class {c}" for c in range(labels.shape[1])]
    rows = [[name, *row] for name, row in zip(names, labels.tolist(), strict=True)]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["file", *classes], *rows])


def test_a_table_is_estimated_from_two_copies_of_labels_and_used(noise, tmp_path, monkeypatch):
    clean = np.array([[1, 0, 0, 0, 0]] * 4 + [[0, 1, 0, 0, 1]] * 2)
    noisy = clean.copy()
    noisy[0] = (0, 0, 1, 0, 0)
    noisy[4] = (0, 0, 0, 1, 1)
    names = [f"image{i}" for i in range(6)]
    write_labels(tmp_path / "clean.csv", clean, names)
    write_labels(tmp_path / "noisy.csv", noisy[::-1], names[::-1])
    code, out, messages = noise(
        "estimate", "--clean", "clean.csv", "--noisy", "noisy.csv", "--out", "table.csv"
    )
    assert code == 0, messages
    assert "6 images, 5 classes, 8 clean labels; 25.00 % of them became another" in out
    table = rows(tmp_path / "table.csv")
    assert table[0][1:] == [f"class {c}" for c in range(5)]
    assert [float(share) for share in table[1][1:]] == [0.75, 0, 0.25, 0, 0]
    assert [float(share) for share in table[2][1:]] == [0, 0.5, 0, 0.5, 0]
    words = ("apply", "--dataset", "stripes", "--slnir", 5, "--out", "noisy", "--noise", "class_dependent")
    assert noise(*words, "--noise-parameter", "table=table.csv")[0] == 0
    changes = rows(tmp_path / "noisy" / "changes.csv")[1:]
    assert {(before, after) for _, before, after in changes} <= {
        ("class 0", "class 2"),
        ("class 1", "class 3"),
    }


def test_two_copies_that_are_not_of_the_same_images_give_no_table(noise, tmp_path):
    labels = np.ones((2, 3), int)
    write_labels(tmp_path / "clean.csv", labels, ["a", "b"])
    write_labels(tmp_path / "noisy.csv", labels, ["a", "c"])
    cases = [
        (("--clean", "clean.csv", "--noisy", "noisy.csv"), "not of the same images: 'b'"),
        (("--clean", "clean.csv"), "either --clean and --noisy, or --dataset"),
        ((), "either --clean and --noisy, or --dataset"),
        (("--dataset", "stripes"), "has one copy of its labels"),
    ]
    for words, message in cases:
        code, _, messages = noise("estimate", *words, "--out", "table.csv")
        assert code == 2
        assert message in messages
    assert not (tmp_path / "table.csv").exists()


def change_labels(folder, _):
    path = folder / "labels.csv"
    path.write_text(path.read_text().replace(",1", ",0", 1))


def change_manifest(folder, _):
    stored = json.loads((folder / "noise.json").read_text())
    (folder / "noise.json").write_text(json.dumps({**stored, "fingerprint": "cd" * 32}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (change_labels, "labels.csv is not what follows"),
        (lambda folder, _: (folder / "labels.csv").unlink(), "labels.csv cannot be read"),
        (lambda folder, _: (folder / "noise.npz").unlink(), "noise.npz is missing"),
        (change_manifest, "of another archive: its fingerprint is cdcdcdcdcdcd"),
    ],
)
def test_verify_notices(applied, noise, tmp_path, spoil, message):
    applied()
    spoil(tmp_path / "noisy", None)
    code, _, messages = noise("verify", "noisy", "--dataset", "stripes")
    assert code == 2
    assert message in messages


def test_verify_notices_a_map_that_was_drawn_on(applied, noise, tmp_path, archive):
    applied("--level", "pixel")
    path = tmp_path / "noisy" / "maps" / f"{archive.names[archive.indices('train')[1]]}.png"
    pixels = np.array(Image.open(path))
    pixels[15, 15] = 3
    Image.fromarray(pixels).save(path)
    code, _, messages = noise("verify", "noisy", "--dataset", "stripes")
    assert code == 2
    assert f"{path.name} is not what follows" in messages
    path.write_bytes(b"no picture")
    assert f"{path.name} is not a label map" in noise("verify", "noisy", "--dataset", "stripes")[2]


def test_the_noise_of_a_run_is_verified_against_its_own_archive(noise, tmp_path, cache, settings):
    plan = make_plan(make_config({**settings, "method": "bce", "slnir": 20}), cache)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(json.dumps(plan.document()))
    Experiment(plan, torch.device("cpu")).manifest.save(tmp_path / "run")
    code, out, _ = noise("verify", "run")
    assert code == 0
    assert "run follows from stripes" in out
    assert "label files" not in out


@pytest.fixture
def single(cache, tmp_path):
    """A cache of its own with an archive of one class, `single`."""
    layout = Layout((GroupLayout("rgb", ("r", "g", "b"), 8, 8, "uint8"),), ("sea",), (8, 8), False)
    rng = np.random.default_rng(0)

    def build(target):
        split = ["train"] * 20 + ["val"] * 6 + ["test"] * 6
        writer = ArchiveWriter(target, layout, [f"image{i:02d}" for i in range(32)], split)
        for i in range(32):
            image = rng.integers(0, 255, (3, 8, 8)).astype(np.uint8)
            writer.write(
                i, Sample((image,), np.array([i % 2], np.uint8), np.full((8, 8), 255, np.uint8), None)
            )
        writer.finish("single", "folder", {"failed": []})

    build_once(tmp_path / "cache" / "archives" / "single", build)
    return tmp_path / "cache"


def test_an_archive_with_one_class_is_corrupted_as_far_as_that_goes(cli, single):
    words = ("noise", "apply", "--dataset", "single", "--slnir", "30", "--cache", single)
    for name in ("swap", "grouped", "confusable", "instance"):
        code, _, messages = cli(*words, "--noise", name, "--out", name)
        assert code == 2
        assert "The largest rate here is 0 (--slnir 0)" in messages
    for name in ("missing", "extra", "mixed"):
        code, out, _ = cli(*words, "--noise", name, "--out", name)
        assert code == 0
        assert "requested 30 %" in out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3,4\n", "is of 2 classes, but the labels have 5"),
        ("1,2\n3\n", "not a table of numbers"),
        ("water,ice\nno,numbers\n", "not a table of numbers"),
        ("\n".join(["1,1,1,1,-1"] * 5), "holds -1 in row 0, column 4"),
        ("\n".join(["1,1,1,1,nan"] * 5), "holds nan in row 0, column 4"),
        ("", "has shape"),
    ],
)
def test_a_table_that_is_none_is_explained(noise, tmp_path, text, message):
    (tmp_path / "table.csv").write_text(text)
    words = ("apply", "--dataset", "stripes", "--slnir", 30, "--out", "noisy", "--noise", "class_dependent")
    code, _, messages = noise(*words, "--noise-parameter", "table=table.csv")
    assert code == 2
    assert message in messages
    assert "table=FILE.csv" in noise(*words)[2]
    assert "nowhere.csv" in noise(*words, "--noise-parameter", "table=nowhere.csv")[2]
    assert not (tmp_path / "noisy").exists()


def test_a_manifest_of_another_archive_is_refused(applied, cli, single):
    applied()
    for name, *more in (("verify",), ("inspect",), ("inspect", "--examples", "examples.png")):
        code, _, messages = cli("noise", name, "noisy", "--dataset", "single", "--cache", single, *more)
        assert code == 2
        assert "of another archive" in messages


def test_bad_input_is_explained(applied, noise, tmp_path):
    applied()
    apply = ("apply", "--dataset", "stripes", "--out", "other", "--slnir")
    cases = [
        (("apply", "--dataset", "stripes", "--slnir", 30, "--out", "noisy"), "'noisy' is not empty"),
        ((*apply, 100), "The largest rate here is"),
        ((*apply, 30, "--noise", "swop"), "'swap'"),
        ((*apply, 30, "--noise-parameter", "replacement=anny"), "Did you mean 'any'"),
        ((*apply, "much"), "slnir"),
        (("verify", "noisy"), "--dataset NAME"),
        (("verify", "."), "There is no noise manifest at"),
        (("inspect", "noisy", "--figure", "nowhere/table.png"), "There is no folder 'nowhere'"),
        (("inspect", "noisy", "--examples", "nowhere/images.png"), "There is no folder 'nowhere'"),
    ]
    for words, message in cases:
        code, _, messages = noise(*words)
        assert code == 2, words
        assert message in messages
    assert sorted(path.name for path in tmp_path.iterdir()) == ["noisy"]


def test_the_tables_of_the_package_are_listed_with_their_rates(noise):
    code, out, _ = noise("tables")
    assert code == 0
    shown = {line.split()[0]: line.split()[1:3] for line in out.splitlines() if line.startswith("cifar10")}
    assert (shown["cifar10n_worst"], shown["cifar10_asym40"]) == (["10", "40.21"], ["10", "20.00"])
    assert len(shown) == 6
    assert "too few classes" in " ".join(
        noise("tables", "--dataset", "stripes", "--level", "scene")[1].split()
    )


def test_an_archive_with_a_folder_for_each_class_has_single_labels_to_corrupt(cli, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("beach", "forest", "river"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for i in range(12):
            Image.fromarray(rng.integers(0, 200, (16, 16, 3)).astype(np.uint8)).save(
                tmp_path / "mine" / name / f"{name}{i:02d}.png"
            )
    store = ("--cache", tmp_path / "cache")
    assert cli("data", "prepare", "folder", "--data", "mine", "--name", "mine", *store)[0] == 0
    assert "single labels        scene labels" in cli("data", "info", "mine", *store)[1]
    words = ("noise", "apply", "--dataset", "mine", "--level", "single", "--slnir", 40, *store)
    code, out, messages = cli(
        *words, "--noise", "symmetric", "--noise-parameter", "new_class=any", "--out", "any"
    )
    assert code == 0, messages
    assert "symmetric (new_class=any): requested 40 %, realised " in out
    header, *lines = rows(tmp_path / "any" / "labels.csv")
    assert header[1:] == ["beach", "forest", "river"]
    assert {sum(map(int, line[1:])) for line in lines} == {1}
    assert "so do 2 label files" in cli("noise", "verify", "any", "--dataset", "mine", *store)[1]
    refused = cli(*words, "--noise", "missing", "--out", "missing")
    assert (refused[0], "not single labels: it removes labels" in refused[2]) == (2, True)
