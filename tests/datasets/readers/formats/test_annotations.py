"""Exports of annotation tools give an image every class of which it has an object."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gridbench.datasets.readers.files import FileIndex
from gridbench.datasets.readers.folder.folder import plan_folder
from gridbench.datasets.readers.folder.options import FolderOptions
from gridbench.datasets.readers.formats.annotations import annotation_table
from gridbench.datasets.readers.formats.drawn import Drawn
from gridbench.datasets.readers.prepare import prepare
from gridbench.datasets.readers.tables import TableOptions
from gridbench.errors import InputError

LABELS = {"a.png": ["road", "tree"], "b.png": ["tree"], "c.png": ["road"], "d.png": []}

COCO = {
    "images": [{"id": 10 + i, "file_name": name, "width": 8, "height": 8} for i, name in enumerate(LABELS)],
    "categories": [{"id": 7, "name": "tree"}, {"id": 3, "name": "road"}],
    "annotations": [
        {
            "id": 1,
            "image_id": 10,
            "category_id": 3,
            "segmentation": [[0, 0, 4, 0, 4, 4]],
            "bbox": [0, 0, 4, 4],
        },
        {"id": 2, "image_id": 10, "category_id": 7, "bbox": [1, 2, 3, 4]},
        {"id": 3, "image_id": 11, "category_id": 7, "segmentation": {"size": [8, 8], "counts": [8, 16, 40]}},
        # pycocotools 2.0.8: mask.encode of a Fortran-ordered 8 x 8 mask whose columns 1 and 2 are on.
        {"id": 4, "image_id": 12, "category_id": 3, "segmentation": {"size": [8, 8], "counts": "8`0X1"}},
    ],
}


def studio(full):
    tasks = []
    for i, (name, labels) in enumerate(LABELS.items()):
        address = f"/data/upload/1/0a1b2c3d-{name}" if i % 2 else f"/data/local-files/?d=my%2Ffolder%2F{name}"
        results = [{"type": "choices", "value": {"choices": labels}}]
        if i == 1:
            box = {"x": 25, "y": 50, "width": 25, "height": 25, "rotation": 0, "rectanglelabels": ["tree"]}
            results = [{"type": "rectanglelabels", "original_width": 8, "original_height": 8, "value": box}]
        task = {"id": i, "data": {"image": address, "note": "a. b"}, "annotations": [{"result": results}]}
        minimal = {"id": i, "image": address, "kind": {"choices": labels}}
        tasks.append(task if full else minimal)
    return tasks


CVAT = """<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><meta><task><labels>
<label><name>tree</name></label><label><name>road</name></label></labels></task></meta>
<image id="0" name="a.png" width="8" height="8"><tag label="road"/>
<polygon label="tree" points="0,0;4,0;4,4.5"/></image>
<image id="1" name="b.png" width="8" height="8"><box label="tree" xtl="1" ytl="2" xbr="4" ybr="6"/></image>
<image id="2" name="c.png" width="8" height="8"><mask label="road" rle="1, 2" left="0" top="0" width="3" height="1"/>
</image><image id="3" name="d.png" width="8" height="8"></image></annotations>"""

EXPORTS = {
    "COCO": ("annotations.json", json.dumps(COCO)),
    "Label Studio": ("labels.json", json.dumps(studio(True))),
    "Label Studio, minimal": ("labels.json", json.dumps(studio(False))),
    "CVAT": ("annotations.xml", CVAT),
}


@pytest.mark.parametrize("kind", EXPORTS)
def test_labels_of_an_export(tmp_path, kind):
    root = tmp_path / "mine"
    (root / "images").mkdir(parents=True)
    for name in LABELS:
        Image.new("RGB", (8, 8)).save(root / "images" / name)
    file, text = EXPORTS[kind]
    (root / file).write_text(text)
    plan = plan_folder(root, FolderOptions(split="100/0/0"))
    archive = prepare(plan, tmp_path / "cache", "mine", 1)
    got = {
        f"{name}.png": sorted(archive.class_names[c] for c in np.flatnonzero(archive.scene_labels[i]))
        for i, name in enumerate(archive.names)
    }
    assert got == {name: labels for name, labels in LABELS.items() if labels}
    assert archive.report["findings"] == {"left out: no scene label": 1}
    assert any(kind.split(",")[0] in line and "in 4 images" in line for line in archive.report["reading"])


def read(path):
    """Return the table of an export, and the objects in each of its images."""
    table = annotation_table(path, None, FileIndex({}), TableOptions())
    return table, {key: list(each.objects) for key, each in zip(table.keys, table.outlines, strict=True)}


def test_shapes_of_coco(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(COCO))
    _, images = read(path)
    assert images["a.png"] == [
        Drawn("road", ((0, 0, 4, 0, 4, 4),)),
        Drawn("tree", ((1, 2, 4, 2, 4, 6, 1, 6),)),
    ]
    assert images["b.png"][0].rle == (8, 16, 40)
    assert images["c.png"][0].rle == (8, 16, 40)


def test_shapes_of_label_studio_are_in_pixels(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(studio(True)))
    assert read(path)[1]["0a1b2c3d-b.png"] == [Drawn("tree", ((2, 4, 4, 4, 4, 6, 2, 6),))]


def broken(change):
    value = json.loads(json.dumps(COCO))
    change(value)
    return json.dumps(value)


BAD = {
    **{
        f"{key} {value}": (
            broken(lambda v, key=key, value=value: v.update({key: value})),
            f"'{key}' is .*; in COCO it is a list",
        )
        for key in ("images", "annotations", "categories")
        for value in ({}, None, "x", 3, True, {"1": {"id": 1}})
    },
    "no JSON": ("{", "is not JSON"),
    "too deep": ("[" * 100_000, "is not JSON"),
    "another JSON": ("{}", "is not an export in a supported format"),
    "another XML": ("<a/>", "not an export of CVAT"),
    "cut XML": ("<annotations><image", "is not XML"),
    "entities": ('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "declares a document type"),
    "unknown image": (
        broken(lambda v: v["annotations"][0].update(image_id=99)),
        "of the image 99, which is not listed",
    ),
    "unknown class": (
        broken(lambda v: v["annotations"][0].update(category_id=99)),
        "category 99, which is not",
    ),
    "a key twice": (
        json.dumps(COCO).replace('"id": 1,', '"id": 1, "category_id": 7,', 1),
        "'category_id' twice",
    ),
    "a box of less than nothing": (
        broken(lambda v: v["annotations"][1].update(bbox=[5, 5, -3, -4])),
        "the box of the annotation 2 is -3 x -4 pixels",
    ),
    "two alike": (broken(lambda v: v["categories"].append({"id": 9, "name": "tree"})), "same name"),
    "an image twice": (
        broken(lambda v: v["images"].append({"id": 99, "file_name": "a.png"})),
        "same|two images",
    ),
    "a class number twice": (
        broken(lambda v: v["categories"].append({"id": 7, "name": "lake"})),
        "'tree' and 'lake' have the same id, 7",
    ),
    "an image number twice": (
        broken(lambda v: v["images"][1].update(id=10)),
        "a.png and b.png have the same id, 10",
    ),
    "no file name": (broken(lambda v: v["images"][0].pop("file_name")), "image 10 has no file_name"),
    "run lengths": (
        broken(lambda v: v["annotations"][2]["segmentation"].update(counts=[1, 2])),
        "do not fit its size",
    ),
    "short text": (
        broken(lambda v: v["annotations"][3]["segmentation"].update(counts="8`")),
        "do not fit its size",
    ),
    "odd polygon": (
        broken(lambda v: v["annotations"][0].update(segmentation=[[1, 2, 3]])),
        "not a list of polygons",
    ),
    "annotators differ": (
        json.dumps(
            [
                {
                    "id": 5,
                    "data": {"image": "a.png"},
                    "annotations": [
                        {"result": [{"type": "choices", "value": {"choices": [word]}}]} for word in ("x", "y")
                    ],
                }
            ]
        ),
        "task 5 has 2 annotations that differ",
    ),
    "no image": (json.dumps([{"id": 1, "data": {"text": "hello"}}]), "names no image"),
}


@pytest.mark.parametrize("kind", BAD)
def test_exports_that_are_refused(tmp_path, kind):
    text, reason = BAD[kind]
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InputError, match=reason):
        read(path)


RECORDS = [
    {"file": f"{name}.png", "label": label, "split": "train"}
    for name, label in zip("abcd", "xyxy", strict=True)
]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("labels.json", json.dumps(RECORDS)),
        ("labels.jsonl", "\n".join(map(json.dumps, RECORDS))),
        (
            "labels.json",
            json.dumps([{"image": r["file"], "labels": [r["label"]], "split": "train"} for r in RECORDS]),
        ),
        (
            "labels.json",
            json.dumps(
                [
                    {"f": r["file"], "x": r["label"] == "x", "y": int(r["label"] == "y"), "split": "train"}
                    for r in RECORDS
                ]
            ),
        ),
    ],
)
def test_lists_of_records_are_tables(tmp_path, file, text):
    root = tmp_path / "mine"
    (root / "images").mkdir(parents=True)
    for name in "abcd":
        Image.new("RGB", (8, 8)).save(root / "images" / f"{name}.png")
    (root / file).write_text(text)
    archive = prepare(plan_folder(root, FolderOptions()), tmp_path / "cache", "mine", 1)
    found = {
        name: archive.class_names[int(archive.scene_labels[i].argmax())]
        for i, name in enumerate(archive.names)
    }
    assert found == {"a": "x", "b": "y", "c": "x", "d": "y"}
    assert len(archive.indices("train")) == 4


@pytest.mark.parametrize("kind", ["COCO", "Label Studio"])
def test_classes_of_an_export_that_look_alike_are_refused(tmp_path, kind):
    (tmp_path / "images").mkdir()
    for name in LABELS:
        Image.new("RGB", (8, 8)).save(tmp_path / "images" / name)
    value = (
        broken(lambda v: v["categories"][0].update(name="Road"))
        if kind == "COCO"
        else json.dumps(studio(True))
    )
    if kind != "COCO":
        value = value.replace('"choices": ["road"]', '"choices": ["Road"]')
    (tmp_path / "labels.json").write_text(value)
    with pytest.raises(InputError, match=r"classes of .* 'Road' and 'road' differ in case"):
        plan_folder(tmp_path, FolderOptions(labels=tmp_path / "labels.json"))


def test_the_image_of_a_task_is_the_file_that_is_called_like_one(tmp_path):
    path = tmp_path / "a.json"
    tasks = studio(True)
    for task in tasks:
        task["data"] = {"note": "see v1.2", **task["data"]}
    path.write_text(json.dumps(tasks))
    assert read(path)[0].keys[1] == "0a1b2c3d-b.png"
    tasks[0]["data"]["thumbnail"] = "small.png"
    path.write_text(json.dumps(tasks))
    with pytest.raises(InputError, match=r"task 0 names several files, a.png and small.png"):
        read(path)


def test_a_category_above_others_without_an_annotation_is_no_class(tmp_path):
    value = copy.deepcopy(COCO)
    value["categories"] = [
        {"id": 0, "name": "set", "supercategory": "none"},
        {"id": 7, "name": "tree", "supercategory": "set"},
        {"id": 3, "name": "road", "supercategory": "set"},
        {"id": 4, "name": "lake", "supercategory": "lake"},
    ]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(value))
    found, _ = read(path)
    assert found.class_names == ("tree", "road", "lake")
    assert "the category 'set' is above others and of no annotation, so it is not a class" in found.notes
    value["annotations"][0]["category_id"] = 0
    path.write_text(json.dumps(value))
    assert read(path)[0].class_names == ("set", "tree", "road", "lake")


RECORDS = [{"file": name, "labels": labels} for name, labels in LABELS.items()]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("labels.json", json.dumps(LABELS)),
        ("labels.json", "\n".join(map(json.dumps, RECORDS))),
        ("labels.ndjson", "\n".join(map(json.dumps, RECORDS))),
    ],
)
def test_labels_by_the_name_of_the_image_and_lines_of_records_are_read(tmp_path, file, text):
    for name in LABELS:
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "images" / name)
    (tmp_path / file).write_text(text)
    plan = plan_folder(tmp_path, FolderOptions(labels=tmp_path / file))
    found = {name: unit.argument.labels for name, unit in zip(plan.names, plan.units, strict=True)}
    classes = plan.layout.class_names
    assert {
        f"{name}.png": [c for c, has in zip(classes, row, strict=True) if has] for name, row in found.items()
    } == LABELS


def test_objects_of_other_things_are_refused_with_the_forms_that_are_read(tmp_path):
    (tmp_path / "labels.json").write_text(json.dumps({"file": {"0": "a.png"}, "label": {"0": "road"}}))
    with pytest.raises(InputError, match=r"orient='records'.*an object of the images' labels"):
        read(tmp_path / "labels.json")


@pytest.mark.parametrize("full", [True, False])
def test_answers_to_several_questions_of_label_studio_are_asked_about(tmp_path, full):
    def task(i):
        answers = {"scene": [["water"], ["road"]][i % 2], "quality": [["good"], ["bad"]][i // 2]}
        if not full:
            return {"id": i, "image": f"{i}.png", **{name: {"choices": of} for name, of in answers.items()}}
        results = [
            {"type": "choices", "from_name": name, "value": {"choices": of}} for name, of in answers.items()
        ]
        return {"id": i, "data": {"image": f"{i}.png"}, "annotations": [{"result": results}]}

    path = tmp_path / "labels.json"
    path.write_text(json.dumps([task(i) for i in range(4)]))
    files = FileIndex({str(i): Path(f"{i}.png") for i in range(4)})

    def read(*questions):
        return annotation_table(path, None, files, TableOptions(label_columns=questions))

    with pytest.raises(InputError, match=r"2 questions .* scene \(road, water\) .* --label-columns scene or"):
        read()
    with pytest.raises(InputError, match=r"no question 'scenes'.*scene, quality"):
        read("scenes")
    assert read("scene").class_names == ("road", "water")
    assert read("scene").labels.tolist() == [[0, 1], [1, 0], [0, 1], [1, 0]]
    assert read("scene", "quality").class_names == ("bad", "good", "road", "water")


def test_annotations_of_coco_with_a_score_or_to_be_ignored_are_told(tmp_path):
    value = copy.deepcopy(COCO)
    value["annotations"][0]["score"], value["annotations"][1]["ignore"] = 0.3, 1
    (tmp_path / "labels.json").write_text(json.dumps(value))
    files = FileIndex({name: Path(name) for name in LABELS})
    notes = annotation_table(tmp_path / "labels.json", None, files, TableOptions()).notes
    assert "1 annotation with a score, as predictions have: read as any other" in notes
    assert "1 annotation with the mark `ignore`: read as any other" in notes


def test_json_in_utf_16_is_read(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps([{"file": "t0.png", "label": "W\u00e4lder"}]), encoding="utf-16")
    table = annotation_table(path, None, FileIndex({"t0": Path("t0.png")}), TableOptions())
    assert table.class_names == ("W\u00e4lder",)


def test_geojson_is_refused_with_what_makes_masks_of_it(tmp_path):
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "name": "parcels", "features": []}))
    with pytest.raises(InputError, match=r"is GeoJSON.*--masks DIR"):
        annotation_table(path, None, FileIndex({}), TableOptions())
