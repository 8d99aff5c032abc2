"""The choice on validation: by the mean over noise rates and seeds, by nothing that was measured on test."""

import hashlib
import json
from dataclasses import replace

import pytest

from gridbench.errors import InputError
from gridbench.records.record import read_record
from gridbench.sweeps.grid import expand, make_sweep
from gridbench.sweeps.model_selection import (
    describe_selection,
    require_scores,
    select,
    write_selection,
)
from gridbench.sweeps.search_space import Search, tries_of

SEARCH = Search(("lambda",), {"lambda": ["10", "20", "30"]})


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def plan(runs, cache, settings):
    """Plan a sweep of grid and bce over two noise rates and two seeds that selects lambda."""

    def make(methods=("grid",), rates=("0", "30"), seeds=("0", "1")):
        axes = {"method": list(methods), "slnir": list(rates), "seed": list(seeds)}
        return make_sweep(tries_of(expand(axes, settings), SEARCH), runs, cache)

    return make


def write(item, runs, validation, test=0.5, state="done", **others):
    """Write the record of a run as the runner does, with these scores."""
    folder = runs / item.plan.folder_name
    folder.mkdir(parents=True, exist_ok=True)
    k = item.plan.config.k
    metrics = {f"ndcg@{k}": test, f"validation/ndcg@{k}": validation, f"unseen/ndcg@{k}": test}
    metrics |= {f"validation/{name}": value for name, value in others.items()}
    documents = {"config.json": item.plan.document()}
    if state == "done":
        documents["result.json"] = {"schema": 1, "id": item.plan.id, "metrics": metrics}
    if state == "failed":
        documents["failed.json"] = {"schema": 1, "message": "out of luck"}
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document))
    if state == "done":
        files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in documents}
        (folder / "done").write_text(json.dumps({"schema": 1, "files": files}))


def lam(item):
    return item.plan.config.parameters["lambda"]


def test_the_highest_mean_over_rates_and_seeds_is_chosen_once_for_all_rates(plan, runs):
    made = plan()
    scores = {(10.0, "0"): 0.90, (10.0, "30"): 0.10, (20.0, "0"): 0.60, (20.0, "30"): 0.50}
    for item in made.items:
        base = scores.get((lam(item), str(item.plan.config.slnir)), 0.30)
        write(item, runs, base + (0.02 if item.plan.config.seed else -0.02))
    (selection,) = select(made.items, runs, SEARCH)
    assert selection.chosen.parameters == {"lambda": 20.0}
    assert [trial.mean for trial in selection.trials] == pytest.approx([0.50, 0.55, 0.30])
    assert (selection.slnirs, selection.seeds) == (("0", "30"), (0, 1))
    assert len(selection.chosen.scores) == 4


def test_test_scores_choose_nothing(plan, runs):
    made = plan()
    for item in made.items:
        write(item, runs, validation=lam(item) / 100, test=1 - lam(item) / 100)
    (before,) = select(made.items, runs, SEARCH)
    for at, item in enumerate(made.items):
        write(item, runs, validation=lam(item) / 100, test=at / 100)
    (after,) = select(made.items, runs, SEARCH)
    assert before.document() == after.document()
    assert before.chosen.parameters == {"lambda": 30.0}
    for item in made.items:
        write(item, runs, validation=1 - lam(item) / 100, test=lam(item) / 100)
    (turned,) = select(made.items, runs, SEARCH)
    assert turned.chosen.parameters == {"lambda": 10.0}


def test_records_without_any_test_score_are_enough(plan, runs):
    made = plan()
    for item in made.items:
        write(item, runs, lam(item) / 100)
        path = runs / item.plan.folder_name / "result.json"
        document = json.loads(path.read_text())
        document["metrics"] = {n: v for n, v in document["metrics"].items() if n.startswith("validation/")}
        path.write_text(json.dumps(document))
        done = path.with_name("done")
        noted = json.loads(done.read_text())
        noted["files"]["result.json"] = hashlib.sha256(path.read_bytes()).hexdigest()
        done.write_text(json.dumps(noted))
        assert read_record(path.parent).state == "done"
    (selection,) = select(made.items, runs, SEARCH)
    assert selection.chosen.parameters == {"lambda": 30.0}


def test_of_equal_means_the_first_is_chosen(plan, runs):
    made = plan()
    for item in made.items:
        write(item, runs, 0.5)
    (selection,) = select(made.items, runs, SEARCH)
    assert selection.chosen.parameters == {"lambda": 10.0}


def test_a_try_with_a_failed_run_is_no_candidate(plan, runs):
    made = plan()
    for item in made.items:
        failed = lam(item) == 30 and item.plan.config.seed == 1
        write(item, runs, lam(item) / 100, state="failed" if failed else "done")
    (selection,) = select(made.items, runs, SEARCH)
    assert selection.chosen.parameters == {"lambda": 20.0}
    assert "left out, 2 runs not done" in "\n".join(describe_selection(selection))


def test_nothing_is_chosen_while_runs_are_to_be_computed(plan, runs):
    made = plan()
    for item in made.items[1:]:
        write(item, runs, 0.5)
    (selection,) = select(made.items, runs, SEARCH)
    assert selection.chosen is None
    assert selection.document()["chosen"] is None
    assert "1 try not finished" in describe_selection(selection)[1]


def test_nothing_is_chosen_when_every_try_failed(plan, runs):
    made = plan()
    for item in made.items:
        write(item, runs, 0.5, state="failed")
    (selection,) = select(made.items, runs, SEARCH)
    assert selection.chosen is None
    assert "all tries failed" in describe_selection(selection)[1]


def test_methods_are_selected_for_apart_and_those_without_the_parameter_not_at_all(plan, runs):
    made = plan(methods=("grid", "bce"))
    for item in made.items:
        write(item, runs, 0.5)
    (selection,) = select(made.items, runs, SEARCH)
    assert (selection.method, len(selection.trials)) == ("grid", 3)


def test_a_setting_of_the_recipe_is_chosen_like_a_parameter(runs, cache, settings):
    search = Search(("lambda",), {"lambda": ["10", "30"]}, {"learning_rate": ["0.001", "0.01"]})
    axes = {"method": ["grid", "bce"], "slnir": ["0", "30"], "seed": ["0"]}
    settings = {name: value for name, value in settings.items() if name != "learning_rate"}
    made = make_sweep(tries_of(expand(axes, settings), search), runs, cache)
    for item in made.items:
        config = item.plan.config
        write(item, runs, 0.6 if config.learning_rate == 0.01 else 0.5)
    grid, bce = select(made.items, runs, search)
    assert bce.names == ("learning_rate",)
    assert dict(bce.chosen.parameters) == {"learning_rate": 0.01}
    assert len(grid.trials) == len(bce.trials) == 2
    assert grid.chosen.parameters["learning_rate"] == 0.01
    assert set(grid.chosen.parameters) == {"learning_rate", "lambda"}


def test_the_usual_value_of_a_setting_is_named(runs, cache, settings):
    search = Search((), settings={"schedule": ["constant", "cosine"]})
    made = make_sweep(tries_of(expand({"method": ["bce"]}, settings), search), runs, cache)
    for item, score in zip(made.items, (0.6, 0.5), strict=True):
        write(item, runs, score)
    (selection,) = select(made.items, runs, search)
    assert [trial.parameters["schedule"] for trial in selection.trials] == ["constant", "cosine"]
    assert any("-> schedule constant" in line for line in describe_selection(selection))


def test_the_record_says_what_was_chosen_from_what_by_which_score(plan, runs):
    made = plan()
    for item in made.items:
        write(item, runs, lam(item) / 100)
    (selection,) = select(made.items, runs, SEARCH)
    path = write_selection(selection, runs)
    assert path.parent == runs / "selections"
    assert write_selection(selection, runs) == path
    document = json.loads(path.read_text())
    assert document["chosen"] == {"lambda": 30.0}
    assert document["metric"] == "validation/ndcg@5"
    assert "test scores were not read" in document["rule"]
    assert [trial["parameters"]["lambda"] for trial in document["trials"]] == [10.0, 20.0, 30.0]
    assert set(document["chosen_cells"]) == {i.plan.cell for i in made.items if lam(i) == 30}
    told = "\n".join(describe_selection(selection))
    assert "-> lambda 30: 30.00 % (4 runs)" in told


def by(metric):
    return Search(SEARCH.names, SEARCH.values, metric=metric)


@pytest.mark.parametrize(("metric", "best"), [("map_macro", 30.0), ("hamming", 10.0), ("ndcg", 20.0)])
def test_another_validation_score_may_choose_and_of_errors_the_lowest(plan, runs, metric, best):
    made = plan()
    for item in made.items:
        write(item, runs, 0.5 if lam(item) == 20 else 0.4, map_macro=lam(item) / 100, hamming=lam(item) / 100)
    (selection,) = select(made.items, runs, by(f"validation/{metric}"))
    assert selection.chosen.parameters == {"lambda": best}
    assert selection.document()["rule"].startswith("lowest" if metric == "hamming" else "highest")


def test_a_run_without_the_score_counts_as_none_and_is_not_waited_for(plan, runs):
    made = plan()
    for item in made.items:
        write(item, runs, 0.5)
    (selection,) = select(made.items, runs, by("validation/map_macro"))
    assert selection.chosen is None
    lines = describe_selection(selection)
    assert "no try has validation/map_macro for all of its runs" in lines[1]
    assert lines[2].endswith("lambda 10: left out, 4 runs without that score")


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("map_macro", "would read test scores.*--metric validation/map_macro"),
        ("ndcg@20", "would read test scores.*--metric validation/ndcg@20"),
        ("validation/f1", "Did you mean 'f1_macro' or 'f1_micro'"),
        ("unseen/ndcg@20", "no validation score"),
    ],
)
def test_only_validation_scores_choose(metric, said):
    with pytest.raises(InputError, match=said):
        by(metric)


def test_an_archive_without_validation_images_selects_nothing(plan):
    made = plan(methods=("grid", "bce"))
    require_scores(made.items, SEARCH)
    plans = (replace(item.plan, archive=item.plan.archive.as_training()) for item in made.items)
    items = [replace(item, plan=each) for item, each in zip(made.items, plans, strict=True)]
    with pytest.raises(InputError, match="no validation images, by whose scores --select chooses"):
        require_scores(items, SEARCH)
    require_scores([item for item in items if item.plan.config.method == "bce"], SEARCH)


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("validation/miou", "they predict scene labels, and this is a score of label maps"),
        ("validation/accuracy", "this is a score of single labels"),
        ("validation/ndcg@6", "Choose by validation/ndcg@5, or add --k 6"),
    ],
)
def test_a_score_that_the_runs_will_not_have_is_refused_before_they_are_computed(plan, metric, said):
    with pytest.raises(InputError, match=said):
        require_scores(plan().items, by(metric))


@pytest.mark.parametrize("metric", ["map_macro", "hamming", "ndcg@5", "precision@1", "map@r", "ndcg"])
def test_scores_that_the_runs_will_have_are_taken(plan, metric):
    require_scores(plan().items, by(f"validation/{metric}"))
