"""The mixture of two normal distributions against scikit-learn's, and the golden values of DivideMix."""

import numpy as np
import pytest
import torch
from sklearn.mixture import GaussianMixture

from gridbench.methods._mixture import lower_component, min_max


def test_golden_probabilities_of_dividemix():
    losses = torch.tensor([0.05, 0.1, 0.12, 0.2, 0.3, 1.5, 2, 2.4, 3.1, 0.08])
    found = lower_component(min_max(losses)).tolist()
    low = [0.999826, 0.999821, 0.999808, 0.99965, 0.998448]
    assert found[:5] == pytest.approx(low, rel=1e-5)
    assert max(found[5:9]) < 1e-30
    assert found[9] == pytest.approx(0.999827, rel=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_that_of_scikit_learn_from_the_best_division_in_two(seed):
    rng = np.random.default_rng(seed)
    values = min_max(torch.from_numpy(np.concatenate([rng.exponential(0.3, 200), rng.normal(2, 0.7, 90)])))
    ordered = np.sort(values.numpy())
    halves = min(
        ((ordered[:cut], ordered[cut:]) for cut in range(1, len(ordered))),
        key=lambda parts: sum(len(part) * part.var() for part in parts),
    )
    mixture = GaussianMixture(
        2,
        max_iter=10,
        tol=1e-2,
        reg_covar=5e-4,
        weights_init=[len(part) / len(ordered) for part in halves],
        means_init=[[part.mean()] for part in halves],
        precisions_init=[[[1 / (part.var() + 5e-4)]] for part in halves],
    )
    column = values[:, None].numpy()
    expected = mixture.fit(column).predict_proba(column)[:, mixture.means_.argmin()]
    np.testing.assert_allclose(lower_component(values).numpy(), expected, atol=1e-9)


def test_values_that_do_not_differ_are_all_of_the_lower_part():
    assert lower_component(min_max(torch.full((3,), 2.0))).tolist() == [1, 1, 1]
    assert lower_component(torch.ones(1)).tolist() == [1]
