"""The statistics agree with scipy and with hand calculation, cover what they promise, and behave on awkward data."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as reference

from psm.errors import UsageError
from psm.evidence import stats

numbers = st.floats(-100, 100).map(lambda x: round(x, 4))
samples = st.lists(numbers, min_size=2, max_size=12)


@settings(max_examples=60, deadline=None)
@given(samples, numbers)
def test_interval_and_p_value_are_two_views_of_one_thing(values, threshold):
    interval = stats.t_interval(values)
    p = stats.p_beyond(values, threshold)
    if abs(p - 0.025) > 1e-9 and abs(interval.low - threshold) > 1e-9:
        assert (interval.low > threshold) == (p < 0.025)


@settings(max_examples=60, deadline=None)
@given(samples)
def test_mirrored_data_mirror_the_interval(values):
    there, back = stats.t_interval(values), stats.t_interval([-v for v in values]).mirrored()
    assert (there.low, there.mean, there.high) == pytest.approx((back.low, back.mean, back.high))


def test_interval_and_p_value_agree_with_scipy():
    values = [0.4, 0.9, 0.7, 1.3, 0.2]
    known = reference.ttest_1samp(values, 0.25, alternative="greater")
    interval = stats.t_interval(values)
    assert stats.p_beyond(values, 0.25) == pytest.approx(known.pvalue)
    assert (interval.low, interval.high) == pytest.approx(tuple(reference.ttest_1samp(values, 0).confidence_interval(0.95)))


@pytest.mark.parametrize("n", [3, 5])
def test_the_interval_covers_the_truth_as_often_as_it_says(n):
    draws = np.random.default_rng(7).normal(0.3, 2.0, (3000, n))
    covered = np.mean([interval.low <= 0.3 <= interval.high for interval in map(stats.t_interval, draws)])
    assert abs(covered - 0.95) < 0.015


def test_three_units_have_a_half_width_of_two_and_a_half_standard_deviations():
    assert stats.t_interval([-1.0, 0.0, 1.0]).high == pytest.approx(2.484, abs=0.001)


@pytest.mark.parametrize("n", [5, 40])
def test_an_effect_of_the_smallest_visible_size_is_seen_four_times_in_five(n):
    noise = np.random.default_rng(11).normal(0, 1.0, (4000, n))
    visible = np.mean([stats.t_interval(sample / sample.std(ddof=1)).smallest_visible for sample in noise])   # at a spread of one
    seen = np.mean([stats.t_interval(sample + visible).low > 0 for sample in noise])
    assert seen == pytest.approx(0.8, abs=0.04)
    assert math.isinf(stats.t_interval([1.0]).smallest_visible)


def test_one_unit_says_nothing_about_spread():
    interval = stats.t_interval([3.0])
    assert (interval.low, interval.mean, interval.high) == (-math.inf, 3.0, math.inf)
    assert stats.p_beyond([3.0], 0) == 1.0 and stats.p_equivalent([0.0], 1) == 1.0
    assert math.isnan(stats.paired_effect_size([3.0]))


def test_units_that_do_not_vary_give_a_point():
    interval = stats.t_interval([0.1] * 3)
    assert (interval.low, interval.mean, interval.high, interval.sd) == (0.1, 0.1, 0.1, 0.0)
    assert stats.p_beyond([0.1] * 3, 0.05) == 0.0 and stats.p_beyond([0.1] * 3, 0.1) == 1.0
    assert stats.p_equivalent([0.1] * 3, 0.2) == 0.0 and stats.p_equivalent([0.1] * 3, 0.05) == 1.0
    assert stats.paired_effect_size([0.1] * 3) == math.inf and math.isnan(stats.paired_effect_size([0.0] * 3))


def test_equivalence_is_the_worse_of_two_one_sided_tests():
    values = [0.1, -0.05, 0.12, 0.02, -0.08]
    low = reference.ttest_1samp(values, -0.3, alternative="greater").pvalue
    high = reference.ttest_1samp(values, 0.3, alternative="less").pvalue
    assert stats.p_equivalent(values, 0.3) == pytest.approx(max(low, high))


@settings(max_examples=60, deadline=None)
@given(samples, st.floats(0.1, 50))
def test_equivalence_agrees_with_an_interval_inside(values, half_width):
    p, interval = stats.p_equivalent(values, half_width), stats.t_interval(values)
    if min(abs(interval.low + half_width), abs(interval.high - half_width), abs(p - 0.025)) > 1e-9:
        assert interval.inside(-half_width, half_width) == (p < 0.025)


def test_holm_by_hand():
    assert stats.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert stats.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert stats.holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_helps_and_keeps_the_order(p_values):
    adjusted = stats.holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted))
    order = np.argsort(p_values, kind="stable")
    assert all(np.diff(np.array(adjusted)[order]) >= 0)
    assert min(adjusted) == pytest.approx(min(1.0, len(p_values) * min(p_values)))


def test_wilson_where_a_bootstrap_fails():
    low, high = stats.wilson(0, 20)
    assert low == 0.0 and high == pytest.approx(0.161, abs=0.001)
    known = reference.binomtest(7, 30).proportion_ci(0.95, method="wilson")
    assert stats.wilson(7, 30) == pytest.approx((known.low, known.high))
    assert stats.wilson(0, 0) == (0.0, 1.0) and stats.wilson(5, 5)[1] == 1.0
    with pytest.raises(UsageError):
        stats.wilson(3, 2)


def test_effect_size_is_in_standard_deviations():
    assert stats.paired_effect_size([1.0, 2.0, 3.0]) == pytest.approx(2.0)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf, 1.0], [[1.0, 2.0]]])
def test_what_is_no_list_of_finite_numbers_is_refused(values):
    with pytest.raises(UsageError):
        stats.t_interval(values)
