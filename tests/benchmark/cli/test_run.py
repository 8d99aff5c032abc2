"""`gridbench run` as a person meets it: the closing table, the next command, dry runs, messages."""

import re
import shlex
import sys

import pytest

from gridbench.config import FIELDS, GROUPS, RunConfig, flag_of


@pytest.fixture
def short(cache):
    return [
        "run", "--dataset", "stripes", "--backbone", "test_resnet", "--epochs", 2, "--batch-size", 16, "--train-size",
        0, "--k", 5, "--cache", cache, "--device", "cpu", "--threads", 1,
    ]  # fmt: skip


def test_the_closing_table_says_what_a_newcomer_needs(cli, short):
    code, out, _ = cli(*short, "--method", "grid", "--loss", "bce", "--slnir", 30)
    assert code == 0
    for words in (
        "grid with bce on stripes, SLNIR 30 %, seed 0",
        "test NDCG@5",
        "validation NDCG@5",
        "unseen NDCG@5",
        "injected, of 30 % asked",
        "detection precision",
        "memorised",
        "parameters",
        "Record: runs/stripes-grid-bce-slnir30-seed0-",
        "Next:   gridbench run --method bce --dataset stripes --slnir 30",
    ):
        assert words in out
    (line,) = [line for line in out.splitlines() if line.startswith("Next:")]
    following = shlex.split(line.removeprefix("Next:   gridbench "))
    for option, value in (
        ("--backbone", "test_resnet"),
        ("--epochs", "2"),
        ("--k", "5"),
        ("--cache", short[14]),
    ):
        assert following[following.index(option) + 1] == str(value)


def test_the_next_command_names_the_baseline_as_it_can_be_typed(cli, short, tmp_path, registries):
    (tmp_path / "my noise.py").write_text(
        "from gridbench import register_noise\n"
        "from gridbench.noise.swap import Swap\n\n"
        "@register_noise('mine')\n"
        "class Mine(Swap):\n"
        '    """Swapped labels."""\n'
    )
    (tmp_path / "a.yaml").write_text("pretrained: false\ncompile: false\nflips: false\nmomentum:\n")
    words = "--noise mine --plugin 'my noise.py' --config a.yaml --threads 2 --epochs 1"
    code, out, messages = cli(*short, "--method", "grid", "--slnir", 30, *shlex.split(words))
    assert code == 0, messages
    (line,) = [line for line in out.splitlines() if line.startswith("Next:")]
    assert "--no-flips" in line
    assert "--threads 2" in line
    assert line.endswith("--plugin 'my noise.py'")
    code, _, messages = cli(*shlex.split(line.removeprefix("Next:   gridbench ")), "--dry-run")
    assert (code, messages) == (0, "")


def test_a_recipe_that_the_baseline_does_not_have_leads_to_the_leaderboard(cli, short):
    code, out, messages = cli(*short, "--method", "em_apl", "--slnir", 30, "--recipe", "own", "--epochs", 1)
    assert code == 0, messages
    assert "Next:   gridbench leaderboard" in out


def test_what_is_not_known_of_the_given_labels_is_no_number(cli, short):
    code, out, _ = cli(*short, "--method", "grid", "--slnir", 0, "--epochs", 1)
    assert code == 0
    assert "whether the given labels are right is not known" in out
    assert "images are noisy" not in out
    assert "detection" not in out


def test_the_next_command_is_the_leaderboard_once_the_baseline_is_there(cli, short):
    cli(*short, "--method", "bce", "--slnir", 30)
    code, out, _ = cli(*short, "--method", "grid", "--slnir", 30)
    assert code == 0
    assert "Next:   gridbench leaderboard" in out


def test_progress_without_a_terminal_is_plain_lines_and_quiet_is_silent(cli, short):
    _, _, messages = cli(*short, "--method", "bce")
    assert "training 2/2" in messages
    assert "\x1b" not in messages
    _, _, messages = cli(*short, "--method", "bce", "--seed", 1, "--quiet")
    assert messages == ""


def test_a_dry_run_shows_everything_and_writes_nothing(cli, short, tmp_path):
    code, out, _ = cli(*short, "--method", "grid", "--slnir", "12.5", "-p", "lambda=slnir", "--dry-run")
    assert code == 0
    assert "parameters         lambda=slnir, mode=hybrid, latent=128" in out
    assert re.search(r"^lambda +12.5 in this run$", out, re.MULTILINE)
    assert "not started" in out
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry run"])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--backbone", "test_restnet"), r"no backbone 'test_restnet' in timm\. Did you mean 'test_resnet'"),
        (("--device", "cudda"), r"no device 'cudda'\. Allowed: auto, cpu"),
        (("--backbone", "test_vit"), r"'test_vit' gives negative descriptors .* --distance euclidean"),
        (("--log", "wandb"), r"wandb, which is not installed: pip install"),
        (("--log", "tensorboard", "--log-dir", "file/below"), r"file' is not a folder"),
        (("--runs", "file/below"), r"cannot be written: Not a directory|file' is not a folder"),
        (("--noise", "confusable", "--slnir", 100), r"rate of 100 % .* The largest rate here is"),
    ],
)
def test_a_dry_run_refuses_what_the_run_refuses(cli, short, tmp_path, monkeypatch, wrong, said, dry):
    (tmp_path / "file").write_text("text", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "wandb", None)
    code, _, messages = cli(*short, "--method", "bce", *wrong, *dry)
    assert code == 2
    assert re.search(said, " ".join(messages.split())), messages
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_of_what_is_done_asks_for_nothing_that_training_needs(cli, short, tmp_path, monkeypatch):
    assert cli(*short, "--method", "bce", "--slnir", 30)[0] == 0
    monkeypatch.setattr("gridbench.training.experiment.base.build_method", None)
    code, out, _ = cli(*short, "--method", "bce", "--slnir", 30, "--dry-run")
    assert code == 0
    assert re.search(r"^state +done$", out, re.MULTILINE)


def test_a_profile_shows_every_phase(cli, short):
    code, out, _ = cli(*short, "--method", "bce")
    assert code == 0
    assert "Phases of" not in out
    assert "Learning rate" not in cli(*short, "--method", "bce", "--profile")[1]
    schedule = ["--schedule", "cosine", "--epochs", 2, "--learning-rate", 0.01]
    code, out, _ = cli(*short, *schedule, "--method", "bce", "--profile")
    assert code == 0
    assert re.search(r"Learning rate at the end of each epoch: 0\.00\d+, 0?[\d.e-]+\n", out), out
    for phase in (
        "Phases of", "ms per step", "data", "forward", "backward", "optimizer", "detection", "checkpoint",
        "validation", "retrieval", "sample_detection",
    ):  # fmt: skip
        assert phase in out
    assert "without waiting" not in out


def test_a_profile_of_what_trains_nothing_asks_for_no_other_run(cli, short):
    code, out, _ = cli(*short, "--method", "untrained", "--profile")
    assert code == 0
    assert "retrieval" in out
    assert "--force" not in out


def test_auto_is_measured_told_and_no_part_of_what_is_stored(cli, short, tmp_path, monkeypatch):
    def times(specs, batch, device):
        return {name: [seconds] for name, seconds in zip(specs, (4.0, 2.0), strict=False)}

    monkeypatch.setattr("gridbench.training.autotune.precision.step_times", times)
    monkeypatch.setattr("gridbench.training.autotune.precision.FILE", "speed-of-a-test.json")
    words = [*short, "--method", "bce", "--memory-format", "auto"]
    code, out, messages = cli(*words, "--dry-run")
    assert code == 0
    assert "Chosen: float32 channels_last" in messages
    assert "memory_format      channels_last" in out
    assert not (tmp_path / "runs").exists()
    assert cli(*words)[0] == 0
    code, _, messages = cli(*words)
    assert "Nothing to do" in messages
    (file,) = (tmp_path / "runs").glob("*/config.json")
    assert "auto" not in file.read_text(encoding="utf-8")


def test_flags_win_over_the_file(cli, short, tmp_path):
    (tmp_path / "run.yaml").write_text("method: bce\nseed: 3\nslnir: 30\n", encoding="utf-8")
    code, out, _ = cli(*short, "--config", "run.yaml", "--seed", 4)
    assert code == 0
    assert "bce on stripes, SLNIR 30 %, seed 4" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-p", "lambda"], "NAME=VALUE"),
        (["-p", "lambda=1", "-p", "lambda=2"], "given twice"),
        (["-p", "lambda=x"], "0 to 100"),
        (["--epochs", "many"], "epochs"),
        (["--precision", "float16"], "float32"),
        (["--memory-format", "sideways"], "channels_last"),
        (["--device", "cuda:99"], "cuda:99"),
        (["--device", "gpu0"], "gpu0"),
        (["--config", "absent.yaml"], "absent.yaml"),
        (["--slnr", "3"], "--slnir"),
    ],
)
def test_bad_words_are_one_message_and_exit_two(cli, short, tmp_path, words, message):
    code, out, messages = cli(*short, *words)
    assert code == 2
    assert message in messages
    assert "Traceback" not in messages + out
    assert not (tmp_path / "runs").exists()


def test_an_unknown_command_suggests_the_nearest(cli):
    code, _, messages = cli("leaderbord")
    assert code == 2
    assert "'leaderboard'" in messages


def test_help_shows_every_setting_once_in_the_section_of_its_group(cli):
    _, out, _ = cli("run", "--help")
    sections = dict(re.findall(r"^(\w+):\n((?:  .*\n)+)", out, re.MULTILINE))
    assert list(sections) == [group.capitalize() for group in GROUPS]
    for name, shown in FIELDS.items():
        rows = re.findall(rf"^  {flag_of(name)} ", sections[shown.group.capitalize()], re.MULTILINE)
        assert len(rows) == 1, name
        assert " ".join(RunConfig.model_fields[name].description.split()[:2]) in " ".join(out.split()), name
    for words in ("[default: bluemarble]", "[default: recipe]", "--flips / --no-flips", "--select NAME"):
        assert words in " ".join(out.split())


@pytest.mark.parametrize(("name_of", "without"), [("audit", ["last_epochs"]), ("sweep", [])])
def test_other_commands_offer_every_setting_that_they_use(cli, name_of, without):
    _, out, _ = cli(name_of, "--help")
    assert [name for name in FIELDS if flag_of(name) + " " not in out] == without


def test_lists(cli):
    for what, name in (("methods", "grid"), ("losses", "bce"), ("datasets", "bluemarble"), ("noise", "swap")):
        code, out, _ = cli("list", what)
        assert code == 0
        assert name in out
    code, out, _ = cli("list", "methods", "grid")
    assert "lambda" in out
    assert "paper, Section V-A" in out
    assert "its own recipe" not in out
    assert "its own recipe (--recipe own): " in cli("list", "methods", "sat")[1]
    assert "densenet121" in cli("list", "backbones", "densenet*")[1]
    assert cli("list", "backbones", "nothing-like-it")[0] == 2
