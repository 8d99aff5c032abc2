"""Runs on single labels, up to the first step: what they see, what noise does, and what is refused."""

import numpy as np
import pytest
import torch

from gridbench.conformance.fixtures import Workbench
from gridbench.errors import InputError
from gridbench.training.experiment import Experiment

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Workbench(tmp_path_factory.mktemp("bench"))


def test_swap_is_symmetric_noise_without_the_true_class(bench):
    experiment = Experiment(bench.plan(method="ce", loss="ce", slnir=50), CPU)
    given, clean = experiment.corruption.labels, experiment.relevance[experiment.splits.train]
    assert (given.sum(1) == 1).all()
    assert (clean.sum(1) == 1).all()
    assert (given != clean).any(1).sum() == len(given) // 2
    assert experiment.truth.noisy.sum() == len(given) // 2
    assert experiment.trainer.data.scene_labels.sum(1).unique().tolist() == [1]


def test_noise_that_leaves_images_without_a_label_is_refused(bench):
    with pytest.raises(InputError, match="'missing' corrupts scene labels, not single labels"):
        Experiment(bench.plan(method="ce", loss="ce", slnir=30, noise="missing"), CPU)


@pytest.mark.parametrize(("loss", "instead"), [("ce", "bce"), ("gce", "bgce")])
def test_images_of_several_labels_are_refused_with_the_loss_for_them(bench, loss, instead):
    name = bench.archive.name
    with pytest.raises(InputError, match=rf"27 with several among 27 images.*--loss {instead}"):
        bench.plan(method=loss, loss=loss, dataset=name)


def test_the_level_is_in_the_identity_of_single_labels_alone(bench):
    single = bench.plan(method="ce", loss="ce")
    assert (single.level, single.config.level, single.versions["single_labels"]) == ("single", "single", 1)
    scene = bench.plan(method="bce", loss="bce")
    assert scene.id == bench.plan(method="bce", loss="bce", level="scene").id
    assert (scene.config.level, "single_labels" in scene.versions) == (None, False)
    assert bench.single_label_archive.name
    references = [
        bench.plan(method="untrained", dataset="conformance-single", level=level)
        for level in (None, "single")
    ]
    assert references[0].id != references[1].id
    np.testing.assert_array_equal(references[1].archive.scene_labels, bench.single_label_archive.scene_labels)


class Quiet:
    def epoch(self, done, total, row):
        pass


def test_the_best_epoch_of_single_labels_may_be_that_of_the_highest_validation_accuracy(bench):
    asked = {"select": "best", "select_by": "prediction", "last_epochs": 3, "epochs": 3}
    experiment = Experiment(bench.plan(method="ce", loss="ce", **asked), CPU)
    experiment.trainer.train(Quiet(), lambda checkpoint: None)
    rows = experiment.trainer.history
    accuracies = [row["scores"]["validation/accuracy"] for row in rows]
    assert [row["validation"] for row in rows] == accuracies
    result = experiment.score().result
    assert result["best_epoch"] == 1 + accuracies.index(max(accuracies))
    assert result["metrics"]["last_epochs/accuracy"] == pytest.approx(
        np.mean([row["scores"]["accuracy"] for row in rows])
    )
