"""The area under the margin: by hand, between the second epoch and the middle, and across a checkpoint."""

import pytest
import torch

from gridbench.methods.base import Batch, StepOutput
from gridbench.methods.tasks.classification import Classification
from gridbench.methods.tasks.single_label import SingleLabel
from gridbench.training.margins import MarginSums

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.2, 1.5, -0.7]])
LABELS = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
CPU = torch.device("cpu")


def step(epoch, scale=1.0):
    batch = Batch(torch.zeros(2, 1), LABELS, None, torch.tensor([2, 0]), epoch, 0, torch.Generator())
    prediction = scale * LOGITS
    return batch, StepOutput(prediction.sum(), torch.zeros(2), prediction=prediction)


@pytest.mark.parametrize(
    ("task", "expected"),
    [(SingleLabel(3), [[1.3], [-1.5]]), (Classification(3), [[-0.2, 1.5, 0.7], [-2.0, 1.0, 0.5]])],
    ids=["single", "several"],
)
def test_margins_by_hand(task, expected):
    sums = MarginSums(task, 3, 10, CPU)
    for epoch, scale in ((0, 100.0), (1, 0.5), (4, 1.5), (5, 100.0)):
        sums.add(*step(epoch, scale))
    means = sums.means()
    # The first epoch and the second half do not count; the image in between was never seen.
    torch.testing.assert_close(means[[0, 2]], torch.tensor(expected))
    assert means[1].abs().sum() == 0


def test_margins_of_the_whole_training_are_those_of_all_epochs():
    sums = MarginSums(SingleLabel(3), 3, 10, CPU, whole=True)
    for epoch, scale in ((0, 0.5), (9, 1.5)):
        sums.add(*step(epoch, scale))
    torch.testing.assert_close(sums.means()[[0, 2]], torch.tensor([[1.3], [-1.5]]))


def test_a_checkpoint_goes_on_with_the_sums():
    whole, first, second = (MarginSums(SingleLabel(3), 3, 10, CPU) for _ in range(3))
    assert first.means() is None
    for sums in (whole, first):
        sums.add(*step(1))
    second.restore({name: value.clone() for name, value in first.tensors().items()})
    for sums in (whole, second):
        sums.add(*step(2, 3.0))
    assert torch.equal(whole.means(), second.means())
