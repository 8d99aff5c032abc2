from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from gridbench.datasets.archive.building import build_once
from gridbench.datasets.archive.contact_sheet import class_colours, contact_sheet, pick_images, pictures
from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.archive.summary import describe, map_presence
from gridbench.datasets.archive.writer import ArchiveWriter


@pytest.fixture
def known(tmp_path):
    """Four images of which everything is known by hand."""
    layout = Layout((GroupLayout("g", ("only",), 2, 2, "uint8"),), ("a", "b", "c"), (2, 2), True)
    content = [
        ("p", "train", [1, 0, 0], [1, 0, 0], [[0, 0], [0, 0]]),
        ("q", "train", [1, 1, 0], [0, 1, 0], [[0, 1], [1, 1]]),
        ("r", "val", [0, 1, 0], [0, 1, 1], [[1, 2], [255, 255]]),
        ("s", "test", [1, 0, 1], [1, 0, 1], [[2, 2], [2, 255]]),
    ]

    def build(folder):
        writer = ArchiveWriter(folder, layout, [row[0] for row in content], [row[1] for row in content])
        for i, (_, _, labels, clean, label_map) in enumerate(content):
            image = np.full((1, 2, 2), i, np.uint8)
            writer.write(i, Sample((image,), np.array(labels), np.array(label_map), np.array(clean)))
        writer.finish("known", "folder", {})

    return build_once(tmp_path / "known", build)


def test_everything_is_counted_as_by_hand(known):
    facts = describe(known)
    assert facts.splits == {"train": 2, "val": 1, "test": 1}
    assert facts.labels_per_image == {1: 2, 2: 2}
    assert facts.mean_labels == 1.5
    assert facts.clean_differences == 2
    assert facts.noisy_images == {"train": 0.5, "val": 1.0, "test": 0.0}
    assert facts.maps.ignored_share == 3 / 16
    assert facts.maps.disagreeing_images == 2
    assert facts.maps.disagreeing_labels == 2
    a, b, c = facts.classes
    assert a.images == {"train": 2, "val": 0, "test": 1}
    assert (a.only_labels, a.only_map, a.pixel_share) == (1, 0, 5 / 13)
    assert (b.only_labels, b.only_map, b.pixel_share) == (0, 0, 4 / 13)
    assert (c.only_labels, c.only_map, c.pixel_share) == (0, 1, 4 / 13)
    assert facts.bytes == sum(path.stat().st_size for path in known.directory.iterdir())
    json.dumps(facts.as_dict())


def test_without_maps_there_is_nothing_to_disagree(make_archive):
    facts = describe(make_archive(maps=False))
    assert facts.maps is None
    assert facts.clean_differences is None
    assert facts.noisy_images is None
    assert facts.classes[0].pixel_share is None


def test_presence_does_not_hang_on_the_chunks(monkeypatch):
    maps = np.random.default_rng(0).integers(0, 6, (23, 5, 4)).astype(np.uint8)
    maps[maps == 5] = 255
    whole = map_presence(maps, 5)
    monkeypatch.setattr("gridbench.datasets.archive.summary.CHUNK_PIXELS", 45)
    for ours, again in zip(whole, map_presence(maps, 5), strict=True):
        np.testing.assert_array_equal(ours, again)
    expected = np.array([[c in label_map for c in range(5)] for label_map in maps])
    np.testing.assert_array_equal(whole[0], expected)
    assert whole[2] == (maps == 255).sum()


@pytest.mark.parametrize("options", [{}, {"maps": False, "two_groups": True, "count": 4, "classes": 30}])
def test_a_contact_sheet_is_a_picture(make_archive, options):
    archive = make_archive(**options)
    sheet = contact_sheet(archive, 3)
    image = Image.open(io.BytesIO(sheet))
    assert image.format == "PNG"
    assert min(image.size) > 200
    assert len(image.convert("RGB").getcolors(1 << 24)) > 20


def test_every_class_that_occurs_is_on_the_sheet():
    labels = np.zeros((100, 12), np.uint8)
    labels[:, 0] = 1
    for c in range(1, 11):
        labels[90 - c, c] = 1
    chosen = pick_images(labels, 4)
    assert len(set(chosen.tolist())) == len(chosen) >= 10
    assert labels[chosen].any(0)[:11].all()
    assert len(pick_images(labels, 24)) == 24
    assert len(pick_images(labels[:3], 24)) == 3


def test_bytes_are_shown_as_they_are_and_16_bit_stretched(make_archive):
    archive = make_archive()
    rows = np.arange(5)
    np.testing.assert_array_equal(
        pictures(archive, rows), archive.groups[0].pixels[rows].transpose(0, 2, 3, 1)
    )
    shown = pictures(make_archive(two_groups=True, name="wide"), rows)
    assert shown.dtype == np.uint8
    assert (shown.min((1, 2)) == 0).all()
    assert (shown.max((1, 2)) == 255).all()


def test_colours_tell_classes_apart():
    table = class_colours(20)
    assert len({tuple(colour) for colour in table[:20].tolist()}) == 20
    assert tuple(table[255]) not in {tuple(colour) for colour in table[:20].tolist()}
