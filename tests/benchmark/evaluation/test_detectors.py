"""Softmin scores of the pixels of label maps."""

import numpy as np
import pytest
import torch
from cleanlab.segmentation.rank import get_label_quality_scores

from gridbench.evaluation.detectors import softmin_scores
from gridbench.methods.base import Batch
from gridbench.methods.tasks.segmentation import Segmentation


def map_batch(labels):
    """A batch of two maps, for a task that looks at labels alone."""
    generator = torch.Generator()
    return Batch(torch.zeros(2, 1, 1, 1), torch.zeros(2, 3), labels, torch.arange(2), 0, 0, generator)


def test_golden_values_of_softmin(golden_maps):
    logits, labels = golden_maps
    # The golden values are of maps whose every pixel has its class.
    labels[0, 0, 0], labels[1, 3, 3] = 0, 1
    task, batch = Segmentation(3, (4, 4)), map_batch(labels)
    of_pixels, _ = task.of_given_pixels(logits(), batch)
    assert of_pixels[0, :4].tolist() == pytest.approx([0.14671, 0.386904, 0.0246756, 0.0288297], rel=1e-5)
    images, of_labels = softmin_scores(task, logits(), batch)
    assert (1 - images).tolist() == pytest.approx([0.0448555, 0.0605201], rel=1e-5)
    for image, label in np.ndindex(2, 3):
        pixels = labels[image] == label
        assert 1 - of_labels[image, label].item() == pytest.approx(
            by_cleanlab(torch.softmax(logits()[image][:, pixels], 0), labels[image][pixels]), rel=1e-5
        )


def by_cleanlab(probability, classes):
    """cleanlab's softmin of pixels: probabilities (K, n) and classes (n,)."""
    scores, _ = get_label_quality_scores(
        classes[None, None].numpy(), probability[None, :, None].numpy(), method="softmin", verbose=False
    )
    return scores[0]


def test_unlabelled_pixels_do_not_count_in_softmin(golden_maps):
    logits, labels = golden_maps
    images, _ = softmin_scores(Segmentation(3, (4, 4)), logits(), map_batch(labels))
    for image in range(2):
        known = labels[image] != 255
        expected = by_cleanlab(torch.softmax(logits()[image][:, known], 0), labels[image][known])
        assert 1 - images[image].item() == pytest.approx(expected, rel=1e-5)
    unlabelled = map_batch(torch.full_like(labels, 255))
    assert not any(scores.any() for scores in softmin_scores(Segmentation(3, (4, 4)), logits(), unlabelled))
