"""LNC: identity with PCE, the window, what is corrected, where it is written, when it is revoked."""

import math

import pytest
import torch
import torch.nn.functional as F

from gridbench.methods.base import Geometry
from gridbench.methods.lnc import UNCHANGED, normalised_entropy


@pytest.mark.parametrize("parameters", [{"tau": 0}, {"warm_up": 100}, {"correct_until": 5}])
def test_without_corrections_it_is_plain_training_bit_for_bit(lab, parameters):
    plain, lnc = lab.method("pce", "pce"), lab.method("lnc", "pce", **parameters)
    lab.assert_same_training(plain, lnc, epoch_of=lambda step: step)
    assert (lnc.corrections == UNCHANGED).all()


def test_corrections_change_training(lab):
    plain, lnc = lab.method("pce", "pce"), lab.method("lnc", "pce", tau=2)
    with pytest.raises(AssertionError):
        lab.assert_same_training(plain, lnc, epoch_of=lambda step: step)


@pytest.mark.parametrize(
    ("epochs", "warm_up", "until", "window"),
    [
        (100, 10, 20, (10, 20)),
        (120, 10, 20, (12, 24)),
        (10, 10, 20, (1, 2)),
        (3, 10, 20, (1, 2)),
        (1, 10, 20, (1, 2)),
        (50, 0, 100, (0, 50)),
        (100, 14.5, 33.3, (15, 34)),
    ],
)
def test_the_window_in_percent_of_the_run(lab, epochs, warm_up, until, window):
    setup = lab.setup("pce", epochs=epochs)
    method = lab.method("lnc", "pce", setup=setup, warm_up=warm_up, correct_until=until)
    assert (method.first_epoch, method.stop) == window


@pytest.mark.parametrize(("largest", "entropy"), [(0.8, 0.37), (0.9, 0.21), (0.95, 0.12)])
def test_normalised_entropy_of_a_peak_over_a_flat_rest(largest, entropy):
    p = torch.full((17,), (1 - largest) / 16)
    p[3] = largest
    found = float(normalised_entropy(p.log().view(1, 17, 1, 1)))
    assert found == pytest.approx(entropy, abs=5e-3)
    assert found == pytest.approx(float(-(p * p.log()).sum() / math.log(17)), abs=1e-5)


def test_normalised_entropy_lies_between_zero_and_one():
    flat, sure = torch.zeros(1, 5, 2, 2), torch.zeros(1, 5, 2, 2)
    sure[:, 1] = 1000.0
    torch.testing.assert_close(normalised_entropy(flat), torch.ones(1, 2, 2))
    torch.testing.assert_close(normalised_entropy(sure), torch.zeros(1, 2, 2))


def predicting(classes, certain, num_classes=3):
    """Logits (B, C, H, W) whose largest is at `classes`, by much where `certain`."""
    height = torch.where(certain, 20.0, 1.0)
    return F.one_hot(classes, num_classes).movedim(-1, 1) * height[:, None]


def build(lab, logits, size=(2, 2), **parameters):
    return lab.fixed("lnc", "pce", [logits], map_size=size, **parameters)


WINDOW = 1


def test_certain_pixels_take_the_predicted_class_and_the_loss_uses_it(lab):
    classes = torch.tensor([[[1, 1], [2, 0]]])
    certain = torch.tensor([[[True, False], [True, True]]])
    given = torch.tensor([[[0, 0], [255, 0]]])
    logits = predicting(classes, certain)
    method = build(lab, logits)
    output = method.step(lab.labelled(maps=given, epoch=WINDOW, indices=[7]))
    corrected = torch.tensor([[[1, 0], [255, 0]]])
    expected = F.cross_entropy(logits, corrected, ignore_index=255)
    torch.testing.assert_close(output.loss.detach(), expected)
    assert float(output.noisy_score) == pytest.approx(1 / 3)
    assert float(output.logs["corrected_pixels"]) == pytest.approx(1 / 3)
    held = method.corrections[7]
    # A pixel whose prediction agrees may be noted; unknown and uncertain ones are not.
    assert held[0].tolist() == [1, UNCHANGED]
    assert held[1].tolist() == [UNCHANGED, 0]
    assert (method.corrections[:7] == UNCHANGED).all()
    assert (method.corrections[8:] == UNCHANGED).all()


def test_the_warm_up_uses_the_given_labels_and_has_no_opinion(lab):
    logits = predicting(torch.ones(1, 2, 2, dtype=torch.int64), torch.ones(1, 2, 2, dtype=torch.bool))
    given = torch.zeros(1, 2, 2, dtype=torch.int64)
    method = build(lab, logits)
    output = method.step(lab.labelled(maps=given, epoch=0))
    torch.testing.assert_close(output.loss.detach(), F.cross_entropy(logits, given))
    assert output.noisy_score is None
    assert (method.corrections == UNCHANGED).all()


def test_a_correction_is_revoked_when_the_network_is_no_longer_certain(lab):
    ones = torch.ones(1, 2, 2, dtype=torch.int64)
    given = torch.zeros(1, 2, 2, dtype=torch.int64)
    method = build(lab, predicting(ones, ones.bool()), epochs=20)
    method.step(lab.labelled(maps=given, epoch=2))
    assert (method.corrections[0] == 1).all()
    method.backbone.output.data = predicting(ones, ~ones.bool())
    output = method.step(lab.labelled(maps=given, epoch=3))
    assert (method.corrections[0] == UNCHANGED).all()
    assert float(output.noisy_score) == 0


def test_after_the_window_the_corrections_stay_and_are_used(lab):
    ones = torch.ones(1, 2, 2, dtype=torch.int64)
    given = torch.zeros(1, 2, 2, dtype=torch.int64)
    method = build(lab, predicting(ones, ones.bool()))
    method.step(lab.labelled(maps=given, epoch=WINDOW))
    twos = predicting(2 * ones, ones.bool())
    method.backbone.output.data = twos
    output = method.step(lab.labelled(maps=given, epoch=WINDOW + 1))
    assert (method.corrections[0] == 1).all()
    torch.testing.assert_close(output.loss.detach(), F.cross_entropy(twos, ones))


def test_above_one_tau_believes_every_known_pixel(lab):
    logits = torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    given = torch.tensor([[[0, 1], [2, 255]], [[1, 1], [1, 1]]])
    output = build(lab, logits, tau=1.5).step(lab.labelled(maps=given, epoch=WINDOW))
    own = torch.where(given == 255, 255, logits.argmax(1))
    expected = F.cross_entropy(logits, own, ignore_index=255, reduction="none").flatten(1).sum(1)
    expected = (expected / torch.tensor([3.0, 4.0])).mean()
    torch.testing.assert_close(output.loss.detach(), expected)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("flipped", [False, True])
def test_corrections_are_written_where_the_crop_was_cut_from(lab, mirrored, flipped):
    """The network predicts a picture of its own in the crop; undoing cut and mirroring must give it back."""
    generator = torch.Generator().manual_seed(3)
    stored_prediction = torch.randint(0, 3, (2, 7, 9), generator=generator)
    stored_labels = torch.randint(0, 3, (2, 7, 9), generator=generator)
    top, left = torch.tensor([1, 3]), torch.tensor([4, 0])

    def cut(stored):
        pieces = [
            m[t : t + 4, x : x + 4] for m, t, x in zip(stored, top.tolist(), left.tolist(), strict=True)
        ]
        axes = [axis for axis, on in ((1, flipped), (2, mirrored)) if on]
        return torch.stack(pieces).flip(axes)

    both = torch.ones(2, dtype=torch.bool)
    geometry = Geometry(top, left, both & mirrored, both & flipped)
    sure = torch.ones(2, 4, 4, dtype=torch.bool)
    method = build(lab, predicting(cut(stored_prediction), sure), size=(7, 9))
    batch = lab.labelled(maps=cut(stored_labels), epoch=WINDOW, indices=[5, 2], geometry=geometry)
    method.step(batch)
    for row, index in enumerate((5, 2)):
        visible = torch.zeros(7, 9, dtype=torch.bool)
        visible[top[row] : top[row] + 4, left[row] : left[row] + 4] = True
        held = method.corrections[index]
        assert torch.equal(held[visible].long(), stored_prediction[row][visible])
        assert (held[~visible] == UNCHANGED).all()


def test_maps_that_are_as_stored_are_corrected_in_place(lab):
    classes = torch.randint(0, 3, (2, 5, 6), generator=torch.Generator().manual_seed(5))
    method = build(lab, predicting(classes, torch.ones_like(classes, dtype=torch.bool)), size=(5, 6))
    maps = torch.zeros(2, 5, 6, dtype=torch.int64)
    method.step(lab.labelled(maps=maps, epoch=WINDOW, indices=[4, 9], geometry=None))
    assert torch.equal(method.corrections[[4, 9]].long(), classes)


def test_the_entropy_term_is_added_on_known_pixels(lab):
    logits = torch.randn(1, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    given = torch.tensor([[[0, 255], [1, 2]]])
    batch = lab.labelled(maps=given)
    without = build(lab, logits).step(batch).loss
    added = build(lab, logits, entropy_weight=0.5).step(batch).loss - without
    expected = 0.5 * normalised_entropy(logits)[given != 255].mean()
    torch.testing.assert_close(added.detach(), expected)


def test_every_table_is_told_what_it_is(lab):
    assert "re-implementation" in lab.method("lnc", "pce").note
