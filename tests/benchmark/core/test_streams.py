"""Named random streams: the same arguments, the same numbers; anything else, unrelated ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gridbench.core.streams import derive, numpy_stream, torch_scope, torch_stream

CPU = torch.device("cpu")
NAMES = ("noise", "init", "loader", "augment", "method")


def test_the_same_arguments_give_the_same_numbers_for_ever():
    # A change of these values changes every run that was ever recorded.
    assert derive(0, "noise") == 6094347035957852577
    assert derive(7, "init/head", 3, 14) == 639703014151998413
    assert numpy_stream(0, "noise").integers(1000, size=4).tolist() == [908, 796, 3, 311]


def test_streams_of_one_name_agree_and_start_anew():
    first, second = numpy_stream(1, "noise", 2), numpy_stream(1, "noise", 2)
    assert first.random(5).tolist() == second.random(5).tolist()
    draws = [torch.rand(5, generator=torch_stream(CPU, 1, "method", 2)) for _ in range(2)]
    assert torch.equal(*draws)


def test_seeds_names_and_counters_give_different_numbers():
    seeds = {
        derive(seed, name, *counters)
        for seed in range(20)
        for name in NAMES
        for counters in [(), *((epoch,) for epoch in range(20)), *((0, step) for step in range(20))]
    }
    assert len(seeds) == 20 * len(NAMES) * 41


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((0, "a/1"), (0, "a", 1)),
        ((0, "a", 1, 2), (0, "a", 12)),
        ((0, "a", 1), (0, "a", 1, 0)),
        ((1, "1"), (11, "")),
        ((0, "a"), (0, "A")),
    ],
)
def test_no_two_ways_of_writing_a_stream_meet(one, other):
    assert derive(*one) != derive(*other)


@given(st.integers(0, 2**63 - 1), st.text(), st.lists(st.integers(0, 10**6), max_size=3))
def test_a_derived_seed_suits_every_generator(seed, name, counters):
    value = derive(seed, name, *counters)
    assert 0 <= value < 2**63
    assert value == derive(np.uint64(seed), name, *map(np.int64, counters))


def test_streams_are_independent():
    draws = np.array([numpy_stream(0, name, epoch).random(2000) for name in NAMES for epoch in range(4)])
    off_diagonal = np.corrcoef(draws)[np.triu_indices(len(draws), 1)]
    # 190 correlations of 2000 numbers have a standard deviation of 0.022; the largest is near 0.06.
    assert np.abs(off_diagonal).max() < 0.1
    assert abs(draws.mean() - 0.5) < 0.01


def test_a_scope_reseeds_the_global_generator_and_restores_it():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with torch_scope(CPU, 0, "init"):
        first = torch.rand(3)
    assert torch.equal(torch.rand(3), expected)
    with torch_scope(CPU, 0, "init"):
        assert torch.equal(torch.rand(3), first)
    with torch_scope(CPU, 0, "init", 1):
        assert not torch.equal(torch.rand(3), first)


def test_a_scope_restores_after_an_error_and_when_nested():
    before = torch.get_rng_state()
    with pytest.raises(KeyError), torch_scope(CPU, 0, "init"):
        raise KeyError
    assert torch.equal(torch.get_rng_state(), before)
    with torch_scope(CPU, 0, "init"):
        torch.rand(1)
        middle = torch.get_rng_state()
        with torch_scope(CPU, 0, "method"):
            torch.rand(1)
        assert torch.equal(torch.get_rng_state(), middle)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_scope_on_the_host_leaves_other_devices_alone(monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    monkeypatch.setattr(torch.cuda, "manual_seed", seeded.append)
    with torch_scope(CPU, 0, "init"):
        torch.rand(1)
    assert seeded == []


@pytest.mark.skipif(
    not torch.accelerator.is_available(),
    reason="an accelerator has a generator of its own, and this machine has none",
)
def test_a_scope_on_an_accelerator_reseeds_and_restores_both_generators():
    device = torch.accelerator.current_accelerator()
    before = torch.get_rng_state(), torch.get_device_module(device).get_rng_state()
    draws = []
    for _ in range(2):
        with torch_scope(device, 0, "method", 3):
            draws.append((torch.rand(3), torch.rand(3, device=device).cpu()))
    assert all(torch.equal(*pair) for pair in zip(*draws, strict=True))
    after = torch.get_rng_state(), torch.get_device_module(device).get_rng_state()
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))
