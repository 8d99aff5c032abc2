"""Outlines, run lengths and boxes of annotation tools become label maps."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from PIL import Image

from gridbench.datasets.readers.files import FileIndex
from gridbench.datasets.readers.folder.folder import plan_folder
from gridbench.datasets.readers.folder.options import FolderOptions
from gridbench.datasets.readers.formats.annotations import annotation_table
from gridbench.datasets.readers.formats.drawing import Drawing, draw
from gridbench.datasets.readers.formats.drawn import Drawn, Outlines, ellipse, rectangle
from gridbench.datasets.readers.prepare import prepare
from gridbench.datasets.readers.tables import TableOptions
from gridbench.errors import InputError

UNEVEN = (1, 1, 2, 3, 4, 1, 8)
SQUARE = (0, 0, 4, 0, 4, 4, 0, 4)
SMALL = (2, 2, 3, 2, 3, 3, 2, 3)


def drawn(objects, classes, size=(6, 6), **how):
    return draw(Drawing(Outlines(tuple(objects), size), tuple(classes), how.pop("outside", 255), **how), size)


def test_run_lengths_go_column_by_column():
    found = drawn([Drawn("x", (), UNEVEN, (4, 5))], [3], (4, 5))
    runs = np.repeat(np.arange(7) % 2, UNEVEN)
    assert (found == 3).tolist() == runs.astype(bool).reshape(5, 4).T.tolist()


def test_run_lengths_of_a_part_go_row_by_row():
    found = drawn([Drawn("x", (), (1, 3), (2, 2), (3, 1), True)], [0])
    assert np.argwhere(found == 0).tolist() == [[3, 2], [4, 1], [4, 2]]


def test_a_pixel_belongs_to_an_outline_when_its_centre_lies_inside():
    found = drawn([Drawn("x", ((0.4, 0.6, 2.6, 0.6, 2.6, 2.4, 0.4, 2.4),))], [0])
    assert np.argwhere(found == 0).tolist() == [[1, 0], [1, 1], [1, 2]]


def test_several_polygons_of_one_object_are_one_area():
    found = drawn([Drawn("x", (SMALL, (0, 0, 1, 0, 1, 1, 0, 1)))], [2])
    assert np.argwhere(found == 2).tolist() == [[0, 0], [2, 2]]


@pytest.mark.parametrize(
    ("overlap", "levels", "seen"),
    [("later", (0, 0), 0), ("smaller", (0, 0), 1), ("later", (0, 5), 1), ("smaller", (5, 0), 0)],
)
def test_which_of_two_objects_is_seen(overlap, levels, seen):
    small, large = Drawn("s", (SMALL,), level=levels[1]), Drawn("l", (SQUARE,), level=levels[0])
    found = drawn([small, large], [1, 0], overlap=overlap)
    assert found[2, 2] == seen
    assert (found[:4, :4] == 0).sum() == 16 - seen


def test_pixels_outside_all_objects():
    assert drawn([Drawn("x", (SQUARE,))], [0])[5, 5] == 255
    assert drawn([Drawn("x", (SQUARE,))], [0], outside=1)[5, 5] == 1


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e300])
def test_coordinates_that_lie_in_no_image_are_refused(value):
    with pytest.raises(ValueError, match="coordinates"):
        drawn([Drawn("x", ((0, 0, value, 0, value, 4),))], [0])


def test_run_lengths_of_another_size_are_refused():
    with pytest.raises(ValueError, match="4 x 5 pixels"):
        drawn([Drawn("x", (), UNEVEN, (4, 5), (3, 3))], [0])


def test_rectangles_and_ellipses_turn_clockwise():
    np.testing.assert_allclose(rectangle(0, 0, 2, 1, 90, (0, 0)), (0, 0, 0, 2, -1, 2, -1, 0), atol=1e-12)
    np.testing.assert_allclose(rectangle(0, 0, 2, 2, 180), (2, 2, 0, 2, 0, 0, 2, 0), atol=1e-12)
    outline = np.array(ellipse(5, 5, 3, 1, 90)).reshape(-1, 2)
    np.testing.assert_allclose([outline.min(0), outline.max(0)], [[4, 2], [6, 8]], atol=1e-2)


def coco(names, size=8):
    return {
        "images": [{"id": i, "file_name": n, "height": size, "width": size} for i, n in enumerate(names)],
        "categories": [{"id": 1, "name": "roof"}, {"id": 2, "name": "tree"}],
        "annotations": [
            {"id": 1, "image_id": 0, "category_id": 1, "segmentation": [list(SQUARE)]},
            {"id": 2, "image_id": 0, "category_id": 2, "bbox": [2, 2, 4, 4]},
            {
                "id": 3,
                "image_id": 1,
                "category_id": 2,
                "segmentation": {"size": [8, 8], "counts": [8, 16, 40]},
            },
            {"id": 4, "image_id": 2, "category_id": 2},
        ],
    }


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "mine"
    (folder / "images").mkdir(parents=True)
    for name in "abc":
        Image.new("RGB", (8, 8)).save(folder / "images" / f"{name}.png")
    (folder / "annotations.json").write_text(json.dumps(coco(["a.png", "b.png", "c.png"])))
    return folder


def packed(root, tmp_path, **options):
    plan = plan_folder(root, FolderOptions(split="100/0/0", draw_masks=True, **options))
    return plan, prepare(plan, tmp_path / "cache", "mine", 1)


def test_an_export_becomes_label_maps_and_scene_labels(root, tmp_path):
    plan, archive = packed(root, tmp_path)
    maps = {name: np.asarray(archive.label_maps[i]) for i, name in enumerate(archive.names)}
    expected = np.full((8, 8), 255)
    expected[:4, :4] = 0
    expected[2:6, 2:6] = 1
    np.testing.assert_array_equal(maps["a"], expected)
    assert (maps["b"][:, 1:3] == 1).all()
    assert (maps["b"] == 1).sum() == 16
    assert archive.report["findings"] == {"left out: no scene label": 1}
    text = "\n".join(plan.report["reading"])
    assert "masks: drawn from 1 boxes, 1 outlines, 1 run lengths (filled as rectangles)" in text
    assert "not drawn: 1 label of whole images, lines, points or brush strokes" in text
    assert "pixels outside of all are no class" in text


def test_pixels_outside_may_be_a_class_of_their_own(root, tmp_path):
    _, archive = packed(root, tmp_path, background="ground", overlap="smaller", min_cover=0)
    assert archive.class_names == ("roof", "tree", "ground")
    maps = {name: np.asarray(archive.label_maps[i]) for i, name in enumerate(archive.names)}
    assert np.bincount(maps["a"].ravel()).tolist() == [12, 16, 36]
    assert (maps["c"] == 2).all()
    labels = {n: archive.scene_labels[i].tolist() for i, n in enumerate(archive.names)}
    assert labels == {"a": [1, 1, 1], "b": [0, 1, 1], "c": [0, 0, 1]}


def test_other_outlines_are_another_archive(root, tmp_path):
    packed(root, tmp_path)
    value = coco(["a.png", "b.png", "c.png"])
    value["annotations"][1]["bbox"] = [2, 2, 5, 4]
    (root / "annotations.json").write_text(json.dumps(value))
    with pytest.raises(InputError, match="there is a change in the outlines"):
        packed(root, tmp_path)


def test_annotations_of_another_size_leave_their_image_out(root, tmp_path):
    value = coco(["a.png", "b.png", "c.png"])
    value["images"][0] |= {"height": 16, "width": 16}
    (root / "annotations.json").write_text(json.dumps(value))
    _, archive = packed(root, tmp_path, background="ground")
    assert (
        archive.report["failed"][0]["reason"] == "is 8 x 8 pixels, and its annotations are of 16 x 16 pixels"
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"overlap": "later"}, "--overlap is about outlines"),
        ({"background": "x"}, "--background is about outlines"),
        ({"draw_masks": True, "clean_labels": "x.csv"}, "--clean-labels is about scene labels"),
        ({"draw_masks": True, "masks": "m"}, "Give --masks or --draw-masks"),
    ],
)
def test_options_that_do_not_go_together(root, options, reason):
    with pytest.raises(InputError, match=reason):
        plan_folder(root, FolderOptions(**options))


def test_only_exports_are_drawn(root):
    (root / "annotations.json").unlink()
    (root / "labels.csv").write_text("file,labels\na,x\nb,y\nc,x\n")
    with pytest.raises(InputError, match="name it with --labels FILE"):
        plan_folder(root, FolderOptions(draw_masks=True))


def test_without_the_option_outlines_are_scene_labels(root):
    plan = plan_folder(root, FolderOptions(split="100/0/0"))
    assert plan.layout.map_size is None
    assert "outlines are read as scene labels; --draw-masks draws them as label maps" in plan.report["notes"]


def test_compressed_run_lengths_are_those_of_pycocotools(tmp_path):
    # pycocotools 2.0.11: encode of the mask below.
    counts = "221020NO0010O31M051O3MK02ON10O"
    rows = ["0010000", "0100000", "1111100", "1011101", "0111110", "1011111", "1101101", "0001010", "0010011"]
    value = {
        "images": [{"id": 1, "file_name": "a.png", "height": 9, "width": 7}],
        "categories": [{"id": 1, "name": "roof"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": {"size": [9, 7], "counts": counts}}
        ],
    }
    (tmp_path / "a.json").write_text(json.dumps(value))
    table = annotation_table(tmp_path / "a.json", None, FileIndex({}), TableOptions())
    objects = table.outlines[0].objects
    assert ["".join("10"[c] for c in row) for row in drawn(objects, [0], (9, 7), outside=1)] == rows


def test_outlines_in_shares_of_the_sides_are_refused(root):
    path = root / "annotations.json"
    export = json.loads(path.read_text())
    for each in export["annotations"]:
        each["segmentation"], each["bbox"] = [[0.1, 0.1, 0.6, 0.1, 0.6, 0.4]], []
    path.write_text(json.dumps(export))
    with pytest.raises(InputError, match="all coordinates lie between 0 and 1"):
        plan_folder(root, FolderOptions(draw_masks=True))


@pytest.mark.parametrize(
    ("boxes", "refused"),
    [
        ([[4, 4, 7, 7], [1, 2, 5, 6]], True),
        ([[4, 4, 7, 7], [5, 5, 3, 3]], False),
        ([[2, 2, 6.5, 6.5]], False),
        ([[1, 1, 3, 3]], False),
    ],
)
def test_boxes_that_may_be_two_corners_are_refused(tmp_path, boxes, refused):
    (tmp_path / "images").mkdir()
    names = [f"{i}.png" for i in range(4)]
    for i, name in enumerate(names):
        Image.fromarray(np.full((8, 8, 3), i, np.uint8)).save(tmp_path / "images" / name)
    export = coco(names)
    export["annotations"] = [
        {"id": i, "image_id": i, "category_id": 1, "bbox": box} for i, box in enumerate(boxes)
    ]
    (tmp_path / "annotations.json").write_text(json.dumps(export))
    if refused:
        with pytest.raises(InputError, match=r"box 4, 4, 7, 7 reaches beyond .* left, top, right and bottom"):
            plan_folder(tmp_path, FolderOptions(draw_masks=True))
    else:
        assert plan_folder(tmp_path, FolderOptions(draw_masks=True)).layout.map_size == (8, 8)
