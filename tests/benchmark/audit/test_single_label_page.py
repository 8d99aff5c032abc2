"""The page of an audit of single labels in a real browser: a class given, the one suspected, and what is exported."""

import csv

import numpy as np
import pytest

from gridbench.audit.page import render_page
from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.archive.writer import ArchiveWriter, build_once
from tests.benchmark.audit.test_page_in_browser import chosen, exported, states

CLASSES = ("water", "sand", "rock")
COUNT = 24
GROUPS = [f"g{at // 4}" for at in range(COUNT)]
WRONG = {4: 2, 9: 1}
"""Number of an image -> the class that the models see in it; the one given is the number modulo 3."""


@pytest.fixture
def single(open_page, audit_by_hand, tmp_path):
    """Open the page of an audit of one label per image, with two labels that the models contradict."""

    def build(target):
        layout = Layout((GroupLayout("rgb", ("r", "g", "b"), 8, 8, "uint8"),), CLASSES)
        splits = ["train"] * (COUNT - 2) + ["val", "test"]
        writer = ArchiveWriter(target, layout, [f"i{at}" for at in range(COUNT)], splits, groups=GROUPS)
        for at in range(COUNT):
            pixels = np.full((3, 8, 8), 10 * at, np.uint8)
            writer.write(at, Sample((pixels,), np.eye(3, dtype=np.uint8)[at % 3]))
        writer.finish("mine", "folder", {"failed": []})

    archive = build_once(tmp_path / "archives" / "mine", build)
    numbers = [int(archive.names[i][1:]) for i in archive.indices("train")]
    seen = [WRONG.get(number, number % 3) for number in numbers]
    rng = np.random.default_rng(0)
    probabilities = 0.04 + 0.88 * np.eye(3)[seen] + rng.uniform(0, 0.01, (COUNT - 2, 3))
    audit = audit_by_hand(archive, probabilities, rng, level="single")
    return open_page(render_page(audit, archive, audit.ranked()), "Labels of mine to look at", ".card")


def test_a_card_names_the_given_class_and_the_suspected_one(single):
    cards = single.locator(".card")
    assert cards.count() == COUNT - 2, "each image has one finding"
    first = {cards.nth(at).locator(".more").last.inner_text(): cards.nth(at) for at in range(2)}
    assert {name: card.locator("b").inner_text() for name, card in first.items()} == {
        "i4": "sand becomes rock",
        "i9": "water becomes sand",
    }
    assert "Wrong label?" in first["i4"].inner_text()
    assert "given: sand" in first["i4"].inner_text()
    assert single.locator("#kind").count() == 0, "there is one kind"
    single.select_option("#class", label="sand")
    assert all(text.startswith("sand becomes") for text in single.locator(".card b").all_inner_texts())


def test_the_large_view_compares_both_classes_and_takes_the_same_keys(single):
    first, second = single.locator(".card b").all_inner_texts()[:2]
    single.keyboard.press("Enter")
    given, suspected = first.split(" becomes ")
    assert single.inner_text("#look h2") == first
    titles = single.locator("#look h3").all_inner_texts()
    assert titles[:2] == [f"Typical of {given}", f"Typical of {suspected}"]
    before = single.locator(".frame img").bounding_box()["width"]
    single.keyboard.press("+")
    assert single.locator(".frame img").bounding_box()["width"] == pytest.approx(1.5 * before, rel=0.01)
    single.keyboard.press("a")
    assert single.inner_text("#look h2") == second
    single.keyboard.press("s")
    single.keyboard.press("Enter")
    assert not single.is_visible("#look")
    single.keyboard.press("r")
    assert states(single)[:3] == ["accept", "unsure", "reject"]
    assert single.inner_text("#count").startswith(
        f"3 of {COUNT - 2} decided: 1 accepted, 1 rejected, 1 unsure"
    )
    single.keyboard.press("u")
    assert states(single)[:3] == ["accept", "unsure", ""]
    assert chosen(single) == "card-2"


def test_an_accepted_finding_replaces_the_label_in_the_exports(single):
    name = single.locator(".card").first.locator(".more").last.inner_text()
    given, suspected = single.locator(".card b").first.inner_text().split(" becomes ")
    for key in ("a", "s"):
        single.keyboard.press(key)
    _, file = exported(single, "#decisions")
    assert file.read_text().splitlines()[:2] == [
        "sample,label,decision,kind,becomes",
        f"{name},{given},accept,wrong,{suspected}",
    ]
    _, file = exported(single, "#labels")
    with file.open(newline="", encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    assert [sum(int(row[name]) for name in CLASSES) for row in rows] == [1] * COUNT
    changed = [row for row in rows if row[CLASSES[int(row["file"][1:]) % 3]] != "1"]
    assert [(row["file"], row[suspected]) for row in changed] == [(name, "1")]
    assert [row["group"] for row in rows] == [GROUPS[int(row["file"][1:])] for row in rows]
