"""Suspicious labels in the formats of annotation tools, what comes back from there, and the table of the original."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from gridbench.audit.exchange import EXCHANGE_FORMATS, export_suspects, import_decisions
from gridbench.audit.exchange.images import ImageNames
from gridbench.audit.export import original_table, split_names
from gridbench.audit.ranking import Suspects, rank_labels
from gridbench.datasets.readers.files import FileIndex
from gridbench.datasets.readers.formats.annotations import annotation_table
from gridbench.datasets.readers.tables import TableOptions
from gridbench.errors import InputError

FORMATS = list(EXCHANGE_FORMATS)
NAMES, CLASSES = ["part/a.1", "part/b"], ["water", "field, dry", "urban"]
GIVEN = np.array([[1, 0, 1], [0, 1, 0]], dtype=np.uint8)


@pytest.fixture
def exported(small_audit, small_archive):
    """Exports two suspicious images and returns the audit, the archive and the file's content."""

    def make(kind, prefix="", suffix=""):
        audit = small_audit()
        audit.given[0] = [1, 0, 1]
        suspects = Suspects(
            np.array([0, 0, 0, 1]),
            np.array([0, 1, 2, 0]),
            np.array([True, False, True, True]),
            np.array([0.9, 0.8, 0.2, 0.1]),
        )
        return audit, export_suspects(kind, audit, small_archive, suspects, prefix, suffix)

    return make


def names_of(audit, archive):
    return [archive.names[i] for i in audit.positions]


def test_label_studio_gets_the_suggested_labels_as_predictions(exported, small_archive):
    audit, content = exported("label-studio", "https://host/", ".png")
    name = small_archive.names[audit.positions[0]]
    water, hostile, field = small_archive.class_names
    task = json.loads(content)[0]
    assert task["data"]["image"] == f"https://host/{name}.png"
    assert task["data"]["given"] == [water, field]
    assert task["data"]["suspects"][0] == {"label": water, "kind": "wrong", "score": 0.9}
    (prediction,) = task["predictions"]
    assert prediction["score"] == 0.9
    # The third is suspicious with less than one half, so it stays.
    assert prediction["result"][0]["value"] == {"choices": [field, hostile]}
    assert prediction["result"][0]["type"] == "choices"


def test_cvat_gets_the_given_labels_as_tags_and_the_suspicion_as_text(exported, small_archive):
    audit, content = exported("cvat", suffix=".png")
    root = ElementTree.fromstring(content)
    assert (root.tag, root.find("version").text) == ("annotations", "1.1")
    listed = [label.find("name").text for label in root.iterfind("meta/task/labels/label")]
    assert listed == [*small_archive.class_names, "gridbench audit"]
    first = root.find("image")
    name = small_archive.names[audit.positions[0]]
    assert (first.get("name"), first.get("width"), first.get("height")) == (f"{name}.png", "8", "8")
    water, hostile, field = small_archive.class_names
    assert [tag.get("label") for tag in first] == [water, field, "gridbench audit"]
    said = first[2].find("attribute").text
    assert said == f"wrong: {water} (90 %); missing: {hostile} (80 %); wrong: {field} (20 %)"


def test_coco_and_fiftyone_get_the_given_labels_by_number(exported, small_archive):
    audit, content = exported("coco")
    document = json.loads(content)
    assert [row["name"] for row in document["categories"]] == list(small_archive.class_names)
    own = [row["category_id"] for row in document["annotations"] if row["image_id"] == 1]
    assert own == [1, 3]
    assert len({row["id"] for row in document["annotations"]}) == len(document["annotations"])
    audit, content = exported("fiftyone")
    document = json.loads(content)
    name = small_archive.names[audit.positions[0]]
    assert document["classes"] == list(small_archive.class_names)
    assert [each["label"] for each in document["labels"][name]] == [0, 2]


@pytest.mark.parametrize("kind", ["cvat", "coco"])
def test_our_own_readers_read_what_is_written(exported, small_archive, tmp_path, kind):
    audit, content = exported(kind)
    (tmp_path / "file").write_bytes(content)
    table = annotation_table(tmp_path / "file", None, FileIndex({}), TableOptions())
    drawn = table.outlines[table.keys.index(small_archive.names[audit.positions[0]])].objects
    assert {each.label for each in drawn} - {"gridbench audit"} == {
        small_archive.class_names[0],
        "field, dry",
    }


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_comes_back_untouched_changes_nothing(exported, small_archive, tmp_path, kind):
    audit, content = exported(kind, "https://host/", ".png")
    (tmp_path / "file").write_bytes(content)
    words = (kind, tmp_path / "file", audit.given, names_of(audit, small_archive), small_archive.class_names)
    if kind == "label-studio":
        with pytest.raises(InputError, match="no image that somebody has labelled"):
            import_decisions(*words, "https://host/")
    else:
        assert import_decisions(*words, "https://host/") == {}


def studio(*annotations, name="part/a.1"):
    results = [
        {
            "result": [
                {"type": "choices", "from_name": "labels", "to_name": "image", "value": {"choices": words}}
            ]
        }
        for words in annotations
    ]
    return {
        "id": 7,
        "data": {"image": "/data/upload/1/0a1b2c3d-a.1.png", "name": name},
        "annotations": results,
    }


def cvat(tags, name="part/a.1.png"):
    inside = "".join(f'<tag label="{tag}" source="manual"/>' for tag in tags)
    image = f'<image id="0" name="{name}" width="8" height="8">{inside}</image>'
    return f"<annotations><version>1.1</version>{image}</annotations>"


def coco(*numbers):
    return {
        "categories": [{"id": c, "name": name} for c, name in enumerate(CLASSES, 1)],
        "images": [{"id": 5, "file_name": "part/a.1.png"}],
        "annotations": [
            {"id": at, "image_id": 5, "category_id": number} for at, number in enumerate(numbers)
        ],
    }


RETURNED = {
    "full tasks": ("label-studio", [studio(["water", "field, dry"])], {(0, 0): "reject"}),
    "a task of two annotators": ("label-studio", [studio(["water"], ["water", "urban"])], {(0, 0): "reject"}),
    "minimal tasks": (
        "label-studio",
        [{"image": "x.png", "name": "part/a.1", "labels": {"choices": ["water", "field, dry"]}}],
        {(0, 0): "reject"},
    ),
    "tags": ("cvat", cvat(["water", "field, dry"]), {}),
    "annotations of whole images": ("coco", coco(1, 2), {}),
    "numbers": ("fiftyone", {"classes": CLASSES, "labels": {"part/a.1": [0, {"label": 1}]}}, {}),
    "names": ("fiftyone", {"labels": {"part/a.1": ["water", "field, dry"]}}, {}),
}


@pytest.mark.parametrize("case", list(RETURNED))
def test_labels_that_differ_are_accepted_changes(case, tmp_path):
    kind, value, more = RETURNED[case]
    path = tmp_path / "file"
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    expected = {(0, 1): "accept", (0, 2): "accept", **more}
    if case == "a task of two annotators":
        expected = {(0, 1): "reject", (0, 2): "unsure", **more}
    assert import_decisions(kind, path, GIVEN, NAMES, CLASSES) == expected


def test_tasks_without_an_answer_decide_nothing(tmp_path):
    skipped = {**studio(["urban"], name="part/b")}
    skipped["annotations"][0]["was_cancelled"] = True
    untouched = {"data": {"name": "part/b", "image": "b.png"}, "annotations": [], "predictions": []}
    path = tmp_path / "file"
    for other in (skipped, untouched):
        path.write_text(json.dumps([studio(["water", "urban"]), other]))
        assert set(import_decisions("label-studio", path, GIVEN, NAMES, CLASSES)) == {(0, 0), (0, 1), (0, 2)}


HOSTILE = {
    "another image": ("cvat", cvat(["water"], "c.png"), "there is no image 'c.png'"),
    "another class": ("cvat", cvat(["watre"]), "'watre', which is not a class of the archive.*'water'"),
    "the same image twice": (
        "coco",
        {**coco(), "images": [{"id": 1, "file_name": n} for n in "xy"]},
        "same id, 1",
    ),
    "two names of one image": (
        "fiftyone",
        {"labels": {"part/a.1": ["water"], "x/part/a.1.jpg": ["water"]}},
        "are the same image, 'part/a.1'",
    ),
    "a number out of range": (
        "fiftyone",
        {"classes": CLASSES, "labels": {"part/b": 3}},
        "neither a name nor one of",
    ),
    "a negative number": (
        "fiftyone",
        {"classes": CLASSES, "labels": {"part/b": -1}},
        "neither a name nor one of",
    ),
    "a truth value": (
        "fiftyone",
        {"classes": CLASSES, "labels": {"part/b": True}},
        "neither a name nor one of",
    ),
    "no labels": ("fiftyone", {"labels": {}}, "no image that somebody has labelled"),
    "labels in a list": ("fiftyone", {"labels": []}, "not a labels.json of FiftyOne"),
    "an entity": ("cvat", '<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "declares a document type"),
    "half a file": ("cvat", cvat(["water"])[:-20], "is not XML"),
    "an object for tasks": ("label-studio", {"data": 3}, "a list of tasks"),
    "a task of nothing": ("label-studio", [{"data": 3}], "its image is not known"),
    "choices in a number": (
        "label-studio",
        [{"name": "part/b", "labels": {"choices": 3}}],
        "not a list of class",
    ),
    "results in a text": (
        "label-studio",
        [{"data": {"name": "part/b"}, "annotations": [{"result": "x"}]}],
        "no list",
    ),
    "annotations in a text": (
        "label-studio",
        [{"data": {"name": "part/b"}, "annotations": "x"}],
        "not a list of objects",
    ),
    "images in a text": ("coco", {"images": "x", "annotations": [], "categories": []}, "lacks the lists"),
    "a category that is not listed": ("coco", coco(9), "category 9, which is not listed"),
    "nothing": ("coco", "", "cannot be read"),
    "deep nesting": ("label-studio", "[" * 100_000, "cannot be read"),
}


@pytest.mark.parametrize("case", list(HOSTILE))
def test_what_is_no_such_file_is_refused(case, tmp_path):
    kind, value, message = HOSTILE[case]
    path = tmp_path / "file"
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        import_decisions(kind, path, GIVEN, NAMES, CLASSES)
    with pytest.raises(InputError, match="cannot be read"):
        import_decisions(kind, tmp_path / "missing", GIVEN, NAMES, CLASSES)


@pytest.mark.parametrize("kind", FORMATS)
def test_what_is_suggested_comes_back_as_the_changes(exported, small_archive, tmp_path, kind):
    audit, content = exported(kind)
    names, classes = names_of(audit, small_archive), small_archive.class_names
    hostile = classes[1]
    path = tmp_path / "file"
    if kind == "label-studio":
        tasks = json.loads(content)
        tasks[0]["annotations"] = [{"result": tasks[0]["predictions"][0]["result"]}]
        content = json.dumps(tasks).encode()
    elif kind == "cvat":
        root = ElementTree.fromstring(content)
        root.find("image")[0].set("label", hostile)
        content = ElementTree.tostring(root)
    elif kind == "coco":
        document = json.loads(content)
        document["annotations"][0]["category_id"] = 2
        content = json.dumps(document).encode()
    else:
        document = json.loads(content)
        document["labels"][names[0]][0]["label"] = 1
        content = json.dumps(document).encode()
    path.write_bytes(content)
    found = import_decisions(kind, path, audit.given, names, classes)
    assert {pair for pair, word in found.items() if word == "accept"} == {(0, 0), (0, 1)}


def table(archive, header, line):
    return "\n".join([header, *(line(i, name) for i, name in enumerate(archive.names))]) + "\n"


@pytest.mark.parametrize("kind", ["flags", "names"])
def test_a_corrected_table_keeps_the_rows_and_columns_of_the_original(small_archive, tmp_path, kind):
    classes, labels = small_archive.class_names, small_archive.scene_labels
    path = tmp_path / "original.csv"

    def line(i, name):
        cells = ["yes" if one else "no" for one in labels[i]]
        cells = cells if kind == "flags" else ["|".join(classes[c] for c in np.flatnonzero(labels[i]))]
        return ",".join(f'"{cell}"' for cell in [f"{name}.tif", f"note {i}", *cells, str(i)])

    columns = [*classes] if kind == "flags" else ["labels"]
    header = ",".join(f'"{name}"' for name in ["file", "remark", *columns, "number"])
    other = '"other.tif","x","no","no","yes","9"\n' if kind == "flags" else ""
    path.write_text(table(small_archive, header, line) + other)
    options = TableOptions(label_columns=tuple(columns))
    corrected = labels.copy()
    corrected[0, 1] = 1 - corrected[0, 1]
    content, unused = original_table(small_archive, corrected, path, options)
    before, after = (text.replace('"', "").splitlines() for text in (path.read_text(), content.decode()))
    assert unused == (kind == "flags")
    splits = split_names(small_archive)
    assert after[0] == before[0] + ",split"
    for i, (old, new) in enumerate(zip(before[1 : len(labels) + 1], after[1:], strict=False)):
        assert (new == f"{old},{splits[i]}") == (i != 0)
    again = tmp_path / "corrected.csv"
    again.write_bytes(content)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert original_table(small_archive, corrected, path, options)[0] == content.replace(b"\n", b"\r\n")
    assert original_table(small_archive, labels, path, options)[0] != content
    with pytest.raises(InputError, match="is not the label that was audited"):
        original_table(small_archive, labels, again, options)


def test_a_table_of_other_images_is_refused(small_archive, tmp_path):
    path = tmp_path / "original.csv"
    path.write_text("file,labels\nx,water\ny,water\n")
    with pytest.raises(InputError, match="no row of its own for 40 images"):
        original_table(
            small_archive, small_archive.scene_labels, path, TableOptions(label_columns=("labels",))
        )


def test_the_first_of_the_list_come_first(small_audit, small_archive):
    audit = small_audit()
    suspects = rank_labels(audit.given, audit.scores).first(5)
    tasks = json.loads(export_suspects("label-studio", audit, small_archive, suspects))
    scores = [task["predictions"][0]["score"] for task in tasks]
    assert scores == sorted(scores, reverse=True)
    assert sum(len(task["data"]["suspects"]) for task in tasks) == 5


@pytest.mark.parametrize("name", ["tile.v2", "tile.v2.png", "b/tile.v3"])
def test_a_name_with_a_dot_is_not_taken_for_another_one(name):
    places = ImageNames("labels.json", ["tile.v1", "field.png"])
    assert places.candidates("tile.v1.png") == places.candidates("images/tile.v1.tif") == {0}
    assert places.candidates("field") == {1}
    with pytest.raises(InputError, match=r"there is no image .* Did you mean 'tile.v1'"):
        places.find(name)
