"""An audit of real photographs that were cut into tiles by their masks: packed, folded, judged, shown, corrected."""

import numpy as np
import pytest

from gridbench.audit.audit import Folding, audit_labels, fold_of_images
from gridbench.audit.page import render_page
from gridbench.audit.ranking import rank_labels
from gridbench.config import make_config
from gridbench.datasets.readers.folder.folder import FolderOptions, plan_folder
from gridbench.datasets.readers.prepare import prepare
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
    assert text.count("data:image/jpeg;base64,") <= 10
    assert tiles.archive.names[train[0]] in text
