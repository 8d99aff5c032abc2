"""`gridbench sweep` as a person meets it: YAML files, dry runs, estimates, selections."""

import json
from pathlib import Path

import pytest

from gridbench.training import corrupt


@pytest.fixture
def short(cache):
    return ["sweep", "--cache", cache, "--workers", 0, "--device", "cpu", "--quiet"]


@pytest.fixture
def yaml(tmp_path):
    def write(text):
        path = tmp_path / "sweep.yaml"
        path.write_text(
            "dataset: stripes\nbackbone: test_resnet\nepochs: 1\nbatch_size: 16\ntrain_size: 0\nk: 5\n" + text
        )
        return path

    return write


def listed(out):
    return [line.split(maxsplit=1)[1] for line in out.splitlines() if line.startswith("new ")]


def test_a_yaml_file_holds_lists_ranges_and_parameters(cli, short, yaml):
    file = yaml(
        "method: [grid, bce]\nslnir: 10:50:20\nseeds: 2\nparameters:\n  lambda: [10, slnir]\n  latent: 64\n"
    )
    code, out, _ = cli(*short, "--config", file, "--dry-run")
    assert code == 0
    assert len(listed(out)) == 3 * 2 * (2 + 1)
    assert "grid+bce slnir 30 seed 1 lambda=slnir,latent=64" in out
    assert "18 runs: 18 new. To compute: 18; time: unknown" in out


def test_flags_win_over_the_file_name_by_name(cli, short, yaml):
    file = yaml("method: grid\nslnir: 0:60:10\nparameters: {lambda: 0:90:10, latent: 64}\n")
    _, out, _ = cli(*short, "--config", file, "--dry-run", "--slnir", 20, "-p", "lambda=5,15")
    assert listed(out) == [f"grid+bce slnir 20 seed 0 lambda={value},latent=64" for value in (5, 15)]


def test_noise_models_and_distances_are_listed_like_everything_else(cli, short, yaml):
    file = yaml("method: bce\nslnir: 30\n")
    words = ("--noise", "swap,missing", "--distance", "chi2,euclidean")
    code, out, _ = cli(*short, "--config", file, "--dry-run", *words)
    assert code == 0
    assert listed(out) == [
        f"bce slnir 30 seed 0 {noise} {distance}"
        for noise in ("swap", "missing")
        for distance in ("chi2", "euclidean")
    ]
    _, out, _ = cli(*short, "--config", file, "--dry-run", "--noise", "missing")
    assert listed(out) == ["bce slnir 30 seed 0"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("metod: grid\n", ["'metod'", "'method'"]),
        ("sedes: 3\n", ["'sedes'", "'seeds'"]),
        ("slnir: {a: 1}\n", ["'slnir'", "0:60:10"]),
        ("method: []\n", ["'method'"]),
        ("slnir: [[10]]\n", ["'slnir'"]),
        ("slnir: ten\n", ["slnir", "ten"]),
        ("parameters: 20\n", ["'parameters'", "lambda"]),
        ("parameters: {lambda: }\n", ["parameters.lambda"]),
        ("parameters: {lamda: 20}\n", ["'lamda'"]),
        ("seeds: 0\n", ["seeds", "from 1"]),
        ("seeds: 2.5\n", ["seeds"]),
        ("seed: 1\nseeds: 2\n", ["--seed or --seeds"]),
        ("epochs: [1, 2]\n", ["'epochs'"]),
        ("trials: 3\n", ["--trials", "--select"]),
        ("select: lambda\ntrials: many\n", ["--trials", "many"]),
        ("select: lamda\n", ["'lamda'", "'lambda'"]),
        ("select: [last, best]\n", ["--select has both last and best"]),
        ("seeds: 0,0\n", ["has 0 twice"]),
        ("slnir: [30, 30.0]\n", ["has 30.0 twice"]),
        ("slnir: 10:\n  - a\n", ["not YAML"]),
    ],
)
def test_a_wrong_file_is_one_message_before_anything_runs(cli, short, yaml, tmp_path, text, words):
    base = "" if "method" in text else "method: grid\n"
    code, _, messages = cli(*short, "--config", yaml(base + text))
    assert code == 2
    assert "Traceback" not in messages
    for word in words:
        assert word in messages
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_tells_the_time_from_measured_runs_and_what_is_unknown(cli, short, yaml):
    cli(*short, "--config", yaml("method: bce\n"))
    code, out, _ = cli(*short, "--config", yaml("method: [bce, grid]\nseeds: 2\n"), "--dry-run")
    assert code == 0
    assert "4 runs: 1 done, 3 new. To compute: 3; time: about " in out
    assert "for 1 of them; nothing like the other 2 was measured here" in out
    _, out, _ = cli(*short, "--config", yaml("method: bce\n"), "--dry-run")
    assert out.strip().endswith("1 run: 1 done. To compute: 0.")


def test_lambda_is_selected_on_validation_and_the_leaderboard_says_so(cli, short, yaml, tmp_path):
    file = yaml(
        "method: [grid, bce, random]\nslnir: [0, 40]\nselect: lambda\nparameters: {lambda: [10, 50]}\n"
    )
    code, out, _ = cli(*short, "--config", file)
    assert code == 0
    assert "Nothing is selected for bce: it has none of these parameters." in out
    assert "Nothing is selected for random: it is a reference, and references are never tuned." in out
    assert (
        "Selected for grid + bce on stripes, by validation/ndcg@5 (mean over SLNIR 0, 40 and seeds 0;" in out
    )
    (path,) = (tmp_path / "runs" / "selections").iterdir()
    chosen = json.loads(path.read_text())["chosen"]["lambda"]
    assert f"-> lambda {chosen:g}:" in out
    code, again, _ = cli(*short, "--config", file)
    assert "To compute: 0." in again
    assert again.partition("Nothing")[2] == out.partition("Nothing")[2]
    _, table, _ = cli("leaderboard", "--selected")
    assert f"lambda = {chosen:g} was chosen by validation/ndcg@5 out of 2 tries" in table
    assert len([line for line in table.splitlines() if line.startswith("grid")]) == 1


def test_a_setting_of_the_recipe_is_selected_for_plain_training_too(cli, short, yaml, tmp_path):
    given = ("--config", yaml("method: [grid, bce]\n"), "--batch-size", "8,4", "--select", "batch-size")
    code, out, _ = cli(*short, *given)
    assert code == 0
    assert "Nothing is selected" not in out
    chosen = [json.loads(path.read_text()) for path in (tmp_path / "runs" / "selections").iterdir()]
    assert sorted(each["method"] for each in chosen) == ["bce", "grid"]
    for each in chosen:
        assert {trial["parameters"]["batch_size"] for trial in each["trials"]} == {8, 4}
        assert f"-> batch_size {each['chosen']['batch_size']}:" in out
    _, table, _ = cli("leaderboard", "--selected")
    assert "was chosen by validation/ndcg@5 out of 2 tries" in table
    assert len([line for line in table.splitlines() if line.startswith("bce")]) == 1


def test_what_was_selected_is_run_with_more_seeds_by_one_word(cli, short, yaml):
    tried = ("--config", yaml("method: grid\n"), "-p", "lambda=10,50", "--select", "lambda", "--slnir", 30)
    _, out, _ = cli(*short, *tried)
    assert "Next: gridbench sweep --chosen --slnir 0,30,60 --seeds 5" in out
    code, out, _ = cli(*short, "--chosen", "--slnir", "0,30", "--seeds", 2, "--dry-run")
    assert code == 0
    assert "4 runs: 1 done, 3 new" in out
    code, _, messages = cli(*short, "--chosen", "--epochs", 3)
    assert code == 2
    assert "'epochs'" in messages


def test_a_name_that_is_a_setting_and_a_parameter_is_refused_where_both_have_values(cli, short, yaml):
    given = ("--momentum", "0.9,0.8", "-p", "momentum=0.9,0.8", "--select", "momentum", "--dry-run")
    code, _, messages = cli(*short, "--config", yaml("method: sat\n"), *given)
    assert code == 2
    assert "--momentum" in messages
    assert "-p momentum" in messages


def test_choosing_an_epoch_is_still_a_setting(cli, short, yaml):
    _, out, _ = cli(
        *short, "--config", yaml("method: grid\n"), "--select", "best,lambda", "--trials", 3, "--dry-run"
    )
    assert len(listed(out)) == 3
    _, out, _ = cli(*short, "--config", yaml("method: grid\n"), "--select", "best", "--dry-run")
    assert len(listed(out)) == 1


def test_selecting_where_nothing_was_is_said_with_the_way_to_it(cli, short, yaml):
    cli(*short, "--config", yaml("method: bce\n"))
    code, _, messages = cli("leaderboard", "--selected")
    assert code == 2
    assert "gridbench sweep --select lambda" in messages


def test_the_file_in_the_documentation_is_read(cli, short, tmp_path):
    page = (Path(__file__).resolve().parents[3] / "docs" / "comparing.md").read_text(encoding="utf-8")
    (tmp_path / "sweep.yaml").write_text(page.partition("```yaml\n")[2].partition("```")[0])
    small = ["--dataset", "stripes", "--backbone", "test_resnet", "--seeds", 1]
    code, out, _ = cli(*short, "--config", "sweep.yaml", *small, "--dry-run")
    assert code == 0
    assert len(listed(out)) == 7 * (3 + 1)


def test_auto_is_decided_once_for_all_runs_of_a_kind(cli, short, yaml, tmp_path, monkeypatch):
    asked = []

    def times(specs, batch, device):
        asked.append(list(specs))
        return {name: [seconds] for name, seconds in zip(specs, (4.0, 2.0), strict=True)}

    monkeypatch.setattr("gridbench.training.autotune.precision.step_times", times)
    monkeypatch.setattr("gridbench.training.autotune.precision.FILE", "speed-of-a-sweep.json")
    file = yaml("method: [grid, bce]\nmemory_format: auto\n")
    assert cli(*short, "--config", file)[0] == 0
    assert asked == [["float32 contiguous", "float32 channels_last"]]
    folders = list((tmp_path / "runs").glob("stripes-*"))
    assert len(folders) == 2
    for folder in folders:
        config = json.loads((folder / "config.json").read_text())["config"]
        assert config["memory_format"] == "channels_last"
        chosen = json.loads((folder / "environment.json").read_text())["chosen"]
        assert chosen["chosen"] == "float32 channels_last"
    code, out, _ = cli(*short, "--config", file)
    assert code == 0
    assert "2 done. To compute: 0" in out


def test_auto_is_refused_where_nobody_knows_what_will_compute(cli, short, yaml):
    file = yaml("method: bce\nprecision: auto\n")
    code, _, messages = cli("sweep", "--config", file, "--engine", "ray")
    assert code == 2
    assert "--precision auto measures this machine" in messages
    code, _, messages = cli(*short, "--config", file, "--threads", "auto")
    assert code == 2
    assert "--threads auto is decided later" in messages


def test_a_list_in_several_options_is_refused(cli, short):
    code, _, messages = cli(*short, "--method", "grid", "--method", "bce", "--dry-run")
    assert code == 2
    assert "--method is given twice; give all values in one list: --method A,B" in messages
    assert cli(*short, "--threads", 1, "--threads", 1, "--dataset", "stripes", "--dry-run")[0] == 0


def test_an_option_of_the_other_engine_is_refused(cli, short):
    code, _, messages = cli(*short, "--gpus", 1, "--dry-run")
    assert code == 2
    assert "--gpus is for --engine ray, not for --engine local." in messages
    code, _, messages = cli("sweep", "--engine", "ray", "--workers", 2, "--dry-run")
    assert code == 2
    assert "--workers is for --engine local, not for --engine ray." in messages


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["sweep", "dry run"])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--backbone", "test_resnet,test_restnet"), "Did you mean 'test_resnet'"),
        (("--backbone", "test_restnet"), "Did you mean 'test_resnet'"),
        (("--device", "cudda"), "There is no device 'cudda'"),
        (("--backbone", "test_resnet,test_vit"), "'test_vit' gives negative descriptors"),
        (("--runs", "sweep.yaml/below"), "sweep.yaml"),
        (("--noise", "swap,confusable", "--slnir", "0,30,100"), "stripes, noise confusable, SLNIR 100: "),
        (("--noise", "none,swap", "--slnir", "30"), "stripes, noise none, SLNIR 30: "),
    ],
)
def test_names_that_every_run_would_refuse_are_refused_at_once(cli, short, yaml, tmp_path, wrong, said, dry):
    code, _, messages = cli(*short, "--config", yaml("method: bce\n"), *wrong, *dry)
    assert code == 2
    assert said in " ".join(messages.split())
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["sweep", "dry run"])
@pytest.mark.parametrize("named", [[], ["--backbone", "test_resnet"]], ids=["usual backbone", "named"])
def test_a_parameter_that_does_not_fit_the_data_is_refused_at_once(cli, short, tmp_path, named, dry):
    words = ("--dataset", "stripes", "--level", "pixel", "--method", "adele", "-p", "background=none,99")
    code, _, messages = cli(*short, *words, *named, *dry)
    assert code == 2
    assert "The parameter 'background' is 99, but the label maps have 5 classes" in messages
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["sweep", "dry run"])
def test_a_sweep_that_cannot_compile_is_refused_at_once(cli, short, yaml, tmp_path, dry, monkeypatch):
    def no_compiler(graph, inputs):
        raise RuntimeError("No working C++ compiler found")

    # Whatever was found out of a backend is kept by its name.
    monkeypatch.setattr("gridbench.training.compile.BACKEND", no_compiler)
    code, _, messages = cli(*short, "--config", yaml("method: bce\nseeds: 2\n"), "--compile", *dry)
    assert code == 2
    assert "No working C++ compiler" in messages
    assert not (tmp_path / "runs").exists()


def test_noise_is_tried_once_for_all_runs_that_share_it(cli, short, yaml, monkeypatch):
    tried = []
    real = corrupt.corrupt_training_labels
    monkeypatch.setattr(corrupt, "corrupt_training_labels", lambda plan: tried.append(plan) or real(plan))
    words = ("--noise", "swap,missing", "--slnir", "0:30:10", "--seeds", 3, "--dry-run")
    assert cli(*short, "--config", yaml("method: [bce, grid]\n"), *words)[0] == 0
    assert [(plan.config.noise, int(plan.config.slnir)) for plan in tried] == [("swap", 30), ("missing", 30)]


@pytest.fixture
def own_noise(tmp_path, registries):
    """Write a plug-in with swap noise that fails at SLNIR 10, and in its code at 50."""
    path = tmp_path / "own.py"
    path.write_text(
        "from gridbench.errors import InputError\n"
        "from gridbench.noise.swap import Swap\n"
        "from gridbench.registry import register_noise\n\n\n"
        '@register_noise("own")\n'
        "class Own(Swap):\n"
        "    def corrupt_scene(self, labels, rate, rng):\n"
        "        if rate == 10:\n"
        '            raise InputError("It is not defined at 10.")\n'
        "        if rate == 50:\n"
        '            raise RuntimeError("out of luck")\n'
        "        return super().corrupt_scene(labels, rate, rng)\n"
    )
    return path


def test_why_a_run_failed_before_it_began_is_told_at_the_end(cli, short, yaml, own_noise):
    words = ("--noise", "own", "--slnir", "10,30", "--plugin", own_noise)
    code, _, messages = cli(*short, "--config", yaml("method: bce\n"), *words)
    assert code == 1
    assert "1 run failed; all others are intact. bce slnir 10 seed 0: It is not defined at 10" in messages
    assert cli("status")[1].startswith("1 done")


def test_noise_that_fails_in_its_own_code_ends_a_sweep_at_once(cli, short, yaml, own_noise, tmp_path):
    words = ("--noise", "swap,own", "--slnir", 50, "--plugin", own_noise)
    code, _, messages = cli(*short, "--config", yaml("method: bce\n"), *words)
    assert code == 1
    assert messages.startswith("Error: The plug-in")
    assert "out of luck" in messages
    assert not (tmp_path / "runs").exists()


def test_a_full_disk_ends_a_sweep_at_its_first_run(cli, short, yaml, tmp_path, full_disk):
    words = (*short, "--config", yaml("method: bce\n"), "--seeds", 3)
    with full_disk(3):
        code, _, messages = cli(*words)
    assert code == 1
    assert messages.count("There is no room left on the disk") == 1, messages
    assert len(list((tmp_path / "runs").glob("stripes-*"))) == 1
    assert cli(*words)[0] == 0
    assert cli("status")[1].startswith("3 done")
