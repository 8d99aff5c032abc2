"""A method that overrides every hook is killed inside each of them, and goes on to the same bits."""

from __future__ import annotations

import signal

import pytest

from gridbench.records.record import iter_records

METHOD = '''
"""A method that overrides every hook, and ends the process where the environment says."""

import copy
import os
import signal
from dataclasses import replace

import torch

from gridbench import register_method
from gridbench.methods.base import ParameterGroup
from gridbench.methods.plain import Plain

visits = {}


def moment(name):
    visits[name] = visits.get(name, 0) + 1
    if os.environ.get("KILL_IN") == f"{name} {visits[name]}":
        os.kill(os.getpid(), signal.SIGKILL)


@register_method()
class Everything(Plain):
    """Relabels, draws by its own losses, follows a second view, averages its weights, and has variables of images."""

    losses = ("bce",)
    views = ("weak", "strong")

    def __init__(self, setup, parameters=None):
        super().__init__(setup, parameters)
        self.average = copy.deepcopy(self.backbone).requires_grad_(False)
        self.offsets = torch.nn.Parameter(torch.zeros(setup.num_samples, setup.num_classes))
        self.register_buffer("current", torch.zeros(setup.num_samples, setup.num_classes))
        self.register_buffer("loss_of", torch.zeros(setup.num_samples))

    @property
    def descriptor_network(self):
        return self.average

    def parameter_groups(self):
        networks = [*self.backbone.parameters(), *self.head.parameters()]
        return [ParameterGroup("networks", networks), ParameterGroup("offsets", [self.offsets], lr=5.0)]

    def start(self, train):
        self.current.copy_(train.scene_labels)
        moment("start")

    def on_epoch_start(self, epoch, train):
        self.current.mul_(0.9)
        found = train.apply(self.losses_of, views=("strong",))
        self.loss_of.copy_(found)
        moment("epoch")

    def losses_of(self, batch):
        moment("pass")
        return self.objective.per_sample(self.predict(batch.images), batch)

    def sampler(self, epoch, train):
        moment("sampler")
        order = self.loss_of.argsort(stable=True)
        return [order[:24], order[24:]] if epoch else None

    def step(self, batch):
        self.current[batch.indices] += 0.01
        moment("step")
        labels = (self.current[batch.indices] + self.offsets[batch.indices]).sigmoid()
        output = super().step(replace(batch, scene_labels=labels))
        other = self.predict(batch.views[1].images).sigmoid()
        return replace(output, loss=output.loss + (output.prediction.sigmoid() - other).square().mean())

    @torch.no_grad()
    def after_step(self):
        moment("update")
        for old, new in zip(self.average.state_dict().values(), self.backbone.state_dict().values(), strict=True):
            old.lerp_(new, 0.1) if old.is_floating_point() else old.copy_(new)
        moment("after")
'''


@pytest.fixture(scope="module")
def words(cache, tmp_path_factory):
    plugin = tmp_path_factory.mktemp("plugin") / "everything.py"
    plugin.write_text(METHOD, encoding="utf-8")

    def make(runs):
        return ["run", "--runs", runs, "--cache", cache, "--dataset", "stripes", "--backbone", "test_resnet",
                "--plugin", plugin, "--method", "everything", "--slnir", 30, "--epochs", 3, "--batch-size", 16,
                "--train-size", 0, "--k", 5, "--device", "cpu", "--threads", 1, "--quiet"]  # fmt: skip

    return make


def bits(runs):
    (record,) = iter_records(runs, verify=True)
    assert record.state == "done", record.reason
    names = ("history.json", "result.json", "retrieval.npz", "weights.safetensors")
    return {name: (record.folder / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def whole(warm, words, tmp_path_factory):
    """The files of the uninterrupted run."""
    runs = tmp_path_factory.mktemp("whole")
    assert warm(*words(runs)).returncode == 0
    return bits(runs)


# 48 images in batches of 16: three steps an epoch, and one batch for a pass over all of them. Each process counts anew.
@pytest.mark.parametrize(
    "moments",
    [
        ["start 1", "pass 1", "epoch 1", "sampler 1", "step 2", "update 1", "after 3"],
        ["pass 2", "epoch 1", "sampler 1", "step 2", "update 3", "after 6"],
        ["step 9", "update 3", "epoch 1", "pass 1"],
    ],
    ids=["in the first epoch", "in later ones", "in the last"],
)
def test_a_run_killed_inside_its_hooks_goes_on_to_the_same_bits(warm, words, whole, tmp_path, moments):
    runs = tmp_path / "runs"
    for moment in moments:
        assert warm(*words(runs), environment={"KILL_IN": moment}).returncode == -signal.SIGKILL, moment
    assert warm(*words(runs)).returncode == 0
    assert bits(runs) == whole
