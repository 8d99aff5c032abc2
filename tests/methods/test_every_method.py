"""What holds for every method with every loss that it goes with."""

import inspect
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gridbench.methods.base import ANY_LOSS, Method
from gridbench.methods.pairing import losses_of
from gridbench.methods.plain import Plain
from gridbench.parameters import describe
from gridbench.registry import LOSSES, METHODS

TRAINED = [name for name in METHODS if METHODS.get(name).losses and METHODS.origin(name) == "gridbench"]
PAIRS = [(name, loss) for name in TRAINED for loss in losses_of(METHODS.get(name))]
# What a method does hardly depends on which loss of a task it has.
FIRST = list({(name, LOSSES.get(loss).task): (name, loss) for name, loss in reversed(PAIRS)}.values())
MID_RUN = 1
each_pair = pytest.mark.parametrize(("name", "loss"), FIRST, ids=["-".join(pair) for pair in FIRST])


PAPER = {
    "elr": ("bce", "fl", "asl"),
    "grid_auto": ("bce", "fl", "asl"),
    "jocor": ("bce", "fl", "asl", "pce"),
    "lnc": ("pce",),
}


@pytest.mark.parametrize("name", PAPER)
def test_methods_of_the_paper_go_with_the_losses_that_it_tries_them_with(name):
    assert set(PAPER[name]) <= set(METHODS.get(name).losses)
    assert METHODS.get("grid").losses == METHODS.get("oracle").losses == ANY_LOSS


@pytest.mark.parametrize("name", LOSSES.names())
def test_every_loss_is_a_plain_method_of_its_name(name):
    method = METHODS.get(name)
    assert issubclass(method, Plain)
    assert (method.name, method.losses) == (name, (name,))
    assert METHODS.summary(name).endswith(LOSSES.summary(name))


@pytest.mark.parametrize("registry", [METHODS, LOSSES], ids=["methods", "losses"])
def test_every_parameter_says_where_its_default_comes_from(registry):
    for name in registry:
        for parameter, _, _, spec in describe(registry.get(name).Parameters):
            assert spec.help, (name, parameter)
            assert spec.source, (name, parameter)


@each_pair
def test_every_parameter_learns(lab, name, loss):
    method = lab.method(name, loss)
    before = {key: value.detach().clone() for key, value in method.named_parameters()}
    lab.train(method, 4, epoch_of=lambda step: step)
    still = [key for key, value in method.named_parameters() if torch.equal(value, before[key])]
    assert still == []


@each_pair
def test_a_step_draws_nothing_from_the_global_generator(lab, name, loss):
    method = lab.method(name, loss)
    before = torch.get_rng_state()
    method.step(lab.batch(epoch=MID_RUN)).loss.backward()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("name", "loss"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_equal_images_with_equal_labels_stay_finite(lab, name, loss):
    batch = lab.batch(6, epoch=MID_RUN)
    first = torch.zeros(6, dtype=torch.int64)
    same = replace(batch.only(first), indices=batch.indices, geometry=batch.geometry)
    method = lab.method(name, loss)
    output = method.step(same)
    output.loss.backward()
    assert torch.isfinite(output.loss)
    assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)


@pytest.mark.parametrize(("name", "loss"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_networks_that_are_certain_stay_finite(lab, name, loss):
    method = lab.method(name, loss)
    lab.train(method, 2, epoch_of=lambda step: step)
    with torch.no_grad():
        for weights in method.parameters():
            if weights.ndim > 1:
                weights.mul_(1000)  # logits so far apart that softmax and sigmoid are rounded to 0 and 1
    method.zero_grad(set_to_none=True)
    output = method.step(lab.batch(epoch=MID_RUN))
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


# The partner of an image is drawn by its place in the mini-batch.
MIXES = {"mixup", "elr_plus"}


@pytest.mark.parametrize(("name", "loss"), [pair for pair in FIRST if pair[0] not in MIXES])
def test_permuting_the_batch_permutes_what_is_said_of_its_images(lab, name, loss):
    batch = lab.batch(8, epoch=MID_RUN)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(4))
    shuffled = replace(batch.only(order), generator=torch.Generator().manual_seed(1))
    straight = lab.method(name, loss).step(batch)
    permuted = lab.method(name, loss).step(shuffled)
    torch.testing.assert_close(
        permuted.per_sample_loss, straight.per_sample_loss[order], rtol=1e-4, atol=1e-5
    )


@each_pair
def test_those_that_have_an_opinion_score_images_and_labels(lab, name, loss):
    method = lab.method(name, loss)
    lab.train(method, 3, epoch_of=lambda step: step)
    method.eval()
    with torch.no_grad():
        scores = method.score_samples(lab.training_set(lab.batch(6)))
    assert (type(method).score_samples is not Method.score_samples) == (scores is not None)
    assert scores is None or (scores.images.shape == (6,) and scores.labels.ndim == 1)


def test_a_method_that_defines_hooks_of_before_is_refused_with_what_replaced_them():
    with pytest.raises(TypeError, match=r"Old defines evidence, judge, .*score_samples\(train\)"):

        class Old(Plain):
            def evidence(self, batch):
                return ()

            def judge(self, evidence):
                return evidence[0]


@pytest.mark.parametrize("name", [name for name in TRAINED if name not in LOSSES])
def test_a_method_stays_one_short_file(name):
    source = Path(inspect.getfile(METHODS.get(name)))
    assert source.stem == name
    # GRID is four methods in one: its three ablations share its file.
    longest = 215 if METHODS.get(name).losses == ANY_LOSS else 175
    assert len(source.read_text(encoding="utf-8").splitlines()) <= longest
