"""Adam with one step counter for several groups: the bias correction of its first updates, and exact resuming."""

import pytest
import torch

from gridbench.methods.base import ParameterGroup
from gridbench.training.checkpoint import optimizer_tensors, restore_optimizer
from gridbench.training.optimization.optimizer import check_groups, make_optimizer, make_own_optimizer


def network():
    torch.manual_seed(0)
    return torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(3))


def step(net, optimizer, seed):
    torch.manual_seed(seed)
    x = torch.randn(5, 4)
    optimizer.zero_grad()
    sum((part(x) ** 2).mean() for part in net).backward()
    optimizer.step()


def order_of(net):
    return [list(part.parameters()) for part in net]


def adam(net, *settings, **given):
    return make_optimizer([ParameterGroup("all", list(net.parameters()))], order_of(net), *settings, **given)


def shared(net, lr=1e-2):
    return adam(net, lr, 1e-7, True, epsilon_hat=False)


def test_the_first_updates_are_those_of_the_published_counter():
    """0.74 and 0.64 follow by hand from (1 - b1) / (1 - b1^s) / sqrt((1 - b2) / (1 - b2^s)) at s = 2 and 3."""
    moved = []
    for together in (False, True):
        net = network()
        before = [part.weight.detach().clone() for part in net]
        step(net, adam(net, 1e-3, 1e-12, together), 1)
        moved.append([part.weight - old for part, old in zip(net, before, strict=True)])
    for plain, ours, ratio in zip(*moved, (1.0, 0.7441, 0.6388), strict=True):
        torch.testing.assert_close(ours, ratio * plain, rtol=2e-4, atol=1e-9)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("updates", [1, 12, 100])
def test_epsilon_hat_is_the_update_of_keras(together, updates):
    """Keras 2.8: w -= lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon)."""
    net = torch.nn.ModuleList([torch.nn.Linear(4, 1, bias=False, dtype=torch.float64)])
    torch.nn.init.zeros_(net[0].weight)
    optimizer = adam(net, 1e-3, 1e-7, together, epsilon_hat=True)
    gradient = torch.tensor([[1e-2, 1e-5, 1e-6, 1e-7]], dtype=torch.float64)
    expected = mean = square = torch.zeros(1, 4, dtype=torch.float64)
    for t in range(1, updates + 1):
        net[0].weight.grad = gradient.clone()
        optimizer.step()
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        rate = 1e-3 * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t)
        expected = expected - rate * mean / (square.sqrt() + 1e-7)
    torch.testing.assert_close(net[0].weight.detach(), expected, rtol=1e-9, atol=0)


def test_the_counter_advances_once_for_each_group_of_a_mini_batch():
    net = network()
    optimizer = shared(net, 1e-3)
    for seed in range(4):
        step(net, optimizer, seed)
    steps = [int(optimizer.state[part.weight]["step"]) for part in net]
    assert steps == [12, 13, 14]


def test_a_parameter_without_a_gradient_keeps_its_place():
    net = network()
    optimizer = shared(net, 1e-3)
    net[1](torch.ones(2, 4)).sum().backward()
    optimizer.step()
    assert [int(optimizer.state[part.weight]["step"]) for part in net] == [3, 4, 5]


def test_one_group_is_plain_adam():
    nets = network(), network()
    for net, together in zip(nets, (False, True), strict=True):
        parameters = list(net.parameters())
        groups = [ParameterGroup("all", parameters)]
        optimizer = make_optimizer(groups, [parameters], 1e-2, 1e-8, together, epsilon_hat=False)
        for seed in range(3):
            step(net, optimizer, seed)
    for one, other in zip(*(list(net.parameters()) for net in nets), strict=True):
        assert torch.equal(one, other)


def test_a_restored_optimiser_goes_on_exactly():
    whole, broken = network(), network()
    optimizers = [shared(net) for net in (whole, broken)]
    for net, optimizer in zip((whole, broken), optimizers, strict=True):
        for seed in range(2):
            step(net, optimizer, seed)
    fresh = shared(broken)
    restore_optimizer(fresh, optimizer_tensors(optimizers[1]))
    step(whole, optimizers[0], 7)
    step(broken, fresh, 7)
    for one, other in zip(whole.parameters(), broken.parameters(), strict=True):
        assert torch.equal(one, other)


def test_an_order_that_misses_a_parameter_is_refused():
    net = network()
    groups = [ParameterGroup("all", list(net.parameters()))]
    with pytest.raises(ValueError, match="each trained parameter exactly once"):
        make_optimizer(groups, order_of(net)[:2], 1e-3, 1e-8, True)


def parts_of(net, **own):
    """The first layer with settings of its own, the second at the run's rate, the third not trained at all."""
    return [
        ParameterGroup("first", list(net[0].parameters()), **own),
        ParameterGroup("second", list(net[1].parameters())),
    ]


@pytest.mark.parametrize("together", [False, True])
def test_a_factor_multiplies_the_rate_and_what_is_in_no_group_stays(together):
    net, plain = network(), network()
    before = [part.weight.detach().clone() for part in net]
    optimizer = make_optimizer(parts_of(net, lr_factor=10.0), order_of(net), 1e-3, 1e-8, together)
    step(net, optimizer, 1)
    order = order_of(plain)[:2] if together else [list(plain.parameters())]
    step(plain, make_optimizer(parts_of(plain), order, 1e-3, 1e-8, together), 1)
    moved, ones = (
        [part.weight - old for part, old in zip(each, before, strict=True)] for each in (net, plain)
    )
    torch.testing.assert_close(moved[0], 10 * ones[0], rtol=1e-4, atol=1e-7)
    assert torch.equal(moved[1], ones[1])
    assert not moved[2].any()


def test_one_update_of_two_groups_advances_the_shared_counter_once():
    net = network()
    optimizer = make_optimizer(parts_of(net, lr_factor=2.0), [list(net.parameters())], 1e-3, 1e-8, True)
    for seed in range(3):
        step(net, optimizer, seed)
    assert {int(state["step"]) for state in optimizer.state.values()} == {3}


def test_a_rate_of_its_own_is_plain_gradient_descent_with_momentum_and_decay():
    net = network()
    groups = parts_of(net, lr=0.5, momentum=0.9, weight_decay=0.1)
    own, run = make_own_optimizer(groups), make_optimizer(groups, order_of(net), 1e-3, 1e-8, False)
    weight, velocity = net[0].weight.detach().clone(), 0.0
    for seed in range(3):
        step(net, own, seed)
        velocity = 0.9 * velocity + net[0].weight.grad + 0.1 * weight
        weight = weight - 0.5 * velocity
        torch.testing.assert_close(net[0].weight.detach(), weight)
    assert {id(p) for group in run.param_groups for p in group["params"]} == {
        id(p) for p in net[1].parameters()
    }


def test_the_momentum_of_a_rate_of_its_own_is_restored():
    net, other = network(), network()
    one, two = (make_own_optimizer(parts_of(each, lr=0.1, momentum=0.9)) for each in (net, other))
    for each, optimizer in ((net, one), (other, two)):
        step(each, optimizer, 0)
    fresh = make_own_optimizer(parts_of(other, lr=0.1, momentum=0.9))
    restore_optimizer(fresh, optimizer_tensors(two, "own_optimizer"), "own_optimizer")
    step(net, one, 1)
    step(other, fresh, 1)
    assert torch.equal(net[0].weight, other[0].weight)


def test_groups_that_cannot_be_trained_are_refused():
    net, stranger = network(), network()
    first, second = (list(part.parameters()) for part in net[:2])
    for groups, reason in (
        ([ParameterGroup("a", first), ParameterGroup("b", first)], "two places"),
        ([ParameterGroup("a", first), ParameterGroup("a", second)], "same name"),
        ([ParameterGroup("a", list(stranger[0].parameters()))], "not a parameter of the method"),
        ([ParameterGroup("a", first, lr=0.1)], "follows the run's learning rate"),
    ):
        with pytest.raises(ValueError, match=reason):
            check_groups(net, groups)
    for own in (
        {"momentum": 0.9},
        {"lr": 0.1, "lr_factor": 2.0},
        {"lr_factor": -1.0},
        {"lr": 1.0, "momentum": 1.0},
    ):
        with pytest.raises(ValueError, match="the parameter group 'a'"):
            ParameterGroup("a", first, **own)
