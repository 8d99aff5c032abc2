"""Every noise model of scene labels as a run asks for it, from the settings alone."""

import csv

import numpy as np
import pytest
import torch

from gridbench.config import make_config
from gridbench.errors import InputError
from gridbench.plan import make_plan
from gridbench.registry import NOISE
from gridbench.training.corrupt import corrupt_training_labels, difficulty_of
from gridbench.training.experiment import Experiment

SCENE = [name for name in NOISE if "scene" in NOISE.get(name).levels and NOISE.origin(name) == "gridbench"]


@pytest.fixture
def plan(cache, settings):
    def make(**values):
        return make_plan(make_config({**settings, "method": "bce", "slnir": 30, **values}), cache)

    return make


WAYS_OUT = {
    "class_dependent": "--noise-parameter table=FILE.csv",
    "none": "Leave the rate at 0, or choose a model",
}


@pytest.mark.parametrize("name", [name for name in SCENE if name not in WAYS_OUT])
def test_a_run_corrupts_by_each_model(plan, name):
    made = plan(noise=name)
    corruption = corrupt_training_labels(made)
    assert (corruption.labels != made.archive.scene_labels[made.archive.indices("train")]).any()
    # The mixed model rounds in each image.
    assert corruption.realised == pytest.approx(30, abs=5)


@pytest.mark.parametrize("name", WAYS_OUT)
def test_a_model_that_needs_more_than_a_rate_says_what(plan, name):
    with pytest.raises(InputError, match=WAYS_OUT[name]):
        corrupt_training_labels(plan(noise=name))


def test_a_run_and_files_made_of_it_have_one_corruption(plan):
    for name in ("swap", "instance"):
        ours = corrupt_training_labels(plan(noise=name))
        experiment = Experiment(plan(noise=name), torch.device("cpu"))
        np.testing.assert_array_equal(ours.changed, experiment.corruption.changed)


def test_instance_noise_falls_on_labels_that_similar_images_lack(plan):
    made = plan(noise="instance", slnir=20)
    archive = made.archive
    train = archive.indices("train")
    labels = archive.scene_labels[train]
    hard = difficulty_of(archive, train, labels)
    changed = corrupt_training_labels(made).changed
    removed, added = hard[changed[:, 0], changed[:, 1]], hard[changed[:, 0], changed[:, 2]]
    assert removed.mean() > hard[labels == 1].mean()
    assert added.mean() > hard[labels == 0].mean()


def test_the_difficulty_changes_with_the_number_of_neighbours_and_with_nothing_else(plan):
    one, other = (corrupt_training_labels(plan(noise="instance")).changed for _ in range(2))
    np.testing.assert_array_equal(one, other)
    fewer = corrupt_training_labels(plan(noise="instance", noise_parameters={"neighbours": 1})).changed
    assert one.shape == fewer.shape
    assert (one != fewer).any()


def test_a_table_given_by_a_parameter_is_followed(plan, tmp_path):
    table = np.eye(5)
    table[0] = (0, 0, 1, 0, 0)
    path = tmp_path / "table.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(table.tolist())
    made = plan(noise="class_dependent", noise_parameters={"table": str(path)}, slnir=5)
    changed = corrupt_training_labels(made).changed
    assert len(changed)
    assert set(map(tuple, changed[:, 1:])) == {(0, 2)}
