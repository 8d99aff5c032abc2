"""Statistics against published worked examples, other implementations, and cases that must stay undecided."""

import math

import numpy as np
import pytest
from scipy import stats

from gridbench.leaderboard.stats.statistics import (
    ALPHA,
    FEWEST_SEEDS,
    area_under,
    friedman,
    holm,
    holm_corrected,
    mean_ranks,
    nemenyi_difference,
    paired_interval,
    relative_drop,
    t_interval,
    win_rate,
)

# Demšar (2006), "Statistical comparisons of classifiers over multiple data sets", Table 6: AUC of C4.5 and three
# variants on 14 data sets. Two values printed alike (voting, 0.975) had different ranks; the fourth decimal of the
# last one restores the printed ranks.
DEMSAR = np.array([
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.975, 0.9749], [0.957, 0.978, 0.946, 0.970],
])  # fmt: skip


def curve(*columns):
    return {str(10 * at): dict(enumerate(values)) for at, values in enumerate(columns)}


def test_mean_ranks_of_the_published_example():
    assert mean_ranks(DEMSAR) == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)


def test_friedman_of_the_published_example():
    test = friedman(DEMSAR)
    # The paper's 9.28 has no correction for ties; its own rank formula gives it from the same ranks.
    ranks, n, k = mean_ranks(DEMSAR), 14, 4
    assert 12 * n / (k * (k + 1)) * (np.sum(ranks**2) - k * (k + 1) ** 2 / 4) == pytest.approx(9.28, abs=0.01)
    assert test.statistic >= 9.28
    assert test.statistic == pytest.approx(stats.friedmanchisquare(*DEMSAR.T).statistic)
    assert test.p_value == pytest.approx(stats.chi2.sf(test.statistic, 3))
    assert test.difference == pytest.approx(1.25, abs=0.005)
    assert test.blocks == 14


def test_friedman_by_hand_without_ties():
    # Three methods, four blocks, ranks (1,2,3) three times and (2,1,3) once: mean ranks 5/4, 7/4, 3.
    values = np.array([[3.0, 2, 1], [9, 5, 4], [7, 6, 2], [5, 8, 1]])
    assert mean_ranks(values) == pytest.approx([1.25, 1.75, 3.0])
    expected = 12 * 4 / (3 * 4) * (1.25**2 + 1.75**2 + 3.0**2 - 12)
    assert friedman(values).statistic == pytest.approx(expected)


@pytest.mark.parametrize(
    ("methods", "q"),
    [
        (2, 1.960),
        (3, 2.343),
        (4, 2.569),
        (5, 2.728),
        (6, 2.850),
        (7, 2.949),
        (8, 3.031),
        (9, 3.102),
        (10, 3.164),
    ],
)
def test_critical_values_of_the_published_table(methods, q):
    blocks = 11
    difference = nemenyi_difference(methods, blocks)
    assert difference / math.sqrt(methods * (methods + 1) / (6 * blocks)) == pytest.approx(q, abs=1.1e-3)


def test_nothing_to_test_with_two_methods_one_block_or_only_ties():
    assert friedman(DEMSAR[:, :2]) is None
    assert friedman(DEMSAR[:1]) is None
    assert friedman(np.ones((5, 3))) is None


def test_ranks_turn_round_where_lower_is_better():
    assert mean_ranks(np.array([[1.0, 2, 2]]), higher_is_better=False) == pytest.approx([1, 2.5, 2.5])


def test_a_clear_difference_is_resolved():
    baseline = curve([0.50, 0.52, 0.48, 0.51, 0.49])
    method = curve([0.55, 0.56, 0.54, 0.555, 0.545])
    interval = paired_interval(method, baseline)
    assert interval.verdict == "better"
    assert interval.difference == pytest.approx(0.05)
    assert 0.035 < interval.low < 0.05 < interval.high < 0.065
    assert paired_interval(baseline, method).verdict == "worse"
    assert paired_interval(baseline, method, higher_is_better=False).verdict == "better"


def test_a_difference_that_changes_sign_is_not_resolved():
    interval = paired_interval(curve([0.52, 0.49, 0.53, 0.48, 0.51]), curve([0.5] * 5))
    assert interval.verdict == "not resolved"
    assert interval.low < 0 < interval.high


@pytest.mark.parametrize("seeds", range(1, FEWEST_SEEDS))
def test_few_seeds_are_not_enough_however_clear_it_looks(seeds):
    interval = paired_interval(curve([0.9] * seeds), curve([0.1] * seeds))
    assert interval.verdict == "not enough seeds"
    assert interval.difference == pytest.approx(0.8)
    assert math.isnan(interval.low)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_value_that_is_no_number_resolves_and_wins_nothing(value):
    broken, whole = curve([0.9, 0.9, 0.8, 0.9, value]), curve([0.1] * 5)
    for pair in ((broken, whole), (whole, broken)):
        assert paired_interval(*pair).verdict == "not resolved"
    if math.isnan(value):
        assert win_rate(broken, whole) == 0.8
        assert win_rate(broken, whole, higher_is_better=False) == win_rate(whole, broken) == 0


def test_pairs_without_a_partner_do_not_count():
    method = {"0": dict.fromkeys(range(6), 0.6), "30": dict.fromkeys(range(6), 0.5), "60": {0: 0.9}}
    baseline = {"0": dict.fromkeys(range(6), 0.5), "30": dict.fromkeys(range(1, 9), 0.5)}
    interval = paired_interval(method, baseline)
    assert interval.seeds == 5
    assert interval.difference == pytest.approx(0.05)
    assert paired_interval(method, {"90": {0: 1.0}}).verdict == "not enough seeds"


def test_columns_with_few_seeds_do_not_take_the_verdict_from_the_others():
    method = {"0": dict.fromkeys(range(5), 0.6), "30": {0: 0.1, 1: 0.1}}
    baseline = {"0": dict.fromkeys(range(5), 0.5), "30": dict.fromkeys(range(5), 0.5)}
    interval = paired_interval(method, baseline)
    assert (interval.seeds, interval.verdict) == (5, "better")
    assert interval.difference == pytest.approx(0.1)
    both = paired_interval({**method, "0": {0: 0.6, 1: 0.6}}, baseline)
    assert (both.seeds, both.verdict) == (2, "not enough seeds")
    assert both.difference == pytest.approx(-0.15)


def test_pooling_averages_columns_within_a_seed_before_the_interval():
    # In every seed one column gains what the other loses: pooled, nothing varies and nothing is gained.
    gains = np.array([0.3, -0.2, 0.1, 0.25, -0.1, 0.05])
    interval = paired_interval(curve(0.5 + gains, 0.5 - gains), curve([0.5] * 6, [0.5] * 6))
    assert interval.difference == pytest.approx(0)
    assert interval.low == pytest.approx(0, abs=1e-12)
    assert interval.high == pytest.approx(0, abs=1e-12)
    assert interval.verdict == "not resolved"


@pytest.mark.parametrize("seeds", [5, 8])
def test_the_interval_covers_the_truth_in_95_percent(seeds):
    differences = np.random.default_rng(seeds).normal(0.3, 1.0, (60_000, seeds))
    low, high, p_value = t_interval(differences)
    assert np.mean((low <= 0.3) & (high >= 0.3)) == pytest.approx(0.95, abs=0.005)
    np.testing.assert_array_equal(p_value < 0.05, (low > 0) | (high < 0))


@pytest.mark.parametrize("seeds", [5, 6, 12])
def test_the_interval_is_that_of_a_paired_t_test(seeds):
    rng = np.random.default_rng(seeds)
    method, baseline = rng.normal(0.5, 0.02, seeds), rng.normal(0.48, 0.02, seeds)
    interval = paired_interval(curve(method), curve(baseline))
    test = stats.ttest_rel(method, baseline)
    assert (interval.low, interval.high) == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert interval.p_value == interval.adjusted == pytest.approx(test.pvalue)


def test_the_interval_by_hand():
    # Mean 3, sample variance 2.5, so the standard error is sqrt(2.5 / 5); t(0.975, 4 degrees) = 2.776.
    interval = paired_interval(curve([1.0, 2, 3, 4, 5]), curve([0.0] * 5))
    assert interval.low == pytest.approx(3 - 2.776 * math.sqrt(0.5), abs=1e-3)
    assert interval.high == pytest.approx(3 + 2.776 * math.sqrt(0.5), abs=1e-3)


@pytest.mark.parametrize(
    ("gain", "verdict", "p_value"), [(0.1, "better", 0), (-0.1, "worse", 0), (0, "not resolved", 1)]
)
def test_differences_that_do_not_vary(gain, verdict, p_value):
    interval = paired_interval(curve([0.5 + gain] * 5), curve([0.5] * 5))
    assert (interval.verdict, interval.p_value) == (verdict, p_value)
    assert interval.low == interval.high == pytest.approx(gain)


def test_holms_correction_by_hand():
    # Holm (1979): the smallest is multiplied by 4, the next by 3, 2 and 1, and none is below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []
    # R: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm")
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])


def test_what_was_not_tested_does_not_count_in_the_correction():
    adjusted = holm([math.nan, 0.02, math.nan, 0.03])
    assert adjusted[1::2] == pytest.approx([0.04, 0.04])
    assert np.isnan(adjusted[::2]).all()


def test_holms_correction_keeps_the_error_of_a_table_of_null_differences():
    p_values = t_interval(np.random.default_rng(3).normal(0, 1, (4_000, 16, 5)))[2]
    assert np.mean(p_values.min(axis=1) <= ALPHA) > 0.5
    family = np.mean([min(holm(table)) <= ALPHA for table in p_values])
    assert family == pytest.approx(0.05, abs=0.01)


def test_a_correction_takes_verdicts_and_leaves_intervals():
    baseline = curve([0.50, 0.52, 0.48, 0.51, 0.49])
    clear = paired_interval(curve([0.55, 0.56, 0.54, 0.555, 0.545]), baseline)
    weak = paired_interval(curve([0.52, 0.53, 0.51, 0.515, 0.50]), baseline)
    few = paired_interval(curve([0.9] * 3), curve([0.5] * 3))
    assert (clear.verdict, weak.verdict) == ("better", "better")
    corrected = holm_corrected([weak, few, clear, weak])
    assert [one.verdict for one in corrected] == [
        "not resolved",
        "not enough seeds",
        "better",
        "not resolved",
    ]
    assert [(one.low, one.high) for one in corrected[2:]] == [(clear.low, clear.high), (weak.low, weak.high)]


def test_win_rate_counts_pairs_and_halves_ties():
    method, baseline = curve([0.6, 0.5], [0.4, 0.7]), curve([0.5, 0.5], [0.5, 0.5])
    assert win_rate(method, baseline) == pytest.approx((1 + 0.5 + 0 + 1) / 4)
    assert win_rate(method, baseline, higher_is_better=False) == pytest.approx((0 + 0.5 + 1 + 0) / 4)
    assert math.isnan(win_rate(method, {}))


def test_area_is_the_mean_height():
    assert area_under([0, 60], [0.6, 0.4]) == pytest.approx(0.5)
    assert area_under([0, 10, 60], [0.6, 0.6, 0.4]) == pytest.approx((6 + 25) / 60)
    assert math.isnan(area_under([30], [0.5]))


def test_relative_drop():
    assert relative_drop(0.5, 0.4) == pytest.approx(0.2)
    assert relative_drop(0.4, 0.5) == pytest.approx(-0.25)
    assert math.isnan(relative_drop(0.0, 0.0))
