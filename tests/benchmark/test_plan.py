"""What cannot be trained on is refused before anything is written."""

import numpy as np
import pytest

from gridbench.config import make_config
from gridbench.datasets.archive.building import build_once
from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.archive.writer import ArchiveWriter
from gridbench.errors import InputError
from gridbench.plan import make_plan


def test_an_archive_with_one_class_is_refused(tmp_path):
    layout = Layout((GroupLayout("image", ("r", "g", "b"), 8, 8, "uint8"),), ("water",), None, False)
    names = [f"{at}.png" for at in range(8)]

    def build(folder):
        writer = ArchiveWriter(folder, layout, names, ["train", "train", "val", "test"] * 2)
        for at in range(len(names)):
            image = np.full((3, 8, 8), at, dtype=np.uint8)
            writer.write(at, Sample((image,), np.ones(1, dtype=np.int64), None, None))
        writer.finish("pond", "folder", {"failed": []})

    build_once(tmp_path / "archives" / "pond", build)
    config = make_config({"dataset": "pond", "method": "bce", "slnir": 0, "backbone": "test_resnet"})
    with pytest.raises(InputError, match="'pond' has one class, 'water', so that all images are relevant"):
        make_plan(config, tmp_path)
