"""The literal variants of GRID's published code: one crop per run, one brightness per batch, maps left whole."""

import numpy as np
import torch

from gridbench.datasets.loading.augmentation import Augmentation, draw_crops
from gridbench.datasets.loading.batches import TrainingSet

SIZE = (12, 12)


def crops(seed, **values):
    return draw_crops(
        np.arange(16),
        SIZE,
        Augmentation(crop=8, flips=True, brightness=0.2, **values),
        np.random.default_rng(seed),
    )


def test_one_crop_for_the_whole_run_is_the_same_in_every_batch():
    fixed = [crops(seed, crop_for="run") for seed in range(3)]
    assert (
        len(
            {
                (top, left)
                for each in fixed
                for top, left in zip(each.top.tolist(), each.left.tolist(), strict=True)
            }
        )
        == 1
    )
    free = crops(0)
    assert len(set(zip(free.top.tolist(), free.left.tolist(), strict=True))) > 1
    assert torch.equal(free.mirrored, fixed[0].mirrored)


def test_one_brightness_for_each_batch():
    first, second = crops(0, brightness_for="batch"), crops(1, brightness_for="batch")
    assert len(set(first.shift.tolist())) == len(set(second.shift.tolist())) == 1
    assert first.shift[0] != second.shift[0]
    assert len(set(crops(0).shift.tolist())) == 16


def test_maps_that_do_not_move_stay_whole_and_unflipped(make_archive):
    archive = make_archive(size=12)
    indices = archive.indices("train")
    labels, maps = archive.scene_labels[indices], np.asarray(archive.label_maps[indices])
    positions = np.arange(8)
    for move in (True, False):
        augmentation = Augmentation(crop=8, flips=True, move_maps=move)
        data = TrainingSet(archive, indices, labels, maps, augmentation, torch.device("cpu"))
        batch = data.batch(positions, np.random.default_rng(0))
        assert batch.images.shape[-2:] == (8, 8)
        if move:
            assert batch.label_maps.shape == (8, 8, 8)
        else:
            assert np.array_equal(batch.label_maps.numpy(), maps[positions])
