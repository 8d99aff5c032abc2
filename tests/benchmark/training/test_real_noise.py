"""An archive with a clean copy of its labels: real noise is scored as injected noise is."""

import numpy as np
import pytest
import torch

from gridbench.config import make_config
from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.archive.writer import ArchiveWriter, build_once
from gridbench.plan import make_plan
from gridbench.training.experiment import Experiment

CPU = torch.device("cpu")
CLASSES, COUNT, SIDE = 4, 60, 16


@pytest.fixture(scope="module")
def two_copies(tmp_path_factory):
    """A cache with the archive `twice`: every third image lacks a class, of which its map shows another instead."""
    folder = tmp_path_factory.mktemp("real")
    layout = Layout(
        (GroupLayout("rgb", ("r", "g", "b"), SIDE, SIDE, "uint8"),),
        tuple(f"class {c}" for c in range(CLASSES)),
        (SIDE, SIDE),
        clean_labels=True,
        clean_maps=True,
    )
    rng = np.random.default_rng(0)

    def build(target):
        writer = ArchiveWriter(
            target, layout, [f"i{i:02d}" for i in range(COUNT)], ["train", "val", "test"] * 20
        )
        for i in range(COUNT):
            classes = rng.choice(CLASSES, 3, replace=False)
            true_map = np.repeat(classes[:2], SIDE * SIDE // 2).reshape(SIDE, SIDE)
            given = np.where(true_map == classes[0], classes[2], true_map) if i // 3 % 3 == 0 else true_map
            labels = [np.isin(np.arange(CLASSES), each).astype(np.uint8) for each in (given, true_map)]
            image = rng.integers(0, 60, (3, SIDE, SIDE)) + 40 * true_map
            maps = [each.astype(np.uint8) for each in (given, true_map)]
            writer.write(i, Sample((image.astype(np.uint8),), labels[0], maps[0], labels[1], b"", maps[1]))
        writer.finish("twice", "folder", {"failed": []})

    build_once(folder / "archives" / "twice", build)
    return folder


@pytest.fixture
def experiment(two_copies, settings):
    def make(**values):
        config = make_config(
            {**settings, "dataset": "twice", "epochs": 1, "method": "bce", "k": 3, "flips": False, **values}
        )
        return Experiment(make_plan(config, two_copies), CPU)

    return make


@pytest.mark.parametrize(("loss", "of"), [("bce", "scene_labels"), ("pce", "label_maps")])
def test_the_oracle_learns_from_the_clean_copy_and_others_from_the_given_one(
    experiment, two_copies, loss, of
):
    archive = Archive.open(two_copies / "archives" / "twice")
    train = archive.indices("train")
    for method, expected in (("oracle", f"clean_{of}"), (loss, of)):
        made = experiment(method=method, loss=loss)
        batch = made.trainer.data.batch(np.arange(len(train)), np.random.default_rng(0))
        seen = getattr(batch, of).numpy()
        np.testing.assert_array_equal(seen, np.asarray(getattr(archive, expected))[train])


@pytest.mark.parametrize("slnir", [0, 10])
@pytest.mark.parametrize("loss", ["bce", "pce"])
def test_one_record_does_not_contradict_itself(experiment, loss, slnir):
    made = experiment(method=loss, loss=None, slnir=slnir)
    made.trainer.history.append(made.trainer.train_epoch(0))
    result = made.score().result
    archive, train = made.plan.archive, made.splits.train
    clean = archive.clean_scene_labels if loss == "bce" else archive.clean_label_maps
    given = made.corruption.labels
    noisy = (given != clean[train]).reshape(len(train), -1).any(1).mean()
    assert noisy > (0.2 if slnir == 0 else 0.25)
    assert result["noisy_images"] == pytest.approx(noisy)
    assert result["loss_detection"]["prevalence"] == pytest.approx(noisy)
    assert result["sample_detection"]["image"]["loss"]["prevalence"] == pytest.approx(noisy)
    assert result["sample_detection"]["image"]["loss"]["selected_share"] > 0
    assert 0 <= result["memorised"] <= 1
    assert (result["memorised_pixels"] is None) == (loss == "bce")
    assert result["true_prevalence"] == pytest.approx(0.5)


def test_real_noise_is_part_of_the_identity_and_archives_without_it_keep_theirs(experiment, cache, settings):
    assert experiment().plan.versions["real_noise"] == 1
    assert "real_noise" not in make_plan(make_config({**settings, "method": "bce"}), cache).versions
