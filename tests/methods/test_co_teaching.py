"""Co-teaching: golden values of both selections, the exchange of choices, identity with two plain networks."""

import pytest
import torch

from gridbench.errors import InputError

LATE = 50


@pytest.mark.parametrize(
    ("parameters", "one", "other"),
    [
        ({"tau": 0.5}, 0.743355, 0.694902),
        ({"tau": 0.25}, 0.816158, 0.746808),
        ({"tau": 0.2, "selection": "label"}, 0.519186, 0.612294),
        ({"tau": 0}, 0.803032, 0.716228),
    ],
)
def test_golden_values(lab, golden, parameters, one, other):
    method = lab.fixed("co_teaching", "bce", [golden.x, golden.z], **parameters)
    output = method.step(lab.labelled(scene_labels=golden.y, epoch=LATE))
    assert float(output.loss.detach()) == pytest.approx(one + other, rel=6e-6)


def test_each_network_learns_from_what_the_other_chose(lab, golden):
    method = lab.fixed("co_teaching", "bce", [golden.x, golden.z], tau=0.5)
    output = method.step(lab.labelled(scene_labels=golden.y, epoch=LATE))
    output.loss.backward()
    learnt = [network.output.grad.abs().sum(1) > 0 for network in (method.backbone, method.backbone_2)]
    assert [each.nonzero().flatten().tolist() for each in learnt] == [[0, 2], [0, 3]]
    assert output.selected.tolist() == [False, True, False, True]


@pytest.mark.parametrize("selection", ["label", "sample"])
@pytest.mark.parametrize("loss", ["bce", "pce"])
def test_without_selection_it_is_two_plain_trainings_at_once(lab, loss, selection):
    batch = lab.batch(maps=torch.zeros(8, lab.size, lab.size, dtype=torch.int64))
    method = lab.method("co_teaching", loss, selection=selection, tau=0)
    output = method.step(batch)
    first = method.objective.per_sample(method.predict(batch.images), batch).mean()
    second = method.objective.per_sample(method.predict_2(batch.images), batch).mean()
    torch.testing.assert_close(output.loss, first + second, rtol=1e-5, atol=1e-6)


def test_nothing_is_dropped_in_the_first_epoch(lab):
    output = lab.method("co_teaching", "bce", tau=0.4).step(lab.batch(epoch=0))
    assert output.logs["drop_rate"] == 0
    assert not output.selected.any()


def test_it_is_told_the_noise_rate_for_images_only(lab):
    assert lab.method("co_teaching", "bce").p.tau == 0.2
    assert lab.method("co_teaching", "bce", selection="label").p.tau == 0.05
    assert lab.method("co_teaching", "bce", tau="slnir", slnir=30.0).p.tau == 0.3
    with pytest.raises(InputError, match="selection=sample"):
        lab.method("co_teaching", "bce", tau="slnir", selection="label")
