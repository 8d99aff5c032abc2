"""Recipes of updates: named optimisers, schedules, accumulation, clipping and averages, each resumed to the bit."""

import copy

import pytest
import torch
from timm.optim import create_optimizer_v2
from timm.utils import ModelEmaV3

from gridbench.errors import InputError
from gridbench.methods.base import ParameterGroup
from gridbench.training.optimization.recipe import OPTIMIZERS
from gridbench.training.optimization.updates import UpdateRule, Updates


class Small(torch.nn.Module):
    """As much of a method as updates need."""

    name = "small"

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        # Normalisation takes off a bias before it, so that its gradient would be nothing but rounding, which optimisers
        # like Adam divide by its own size: Lamb of timm 1.0.16 moved it by 4.3e-5 for another order of the parameters.
        first = torch.nn.Linear(6, 5, bias=False)
        self.net = torch.nn.Sequential(first, torch.nn.BatchNorm1d(5), torch.nn.Linear(5, 3))
        self.register_buffer("targets", torch.zeros(4))

    def parameter_groups(self):
        return [ParameterGroup("all", list(self.parameters()))]

    def update_order(self):
        return [list(self.parameters())]

    def loss(self, seed):
        x = torch.randn(8, 6, generator=torch.Generator().manual_seed(seed))
        return (self.net(x) ** 2).mean() + self.net[0].weight.abs().sum()


def trained(rule, epochs=3, batches=5, resume_after=None, keep=None):
    """Train, going through a checkpoint after an epoch where that is asked for; returns the method and its updates."""
    method = Small()
    updates = Updates(method, rule, epochs, batches)
    for epoch in range(epochs):
        if epoch == resume_after:
            state = {name: value.clone() for name, value in method.state_dict().items()}
            tensors = {name: value.clone() for name, value in updates.tensors().items()}
            method = Small()
            updates = Updates(method, rule, epochs, batches)
            method.load_state_dict(state)
            updates.restore(tensors)
        updates.begin_epoch(epoch)
        for batch in range(batches):
            if updates.backward(method.loss(100 * epoch + batch)):
                updates.step()
                updates.follow()
                if keep is not None:
                    keep(method, updates)
        if updates.pending:
            updates.step()
            updates.follow()
    updates.use_average()
    return method, updates


def weights(method):
    return torch.cat([value.flatten().double() for value in method.state_dict().values()])


RULES = {
    **{name: UpdateRule(1e-2, optimizer=name, weight_decay=1e-2) for name in OPTIMIZERS if name != "adam"},
    "momentum 0.5": UpdateRule(1e-2, optimizer="sgd", momentum=0.5),
    "decay": UpdateRule(1e-2, weight_decay=0.1),
    "cosine": UpdateRule(1e-2, schedule="cosine", warmup_epochs=1),
    "step": UpdateRule(1e-2, schedule="step", min_lr=1e-3),
    "onecycle": UpdateRule(1e-2, schedule="onecycle", optimizer="sgd"),
    "clipped": UpdateRule(1e-2, clip_norm=0.1, optimizer="sgd"),
    "accumulated": UpdateRule(1e-2, accumulate=3),
    "averaged": UpdateRule(1e-2, ema=0.9),
    "all": UpdateRule(
        1e-2, optimizer="adamw", weight_decay=0.1, schedule="cosine", clip_norm=1, accumulate=2, ema=0.8
    ),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_resuming_is_exact_and_the_rule_matters(rule):
    whole = weights(trained(rule)[0])
    assert torch.equal(weights(trained(rule, resume_after=1)[0]), whole)
    assert torch.equal(weights(trained(rule, resume_after=2)[0]), whole)
    assert not torch.equal(weights(trained(UpdateRule(1e-2))[0]), whole)


def test_the_fused_kernel_is_adam_to_rounding_and_resumes_exactly():
    # A larger epsilon, since Adam divides gradients that are nothing but rounding by their own size.
    fused, usual = UpdateRule(1e-2, 1e-3, fused=True), UpdateRule(1e-2, 1e-3)
    whole = weights(trained(fused)[0])
    assert torch.equal(weights(trained(fused, resume_after=1)[0]), whole)
    torch.testing.assert_close(whole, weights(trained(usual)[0]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "adam"])
def test_a_named_optimizer_is_timms(name):
    momentum = 0.9 if name in ("sgd", "momentum", "rmsprop", "lars") else None
    ours, _ = trained(UpdateRule(1e-2, 0.0, optimizer=name, momentum=momentum, weight_decay=0.1))
    method = Small()
    theirs = create_optimizer_v2(method, opt=name, lr=1e-2, weight_decay=0.1, momentum=0.9)
    for epoch in range(3):
        for batch in range(5):
            theirs.zero_grad()
            method.loss(100 * epoch + batch).backward()
            theirs.step()
    torch.testing.assert_close(weights(ours), weights(method), rtol=1e-6, atol=1e-7)


def test_accumulated_gradients_are_the_mean_of_theirs():
    rule = UpdateRule(1.0, optimizer="momentum", momentum=0.0, accumulate=3)
    method, _ = trained(rule, epochs=1, batches=5)
    expected = Small()
    for group in ((0, 1, 2), (3, 4)):
        loss = torch.stack([expected.loss(batch) for batch in group]).mean()
        loss.backward()
        with torch.no_grad():
            for parameter in expected.parameters():
                parameter -= parameter.grad
                parameter.grad = None
    torch.testing.assert_close(weights(method), weights(expected), rtol=1e-5, atol=1e-6)


def test_clipping_is_torchs():
    rule = UpdateRule(0.1, optimizer="momentum", momentum=0.0, clip_norm=0.5)
    ours, _ = trained(rule, epochs=1, batches=2)
    theirs = Small()
    for batch in range(2):
        theirs.zero_grad()
        theirs.loss(batch).backward()
        assert torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5) > 0.5
        with torch.no_grad():
            for parameter in theirs.parameters():
                parameter -= 0.1 * parameter.grad
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-6, atol=1e-7)


def test_the_average_is_timms_once_it_has_warmed_up():
    rule = UpdateRule(1e-2, ema=0.5)
    # From the eleventh update on the decay is its own: (1 + t) / (10 + t) > 0.5.
    followed = {}

    def keep(method, updates):
        if updates.done == 12:
            with updates.averaged():
                followed["theirs"] = ModelEmaV3(copy.deepcopy(method), decay=0.5)
        elif updates.done > 12:
            followed["theirs"].update(method)

    ours, _ = trained(rule, epochs=4, keep=keep)
    for name, value in followed["theirs"].module.net.state_dict().items():
        torch.testing.assert_close(ours.net.state_dict()[name], value, rtol=1e-6, atol=1e-7)


def test_averaged_weights_are_there_for_a_while():
    def keep(method, updates):
        before = weights(method)
        with updates.averaged():
            during = weights(method)
        assert torch.equal(weights(method), before)
        assert not torch.equal(during, before)

    method, _ = trained(UpdateRule(1e-2, ema=0.9), keep=keep)
    without, _ = trained(UpdateRule(1e-2))
    assert not torch.equal(weights(method), weights(without))
    # What a method keeps of its own samples is not averaged.
    assert torch.equal(method.targets, without.targets)


def test_state_in_a_module_without_parameters_is_not_averaged():
    method = Small()
    method.memory = torch.nn.Module()
    method.memory.register_buffer("share", torch.zeros(1))
    updates = Updates(method, UpdateRule(1e-2, ema=0.9), 1, 2)
    for batch in range(2):
        updates.backward(method.loss(batch))
        updates.step()
        method.memory.share.fill_(batch + 1.0)
        updates.follow()
    trained_weight = method.net[0].weight.detach().clone()
    updates.use_average()
    assert method.memory.share.item() == 2
    assert not torch.equal(method.net[0].weight, trained_weight)


def test_the_rate_follows_the_schedule_and_ends_with_the_run():
    found = []
    rule = UpdateRule(0.1, schedule="cosine", warmup_epochs=1, min_lr=0.01)
    trained(rule, epochs=4, batches=3, keep=lambda method, updates: found.append(updates.learning_rate))
    assert found[:3] == pytest.approx([0.1 / 3, 0.2 / 3, 0.1])
    assert found == sorted(found[:3]) + sorted(found[3:], reverse=True)
    assert 0.01 < found[-1] < 0.02
    assert trained(UpdateRule(0.1))[1].learning_rate is None


def test_a_factor_on_the_learning_rate_stays_under_a_schedule():
    method = Small()
    first, *others = method.parameters()
    method.parameter_groups = lambda: [
        ParameterGroup("a", [first], lr_factor=10.0),
        ParameterGroup("b", others),
    ]
    updates = Updates(method, UpdateRule(0.1, schedule="step"), 4, 1)
    for epoch, rate in enumerate((0.1, 0.1, 0.01, 0.001)):
        updates.begin_epoch(epoch)
        updates.backward(method.loss(epoch))
        updates.step()
        assert [group["lr"] for group in updates.optimizer.param_groups] == pytest.approx([10 * rate, rate])


def test_groups_that_contradict_themselves():
    method = Small()
    method.parameter_groups = lambda: [ParameterGroup("a", [torch.nn.Parameter(torch.zeros(1))])]
    with pytest.raises(InputError, match="The method 'small' cannot be trained"):
        Updates(method, UpdateRule(0.1), 1, 1)
