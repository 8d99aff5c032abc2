from __future__ import annotations

import numpy as np
import pytest

from gridbench.datasets.archive.building import build_once
from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.archive.single_labels import single_label_source, single_labels
from gridbench.datasets.archive.writer import ArchiveWriter
from gridbench.errors import InputError


@pytest.fixture
def make(tmp_path):
    """Pack images of one band with the given labels, maps and cleaner labels."""

    def pack(labels, maps=None, clean=None, name="mine"):
        layout = Layout(
            (GroupLayout("g", ("only",), 2, 2, "uint8"),),
            ("a", "b", "c"),
            None if maps is None else (2, 2),
            clean is not None,
        )
        names = [f"img{i}" for i in range(len(labels))]

        def build(folder):
            writer = ArchiveWriter(
                folder, layout, names, ["train", "val", "test"] + ["train"] * len(names[3:])
            )
            for i, row in enumerate(labels):
                label_map = None if maps is None else np.array(maps[i])
                better = None if clean is None else np.array(clean[i])
                writer.write(i, Sample((np.zeros((1, 2, 2), np.uint8),), np.array(row), label_map, better))
            writer.finish(name, "folder", {})

        return build_once(tmp_path / name, build)

    return pack


ONE_EACH = [[1, 0, 0], [0, 0, 1], [0, 1, 0]]


def rows_of(archive, clean=False):
    """Return the single labels in the order in which the images were written, which packing shuffles."""
    found = single_labels(archive, clean=clean)
    return [found[list(archive.names).index(f"img{i}")].tolist() for i in range(len(archive))]


def test_one_scene_label_an_image_is_its_single_label_whatever_the_maps_show(make):
    archive = make(ONE_EACH, maps=[[[1, 1], [1, 1]]] * 3, name="bluemarble")
    assert single_label_source(archive) == "scene labels"
    assert rows_of(archive) == ONE_EACH
    assert single_labels(archive).dtype == np.uint8


def test_the_cleaner_table_is_the_clean_single_label(make):
    clean = [[0, 1, 0], [0, 0, 1], [0, 1, 0]]
    archive = make(ONE_EACH, clean=clean)
    assert rows_of(archive) == ONE_EACH
    assert rows_of(archive, clean=True) == clean


def test_where_the_data_set_says_so_the_class_that_covers_most_of_the_map_is_the_single_label(make):
    maps = [[[0, 2], [2, 255]], [[1, 1], [0, 0]], [[255, 255], [255, 1]]]
    archive = make([[1, 0, 1], [1, 1, 0], [0, 1, 0]], maps=maps, name="bluemarble")
    assert single_label_source(archive) == "dominant class"
    # The second map is half a and half b: the lower index counts.
    assert rows_of(archive) == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert rows_of(archive, clean=True) == rows_of(archive)


def test_a_map_without_any_class_has_no_dominant_one(make):
    maps = [[[0, 2], [2, 255]], [[255, 255], [255, 255]], [[1, 1], [1, 1]]]
    archive = make([[1, 0, 1], [0, 0, 0], [0, 1, 0]], maps=maps, name="bluemarble")
    with pytest.raises(InputError, match=r"has 1 with none among 3 images; .*: img1 \(0\)\."):
        single_labels(archive)


def test_images_with_no_label_or_several_are_counted_and_the_first_five_named(make):
    rows = [*ONE_EACH, [1, 1, 0], [0, 0, 0], [1, 1, 1], [0, 1, 1], [0, 1, 1], [1, 1, 0]]
    archive = make(rows, maps=[[[0, 0], [0, 0]]] * len(rows))
    assert single_label_source(archive) is None
    with pytest.raises(InputError) as refused:
        single_labels(archive)
    assert "'mine' has 1 with none and 5 with several among 9 images" in str(refused.value)
    # In the order in which they are packed, which is a function of their names.
    assert "img3 (2), img4 (0), img8 (2), img7 (2), img6 (2). For" in str(refused.value)
    assert "gridbench run --dataset mine --loss bce" in str(refused.value)


def test_a_cleaner_table_with_several_labels_an_image_gives_no_single_labels(make):
    archive = make(ONE_EACH, clean=[[1, 1, 0], [0, 0, 1], [0, 1, 0]])
    assert single_label_source(archive) is None
    with pytest.raises(InputError, match="1 with several"):
        single_labels(archive, clean=True)
