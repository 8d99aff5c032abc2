"""What an epoch's row of the history says, against hand examples."""

import numpy as np
import pytest
import torch

from gridbench.methods.base import Batch, StepOutput
from gridbench.methods.tasks.classification import Classification
from gridbench.noise import corrupt_scene_labels
from gridbench.training.epoch_metrics import EpochLog, Truth, memorised_pixels, memorised_share

CPU = torch.device("cpu")


def batch(indices):
    n = len(indices)
    return Batch(
        torch.zeros(n, 1, 2, 2), torch.zeros(n, 3), None, torch.tensor(indices), 0, 0, torch.Generator()
    )


def truth(*changed, n=4, slnir=50.0):
    """Labels in which each (image, before, after) is a wrong class in place of a right one."""
    given, clean = np.zeros((n, 3), np.uint8), np.zeros((n, 3), np.uint8)
    for image, before, after in changed:
        clean[image, before], given[image, after] = 1, 1
    return Truth.of_scene_labels(given, clean, slnir)


def test_memorised_share_counts_wrongly_given_labels_that_are_predicted():
    present = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0], [0, 0, 0]], dtype=bool)
    assert memorised_share(present, truth((0, 1, 0), (1, 0, 2), (2, 1, 0))) == pytest.approx(2 / 3)
    missing = Truth.of_scene_labels(np.array([[1, 0, 0]]), np.array([[1, 1, 0]]), 10)
    assert memorised_share(present[:1], missing) is None
    assert missing.noisy.tolist() == [True]
    assert memorised_share(present, truth()) is None


@pytest.mark.parametrize("replacement", ["absent", "any"])
@pytest.mark.parametrize("slnir", [10, 60])
def test_a_model_that_predicts_the_clean_labels_has_memorised_nothing(replacement, slnir):
    clean = (np.random.default_rng(0).random((200, 6)) < 0.4).astype(np.uint8)
    clean = clean[clean.sum(1) < 4]
    given = corrupt_scene_labels(clean, slnir, np.random.default_rng(1), replacement)
    compared = Truth.of_scene_labels(given.labels, clean, slnir)
    assert memorised_share(clean != 0, compared) == 0
    assert memorised_share(given.labels != 0, compared) == 1
    assert compared.noisy.tolist() == (given.labels != clean).any(1).tolist() == given.noisy.tolist()


def test_labels_that_end_up_as_they_were_are_not_noisy():
    """Two labels of one image that trade places, by the first generator that makes them."""
    clean = np.array([[1, 1, 0]])
    draws = (corrupt_scene_labels(clean, 100, np.random.default_rng(s), "any") for s in range(200))
    traded = next(each for each in draws if (each.labels == clean).all() and len(each.changed))
    compared = Truth.of_scene_labels(traded.labels, clean, 100)
    assert not compared.noisy.any()
    assert not traded.noisy.any()
    assert memorised_share(clean != 0, compared) is None


def test_the_rate_of_real_noise_is_counted():
    clean = np.array([[1, 1, 0], [0, 0, 1], [1, 0, 0]])
    given = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 1]])
    # Two labels are missing and two wrong, of four.
    assert Truth.of_scene_labels(given, clean, None).percent == 50
    maps = np.array([[[0, 1], [2, 255]], [[0, 0], [0, 0]]])
    true = np.array([[[0, 0], [255, 1]], [[0, 0], [0, 0]]])
    compared = Truth.of_label_maps(maps, true, 3, None)
    assert compared.percent == pytest.approx(100 / 6)
    assert compared.noisy.tolist() == [True, False]
    assert not compared.added.any()  # class 1 is elsewhere in the clean map
    true[0, 1, 1] = 0
    assert np.argwhere(Truth.of_label_maps(maps, true, 3, None).added).tolist() == [[0, 1]]


def test_memorised_pixels_counts_relabelled_pixels_that_are_predicted_wrongly_again():
    clean = np.array([[[0, 0], [1, 255]], [[2, 2], [2, 2]], [[1, 1], [0, 0]]], dtype=np.uint8)
    given = clean.copy()
    given[0, 0] = 2
    given[2, 0] = 0
    predicted = given.copy()
    predicted[0, 0, 0] = 0
    predicted[1] = 1
    parts = [predicted[:2], predicted[2:]]
    assert memorised_pixels(parts, given, clean) == pytest.approx(3 / 4)
    assert memorised_pixels([clean], given, clean) == 0
    assert memorised_pixels(parts, clean, clean) is None
    assert memorised_pixels([], given, clean) is None


def test_a_row_averages_over_samples_and_pools_detection_over_the_epoch():
    log = EpochLog(truth((0, 0, 1), (3, 2, 0)), Classification(3), CPU)
    first = StepOutput(
        torch.tensor(1.0),
        torch.tensor([4.0, 1.0, 2.0]),
        torch.tensor([0.9, 0.1, 0.2]),
        torch.tensor([True, False, False]),
        torch.tensor([[-1.0, 1.0, -1.0]] * 3),
        {"kl": torch.tensor(3.0)},
    )
    second = StepOutput(
        torch.tensor(5.0),
        torch.tensor([3.0]),
        torch.tensor([-0.5]),
        torch.tensor([False]),
        torch.tensor([[-1.0, 1.0, -1.0]]),
        {"kl": torch.tensor(7.0)},
    )
    log.add(batch([0, 1, 2]), first)
    log.add(batch([3]), second)
    row = log.summary(0)
    assert row["epoch"] == 1
    assert row["loss"] == pytest.approx((3 * 1 + 5) / 4)
    assert row["kl"] == pytest.approx((3 * 3 + 7) / 4)
    detection = row["detection"]
    assert (detection["precision"], detection["recall"], detection["prevalence"]) == (1.0, 0.5, 0.5)
    assert detection["accuracy"] == 0.75
    assert detection["auroc"] == 0.5
    # The two highest losses (50 % of four) are images 0 and 3, both noisy.
    assert row["loss_detection"]["precision"] == 1.0
    assert row["memorised"] == 0.5
    assert row["predicted_prevalence"] == pytest.approx(1 / 3)


def test_a_method_without_an_opinion_has_no_detection():
    log = EpochLog(truth((0, 0, 1)), Classification(3), CPU)
    log.add(batch([0, 1, 2, 3]), StepOutput(torch.tensor(1.0), torch.arange(4.0)))
    row = log.summary(4)
    assert row["detection"] is None
    assert "memorised" not in row
    assert row["loss_detection"]["precision"] == 0.0


def test_images_that_no_step_saw_do_not_count():
    log = EpochLog(truth((0, 0, 1), (3, 0, 1)), Classification(3), CPU)
    output = StepOutput(torch.tensor(1.0), torch.tensor([2.0, 1.0]), torch.tensor([1.0, 0.0]))
    log.add(batch([0, 1]), output)
    assert log.summary(0)["detection"]["prevalence"] == 0.5


def test_a_sampled_epoch_counts_each_image_that_it_saw_once_and_no_other():
    """Image 0 is drawn twice and predicted to have its wrong class the second time; image 1 is never drawn."""
    log = EpochLog(truth((0, 1, 0), (1, 0, 2)), Classification(3), CPU, sampled=True)
    prediction = torch.tensor([[-9.0, 9.0, 9.0], [-9.0, -9.0, 9.0], [9.0, -9.0, -9.0]])
    log.add(
        batch([0, 2, 0]), StepOutput(torch.tensor(1.0), torch.tensor([5.0, 4.0, 3.0]), prediction=prediction)
    )
    row = log.summary(0)
    assert row["memorised"] == 1
    assert row["predicted_prevalence"] == pytest.approx(2 / 6)
    # Of images 0 and 2, image 2 has the larger loss and is clean: one of two is noisy, and the wrong one is selected.
    assert row["loss_detection"]["precision"] == 0
