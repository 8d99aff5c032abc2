"""Images inside Parquet files and arrays, with labels beside them; nothing is unpickled."""

from __future__ import annotations

import io
import json
import pickle
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image

from gridbench.cli import cli
from gridbench.datasets.open import open_archive
from gridbench.datasets.readers.formats.arrays import ArrayOptions, plan_arrays
from gridbench.datasets.readers.formats.embedded import EmbeddedOptions
from gridbench.datasets.readers.formats.parquet_images import plan_parquet
from gridbench.datasets.readers.prepare import prepare
from gridbench.errors import InputError

NAMES = ["forest", "river", "road"]


def image(seed, size=8):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def encoded(seed, size=8):
    buffer = io.BytesIO()
    Image.fromarray(image(seed, size)).save(buffer, "png")
    return buffer.getvalue()


def write(path, columns, features=None, group=4):
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if features:
        noted = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": noted})
    pq.write_table(table, path, row_group_size=group)


CLASS = {"_type": "ClassLabel", "names": NAMES}
FORMS = {
    "one class": ({"label": [i % 3 for i in range(10)]}, {"label": CLASS}, lambda i: [NAMES[i % 3]]),
    "several classes": (
        {"labels": [[i % 3, 2] if i % 3 < 2 else [2] for i in range(10)]},
        {"labels": {"_type": "Sequence", "feature": CLASS}},
        lambda i: sorted({NAMES[i % 3], "road"}),
    ),
    "several classes as a list": (
        {"labels": [[i % 3, 2] if i % 3 < 2 else [2] for i in range(10)]},
        {"labels": [CLASS]},
        lambda i: sorted({NAMES[i % 3], "road"}),
    ),
    "lists of names": (
        {"labels": [[NAMES[i % 3], NAMES[1]] if i % 3 != 1 else [NAMES[1]] for i in range(10)]},
        None,
        lambda i: sorted({NAMES[i % 3], "river"}),
    ),
    "a column a class": (
        {name: [bool(i % 3 == c) for i in range(10)] for c, name in enumerate(NAMES)},
        None,
        lambda i: [NAMES[i % 3]],
    ),
}


def contents(archive):
    return {
        name: (
            sorted(archive.class_names[c] for c in np.flatnonzero(archive.scene_labels[i])),
            np.asarray(archive.groups[0].pixels[i]),
        )
        for i, name in enumerate(archive.names)
    }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("struct", [True, False])
def test_images_and_labels_of_parquet(tmp_path, form, struct):
    labels, features, expected = FORMS[form]
    images = [{"bytes": encoded(i), "path": f"p{i}.png"} if struct else encoded(i) for i in range(10)]
    write(tmp_path / "data" / "a.parquet", {"image": images, **labels}, features)
    plan = plan_parquet(tmp_path / "data", (), EmbeddedOptions())
    got = contents(prepare(plan, tmp_path / "cache", "x", 1))
    assert len(got) == 10
    for i in range(10):
        found, pixels = got[f"p{i}" if struct else f"a-{i // 4:03d}-{i % 4:05d}"]
        assert found == expected(i)
        np.testing.assert_array_equal(pixels, image(i).transpose(2, 0, 1))


def test_files_named_by_split_keep_it_and_a_bad_image_is_left_out(tmp_path):
    for split, start in (("train", 0), ("validation", 4), ("test", 8)):
        rows = [{"bytes": encoded(start + i), "path": None} for i in range(4)]
        if split == "train":
            rows[1]["bytes"] = b"<VRTDataset/>"
            rows[2]["bytes"] = None
        labels = {"label": [i % 3 for i in range(4)]}
        write(tmp_path / f"{split}-00000-of-00001.parquet", {"image": rows, **labels}, {"label": CLASS})
    archive = prepare(plan_parquet(tmp_path, (), EmbeddedOptions()), tmp_path / "cache", "x", 1)
    assert [len(archive.indices(split)) for split in ("train", "val", "test")] == [2, 4, 4]
    reasons = [row["reason"] for row in archive.report["failed"]]
    assert len(reasons) == 2
    assert any("is not an image in a supported format" in reason for reason in reasons)


def test_changed_parquet_is_not_handed_back(tmp_path):
    path = tmp_path / "a.parquet"
    for seed in (0, 100):
        rows = [encoded(seed + i) for i in range(10)]
        write(path, {"image": rows, "label": [NAMES[i % 3] for i in range(10)]})
        plan = plan_parquet(path, (), EmbeddedOptions())
        if seed:
            with pytest.raises(InputError, match="have changed"):
                prepare(plan, tmp_path / "cache", "x", 1)
        else:
            prepare(plan, tmp_path / "cache", "x", 1)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"label": [0, 1]}, "one column with the bytes of images; it has none"),
        ({"a": [b"x", b"y"], "b": [b"x", b"y"], "label": ["u", "v"]}, "it has a, b"),
        ({"image": [b"x", b"y"], "label": ["u", "v"]}, "None of the 2 images can be read"),
    ],
)
def test_parquet_that_is_refused(tmp_path, columns, reason):
    write(tmp_path / "a.parquet", columns)
    with pytest.raises(InputError, match=reason):
        plan_parquet(tmp_path / "a.parquet", (), EmbeddedOptions())


def test_a_class_that_has_no_name_is_refused(tmp_path):
    write(tmp_path / "a.parquet", {"image": [encoded(0)], "label": [7]}, {"label": CLASS})
    with pytest.raises(InputError, match="the class 7 is none of the 3 named ones"):
        plan_parquet(tmp_path / "a.parquet", (), EmbeddedOptions())
    (tmp_path / "b.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        plan_parquet(tmp_path / "b.parquet", (), EmbeddedOptions())


# Arrays


NOISY, CLEAN = [0, 1, 2, 0, 1, 2, 0, 1, 2, 0], [0, 1, 2, 0, 1, 2, 0, 1, 0, 1]


@pytest.fixture
def arrays(tmp_path):
    np.save(tmp_path / "images.npy", np.stack([image(i) for i in range(10)]))
    np.savez(tmp_path / "labels.npz", worse_label=np.array(NOISY), clean_label=np.array(CLEAN))
    rows = [f"{a},{b}" for a, b in zip(NOISY, CLEAN, strict=True)]
    (tmp_path / "labels.csv").write_text("\n".join(["worse_label,clean_label", *rows]) + "\n")
    (tmp_path / "classes.txt").write_text("\n".join(NAMES) + "\n")
    return tmp_path


@pytest.mark.parametrize("named", [False, True])
def test_clean_labels_in_a_column_of_their_own(tmp_path, named):
    noisy, clean = [i % 3 for i in range(10)], [(i + (i == 4)) % 3 for i in range(10)]
    if not named:
        noisy, clean = [NAMES[c % 2] for c in noisy], [NAMES[c] for c in clean]
    columns = {"image": [encoded(i) for i in range(10)], "label": noisy, "clean": clean}
    write(tmp_path / "data.parquet", columns, {"label": CLASS, "clean": CLASS} if named else None)
    plan = plan_parquet(tmp_path, [], EmbeddedOptions(), clean_column="clean")
    assert "clean labels: the column 'clean'" in plan.report["reading"]
    archive = prepare(plan, tmp_path / "cache", "mine", 1)
    assert archive.class_names == tuple(NAMES)
    for i, name in enumerate(archive.names):
        row = int(name[-5:]) + 4 * int(name[-9:-6])
        for labels, given in ((archive.scene_labels, noisy), (archive.clean_scene_labels, clean)):
            expected = NAMES[given[row]] if named else given[row]
            assert [NAMES[c] for c in np.flatnonzero(labels[i])] == [expected]


@pytest.mark.parametrize(
    ("options", "clean", "message"),
    [
        ({"clean_column": "claen"}, ["forest", "road"], "no column 'claen'.*clean"),
        (
            {"label_columns": ["clean"], "clean_column": "clean"},
            ["forest", "road"],
            "both name the column 'clean'",
        ),
        ({"clean_column": "clean"}, ["Forest", "road"], "'Forest' and 'forest'.*differ in case"),
        ({"clean_column": "clean"}, [1, 0], "a number and 'forest'"),
    ],
)
def test_clean_labels_that_do_not_fit_are_refused(tmp_path, options, clean, message):
    columns = {"image": [encoded(i) for i in range(8)], "label": ["forest", "road"] * 4, "clean": clean * 4}
    write(tmp_path / "data.parquet", columns)
    with pytest.raises(InputError, match=message):
        plan_parquet(tmp_path, **{"label_columns": [], "options": EmbeddedOptions(), **options})


@pytest.mark.parametrize("labels", ["labels.npz", "labels.csv"])
def test_noisy_and_clean_labels_beside_an_array(arrays, labels):
    where = ArrayOptions(
        arrays / "images.npy", arrays / labels, "worse_label", "clean_label", arrays / "classes.txt"
    )
    archive = prepare(plan_arrays(where, EmbeddedOptions()), arrays / "cache", "x", 1)
    assert archive.class_names == tuple(NAMES)
    for row, name in enumerate(archive.names):
        np.testing.assert_array_equal(archive.scene_labels[row], np.eye(3)[NOISY[int(name)]])
        np.testing.assert_array_equal(archive.clean_scene_labels[row], np.eye(3)[CLEAN[int(name)]])
        np.testing.assert_array_equal(archive.groups[0].pixels[row], image(int(name)).transpose(2, 0, 1))


def test_the_commands_pack_and_tell(arrays):
    common = ["--name", "x", "--cache", str(arrays / "cache"), "--quiet"]
    source = ["--images", str(arrays / "images.npy"), "--labels", str(arrays / "labels.npz")]
    run = CliRunner().invoke
    done = run(cli, ["data", "prepare", "arrays", *source, *common])
    assert isinstance(done.exception, InputError)
    assert "worse_label, clean_label; say which are the labels with --label-column NAME." in str(
        done.exception
    )
    done = run(cli, ["data", "prepare", "arrays", *source, "--label-column", "worse_label", *common])
    assert done.exit_code == 0
    assert len(open_archive("x", arrays / "cache")) == 10


SPLIT = ["train"] * 6 + ["valid", "test", "test", "train"]


@pytest.mark.parametrize(
    ("clean", "message"),
    [
        (np.array(NAMES)[CLEAN], "the labels are numbers of classes, and the clean labels names"),
        (np.eye(3, dtype=int)[CLEAN], "the clean labels zeros and ones for each class"),
    ],
)
def test_clean_labels_of_another_form_are_refused(arrays, clean, message):
    np.savez(arrays / "labels.npz", label=np.array(NOISY), clean=clean)
    where = ArrayOptions(arrays / "images.npy", arrays / "labels.npz", "label", "clean")
    with pytest.raises(InputError, match=f"{message}.*--classes FILE"):
        plan_arrays(where, EmbeddedOptions())
    if clean.dtype.kind == "U":
        # A list of the classes says which number stands for which name.
        plan = plan_arrays(replace(where, classes=arrays / "classes.txt"), EmbeddedOptions())
        assert plan.layout.class_names == tuple(NAMES)


def test_clean_names_that_are_spelt_otherwise_are_refused(arrays):
    words = np.array(NAMES)[NOISY]
    np.savez(arrays / "labels.npz", label=words, clean=np.char.capitalize(words))
    where = ArrayOptions(arrays / "images.npy", arrays / "labels.npz", "label", "clean")
    with pytest.raises(InputError, match=r"the clean labels: .*differ in case"):
        plan_arrays(where, EmbeddedOptions())


def test_numbers_that_may_count_from_one_are_refused(arrays):
    (arrays / "classes.txt").write_text("\n".join([*NAMES, "other"]) + "\n")
    np.save(arrays / "labels.npy", np.array(NOISY) + 1)
    where = ArrayOptions(arrays / "images.npy", arrays / "labels.npy", classes=arrays / "classes.txt")
    with pytest.raises(InputError, match=r"the numbers 1 to 3 and never 0.*columns value and name"):
        plan_arrays(where, EmbeddedOptions())
    rows = [f"{name},{value}" for value, name in enumerate(NAMES, 1)]
    (arrays / "classes.csv").write_text("\n".join(["name,value", *rows]))
    plan = plan_arrays(replace(where, classes=arrays / "classes.csv"), EmbeddedOptions())
    assert plan.layout.class_names == tuple(NAMES)


def labels_with(arrays, name, words):
    np.savez(arrays / "l.npz", label=np.array(NOISY), **{name: np.array(words)})
    rows = [f"{label},{word}" for label, word in zip(NOISY, words, strict=True)]
    (arrays / "l.csv").write_text("\n".join([f"label,{name}", *rows]) + "\n")


@pytest.mark.parametrize("labels", ["l.npz", "l.csv"])
@pytest.mark.parametrize(("name", "column"), [("split", None), ("subset", None), ("official", "official")])
def test_the_split_that_lies_beside_an_array_is_that_of_the_archive(arrays, labels, name, column):
    labels_with(arrays, name, SPLIT)
    where = ArrayOptions(arrays / "images.npy", arrays / labels, "label", split_column=column)
    plan = plan_arrays(where, EmbeddedOptions())
    assert list(plan.split) == [word.removesuffix("id") for word in SPLIT]
    assert f"split: {labels}, {name}: train 7, val 1, test 2" in plan.report["reading"]
    labels_with(arrays, name, [*SPLIT[1:], "train"])
    assert plan_arrays(where, EmbeddedOptions()).settings != plan.settings
    with pytest.raises(InputError, match="already say the split"):
        plan_arrays(where, EmbeddedOptions(split="80/0/20"))


@pytest.mark.parametrize("labels", ["l.npz", "l.csv"])
def test_a_split_that_is_no_split_is_refused(arrays, labels):
    labels_with(arrays, "split", [*SPLIT[:9], "3"])
    where = ArrayOptions(arrays / "images.npy", arrays / labels, "label")
    with pytest.raises(InputError, match="split, image 9: There is no split '3'"):
        plan_arrays(where, EmbeddedOptions())
    with pytest.raises(
        InputError, match=r"label, split; say which gives the split with --split-column NAME, not"
    ):
        plan_arrays(replace(where, split_column="sp"), EmbeddedOptions())


def test_a_column_that_is_only_called_like_a_split_is_none(arrays):
    labels_with(arrays, "set", list("aabbccddee"))
    where = ArrayOptions(arrays / "images.npy", arrays / "l.csv", "label")
    assert any("shares" in line for line in plan_arrays(where, EmbeddedOptions()).report["reading"])


def save_pickle(path):
    with path.open("wb") as file:
        pickle.dump({"worse_label": NOISY}, file)


BAD_LABELS = {
    "labels.pt": (save_pickle, "is pickled"),
    "labels.npy": (lambda path: np.save(path, {"worse_label": NOISY}, allow_pickle=True), "Python objects"),
    "short.npy": (lambda path: np.save(path, np.array(NOISY[:5])), "has 5 labels"),
    "float.npy": (lambda path: np.save(path, np.array(NOISY) / 2), "labels are .* whole numbers"),
    "nan.npy": (lambda path: np.save(path, np.array([*NOISY[:9], np.nan])), "labels are .* whole numbers"),
    "nan.csv": (
        lambda path: path.write_text("label\n" + "sand\n" * 9 + "nan\n"),
        "row 11, .* 'nan' is not a class",
    ),
    "case.csv": (lambda path: path.write_text("label\n" + "sand\n" * 9 + "Sand\n"), "differ in case"),
    "order.csv": (
        lambda path: path.write_text("id,label\n" + "".join(f"{9 - i},sand\n" for i in range(10))),
        "'id' numbers the rows in another order",
    ),
    "beyond.npy": (lambda path: np.save(path, np.array([9] * 10)), "none of the 3 classes"),
    "broken.npz": (lambda path: path.write_bytes(b"PK\x03\x04 broken"), "cannot be read"),
    "missing.npy": (lambda path: None, "is missing"),
}


@pytest.mark.parametrize("convert", [np.float64, np.uint8, str])
def test_labels_of_any_type_of_whole_numbers_are_read(arrays, convert):
    np.save(arrays / "l.npy", np.array([convert(int(label)) for label in NOISY]))
    plan = plan_arrays(ArrayOptions(arrays / "images.npy", arrays / "l.npy"), EmbeddedOptions())
    assert plan.layout.class_names == ("class 0", "class 1", "class 2")
    np.save(arrays / "b.npy", np.array(NOISY) > 0)
    plan = plan_arrays(ArrayOptions(arrays / "images.npy", arrays / "b.npy"), EmbeddedOptions())
    assert plan.layout.class_names == ("class 0", "class 1")


@pytest.mark.parametrize("odd", [255, 100_000_000])
def test_numbers_far_beyond_the_others_are_no_classes_by_themselves(arrays, odd):
    np.save(arrays / "l.npy", np.array([*NOISY[:9], odd]))
    with pytest.raises(
        InputError, match=f"different numbers, up to .*{odd}: these may be codes.*--classes FILE"
    ):
        plan_arrays(ArrayOptions(arrays / "images.npy", arrays / "l.npy"), EmbeddedOptions())
    (arrays / "c.csv").write_text(f"name,value\na,0\nb,1\nc,2\nd,{odd}\n")
    where = ArrayOptions(arrays / "images.npy", arrays / "l.npy", classes=arrays / "c.csv")
    assert plan_arrays(where, EmbeddedOptions()).layout.class_names == ("a", "b", "c", "d")


@pytest.mark.parametrize("name", BAD_LABELS)
def test_labels_that_are_refused(arrays, name):
    make, reason = BAD_LABELS[name]
    make(arrays / name)
    column = "label" if name == "order.csv" else None
    where = ArrayOptions(arrays / "images.npy", arrays / name, column, classes=arrays / "classes.txt")
    with pytest.raises(InputError, match=reason):
        plan_arrays(where, EmbeddedOptions())


@pytest.mark.parametrize("shape", [(10,), (10, 1)])
def test_classes_may_have_numbers_of_their_own(arrays, shape):
    (arrays / "classes.csv").write_text(
        "name,value\n" + "".join(f"{n},{10 * c}\n" for c, n in enumerate(NAMES))
    )
    np.save(arrays / "labels.npy", 10 * np.array(NOISY).reshape(shape))
    where = ArrayOptions(arrays / "images.npy", arrays / "labels.npy", classes=arrays / "classes.csv")
    archive = prepare(plan_arrays(where, EmbeddedOptions()), arrays / "cache", "x", 1)
    assert archive.class_names == tuple(NAMES)
    found = {int(name): int(archive.scene_labels[row].argmax()) for row, name in enumerate(archive.names)}
    assert found == dict(enumerate(NOISY))


def test_a_header_in_a_list_of_classes_is_refused(arrays):
    (arrays / "classes.txt").write_text("name\n" + "\n".join(NAMES))
    where = ArrayOptions(
        arrays / "images.npy", arrays / "labels.csv", "worse_label", None, arrays / "classes.txt"
    )
    with pytest.raises(InputError, match="looks like a header"):
        plan_arrays(where, EmbeddedOptions())


def test_arrays_of_fractions_need_a_range_and_say_what_it_clips(arrays):
    np.save(arrays / "images.npy", np.stack([image(i) for i in range(10)]) / np.float32(255))
    where = ArrayOptions(arrays / "images.npy", arrays / "labels.npz", "worse_label")
    with pytest.raises(InputError, match="--value-range LOW HIGH"):
        plan_arrays(where, EmbeddedOptions())
    plan = plan_arrays(where, EmbeddedOptions(value_range=(0.0, 0.5)))
    archive = prepare(plan, arrays / "cache", "x", 1)
    row = archive.names.index("0")
    expected = np.rint(np.minimum(image(0) / 255 * 2, 1) * 65535).transpose(2, 0, 1)
    np.testing.assert_allclose(archive.groups[0].pixels[row], expected, atol=1)
    clipped = sum(int((image(i) / np.float32(255) > 0.5).sum()) for i in range(10))
    assert archive.report["findings"] == {"numbers outside --value-range 0 0.5, clipped to it": clipped}


def test_a_file_of_no_split_beside_those_of_splits_is_refused(tmp_path):
    for k, part in enumerate(("train", "test", "extra")):
        columns = {"image": [encoded(10 * k + i) for i in range(4)], "label": ["forest", "river"] * 2}
        write(tmp_path / f"{part}-00000-of-00001.parquet", columns)
    with pytest.raises(InputError, match=r"extra-00000.*belongs to no split.*--split 70/10/20"):
        plan_parquet(tmp_path, (), EmbeddedOptions())
    assert len(plan_parquet(tmp_path, (), EmbeddedOptions(split="70/10/20")).names) == 12


def planned(tmp_path, images, labels, **options):
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "y.npy", labels)
    return plan_arrays(ArrayOptions(tmp_path / "x.npy", tmp_path / "y.npy"), EmbeddedOptions(**options))


def test_changed_labels_of_an_array_are_not_handed_back(tmp_path):
    images, labels = np.stack([image(i) for i in range(20)]), np.arange(20) % 3
    prepare(planned(tmp_path, images, labels), tmp_path / "cache", "mine", 1)
    prepare(planned(tmp_path, images, labels), tmp_path / "cache", "mine", 1)
    with pytest.raises(InputError, match="another archive 'mine' already"):
        prepare(planned(tmp_path, images, labels[::-1].copy()), tmp_path / "cache", "mine", 1)


@pytest.mark.parametrize(("shape", "bands"), [((12, 9, 9, 40), 40), ((12, 16, 12, 4), 4), ((12, 8, 8), 1)])
def test_bands_come_last(tmp_path, shape, bands):
    assert (
        len(planned(tmp_path, np.zeros(shape, np.uint16), np.arange(12) % 2).layout.groups[0].bands) == bands
    )


@pytest.mark.parametrize("shape", [(12, 40, 9, 9), (12, 3, 16, 16), (12, 16, 8, 12)])
def test_bands_that_come_first_are_refused_with_what_moves_them(tmp_path, shape):
    with pytest.raises(InputError, match=r"numpy.moveaxis\(images, 1, -1\)"):
        planned(tmp_path, np.zeros(shape, np.uint16), np.arange(12) % 2)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["Cat", "cat", "dog"], "differ in case"),
        (["cat ", "cat", "dog"], "differ in case or blanks"),
        (["", "cat", "dog"], "is not a class"),
        (["NA", "cat", "dog"], "may be a class, or say that there is no label"),
        (["a;b", "b", "a"], "may be several labels"),
        ([*range(50), 255], "one that says that there is no label"),
    ],
)
def test_names_in_arrays_are_checked_as_those_of_tables(tmp_path, labels, message):
    repeated = np.array(labels * 2)
    with pytest.raises(InputError, match=message):
        planned(tmp_path, np.zeros((len(repeated), 8, 8, 3), np.uint8), repeated)


@pytest.mark.parametrize("labels", [[b"cat", b"dog"], ["cat", "dog"], ["²", "³"]])
def test_names_in_arrays_may_be_bytes(tmp_path, labels):
    found = planned(tmp_path, np.zeros((12, 8, 8, 3), np.uint8), np.array(labels * 6)).layout.class_names
    assert found == tuple(each if isinstance(each, str) else each.decode() for each in labels)
