"""Semantic segmentation: head sizes, the loss over known pixels, what counts as present."""

import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gridbench.errors import InputError
from gridbench.methods.losses.pce import PCE
from gridbench.methods.tasks.segmentation import Segmentation, layers_for

DLRSD, BEN = ((4, 4), (6, 4), (30, 2)), ((3, 2), (5, 4), (8, 4))


def sizes_through(layers, side):
    sizes = []
    for kernel, stride in layers:
        side = stride * (side - 1) + kernel
        sizes.append(side)
    return sizes


def test_the_papers_layers_for_the_papers_sizes():
    assert layers_for((7, 7), (224, 224)) == layers_for((7, 7), (256, 256)) == DLRSD
    assert layers_for((3, 3), (120, 120)) == BEN
    assert sizes_through(DLRSD, 7) == [28, 114, 256]
    assert sizes_through(BEN, 3) == [7, 29, 120]


@pytest.mark.parametrize(
    ("features", "maps", "strides"),
    [
        (8, 64, (2, 2, 2)),
        (4, 64, (4, 2, 2)),
        (2, 64, (4, 4, 2)),
        (8, 256, (4, 4, 2)),
        (16, 64, (2, 2, 1)),
        (32, 32, (1, 1, 1)),
        (64, 32, (1, 1, 1)),
        (1, 64, (4, 4, 4)),
        (16, 224, (4, 2, 2)),
        (7, 96, (4, 2, 2)),
    ],
)
def test_other_sizes_are_met_by_strides_alone_or_nearly(features, maps, strides):
    layers = layers_for((features, features), (maps, maps))
    assert layers == tuple((stride, stride) for stride in strides)
    reached = sizes_through(layers, features)[-1]
    assert features > maps or 1 / math.sqrt(2) <= reached / maps <= math.sqrt(2)


@pytest.mark.parametrize(
    ("features", "maps"),
    [
        ((7, 7), (224, 224)),
        ((7, 7), (256, 256)),
        ((3, 3), (120, 120)),
        ((2, 2), (64, 64)),
        ((3, 2), (50, 30)),
    ],
)
def test_the_head_gives_a_logit_per_class_and_pixel(features, maps):
    task = Segmentation(5, maps, features)
    head = task.head(6)
    widths = [layer.out_channels for layer in head.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert widths == [64, 32, 5]
    assert sum(isinstance(layer, nn.ReLU) for layer in head.modules()) == 2
    assert not any("Norm" in type(layer).__name__ for layer in head.modules())
    assert head(torch.randn(2, 6, *features)).shape == (2, 5, *maps)


def test_a_resized_output_is_the_bilinear_image_of_the_layers_output():
    head = Segmentation(3, (224, 224), (7, 7)).head(4)
    features = torch.randn(1, 4, 7, 7)
    raw = head.layers(features)
    assert raw.shape[-2:] == (256, 256)
    expected = F.interpolate(raw, (224, 224), mode="bilinear", align_corners=False)
    assert torch.equal(head(features), expected)
    fitting = Segmentation(3, (256, 256), (7, 7)).head(4)
    assert torch.equal(fitting(features), fitting.layers(features))


def test_without_the_feature_size_a_stride_of_32_is_taken():
    for side, features in ((224, 7), (120, 3), (64, 2), (16, 1)):
        told, untold = Segmentation(3, (side, side), (features, features)), Segmentation(3, (side, side))
        counts = [sum(p.numel() for p in task.head(4).parameters()) for task in (told, untold)]
        assert counts[0] == counts[1]


def test_a_head_without_maps_is_refused():
    with pytest.raises(ValueError, match="size of the label maps"):
        Segmentation(3).head(4)


def test_loss_against_a_loop_over_pixels():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 5, 6, generator=generator)
    maps = torch.randint(0, 4, (3, 5, 6), generator=generator)
    maps[0, :2] = 255
    maps[1, 0, 0] = 255
    expected = []
    for image, labels in zip(logits, maps, strict=True):
        costs = [
            -torch.log_softmax(image[:, i, j].double(), 0)[labels[i, j]]
            for i, j in product(range(5), range(6))
            if labels[i, j] != 255
        ]
        expected.append(sum(costs) / len(costs))
    torch.testing.assert_close(PCE()(logits, maps).double(), torch.stack(expected), rtol=1e-5, atol=1e-6)


def test_a_certain_right_pixel_counts_with_loss_zero():
    logits = torch.zeros(1, 2, 1, 2)
    logits[0, 0, 0, 0] = 1000.0
    maps = torch.zeros(1, 1, 2, dtype=torch.int64)
    assert float(PCE()(logits, maps)) == pytest.approx(math.log(2) / 2)


def test_unknown_pixels_send_no_gradient_and_an_unknown_image_costs_nothing():
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    maps = torch.zeros(2, 4, 4, dtype=torch.int64)
    maps[0, 0], maps[1] = 255, 255
    losses = PCE()(logits, maps)
    losses.sum().backward()
    assert losses[1] == 0
    assert float(logits.grad[0, :, 0].abs().max()) == 0
    assert float(logits.grad[0, :, 1:].abs().min()) > 0
    assert float(logits.grad[1].abs().max()) == 0


def test_images_without_a_known_pixel_are_not_valid(lab):
    maps = torch.zeros(3, lab.size, lab.size, dtype=torch.int64)
    maps[1] = 255
    maps[2] = 255
    maps[2, 5, 7] = 3
    for loss in ("pce", "rrl"):
        task = lab.objective(loss).task
        assert task.valid(lab.batch(3, maps=maps)).tolist() == [True, False, True]


def test_a_class_is_present_from_two_percent_of_the_predicted_pixels():
    logits = torch.zeros(1, 3, 10, 10)
    logits[:, 0] = 1.0
    logits[0, 1, 0, 0] = 2.0
    logits[0, 2, 0, 1:3] = 2.0
    assert Segmentation(3, (10, 10)).present(logits).tolist() == [[True, False, True]]


def test_the_loss_is_float32_under_autocast():
    logits, maps = torch.randn(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.int64)
    with torch.autocast("cpu", torch.bfloat16):
        values = PCE()(logits.bfloat16(), maps)
    assert values.dtype == torch.float32
    assert torch.equal(values, PCE()(logits.bfloat16().float(), maps))


def test_maps_are_needed(lab):
    task = lab.objective("pce").task
    from dataclasses import replace

    with pytest.raises(ValueError, match="label maps"):
        task.target(replace(lab.batch(), label_maps=None))


def test_symmetric_divergence_of_pixels_against_torch_distributions():
    generator = torch.Generator().manual_seed(1)
    one, other = torch.randn(2, 2, 5, 3, 3, generator=generator)
    p = torch.distributions.Categorical(logits=one.movedim(1, -1))
    q = torch.distributions.Categorical(logits=other.movedim(1, -1))
    kl = torch.distributions.kl_divergence
    ours = Segmentation(5, (3, 3)).symmetric_kl(one, other)
    torch.testing.assert_close(ours, kl(p, q) + kl(q, p), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", ["adele", "aio2"])
def test_a_background_that_is_no_class_is_refused(lab, method):
    classes = lab.setup("pce").num_classes
    for value in (classes, 200):
        with pytest.raises(
            InputError, match=rf"'background' is {value}.* allowed is 0 to {classes - 1}, or none"
        ):
            lab.method(method, "pce", background=value)
