"""A frozen backbone sees the training images once, and what is learnt from its features stays what it was."""

import copy

import numpy as np
import pytest
import torch

from gridbench.config import make_config
from gridbench.conformance.findings import first_difference
from gridbench.conformance.subject import state_of, train
from gridbench.plan import make_plan
from gridbench.training.backbone import TimmBackbone
from gridbench.training.experiment import Experiment

CPU = torch.device("cpu")


@pytest.fixture
def frozen(cache, settings):
    """Builds a run whose backbone is frozen and whose images nothing changes at random."""

    def make(**values):
        usual = {**settings, "slnir": 30, "freeze": "backbone", "flips": False, "crop": 0, "brightness": 0}
        return Experiment(make_plan(make_config({**usual, **values}), cache), CPU)

    return make


def passing(experiment):
    """Return a list that will hold the numbers of images that pass through the backbones."""
    counts = []
    for network in experiment.method.modules():
        if isinstance(network, TimmBackbone):
            network.model.register_forward_hook(lambda model, images, output: counts.append(len(output)))
    return counts


def epochs(experiment, number):
    return [experiment.trainer.train_epoch(epoch) for epoch in range(number)]


@pytest.mark.parametrize(("method", "networks"), [("bce", 1), ("grid", 1), ("jocor", 2)])
def test_each_image_passes_once_however_many_epochs(frozen, method, networks):
    experiment = frozen(method=method)
    passed = passing(experiment)
    rows = epochs(experiment, 3)
    assert sum(passed) == networks * len(experiment.splits.train)
    assert rows[2]["loss"] < rows[0]["loss"]


@pytest.mark.parametrize("method", ["bce", "grid", "pce"])
def test_the_losses_are_those_of_passes_in_every_epoch(frozen, monkeypatch, method):
    kept = [row["loss"] for row in epochs(frozen(method=method), 3)]
    monkeypatch.setattr("gridbench.evaluation.frozen_features.LARGEST", 0)
    anew = [row["loss"] for row in epochs(frozen(method=method), 3)]
    np.testing.assert_allclose(kept, anew, rtol=1e-5)


def test_a_resumed_run_goes_on_to_the_same_bits(frozen):
    whole, first, second = (frozen(method="grid", epochs=3) for _ in range(3))
    train(whole, 3)
    train(first, 1)
    second.trainer.restore(copy.deepcopy(first.trainer.checkpoint()))
    train(second, 3)
    assert not first_difference(state_of(whole), state_of(second))


@pytest.mark.parametrize(
    "values",
    [{"flips": True}, {"brightness": 0.1}, {"crop": 8}, {"augment": "strong"}, {"freeze": None}],
    ids=str,
)
def test_what_changes_from_epoch_to_epoch_is_computed_in_each(frozen, values):
    experiment = frozen(method="bce", **values)
    passed = passing(experiment)
    epochs(experiment, 2)
    assert sum(passed) == 2 * len(experiment.splits.train)


def test_one_crop_for_the_whole_run_changes_nothing_from_epoch_to_epoch(frozen):
    experiment = frozen(method="bce", crop=8, crop_for="run")
    passed = passing(experiment)
    epochs(experiment, 2)
    assert sum(passed) == len(experiment.splits.train)


def test_only_the_very_images_of_the_batch_are_known(frozen):
    experiment = frozen(method="bce")
    epochs(experiment, 1)
    network = experiment.method.backbone
    images, _, features = network.known
    assert network.features(images) is features
    np.testing.assert_allclose(network.features(images.clone()), features, atol=1e-5)
    images.mul_(2)
    assert network.features(images) is not features


def test_a_backbone_that_something_changed_computes_by_itself(frozen):
    experiment = frozen(method="bce")
    epochs(experiment, 1)
    with torch.no_grad():
        next(experiment.method.backbone.parameters()).mul_(1)
    passed = passing(experiment)
    experiment.trainer.train_epoch(1)
    assert sum(passed) == len(experiment.splits.train)
