"""An audit of real photographs that were cut into tiles by their masks: packed, folded, judged, shown, corrected."""

import numpy as np
import pytest
from PIL import Image

from gridbench.audit.audit import Folding, audit_labels, fold_of_images
from gridbench.audit.export import label_table
from gridbench.audit.page import render_page
from gridbench.audit.ranking import rank_labels
from gridbench.config import make_config
from gridbench.datasets.readers.folder.folder import FolderOptions, plan_folder
from gridbench.datasets.readers.prepare import prepare
from gridbench.datasets.readers.tables import read_label_table
from gridbench.plan import make_plan
from gridbench.records.runner import Execution


@pytest.fixture
def tiles(tmp_path, samples):
    """Tiles of nine images of Dubai, three regions of three, of which one region is the train split."""
    for folder, suffix in (("image", "jpg"), ("mask", "png")):
        (tmp_path / "few" / folder).mkdir(parents=True)
        for region in (1, 2, 3):
            for number in (1, 2, 3):
                file = f"{folder}/image_part_00{number}t{region}.{suffix}"
                (tmp_path / "few" / file).symlink_to(samples / "dubai" / file)
    table = tmp_path / "classes.csv"
    table.write_text(
        "name,color\nBuilding,#3C1098\nLand,#8429F6\nRoad,#6EC1E4\nVegetation,#FEDD3A\nWater,#E2A929\n"
    )
    options = FolderOptions(tile=128, classes=table, group_pattern=r"t(\d)$", split="1/1/1")
    prepare(plan_folder(tmp_path / "few", options), tmp_path / "cache", "few")
    settings = {
        "dataset": "few",
        "method": "bce",
        "backbone": "test_resnet",
        "epochs": 1,
        "slnir": 20,
        "k": 5,
        "train_size": 40,
    }
    return make_plan(make_config(settings), tmp_path / "cache")


def test_photographs_in_tiles(tiles, tmp_path):
    fold_of, words = fold_of_images(tiles, Folding(3))
    assert "cut from" in words
    train = tiles.archive.indices("train")[:40]
    images = np.array([tiles.archive.names[i].rsplit("_r", 1)[0] for i in train])
    assert [len(set(images[fold_of == fold])) for fold in range(3)] == [1, 1, 1]

    audit = audit_labels(tiles, Folding(3), tmp_path / "audits", Execution(device="cpu"))
    assert audit.probabilities.shape == (len(train), 5)
    assert audit.document["calibration"]["all"]["audit"]["corrupted"] == int(
        (audit.given != audit.before).sum()
    )
    text = render_page(audit, tiles.archive, rank_labels(audit.given, audit.scores).first(10))
    # Ten at most, three alike to each, and three typical ones of each class.
    assert text.count("data:image/jpeg;base64,") <= 10 + 3 * 10 + 3 * 5
    assert tiles.archive.names[train[0]] in text


def test_groups_of_a_table_are_kept_in_folds_and_exported_tables(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "mine" / "images").mkdir(parents=True)
    lines = ["file,labels,split,group"]
    for i in range(24):
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(
            tmp_path / "mine" / "images" / f"{i:02}.png"
        )
        lines.append(
            f"{i:02}.png,{'water' if i % 2 else 'sand'},{'train' if i < 18 else 'test'},site {i // 3}"
        )
    (tmp_path / "mine" / "labels.csv").write_text("\n".join(lines))
    archive = prepare(plan_folder(tmp_path / "mine", FolderOptions()), tmp_path / "cache", "mine")

    settings = {"dataset": "mine", "method": "bce", "backbone": "test_resnet", "k": 5}
    plan = make_plan(make_config(settings), tmp_path / "cache")
    fold_of, words = fold_of_images(plan, Folding(3))
    assert words == "the groups that they were split by"
    site_of = [int(archive.names[i]) // 3 for i in archive.indices("train")]
    assert all(len(set(fold_of[np.array(site_of) == site])) == 1 for site in set(site_of))
    assert sorted(np.bincount(fold_of)) == [6, 6, 6]

    (tmp_path / "table.csv").write_bytes(label_table(archive, archive.scene_labels))
    table = read_label_table(tmp_path / "table.csv")
    assert dict(zip(table.keys, table.columns["group"], strict=True)) == {
        f"{i:02}": f"site {i // 3}" for i in range(24)
    }
