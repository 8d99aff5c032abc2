"""`gridbench data` as people type it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from gridbench.cli.data import data
from gridbench.errors import InputError


@pytest.fixture
def mine(tmp_path):
    root = tmp_path / "mine"
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    rng = np.random.default_rng(0)
    for i in range(20):
        Image.fromarray(rng.integers(0, 255, (16, 16, 3)).astype(np.uint8)).save(
            root / "images" / f"a{i:02d}.png"
        )
        mask = np.full((16, 16), i % 3, np.uint8)
        mask[:4] = (i + 1) % 3
        Image.fromarray(mask).save(root / "masks" / f"a{i:02d}.png")
    (root / "classes.txt").write_text("sea\nland\nice\n")
    return root


@pytest.fixture
def gridbench(tmp_path):
    def run(*words):
        return CliRunner().invoke(
            data, [*map(str, words), "--cache", str(tmp_path / "cache")], catch_exceptions=True
        )

    return run


@pytest.fixture
def prepared(gridbench, mine):
    done = gridbench("prepare", "folder", "--data", mine, "--name", "mine", "--quiet")
    assert done.exit_code == 0, done.output
    return done


def test_prepare_says_what_it_made_and_what_to_do_next(prepared, tmp_path):
    assert "mine: 20 images of 16 x 16 x 3, train 14, val 2, test 4, label maps" in prepared.stdout
    assert f"gridbench run --dataset mine --cache {tmp_path / 'cache'}" in prepared.stdout
    assert prepared.stderr == ""


def test_where_every_image_has_one_label_the_next_command_trains_on_one(gridbench, tmp_path):
    for name in ("forest", "river"):
        (tmp_path / "folders" / name).mkdir(parents=True)
        for i in range(10):
            noise = np.random.default_rng(i + 100 * len(name)).integers(0, 255, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / "folders" / name / f"{i}.png")
    done = gridbench("prepare", "folder", "--data", tmp_path / "folders", "--name", "one", "--quiet")
    assert "gridbench run --dataset one --method ce --cache" in done.stdout


def test_info_says_how_many_images_of_each_split_have_wrong_labels(gridbench, mine, tmp_path):
    shutil.rmtree(mine / "masks")
    (mine / "classes.txt").unlink()
    names = [f"a{i:02d}.png" for i in range(20)]
    splits = ["train"] * 10 + ["val"] * 5 + ["test"] * 5
    clean = [f"{name},sea,{split}" for name, split in zip(names, splits, strict=True)]
    given = [row.replace("sea", "land") if i % 2 else row for i, row in enumerate(clean)]
    (mine / "labels.csv").write_text("\n".join(["image,label,split", *given[:15], *clean[15:]]))
    (tmp_path / "clean.csv").write_text("\n".join(["image,label,split", *clean]))
    words = ["--clean-labels", tmp_path / "clean.csv"]
    done = gridbench("prepare", "folder", "--data", mine, "--name", "mine", "--quiet", *words)
    assert done.exit_code == 0, done.output
    told = " ".join(gridbench("info", "mine").stdout.split())
    assert (
        "differ from the given ones in 14 labels; noisy images: train 50.00 %, val 40.00 %, test 0.00 %"
        in told
    )


def test_a_dry_run_says_how_the_files_are_understood_and_packs_nothing(gridbench, mine, tmp_path):
    done = gridbench("prepare", "folder", "--data", mine, "--name", "mine", "--quiet", "--dry-run")
    assert done.exit_code == 0, done.output
    assert "mine would have 20 images of 16 x 16 x 3, train 14, val 2, test 4, label maps" in done.stdout
    assert "masks: 20 files of one band, read by value: 0 to 2 are the classes in order" in done.stdout
    assert not (tmp_path / "cache" / "archives").exists()
    gridbench("prepare", "folder", "--data", mine, "--name", "mine", "--quiet")
    said = done.stdout.splitlines()[2:-1]
    assert said[0].startswith("images: ")
    assert "\n".join(said) in gridbench("info", "mine").stdout


def test_a_split_without_test_images_is_a_warning_and_no_command_to_train(gridbench, mine):
    done = gridbench("prepare", "folder", "--data", mine, "--name", "mine", "--quiet", "--split", "100/0/0")
    assert "WARNING: no image is in val and test: gridbench run needs train and test images" in done.stdout
    assert "train on it" not in done.stdout


@pytest.mark.parametrize(
    ("shares", "warning"),
    [
        ("100/0/0", "no image is in val and test: gridbench run needs train and test images"),
        ("80/20/0", "no image is in test: gridbench run needs train and test images"),
        ("80/0/20", "no image is in val: nothing can be selected on validation"),
    ],
)
def test_a_dry_run_warns_of_empty_splits(gridbench, mine, shares, warning):
    done = gridbench(
        "prepare", "folder", "--data", mine, "--name", "mine", "--quiet", "--dry-run", "--split", shares
    )
    assert done.stdout.splitlines()[-2:] == [f"WARNING: {warning}", "nothing was packed (--dry-run)"]


def test_images_that_two_splits_share_are_a_warning(gridbench, mine):
    for split in ("train", "val", "test"):
        for i in range(4):
            for kind in ("images", "masks"):
                (mine / split / kind).mkdir(parents=True, exist_ok=True)
                shutil.copy(
                    mine / kind / f"a{i + 4 * (split == 'val'):02d}.png", mine / split / kind / f"{i}.png"
                )
    for kind in ("images", "masks"):
        shutil.rmtree(mine / kind)
    done = gridbench("prepare", "folder", "--data", mine, "--name", "mine", "--quiet")
    assert "WARNING: 4 images of val or test with the same files as one of another split" in done.stdout
    assert "train/0 = test/0" in done.stdout


def test_what_is_missing_after_packing_is_a_warning(gridbench, mine):
    (mine / "classes.txt").write_text("sea\nland\nice\nsand\nrock\n")
    Image.fromarray(np.full((16, 16), 255, np.uint8)).save(mine / "masks" / "a00.png")
    done = gridbench("prepare", "folder", "--data", mine, "--name", "mine", "--quiet", "--min-labelled", "0")
    assert "WARNING: no image has the class 'sand', 'rock'" in done.stdout
    Image.fromarray(np.pad(np.full((8, 16), 255, np.uint8), ((8, 0), (0, 0)))).save(
        mine / "masks" / "a00.png"
    )
    done = gridbench("prepare", "folder", "--data", mine, "--name", "mine", "--quiet", "--force")
    assert "WARNING: 2.5 % of the pixels have no class" in done.stdout
    assert "share of the pixels in train / val / test, in percent" in done.stdout


def test_a_class_that_every_image_has_is_a_warning(gridbench, mine):
    names = sorted(path.name for path in (mine / "images").iterdir())
    rows = "".join(f"{name},{i % 2},{1 - i % 2},1\n" for i, name in enumerate(names))
    (mine / "rows.csv").write_text(f"file,sea,land,resized\n{rows}")
    (mine / "classes.txt").unlink()
    (mine / "masks").rename(mine.parent / "masks")
    done = gridbench("prepare", "folder", "--data", mine, "--labels", mine / "rows.csv", "--name", "mine")
    assert "WARNING: every image has the class 'resized'" in done.stdout


def test_printed_commands_are_quoted(mine, tmp_path):
    cache = tmp_path / "a cache"
    words = ["prepare", "folder", "--data", str(mine), "--name", "mine", "--cache", str(cache), "--quiet"]
    shown = CliRunner().invoke(data, words).stdout
    assert f"gridbench run --dataset mine --cache '{cache}'" in shown


def test_prepare_again_does_nothing_and_other_options_are_refused(prepared, gridbench, mine):
    again = gridbench("prepare", "folder", "--data", mine, "--name", "mine", "--quiet")
    assert again.exit_code == 0
    other = gridbench("prepare", "folder", "--data", mine, "--name", "mine", "--tile", "8", "--quiet")
    assert isinstance(other.exception, InputError)
    forced = gridbench(
        "prepare", "folder", "--data", mine, "--name", "mine", "--tile", "8", "--force", "--quiet"
    )
    assert "80 images of 8 x 8" in forced.stdout


def test_files_that_fail_are_named(gridbench, mine):
    (mine / "images" / "a03.png").write_bytes(b"")
    done = gridbench("prepare", "folder", "--data", mine, "--name", "mine", "--quiet")
    assert done.exit_code == 0
    assert "1 could not be read and is left out:" in done.stdout
    assert "a03.png: is empty" in done.stdout


def test_verify_finds_a_flipped_byte(prepared, gridbench, tmp_path):
    fine = gridbench("verify", "mine", "--quiet")
    assert "all 20 images are as they were packed" in fine.stdout
    path = tmp_path / "cache" / "archives" / "mine" / "images_image.npy"
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    path.write_bytes(content)
    broken = gridbench("verify", "mine", "--quiet")
    assert isinstance(broken.exception, InputError)
    assert "images_image.npy" in str(broken.exception)


def test_info_shows_counts_rates_and_a_sheet(prepared, gridbench, tmp_path):
    shown = gridbench("info", "mine", "--sheet", tmp_path / "sheet.png")
    assert shown.exit_code == 0, shown.output
    for part in (
        "train 14, val 2, test 4",
        "largest SLNIR",
        "only label",
        "differ: nowhere",
        "2.00 on average",
    ):
        assert part in shown.stdout
    assert Image.open(tmp_path / "sheet.png").format == "PNG"
    lost = gridbench("info", "mine", "--sheet", tmp_path / "no" / "sheet.png")
    assert isinstance(lost.exception, InputError)
    assert "There is no folder" in str(lost.exception)


def test_info_as_json(prepared, gridbench):
    content = json.loads(gridbench("info", "mine", "--format", "json").stdout)
    assert content["images"] == 20
    assert content["splits"] == {"train": 14, "val": 2, "test": 4}
    assert content["largest_slnir"] == {"scene": "53.57", "pixel": "53.57"}  # 14 of 28 pairs, rounded down
    assert content["single_labels"] is None
    assert content["maps"]["disagreeing_images"] == 0
    assert [row["name"] for row in content["classes"]] == ["sea", "land", "ice"]


def test_list_shows_built_in_prepared_damaged_and_unfinished(prepared, gridbench, mine, tmp_path):
    archives = tmp_path / "cache" / "archives"
    gridbench("prepare", "folder", "--data", mine, "--name", "broken", "--quiet")
    (archives / "broken" / "split.npy").unlink()
    (archives / ".half.partial").mkdir()
    shown = " ".join(gridbench("list").stdout.split())
    assert "bluemarble64" in shown
    assert "mine 20 3 16 x 16 3 yes no prepared" in shown
    assert "damaged" in shown
    assert "unfinished" in shown


def test_where(prepared, gridbench, tmp_path):
    assert gridbench("where", "mine").stdout.strip() == str(tmp_path / "cache" / "archives" / "mine")
    assert gridbench("where").stdout.strip() == str(tmp_path / "cache")


@pytest.mark.parametrize("words", [("info", "nine"), ("verify", "nine"), ("where", "nine")])
def test_an_unknown_archive_suggests_the_nearest(prepared, gridbench, words):
    assert "Did you mean 'mine'" in str(gridbench(*words).exception)


@pytest.mark.parametrize("kind", ["dlrsd", "ucmerced", "bigearthnet", "folder"])
def test_every_kind_says_what_is_missing(gridbench, tmp_path, kind):
    (tmp_path / "empty").mkdir()
    done = gridbench("prepare", kind, "--data", tmp_path / "empty", "--name", "x", "--quiet")
    assert isinstance(done.exception, InputError)
    assert (
        "--" in str(done.exception)
        or "such as" in str(done.exception)
        or "called like" in str(done.exception)
    )


def test_names_are_checked_before_anything_is_read(gridbench, tmp_path):
    done = gridbench("prepare", "folder", "--data", tmp_path, "--name", "bluemarble")
    assert "built-in" in str(done.exception)


def test_a_prepared_archive_can_be_trained_on(prepared, tmp_path, mine, gridbench):
    from gridbench.datasets.open import open_archive, recipes_of

    archive = open_archive("mine", tmp_path / "cache")
    recipe = recipes_of("mine", archive.kind)["scene"]
    assert recipe.k == 20
    assert archive.kind == "folder"
