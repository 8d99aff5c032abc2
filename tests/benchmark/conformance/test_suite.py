"""The conformance suite: passed by all that is registered, and each broken method is found for the right reason."""

from __future__ import annotations

import re
import shutil
import textwrap
from pathlib import Path

import pytest

from gridbench.cli import main
from gridbench.conformance import check_component, components_named
from gridbench.core.plugins import load_plugin
from gridbench.datasets.open import open_archive
from gridbench.errors import InputError
from gridbench.methods.pairing import losses_of
from gridbench.registry import DATASETS, LOSSES, METHODS, NOISE

pytestmark = pytest.mark.usefixtures("registries")


def failures(findings):
    return [finding for finding in findings if not finding.passed]


def pairs():
    """Every method with every loss; of a method, and of all plain ones, all but the first of each level are slow."""
    plain = set()
    for name in METHODS:
        method = METHODS.get(name)
        seen = plain if name in LOSSES else set()
        for loss in losses_of(method) or (None,):
            level = loss and LOSSES.get(loss).task.level
            marks = [pytest.mark.slow] if level in seen else []
            seen.add(level)
            yield pytest.param(name, loss, marks=marks, id=f"{name}-{loss}")


@pytest.mark.parametrize(("name", "loss"), list(pairs()))
def test_every_method_conforms(name, loss):
    findings = list(check_component("method", name, losses=[loss] if loss else []))
    assert failures(findings) == []
    assert len(findings) >= 6


@pytest.mark.parametrize("name", LOSSES.names())
def test_every_loss_conforms(name):
    assert failures(check_component("loss", name)) == []


@pytest.mark.parametrize("name", NOISE.names())
def test_every_noise_model_conforms(name, tmp_path):
    given = {}
    if "table" in {field for field in vars(NOISE.get(name).Parameters()) if field == "table"}:
        rows = [",".join("0" if row == column else "1" for column in range(6)) for row in range(6)]
        (tmp_path / "table.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        given = {"table": str(tmp_path / "table.csv")}
    assert failures(check_component("noise model", name, given)) == []


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_data_set_conforms(name):
    assert failures(check_component("data set", name)) == []


HEADER = '''
"""A method."""

from dataclasses import dataclass

import numpy as np
import torch

from gridbench import register_method
from gridbench.methods.base import StepOutput
from gridbench.methods.plain import Plain


@register_method()
class Broken(Plain):
    """A method with a defect."""

    losses = ("bce",)

'''

DECLARED = "Its losses exist; its labels, ranking and recipe are among those there are"
TRAINED = "The descriptor network is trained by finite gradients, or follows a network that is"
GROUPED = "Every parameter that gets a gradient is in a parameter group"
SCORED = "The scores of its training samples have their shapes, draw nothing and change nothing"
RESUMED = (
    "Going on from a checkpoint after an interruption inside an epoch gives the same bits as not stopping"
)

BROKEN = {
    "starves_its_backbone": (
        """
        def step(self, batch):
            prediction = self.head(self.backbone.features(batch.images).detach())
            losses = self.objective.per_sample(prediction, batch)
            return StepOutput(losses.mean(), losses)
        """,
        {TRAINED: "gets no gradient"},
    ),
    "leaves_its_backbone_out": (
        """
        def parameter_groups(self):
            from gridbench.methods.base import ParameterGroup
            return [ParameterGroup("head", list(self.head.parameters()))]
        """,
        {TRAINED: "is it in no parameter group?", GROUPED: "'backbone."},
    ),
    "leaves_its_head_out": (
        """
        def parameter_groups(self):
            from gridbench.methods.base import ParameterGroup
            return [ParameterGroup("backbone", list(self.backbone.parameters()))]
        """,
        {GROUPED: "2 parameters, such as 'head.weight', would stay as initialised"},
    ),
    "expects_a_larger_training_set": (
        """
        def on_epoch_start(self, epoch, train):
            train.scene_labels.sum(1).topk(25 if epoch else 1)
        """,
        # Every other check trains it as well, and would repeat the reason.
        {"Trains for three epochs on 14 images, in batches of eight and six": "out of range"},
    ),
    "scores_its_samples_by_a_bare_tensor": (
        """
        def score_samples(self, train):
            return torch.zeros(train.num_samples)
        """,
        {SCORED: "it returned a Tensor, not SampleScores"},
    ),
    "forgets_its_state": (
        """
        average = 1.0

        def step(self, batch):
            losses = self.objective.per_sample(self.predict(batch.images), batch)
            self.average = 0.9 * self.average + 0.1 * float(losses.detach().mean())
            return StepOutput(losses.mean() / self.average, losses)
        """,
        {RESUMED: "must be in the state_dict"},
    ),
    "keeps_a_constant_of_its_start": (
        """
        def start(self, train):
            self.prior = float(train.scene_labels.mean())

        def step(self, batch):
            losses = self.objective.per_sample(self.predict(batch.images), batch)
            return StepOutput(losses.mean() * self.prior, losses)
        """,
        # The checks of a single step begin with `start`; only what follows a resumption is without it.
        {RESUMED: "has no attribute 'prior'"},
    ),
    "looks_up_the_clean_labels": (
        """
        def __init__(self, setup, parameters=None):
            super().__init__(setup, parameters)
            self.register_buffer("clean", torch.zeros(setup.num_samples, setup.num_classes))

        def on_epoch_start(self, epoch, train):
            archive = train._data.archive
            self.clean.copy_(torch.from_numpy(archive.true_scene_labels[train._data.indices]))

        def step(self, batch):
            wrong = (batch.scene_labels != self.clean[batch.indices]).any(1)
            losses = self.objective.per_sample(self.predict(batch.images), batch)
            return StepOutput((losses * ~wrong).mean(), losses, selected=wrong)
        """,
        {"What is learnt does not depend on the clean labels": "the archive's own labels"},
    ),
    "writes_into_a_second_view": (
        """
        views = ("weak", "strong")

        def step(self, batch):
            batch.views[1].images.mul_(0.5)
            return super().step(batch)
        """,
        {"A step leaves the batch as it was": "it writes into views[1].images"},
    ),
    "draws_from_nowhere": (
        """
        def step(self, batch):
            prediction = self.predict(batch.images)
            losses = self.objective.per_sample(prediction, batch)
            weights = torch.from_numpy(np.random.rand(len(losses))).float()
            return StepOutput((losses * weights).mean(), losses)
        """,
        {
            "Training twice gives the same bits": "batch.generator",
            "Training draws nothing from the global generators of Python and numpy": "of numpy",
            RESUMED: "after a resumption",
        },
    ),
    "makes_its_head_alone": (
        """
        def __init__(self, setup, parameters=None):
            super().__init__(setup, parameters)
            self.head = torch.nn.Linear(self.backbone.width, setup.num_classes)
        """,
        {
            "Starts from the same weights each time": "setup.build",
            "Training twice gives the same bits": "differs",
            RESUMED: "after a resumption",
        },
    ),
    "returns_a_loss_for_each_entry": (
        """
        def step(self, batch):
            losses, _ = self.objective.per_entry(self.predict(batch.images), batch)
            return StepOutput(losses.mean(), losses)
        """,
        {"A step returns what it must, in its shapes": "(8, 5) on 8 images and must be (8,)"},
    ),
    "corrects_labels_in_place": (
        """
        def step(self, batch):
            prediction = self.predict(batch.images)
            batch.scene_labels.add_((prediction.detach() > 0).float()).clamp_(max=1)
            losses = self.objective.per_sample(prediction, batch)
            return StepOutput(losses.mean(), losses)
        """,
        {"A step leaves the batch as it was": "scene_labels"},
    ),
    "guesses_which_samples_are_noisy": (
        """
        def score_samples(self, train):
            from gridbench.methods.base import SampleScores
            draw = lambda batch: [(torch.rand(len(batch.images), 5, generator=batch.generator), None)]
            return SampleScores(train.average(draw)[0].images)
        """,
        {SCORED: "draws random"},
    ),
    "divides_by_the_number_of_labels": (
        """
        def step(self, batch):
            losses = self.objective.per_sample(self.predict(batch.images), batch) / batch.scene_labels.sum(1)
            return StepOutput(losses.mean(), losses)
        """,
        {"Images without any label work": "the loss is inf"},
    ),
    "divides_by_the_spread_of_labels": (
        """
        def step(self, batch):
            losses = self.objective.per_sample(self.predict(batch.images), batch)
            return StepOutput(losses.mean() / batch.scene_labels.std(), losses)
        """,
        {
            "Batches in which all images have the same label, or all labels, work": "the loss is inf",
            "Images without any label work": "the loss is inf",
        },
    ),
    "knows_only_full_batches": (
        """
        def step(self, batch):
            losses = self.objective.per_sample(self.predict(batch.images), batch)
            halves = losses.reshape(2, len(losses) // 2)
            return StepOutput(halves.mean(1).max() + losses.mean(), losses)
        """,
        {"Odd last batches of two, five and nine images work": "line 23)"},
    ),
    "computes_its_loss_in_half_precision": (
        """
        def step(self, batch):
            prediction = self.predict(batch.images)
            losses = (prediction - batch.scene_labels.to(prediction.dtype)).square().mean(1)
            return StepOutput(losses.mean(), losses)
        """,
        {"Under autocast the losses are finite and in float32": "is torch.bfloat16 under autocast"},
    ),
    "centres_its_descriptors": (
        """
        def describe(self, images):
            return self.backbone(images) - self.backbone(images).mean()
        """,
        {
            "Descriptors are finite, do not depend on the other images, and describing changes nothing": "beside it"
        },
    ),
    "hides_its_network": (
        """
        def __init__(self, setup, parameters=None):
            super().__init__(setup, parameters)
            self.hidden = [setup.backbone("other")]

        @property
        def descriptor_network(self):
            return self.hidden[0]
        """,
        {"Builds itself": "are not parameters of the method"},
    ),
    "declares_nothing": (
        """
        @dataclass(frozen=True)
        class Parameters:
            weight: float = 1.0
        """,
        {
            "It says what it is, and declares each parameter with its range and the source of its default": "['weight']"
        },
    ),
    "divides_by_the_second_list": (
        """
        def sampler(self, epoch, train):
            indices = torch.arange(train.num_samples)
            return [indices[::2], indices[1::2]] if epoch == 2 else None

        def step(self, batch):
            losses = self.objective.per_sample(self.predict(batch.images), batch)
            scale = batch.parts[1].scene_labels.std() if len(batch.parts) == 2 else 1
            return StepOutput((losses / scale).mean(), losses)
        """,
        {
            "Batches in which all images have the same label, or all labels, work": "the loss is inf",
            "Images without any label work": "the loss is inf",
        },
    ),
    "has_a_recipe_that_cannot_be_run": (
        "recipe = {'lerning_rate': 0.1}",
        {DECLARED: "learning_rate"},
    ),
    "goes_with_a_loss_that_is_not_there": (
        "losses = ('bec',)",
        {DECLARED: "'bec'"},
    ),
}


@pytest.fixture
def broken(tmp_path):
    def write(name, body):
        path = tmp_path / f"{name}.py"
        path.write_text(HEADER + textwrap.indent(textwrap.dedent(body), "    "), encoding="utf-8")
        return path

    return write


IN_THE_FAST_SUITE = [
    "corrects_labels_in_place",
    "starves_its_backbone",
    "leaves_its_backbone_out",
    "expects_a_larger_training_set",
    "forgets_its_state",
    "keeps_a_constant_of_its_start",
    "looks_up_the_clean_labels",
    "draws_from_nowhere",
    "returns_a_loss_for_each_entry",
    "divides_by_the_number_of_labels",
    "hides_its_network",
    "declares_nothing",
]


@pytest.mark.parametrize(
    "name",
    [name if name in IN_THE_FAST_SUITE else pytest.param(name, marks=pytest.mark.slow) for name in BROKEN],
)
def test_a_broken_method_is_found_for_the_right_reason(broken, name):
    body, expected = BROKEN[name]
    load_plugin(broken(name, body))
    found = {finding.check: finding.reason for finding in failures(check_component("method", name))}
    assert found.keys() == expected.keys(), found
    for check, words in expected.items():
        assert words in found[check]


def call(capsys, *words):
    code = 0
    try:
        main([str(word) for word in words])
    except SystemExit as stop:
        code = stop.code or 0
    return code, *capsys.readouterr()


def test_the_command_says_what_failed_and_exits_with_one(broken, capsys):
    body, _ = BROKEN["corrects_labels_in_place"]
    body = "losses = ('bce', 'asl')\n" + textwrap.dedent(body)
    code, out, messages = call(capsys, "check", broken("mine", body))
    assert code == 1
    assert "method mine" in out
    assert (
        "FAILED  A step leaves the batch as it was (with bce, asl): it writes into batch.scene_labels" in out
    )
    # What trains it would fail for the same reason, and is not tried.
    assert "ok      A step returns what it must, in its shapes" in out
    assert TRAINED not in out
    assert "1 check failed." in messages
    assert "Traceback" not in out + messages


def test_the_command_passes_what_conforms(capsys):
    code, out, messages = call(capsys, "check", "untrained")
    assert (code, messages) == (0, "")
    assert "All checks passed." in out
    assert "FAILED" not in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gird"], "Did you mean 'grid'?"),
        (["absent.py"], "does not exist"),
        (["bce", "-p", "x"], "NAME=VALUE"),
        (["bce", "--loss", "bec"], "'bce'"),
    ],
)
def test_the_command_refuses_what_is_not_there(capsys, words, message):
    code, _, messages = call(capsys, "check", *words)
    assert code == 2
    assert message in messages


def test_one_name_of_two_kinds_is_checked_as_both():
    assert components_named("bce") == [("method", "bce"), ("loss", "bce")]
    with pytest.raises(InputError, match="swap"):
        components_named("swop")


MISCOUNTING = '''
"""A noise model."""

from dataclasses import replace

import numpy as np

from gridbench import register_noise
from gridbench.noise import NoiseModel, realisable, scene_corruption


@register_noise()
class Miscounts(NoiseModel):
    """Removes labels."""

    levels = ("scene",)

    def corrupt_scene(self, labels, rate, rng):
        pairs = np.argwhere(labels.present)
        count = realisable(len(pairs), len(pairs), rate, "labels", "all can change")
        drawn = pairs[rng.permutation(len(pairs))[:count]]
        made = scene_corruption(labels.scene_labels, np.insert(drawn, 2, -1, axis=1), rate)
        return replace(made, affected=np.roll(made.affected, 1))
'''


def test_a_noise_model_that_counts_wrong_is_found(tmp_path):
    """It does so at every rate but 0, which is not a rate that it cannot realise."""
    path = tmp_path / "miscounts.py"
    path.write_text(MISCOUNTING, encoding="utf-8")
    load_plugin(path)
    found = failures(check_component("noise model", "miscounts"))
    assert len(found) == 1
    assert "'miscounts' returned affected counts of" in found[0].reason


GRATINGS = r"```python\n# datasets/gratings\.py\n(.*?)```"


@pytest.fixture
def gratings(tmp_path):
    """Load the data set of CONTRIBUTING.md with a change, and return the reasons why it fails."""
    text = (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (source,) = re.findall(GRATINGS, text, re.DOTALL)

    def reasons(old="", new="", name="gratings"):
        assert old in source
        path = tmp_path / f"{name}.py"
        path.write_text(source.replace(old, new), encoding="utf-8")
        load_plugin(path)
        return [finding.reason for finding in failures(check_component("data set", name))]

    return reasons


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("", "", None),
        ("COUNT = 16, 6, 240", "COUNT = 16, 6, 0", "There is nothing to pack"),
        ("    writer.finish", "    # ", "There is no packed archive"),
        ('"test" if i % 5 == 0', '"train" if i % 5 == 0', "too few images to train and search"),
        ('"val" if i % 5 == 1', '"valid" if i % 5 == 1', "is 'valid'; allowed are train, val, test"),
        ('f"grating{i:03d}"', '"grating"', "Two samples have the same name"),
        ("[None],), labels", "[None],), labels[:3]", "cannot be packed"),
        ("cache: Path, progress: Progress | None = None", "cache: Path", "TypeError"),
        ("return build_once", "build_once", "returned a NoneType; it must return the Archive"),
        (
            'archive_directory(cache, "gratings")',
            'archive_directory(cache, "mine")',
            "the folder of its name is",
        ),
        ('finish("gratings"', 'finish("mine"', "its archive is called 'mine'"),
        ('{"version": Gratings.version}', "{}", "does not tell the version"),
        ("    version = 1", "", "its version is None"),
        ('"scene": Recipe', '"pixel": Recipe', "no label maps"),
    ],
)
def test_a_data_set_is_packed_and_looked_at(gratings, old, new, reason):
    """Before, all of them passed: the archive was not looked at."""
    found = gratings(old, new)
    assert found == [] if reason is None else len(found) == 1
    assert reason is None or reason in found[0]


def test_an_archive_that_another_version_of_its_data_set_packed_is_refused(gratings, tmp_path):
    assert gratings() == []
    open_archive("gratings", tmp_path)
    DATASETS.get("gratings").version = 2
    with pytest.raises(
        InputError, match=r"packed by its version 1, and its version is 2 now.*rm -r .*gratings"
    ):
        open_archive("gratings", tmp_path)


def test_an_archive_that_its_plug_in_packed_before_it_was_changed_is_told(gratings, tmp_path, capsys):
    """Before, runs of the new code, which is a part of their identity, trained on images of the old one."""
    assert gratings() == []
    packed = open_archive("gratings", tmp_path)
    assert gratings("rng.normal(0, 5", "rng.normal(0, 9") == []
    assert capsys.readouterr().err == ""
    for _ in range(2):
        assert open_archive("gratings", tmp_path).fingerprint == packed.fingerprint
    warning = capsys.readouterr().err
    assert warning.count("Warning") == 1
    assert f"packed before {tmp_path / 'gratings.py'} was changed" in warning
    assert warning.endswith(f"rm -r {packed.directory}\n")
    shutil.rmtree(packed.directory)
    assert open_archive("gratings", tmp_path).fingerprint != packed.fingerprint
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("task", "entries", "reasons"),
    [
        ('"classification"', "prediction - target", ["its task is 'classification'; it must be a class"]),
        ("Classification", "prediction * float('nan')", ["it gives numbers that are not finite"]),
    ],
)
def test_a_loss_is_told_once_what_is_wrong(tmp_path, task, entries, reasons):
    path = tmp_path / "off.py"
    path.write_text(
        f'''"""A loss."""
from dataclasses import dataclass
from gridbench import register_loss
from gridbench.methods.base import Loss
from gridbench.methods.tasks.classification import Classification

@register_loss()
class Off(Loss):
    """A loss with a defect."""
    task = {task}
    lambda_percent = 20.0
    def entries(self, prediction, target):
        """Return losses."""
        return {entries}, None
''',
        encoding="utf-8",
    )
    load_plugin(path)
    found = [finding.reason for finding in failures(check_component("loss", "off"))]
    assert len(found) == len(reasons)
    assert all(reason in text for reason, text in zip(reasons, found, strict=True))
