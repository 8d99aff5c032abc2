"""Methods for one label per image: golden values of their official code, and identities."""

from dataclasses import replace

import pytest
import torch

from gridbench.errors import InputError
from gridbench.methods._embedding import Centred, NormalisedSoftmax
from gridbench.methods._mixing import Mixing
from gridbench.methods.base import Objective
from gridbench.methods.losses.single_label.ce import CE
from gridbench.methods.losses.softmax import generalised_cross_entropy
from gridbench.methods.npn import negative_entropy
from gridbench.methods.sop import sop_loss
from gridbench.methods.tasks.batch import View
from gridbench.methods.tasks.single_label import SingleLabel
from tests.methods.test_single_label import ONE_HOT, X, Y, Z

U = torch.tensor([[0.1], [0.2], [0.3], [0.4]])


def v_of_the_golden_values():
    v = torch.full((4, 5), 0.2)
    v[1, 1] = 0.6
    return v


def test_golden_values_of_sop():
    x, u, v = (tensor.clone().requires_grad_() for tensor in (X, U, v_of_the_golden_values()))
    loss = sop_loss(x, ONE_HOT, u, v).mean()
    loss.backward()
    assert loss.item() == pytest.approx(1.34298, rel=1e-5)
    expected = [0.0312895, 0.11481, 0.0127213, -0.155709, -0.00311252]
    assert x.grad[1].tolist() == pytest.approx(expected, rel=1e-4)
    after = (u - u.grad)[:, 0].tolist()
    assert after == pytest.approx([0.128257, 0.533797, 0.294762, 1.22805], rel=1e-5)
    assert (v - 10 * v.grad)[1].tolist() == pytest.approx([0.12, 4.44, 0.12, 0.2, 0.12], abs=1e-5)


def test_gradients_of_the_noise_are_those_of_the_published_length_and_batch(lab):
    steps = []
    for epochs in (300, 100):
        method = lab.fixed("sop", "ce", [X], samples=4, epochs=epochs)
        with torch.no_grad():
            method.u.copy_(U)
            method.v.copy_(v_of_the_golden_values())
        output = method.step(lab.labelled(scene_labels=ONE_HOT))
        assert output.loss.item() == pytest.approx(1.34298, rel=1e-5)
        output.loss.backward()
        steps.append(method.u.grad[:, 0] * 128 / 4)
    expected = U[:, 0] - torch.tensor([0.128257, 0.533797, 0.294762, 1.22805])
    torch.testing.assert_close(steps[0], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(steps[1], 3 * expected, rtol=1e-4, atol=1e-5)
    assert output.noisy_score.tolist() == pytest.approx([0.01, 0.04, 0.09, 0.16])


def test_golden_values_of_truncation(lab):
    method = lab.fixed("gce_truncated", "gce", [X], samples=4, epochs=12)
    batch = lab.labelled(scene_labels=ONE_HOT)
    for epoch in range(3):
        assert method.step(batch).loss.item() == pytest.approx(0.117981, rel=1e-5)
        method.on_epoch_start(epoch, lab.training_set(batch))
        assert method.kept.all()
    method.on_epoch_start(3, lab.training_set(batch))
    assert method.kept.tolist() == [True, False, True, False]
    output = method.step(batch)
    output.loss.backward()
    assert output.loss.item() == pytest.approx(-0.0901674, rel=1e-5)
    assert output.selected.tolist() == [False, True, False, True]
    gradient = method.backbone.output.grad
    expected = [-0.0730748, 0.00468758, 0.0210083, 0.0127422, 0.0346368]
    assert gradient[0].tolist() == pytest.approx(expected, rel=1e-4)
    assert gradient[[1, 3]].abs().sum() == 0


def test_mixup_mixes_images_and_losses_with_the_same_share(lab):
    method, batch = lab.method("mixup", "ce"), lab.batch(8)
    seen = {}
    method.predict = lambda images: seen.setdefault("logits", images.flatten(1)[:, : lab.classes])
    output = method.step(batch)
    generator = torch.Generator().manual_seed(1)
    torch.randint(2**62, (), generator=generator)
    partner = torch.randperm(8, generator=generator)
    first, second = (batch.images.flatten(1)[:, : lab.classes][at] for at in (torch.arange(8), partner))
    share = ((seen["logits"] - second) / (first - second))[(first - second).abs() > 0.5]
    torch.testing.assert_close(share, share[:1].expand_as(share), rtol=1e-3, atol=1e-4)
    m = share.median()
    assert 0 < m < 1
    per_label = [
        torch.nn.functional.cross_entropy(seen["logits"], labels.argmax(1), reduction="none")
        for labels in (batch.scene_labels, batch.scene_labels[partner])
    ]
    torch.testing.assert_close(
        output.per_sample_loss, m * per_label[0] + (1 - m) * per_label[1], rtol=1e-3, atol=1e-3
    )


def test_golden_loss_of_mixed_images(lab):
    mixing = Mixing(0.7, torch.tensor([2, 0, 3, 1]))
    losses = mixing.losses(Objective(SingleLabel(5), CE()), X, lab.labelled(scene_labels=ONE_HOT))
    assert losses.mean().item() == pytest.approx(1.30233, rel=1e-5)


def test_mixup_without_alpha_is_plain(lab):
    batch = lab.batch()
    plain, mixed = lab.method("ce", "ce").step(batch), lab.method("mixup", "ce", alpha=0).step(replace(batch))
    assert torch.equal(plain.per_sample_loss, mixed.per_sample_loss)


COUNTED = torch.tensor(
    [
        [2.0, 0.0, 0.0, 0.0, 2.0],
        [0.0, 2.0, 0.0, 2.0, 0.0],
        [0.0, 0.0, 2.0, 0.0, 2.0],
        [2.0, 0.0, 0.0, 2.0, 0.0],
    ]
)


def npn_on_golden_logits(lab, **parameters):
    """NPN of which the first view has the logits X and the second one Z, after two epochs of counting."""
    method = lab.fixed("npn", "ce", [X], samples=4, epochs=3, warm_up=100 * 2 / 3, **parameters)
    weak, strong = X.clone().requires_grad_(), Z.clone().requires_grad_()
    method.predict = lambda images: strong if images.any() else weak
    batch = replace(
        lab.labelled(scene_labels=ONE_HOT), further_views=(View(torch.ones(4, 1, 1, 1), None, None),)
    )
    warm = [method.step(replace(batch, epoch=epoch)).loss.item() for epoch in range(2)]
    return method, batch, warm, weak, strong


def test_golden_values_of_npn_in_its_warm_up(lab):
    method, _, warm, _, _ = npn_on_golden_logits(lab)
    # The published penalty clamps logits at 0, which gives -0.26246.
    assert warm == pytest.approx([-0.147410, -0.147410], rel=1e-4)
    assert negative_entropy(X).item() == pytest.approx(-1.19474, rel=1e-5)
    clamped = torch.nn.functional.cross_entropy(X, Y) + negative_entropy(X.clamp_min(1e-12))
    assert clamped.item() == pytest.approx(-0.26246, rel=1e-4)
    assert torch.equal(method.counts, COUNTED)


@pytest.mark.parametrize(
    ("form", "loss", "of_weak"),
    [
        ("hard", 2.42005, [0.0668199, -0.152763, 0.0257351, 0.0533647, 0.00684353]),
        ("soft", 4.13156, [0.0668199, -0.0277632, 0.0257351, -0.0716353, 0.00684353]),
    ],
)
def test_golden_values_of_npn(lab, form, loss, of_weak):
    method, batch, _, weak, strong = npn_on_golden_logits(lab, disambiguation=form)
    output = method.step(replace(batch, epoch=2))
    output.loss.backward()
    assert output.loss.item() == pytest.approx(loss, rel=1e-5)
    assert weak.grad[1].tolist() == pytest.approx(of_weak, rel=1e-4)
    weight = 1 if form == "hard" else 2
    of_strong = [0.023868, -0.178296, 0.0356069, 0.106969, 0.0118525]
    assert (strong.grad[1] / weight).tolist() == pytest.approx(of_strong, rel=1e-4)
    assert output.noisy_score.tolist() == pytest.approx([0.5, 0.5, 0.5, 1.0])
    assert output.selected.tolist() == [False, True, False, True]
    scores = method.score_samples(lab.training_set(batch))
    assert scores.images.tolist() == pytest.approx([0.5, 0.5, 0.5, 1.0])
    assert scores.noisy_percent == 50


def test_npn_refuses_to_count_every_class(lab):
    with pytest.raises(InputError, match="-p top_k=1"):
        lab.fixed("npn", "ce", [X], samples=4, epochs=3, top_k=X.shape[1])


def test_npn_in_its_warm_up_without_its_penalty_is_plain(lab, monkeypatch):
    monkeypatch.setattr("gridbench.methods.npn.negative_entropy", lambda logits: 0.0)
    lab.assert_same_training(lab.method("ce", "ce"), lab.method("npn", "ce", warm_up=100))


E = torch.nn.functional.normalize(
    torch.tensor([[1, 0.2, 0], [0.1, 1, 0.3], [0, 0.4, 1], [0.6, 0.6, 0.2]]), dim=1
)
PROTOTYPES = torch.tensor([[1, 0, 0], [0, 2, 0], [0, 0, 0.5], [1, 1, 0], [0, 1, -1.0]])


def normalised_softmax():
    head = NormalisedSoftmax(3, 3, 5, 0.05)
    head.prototypes.data.copy_(PROTOTYPES)
    return head


def test_golden_values_of_the_normalised_softmax():
    logits = normalised_softmax().logits(E)
    of_label = torch.softmax(logits, 1)[torch.arange(4), Y].tolist()
    assert of_label == pytest.approx([0.951228, 0.0142461, 0.999984, 0.00331835], rel=1e-4)
    assert torch.nn.functional.cross_entropy(logits, Y).item() == pytest.approx(2.50239, rel=1e-5)
    assert generalised_cross_entropy(logits, Y, 0.7).mean().item() == pytest.approx(0.70179, rel=1e-5)
    assert generalised_cross_entropy(logits, Y, 1e-6).mean().item() == pytest.approx(2.50239, rel=1e-4)


def test_golden_values_of_truncated_rnsl(lab):
    method = lab.fixed("t_rnsl", "gce", [E], samples=4, epochs=13)
    method.head = head = normalised_softmax()
    head.embedding = torch.nn.Identity()
    batch = lab.labelled(scene_labels=ONE_HOT)
    for epoch in range(3):
        method.on_epoch_start(epoch, lab.training_set(batch))
        assert method.kept.all()
    output = method.step(batch)
    output.loss.backward()
    assert output.loss.item() == pytest.approx(0.152607, rel=1e-5)
    gradient = method.backbone.output.grad
    assert gradient[1].tolist() == pytest.approx([-0.177751, 0.0736215, -1.1276e-5], rel=1e-3)
    assert head.prototypes.grad[3].tolist() == pytest.approx([0.141572, -0.141572, -0.0360188], rel=1e-4)
    method.on_epoch_start(3, lab.training_set(batch))
    assert method.kept.tolist() == [True, False, True, False]
    assert method.step(batch).loss.item() == pytest.approx(-0.262303, rel=1e-5)


@pytest.mark.parametrize("name", ["rnsl", "t_rnsl"])
def test_the_embedding_may_be_compared_in_place_of_the_backbone(lab, name):
    images = lab.batch().images
    assert lab.method(name, "gce").descriptor_network(images).shape == (8, 10)
    embedded = lab.method(name, "gce", descriptor="embedding", dim=6)
    described = embedded.describe(images)
    torch.testing.assert_close(described.norm(dim=1), torch.ones(8))
    torch.testing.assert_close(embedded.predict(images), embedded.head.logits(described))


UNIT = torch.nn.functional.normalize
CENTRES = torch.tensor([[0.9, 0.1, 0], [0.1, 0.8, 0.1], [0, 0.2, 0.7]])
MEMORY = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.6, 0.8, 0]])
FIRST = UNIT(torch.tensor([[1, 0.1, 0], [0.9, 0.3, 0.1], [0, 1, 0.2], [0.2, 1, 0]]), dim=1)
SECOND = UNIT(torch.tensor([[1, 0, 0.2], [0, 1, 0.1], [0.1, 1, 0], [0.8, 0.5, 0]]), dim=1)


def prism(lab, embeddings, memory=0, **parameters):
    """PRISM of which the embeddings are given, and the first images of the memory, with the golden centres."""
    method = lab.fixed("prism", "ce", [embeddings], samples=10, epochs=50, dim=3, **parameters)
    method.head = Centred(3, 3, 3)
    method.head.embedding = torch.nn.Identity()
    method.head.centres.copy_(CENTRES)
    method.memory.embeddings[:memory] = MEMORY[:memory]
    method.memory.classes[:memory] = torch.tensor([0, 1, 2, 1])[:memory]
    method.memory.oldest.fill_(memory)
    return method


def test_golden_values_of_prism(lab):
    method = prism(lab, FIRST, memory=4, tau=0.5, window=2)
    batch = lab.labelled(scene_labels=torch.eye(3)[[0, 1, 1, 2]], epoch=1)
    output = method.step(batch)
    probability = (1 - output.noisy_score).tolist()
    assert probability == pytest.approx([0.52739, 0.286417, 0.472103, 0.255214], rel=1e-5)
    assert output.selected.tolist() == [False, True, False, True]
    # Against the memory 0.229136; the two kept images are of two classes and not near.
    assert output.loss.item() == pytest.approx(0.229136, rel=1e-5)
    method.backbone.output.data.copy_(SECOND)
    batch = lab.labelled(scene_labels=torch.eye(3)[[0, 0, 1, 1]], epoch=1)
    output = method.step(batch)
    probability = (1 - output.noisy_score).tolist()
    assert probability == pytest.approx([0.515458, 0.237465, 0.479708, 0.330215], rel=1e-5)
    assert (~output.selected).tolist() == [True, False, True, True]
    assert method.thresholds.tolist() == pytest.approx([0.286417, 0.330215], rel=1e-5)
    assert output.loss.item() == pytest.approx(0.53555 + 0.813189, rel=1e-5)
    scores = method.score_samples(lab.training_set(batch))
    assert scores.images.tolist() == pytest.approx(output.noisy_score.tolist())
    assert scores.noisy_percent == 25


def test_kept_images_enter_the_memory_and_their_classes_get_new_centres(lab):
    method = prism(lab, FIRST, memory=3, tau=0.5, window=2)
    with torch.no_grad():
        method.step(lab.labelled(scene_labels=torch.eye(3)[[0, 1, 1, 2]], epoch=1))
        method.after_step()
    assert method.memory.classes.tolist() == [0, 1, 2, 0, 1, -1, -1, -1, -1, -1]
    torch.testing.assert_close(method.memory.embeddings[3:5], FIRST[[0, 2]])
    expected = torch.stack([(MEMORY[0] + FIRST[0]) / 2, (MEMORY[1] + FIRST[2]) / 2, CENTRES[2]])
    torch.testing.assert_close(method.head.centres, expected)


def test_prism_drops_nothing_in_its_warm_up_and_with_a_share_of_zero(lab):
    labels = torch.eye(3)[[0, 1, 1, 2]]
    for epoch, tau in ((0, 0.5), (1, 0.0)):
        method = prism(lab, FIRST, memory=4, tau=tau)
        output = method.step(lab.labelled(scene_labels=labels, epoch=epoch))
        assert not output.selected.any()
        assert method.thresholds.isnan().all()


def test_prism_draws_all_classes_equally_often(lab):
    batch = lab.labelled(scene_labels=torch.eye(3)[[0, 0, 0, 1]])
    weights = prism(lab, FIRST).sampler(0, lab.training_set(batch))
    assert weights.tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1])
