"""What masks hold, and what it stands for: read as it was meant, or refused with the option that decides."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from gridbench.datasets.readers.masks.codebook import MaskContent, count_content
from gridbench.datasets.readers.masks.values import interpret_masks
from gridbench.datasets.readers.rasters.raster import Raster
from gridbench.datasets.readers.source_files import Unreadable
from gridbench.datasets.readers.tables.class_table import ClassTable, read_class_table, with_codes
from gridbench.errors import InputError

RED, BLUE, BLACK, WHITE = (255, 0, 0), (0, 0, 255), (0, 0, 0), (255, 255, 255)
LOVEDA = ("background", "building", "road", "water", "barren", "forest", "agriculture")


def grey(*values, dtype=np.uint8, nodata=None):
    """A mask of one row a value."""
    return Raster(np.repeat(np.array(values, dtype)[None, :, None], 4, axis=2), None, nodata=nodata)


def colours(*rows):
    return Raster(np.repeat(np.array(rows, np.uint8).T[:, :, None], 4, axis=2), None)


def jpeg(*values):
    return dataclasses.replace(grey(*values), driver="JPEG", lossy=True)


def palette(indices, table, hidden=()):
    full = np.zeros((256, 3), np.uint8)
    for index, colour in table.items():
        full[index] = colour
    return Raster(grey(*indices).pixels, full, hidden=frozenset(hidden))


def bands(*rows, dtype=np.uint8, high=1):
    """A mask with a band for each class; a row gives the band that is on, -1 none."""
    count = max(rows) + 1
    on = np.array([[row == band for row in rows] for band in range(count)]) * high
    return Raster(np.repeat(on.astype(dtype)[:, :, None], 4, axis=2), None)


def understood(masks, names, values=None, colour=None):
    content = MaskContent()
    for i, mask in enumerate(masks):
        count_content(mask, Path(f"m{i}.png"), content)
    return interpret_masks(content, ClassTable(tuple(names), values or {}, colour or {}))


def rows_of(masks, *args, **given):
    """The class of each row of each mask as it is decoded."""
    reading = understood(masks, *args, **given)
    return [reading.codebook.decode(mask, Path("m.png"))[0][:, 0].tolist() for mask in masks]


@pytest.mark.parametrize(
    ("masks", "names", "given", "expected"),
    [
        ([grey(0, 1, 2)], "abc", {}, [[0, 1, 2]]),
        ([grey(0, 1, 2, 255)], "abc", {}, [[0, 1, 2, 255]]),
        ([grey(0, 2, 255)], "abc", {}, [[0, 2, 255]]),
        ([grey(0, 255)], ("background", "building"), {}, [[0, 1]]),
        ([grey(0, 255), grey(255, 255)], ("no water", "water"), {}, [[0, 1], [1, 1]]),
        ([grey(1, 2, 3)], "abc", {}, [[0, 1, 2]]),
        ([grey(1, 2, 255), *[grey(1, 2)] * 60, grey(2, 3)], "abc", {}, [[0, 1, 255], *[[0, 1]] * 60, [1, 2]]),
        ([grey(*range(8), nodata=0.0)], LOVEDA, {}, [[255, *range(7)]]),
        ([grey(0, 1, 2, 9, nodata=9.0)], "abc", {}, [[0, 1, 2, 255]]),
        ([grey(0, 1, 2, -9999, dtype=np.int16, nodata=-9999.0)], "abc", {}, [[0, 1, 2, 255]]),
        ([jpeg(0, 0, 3, 255)], "ab", {"values": {0: 0, 255: 1}}, [[0, 0, 255, 1]]),
        ([grey(0, 5, 6, 9)], "abc", {"values": {5: 0, 6: 1, 9: 2}}, [[255, 0, 1, 2]]),
        ([grey(10, 20, 30)], "ab", {"values": {10: 0, 20: 1, 30: None}}, [[0, 1, 255]]),
        ([grey(-1, 0, 1, dtype=np.int32)], "ab", {"values": {0: 0, 1: 1, -1: None}}, [[255, 0, 1]]),
        ([grey(0, 1, np.nan, dtype=np.float32)], "ab", {}, [[0, 1, 255]]),
        ([grey(0, 1, 2, dtype=np.float64)], "abc", {}, [[0, 1, 2]]),
        (
            [grey(0, 300, 70000, dtype=np.uint32)],
            "ab",
            {"values": {300: 0, 70000: 1, 0: None}},
            [[255, 0, 1]],
        ),
        ([grey(False, True, dtype=np.bool_)], "ab", {}, [[0, 1]]),
        ([colours((0,) * 3, (1,) * 3)], "ab", {}, [[0, 1]]),
        ([palette([0, 1], {0: BLACK, 1: RED})], "ab", {}, [[0, 1]]),
        (
            [palette([2, 0], {2: RED, 0: BLUE}), palette([0, 1], {0: RED, 1: BLUE})],
            "ab",
            {"colour": {RED: 0, BLUE: 1}},
            [[0, 1], [0, 1]],
        ),
        ([colours(RED, BLUE, (9, 9, 9))], "ab", {"colour": {RED: 0, BLUE: 1}}, [[0, 1, 255]]),
        ([grey(0, 255)], ("building", "background"), {"colour": {WHITE: 0, BLACK: 1}}, [[1, 0]]),
        ([grey(0, 255), colours(WHITE, BLACK)], "ab", {"colour": {WHITE: 0, BLACK: 1}}, [[1, 0], [0, 1]]),
        ([bands(0, 1, -1)], "ab", {}, [[0, 1, 255]]),
        ([bands(0, 2, 1)], "abc", {}, [[0, 2, 1]]),
        ([bands(3, 2, 1, 0)], "abcd", {}, [[3, 2, 1, 0]]),
        ([bands(4, 0, -1, high=255)], "abcde", {}, [[4, 0, 255]]),
    ],
)
def test_masks_with_one_reading_are_read(masks, names, given, expected):
    assert rows_of(masks, tuple(names), **given) == expected


@pytest.mark.parametrize(
    ("masks", "names", "given", "message"),
    [
        ([grey(*range(8))], LOVEDA, {}, "0 to 7, that is 8 values for 7 classes.*--mask-values FILE"),
        ([grey(1, 2)], "abc", {}, "never 0 and never 3.*from 0 or from 1.*--mask-values"),
        ([grey(0, 255)], ("building", "background"), {}, "either may be 0.*--mask-values"),
        ([grey(0, 255)], ("building",), {}, "one class.*--mask-values"),
        ([grey(0, 1)], ("building",), {}, "one class.*--mask-values"),
        ([grey(0, 1, 2, nodata=0.0)], "abc", {}, "declare 0 as no data.*--mask-values"),
        ([grey(10, 20, 30)], "ab", {}, "hold 10, 20, 30, which none .*--mask-values"),
        ([grey(0, 128, 255)], "abc", {}, "hold 128, which none .* and never 1, 2.*--mask-values"),
        ([grey(0, 1, 255)], "abc", {}, "255 may be 'c' or no data.*--mask-values"),
        ([grey(*range(20), 255)], "ab", {}, "saved with loss.*--mask-values"),
        ([grey(1, 2, 3, 9)], "abc", {}, "hold 3, 9, which none .* and never 0.*--mask-values"),
        ([grey(1, 2, 3)], "abc", {"values": {10: 0, 20: 1, 30: 2}}, "100.0 % of the pixels.*--mask-values"),
        ([colours(RED, BLUE)], "ab", {}, "gives no colours.*color with #RRGGBB"),
        ([colours((1, 2, 3), (4, 5, 6))], "ab", {"colour": {RED: 0, BLUE: 1}}, "#010203"),
        ([grey(0, 1)], "ab", {"colour": {RED: 0, BLUE: 1}}, "grey values.*--mask-values"),
        (
            [palette([0, 1], {0: RED, 1: BLUE}), palette([0, 1], {0: BLUE, 1: RED})],
            "ab",
            {},
            "palettes of the masks differ",
        ),
        (
            [grey(1, 2, 3)],
            "abc",
            {"values": {0: 0, 1: 1, 2: 2}},
            "1, 2, 3, .* from 0 .* from 1.*--mask-values",
        ),
        ([grey(0, 1, 2)], "abc", {"values": {1: 0, 2: 1, 3: 2}}, "from 0 .* from 1.*called ignore"),
        (
            [grey(0, 0, 1)],
            "ab",
            {"values": {0: 0, 255: 1}},
            "1 may be what the table calls 255.*called ignore",
        ),
        ([grey(0, 0, 255)], "ab", {"values": {0: 0, 1: 1}}, "255 may be what the table calls 1"),
        (
            [palette([0, 0, 1], {0: BLACK, 1: WHITE})],
            "ab",
            {"values": {0: 0, 255: 1}},
            "1 may be what .* 255",
        ),
        ([grey(0, 0, 0, 127, 254)], "abc", {"values": {0: 0, 1: 1, 2: 2}}, "127, 254 may be what"),
        ([grey(0, 1, 2, 3, 4)], "abc", {}, "hold 3, 4, which none .* beside all of 0 to 2"),
        ([grey(0, 1, 2)], "a", {}, "hold 0, 1, 2 and there is one class"),
        (
            [colours((0, 200, 0), RED)],
            "ab",
            {"colour": {(0, 200, 0): 0, BLUE: 1}},
            "#FF0000.*#0000FF.*exchanged",
        ),
        ([jpeg(0, 1, 2)], "abc", {}, "JPEG.* 0 and 1 are two classes"),
        ([jpeg(10, 20)], "ab", {"values": {10: 0, 20: 1}}, "JPEG.* 10 and 20 are two classes"),
        ([bands(0, 1)], "abc", {}, "2 bands .*3 classes"),
        ([bands(0, 1), grey(0, 1)], "ab", {}, "a band for each class"),
    ],
)
def test_masks_with_two_readings_or_none_are_refused(masks, names, given, message):
    with pytest.raises(InputError, match=message):
        understood(masks, tuple(names), **given)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (grey(0.5, 1, dtype=np.float32), "holds the number 0.5"),
        (Raster(np.array([[[1]], [[1]]], np.uint8), None), "more than one of them is on"),
        (Raster(np.array([[[1, 2]], [[0, 0]]], np.uint8), None), "not bands of single classes"),
        (Raster(np.array([[[300]]], np.uint16), np.zeros((256, 3), np.uint8)), "index 300"),
    ],
)
def test_files_that_are_no_masks_are_unreadable(mask, message):
    with pytest.raises(Unreadable, match=message):
        count_content(mask, Path("m.png"), MaskContent())


def test_the_reading_names_every_value_with_its_share_and_what_never_occurs():
    reading = understood([grey(0, 0, 1, 77)], ("sea", "land", "ice"), {0: 0, 1: 1, 2: 2})
    assert [line.split() for line in reading.lines[1:]] == [
        ["0", "sea", "50.0", "%"],
        ["1", "land", "25.0", "%"],
        ["77", "no", "class", "(not", "in", "the", "table)", "25.0", "%"],
    ]
    assert reading.notes == (
        "the class 'ice' occurs in none of the masks",
        "25.0 % of the pixels of the masks have no class",
    )


@pytest.mark.parametrize(
    ("file", "text", "values", "colour"),
    [
        ("c.txt", "sea\nland\n", {}, {}),
        ("c.txt", "1 sea\n2: land\n", {1: 0, 2: 1}, {}),
        ("c.txt", "255 0 0\tsea\n0 0 255\tland\n", {}, {RED: 0, BLUE: 1}),
        ("c.csv", "name,value\nsea,10\nland,\n", {10: 0}, {}),
        ("c.csv", "name,r,g,b\nsea,255,0,0\nland,0,0,255\n", {}, {RED: 0, BLUE: 1}),
        ("c.csv", "name, r, g, b\nsea, 255, 0, 0\nland, 0, 0, 255\n", {}, {RED: 0, BLUE: 1}),
        ("c.csv", "class_name,red,green,blue\nsea,255,0,0\nland,0,0,255\n", {}, {RED: 0, BLUE: 1}),
        ("c.csv", 'id;class;color\n1;sea;#FF0000\n2;land;"0, 0, 255"\n', {1: 0, 2: 1}, {RED: 0, BLUE: 1}),
        ("c.csv", "name,value\nsea,1.0\nland,-1\n", {1: 0, -1: 1}, {}),
        ("c.csv", "name,value\nsea,1\nland,2\nsea,7\n", {1: 0, 2: 1, 7: 0}, {}),
        ("c.csv", "name,color\nsea,0xFF0000\nland,#0000FF\nsea,#FFFFFF\n", {}, {RED: 0, BLUE: 1, WHITE: 0}),
        ("c.csv", "name,r,g,b\nsea,255.0,0.0,0.0\nland,0.0,0.0,255.0\n", {}, {RED: 0, BLUE: 1}),
        ("c.txt", "sea 5\nland: 3\n", {5: 0, 3: 1}, {}),
    ],
)
def test_class_tables_as_projects_ship_them(tmp_path, file, text, values, colour):
    (tmp_path / file).write_text(text)
    table = read_class_table(tmp_path / file)
    assert (table.names, table.values, table.colours) == (("sea", "land"), values, colour)


def test_a_table_of_mask_values_decides_and_may_ignore(tmp_path):
    (tmp_path / "v.csv").write_text(
        "value,name\n0,ignore\n" + "".join(f"{i + 1},{n}\n" for i, n in enumerate(LOVEDA))
    )
    table = with_codes(ClassTable(LOVEDA, {}, {}), tmp_path / "v.csv")
    content = MaskContent()
    count_content(grey(*range(8)), Path("m.png"), content)
    assert interpret_masks(content, table).codebook.decode(grey(0, 1, 7), Path("m.png"))[0][
        :, 0
    ].tolist() == [255, 0, 6]
    (tmp_path / "v.csv").write_text("value,name\n1,sea\n")
    with pytest.raises(InputError, match="'sea' is none of the classes"):
        with_codes(ClassTable(LOVEDA, {}, {}), tmp_path / "v.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class_names\nsea\nland\n", "looks like a header"),
        ("Class Name\nsea\nland\n", "looks like a header"),
        ("sea; land; ice\n", "one line with semicolons"),
        ("sea\nsea\n", "the class 'sea' twice"),
    ],
)
def test_lists_of_classes_with_lines_that_are_none_are_refused(tmp_path, text, message):
    (tmp_path / "c.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_class_table(tmp_path / "c.txt")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("c.txt", "sea, land\n", "holds one line with commas"),
        ("c.txt", "sea; land\n", "holds one line with semicolons"),
        ("c.txt", "sea | land\n", "holds one line with bars"),
        ("c.txt", "sea\tland\n", "holds one line with tabs"),
        ("c.txt", "// sea\nland\n", "looks like a comment"),
        ("c.txt", "sea\n\nsea\n", "the class 'sea' twice"),
        ("c.txt", "sea\nSea\n", "'sea' and 'Sea', which differ in case only"),
        ("c.txt", "sea\x07\nland\n", "holds a character that no name has"),
        ("c.txt", "\n \n", "holds no classes"),
        ("c.txt", "\n".join(f"class {i}" for i in range(255)), "holds 255 classes; an archive has 1 to 254"),
        ("c.txt", "1 sea\n1 land\n", "gives the value 1 to two classes"),
        ("c.txt", "0 0 9 sea\n0 0 9 land\n", r"gives the colour \(0, 0, 9\) to two classes"),
        ("c.csv", "value,farbe\n1,sea\n", "needs a header with the column `name`; it has value, farbe"),
        ("c.csv", "name,value\nsea,1-2\n", "row 2, column 'value': '1-2' is not a whole number"),
        ("c.csv", "name,color\nsea,#F00\n", "row 2: '#F00' of 'sea' is not a colour"),
    ],
)
def test_tables_of_classes_that_cannot_be_understood_are_refused(tmp_path, file, text, message):
    (tmp_path / file).write_text(text)
    with pytest.raises(InputError, match=message):
        read_class_table(tmp_path / file)


def test_an_unknown_class_to_ignore_is_refused_with_the_nearest(tmp_path):
    (tmp_path / "c.txt").write_text("sea\nland\n")
    with pytest.raises(InputError, match=r"no class 'see' in .*sea"):
        read_class_table(tmp_path / "c.txt", ["see"])


def test_numbered_names_are_names(tmp_path):
    (tmp_path / "c.txt").write_text("class 1\nclass 2\n")
    assert read_class_table(tmp_path / "c.txt").names == ("class 1", "class 2")


def test_a_table_of_mask_values_alone_may_ignore_too(tmp_path):
    (tmp_path / "v.csv").write_text("value,name\n0,ignore\n1,sea\n2,land\n9,sea\n")
    table = read_class_table(tmp_path / "v.csv", of_masks=True)
    assert (table.names, table.values) == (("sea", "land"), {0: None, 1: 0, 2: 1, 9: 0})
    assert read_class_table(tmp_path / "v.csv").values == {0: None, 1: 0, 2: 1, 9: 0}


def test_a_class_called_as_pixels_without_one_is_told():
    table = ClassTable(("sea", "void"), {0: 0, 255: 1}, {})
    content = MaskContent()
    count_content(grey(0, 255), Path("m.png"), content)
    assert (
        "'void' is a class as any other; --ignore-class void makes it none"
        in interpret_masks(content, table).notes
    )


@pytest.mark.parametrize(
    "text", ["{}, 255 0 0\n{} 0, 0, 255\n", "255 0 0 {}\n0,0,255: {}\n", "{} (255, 0, 0)\n{}=0 0 255\n"]
)
def test_colours_before_or_behind_every_name_are_its_colour(tmp_path, text):
    (tmp_path / "c.txt").write_text(text.format("sea", "land"))
    table = read_class_table(tmp_path / "c.txt")
    assert (table.names, table.colours) == (("sea", "land"), {RED: 0, BLUE: 1})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[\n"sea",\n"land"\n]\n', r"the line '\[', as in JSON"),
        ('{0: "sea",\n1: "land"}\n', r"the line '\{0: .*as in JSON"),
        ("names:\n  0: sea\n  1: land\n", "the line 'names:', as in JSON, YAML"),
        ("sea 1\nland\nsand 3\n", "'land' has no number, and other lines do"),
        ("1 sea\n2 land\nsand\n", "'sand' has no number, and other lines do"),
    ],
)
def test_lines_that_are_not_all_of_one_form_are_refused(tmp_path, text, message):
    (tmp_path / "c.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_class_table(tmp_path / "c.txt")


def test_names_with_numbers_or_whole_brackets_are_names(tmp_path):
    (tmp_path / "c.txt").write_text("sea (deep)\nBoeing 737\nBoeing 747\nroad\n")
    assert read_class_table(tmp_path / "c.txt").names == ("sea (deep)", "Boeing 737", "Boeing 747", "road")


def test_masks_are_refused_when_most_cannot_be_read():
    content = MaskContent()
    content.unreadable += [Unreadable(f"m{i}.tif", "holds the number 0.5") for i in range(2)]
    count_content(grey(0, 1), Path("m.png"), content)
    with pytest.raises(
        InputError, match=r"2 of 3 masks cannot be read; the first: m0.tif: holds the number 0.5"
    ):
        interpret_masks(content, ClassTable(("a", "b"), {}, {}))


def test_the_user_is_told_of_jpeg_and_of_smoothed_masks():
    notes = understood([jpeg(0, 0, 0, 3, 255)], "ab", {0: 0, 255: 1}).notes
    assert notes[0].startswith("1 mask saved with loss (JPEG or the like)")
    smooth = grey(*[0] * 9, *range(20, 180, 20), *[200] * 9)
    notes = understood([smooth], "ab", {0: 0, 200: 1}).notes
    assert "8 values that no class has: if they were resized with smoothing" in notes[0]


@pytest.mark.parametrize("nodata", [float(np.finfo(np.float32).min), float("inf"), -0.5])
def test_no_data_by_a_number_that_could_be_no_class_is_none(nodata):
    masks = [grey(0, nodata, 1, 1, dtype=np.float32, nodata=nodata), grey(0, 1)]
    reading = understood(masks, ("sea", "land"))
    assert reading.codebook.decode(masks[0], Path("m.png"))[0][:, 0].tolist() == [0, 255, 1, 1]
    assert any("no data" in line and "no class" in line for line in reading.lines)
    with pytest.raises(Unreadable, match="masks hold whole numbers"):
        understood([dataclasses.replace(masks[0], nodata=None)], ("sea", "land"))


def test_transparent_pixels_have_no_class():
    mask = grey(0, 1, 2, 1)
    seen = np.array([0, 255, 255, 255], np.uint8)[:, None].repeat(4, axis=1)
    masks = [Raster(mask.pixels, None, alpha=seen, alpha_band=1), grey(0, 1, 2, 1)]
    reading = understood(masks, ("sea", "land", "ice"))
    found = [reading.codebook.decode(each, Path("m.png"))[0][:, 0].tolist() for each in masks]
    assert found == [[255, 1, 2, 1], [0, 1, 2, 1]]
    assert any("transparent" in line and "12.5 %" in line for line in reading.lines)


def test_transparent_pixels_of_colour_masks_have_no_class():
    mask = colours(RED, BLUE, RED)
    seen = np.array([255, 255, 0], np.uint8)[:, None].repeat(4, axis=1)
    reading = understood(
        [Raster(mask.pixels, None, alpha=seen, alpha_band=3)], ("a", "b"), None, {RED: 0, BLUE: 1}
    )
    found, unknown = reading.codebook.decode(
        Raster(mask.pixels, None, alpha=seen, alpha_band=3), Path("m.png")
    )
    assert (found[:, 0].tolist(), unknown) == ([0, 1, 255], {})


def test_a_class_without_a_value_beside_values_without_a_class_is_refused():
    with pytest.raises(InputError, match="no value and no colour to the class 'ice', and the masks hold 2"):
        understood([grey(0, 1, 2, 1)], ("sea", "land", "ice"), {0: 0, 1: 1})


RED_BLUE = {0: RED, 1: BLUE}


@pytest.mark.parametrize(
    ("masks", "given", "message"),
    [
        (
            [grey(0, 1, 2, nodata=0.0), grey(0, 1, 2, nodata=1.0)],
            {},
            "declare several numbers .* as no data: 0, 1",
        ),
        ([grey(0, 1), grey(0, 255)], {}, "255 may be 'b' or no data"),
        (
            [palette([0, 1], RED_BLUE, hidden=[0])],
            {},
            "make the index 0 transparent: it may be a class or no data",
        ),
        (
            [palette([0, 1], RED_BLUE)],
            {"values": {0: 0, 1: 1}, "colour": {BLUE: 0, RED: 1}},
            "index 0 .* is 'a' by its value in the table, and 'b' by its colour, #FF0000",
        ),
    ],
)
def test_masks_whose_files_disagree_are_refused(masks, given, message):
    with pytest.raises(InputError, match=message):
        understood(masks, "ab", **given)


@pytest.mark.parametrize(
    ("masks", "given", "expected"),
    [
        ([grey(0, 1), grey(0, 1, 255), grey(0, 255)], {}, [[0, 1], [0, 1, 255], [0, 255]]),
        ([palette([0, 1], RED_BLUE, hidden=[0])], {"values": {0: 0, 1: 1}}, [[0, 1]]),
        ([palette([0, 1], RED_BLUE)], {"values": {0: 1, 1: 0}, "colour": {BLUE: 0, RED: 1}}, [[1, 0]]),
    ],
)
def test_masks_whose_files_agree_are_read(masks, given, expected):
    assert rows_of(masks, "ab", **given) == expected


def test_a_colour_that_may_be_a_class_which_never_occurs_is_refused():
    table = ClassTable(("a", "b"), {}, {(1, 0, 0): 0, BLACK: 1})
    content = MaskContent()
    count_content(colours(BLACK, BLACK, BLACK, RED), Path("t0.png"), content)
    with pytest.raises(InputError, match=r"No pixel .* #010000 of the table, and 25.0 % have #FF0000"):
        interpret_masks(content, table)
    known = ClassTable(("a", "b"), {}, {(1, 0, 0): 0, BLACK: 1, RED: None})
    assert "the class 'a' occurs in none of the masks" in interpret_masks(content, known).notes


def test_bands_of_two_numbers_beside_a_table_of_colours_are_refused():
    content = MaskContent()
    pixels = np.array([[[65535, 0]], [[0, 65535]], [[0, 0]]], np.uint16)
    count_content(Raster(pixels, None), Path("t0.tif"), content)
    with pytest.raises(
        InputError, match="gives colours, and the masks hold 1 file with bands of two numbers"
    ):
        interpret_masks(content, ClassTable(("a", "b", "c"), {}, {RED: 0, BLUE: 1, BLACK: 2}))


@pytest.mark.parametrize(
    ("column", "numbers", "refused"),
    [
        ("pixel", (2, 0, 1), True),
        ("Wert", (0, 1, 2), False),
        ("count", (120, 30, 50), False),
        ("nr", (1, 2, 3), False),
    ],
)
def test_a_column_of_another_name_that_numbers_the_classes_is_asked_about(tmp_path, column, numbers, refused):
    path = tmp_path / "classes.csv"
    path.write_text(f"name,{column}\n" + "".join(f"{n},{v}\n" for n, v in zip("abc", numbers, strict=True)))
    content = MaskContent()
    count_content(grey(0, 1, 2), Path("t0.png"), content)
    if not refused:
        assert interpret_masks(content, read_class_table(path)).codebook.values[2] == 2
        return
    with pytest.raises(InputError, match="no column `value`, and the column 'pixel' holds numbers"):
        interpret_masks(content, read_class_table(path))
