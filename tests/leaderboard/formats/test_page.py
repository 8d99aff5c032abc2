"""The page's content, and that nothing from a record becomes markup."""

import json
import re
import shlex
from html.parser import HTMLParser

import numpy as np
import pytest
from click.testing import CliRunner

from gridbench.cli.run import run as run_command
from gridbench.errors import InputError
from gridbench.leaderboard.formats.html.page import page_document, render_page
from gridbench.leaderboard.formats.html.page_details import Budget
from gridbench.leaderboard.formats.report import Report
from gridbench.leaderboard.records.command_line import command_of
from gridbench.leaderboard.records.runs import collect, flatten, shipped_records
from gridbench.leaderboard.tables.cells import setting_text
from gridbench.leaderboard.tables.table import tables_of

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>'\"</script>"


def report_of(runs, **options):
    found = collect(runs)
    return Report(found, tables_of(found), **options)


def data_of(text):
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1]
    )


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_the_numbers_are_those_of_the_tables(study):
    report = report_of(study)
    (table,) = data_of(render_page(report))["tables"]
    shown = {tuple(row["names"]): [cell["mean"] for cell in row["entries"]] for row in table["rows"]}
    assert shown["grid", "bce"] == [57.0, 51.0, 45.0]
    assert shown["elr", "bce"] == [56.0, 50.0, None]
    assert [row["reference"] for row in table["rows"]] == [False] * 3 + [True] * 3
    grid = table["rows"][0]["entries"][1]
    assert grid["values"] == {"0": 50.0, "1": 51.0, "2": 52.0}
    assert grid["gap_closed"] == pytest.approx(35.6322)
    assert grid["place"] == "best"


def test_statistics_and_reported_numbers_are_on_the_page(runs, write_run):
    write_run(runs, dataset="dlrsd", ndcg=0.55)
    text = render_page(report_of(runs))
    assert "Mean rank" not in text
    assert "not enough seeds" not in text
    assert "measured beside reported" in text
    assert "Reported, not measured" in render_page(report_of(runs, reported=True))


def test_whatever_comes_from_a_record_is_escaped(study, write_run):
    write_run(
        study,
        folder="odd",
        dataset="<b>d</b>",
        method=HOSTILE,
        note=HOSTILE,
        noise_parameters={"<i>": HOSTILE},
    )
    text = render_page(report_of(study))
    tags = Tags(text)
    assert sum(tag == "script" for tag, _ in tags.found) == 2
    assert not any(tag in ("img", "b", "i") for tag, _ in tags.found)
    assert not any(name.startswith("on") for _, attributes in tags.found for name in attributes)
    names = [row["names"][0] for table in data_of(text)["tables"] for row in table["rows"]]
    assert HOSTILE in names


def test_the_page_names_no_address_to_fetch(study):
    text = render_page(report_of(study))
    assert not any({"src", "href"} & set(attributes) - {"href"} for _, attributes in Tags(text).found)
    assert [a["href"] for tag, a in Tags(text).found if "href" in a] == ["#results"]
    assert re.findall(r"https?://[^\s\"'<]+", text) == ["http://www.w3.org/2000/svg"]
    assert "default-src 'none'" in text


def test_details_tell_settings_environment_noise_and_history(runs, write_run):
    folder = write_run(runs, method="grid", parameters={"lambda": 20.0}, seed=0)
    write_run(runs, method="bce", seed=0)
    history = [{"epoch": at + 1, "loss": 1 / (at + 1), "detection": {"precision": None}} for at in range(200)]
    (folder / "history.json").write_text(json.dumps(history))
    environment = {"schema": 1, "python": "3.11.9", "packages": {"torch": "2.9"}, "started": "2026-01-01"}
    (folder / "environment.json").write_text(json.dumps(environment))
    (folder / "noise.json").write_text(json.dumps({"schema": 1, "realised": 29.98, "sha256": "ab"}))
    document = page_document(report_of(runs), Budget())
    details = document["details"]
    assert details["common"]["backbone"] == "test_resnet.r160_in1k"
    told = next(run for run in details["runs"] if run["folder"] == folder.name)
    assert told["settings"] == {"method": "grid", "parameters.lambda": "20"}
    assert told["metrics"]["ndcg@20 (%)"] == "50.0"
    assert told["noise"] == {"realised": "29.98", "sha256": "ab"}
    assert details["environments"][told["environment"]] == {"python": "3.11.9", "packages.torch": "2.9"}
    assert told["timing"] == [("started", "2026-01-01")]
    assert len(told["history"]["epochs"]) == 60
    assert (told["history"]["epochs"][0], told["history"]["epochs"][-1]) == (1, 200)
    assert list(told["history"]["series"]) == ["loss"]


def given(settings):
    return {name: value for name, value in settings.items() if value is not None and value is not False}


def texts_of(settings):
    flat = dict(flatten(settings))
    return {name: setting_text(value) for name, value in flat.items()}


def test_the_command_of_a_number_gives_every_setting_of_its_record(monkeypatch):
    from gridbench.records import runner

    asked = []

    def stop(config, execution):
        asked.append(config.canonical())
        raise InputError("enough")

    monkeypatch.setattr(runner, "run", stop)
    found = collect(shipped_records()).runs
    for run in (found[0], found[-1], next(run for run in found if run.settings["method"] == "grid")):
        words = shlex.split(command_of(run.stored.config))
        assert words[:2] == ["gridbench", "run"]
        CliRunner().invoke(run_command, words[2:])
        recorded = run.stored.config["config"]
        assert texts_of({"noise_seed": asked[-1]["seed"]} | given(asked[-1])) == texts_of(given(recorded))
    assert len(asked) == 3


def test_the_page_opens_on_the_table_of_most_runs(study, write_run):
    write_run(study, dataset="aardvark")
    document = page_document(report_of(study), Budget())
    assert [table["title"] for table in document["tables"]] == ["aardvark", "bluemarble"]
    assert document["first"] == 1


def test_damaged_side_files_cost_only_their_own_part(runs, write_run):
    folder = write_run(runs)
    (folder / "history.json").write_text("[1, 2]")
    (folder / "environment.json").write_text("[")
    (folder / "noise.json").write_text("3")
    (folder / "retrieval.npz").write_bytes(b"PK")
    (told,) = page_document(report_of(runs), Budget())["details"]["runs"]
    assert told["history"] is None
    # The result says what noise there was, too.
    assert told["noise"]["requested"] == "30"
    assert "strips" not in told


def test_the_budget_is_kept_and_said(study):
    document = page_document(report_of(study), Budget(runs=4))
    assert len(document["details"]["runs"]) == 4
    assert document["details"]["left_out"].startswith("This page has the details of 4 of 32 runs")
    cells = [c for row in document["tables"][0]["rows"] for c in row["entries"] if c["n"]]
    # One seed of each of four cells, rather than all seeds of one.
    assert sorted(len(cell["runs"]) for cell in cells if cell["runs"]) == [1, 1, 1, 1]


def test_pictures_are_kept_within_their_budget(runs, write_run):
    rng = np.random.default_rng(0)
    for seed in range(3):
        folder = write_run(runs, seed=seed)
        arrays = {
            "thumbnail.query_images": rng.integers(0, 255, (2, 16, 16, 3), np.uint8),
            "thumbnail.retrieved_images": rng.integers(0, 255, (2, 3, 16, 16, 3), np.uint8),
        }
        np.savez(folder / "retrieval.npz", allow_pickle=False, **arrays)
    whole = page_document(report_of(runs), Budget())["details"]
    assert whole["pictured"] == 3
    strips = whole["runs"][0]["strips"]
    assert strips["image"].startswith("data:image/jpeg;base64,")
    assert (strips["width"], strips["height"]) == (16, 16)
    assert [len(query["retrieved"]) for query in strips["queries"]] == [3, 3]
    some = page_document(report_of(runs), Budget(pictures=int(1.5 * len(strips["image"]))))["details"]
    assert some["pictured"] == 1
