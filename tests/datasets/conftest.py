from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.archive.building import build_once
from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.archive.writer import ArchiveWriter

MakeArchive = Callable[..., Archive]


@pytest.fixture
def make_archive(tmp_path: Path) -> MakeArchive:
    """Pack a tiny random archive: one group of RGB bytes, or two groups of uint16 at two resolutions."""

    def make(
        count: int = 40,
        size: int = 12,
        classes: int = 4,
        maps: bool = True,
        two_groups: bool = False,
        clean: bool = False,
        name: str = "tiny",
        seed: int = 0,
    ) -> Archive:
        rng = np.random.default_rng(seed)
        groups = [GroupLayout("fine", ("r", "g", "b"), size, size, "uint16" if two_groups else "uint8")]
        if two_groups:
            groups.append(GroupLayout("coarse", ("x", "y"), size // 2, size // 2, "uint16"))
        layout = Layout(
            tuple(groups),
            tuple(f"class {c}" for c in range(classes)),
            (size, size) if maps else None,
            clean,
        )
        names = [f"img{i:04d}" for i in range(count)]
        split = ["train" if i % 4 < 2 else "val" if i % 4 == 2 else "test" for i in range(count)]

        def build(folder: Path) -> None:
            writer = ArchiveWriter(folder, layout, names, split)
            for i in range(count):
                images = tuple(
                    rng.integers(0, np.iinfo(g.dtype).max + 1, (len(g.bands), g.height, g.width)).astype(
                        g.dtype
                    )
                    for g in groups
                )
                label_map = rng.integers(0, classes, (size, size)) if maps else None
                labels = rng.integers(0, 2, classes)
                writer.write(i, Sample(images, labels, label_map, 1 - labels if clean else None))
            writer.finish(name, "folder", {"failed": []})

        return build_once(tmp_path / "archives" / name, build)

    return make
