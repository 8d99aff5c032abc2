"""`gridbench compare`: on exactly the cells of the baselines, in its place among them, or refused with the reason."""

from __future__ import annotations

import hashlib
import json
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from gridbench.cli import main
from gridbench.config import make_config
from gridbench.core import environment, machine
from gridbench.core.identity import identity, identity_of_cell
from gridbench.leaderboard.records.runs import as_run, collect
from gridbench.plan import make_plan
from gridbench.records.record import RunRecord, iter_records
from gridbench.sweeps.baselines import baselines_for

SETTINGS = [
    "--dataset",
    "stripes",
    "--backbone",
    "test_resnet",
    "--epochs",
    "1",
    "--batch-size",
    "16",
    "--k",
    "5",
]
SETTINGS += ["--train-size", "0", "--crop", "0", "--learning-rate", "1e-3", "--workers", "0", "--quiet"]


@pytest.fixture(scope="module")
def baselines(cache, tmp_path_factory):
    """Compact records of plain training at two levels of labels, of GRID and of the reference rows."""
    folder = tmp_path_factory.mktemp("baselines")
    where = ["--runs", str(folder / "runs"), "--cache", str(cache), *SETTINGS]
    main(["sweep", "--method", "bce,grid", "--slnir", "0,30", "--seeds", "2", *where])
    main(["sweep", "--method", "bce", "--slnir", "60", "--seeds", "1", *where])
    main(["sweep", "--method", "grid", "--slnir", "30", "--seeds", "2", "-p", "lambda=40", *where])
    main(["sweep", "--method", "oracle,untrained,random", "--slnir", "30", "--seeds", "2", *where])
    main(["sweep", "--method", "pce", "--slnir", "30", "--seeds", "1", *where])
    file = folder / "baselines.zip"
    main(["leaderboard", "export", "--compact", "--out", str(file), "--runs", str(folder / "runs")])
    return file


@pytest.fixture
def small(documented, registries):
    return documented("tutorial.md", "small.py")


@pytest.fixture
def compare(command, cache, tmp_path, baselines):
    """Call the command; return (exit code, output, messages)."""

    def call(*words, file=baselines, check=False):
        where = ["--baselines", file, "--runs", tmp_path / "runs", "--cache", cache, "--workers", 0]
        return command("compare", *words, *where, "--quiet", *([] if check else ["--no-check"]))

    return call


def configs(runs):
    return {
        (str(run.stored.config["config"]["slnir"]), run.seed): run
        for run in runs
        if run.settings["loss"] == "bce"
    }


def test_a_method_runs_on_exactly_the_cells_and_stands_in_its_place(compare, small, baselines, tmp_path):
    code, out, err = compare(small)
    assert code == 0, err
    mine = configs(collect(tmp_path / "runs").runs)
    assert mine.keys() == {("0", 0), ("0", 1), ("30", 0), ("30", 1)}
    plain = configs(run for run in collect(baselines).runs if run.settings["method"] == "bce")
    for place, run in mine.items():
        own, theirs = (dict(each.stored.config["config"]) for each in (run, plain[place]))
        assert own.pop("method") == "small"
        assert theirs.pop("method") == "bce"
        assert own.pop("parameters") == {"drop": 20.0}
        assert theirs.pop("parameters") == {}
        assert own == theirs
        assert run.stored.noise()["sha256"] == plain[place].stored.noise()["sha256"]
    lines = out.splitlines()
    assert "4 runs, 4 to compute" in out
    assert any(line.startswith("small [1]") for line in lines)
    assert any(line.startswith("random") for line in lines)
    assert "n = 2, seeds 0, 1" in out
    assert "not enough seeds" in out
    assert "2 seeds cannot resolve any difference; 5 can." in out
    assert " 40 " not in out, "a variant of GRID stands among the baselines"
    table = out[: out.index("small bce against the baselines")]
    assert " 60" not in table.replace("seeds", "")
    differences = [
        line.split()[0] for line in out[len(table) :].splitlines() if line[:5] in ("bce  ", "grid ")
    ]
    assert differences == ["bce", "grid"]


def test_the_differences_are_those_of_the_paired_seeds(compare, small, baselines, tmp_path):
    _, out, _ = compare(small, "--slnir", "30")
    assert "(SLNIR 30: seeds 0, 1)" in out
    mine = configs(collect(tmp_path / "runs").runs)
    plain = configs(run for run in collect(baselines).runs if run.settings["method"] == "bce")
    expected = sum(mine[at].metrics["ndcg@5"] - plain[at].metrics["ndcg@5"] for at in mine) / 2 * 100
    line = next(
        line for line in out[out.index("against the baselines") :].splitlines() if line.startswith("bce")
    )
    assert f"{expected:+.1f}".replace("-", "−") in line or abs(expected) < 0.05


def test_the_same_command_computes_nothing_again_and_more_seeds_only_what_is_missing(
    compare, small, tmp_path
):
    assert "1 run, 1 to compute" in compare(small, "--slnir", "0", "--seeds", "1")[1]
    (record,) = iter_records(tmp_path / "runs")
    left = record.folder / "checkpoint-000001.safetensors"
    left.write_bytes(b"of a process that was killed when its run was done")
    again = compare(small, "--slnir", "0", "--seeds", "1")
    assert "1 run, all there already" in again[1]
    assert not left.exists()
    assert "2 runs, 1 to compute" in compare(small, "--slnir", "0", "--dry-run")[1]


def test_a_mean_teacher_with_a_strong_view_is_checked_and_stands_in_its_place(
    compare, documented, registries
):
    teacher = documented("methods.md", "strong_teacher.py")
    assert len(teacher.read_text(encoding="utf-8").splitlines()) < 60
    code, out, err = compare(teacher, "--slnir", "30", "--seeds", "1", check=True)
    assert code == 0, err
    assert any(line.startswith("strong_teacher") for line in out.splitlines())


def test_quick_says_that_it_shows_nothing_yet(compare, small, tmp_path):
    code, out, _ = compare(small, "--quick")
    assert code == 0
    assert len(list(iter_records(tmp_path / "runs"))) == 1
    assert "nothing yet about which method is better" in out
    assert out.splitlines()[-1].startswith(f"Next: gridbench compare {small} --baselines")


def test_a_pixel_loss_stands_beside_the_pixel_baselines(compare, small, tmp_path):
    code, out, err = compare(small, "--loss", "pce")
    assert code == 0, err
    (run,) = collect(tmp_path / "runs").runs
    assert (run.settings["kind"], run.settings["slnir"]) == ("pixel", "30")
    rows = [
        line.split()[0] for line in out.splitlines() if line.startswith(("small [", "pce", "bce", "grid"))
    ]
    assert set(rows) == {"small", "pce"}


OWN_LOSS = """
import torch.nn.functional as F

from gridbench import register_method
from gridbench.methods.base import Loss
from gridbench.methods.plain import Plain
from gridbench.methods.tasks.classification import Classification
from gridbench.registry import register_loss


@register_loss("soft")
class Soft(Loss):
    task = Classification
    lambda_percent = 20.0

    def entries(self, prediction, target):
        return F.binary_cross_entropy_with_logits(prediction, 0.9 * target + 0.05, reduction="none"), None


@register_method("softened")
class Softened(Plain):
    losses = ("soft",)
"""


def test_a_loss_of_ones_own_stands_beside_the_plain_training_of_its_labels(compare, tmp_path, registries):
    (tmp_path / "own.py").write_text(OWN_LOSS)
    code, out, err = compare(tmp_path / "own.py", "--slnir", "30", "--seeds", "1")
    assert code == 0, err
    (run,) = collect(tmp_path / "runs").runs
    assert (run.settings["method"], run.settings["loss"]) == ("softened", "soft")
    assert "There is no plain training with the loss soft: it is compared with bce." in out + err
    against = out[out.index("softened soft against the baselines") :]
    rows = (line.split()[:2] for line in against.splitlines() if line.startswith(("bce", "grid")))
    assert next(rows) == ["bce", "bce"]


def test_a_variant_of_a_registered_method(compare, tmp_path):
    code, out, err = compare("grid", "-p", "lambda=50", "--slnir", "30", "--metric", "validation/ndcg")
    assert code == 0, err
    assert "validation/ndcg@5" in out
    assert {line.split()[-2] for line in out.splitlines() if line.startswith("grid")} >= {
        "50"
    } or " 50 " in out
    runs = collect(tmp_path / "runs").runs
    assert [run.settings["parameters.lambda"] for run in runs] == [50.0, 50.0]
    code, out, err = compare("grid", "-p", "lambda=50", "--slnir", "30", "--metric", "map_macro")
    assert code == 0, err
    assert "2 runs, all there already" in out
    mean = 100 * sum(run.metrics["map_macro"] for run in runs) / 2
    assert f"{mean:.1f}" in next(
        line for line in out.splitlines() if line.startswith("grid") and "50" in line
    )


def test_a_baseline_itself_is_not_computed_again(compare, tmp_path):
    code, out, err = compare("grid")
    assert code == 0, err
    assert "4 runs, all there already" in out
    assert "these are its shipped records" in out
    assert not (tmp_path / "runs").exists() or not list(iter_records(tmp_path / "runs"))


def test_every_format(compare, small, tmp_path):
    for name, words in (("c.html", "<!doctype html"), ("c.md", "| small"), ("c.tex", "\\toprule")):
        code, _, err = compare(small, "--slnir", "0", "--seeds", "1", "--out", tmp_path / name)
        assert code == 0, err
        assert words.lower() in (tmp_path / name).read_text().lower()
        assert "against the baselines" in (tmp_path / name).read_text()


def test_a_method_that_fails_its_checks_is_not_run(compare, small, tmp_path):
    text = small.read_text(encoding="utf-8")
    small.write_text(
        text.replace("losses[kept].mean(), losses,", "losses[kept].mean() * float('nan'), losses,")
    )
    code, _, err = compare(small, "--quick", check=True)
    assert code == 1
    assert "does not do what a comparison relies on" in err
    assert not (tmp_path / "runs").exists()


def rewrite(source, target, change):
    """Rewrite every record of a compact file with honest hashes and identities."""
    with zipfile.ZipFile(source) as file:
        texts = {name: file.read(name) for name in file.namelist()}
    documents = [json.loads(line) for line in texts["records.jsonl"].splitlines()]
    for document in documents:
        change(document)
        config = document["config"]
        parts = [config[name] for name in ("config", "versions", "dataset_fingerprint", "plugin")]
        config |= {"id": identity(*parts), "cell": identity_of_cell(*parts)}
        document["result"]["id"] = config["id"]
    texts["records.jsonl"] = "".join(json.dumps(document) + "\n" for document in documents).encode()
    contents = json.loads(texts["bundle.json"])
    contents["files"]["records.jsonl"] = hashlib.sha256(texts["records.jsonl"]).hexdigest()
    texts["bundle.json"] = json.dumps(contents).encode()
    with zipfile.ZipFile(target, "w") as file:
        for name, text in texts.items():
            file.writestr(name, text)
    return target


def test_of_several_recipes_the_data_sets_own_counts_else_the_most_frequent(cache):
    def record(seed, **settings):
        config = make_config({"dataset": "stripes", "method": "bce", "seed": seed, **settings})
        document = make_plan(config, cache).document()
        result = {"schema": 1, "id": document["id"], "metrics": {"ndcg@5": 0.5}}
        return as_run(RunRecord(Path("run"), "done", "", document, result), "")

    others = [*(record(seed, epochs=7) for seed in range(3)), *(record(seed, epochs=8) for seed in range(2))]
    chosen = baselines_for([*others, record(4)], "bce", cache)
    assert list(chosen.plain[Decimal(0)]) == [4]
    chosen = baselines_for(others, "bce", cache)
    assert {run.settings["epochs"] for run in chosen.runs} == {7}
    assert list(chosen.plain[Decimal(0)]) == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda d: d["result"]["noise"].update(sha256="0" * 64),
            "label noise of the baselines cannot be made here",
        ),
        (lambda d: d["config"].update(dataset_fingerprint="0" * 64), "the data (fingerprint"),
        (
            lambda d: d["config"]["versions"].update(protocol=9),
            "the version of the protocol (1 here, 9 there)",
        ),
        (lambda d: d["config"]["versions"].update(noise=9), "the version of the noise (1 here, 9 there)"),
        (lambda d: d["config"]["config"].pop("crop"), "the setting crop (0 here, None there)"),
    ],
    ids=["noise", "data", "protocol", "noise version", "settings"],
)
def test_baselines_of_another_experiment_are_refused(compare, small, baselines, tmp_path, change, reason):
    other = rewrite(baselines, tmp_path / "other.zip", change)
    code, _, err = compare(small, file=other)
    assert code == 2
    assert reason in err
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def elsewhere(baselines, tmp_path):
    """The baselines as if another machine had computed them, and scored half a point less."""

    def moved(document):
        document["environment"]["machine"]["cpu"] = {"model": "Another CPU"}
        document["result"]["metrics"]["ndcg@5"] -= 0.005

    return rewrite(baselines, tmp_path / "elsewhere.zip", moved)


def line_of(out, start):
    """Return the cells of the first line that starts with a word, as text."""
    return next(line for line in out.splitlines() if line.startswith(start))


def test_baselines_of_another_machine_are_no_control(compare, small, baselines, elsewhere, tmp_path):
    words = (small, "--slnir", "30")
    code, out, err = compare(*words, file=elsewhere)
    assert code == 0, err
    assert "2 runs and 2 of plain bce as their control, 4 to compute" in out
    assert "The baselines were computed on Another CPU, " in out
    mine = collect(tmp_path / "runs").runs
    own, control = (configs(r for r in mine if r.settings["method"] == name) for name in ("small", "bce"))
    plain = configs(run for run in collect(baselines).runs if run.settings["method"] == "bce")
    # Here the machines are one, so the control repeats the baselines to the bit, and the shift is what was taken off.
    assert {at: run.metrics for at, run in control.items()} == {at: plain[at].metrics for at in control}
    shift = out[out.index("This machine against that of the baselines") :]
    assert "+0.5 (n = 2)" in line_of(shift, "bce")
    verdicts = out[out.index("small bce here against what was computed here, too") :]
    assert out.index("This machine against") < out.index("small bce here against")
    expected = sum(own[at].metrics["ndcg@5"] - control[at].metrics["ndcg@5"] for at in own) / 2 * 100
    assert f"{expected:+.1f}".replace("-", "−") in line_of(verdicts, "bce") or abs(expected) < 0.05
    assert not [line for line in verdicts.splitlines() if line.startswith("grid")]
    assert "beside it." in out
    # The control is there for whatever is compared next.
    assert (
        "2 runs and 2 of plain bce as their control, 2 to compute"
        in compare("grid", "-p", "lambda=50", "--slnir", "30", file=elsewhere)[1]
    )
    assert (
        "2 runs and 2 of plain bce as their control, all there already" in compare(*words, file=elsewhere)[1]
    )


def test_baselines_of_this_machine_are_the_control(compare, small):
    out = compare(small, "--slnir", "30", "--seeds", "1")[1]
    assert "The baselines were computed on this machine" in out
    assert "This machine against" not in out


def test_baselines_that_do_not_record_their_machine(compare, small, baselines, tmp_path):
    unknown = rewrite(baselines, tmp_path / "unknown.zip", lambda d: d["environment"].pop("machine"))
    code, out, err = compare(small, "--slnir", "30", "--seeds", "1", file=unknown)
    assert code == 0, err
    assert "computed on a machine that they do not record." in out
    assert "There: not recorded." in out
    # A method whose every run is among the records needs no control: they are of one machine, whichever it is.
    assert "4 runs, all there already" in compare("grid", file=unknown)[1]


def test_a_method_of_which_the_baselines_have_some_seeds_only_is_computed_anew(
    compare, baselines, elsewhere, tmp_path
):
    def lacking(document):
        config = document["config"]["config"]
        if (config["method"], config["seed"]) == ("grid", 1):
            config["backbone"] = "test_vit"

    other = rewrite(elsewhere, tmp_path / "lacking.zip", lacking)
    out = compare("grid", "--slnir", "30", "--dry-run", file=other)[1]
    assert "2 runs and 2 of plain bce as their control, 4 to compute" in out


def test_a_control_of_a_third_machine_is_refused(compare, small, baselines, elsewhere, monkeypatch):
    words = (small, "--slnir", "30", "--seeds", "1")
    assert compare(*words, file=elsewhere)[0] == 0
    here = environment.describe_machine
    third = lambda device, threads=None: {**here(device, threads), "cpu": {"model": "Third"}}  # noqa: E731
    monkeypatch.setattr(machine, "describe_machine", third)
    code, _, err = compare("grid", "-p", "lambda=50", *words[1:], file=elsewhere)
    assert code == 2
    assert "was computed on another machine" in err
    assert "Name another folder with --runs" in err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["gird"], "Did you mean 'grid'"),
        (["SMALL", "--device", "cudda", "--dry-run"], "There is no device 'cudda'"),
        (["nothing.py"], "does not exist"),
        (["untrained"], "it is a reference row"),
        (["SMALL", "--loss", "fl"], "no plain training with the loss 'fl'"),
        (["SMALL", "--slnir", "45"], "no SLNIR 45. They have: 0, 30, 60"),
        (["SMALL", "--slnir", "many"], "--slnir takes noise rates"),
        (["SMALL", "--seeds", "9"], "have 2 seeds at SLNIR 0, not 9"),
        (["SMALL", "--seeds", "0"], "--seeds is 0"),
        (["SMALL", "--seeds", "0,7"], "no seed 7 at SLNIR 0"),
        (["SMALL", "--seeds", "x"], "--seeds takes"),
        (["SMALL", "--method", "other"], "There is no 'other' in it"),
        (["SMALL", "-p", "dorp=3"], "Did you mean 'drop'"),
        (["SMALL", "-p", "drop=300"], "300"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(compare, small, tmp_path, words, reason):
    code, _, err = compare(*(str(small) if word == "SMALL" else word for word in words))
    assert code == 2
    assert reason in err
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_refuses_a_folder_of_runs_that_cannot_be_written(command, cache, small, baselines):
    where = ("--baselines", baselines, "--runs", baselines / "runs", "--cache", cache, "--workers", 0)
    code, _, err = command("compare", small, *where, "--dry-run")
    assert code == 2
    assert "is not a folder, so nothing can be written below it" in err


def test_a_file_that_is_no_baselines_is_said(compare, small, tmp_path):
    assert "There is no file" in compare(small, file=tmp_path / "none.zip")[2]
    (tmp_path / "bad.zip").write_bytes(b"x")
    code, _, err = compare(small, file=tmp_path / "bad.zip")
    assert (code, "cannot be read: File is not a zip file" in err) == (2, True)
