"""What holds for every method with every loss that it goes with."""

import inspect
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gridbench.methods.base import ANY_LOSS
from gridbench.parameters import describe
from gridbench.registry import LOSSES, METHODS

TRAINED = [name for name in METHODS if METHODS.get(name).losses and METHODS.origin(name) == "gridbench"]
PAIRS = [
    (name, loss)
    for name in TRAINED
    for loss in (LOSSES if METHODS.get(name).losses == ANY_LOSS else METHODS.get(name).losses)
]
MID_RUN = 1
each_pair = pytest.mark.parametrize(("name", "loss"), PAIRS, ids=["-".join(pair) for pair in PAIRS])


def snapshot(output):
    tensors = [output.loss, output.per_sample_loss, output.noisy_score, output.selected, output.prediction]
    return [None if tensor is None else tensor.detach().clone() for tensor in tensors]


def equal(one, other):
    return (one is None and other is None) or torch.equal(one, other)


def test_the_pairs_are_those_of_the_paper_and_our_variant():
    assert {name: METHODS.get(name).losses for name in TRAINED} == {
        "asl": ("asl",),
        "bce": ("bce",),
        "elr": ("bce", "fl", "asl"),
        "fl": ("fl",),
        "grid": ANY_LOSS,
        "grid_auto": ("bce", "fl", "asl"),
        "jocor": ("bce", "fl", "asl", "pce"),
        "lnc": ("pce",),
        "oracle": ANY_LOSS,
        "pce": ("pce",),
        "rrl": ("rrl",),
    }


@pytest.mark.parametrize("registry", [METHODS, LOSSES], ids=["methods", "losses"])
def test_every_parameter_says_where_its_default_comes_from(registry):
    for name in registry:
        for parameter, _, _, spec in describe(registry.get(name).Parameters):
            assert spec.help, (name, parameter)
            assert spec.source, (name, parameter)


@each_pair
def test_a_step_gives_finite_losses_with_their_graph(lab, name, loss):
    method = lab.method(name, loss)
    output = method.step(lab.batch(8, epoch=MID_RUN))
    assert output.loss.ndim == 0
    assert output.per_sample_loss.shape == (8,)
    assert output.loss.dtype == output.per_sample_loss.dtype == torch.float32
    assert torch.isfinite(output.loss)
    assert torch.isfinite(output.per_sample_loss).all()
    output.per_sample_loss.sum().backward(retain_graph=True)
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in method.backbone.parameters())
    method.zero_grad(set_to_none=True)
    output.loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)
    for extra, kind in ((output.noisy_score, torch.float32), (output.selected, torch.bool)):
        assert extra is None or (extra.shape == (8,) and extra.dtype == kind and not extra.requires_grad)
    assert output.prediction is None or not output.prediction.requires_grad
    for label, value in output.logs.items():
        assert not (isinstance(value, torch.Tensor) and (value.requires_grad or value.ndim)), label


@each_pair
def test_every_parameter_learns(lab, name, loss):
    method = lab.method(name, loss)
    before = {key: value.detach().clone() for key, value in method.named_parameters()}
    lab.train(method, 4, epoch_of=lambda step: step)
    still = [key for key, value in method.named_parameters() if torch.equal(value, before[key])]
    assert still == []


@each_pair
def test_the_same_seed_gives_the_same_training(lab, name, loss):
    one, other = lab.method(name, loss), lab.method(name, loss)
    lab.assert_same_training(one, other, steps=4, epoch_of=lambda step: step)
    different = lab.method(name, loss, seed=1)
    assert not torch.equal(different.backbone.net[0].weight, lab.method(name, loss).backbone.net[0].weight)


@each_pair
def test_a_step_draws_nothing_from_the_global_generator(lab, name, loss):
    method = lab.method(name, loss)
    before = torch.get_rng_state()
    method.step(lab.batch(epoch=MID_RUN)).loss.backward()
    assert torch.equal(torch.get_rng_state(), before)


@each_pair
def test_training_goes_on_exactly_from_a_state_dict(lab, name, loss):
    def steps(method, first, last):
        optimizer = torch.optim.SGD(method.parameters(), lr=0.05)
        results = []
        for step in range(first, last):
            indices = (torch.arange(8) + 3 * step) % lab.samples
            output = method.step(lab.batch(8, seed=step, epoch=step, indices=indices))
            optimizer.zero_grad()
            output.loss.backward()
            optimizer.step()
            results.append(snapshot(output))
        return results

    whole = lab.method(name, loss)
    expected = steps(whole, 0, 6)[3:]
    first = lab.method(name, loss)
    steps(first, 0, 3)
    stored = {key: value.clone() for key, value in first.state_dict().items()}
    second = lab.method(name, loss, seed=5)
    second.load_state_dict(stored)
    for one, other in zip(steps(second, 3, 6), expected, strict=True):
        assert all(equal(a, b) for a, b in zip(one, other, strict=True))
    for key, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[key]), key


@each_pair
@pytest.mark.parametrize("size", [2, 3, 7])
def test_any_batch_size_from_two_will_do(lab, name, loss, size):
    output = lab.method(name, loss).step(lab.batch(size, epoch=MID_RUN))
    assert output.per_sample_loss.shape == (size,)
    assert torch.isfinite(output.loss)


@each_pair
def test_degenerate_labels_stay_finite(lab, name, loss):
    batch = lab.batch(6, epoch=MID_RUN)
    everything, nothing = torch.ones_like(batch.scene_labels), torch.zeros_like(batch.scene_labels)
    one_class, unknown = torch.zeros_like(batch.label_maps), batch.label_maps.clone()
    unknown[0] = 255
    mixed = batch.scene_labels.clone()
    mixed[0] = 0
    for labels, maps in ((everything, one_class), (nothing, one_class + 1), (mixed, unknown)):
        method = lab.method(name, loss)
        output = method.step(replace(batch, scene_labels=labels, label_maps=maps))
        output.loss.backward()
        assert torch.isfinite(output.loss)
        assert torch.isfinite(output.per_sample_loss).all()
        assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)


@each_pair
def test_equal_images_with_equal_labels_stay_finite(lab, name, loss):
    batch = lab.batch(6, epoch=MID_RUN)
    first = torch.zeros(6, dtype=torch.int64)
    same = replace(
        batch,
        images=batch.images[first],
        scene_labels=batch.scene_labels[first],
        label_maps=batch.label_maps[first],
    )
    method = lab.method(name, loss)
    output = method.step(same)
    output.loss.backward()
    assert torch.isfinite(output.loss)
    assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)


@each_pair
def test_bfloat16_autocast_keeps_losses_in_float32_and_near(lab, name, loss):
    exact = lab.method(name, loss).step(lab.batch(epoch=MID_RUN))
    method = lab.method(name, loss)
    with torch.autocast("cpu", torch.bfloat16):
        output = method.step(lab.batch(epoch=MID_RUN))
    assert output.loss.dtype == output.per_sample_loss.dtype == torch.float32
    output.loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)
    torch.testing.assert_close(output.per_sample_loss, exact.per_sample_loss, rtol=0.1, atol=0.02)


@each_pair
def test_permuting_the_batch_permutes_what_is_said_of_its_images(lab, name, loss):
    batch = lab.batch(8, epoch=MID_RUN)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(4))
    shuffled = replace(
        batch,
        images=batch.images[order],
        scene_labels=batch.scene_labels[order],
        label_maps=batch.label_maps[order],
        indices=batch.indices[order],
        geometry=batch.geometry.only(order),
        generator=torch.Generator().manual_seed(1),
    )
    straight = lab.method(name, loss).step(batch)
    permuted = lab.method(name, loss).step(shuffled)
    torch.testing.assert_close(
        permuted.per_sample_loss, straight.per_sample_loss[order], rtol=1e-4, atol=1e-5
    )


@each_pair
def test_descriptors_and_predictions_are_had_in_evaluation(lab, name, loss):
    method = lab.method(name, loss)
    lab.train(method, 2)
    state = {key: value.clone() for key, value in method.state_dict().items()}
    method.eval()
    images = lab.batch(5).images
    with torch.no_grad():
        descriptors = method.describe(images)
        prediction = method.predict(images)
    assert descriptors.shape == (5, 10)
    assert descriptors.min() >= 0
    present = method.objective.task.present(prediction)
    assert present.shape == (5, lab.classes)
    assert present.dtype == torch.bool
    for key, value in method.state_dict().items():
        assert torch.equal(value, state[key]), key


@each_pair
def test_an_opinion_of_samples_is_given_entry_by_entry(lab, name, loss):
    method = lab.method(name, loss)
    lab.train(method, 3, epoch_of=lambda step: step)
    method.eval()
    batch = lab.batch(6)
    drawn = batch.generator.get_state()
    with torch.no_grad():
        first, again = method.evidence(batch), method.evidence(batch)
        entries, _ = method.objective.per_entry(method.predict(batch.images), batch)
    assert torch.equal(batch.generator.get_state(), drawn)
    assert (name in {"grid", "grid_auto", "jocor", "lnc"}) == bool(first)
    for (values, valid), (repeated, _) in zip(first, again, strict=True):
        assert values.shape == entries.shape
        assert torch.equal(values, repeated)
        assert valid is None or (valid.shape == values.shape and valid.dtype == torch.bool)
    if first:
        score = method.judge(torch.stack([values.mean(1) for values, _ in first]))
        assert score.shape == (6,)
        assert torch.isfinite(score).all()
    assert method.noisy_percent is None or 0 <= method.noisy_percent <= 100


@pytest.mark.parametrize("name", TRAINED)
def test_a_method_stays_one_short_file(name):
    source = Path(inspect.getfile(METHODS.get(name)))
    assert source.stem == name
    # GRID is four methods in one: its three ablations share its file.
    longest = 215 if METHODS.get(name).losses == ANY_LOSS else 175
    assert len(source.read_text(encoding="utf-8").splitlines()) <= longest
