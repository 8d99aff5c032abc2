"""The numbers that are told are those of the records that lie beside them, and the study's methods do what is said."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from gridbench.cli import main
from gridbench.config import make_config
from gridbench.conformance import check_component
from gridbench.core.plugins import load_plugin, source_digest
from gridbench.leaderboard.stats.statistics import paired_interval
from gridbench.methods.pairing import losses_of
from gridbench.records.runner import Execution, run
from gridbench.registry import LOSSES, METHODS

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
QUESTIONS = RESULTS / "questions"


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(RESULTS)
    return importlib.import_module


def test_every_table_is_what_the_shipped_records_give(scripts):
    texts = scripts("rebuild").texts(scripts("pages.evidence").Records())
    written = {RESULTS / name for name in ("README.md", "audits.md", "runs.md", "paper/leaderboard.md")}
    assert set(RESULTS.rglob("*.md")) - set(texts) == written | set(QUESTIONS.glob("*.md"))
    for file, text in texts.items():
        assert file.read_text(encoding="utf-8") == text, f"run docs/results/rebuild.py: {file.name}"


def test_the_leaderboard_is_what_the_command_writes_of_the_shipped_records(tmp_path):
    main(["leaderboard", "--baselines", "--statistics", "--out", str(tmp_path / "table.md")])
    assert (tmp_path / "table.md").read_text(encoding="utf-8") == (
        RESULTS / "paper" / "leaderboard.md"
    ).read_text(encoding="utf-8")


def test_the_probe_only_looks(scripts):
    evidence, why = scripts("pages.evidence"), scripts("pages.why")
    records = evidence.Records()
    for rate in (30, 60):
        for metric in (evidence.TEST, evidence.VALIDATION, "memorised", "detection/precision"):
            probed = records.seeds(metric, rate, **why.PROBE)
            grid = records.seeds(metric, rate, **evidence.DEFAULT)
            assert probed
            assert probed == {seed: grid[seed] for seed in probed}


def test_the_oracle_is_plain_training_without_noise(scripts):
    evidence = scripts("pages.evidence")
    records = evidence.Records()
    for plain in (evidence.BCE, {"method": "ce", "loss": "ce"}):
        clean = records.seeds(evidence.TEST, 0, **plain)
        assert len(clean) == 5
        for rate in (0, 30, 60):
            assert records.seeds(evidence.TEST, rate, method="oracle", loss=plain["loss"]) == clean


@pytest.mark.parametrize(
    ("comparison", "labels"), [("SCENE", "scene"), ("SINGLE", "single"), ("MAPS", "pixel")]
)
def test_the_page_of_a_level_leaves_no_method_out(scripts, comparison, labels):
    learning = {
        name
        for name in METHODS.names()
        if any(LOSSES.get(loss).task.level == labels for loss in losses_of(METHODS.get(name)))
    }
    page, five = scripts("pages.comparison"), set(range(5))
    level = getattr(page, comparison)
    assert set(level.names) == learning - {"oracle"}
    for name in level.names:
        assert set(level.seeds(page.TEST, page.ORDERED_AT, name)) == five
        # The head of RRL predicts the graph of the classes that an image shows, and no map.
        assert set(level.seeds(level.prediction, page.ORDERED_AT, name)) == (set() if name == "rrl" else five)


@pytest.mark.parametrize("level", ["several", "single", "maps"])
def test_every_method_of_a_level_was_tried_as_often_and_run_with_what_was_chosen(scripts, level):
    budget = scripts(f"pages.budget.{level}").TUNING
    assert set(budget.searches) == set(budget.comparison.names)
    assert {len(search.tries) for search in budget.searches.values()} == {10}
    assert 30 in budget.rates
    for name in budget.searches:
        for rate in budget.rates:
            assert set(budget.seeds(scripts("pages.evidence").TEST, rate, name)) == set(range(5))


def test_the_combinations_with_five_seeds_have_them(scripts):
    evidence, page = scripts("pages.evidence"), scripts("pages.combinations")
    found = evidence.Records(evidence.PREDICTIONS)
    for _, rows, _ in page.LEVELS:
        for where in rows.values():
            assert set(found.seeds(evidence.TEST, page.RATE, **where)) == set(range(5))


def test_the_page_of_pairs_leaves_no_pair_out(scripts):
    evidence, page = scripts("pages.evidence"), scripts("pages.pairs")
    records = evidence.Records(evidence.PAIRS)
    for level in page.LEVELS:
        allowed = {(name, loss) for name in METHODS.names() for loss in losses_of(METHODS.get(name), level)}
        assert set(page.runs_at(records, level)) == allowed
    assert sum(page.probe(run) for run in records.runs) == len(page.PROBES)


def test_what_the_page_of_pairs_says_went_wrong_is_in_the_records(scripts):
    evidence, page = scripts("pages.evidence"), scripts("pages.pairs")
    records = evidence.Records(evidence.PAIRS)
    said = {level: " ".join(paragraphs) for level, paragraphs in page.REASONS.items()}
    scene, maps, single = (page.runs_at(records, level) for level in ("scene", "pixel", "single"))

    def classes(run):
        return sum(bool(f1) for f1 in run.stored.result["predictions"]["test"]["per_class"]["f1"])

    recognised = [
        classes(run) for (method, loss), run in scene.items() if loss == "bmae" and method != "oracle"
    ]
    assert (min(recognised), max(recognised)) == (4, 8)
    assert "four to eight of the 17 classes" in said["scene"]
    quiet = scene["jocor", "fl"]
    assert quiet.metric("predicted_prevalence") < quiet.metric("true_prevalence") / 5
    assert quiet.metric("map_macro") > scene["jocor", "bce"].metric("map_macro")

    def last(method, loss, log):
        return [row[log] for row in maps[method, loss].stored.epochs()][-1]

    shares = {loss: last("lnc", loss, "corrected_pixels") for method, loss in maps if method == "lnc"}
    assert {loss: round(100 * share) for loss, share in shares.items() if share > 0.01} == {
        "psce": 82,
        "pnce_rce": 82,
        "pgce": 54,
    }
    assert "corrects 82 % of all pixels" in said["pixel"]
    assert "With PGCE 54 %" in said["pixel"]
    first = [row["corrected_pixels"] > 0 for row in maps["lnc", "psce"].stored.epochs()].index(True)
    assert first + 1 == 13
    assert "from the thirteenth epoch on" in said["pixel"]
    assert last("aio2", "pce", "added_pixels") == pytest.approx(0.5, abs=0.05)
    assert maps["aio2", "pce"].metric("miou") / maps["pce", "pce"].metric("miou") == pytest.approx(
        0.55, abs=0.05
    )

    below = {
        method: 100 * (single["ce", "ce"].metric("accuracy") - single[method, "ce"].metric("accuracy"))
        for method in ("dividemix", "elr_plus", "prism", "rnsl", "mixup")
    }
    assert [round(below[name]) for name in ("dividemix", "prism")] == [9, 12]
    assert "by 9 to 12 points" in said["single"]
    assert below["dividemix"] < below["elr_plus"] < below["prism"]
    assert [round(below[name]) for name in ("rnsl", "mixup")] == [5, 5]


def test_every_interval_that_the_conclusions_tell_is_in_a_table_or_of_the_records(scripts):
    evidence, why = scripts("pages.evidence"), scripts("pages.why")
    number = r"([-+−]?\d+(?:\.\d+)?)"

    def told(text, pattern):
        found = (
            tuple(float(word.replace("−", "-")) for word in words) for words in re.findall(pattern, text)
        )
        # A page may say how far one is behind, where a table says how far the other is ahead.
        return {ends for mean, low, high in found for ends in ((mean, low, high), (-mean, -high, -low))}

    pages = {file: file.read_text(encoding="utf-8") for file in RESULTS.rglob("*.md")}
    del pages[RESULTS / "audits.md"]  # its intervals are of precision, not of differences between methods
    discussed = {RESULTS / "README.md", *QUESTIONS.glob("*.md")}
    text = " ".join(" ".join(pages.pop(file) for file in sorted(discussed)).split())
    rows = "\n".join(re.findall(r"^\|.*", "\n".join(pages.values()), re.MULTILINE)).replace("**", "")
    known = told(rows, rf"{number} \({number} to {number}")
    known |= told(rows, rf"{number} \(n = \d+\) \| +{number} to {number}")
    records, every = evidence.Records(), (0, 30, 60)
    for one, other, rates in (
        (evidence.AUTO, evidence.DEFAULT, every),
        (evidence.AUTO, evidence.BCE, every),
        (evidence.JOCOR, evidence.AUTO, every),
        (why.SHARED, evidence.DEFAULT, every),
        (evidence.GRID_RRL, evidence.RRL, (30,)),
    ):
        curves = (
            {rate: records.seeds(evidence.TEST, rate, **each) for rate in rates} for each in (one, other)
        )
        interval = paired_interval(*curves)
        known.add(tuple(float(f"{x:.1f}") for x in (interval.difference, interval.low, interval.high)))
    between = r"(?: (?:points?|of|mAP|NDCG(?:@20)?|accuracy|less|at \d+|above BCE))*"
    said = re.findall(rf"{number}{between} \({number} to {number}[;)]", text)
    assert len(said) > 120
    wrong = [words for words in said if tuple(float(word.replace("−", "-")) for word in words) not in known]
    assert wrong == []


def test_a_setting_of_several_cells_is_no_cell(scripts):
    evidence = scripts("pages.evidence")
    records = evidence.Records()
    with pytest.raises(ValueError, match="more than one cell"):
        records.seeds(evidence.TEST, 30, method="grid")
    assert records.seeds(evidence.TEST, 30, method="nothing like it") == {}


def test_runs_of_several_machines_are_never_paired(scripts):
    evidence = scripts("pages.evidence")
    assert len(evidence.Records(*evidence.SEVERAL, per_noise=True).machines()) == 3
    with pytest.raises(ValueError, match="several machines"):
        evidence.Records(*evidence.SEVERAL)  # whose noises are of three
    with pytest.raises(ValueError, match="several machines"):
        evidence.Records(evidence.BASELINES, evidence.PREDICTIONS, per_noise=True)


def test_the_plug_in_of_the_studies_is_the_source_that_their_records_name(scripts, registries):
    load_plugin(RESULTS / "exclusion.py")
    named = {run.value("plugin") for run in scripts("pages.evidence").Records().runs} - {None}
    assert named == {source_digest([METHODS.get("exclude_loss")])}


@pytest.fixture
def score(tmp_path, cache, settings, registries):
    """Train a method on a small archive and return its metrics, with the study's plug-in loaded."""
    load_plugin(RESULTS / "exclusion.py")

    def train(method, **parameters):
        config = make_config({**settings, "method": method, "slnir": 30, "parameters": parameters})
        return run(config, Execution(runs=tmp_path / "runs", cache=cache, device="cpu", threads=1)).metrics

    return train


@pytest.mark.parametrize("method", ["exclude_loss", "exclude_difference"])
def test_leaving_nothing_out_is_plain_training(score, method):
    plain, other = score("bce"), score(method, **{"lambda": 0})
    assert other["ndcg@5"] == plain["ndcg@5"]
    assert score(method, **{"lambda": 50})["ndcg@5"] != plain["ndcg@5"]


def test_the_probe_trains_as_grid_does(score):
    grid, probe = score("grid"), score("grid_probe")
    assert {name: value for name, value in probe.items() if name in grid} == grid


@pytest.mark.parametrize("method", ["exclude_loss", "exclude_difference", "grid_probe"])
def test_the_methods_of_the_study_conform(score, method):
    findings = list(check_component("method", method, losses=["bce"]))
    assert [finding for finding in findings if not finding.passed] == []
