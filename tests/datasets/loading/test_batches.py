from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gridbench.datasets.archive.building import build_once
from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.archive.writer import ArchiveWriter
from gridbench.datasets.loading.augmentation import Augmentation, draw_crops
from gridbench.datasets.loading.batches import EvaluationSet, TrainingSet, ahead, batches_of
from gridbench.datasets.loading.storage import Buffers
from gridbench.errors import InputError

CPU = torch.device("cpu")


def training_set(archive, augmentation, limit=None, device=CPU):
    rows = archive.indices("train")
    maps = None if archive.label_maps is None else np.asarray(archive.label_maps)[rows]
    return TrainingSet(archive, rows, archive.scene_labels[rows], maps, augmentation, device, limit)


@pytest.fixture
def coded(tmp_path):
    """Pack images whose red band holds the very number that the label map holds, and green and blue the place."""
    size = 9

    def build(folder):
        layout = Layout(
            (GroupLayout("rgb", ("r", "g", "b"), size, size, "uint8"),), tuple("abcdefghij"), (size, size)
        )
        rng = np.random.default_rng(0)
        writer = ArchiveWriter(folder, layout, [f"i{i}" for i in range(30)], ["train"] * 29 + ["test"])
        rows, columns = np.mgrid[:size, :size]
        for i in range(30):
            label_map = rng.integers(0, 10, (size, size))
            writer.write(
                i, Sample((np.stack([label_map, rows, columns]).astype(np.uint8),), np.ones(10), label_map)
            )
        writer.finish("coded", "folder", {})

    return build_once(tmp_path / "coded", build)


@pytest.mark.parametrize("crop", [None, 5, 1])
@pytest.mark.parametrize("limit", [None, 0])
def test_image_and_map_are_cut_and_mirrored_alike(coded, crop, limit):
    data = training_set(coded, Augmentation(crop, True, 0.0), limit)
    batch = data.batch(np.arange(29), np.random.default_rng(1))
    mean, scale = coded.scaling()
    raw = (batch.images / scale + mean).round().long()
    assert torch.equal(raw[:, 0], batch.label_maps)
    side = crop or 9
    assert batch.images.shape == (29, 3, side, side)
    steps = torch.arange(side)
    rows = batch.crops.top[:, None] + torch.where(batch.crops.flipped[:, None], steps.flip(0), steps)
    columns = batch.crops.left[:, None] + torch.where(batch.crops.mirrored[:, None], steps.flip(0), steps)
    assert torch.equal(raw[:, 1], rows[:, :, None].expand(-1, -1, side))
    assert torch.equal(raw[:, 2], columns[:, None, :].expand(-1, side, -1))
    assert batch.crops.mirrored.any()
    assert not batch.crops.mirrored.all()
    assert (batch.crops.mirrored != batch.crops.flipped).any()
    if crop == 5:
        assert {*batch.crops.top.tolist(), *batch.crops.left.tolist()} == {0, 1, 2, 3, 4}


def test_without_augmentation_the_stored_image_comes_back(make_archive):
    archive = make_archive(two_groups=True)
    data = training_set(archive, Augmentation())
    positions = np.array([3, 0, 7])
    batch = data.batch(positions, np.random.default_rng(0))
    rows = archive.indices("train")[positions]
    torch.testing.assert_close(batch.images, archive.standardise(archive.gather(rows)))
    np.testing.assert_array_equal(batch.label_maps.numpy(), np.asarray(archive.label_maps)[rows])
    np.testing.assert_array_equal(batch.scene_labels.numpy(), archive.scene_labels[rows])
    assert batch.crops.positions.tolist() == [3, 0, 7]
    assert batch.label_maps.dtype == torch.int64
    assert batch.scene_labels.dtype == torch.float32


@pytest.mark.parametrize("two_groups", [False, True])
@pytest.mark.parametrize("augmentation", [Augmentation(), Augmentation(7, True, 0.3)])
def test_the_numbers_are_the_same_from_memory_and_from_disk(make_archive, two_groups, augmentation):
    archive = make_archive(two_groups=two_groups)
    batches = [
        training_set(archive, augmentation, limit).batch(np.arange(20), np.random.default_rng(5))
        for limit in (None, 0)
    ]
    assert torch.equal(batches[0].images, batches[1].images)
    assert torch.equal(batches[0].label_maps, batches[1].label_maps)


@pytest.mark.parametrize("two_groups", [False, True])
@pytest.mark.parametrize("limit", [None, 0])
@pytest.mark.parametrize("crop", [None, 7])
def test_small_images_all_at_once_have_the_bits_of_one_by_one(
    make_archive, monkeypatch, two_groups, limit, crop
):
    archive = make_archive(two_groups=two_groups)

    def batch():
        augmentation = Augmentation(crop, True, 0.3)
        return training_set(archive, augmentation, limit).batch(np.arange(20), np.random.default_rng(5))

    together = batch()
    monkeypatch.setattr("gridbench.datasets.loading.storage.SMALL_IMAGE", -1)
    assert torch.equal(together.images, batch().images)


def test_the_labels_given_are_the_labels_returned(make_archive):
    archive = make_archive(maps=False)
    rows = archive.indices("train")
    wrong = 1 - archive.scene_labels[rows]
    batch = TrainingSet(archive, rows, wrong, None, Augmentation(), CPU).batch(
        np.arange(5), np.random.default_rng(0)
    )
    np.testing.assert_array_equal(batch.scene_labels.numpy(), wrong[:5])
    assert batch.label_maps is None


def test_brightness_shifts_each_image_by_one_number_of_its_own(make_archive):
    archive = make_archive()
    plain = training_set(archive, Augmentation()).batch(np.arange(20), np.random.default_rng(2))
    bright = training_set(archive, Augmentation(brightness=0.4)).batch(
        np.arange(20), np.random.default_rng(2)
    )
    shift = bright.images - plain.images
    each = shift.mean((1, 2, 3))
    assert (shift - each[:, None, None, None]).abs().max() < 1e-5
    assert each.abs().max() <= 0.4
    assert each.std() > 0.1


def test_switching_one_augmentation_off_leaves_the_others_alone():
    draws = [
        draw_crops(np.arange(50), (20, 20), augmentation, np.random.default_rng(0))
        for augmentation in (
            Augmentation(8, True, 0.2),
            Augmentation(8, False, 0.2),
            Augmentation(8, True, 0.0),
        )
    ]
    for other in draws[1:]:
        np.testing.assert_array_equal(draws[0].top, other.top)
        np.testing.assert_array_equal(draws[0].left, other.left)
    np.testing.assert_array_equal(draws[0].shift, draws[1].shift)
    np.testing.assert_array_equal(draws[0].mirrored, draws[2].mirrored)
    assert not draws[1].mirrored.any()
    assert draws[2].shift is None


def test_a_crop_larger_than_the_image_is_refused(make_archive):
    archive = make_archive(size=12)
    with pytest.raises(InputError, match="crop is 13 px; the images are 12 x 12"):
        training_set(archive, Augmentation(crop=13))


def test_labels_for_other_images_are_refused(make_archive):
    archive = make_archive()
    with pytest.raises(ValueError, match="labels for"):
        TrainingSet(archive, archive.indices("train"), archive.scene_labels, None, Augmentation(), CPU)


@given(st.integers(0, 200), st.integers(1, 50))
def test_batches_divide_the_order_without_loss_and_without_a_lone_last_one(count, size):
    order = np.random.default_rng(0).permutation(count)
    batches = batches_of(order, size)
    np.testing.assert_array_equal(np.concatenate([*batches, np.empty(0, np.int64)]), order)
    if size > 1 and count > 1:
        assert all(len(batch) > 1 for batch in batches)
        assert all(len(batch) == size for batch in batches[:-1])
        assert not batches or len(batches[-1]) <= size + 1


def test_a_last_batch_of_one_joins_the_one_before():
    assert [len(batch) for batch in batches_of(range(129), 64)] == [64, 65]
    assert [len(batch) for batch in batches_of(range(130), 64)] == [64, 64, 2]
    assert [len(batch) for batch in batches_of(range(1), 64)] == [1]
    with pytest.raises(ValueError, match="at least 1"):
        batches_of(range(3), 0)


def test_evaluation_cuts_the_centre_in_the_given_order(make_archive):
    archive = make_archive(two_groups=True)
    rows = archive.indices("test")[::-1].copy()
    parts = list(EvaluationSet(archive, rows, 7, CPU).batches(4))
    assert [len(part) for part in parts] == [4, 4, 2]
    expected = archive.standardise(archive.gather(rows))[:, :, 2:9, 2:9]
    torch.testing.assert_close(torch.cat(parts), expected)


def test_images_held_on_a_device_give_the_same_batches(make_archive):
    from gridbench.datasets.loading.storage import DevicePixels, HostPixels

    archive = make_archive(two_groups=True)
    rows = archive.indices("train")
    maps = np.asarray(archive.label_maps)[rows]
    positions = np.random.default_rng(1).permutation(20)
    crops = draw_crops(positions, archive.image_size, Augmentation(7, True), np.random.default_rng(0))
    groups = [np.asarray(group.pixels)[rows] for group in archive.groups]
    device = DevicePixels(archive, groups, maps, CPU)
    host = HostPixels(archive, groups, np.arange(20), maps, CPU)
    assert torch.equal(device.cut(crops, crops), host.cut(crops, crops))
    assert torch.equal(device.cut_maps(crops, crops), host.cut_maps(crops, crops))


@pytest.mark.parametrize("crop", [None, 7])
def test_crops_on_a_device_are_one_gather_and_one_transfer(make_archive, monkeypatch, crop):
    """The work for a device, done by one that counts what is asked of it."""
    from torch.utils._python_dispatch import TorchDispatchMode

    from gridbench.datasets.loading import crops as module
    from gridbench.datasets.loading.storage import DevicePixels

    class Count(TorchDispatchMode):
        gathers = 0

        def __torch_dispatch__(self, function, types, arguments=(), named=None):
            self.gathers += "index" in str(function)
            return function(*arguments, **(named or {}))

    archive = make_archive()
    rows = archive.indices("train")
    positions = np.random.default_rng(1).permutation(20)
    crops = draw_crops(positions, archive.image_size, Augmentation(crop, True, 0.5), np.random.default_rng(0))
    held = DevicePixels(archive, [np.asarray(group.pixels)[rows] for group in archive.groups], None, CPU)
    with Count() as count:
        here = held.cut(crops, crops)
    assert count.gathers == 1

    sent = []

    def to_meta(values, device):
        sent.append(tuple(values.shape))
        return values

    monkeypatch.setattr(module, "to_device", to_meta)
    there = crops.to(torch.device("meta"))
    assert sent == [(5, 20), (20,)]
    assert torch.equal(held.cut(crops, there), here)
    for name in ("positions", "top", "left", "mirrored", "flipped"):
        assert getattr(there, name).tolist() == getattr(crops, name).tolist()


def test_images_are_held_once_for_all_evaluations_of_a_device(make_archive, monkeypatch):
    from gridbench.datasets.loading import batches

    archive = make_archive()
    calls = []
    real = batches.hold

    def hold(*given):
        calls.append(given[4])
        return real(*given[:3], CPU, None, *given[5:])

    monkeypatch.setattr(batches, "hold", hold)
    # Only where the work is done differs; its device is played by the CPU.
    elsewhere = EvaluationSet(archive, archive.indices("test"), 7, torch.device("meta"))
    first = torch.cat(list(elsewhere.batches(4)))
    assert torch.equal(torch.cat(list(elsewhere.batches(3))), first)
    assert calls == [None]
    assert torch.equal(
        torch.cat(list(EvaluationSet(archive, archive.indices("test"), 7, CPU).batches(4))), first
    )
    assert calls == [None, 0]


@pytest.mark.parametrize("two_groups", [False, True])
def test_a_batch_is_never_overwritten_while_somebody_holds_it(make_archive, two_groups):
    data = training_set(make_archive(two_groups=two_groups), Augmentation())
    held = [data.batch(np.array([i, i + 1]), np.random.default_rng(0)).images for i in range(8)]
    part = data.batch(np.array([0, 1]), np.random.default_rng(0)).images[:1, 0]
    view = data.batch(np.array([2, 3]), np.random.default_rng(0)).images.numpy()
    for _ in range(8):
        data.batch(np.array([9, 10]), np.random.default_rng(0))
    for i, images in enumerate(held):
        again = data.batch(np.array([i, i + 1]), np.random.default_rng(0)).images
        assert torch.equal(images, again)
    assert torch.equal(part, held[0][:1, 0])
    np.testing.assert_array_equal(view, held[2].numpy())


def test_the_memory_of_a_batch_that_is_gone_is_used_again():
    buffers = Buffers()
    first = buffers.take((2, 3))
    place = first.ctypes.data
    tensor = torch.from_numpy(first)
    del first
    assert buffers.take((2, 3)).ctypes.data != place
    piece = tensor[:, :1] * 1 + tensor[:, :1].detach()
    view = tensor.view(-1)
    del tensor
    assert buffers.take((2, 3)).ctypes.data != place
    del view
    assert buffers.take((2, 3)).ctypes.data == place
    assert buffers.take((3, 3)).shape == (3, 3)
    assert piece.shape == (2, 1)


def test_the_compiled_and_the_plain_path_agree(make_archive, monkeypatch):
    import numba  # noqa: F401  (belongs to the test extra: without it the two paths would be one)

    archive = make_archive(two_groups=True)
    plain = training_set(archive, Augmentation(None, True, 0.2)).batch(
        np.arange(20), np.random.default_rng(3)
    )
    monkeypatch.setattr("gridbench.datasets.loading.storage.WORTH_COMPILING", 1)
    loop = training_set(archive, Augmentation(None, True, 0.2)).batch(np.arange(20), np.random.default_rng(3))
    torch.testing.assert_close(plain.images, loop.images, atol=1e-5, rtol=1e-5)


def test_results_come_in_order_a_little_ahead():
    started = []

    def call(i):
        started.append(i)
        return i * i

    results = ahead((lambda i=i: call(i) for i in range(20)), depth=3)
    assert next(results) == 0
    assert len(started) <= 5
    assert list(results) == [i * i for i in range(1, 20)]


def test_an_error_in_the_background_reaches_the_consumer():
    def fail():
        raise ValueError("broken")

    results = ahead([lambda: 1, fail, lambda: 2])
    assert next(results) == 1
    with pytest.raises(ValueError, match="broken"):
        next(results)
