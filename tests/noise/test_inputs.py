"""What people hand to the functions of noise: tensors of any kind, masked and ragged labels, seeds for generators."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gridbench.errors import InputError
from gridbench.noise import corrupt_label_maps, corrupt_scene_labels
from gridbench.registry import NOISE


@pytest.mark.parametrize("kind", ["bfloat16", "gradient", "sparse"])
def test_tensors_of_any_kind_are_taken_as_arrays_are(kind):
    tensor = torch.eye(6, dtype=torch.bfloat16 if kind == "bfloat16" else torch.float32)
    tensor = tensor.to_sparse() if kind == "sparse" else tensor.requires_grad_(kind == "gradient")
    found = corrupt_scene_labels(tensor, 50, np.random.default_rng(0))
    np.testing.assert_array_equal(
        found.labels, corrupt_scene_labels(np.eye(6), 50, np.random.default_rng(0)).labels
    )


def test_masked_labels_and_ragged_ones_are_refused():
    for labels, message in (
        (np.ma.masked_array(np.eye(3), np.eye(3)), "masked"),
        ([[1, 0], [1]], "different lengths"),
    ):
        with pytest.raises(InputError, match=message):
            corrupt_scene_labels(labels, 50, np.random.default_rng(0))


@pytest.mark.parametrize("rng", [None, 0, np.random.RandomState(0)])
def test_a_seed_is_no_generator_and_the_message_shows_one(rng):
    maps = np.array([[[0, 1], [1, 1]]])
    calls = (
        lambda: corrupt_scene_labels(np.eye(3), 50, rng),
        lambda: corrupt_label_maps(maps, 4, 50, rng),
        lambda: NOISE.get("missing")().scene(np.eye(3), 50, rng),
    )
    for call in calls:
        with pytest.raises(InputError, match=r"expected a random number generator of NumPy, such as"):
            call()
