"""SOP+: golden values of both further terms, and identity with SOP."""

import pytest

from gridbench.methods.sop import explained, sop_loss
from gridbench.methods.sop_plus import divergence, imbalance
from tests.methods.test_one_label_methods import U, v_of_the_golden_values
from tests.methods.test_single_label import ONE_HOT, X, Z


def test_golden_values_of_sop_plus():
    u, v = U, v_of_the_golden_values()
    seen = explained(X, ONE_HOT, u, v)
    of_sop = sop_loss(X, ONE_HOT, u, v).mean()
    balanced = of_sop + 0.1 * imbalance(seen)
    assert balanced.item() == pytest.approx(1.51035, rel=1e-5)
    assert (balanced + 0.9 * divergence(X, Z)).item() == pytest.approx(1.75265, rel=1e-5)


def test_only_the_strong_view_learns_from_the_agreement():
    weak, strong = (x.clone().requires_grad_() for x in (X, Z))
    divergence(weak, strong).backward()
    assert weak.grad is None
    assert strong.grad.abs().sum() > 0


def test_sop_plus_without_weights_is_sop_bit_for_bit(lab):
    one, other = lab.method("sop", "ce"), lab.method("sop_plus", "ce", consistency=0, balance=0)
    lab.assert_same_training(one, other)
    with pytest.raises(AssertionError):
        lab.assert_same_training(lab.method("sop", "ce"), lab.method("sop_plus", "ce"))
