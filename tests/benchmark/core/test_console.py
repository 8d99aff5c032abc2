"""Tables on narrow terminals: no word is cut, and the width is used where it is enough."""

import io
from importlib import metadata

import pytest
from rich import box
from rich.table import Table

from gridbench.core.console import Console

LONG = "incomprehensibilities"


def printed(width, rows, **look):
    table = Table("name", "what it is", **look)
    for row in rows:
        table.add_row(*row)
    out = io.StringIO()
    Console(file=out, width=width).print(table)
    return out.getvalue()


@pytest.mark.parametrize(
    "look", [{"box": None, "pad_edge": False}, {}, {"box": box.SIMPLE_HEAD, "show_edge": False}]
)
def test_no_word_is_cut_and_lines_keep_to_the_width(look):
    rows = [(LONG, "a sentence of a dozen words which must be broken between its words " * 2), ("b", "c")]
    for width in (60, 80, 120):
        text = printed(width, rows, **look)
        assert "…" not in text
        assert set(LONG.split()) | set(rows[0][1].split()) <= set(
            text.replace("│", " ").replace("┃", " ").split()
        )
        assert max(map(len, text.splitlines())) <= width


def test_a_table_whose_words_need_more_is_wider_than_the_terminal():
    text = printed(20, [(LONG, LONG)], box=None, pad_edge=False)
    assert text.split() == ["name", "what", "it", "is", LONG, LONG]


def test_a_short_table_is_no_wider_than_its_texts():
    text = printed(80, [("a", "b")], box=None, pad_edge=False)
    # Before version 15, rich pads the last column of such a table by a blank on its left.
    padding = int(metadata.version("rich").split(".")[0]) < 15
    assert max(len(line.rstrip()) for line in text.splitlines()) == len("name  what it is") + padding


def test_characters_that_act_on_a_terminal_count_as_they_are_written():
    text = printed(80, [("a\x1b[2Jb", "c")], box=None, pad_edge=False)
    assert "\x1b" not in text
    assert "…" not in text
