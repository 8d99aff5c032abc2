"""No message about people's data fills more than a screen, however many classes, files or bad rows there are."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from PIL import Image

SCREEN = 24 * 80
LONGEST_LIST = 21


@pytest.fixture
def root(tmp_path):
    """A folder of 120 images that are one file under many names."""
    folder = tmp_path / "mine"
    (folder / "images").mkdir(parents=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "images" / "000.png")
    for i in range(1, 120):
        (folder / "images" / f"{i:03}.png").hardlink_to(folder / "images" / "000.png")
    return folder


def prepare(cli, *words):
    return cli(
        "data", "prepare", "folder", "--data", "mine", "--name", "mine", "--quiet", "--cache", "cache", *words
    )


def table(root, rows, header="file,labels"):
    (root / "labels.csv").write_text("\n".join([header, *rows]))


def masks(root, pixels_of, classes):
    (root / "masks").mkdir()
    for i in range(120):
        Image.fromarray(pixels_of(i)).save(root / "masks" / f"{i:03}.png")
    (root / "classes.csv").write_text(classes)


def many_classes(root):
    table(root, [f"{i:03}," + ";".join(f"class {i}_{j}" for j in range(30)) for i in range(120)])


def long_cell(root):
    table(root, [f"{i:03},{'water ' * 4000}" for i in range(120)], "file,labels")


def long_class(root):
    (root / "classes.txt").write_text(f"{'a' * 9000}\n{'a' * 9000}\n")
    table(root, [f"{i:03},x" for i in range(120)])


def many_columns(root):
    table(
        root, [f"{i:03}" + ",2" * 2000 for i in range(120)], "file," + ",".join(f"c{i}" for i in range(2000))
    )


def many_categories(root):
    categories = [{"id": i, "name": f"class {i % 9999}"} for i in range(10000)]
    images = [{"id": 1, "file_name": "000.png"}]
    (root / "labels.json").write_text(
        json.dumps({"images": images, "annotations": [], "categories": categories})
    )


def bad_files(root):
    for path in (root / "images").iterdir():
        path.unlink()
        path.write_bytes(b"nothing")
    table(root, [f"{i:03},x" for i in range(120)])


def other_colours(root):
    masks(
        root,
        lambda i: np.random.default_rng(i).integers(0, 255, (8, 8, 3), np.uint8),
        "name,color\na,#FFFFFF\n",
    )


def no_image_of_many(root):
    table(root, [f"{'z' * 200}{i},x" for i in range(10000)])


@pytest.mark.parametrize(
    "make",
    [
        many_classes,
        long_cell,
        long_class,
        many_columns,
        many_categories,
        bad_files,
        other_colours,
        no_image_of_many,
    ],
)
def test_an_error_fits_a_screen(cli, root, make):
    make(root)
    code, _, messages = prepare(cli)
    assert code == 2
    assert messages.startswith("Error: ")
    assert len(messages) < SCREEN
    assert "Traceback" not in messages


def many_noisy_colours(root):
    def pixels_of(i):
        pixels = np.zeros((8, 8, 3), np.uint8)
        pixels[0] = np.random.default_rng(i).integers(2, 255, (8, 3))
        pixels[4:] = 1
        return pixels

    masks(root, pixels_of, "name,color\na,#000000\nb,#010101\n")


def many_allowed_classes(root):
    names = [f"class {i}" for i in range(250)]
    rows = [f"{i:03}," + ",".join(str(int(c // 3 == i)) for c in range(250)) for i in range(120)]
    table(root, rows, "file," + ",".join(names))


def many_rows_and_files_without_a_partner(root):
    for i in range(60, 120):
        (root / "images" / f"{i:03}.png").unlink()
        (root / "images" / f"{'y' * 200}{i}.png").write_bytes(b"x")
    table(root, [f"{i:03},{'v' * 3000}{i % 40}" for i in range(2000)])


@pytest.mark.parametrize(
    "make", [many_noisy_colours, many_allowed_classes, many_rows_and_files_without_a_partner]
)
def test_each_list_of_a_report_fits_a_screen(cli, root, make):
    make(root)
    code, text, messages = prepare(cli)
    assert code == 0, messages
    lines = text.splitlines()
    assert max(map(len, lines)) < SCREEN
    lists = [
        len(list(group))
        for inner, group in itertools.groupby(lines, lambda line: line.startswith("  "))
        if inner
    ]
    assert max(lists, default=0) <= LONGEST_LIST
    assert sum(line.startswith("found ") for line in lines) <= LONGEST_LIST
