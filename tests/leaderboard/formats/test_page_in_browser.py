"""The page driven in a real browser: sorting, filtering, hovering, details, keyboard, narrow, no request."""

import json
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from gridbench.leaderboard.formats.html.page import render_page
from gridbench.leaderboard.formats.report import Report
from gridbench.leaderboard.records.runs import collect
from gridbench.leaderboard.tables.table import tables_of

HOSTILE = "<img src=x onerror=document.title='owned'>"


@pytest.fixture
def visit(open_page):
    """Open the page of a folder of runs."""

    def show(runs, **look):
        found = collect(runs)
        text = render_page(Report(found, tables_of(found)))
        return open_page(text, "gridbench leaderboard", "#table tbody tr", **look)

    return show


@pytest.fixture
def detailed(study, write_run):
    folder = next(study.glob("grid-bce-slnir30-seed0-*"))
    history = [{"epoch": at + 1, "loss": 1 / (at + 1), "kl": at / 10} for at in range(20)]
    (folder / "history.json").write_text(json.dumps(history))
    (folder / "environment.json").write_text(json.dumps({"python": "3.11.9", "device": "cpu"}))
    (folder / "noise.json").write_text(json.dumps({"schema": 1, "realised": 29.98, "sha256": "ab"}))
    arrays = {
        "thumbnail.query_images": np.full((2, 16, 16, 3), 200, np.uint8),
        "thumbnail.retrieved_images": np.full((2, 3, 16, 16, 3), 90, np.uint8),
        "thumbnail.query_labels": np.array([[1, 0], [0, 1]], bool),
        "thumbnail.retrieved_labels": np.array([[[1, 0], [0, 1], [1, 1]]] * 2, bool),
        "thumbnail.class_names": np.array(["water", HOSTILE]),
    }
    np.savez(folder / "retrieval.npz", allow_pickle=False, **arrays)
    write_run(study, folder="odd", method=HOSTILE, note=HOSTILE, slnir="30", ndcg=0.3)
    return study


def first_names(page):
    return page.locator("#table tbody tr th:first-child").all_inner_texts()


def head(page, name):
    return page.locator("#table thead button", has_text=name).first


def test_sorting_by_any_column_both_ways(visit, study):
    page = visit(study)
    assert first_names(page) == ["grid", "elr", "bce", "oracle", "untrained", "random"]
    head(page, "60").click()
    assert first_names(page)[:3] == ["grid", "bce", "elr"]
    head(page, "60").click()
    assert first_names(page)[:3] == ["bce", "grid", "elr"]
    assert page.locator("#table th[aria-sort]").get_attribute("aria-sort") == "ascending"
    head(page, "method").click()
    assert first_names(page)[:3] == ["bce", "elr", "grid"]
    assert first_names(page)[3:] == ["oracle", "random", "untrained"]


def test_filtering_rows_and_curves(visit, study):
    page = visit(study)
    page.fill("#filter", "GR")
    expect(page.locator("#table tbody tr")).to_have_count(1)
    assert first_names(page) == ["grid"]
    assert page.inner_text("#count") == "1 of 6 rows"
    assert page.locator("#legend button").count() == 1
    page.fill("#filter", "nothing like it")
    expect(page.locator("#table tbody tr")).to_have_count(0)


def test_hovering_a_number_or_a_curve_tells_more(visit, study):
    page = visit(study)
    page.locator("#table .cell").nth(1).hover()
    tip = page.inner_text("#tip")
    assert "grid · bce, SLNIR 30 %" in tip
    assert "seed 1: 51.0" in tip
    assert "gap closed: 36 %" in tip
    page.mouse.move(1, 1)
    assert page.is_hidden("#tip")
    page.locator("#chart .point").nth(1).hover()
    assert page.inner_text("#tip") == "grid · bce\nSLNIR 30 %: 51.0 ± 1.0 (n = 3)"


def test_a_curve_can_be_put_away(visit, study):
    page = visit(study)
    points = page.locator("#chart .point").count()
    page.locator("#legend button", has_text="elr").click()
    assert page.locator("#chart .point").count() == points - 2
    assert page.locator("#legend button", has_text="elr").get_attribute("aria-pressed") == "false"


def test_details_of_a_run(visit, detailed):
    page = visit(detailed)
    page.locator("#table .cell").nth(1).click()
    assert page.inner_text("#details-title") == "grid · bce · SLNIR 30 %"
    body = page.inner_text("#details-body")
    assert page.locator("#details h3").first.inner_text() == "Command"
    assert "gridbench run --dataset bluemarble --method grid" in page.locator("#details code").inner_text()
    for part in ("seed 0: 50.0", "map@20 (%)", "lambda", "realised", "29.98", "python", "3.11.9", "History"):
        assert part in body
    assert page.locator("#details .chart svg").count() == 1
    page.locator("#details select").select_option("kl")
    assert "kl over epoch" in page.locator("#details .chart svg").get_attribute("aria-label")
    marked = page.locator("#details .strip").first.locator("figure.wrong")
    assert marked.count() == 1
    assert "2 ✗" in marked.inner_text()
    # Not wait_for_function: at a second look the page's policy forbids what it evaluates.
    # Read from a copy, since repeated reads of the canvas itself are a warning on the console.
    red = """canvas => {
        const copy = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
        copy.drawImage(canvas, 5, 5, 1, 1, 0, 0, 1, 1);
        return copy.getImageData(0, 0, 1, 1).data[0];
    }"""
    canvas = page.locator(".strip canvas")
    for _ in range(100):
        if canvas.first.evaluate(red) > 150:
            break
        page.wait_for_timeout(50)
    assert canvas.first.evaluate(red) > 150
    page.locator("#details .seeds button").nth(1).click()
    assert "seed1" in page.inner_text("#details-body")
    page.locator("#close").click()
    assert not page.evaluate("document.getElementById('details').open")


def test_everything_works_from_the_keyboard(visit, detailed):
    page = visit(detailed)
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "cell":
            break
    assert "grid · bce, SLNIR 0 %: 57.0 ± 1.0" in page.evaluate("document.activeElement.ariaLabel")
    page.keyboard.press("ArrowRight")
    assert "SLNIR 30 %" in page.inner_text("#tip")
    page.keyboard.press("Enter")
    assert page.evaluate("document.getElementById('details').open")
    page.keyboard.press("Escape")
    assert not page.evaluate("document.getElementById('details').open")
    assert page.evaluate("document.activeElement.className") == "cell"
    page.locator("#chart svg").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert "SLNIR 30 %: 51.0" in page.inner_text("#tip")
    head(page, "30").focus()
    page.keyboard.press("Enter")
    assert page.locator("#table th[aria-sort]").count() == 1


def test_hostile_names_are_only_text(visit, detailed):
    page = visit(detailed)
    assert any(HOSTILE in name for name in page.locator("#table tbody th").all_text_contents())
    assert page.locator("img").count() == 0
    page.locator("#table .cell").nth(1).click()
    assert HOSTILE in page.inner_text("#details-body")
    assert page.locator("img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_four_hundred_pixels_are_enough(visit, detailed, scheme):
    page = visit(detailed, width=400, height=800, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    holder = page.locator(".scroll").first
    assert "more" in holder.get_attribute("class").split()
    expect(page.locator(".hint").first).to_be_visible()
    holder.evaluate("(box) => { box.scrollLeft = box.scrollWidth; }")
    expect(holder).to_have_class("scroll")
    page.locator("#table .cell").nth(1).click()
    assert page.evaluate("document.getElementById('details').scrollWidth") <= 400
    box = page.locator("#close").bounding_box()
    assert 0 <= box["x"] <= 400 - box["width"]


def test_light_and_dark_follow_the_system_or_the_button(visit, study):
    page = visit(study, scheme="dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.inner_text("#theme") == "Theme: light"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(visit, study, scheme):
    page = visit(study, scheme=scheme)
    ratio = page.evaluate(
        """() => {
          const light = (text) => {
            const parts = text.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
              .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
            return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
          };
          const ground = light(getComputedStyle(document.body).backgroundColor);
          return [...document.querySelectorAll("h1, p, td, th, small, figcaption, output, li")]
            .filter((node) => node.textContent.trim())
            .map((node) => light(getComputedStyle(node).color))
            .map((value) => (Math.max(value, ground) + 0.05) / (Math.min(value, ground) + 0.05))
            .reduce((lowest, value) => Math.min(lowest, value), 99);
        }"""
    )
    assert ratio >= 4.5


def test_several_tables_can_be_chosen(visit, study, write_run):
    write_run(study, dataset="dlrsd", method="mine", slnir="10")
    page = visit(study)
    page.locator("#which").select_option(label="dlrsd: ndcg@20")
    assert first_names(page) == ["mine"]
    assert page.is_hidden("#curves")


def test_the_shown_rows_can_be_downloaded(visit, study, write_run):
    write_run(study, method="=1+1", slnir="30", ndcg=0.2)
    page = visit(study)
    page.fill("#filter", "=1")
    expect(page.locator("#table tbody tr")).to_have_count(1)
    with page.expect_download() as waiting:
        page.locator("#download").click()
    lines = Path(waiting.value.path()).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "method,loss,SLNIR (%),metric,unit,n,mean,std,machine"
    assert lines[1:] == ["'=1+1,bce,30,ndcg@20,percent,1,20,,not recorded"]


def test_many_rows_come_in_pages(visit, runs, write_run):
    for at in range(230):
        write_run(runs, method=f"method{at:03}", ndcg=at / 1000)
    page = visit(runs)
    assert page.locator("#table tbody tr").count() == 200
    page.locator("#more").click()
    assert page.locator("#table tbody tr").count() == 230
    assert page.is_hidden("#more")
