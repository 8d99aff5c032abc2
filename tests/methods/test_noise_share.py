"""lambda=auto: estimated once from early predictions, resumable, and no bit of any other GRID run changed."""

import numpy as np
import pytest
import torch

from gridbench.config import make_config
from gridbench.errors import InputError
from gridbench.methods._grid.noise_share import NoiseShare
from gridbench.methods.base import Batch
from gridbench.plan import make_plan
from gridbench.training.experiment import Experiment

CPU = torch.device("cpu")


def batch_of(labels, indices, epoch):
    return Batch(
        images=torch.zeros(len(indices), 3, 4, 4),
        scene_labels=labels,
        label_maps=None,
        indices=indices,
        epoch=epoch,
        step=0,
        generator=torch.Generator(),
    )


def remembering(calls):
    def noise_rate(labels, probabilities):
        calls.append((labels.clone(), probabilities.clone()))
        return 0.37

    return noise_rate


def test_three_epochs_are_averaged_and_the_estimate_is_made_once():
    calls, labels = [], torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    share = NoiseShare(3, 2, 100, 20.0, remembering(calls))
    for epoch in range(12):
        assert share.percent(epoch) == (20.0 if epoch < 5 else 37.0)
        share.note(batch_of(labels, torch.tensor([2, 0]), epoch), torch.full((2, 2), epoch / 10))
    ((seen, probabilities),) = calls
    # Epochs 3, 4 and 5 of 100; the image that no batch held is left out.
    assert torch.allclose(probabilities, torch.full((2, 2), (0.2 + 0.3 + 0.4) / 3))
    assert seen.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(("epochs", "first"), [(1, 3), (20, 3), (60, 3), (120, 6), (400, 20)])
def test_when_the_estimate_is_made(epochs, first):
    share = NoiseShare(1, 1, epochs, 20.0, remembering([]))
    share.note(batch_of(torch.ones(1, 1), torch.tensor([0]), first - 1), torch.ones(1, 1))
    assert share.percent(first - 1) == 20.0
    assert share.percent(first) == 37.0


def test_its_state_is_complete():
    one, other = (NoiseShare(2, 2, 10, 20.0, remembering([])) for _ in range(2))
    one.note(batch_of(torch.ones(2, 2), torch.tensor([0, 1]), 2), torch.full((2, 2), 0.25))
    other.load_state_dict(one.state_dict())
    assert other.percent(3) == one.percent(3) == 37.0


@pytest.fixture
def planned(cache, settings):
    def make(**values):
        values = {**settings, "method": "grid", "loss": "bce", "slnir": 30, "epochs": 6, **values}
        return make_plan(make_config(values), cache)

    return make


def trained(plan, checkpoint=None, epochs=None):
    experiment = Experiment(plan, CPU)
    if checkpoint is not None:
        experiment.trainer.restore(checkpoint)
    saved = []
    while len(experiment.trainer.history) < (epochs or plan.config.epochs):
        row = experiment.trainer.train_epoch(len(experiment.trainer.history))
        experiment.trainer.history.append(row)
        saved.append(experiment.trainer.checkpoint())
    return experiment, saved


def test_an_interrupted_run_goes_on_exactly(planned):
    plan = planned(parameters={"lambda": "auto"})
    straight, _ = trained(plan)
    for stop in (2, 3, 4):
        _, saved = trained(plan, epochs=stop)
        resumed, _ = trained(plan, saved[-1])
        state, expected = resumed.method.state_dict(), straight.method.state_dict()
        assert state.keys() == expected.keys()
        assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_lambda_is_told_for_every_epoch_and_follows_the_estimate(planned):
    experiment, _ = trained(planned(parameters={"lambda": "auto"}))
    told = [row["lambda"] for row in experiment.trainer.history]
    assert told[:3] == pytest.approx([20.0] * 3)
    assert told[3:] == pytest.approx([told[3]] * 3)
    assert told[3] != pytest.approx(20.0)
    assert experiment.method.share.after(len(told)) == told[-1]


def test_until_the_estimate_it_is_the_default_run_bit_by_bit(planned):
    usual, _ = trained(planned(), epochs=3)
    auto, _ = trained(planned(parameters={"lambda": "auto"}), epochs=3)
    state = auto.method.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in usual.method.state_dict().items())


def test_a_default_run_has_no_trace_of_it(planned):
    plan = planned()
    experiment, _ = trained(plan, epochs=1)
    assert not [name for name in experiment.method.state_dict() if "share" in name]
    assert "lambda" not in experiment.trainer.history[0]
    assert plan.config.parameters["lambda"] == 20.0
    assert plan.versions["method"] == 1


def test_losses_of_label_maps_are_refused(planned):
    with pytest.raises(InputError, match=r"lambda=auto reads the noise rate off .*'pce'"):
        planned(loss="pce", parameters={"lambda": "auto"})


def test_auto_has_an_identity_of_its_own(planned):
    plans = [planned(), planned(parameters={"lambda": "auto"}), planned(parameters={"lambda": 20})]
    assert len({plan.id for plan in plans}) == 2
    assert plans[0].id == plans[2].id
    assert np.all([plan.config.parameters["latent"] == 128 for plan in plans])


@pytest.mark.parametrize("loss", ["bce", "asl"])
def test_a_share_estimated_at_lambda_is_the_default_run_bit_by_bit(planned, loss, monkeypatch):
    # Losses of another machine would be no reference: the same run trains otherwise there.
    usual, _ = trained(planned(loss=loss))
    auto = Experiment(planned(loss=loss, parameters={"lambda": "auto"}), CPU)
    monkeypatch.setattr(auto.method.share, "noise_rate", lambda labels, probabilities: 0.2)
    auto.trainer.history += [auto.trainer.train_epoch(epoch) for epoch in range(6)]
    assert auto.method.share.percent(5) == pytest.approx(20.0)
    state = auto.method.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in usual.method.state_dict().items())
    assert [row["loss"] for row in auto.trainer.history] == [row["loss"] for row in usual.trainer.history]
