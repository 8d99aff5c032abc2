"""Single labels: the task, its losses as registered, and the methods whose original form is of single labels."""

import numpy as np
import pytest
import torch

from gridbench.errors import InputError
from gridbench.methods.pairing import chosen_loss, kin_of, usual_loss
from gridbench.methods.plain import Plain
from gridbench.methods.tasks.single_label import SingleLabel
from gridbench.parameters import parse
from gridbench.registry import LOSSES, METHODS

X = torch.tensor(
    [[2, -1, 0.5, 0, 1], [0.2, 1.5, -0.7, 0.9, -2], [-1.2, 0.3, 2.5, -0.4, 0.6], [0.8, 0.1, -0.3, 1.1, 0.4]]
)
Z = torch.tensor(
    [
        [1, 0.5, -0.5, 0.2, 1.4],
        [-0.3, 0.8, 0.1, 1.2, -1],
        [0.4, -0.6, 1.1, 0, 0.9],
        [1.3, -0.2, 0.6, 0.5, -0.8],
    ]
)
Y = torch.tensor([0, 3, 2, 1])
ONE_HOT = torch.eye(5)[Y]
LATE = 50
# Means that the published functions give.
GOLDEN = [
    ("ce", {}, 1.04733),
    ("ls", {}, 1.15333),
    ("mae", {}, 0.570527),
    ("gce", {}, 0.667163),
    ("rce", {}, 5.25475),
    ("sce", {}, 5.35948),
    ("sce", {"alpha": 6, "beta": 0.1}, 6.80945),
    ("nce", {}, 0.108157),
    ("nce_rce", {}, 5.36291),
    ("nce_rce", {"alpha": 10, "beta": 0.1}, 1.60705),
    ("anl_ce", {}, 4.46403),
    ("ls", {"epsilon": 0}, 1.04733),
    ("gce", {"q": 1}, 0.570527),
    ("sce", {"alpha": 1, "beta": 0}, 1.04733),
]


def loss_of(name, **given):
    component = LOSSES.get(name)
    return component(parse(component.Parameters, given, name))


@pytest.mark.parametrize(("name", "given", "mean"), GOLDEN)
def test_registered_losses_have_the_golden_means(name, given, mean):
    losses = loss_of(name, **given)(X, Y)
    assert losses.shape == (4,)
    assert losses.mean().item() == pytest.approx(mean, rel=1e-5)


def test_gradient_of_the_active_negative_loss():
    x = X.clone().requires_grad_()
    loss_of("anl_ce")(x, Y).mean().backward()
    expected = [0.0235315, 0.0408025, 0.0196918, -0.101804, 0.0177781]
    assert x.grad[1].tolist() == pytest.approx(expected, rel=1e-4)


def test_the_task_reads_one_class_an_image(lab):
    task, batch = SingleLabel(5), lab.labelled(scene_labels=ONE_HOT)
    assert torch.equal(task.target(batch), Y)
    assert task.present(X).int().tolist() == torch.eye(5, dtype=torch.int32)[[0, 1, 2, 3]].tolist()
    torch.testing.assert_close(task.probabilities(X), X.exp() / X.exp().sum(1, keepdim=True))
    means, there = task.per_label(torch.tensor([[0.1], [0.2], [0.3], [0.4]]), None, batch)
    assert means[there].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_divergence_is_that_of_torch():
    p, q = (torch.distributions.Categorical(logits=x) for x in (X, Z))
    kl = torch.distributions.kl_divergence
    expected = (kl(p, q) + kl(q, p))[:, None]
    torch.testing.assert_close(SingleLabel(5).symmetric_kl(X, Z), expected, rtol=1e-5, atol=1e-6)


def softmax(x):
    return np.exp(x) / np.exp(x).sum(1, keepdims=True)


def test_elr_of_single_labels_is_the_published_form(lab):
    method = lab.fixed("elr", "ce", [X], samples=4)
    assert (method.p.lambda_, method.p.beta, method.p.form) == (3.0, 0.7, "single_label")
    batch = lab.labelled(scene_labels=ONE_HOT)
    outputs = [method.step(batch), method.step(batch)]
    p = np.clip(softmax(X.double().numpy()), 1e-4, 1 - 1e-4)
    target, ce = np.zeros_like(p), -np.log(softmax(X.double().numpy())[np.arange(4), Y]).mean()
    for output in outputs:
        target = 0.7 * target + 0.3 * p / p.sum(1, keepdims=True)
        expected = ce + 3 * np.log(1 - (target * p).sum(1)).mean()
        assert output.loss.item() == pytest.approx(expected, rel=1e-5)


def test_golden_value_of_elr_of_single_labels(lab):
    x = torch.tensor([[2, 0, -1], [0, 1, 0.5]])
    method = lab.fixed("elr", "ce", [x], samples=2)
    output = method.step(lab.labelled(scene_labels=torch.eye(3)[[0, 2]]))
    assert output.loss.item() == pytest.approx(0.121725, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "given", "said"),
    [
        ("ce", {"form": "multi_label"}, "--method elr --loss bce"),
        ("bce", {"form": "single_label"}, "--method elr --loss ce"),
        ("ce", {"two_sided": True}, "several labels"),
    ],
)
def test_elr_has_the_form_of_its_loss(lab, loss, given, said):
    with pytest.raises(InputError, match=said):
        lab.method("elr", loss, **given)


def test_elr_of_several_labels_keeps_its_defaults(lab):
    p = lab.method("elr", "bce").p
    assert (p.lambda_, p.beta, p.form, p.two_sided) == (1.0, 0.9, "multi_label", False)
    p = lab.method("jocor", "bce").p
    assert (p.lambda_, p.selection, p.tau) == (0.6, "label", 0.05)


def test_jocor_of_single_labels_drops_images(lab):
    method = lab.fixed("jocor", "ce", [X, Z], tau=0.5)
    assert (method.p.lambda_, method.p.selection) == (0.9, "sample")
    output = method.step(lab.labelled(scene_labels=ONE_HOT, epoch=LATE))
    one, other = (torch.nn.functional.cross_entropy(x, Y, reduction="none") for x in (X, Z))
    joint = 0.1 * (one + other) + 0.9 * SingleLabel(5).symmetric_kl(X, Z)[:, 0]
    torch.testing.assert_close(output.noisy_score, joint)
    assert output.loss.item() == pytest.approx(joint.sort().values[:2].mean().item(), rel=1e-6)
    assert output.selected.sum() == 2


@pytest.mark.parametrize(
    ("name", "given"), [("grid", {"lambda": 0}), ("elr", {"lambda": 0}), ("jocor", {"lambda": 0, "tau": 0})]
)
def test_without_their_share_methods_are_plain_cross_entropy(lab, name, given):
    plain, other = lab.method("ce", "ce"), lab.method(name, "ce", **given)
    for step in range(3):
        batch = lab.batch(seed=step)
        losses = [method.step(batch).per_sample_loss for method in (plain, other)]
        torch.testing.assert_close(*losses)


@pytest.mark.parametrize("name", [n for n in LOSSES if LOSSES.get(n).task is SingleLabel])
def test_grid_takes_a_fifth_of_the_batch_with_every_loss(lab, name):
    assert lab.method("grid", name).p.lambda_ == 20
    assert lab.method("grid", name).step(lab.batch(10)).selected.sum() == 2


def test_losses_have_kin_of_other_labels():
    assert kin_of("bce") == ["ce", "pce"]
    assert kin_of("gce")[:1] == ["bgce"]
    assert kin_of("bmae") == ["mae"]


@pytest.mark.parametrize(
    ("method", "loss", "level", "said"),
    [
        ("elr", "pce", None, "Of the same family: ce, bce"),
        ("bce", None, "single", "Of the same family: ce"),
        ("grid", "gce", "scene", "Of the same family: bgce"),
        ("lnc", None, "single", "does not learn from one label per image"),
        ("untrained", "ce", None, "takes no --loss"),
    ],
)
def test_what_does_not_go_together_names_its_kin(method, loss, level, said):
    with pytest.raises(InputError, match=said):
        chosen_loss(METHODS.get(method), loss, level)


def test_the_reason_of_plain_training_is_not_that_of_methods_that_extend_it():
    class Mine(Plain):
        name = "mine"
        losses = ("bce",)

    with pytest.raises(InputError, match=r"it supports bce\."):
        chosen_loss(Mine, "fl", None)
    with pytest.raises(InputError, match="because it is plain training with that very loss"):
        chosen_loss(METHODS.get("bce"), "fl", None)


def test_a_level_chooses_the_loss():
    assert {
        level: usual_loss(METHODS.get("grid"), level) for level in ("scene", "pixel", "single", None)
    } == {
        "scene": "bce",
        "pixel": "pce",
        "single": "ce",
        None: "bce",
    }
    assert usual_loss(METHODS.get("elr"), "single") == "ce"
    assert usual_loss(METHODS.get("untrained"), "single") is None
