"""Schedules against those of torch and timm at every update."""

import pytest
import torch
from timm.scheduler import CosineLRScheduler

from gridbench.training.optimization.schedule import Schedule

UPDATES = 40


def optimizer(lr):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def rates(make, lr=0.2, updates=UPDATES):
    """Return what a scheduler of torch sets before each update."""
    inner = optimizer(lr)
    scheduler = make(inner)
    found = []
    for _ in range(updates):
        found.append(inner.param_groups[0]["lr"])
        inner.step()
        scheduler.step()
    return found


def timm_rates(make, lr=0.2):
    """Return what a scheduler of timm, which counts updates, sets for each update."""
    inner = optimizer(lr)
    scheduler = make(inner)
    found = []
    for update in range(UPDATES):
        scheduler.step_update(update)
        found.append(inner.param_groups[0]["lr"])
    return found


def ours(schedule, lr=0.2):
    return [lr * schedule.factor(update) for update in range(schedule.updates)]


@pytest.mark.parametrize("lowest", [0.0, 0.05])
def test_cosine_is_timms(lowest):
    expected = timm_rates(
        lambda inner: CosineLRScheduler(inner, t_initial=UPDATES, lr_min=0.2 * lowest, t_in_epochs=False)
    )
    assert ours(Schedule("cosine", UPDATES, lowest=lowest)) == pytest.approx(expected, abs=1e-12)


def test_cosine_after_a_warm_up_is_timms():
    expected = timm_rates(
        lambda inner: CosineLRScheduler(
            inner, t_initial=UPDATES - 6, warmup_t=6, warmup_prefix=True, t_in_epochs=False
        )
    )
    assert ours(Schedule("cosine", UPDATES, warmup=6))[6:] == pytest.approx(expected[6:], abs=1e-12)


def test_the_warm_up_is_torchs():
    expected = rates(
        lambda inner: torch.optim.lr_scheduler.LinearLR(inner, start_factor=1 / 6, total_iters=5)
    )
    assert ours(Schedule("constant", UPDATES, warmup=6)) == pytest.approx(expected, abs=1e-12)


def test_step_is_torchs():
    expected = rates(lambda inner: torch.optim.lr_scheduler.MultiStepLR(inner, milestones=[20, 30]))
    assert ours(Schedule("step", UPDATES)) == pytest.approx(expected, abs=1e-12)
    assert min(ours(Schedule("step", UPDATES, lowest=0.05))) == pytest.approx(0.01)


@pytest.mark.parametrize("updates", [40, 97, 1200])
def test_onecycle_is_torchs(updates):
    expected = rates(
        lambda inner: torch.optim.lr_scheduler.OneCycleLR(inner, max_lr=0.2, total_steps=updates),
        updates=updates - 1,
    )
    assert ours(Schedule("onecycle", updates))[:-1] == pytest.approx(expected, abs=1e-9)
    assert ours(Schedule("onecycle", updates, lowest=0.1))[-1] == pytest.approx(0.02)


@pytest.mark.parametrize("name", ["constant", "cosine", "step", "onecycle"])
@pytest.mark.parametrize("updates", [1, 2, 3])
def test_the_shortest_runs(name, updates):
    assert all(0 < value <= 0.2 for value in ours(Schedule(name, updates)))


def test_constant_never_changes():
    schedule = Schedule("constant", UPDATES)
    assert not schedule.changes
    assert ours(schedule) == [0.2] * UPDATES
    assert Schedule("constant", UPDATES, warmup=1).changes
