"""Adam with one step counter for several groups: the bias correction of its first updates, and exact resuming."""

import pytest
import torch

from gridbench.training.checkpoint import optimizer_tensors, restore_optimizer
from gridbench.training.optimizer import SharedStepAdam, make_optimizer


def network():
    torch.manual_seed(0)
    return torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(3))


def step(net, optimizer, seed):
    torch.manual_seed(seed)
    x = torch.randn(5, 4)
    optimizer.zero_grad()
    sum((part(x) ** 2).mean() for part in net).backward()
    optimizer.step()


def groups_of(net):
    return [list(part.parameters()) for part in net]


def test_the_first_updates_are_those_of_the_published_counter():
    """0.74 and 0.64 follow by hand from (1 - b1) / (1 - b1^s) / sqrt((1 - b2) / (1 - b2^s)) at s = 2 and 3."""
    moved = []
    for shared in (False, True):
        net = network()
        before = [part.weight.detach().clone() for part in net]
        step(net, make_optimizer(net, groups_of(net), 1e-3, 1e-12, shared), 1)
        moved.append([part.weight - old for part, old in zip(net, before, strict=True)])
    for plain, ours, ratio in zip(*moved, (1.0, 0.7441, 0.6388), strict=True):
        torch.testing.assert_close(ours, ratio * plain, rtol=2e-4, atol=1e-9)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("updates", [1, 12, 100])
def test_epsilon_hat_is_the_update_of_keras(shared, updates):
    """Keras 2.8: w -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon)."""
    net = torch.nn.Linear(4, 1, bias=False, dtype=torch.float64)
    torch.nn.init.zeros_(net.weight)
    optimizer = make_optimizer(net, groups_of([net]), 1e-3, 1e-7, shared, epsilon_hat=True)
    gradient = torch.tensor([[1e-2, 1e-5, 1e-6, 1e-7]], dtype=torch.float64)
    expected = mean = square = torch.zeros(1, 4, dtype=torch.float64)
    for t in range(1, updates + 1):
        net.weight.grad = gradient.clone()
        optimizer.step()
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        rate = 1e-3 * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t)
        expected = expected - rate * mean / (square.sqrt() + 1e-7)
    torch.testing.assert_close(net.weight.detach(), expected, rtol=1e-9, atol=0)


def test_the_counter_advances_once_for_each_group_of_a_mini_batch():
    net = network()
    optimizer = SharedStepAdam(groups_of(net), 1e-3, 1e-7)
    for seed in range(4):
        step(net, optimizer, seed)
    steps = [int(optimizer.state[part.weight]["step"]) for part in net]
    assert steps == [12, 13, 14]


def test_a_parameter_without_a_gradient_keeps_its_place():
    net = network()
    optimizer = SharedStepAdam(groups_of(net), 1e-3, 1e-7)
    net[1](torch.ones(2, 4)).sum().backward()
    optimizer.step()
    assert [int(optimizer.state[part.weight]["step"]) for part in net] == [3, 4, 5]


def test_one_group_is_plain_adam():
    nets = network(), network()
    for net, shared in zip(nets, (False, True), strict=True):
        optimizer = make_optimizer(net, [list(net.parameters())], 1e-2, 1e-8, shared, epsilon_hat=False)
        for seed in range(3):
            step(net, optimizer, seed)
    for one, other in zip(*(list(net.parameters()) for net in nets), strict=True):
        assert torch.equal(one, other)


def test_a_restored_optimiser_goes_on_exactly():
    whole, broken = network(), network()
    optimizers = [SharedStepAdam(groups_of(net), 1e-2, 1e-7) for net in (whole, broken)]
    for net, optimizer in zip((whole, broken), optimizers, strict=True):
        for seed in range(2):
            step(net, optimizer, seed)
    fresh = SharedStepAdam(groups_of(broken), 1e-2, 1e-7)
    restore_optimizer(fresh, optimizer_tensors(optimizers[1]))
    step(whole, optimizers[0], 7)
    step(broken, fresh, 7)
    for one, other in zip(whole.parameters(), broken.parameters(), strict=True):
        assert torch.equal(one, other)


def test_groups_that_miss_a_parameter_are_refused():
    net = network()
    with pytest.raises(ValueError, match="not exactly"):
        make_optimizer(net, groups_of(net)[:2], 1e-3, 1e-8, True)
