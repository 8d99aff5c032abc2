"""Audits of others, decisions about them, files of annotation tools, and records that `gridbench.load` opens."""

from __future__ import annotations

import json

import numpy as np
import pytest
import sandbox
from inputs import NO_FILES, OSC, bomb, npz, write_record

import gridbench
from gridbench.datasets.open import open_archive
from gridbench.errors import InputError

CLASSES, COUNT, SIDE = 5, 48, 16


@pytest.fixture
def audit(tmp_path, cache):
    """Write an audit of the archive `stripes`, of its labels or its maps; `changes` replaces arrays or removes them."""
    archive = open_archive("stripes", cache)

    def write(maps=False, document=None, **changes):
        positions = archive.indices("train")
        labels = np.array(archive.scene_labels)[positions]
        arrays = {
            "positions": positions,
            "given": labels,
            "probabilities": np.full(labels.shape, 0.5),
            "scores": np.full(labels.shape, 0.5),
        }
        if maps:
            arrays = {
                "positions": positions,
                "given": np.array(archive.label_maps)[positions],
                "images": np.array([0, 1]),
                "facts": np.array([[0, 0, 1, 0, 0, 2], [1, 1, 2, 0, 0, 1]]),
                "evidence": np.array([1.0, 0.5]),
                "pixels": np.array([0, 1, 2]),
                "becomes": np.array([1, 1, 2], dtype=np.uint8),
                "scores": np.array([0.9, 0.8]),
            }
        arrays = {name: value for name, value in {**arrays, **changes}.items() if value is not None}
        folder = tmp_path / "a"
        folder.mkdir()
        (folder / ("regions.npz" if maps else "labels.npz")).write_bytes(npz(**arrays))
        content = {"schema": 3, "id": "abc", "dataset": "stripes", "fingerprint": archive.fingerprint}
        content |= {"expected": {"change": 1, "look": 2}, "level": "pixel" if maps else "scene"}
        (folder / "audit.json").write_text(json.dumps(content | (document or {})))

    return write


FLAGS = np.zeros((COUNT, CLASSES), dtype=np.uint8)
WRONG_LABELS = {
    "an image that there is not": {"positions": np.arange(1000, 1000 + COUNT)},
    "an image before the first": {"positions": np.arange(-COUNT, 0)},
    "an image twice": {"positions": np.zeros(COUNT, dtype=int)},
    "positions of no number": {"positions": np.full(COUNT, np.nan)},
    "positions in rows": {"positions": np.zeros((COUNT, 1), dtype=int)},
    "no image": {"positions": np.zeros(0, dtype=int)},
    "words for positions": {"positions": np.array(["x"] * COUNT)},
    "labels of two": {"given": FLAGS + 2},
    "labels of another archive": {"given": FLAGS[:, :2]},
    "labels of halves": {"given": FLAGS + 0.5},
    "labels of one image": {"given": FLAGS[0]},
    "scores above one": {"scores": FLAGS + 1.5},
    "scores of no number": {"scores": FLAGS + np.nan},
    "complex scores": {"scores": FLAGS + 1j},
    "no scores": {"scores": None},
    "scores without images": {"scores": np.zeros((0, CLASSES))},
    "earlier labels of another shape": {"before": FLAGS[:1]},
    "no expectation": {"document": {"expected": None}},
    "an expectation of words": {"document": {"expected": {"change": OSC, "look": OSC}}},
    "an expectation without end": {"document": {"expected": {"change": 10**30, "look": 10**30}}},
    "a fingerprint that is none": {"document": {"fingerprint": {OSC: 1}}},
}
WRONG_MAPS = {
    "pixels outside": {"pixels": np.array([0, 1, SIDE * SIDE])},
    "pixels before": {"pixels": np.array([-1, 1, 2])},
    "fewer pixels": {"pixels": np.array([0])},
    "a count of pixels without end": {"facts": np.array([[0, 0, 1, 0, 0, 2**62]] * 2)},
    "a negative count": {"facts": np.array([[0, 0, 1, 0, 0, 5], [1, 1, 2, 0, 0, -2]])},
    "a kind that there is not": {"facts": np.array([[9, 0, 1, 0, 0, 2], [1, 1, 2, 0, 0, 1]])},
    "a class that there is not": {"facts": np.array([[0, 0, 77, 0, 0, 2], [1, 1, 2, 0, 0, 1]])},
    "facts of a few numbers": {"facts": np.zeros((2, 2), dtype=int)},
    "facts of fractions": {"facts": np.full((2, 6), 0.5)},
    "an image that was not audited": {"images": np.array([0, 99])},
    "classes that there are not": {"becomes": np.array([1, 1, 200], dtype=np.uint8)},
    "maps of another size": {"given": np.zeros((COUNT, 1, 1), dtype=np.uint8)},
    "maps of numbers": {"given": np.zeros((COUNT, SIDE, SIDE))},
    "scores of others": {"scores": np.zeros(3)},
    "no evidence": {"evidence": None},
}


@pytest.mark.parametrize("command", ["apply", "export"])
@pytest.mark.parametrize("kind", [*WRONG_LABELS, *WRONG_MAPS])
def test_an_audit_whose_numbers_do_not_fit_is_refused(check, tmp_path, audit, kind, command):
    audit(kind in WRONG_MAPS, **{**WRONG_LABELS, **WRONG_MAPS}[kind])
    words = ["apply", "a", "--top", "1"] if command == "apply" else ["export", "a", "--format", "coco"]
    words = [word.replace("coco", "geojson") for word in words] if kind in WRONG_MAPS else words
    check("audit", *words, "--out", "o")
    assert not (tmp_path / "o").exists()


HEAD = "sample,label,decision\n"
TABLES = {
    "nothing": "",
    "a header alone": HEAD,
    "lines without cells": HEAD + "\n" * 1000,
    "a short row": HEAD + "image000\n",
    "a long row": HEAD + "image000,class 0,accept,1,2,3\n",
    "a header twice": "sample,sample,decision\n" + "image000,class 0,accept\n",
    "an unknown image": HEAD + f"{OSC},class 0,accept\n",
    "an image of another split": HEAD + "image003,class 0,accept\n",
    "an unknown class": HEAD + f"image000,{OSC},accept\n",
    "an unknown decision": HEAD + "image000,class 0,=cmd|' /C calc'!A0\n",
    "a decision in capitals": HEAD + "image000,class 0,ACCEPT\n",
    "a zero byte": HEAD + "image000,class 0,acc\0ept\n",
    "a cell of 200,000": HEAD + "x" * 200_000 + ",class 0,accept\n",
    "an open quote": HEAD + '"image000,class 0,accept\n',
    "a million columns": "sample,label,decision" + ",x" * 10**6 + "\n",
    "a way out": HEAD + "../../precious/notes.json,class 0,accept\n",
}
JSONS = {
    "nothing": "",
    "null": "null",
    "a list": "[]",
    "no decision": '{"decisions": []}',
    "decisions of null": '{"decisions": null}',
    "decisions of numbers": '{"decisions": [1, 2]}',
    "decisions of lists": '{"decisions": [{"sample": ["image000"], "label": {}, "decision": null}]}',
    "nested decisions": '{"decisions": [{"sample": {"a": ' + "[" * 50 + "]" * 50 + "}}]}",
    "a hundred thousand levels": '{"decisions": ' + "[" * 100_000,
    "millions of lists": '{"decisions": [' + "[]," * 2_000_000 + "[]]}",
    "a surrogate": r'{"decisions": [{"sample": "\ud800", "label": "class 0", "decision": "accept"}]}',
}


@pytest.mark.parametrize("maps", [False, True], ids=["labels", "maps"])
@pytest.mark.parametrize("kind", TABLES)
def test_decisions_that_are_none_are_refused(check, tmp_path, audit, kind, maps):
    audit(maps)
    (tmp_path / "d.csv").write_text(TABLES[kind], encoding="utf-8")
    check("audit", "apply", "a", "--decisions", "d.csv", "--out", "o")
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("kind", JSONS)
def test_decisions_in_json_that_are_none_are_refused(check, tmp_path, audit, kind):
    audit()
    (tmp_path / "d.json").write_text(JSONS[kind], encoding="utf-8")
    check("audit", "apply", "a", "--decisions", "d.json", "--out", "o")
    assert not (tmp_path / "o").exists()


def xml(inside: str, head: str = "<?xml version='1.0'?>") -> bytes:
    return f"{head}<annotations><version>1.1</version>{inside}</annotations>".encode()


IMAGE = '<image id="0" name="image000" width="16" height="16">{}</image>'
ENTITIES = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
LAUGHS = f'<!DOCTYPE a [<!ENTITY e0 "lol">{ENTITIES}]>'
CVATS = {
    "nothing": b"",
    "no image": xml(""),
    "laughs": xml(IMAGE.format("&e11;"), LAUGHS),
    "laughs in UTF-16": ("\ufeff" + LAUGHS + IMAGE).encode("utf-16-le"),
    "laughs in EBCDIC": b"<?xml version='1.0' encoding='cp037'?>" + (LAUGHS + "<annotations/>").encode("cp037"),
    "a file": xml(IMAGE.format("&x;"), '<!DOCTYPE a [<!ENTITY x SYSTEM "/etc/passwd">]>'),
    "a network": xml(IMAGE.format("&x;"), '<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd">'),
    "an inclusion": xml('<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/passwd"/>'),
    "a hundred thousand levels": xml("<a>" * 100_000 + "</a>" * 100_000),
    "a million images": xml('<image name="x"/>' * 3_000_000),
    "attributes without end": xml("<image " + " ".join(f'a{i}=""' for i in range(10**6)) + "/>"),
    "an image twice": xml(IMAGE.format("") * 2),
    "an unknown image": xml(IMAGE.replace("image000", "nobody").format("")),
    "an unknown class": xml(IMAGE.format(f'<tag label="{"x" * 9000}"/>')),
    "infinite order": xml(IMAGE.format('<box label="class 0" z_order="inf" xtl="0" ytl="0" xbr="1" ybr="1"/>')),
    "a box of no number": xml(IMAGE.format('<box label="class 0" xtl="nan" ytl="0" xbr="1" ybr="1"/>')),
    "a mask without end": xml(IMAGE.format('<mask label="x" rle="1" width="1e9" height="1e9" left="0" top="0"/>')),
    "a polygon of words": xml(IMAGE.format('<polygon label="class 0" points="a,b;c,d;e,f"/>')),
    "text that is not text": b"<annotations>\xff\xfe</annotations>",
}  # fmt: skip


def coco(**changes: object) -> bytes:
    document: dict[str, object] = {
        "categories": [{"id": 1, "name": "class 0"}],
        "images": [{"id": 1, "file_name": "image000"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1}],
    }
    return json.dumps(document | changes).encode()


def drawn(**shape: object) -> bytes:
    return coco(annotations=[{"id": 1, "image_id": 1, "category_id": 1, **shape}])


COCOS = {
    "nothing": b"",
    "null": b"null",
    "lists of null": coco(images=[None]),
    "no image": coco(images=[], annotations=[]),
    "an image twice": coco(images=[{"id": 1, "file_name": "image000"}] * 2),
    "an unknown image": coco(images=[{"id": 1, "file_name": "../../precious"}]),
    "an unknown class": coco(categories=[{"id": 1, "name": OSC}]),
    "names of numbers": coco(images=[{"id": 1, "file_name": 7}]),
    "a truth for a number": coco(images=[{"id": True, "file_name": "image000"}]),
    "an annotation of nothing": coco(annotations=[{"id": 1, "image_id": 9, "category_id": 1}]),
    "runs without end": drawn(segmentation={"size": [16, 16], "counts": "o" * 5_000_000}),
    "runs of another size": drawn(segmentation={"size": [1e300, 1e300], "counts": [1e300]}),
    "an infinite size": coco(images=[{"id": 1, "file_name": "image000", "height": 1e999, "width": 1}]),
    "an infinite box": drawn(bbox=[0, 0, float("inf"), 1]).replace(b'"id": 1, "name"', b'"id": 2, "name"'),
    "a box of no number": drawn(segmentation=[[float("nan")] * 6]).replace(b"class 0", b"class 9"),
    "millions of lists": coco(annotations=0).replace(b"0}", b"[" + b"[]," * 2_000_000 + b"[]]}"),
    "a hundred levels": drawn(segmentation={"a": [[[[[]]]]]}).replace(b"[[[[[]]]]]", b"[" * 99 + b"]" * 99),
}
FIFTYONES = {
    "nothing": b"",
    "no labels": b"{}",
    "labels of null": b'{"labels": null}',
    "no image": b'{"labels": {}}',
    "an unknown image": b'{"labels": {"nobody": null}}',
    "a class by a wrong number": b'{"classes": ["class 0"], "labels": {"image000": 9}}',
    "a class before the first": b'{"classes": ["class 0"], "labels": {"image000": -1}}',
    "a class of a fraction": b'{"classes": ["class 0"], "labels": {"image000": 0.5}}',
    "classes that are none": b'{"classes": [[]], "labels": {"image000": 0}}',
    "nested labels": b'{"labels": {"image000": [[["class 0"]]]}}',
    "words": json.dumps({"labels": {"image000": OSC}}).encode(),
    "a name twice": b'{"labels": {"image000": null, "image000.png": null}}',
}
STUDIOS = {
    "nothing": b"",
    "an object": b"{}",
    "no task": b"[]",
    "tasks of null": b"[null]",
    "a task without an image": b'[{"data": {}}]',
    "an unknown image": b'[{"data": {"name": "nobody"}, "annotations": [{"result": []}]}]',
    "an image twice": json.dumps([{"data": {"name": "image000"}, "annotations": [{"result": []}]}] * 2).encode(),
    "annotations of words": b'[{"data": {"name": "image000"}, "annotations": "x"}]',
    "results of words": b'[{"data": {"name": "image000"}, "annotations": [{"result": "x"}]}]',
    "choices of numbers": b'[{"data": {"name": "image000"}, "labels": [1]}]',
    "choices of lists": b'[{"data": {"name": "image000"}, "labels": {"choices": [["class 0"]]}}]',
    "unknown choices": json.dumps([{"data": {"name": "image000"}, "labels": OSC}]).encode(),
    "nobody has submitted": b'[{"data": {"name": "image000"}, "annotations": [{"was_cancelled": true}]}]',
    "a name that is a list": b'[{"data": {"name": ["image000"]}}]',
}  # fmt: skip
FORMATS = {"cvat": CVATS, "coco": COCOS, "fiftyone": FIFTYONES, "label-studio": STUDIOS}


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, files in FORMATS.items() for name in files]
)
def test_a_file_of_an_annotation_tool_that_is_none_is_refused(check, tmp_path, audit, kind, name):
    audit()
    (tmp_path / "d").write_bytes(FORMATS[kind][name])
    check("audit", "apply", "a", "--decisions", "d", "--from", kind, "--out", "o")
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("name", NO_FILES)
@pytest.mark.parametrize("kind", [*FORMATS, "page"])
def test_decisions_that_are_no_file_are_refused(check, tmp_path, audit, kind, name):
    audit()
    NO_FILES[name](tmp_path / "d")
    check("audit", "apply", "a", "--decisions", "d", "--from", kind, "--out", "o")


LABELS = {f"{kind}: {name}": content for kind in ("cvat", "coco") for name, content in FORMATS[kind].items()}


@pytest.mark.parametrize("name", LABELS)
def test_an_archive_of_such_annotations_is_refused(check, tmp_path, name):
    from PIL import Image

    Image.new("RGB", (16, 16)).save(tmp_path / "image000.png")
    path = tmp_path / ("labels.xml" if name.startswith("cvat") else "labels.json")
    path.write_bytes(LABELS[name])
    check("data", "prepare", "folder", "--data", ".", "--labels", path.name, "--name", "n", "--cache", "c")


@pytest.mark.parametrize(
    "target", ["fifo", "null", "link", "readonly", "folder", "mine", "/proc/x", "nowhere/o"]
)
@pytest.mark.parametrize("kind", ["geojson", "gpkg", "cvat", "coco"])
def test_a_target_of_an_export_that_is_none_is_refused(check, tmp_path, audit, kind, target):
    audit(kind in ("geojson", "gpkg"))
    if target == "fifo":
        NO_FILES["fifo"](tmp_path / target)
    elif target in ("null", "link"):
        (tmp_path / target).symlink_to("/dev/null" if target == "null" else "precious/notes.json")
    elif target in ("readonly", "mine"):
        (tmp_path / target).write_text("mine")
        (tmp_path / target).chmod(0o444 if target == "readonly" else 0o644)
    elif target == "folder":
        (tmp_path / target).mkdir()
    check("audit", "export", "a", "--format", kind, "--out", target)
    assert not (tmp_path / "mine").exists() or (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("target", ["masks", "classes.csv", "images", "."])
@pytest.mark.parametrize("kind", ["a link", "a fifo", "a file"])
def test_a_target_of_corrected_masks_that_is_none_is_refused(check, tmp_path, audit, kind, target):
    audit(maps=True)
    (tmp_path / "d.csv").write_text("sample,finding,decision\nimage000,1,accept\n")
    place = tmp_path / "o" if target == "." else tmp_path / "o" / target
    place.parent.mkdir(exist_ok=True)
    if kind == "a link":
        place.symlink_to(tmp_path / "precious")
    elif kind == "a fifo":
        NO_FILES["fifo"](place)
    else:
        place.write_text("mine")
    check("audit", "apply", "a", "--decisions", "d.csv", "--images", "--out", "o")
    assert kind != "a file" or place.read_text() == "mine"


def loaded(folder, tmp_path):
    """Call everything of a loaded run that reads a file of it, in the sandbox; return what it says."""

    def use(words):
        try:
            run = gridbench.load(words[0])
            print(repr(run))
            for use in (run.history, run.noise, run.retrieval, run.detection, run.environment):
                use() if callable(use) else None
            run.descriptors("test"), run.predictions("test"), run.model()
        except (InputError, ValueError, OSError) as error:
            print(f"Refused: {error}".encode("unicode_escape").decode())

    before, sandbox.main = sandbox.main, use
    try:
        return sandbox.call([str(folder)], tmp_path)
    finally:
        sandbox.main = before


BOMB = bomb("test.npy", 300)
DAMAGED = {
    "retrieval.npz": [b"", b"PK", BOMB, npz(a=np.array([{}], dtype=object)), npz(a=np.zeros(0))],
    "descriptors.npz": [b"", BOMB, npz(test=np.array(["x"])), npz(test=np.full((2, 2), np.nan))],
    "predictions.npz": [b"", BOMB, npz(test=np.array([object()], dtype=object))],
    "history.json": [b"", b"null", b"[1]", b"{}", b"[" * 10**5, b"[" + b"{}," * 10**6 + b"{}]"],
    "environment.json": [b"", b"[]", b'{"machine": 1}'],
    "noise.json": [b"", b"[]", b"\xff"],
    "weights.safetensors": [b"", b"x" * 100, (2**60).to_bytes(8, "little") + b"{}"],
    "result.json": [b"", b"[]", b"{}", b'{"metrics": {}}'],
    "config.json": [b"", b"[]", b"{}", b'{"config": {}}'],
    "done": [b"", b"[]", b'{"files": []}', b'{"files": {"result.json": 1}}'],
}


@pytest.mark.parametrize(
    ("name", "at"), [(name, at) for name, all_ in DAMAGED.items() for at in range(len(all_))]
)
def test_a_damaged_run_is_refused_when_it_is_loaded(tmp_path, name, at):
    folder = write_record(tmp_path / "runs", seed=1)
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_bytes(DAMAGED[name][at])
    check_answer(loaded(folder, tmp_path))


@pytest.mark.parametrize("kind", NO_FILES)
@pytest.mark.parametrize(
    "name", ["", "done", "config.json", "result.json", "retrieval.npz", "descriptors.npz"]
)
def test_a_run_of_files_that_are_none_is_refused_when_it_is_loaded(tmp_path, name, kind):
    folder = write_record(tmp_path / "runs", seed=1)
    if name:
        (folder / name).unlink(missing_ok=True)
        NO_FILES[kind](folder / name)
    else:
        folder = tmp_path / "x"
        NO_FILES[kind](folder)
    check_answer(loaded(folder, tmp_path))


def check_answer(answer):
    assert answer.code == 0, answer
    assert "Refused: " in answer.text, answer
    assert answer.seconds < 6, answer
    assert answer.memory < sandbox.MOST_MEMORY, answer
