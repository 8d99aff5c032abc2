"""Where tables of labels are found, which is read, and several tables together."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gridbench.datasets.readers.folder.folder import plan_folder
from gridbench.datasets.readers.folder.options import FolderOptions
from gridbench.datasets.readers.prepare import prepare
from gridbench.errors import InputError

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
COUNTS = {"train": 3, "validation": 1, "test": 2}
WORDS = ("water", "trees", "sand")


def picture(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), value, np.uint8)).save(path)


def plan(root, **options):
    return plan_folder(root, FolderOptions(**options))


def labels_of(root, tmp_path, **options):
    archive = prepare(plan(root, **options), tmp_path / "cache", "mine")
    rows = zip(archive.names, archive.scene_labels, strict=True)
    return {name: {archive.class_names[c] for c in np.flatnonzero(row)} for name, row in rows}


def write_csv(folder, rows):
    pd.DataFrame(rows).to_csv(folder / "metadata.csv", index=False)


def write_jsonl(folder, rows):
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_parquet(folder, rows):
    pd.DataFrame(rows).to_parquet(folder / "metadata.parquet")


WRITERS = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}


def hugging_face(root, write, row, below=""):
    """Write images 0.png, 1.png, ... of each split and what `row` returns of the number of each as its metadata."""
    for split, count in COUNTS.items():
        for i in range(count):
            picture(root / split / below / f"{i}.png", i)
        write(root / split, [{"file_name": f"{below}{i}.png", **row(i)} for i in range(count)])
    return root


def several(i):
    return {"labels": [WORDS[i], WORDS[i - 1]]}


FORMS = {
    "names": (lambda i: {"label": WORDS[i], "text": f"picture {i}"}, lambda i: {WORDS[i]}),
    "numbers": (lambda i: {"label": i}, lambda i: {str(i)}),
    "columns": (
        lambda i: {word: int(i in (c, c - 1)) for c, word in enumerate((*WORDS, "rock"))},
        lambda i: {(*WORDS, "rock")[c] for c in (i, i + 1)},
    ),
}


@pytest.mark.parametrize("below", ["", "files/of/2024/"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", WRITERS)
def test_metadata_of_hugging_face_lie_beside_the_images_of_each_split(tmp_path, kind, form, below):
    row, labels = FORMS[form]
    hugging_face(tmp_path / "own", WRITERS[kind], row, below)
    found = labels_of(tmp_path / "own", tmp_path)
    assert found == {f"{split}/{below}{i}": labels(i) for split, n in COUNTS.items() for i in range(n)}
    archive = prepare(plan(tmp_path / "own"), tmp_path / "cache", "mine")
    assert [len(archive.indices(split)) for split in ("train", "val", "test")] == [*COUNTS.values()]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_metadata_may_list_several_labels_of_an_image(tmp_path, kind):
    found = labels_of(hugging_face(tmp_path / "own", WRITERS[kind], several), tmp_path)
    assert found["train/1"] == {"water", "trees"}
    assert found["test/0"] == {"water", "sand"}


def test_images_without_metadata_are_left_out_and_counted(tmp_path):
    root = hugging_face(tmp_path / "own", write_csv, lambda i: {"label": WORDS[i]})
    (root / "validation/metadata.csv").unlink()
    picture(root / "train/9.png")
    notes = plan(root).report["notes"]
    assert "2 images without labels, left out: train/9, validation/0" in notes


def test_one_table_of_metadata_may_be_about_all_splits(tmp_path):
    root = hugging_face(tmp_path / "own", lambda folder, rows: None, several)
    write_jsonl(
        root, [{"file_name": f"{s}/{i}.png", **several(i)} for s, n in COUNTS.items() for i in range(n)]
    )
    found = labels_of(root, tmp_path)
    assert found["train/1"] == {"water", "trees"}
    assert len(found) == 6


def test_metadata_come_before_folders_that_may_be_classes(tmp_path):
    """Hugging Face's reader takes no labels from folders either where there are metadata."""
    for i, name in enumerate(["east/0", "east/1", "west/2"]):
        picture(tmp_path / "own/train" / f"{name}.png", i)
    rows = [{"file_name": "east/0.png"}, {"file_name": "east/1.png"}, {"file_name": "west/2.png"}]
    write_csv(tmp_path / "own/train", [{**row, "label": WORDS[i % 2]} for i, row in enumerate(rows)])
    assert labels_of(tmp_path / "own", tmp_path) == {
        "train/east/0": {"water"},
        "train/east/1": {"trees"},
        "train/west/2": {"water"},
    }
    write_csv(tmp_path / "own/train", [{**row, "text": f"view {i}"} for i, row in enumerate(rows)])
    with pytest.raises(InputError, match=r"holds no labels: .*move metadata.csv elsewhere"):
        plan(tmp_path / "own")
    write_csv(tmp_path / "own/train", [{"id": i, "label": WORDS[i]} for i in range(3)])
    assert plan(tmp_path / "own").layout.class_names == ("east", "west")


def test_metadata_beside_masks_are_not_read_unless_they_are_named(tmp_path):
    (tmp_path / "classes.txt").write_text("sea\nland\n")
    for i in range(4):
        picture(tmp_path / "images" / f"{i}.png", i)
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8), i % 2, np.uint8)).save(tmp_path / "masks" / f"{i}.png")
    write_csv(tmp_path, [{"file_name": f"{i}.png", "label": "land"} for i in range(4)])
    found = plan(tmp_path)
    assert "1 file of labels, not read: metadata.csv" in found.report["notes"]
    assert any(
        "labels: metadata.csv" in line
        for line in plan(tmp_path, labels=tmp_path / "metadata.csv").report["reading"]
    )


@pytest.mark.parametrize(
    "folders",
    [
        ["images"],
        ["train2024", "test2024"],
        ["train/a", "train/b", "test/a"],
        ["train/images", "test/images"],
        ["a/b"],
    ],
)
def test_metadata_lie_beside_the_images_in_folders_of_any_name(tmp_path, folders):
    rows = [{"file_name": f"{i}.png", "label": word} for i, word in enumerate(WORDS)]
    for folder in folders:
        for i in range(3):
            picture(tmp_path / "own" / folder / f"{i}.png", i)
        write_jsonl(tmp_path / "own" / folder, rows)
    found = labels_of(tmp_path / "own", tmp_path)
    assert sorted((PurePosixPath(key).name, *labels) for key, labels in found.items()) == sorted(
        [(str(i), word) for i, word in enumerate(WORDS)] * len(folders)
    )
    archive = prepare(plan(tmp_path / "own"), tmp_path / "cache", "mine")
    if len(folders) > 1:
        split = {
            word: {archive.names[i][: len(word)] for i in archive.indices(word)} for word in ("train", "test")
        }
        assert split == {"train": {"train"}, "test": {"test"}}


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_objects_of_metadata_are_refused(tmp_path, kind):
    root = hugging_face(
        tmp_path, WRITERS[kind], lambda i: {"objects": {"bbox": [[1, 2, 3, 4]], "categories": [i]}}
    )
    with pytest.raises(InputError, match=r"column 'objects': .* holds objects.*column `labels`.*COCO"):
        plan(root)
    hugging_face(tmp_path, WRITERS[kind], lambda i: {"objects": {"bbox": [[1, 2, 3, 4]]}, "label": WORDS[i]})
    assert plan(root).layout.class_names == ("sand", "trees", "water")


def test_tables_that_are_not_read_are_named(tmp_path):
    root = hugging_face(tmp_path, write_csv, lambda i: {"label": WORDS[i]})
    write_jsonl(root / "test", [{"file_name": "0.png", "label": "sand"}])
    (root / "train/labels.csv").write_text("file,label\n0.png,water\n1.png,trees\n2.png,sand\n")
    notes = plan(root).report["notes"]
    assert "2 files of labels, not read: test/metadata.jsonl, train/metadata.csv" in notes


@pytest.mark.parametrize(
    ("one", "two", "other", "message"),
    [
        ("water", "trees", "Water", "differ in case or blanks only"),
        ("1", "7", "01", "are the same number"),
        ("water", "trees", "water+trees", "may be one class or the labels water, trees"),
    ],
)
def test_names_of_two_tables_are_compared_as_those_of_one(tmp_path, one, two, other, message):
    for split, name, second in (("train", one, two), ("test", other, other)):
        picture(tmp_path / split / f"{split}0.png")
        picture(tmp_path / split / f"{split}1.png")
        text = f"file,label\n{split}0.png,{name}\n{split}1.png,{second}\n"
        (tmp_path / split / "labels.csv").write_text(text)
    with pytest.raises(InputError, match=message) as error:
        plan(tmp_path)
    assert str(tmp_path / "test/labels.csv") in str(error.value)


def test_a_file_that_names_no_image_is_not_proposed_as_the_table(tmp_path):
    picture(tmp_path / "images/a.png")
    (tmp_path / "README.roboflow.txt").write_text("exported\nby somebody\n")
    with pytest.raises(InputError) as error:
        plan(tmp_path)
    assert "--labels FILE" in str(error.value)
    assert "README" not in str(error.value)
    (tmp_path / "truth.csv").write_text("f,c\na.png,water\n")
    with pytest.raises(InputError, match=r"There is truth.csv: .* --labels .*truth.csv"):
        plan(tmp_path)


def test_a_table_that_is_no_file_is_named(tmp_path):
    picture(tmp_path / "images/a.png")
    (tmp_path / "labels.csv").mkdir()
    with pytest.raises(InputError, match=r"labels.csv is there, but is not a regular file"):
        plan(tmp_path)


@pytest.mark.parametrize("name", ["labels.csv", "labels.json", "labels.xlsx", *METADATA])
def test_pointers_of_git_lfs_are_called_so(tmp_path, name):
    picture(tmp_path / "images/a.png")
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    with pytest.raises(InputError, match=r"is a pointer of Git LFS.*`git lfs pull`"):
        plan(tmp_path)


def test_a_broken_line_of_metadata_is_counted(tmp_path):
    root = hugging_face(tmp_path, write_jsonl, lambda i: {"label": WORDS[i]})
    with (root / "train/metadata.jsonl").open("a") as file:
        file.write('{"file_name": "9.png", label}\n')
    with pytest.raises(InputError, match=r"train/metadata.jsonl is not JSON: .* line 4 column"):
        plan(root)


def test_the_folder_that_holds_the_splits_is_named(tmp_path):
    hugging_face(tmp_path / "data", write_csv, lambda i: {"label": WORDS[i]})
    with pytest.raises(InputError, match=r"There are labels or splits in .*--data .*data"):
        plan(tmp_path)


def splits_of(root, cells):
    """Write images and a `labels.csv` for each split with the rows that a split's cells give, behind their header."""
    for split, (header, *labels) in cells.items():
        for i in range(len(labels)):
            picture(root / split / "images" / f"{split}{i}.png", i)
        lines = [header, *(f"{split}{i}.png,{label}" for i, label in enumerate(labels))]
        (root / split / "labels.csv").write_text("\n".join(lines))
    return root


NAMED, NUMBERED = ["file,label", "water", "trees"], ["file,label", "0", "1"]


@pytest.mark.parametrize(("train", "test"), [(NAMED, NUMBERED), (NUMBERED, NAMED)])
def test_numbers_in_one_split_and_names_in_another_need_a_table_of_the_classes(tmp_path, train, test):
    root = splits_of(tmp_path / "mine", {"train": train, "test": test})
    message = "is a number and .* a name.*--classes FILE.*columns value and name"
    with pytest.raises(InputError, match=message):
        plan(root)
    (tmp_path / "classes.csv").write_text("value,name\n0,water\n1,trees\n")
    labels = labels_of(root, tmp_path, classes=tmp_path / "classes.csv")
    assert labels == {f"{s}/{s}{i}": {("water", "trees")[i]} for s in ("train", "test") for i in (0, 1)}


def test_numbers_among_names_are_refused_in_a_table_and_among_folders(tmp_path):
    for i in range(4):
        picture(tmp_path / "one" / "images" / f"{i}.png", i)
        picture(tmp_path / "two" / ["0", "water"][i % 2] / f"{i}.png", i)
    (tmp_path / "one" / "labels.csv").write_text("file,label\n0.png,sea\n1.png,2\n2.png,sea\n3.png,2\n")
    with pytest.raises(InputError, match=r"row 3, column 'label': '2' is a number and 'sea' .*row 2"):
        plan(tmp_path / "one")
    assert labels_of(tmp_path / "one", tmp_path, separator="none")["1"] == {"2"}
    with pytest.raises(InputError, match="'0' is a number and 'water'"):
        plan(tmp_path / "two")


@pytest.mark.parametrize(
    ("column", "rows"),
    [("split", ["water,test", "trees,train"]), ("group", ["water,1", "trees,2"])],
)
def test_a_column_of_the_split_or_of_groups_in_one_table_of_two_is_refused(tmp_path, column, rows):
    cells = {"train": NAMED, "test": [f"file,label,{column}", *rows]}
    root = splits_of(tmp_path / "mine", cells)
    with pytest.raises(
        InputError, match=f"test/labels.csv has a column that gives the {column}, and .*train"
    ):
        plan(root)


def test_a_comment_above_metadata_is_refused_and_not_passed_over(tmp_path):
    root = hugging_face(tmp_path / "mine", write_csv, lambda i: {"label": WORDS[i]})
    for path in root.glob("*/metadata.csv"):
        path.write_text(f"# made by a tool\n{path.read_text()}")
    with pytest.raises(InputError, match=r"begins with '# made by a tool'.*'file_name, label'"):
        plan(root)


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ("holdout/a/9.png", "Folders of splits are test, train, and 'holdout' is none"),
        ("test/9.png", r"Images lie at different depths \(test/9.png and .*\)"),
        ("9.png", r"Images lie at different depths \(9.png and "),
    ],
)
def test_images_outside_of_folders_of_classes_are_named(tmp_path, odd, message):
    for i in range(8):
        picture(tmp_path / ["train", "test"][i % 2] / ["a", "b"][i // 4] / f"{i}.png", i)
    picture(tmp_path / odd)
    with pytest.raises(InputError, match=message):
        plan(tmp_path)


def test_folders_that_may_be_splits_of_another_name_are_told(tmp_path):
    for i in range(4):
        path = tmp_path / ["train_set", "test_set"][i % 2] / "ab"[i // 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (i, i, i)).save(path)
    with pytest.raises(InputError, match=r"two folders deep .*call them train, val and test"):
        plan_folder(tmp_path, FolderOptions())
