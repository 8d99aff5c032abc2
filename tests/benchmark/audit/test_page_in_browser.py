"""The page driven in a real browser: keys, filters, undo, exports, what is kept, narrow and dark."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gridbench.audit.page import render_page, write_page
from gridbench.audit.ranking import Suspects, rank_labels
from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.archive.writer import ArchiveWriter, build_once
from gridbench.datasets.readers.tables import read_label_table

HOSTILE = "<img src=x onerror=document.title='owned'>"


def large(target, side=300):
    """Six images of 300 px, or fewer, with label maps, of 1 px checks that average to grey."""
    layout = Layout(
        (GroupLayout("rgb", ("r", "g", "b"), side, side, "uint8"),), ("left", "right"), (side, side)
    )
    writer = ArchiveWriter(target, layout, list("abcdef"), ["train"] * 4 + ["val", "test"])
    for i in range(6):
        checks = np.broadcast_to(255 * (np.indices((side, side)).sum(0) % 2), (3, side, side)).astype(
            np.uint8
        )
        maps = np.repeat([[0] * (side // 2) + [1] * (side // 2)], side, axis=0).astype(np.uint8)
        writer.write(i, Sample((checks,), np.ones(2, np.uint8), maps))
    writer.finish("large", "folder", {"failed": []})


@pytest.fixture
def visit(open_page, small_audit, small_archive):
    """Open the page of an audit."""

    def show(injected=False, line=None, **look):
        audit = small_audit(injected)
        expected = audit.document["expected"]
        expected["look"] = expected["look"] if line is None else line
        expected["k"][-1] = max(expected["k"][-1], expected["look"])
        text = render_page(audit, small_archive, rank_labels(audit.given, audit.scores).first(30))
        page = open_page(text, "Labels of small to look at", ".card", **look)
        page.audit = audit
        return page

    return show


def decide_all(page, word):
    """Decide about everything, as an earlier visit did whose decisions the browser has kept."""
    name, kept = page.evaluate(
        """(word) => {
          const data = JSON.parse(document.getElementById("data").textContent);
          const keys = data.suspects.map((one) => `${data.images[one.image].row}/${one.label}`);
          const kept = Object.fromEntries(keys.map((key) => [key, word]));
          return [`gridbench audit ${data.id}`, JSON.stringify(kept)];
        }""",
        word,
    )
    # Kept by the next visit, before its scripts: what this one keeps may reach the next one too late.
    page.add_init_script(f"localStorage.setItem({json.dumps(name)}, {json.dumps(kept)})")
    page.reload()
    page.wait_for_selector(".card")


def states(page):
    return page.evaluate("[...document.querySelectorAll('.card')].map((card) => card.className.slice(5))")


def chosen(page):
    return page.evaluate("document.querySelector('.card[aria-selected=true]').id")


def test_deciding_by_keys_with_undo_and_a_count(visit):
    page = visit()
    for key in ("a", "r", "A"):
        page.keyboard.press(key)
    assert states(page)[:4] == ["accept", "reject", "accept", ""]
    assert chosen(page) == "card-3"
    assert page.inner_text("#count").startswith("3 of 30 decided: 2 accepted, 1 rejected, 0 unsure")
    assert page.evaluate("document.getElementById('progress').value") == 3
    assert page.inner_text("#left") == ""
    page.keyboard.press("u")
    assert states(page)[:3] == ["accept", "reject", ""]
    assert chosen(page) == "card-2"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("r")
    assert states(page)[0] == "reject"
    for _ in range(5):
        page.keyboard.press("u")
    assert set(states(page)) == {""}
    assert page.is_disabled("#undo")


def test_progress_is_measured_to_the_stopping_line(visit):
    page = visit(line=3)
    page.keyboard.press("r")
    assert page.inner_text("#left") == "2 to go above the stopping line."
    assert page.evaluate("document.getElementById('progress').position") == pytest.approx(1 / 3)
    for _ in range(3):
        page.keyboard.press("r")
    assert page.inner_text("#left") == "All above the stopping line are decided: export them."
    assert page.evaluate("document.getElementById('progress').position") == 1
    assert page.get_attribute("#left a", "href") == "#export"
    assert page.locator("#export #decisions").count() == 1


def test_a_page_that_ends_before_the_stopping_line_says_so(visit):
    page = visit(line=60)
    assert "The page shows the first 30 entries alone" in page.inner_text("header")
    assert "the same command with --top 60" in page.inner_text("header")
    more = "30 more above the stopping line are not on this page."
    assert page.inner_text("#left") == f"30 to go on this page. {more}"
    decide_all(page, "reject")
    assert page.inner_text("#left") == f"All on this page are decided: export them. {more}"
    page.keyboard.press("End")
    here, stop = (page.locator(f"#curve .{name}").get_attribute("x1") for name in ("here", "stop"))
    assert float(here) < 400
    assert float(stop) == pytest.approx(630)
    ends = page.locator("#curve .mean").get_attribute("points").split()[-1]
    assert float(ends.split(",")[0]) == pytest.approx(630)


def test_moving_by_keys_and_by_the_mouse(visit):
    page = visit()
    page.keyboard.press("ArrowRight")
    assert chosen(page) == "card-1"
    page.keyboard.press("End")
    assert chosen(page) == "card-29"
    page.keyboard.press("ArrowRight")
    assert chosen(page) == "card-29"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    assert chosen(page) not in ("card-0", "card-1")
    page.locator(".card .ask").nth(4).click()
    assert chosen(page) == "card-4"
    page.locator("#accept").click()
    assert states(page)[4] == "accept"
    assert page.get_attribute("#cards", "aria-activedescendant") == "card-5"


def test_filters_by_class_kind_and_state(visit):
    page = visit()
    kinds = page.locator(".card .ask").all_inner_texts()
    page.select_option("#kind", "wrong")
    assert page.locator(".card").count() == sum(text.startswith("Wrong") for text in kinds)
    page.select_option("#kind", "missing")
    assert page.locator(".card").count() == sum(text.startswith("Missing") for text in kinds)
    page.select_option("#kind", "")
    page.select_option("#class", label="field, dry")
    assert page.locator(".card").count() == sum("field, dry" in text for text in kinds)
    page.select_option("#class", "")
    page.locator("#cards").focus()
    page.keyboard.press("a")
    page.select_option("#state", "accept")
    assert page.locator(".card").count() == 1
    page.select_option("#state", "open")
    assert page.locator(".card").count() == 29
    page.locator("#cards").focus()
    page.keyboard.press("r")
    assert page.locator(".card").count() == 28
    page.select_option("#state", "reject")
    page.locator("#cards").focus()
    page.keyboard.press("u")
    assert page.is_visible("#nothing")
    assert page.is_disabled("#accept")


def test_the_large_view_shows_what_to_compare_with_and_takes_decisions(visit):
    page = visit()
    page.keyboard.press("Enter")
    assert page.is_visible("#look")
    text = page.inner_text("#look")
    assert "1 of 30" in text
    assert "Typical of" in text
    assert "Seen alike by the models" in text
    before = page.locator(".frame img").bounding_box()["width"]
    page.keyboard.press("+")
    assert page.locator(".frame img").bounding_box()["width"] == pytest.approx(1.5 * before, rel=0.01)
    page.keyboard.press("a")
    assert "2 of 30" in page.inner_text("#look")
    page.keyboard.press("s")
    page.keyboard.press("ArrowLeft")
    assert "unsure: the label stays for now" in page.inner_text("#look")
    page.keyboard.press("Enter")
    assert not page.is_visible("#look")
    assert states(page)[:2] == ["accept", "unsure"]
    page.locator(".card img").first.hover()
    assert page.is_visible("#float")
    page.locator(".card img").nth(2).click()
    assert "3 of 30" in page.inner_text("#look")
    page.locator("#back").click()
    assert "2 of 30" in page.inner_text("#look")
    page.locator("#look-undo").click()
    assert "not decided" in page.inner_text("#look")
    page.locator("#forth").click()
    assert "3 of 30" in page.inner_text("#look")
    page.keyboard.press("Escape")
    assert states(page)[:2] == ["accept", ""]


def test_the_curve_says_where_one_is_and_where_to_stop(visit):
    page = visit()
    assert page.text_content("#here") == "you are here: 1"
    page.keyboard.press("End")
    assert page.text_content("#here") == "you are here: 30"
    assert "stop here" in page.text_content("#curve")
    assert page.locator(".line").count() <= 1
    assert "kept in this browser" in page.inner_text("#kept")


def test_five_hundred_cards_take_less_than_two_seconds_and_all_can_be_reached(
    open_page, small_archive, small_audit
):
    import dataclasses

    audit = small_audit()
    ranked = rank_labels(audit.given, audit.scores)
    times = -(-500 // len(ranked))
    many = Suspects(*(np.tile(getattr(ranked, f.name), times)[:500] for f in dataclasses.fields(ranked)))
    page = open_page(render_page(audit, small_archive, many), "Labels of small to look at", ".card")
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")
    spent = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
    # Processor time, which other processes do not lengthen as they do the time by the clock.
    assert 0 < spent["ProcessTime"] < 2
    page.keyboard.press("End")
    assert chosen(page) == "card-499"
    assert "under 1 % probable" in page.inner_text("#card-499")
    assert page.text_content("#here") == "you are here: 500"
    here, curve = page.locator("#here").bounding_box(), page.locator("#curve").bounding_box()
    assert here["x"] + here["width"] <= curve["x"] + curve["width"]
    while page.is_visible("#more"):
        page.locator("#more").click()
    assert page.locator(".card").count() == 500


def test_keys_in_a_list_of_choices_decide_nothing(visit):
    page = visit()
    page.locator("#class").focus()
    page.keyboard.press("a")
    page.locator("#cards").focus()
    page.keyboard.press("Control+a")
    assert set(states(page)) == {""}


def test_decisions_stay_when_the_page_is_opened_again(visit):
    page = visit()
    page.keyboard.press("a")
    page.keyboard.press("r")
    page.reload()
    page.wait_for_selector(".card")
    assert states(page)[:3] == ["accept", "reject", ""]
    assert page.inner_text("#count").startswith("2 of 30 decided")


def test_large_images_lie_beside_the_page(browser, audit_by_hand, tmp_path):
    archive = build_once(tmp_path / "archives" / "large", lambda target: large(target))
    rng = np.random.default_rng(0)
    audit = audit_by_hand(archive, rng.random((4, 2)), rng)
    path = write_page(audit, archive, rank_labels(audit.given, audit.scores).first(4))
    page = browser.new_page()
    trouble = []
    page.on("console", lambda message: trouble.append(message.text))
    page.goto(path.as_uri())
    page.keyboard.press("Enter")
    # Not wait_for_function: at a second look the page's policy forbids what it evaluates.
    for image in (".frame img", ".card img"):
        page.locator(image).first.evaluate("image => image.decode()")
    assert page.evaluate("document.querySelector('.frame img').naturalWidth") == 300
    assert page.evaluate("document.querySelector('.card img').naturalWidth") == 128
    assert page.locator(".outline").count() == 1
    page.locator("#layer").click()
    assert page.locator(".outline").count() == 0
    assert trouble == []
    page.close()


def exported(page, button):
    with page.expect_download() as waiting:
        page.locator(button).click()
    return waiting.value.suggested_filename, Path(waiting.value.path())


def test_the_exports_hold_what_was_decided(visit, small_archive, tmp_path):
    from gridbench.audit.correction import correct, read_decisions

    page = visit()
    for key in ("a", "r", "a"):
        page.keyboard.press(key)
    name, file = exported(page, "#decisions")
    assert name == "decisions.csv"
    shutil.copy(file, tmp_path / name)
    audit = page.audit
    names = [small_archive.names[i] for i in audit.positions]
    decided = read_decisions(tmp_path / name, names, small_archive.class_names, audit.given)
    ranked = rank_labels(audit.given, audit.scores)
    first = list(zip(ranked.samples[:3].tolist(), ranked.labels[:3].tolist(), strict=True))
    assert decided == dict(zip(first, ("accept", "reject", "accept"), strict=True))
    assert "Next: gridbench audit apply" in page.inner_text("#saved")
    name, file = exported(page, "#labels")
    assert name == "labels.csv"
    assert "validation and test" not in page.inner_text("#saved")
    shutil.copy(file, tmp_path / name)
    read = read_label_table(tmp_path / name)
    expected = small_archive.scene_labels.copy()
    expected[audit.positions] = correct(audit.given, [first[0], first[2]])
    assert read.keys == small_archive.names
    assert read.class_names == small_archive.class_names
    assert np.array_equal(read.labels, expected)
    assert read.columns["split"].count("test") == len(small_archive.indices("test"))


def test_changed_labels_of_validation_and_test_are_told(open_page, small_archive, audit_by_hand):
    whole = small_archive.as_training()
    given = np.asarray(small_archive.scene_labels)
    rng = np.random.default_rng(1)
    audit = audit_by_hand(whole, np.where(given, 0.9, 0.1) + rng.uniform(-0.08, 0.08, given.shape), rng)
    ranked = audit.ranked()
    training = set(small_archive.indices("train").tolist())
    others = sum(int(i) not in training for i in ranked.samples)
    page = open_page(render_page(audit, small_archive, ranked), "Labels of small to look at", ".card")
    decide_all(page, "accept")
    _, file = exported(page, "#labels")
    assert f"It changes {others} labels of validation and test images" in page.inner_text("#saved")
    empty = int((given.sum(1) == 3).sum())
    assert f"It leaves {empty} images without a label" in page.inner_text("#saved")
    assert file.read_text(encoding="utf-8").count(",test,") == len(small_archive.indices("test"))


def test_labels_with_injected_noise_are_named_so(visit):
    page = visit(injected=True)
    assert "put in on purpose" in page.inner_text(".warning")
    assert exported(page, "#labels")[0] == "labels-with-injected-noise.csv"
    assert page.locator("table.sheet tbody tr").count() == 3


def test_hostile_names_are_only_text(visit):
    page = visit()
    assert any(HOSTILE in text for text in page.locator(".card").all_text_contents())
    assert page.locator("img").count() == page.locator(".card").count()
    page.locator("#cards").focus()
    for _ in range(len(states(page))):
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowRight")
    assert page.locator("img[src=x]").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_four_hundred_pixels_are_enough(visit, scheme):
    page = visit(injected=True, width=400, height=800, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert page.locator(".desk").bounding_box()["height"] < 260
    page.keyboard.press("End")
    page.wait_for_timeout(100)
    card, desk = page.locator(".card[aria-selected=true]"), page.locator(".desk")
    assert card.bounding_box()["y"] >= desk.bounding_box()["y"] + desk.bounding_box()["height"] - 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(visit, scheme):
    page = visit(injected=True, scheme=scheme)
    page.keyboard.press("a")
    page.keyboard.press("r")
    ratio = page.evaluate(
        """() => {
          const light = (text) => {
            const parts = text.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
              .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
            return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
          };
          const ground = (node) => {
            const colour = getComputedStyle(node).backgroundColor;
            return colour.endsWith(", 0)") && node.parentElement ? ground(node.parentElement) : light(colour);
          };
          return [...document.querySelectorAll("h1, h2, p, b, td, th, small, output, kbd, button, caption")]
            .filter((node) => node.textContent.trim() && !node.disabled && node.getClientRects().length)
            .map((node) => [light(getComputedStyle(node).color), ground(node)])
            .map(([text, back]) => (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05))
            .reduce((lowest, value) => Math.min(lowest, value), 99);
        }"""
    )
    assert ratio >= 4.5


def test_regions_of_label_maps_are_decided_on_by_the_same_keys(open_page, browser, tmp_path):
    from gridbench.audit.masks.audit import MaskAudit
    from gridbench.audit.masks.page import render_mask_page
    from gridbench.audit.masks.regions import SHIFTED, WRONG, Candidate

    archive = build_once(tmp_path / "archives" / "large", lambda target: large(target, 64))
    positions = archive.indices("train")
    given = np.asarray(archive.label_maps[positions])
    left = np.flatnonzero(given[0] == 0)
    findings = [
        Candidate(WRONG, 2.0, left, np.ones(len(left), np.uint8), 0, 1),
        Candidate(SHIFTED, 1.0, np.arange(9), np.ones(9, np.uint8), 0, 1, (0, 3)),
    ]
    expected = {
        "k": [1, 2],
        "precision": [0.9, 0.6],
        "low": [0.5, 0.3],
        "high": [1, 0.9],
        "change": 0,
        "look": 2,
    }
    document = {
        "id": "1",
        "images": 4,
        "folds": [2, 2],
        "members": 3,
        "together": "nothing",
        "config": {"method": "pce", "loss": "pce", "epochs": 1},
        "injected": None,
        "expected": expected,
        "planted": {"wrong regions": {"maps": 3, "found": 0.5}},
        "skill": [0.5, 0.5],
    }
    audit = MaskAudit(
        tmp_path, document, positions, given, np.array([0, 1]), findings, np.array([0.9, 0.3]), None
    )
    page = open_page(render_mask_page(audit, archive, 9), "Label maps of large to look at", ".card")
    assert page.inner_text(".card b") == "left becomes right"
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    assert "move the map 3 px right" in page.inner_text("#look")
    assert "edge of the finding" in page.inner_text("#look")
    both = page.locator(".both figure")
    assert both.all_inner_texts() == ["as given", "as suspected"]
    overlays = [both.nth(at).locator(".tint").get_attribute("src") for at in range(2)]
    assert overlays[0] != overlays[1]
    page.locator("#layer").click()
    assert "map as given" in page.inner_text("#look")
    assert page.locator(".picture .tint").get_attribute("src") == overlays[0]
    page.keyboard.press("s")
    page.keyboard.press("Enter")
    _, file = exported(page, "#decisions")
    assert file.read_text().splitlines() == [
        "sample,finding,decision,audit",
        f"{archive.names[positions[0]]},1,accept,gridbench audit 1",
        f"{archive.names[positions[1]]},2,unsure,gridbench audit 1",
    ]
    page.select_option("#kind", "shifted boundary")
    assert page.locator(".card").count() == 1
    assert "show 50 % of the wrong regions (in 3 maps)." in page.inner_text("main")
    assert "6 networks were trained" in page.inner_text("main")

    empty = {"k": [0], "precision": [0.0], "low": [0.0], "high": [0.0], "change": 0, "look": 0}
    none = replace(
        audit,
        images=audit.images[:0],
        findings=[],
        scores=audit.scores[:0],
        document=document | {"expected": empty},
    )
    page = open_page(render_mask_page(none, archive, 9), "Label maps of large to look at", "#nothing")
    assert "there is nothing to decide" in page.inner_text("header")
    assert not page.locator("#curve").count()
