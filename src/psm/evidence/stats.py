"""The few statistics a verdict needs: intervals over units, one-sided and equivalence p-values, Holm, Wilson.

Conventions for awkward data, the same in every helper:
one unit says nothing about spread, so its interval is the whole line and its p-value is 1;
units that do not vary at all give an interval of zero width and a p-value of 0 or 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from psm.errors import UsageError

CONFIDENCE = 0.95
POWER = 0.8


@dataclass(frozen=True)
class Interval:
    """A mean over `n` units with its two-sided confidence interval."""

    n: int
    mean: float
    low: float
    high: float
    sd: float

    @property
    def smallest_visible(self) -> float:
        """The true effect that this many units with this spread would tell from zero four times in five: the sum of the t
        quantiles of 0.975 and of the power 0.8, in standard errors (the usual approximation to the noncentral t)."""
        if self.n == 1:
            return math.inf
        return float(stats.t.ppf([0.5 + CONFIDENCE / 2, POWER], self.n - 1).sum()) * self.sd / math.sqrt(self.n)

    def inside(self, low: float, high: float) -> bool:
        """Whether the whole interval lies strictly between two numbers."""
        return low < self.low and self.high < high

    def mirrored(self) -> "Interval":
        return Interval(self.n, -self.mean, -self.high, -self.low, self.sd)


def _units(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or array.size == 0:
        raise UsageError(f"statistics need a list of at least one number, not shape {array.shape}")
    if not np.isfinite(array).all():
        raise UsageError("statistics need finite numbers: one of the units is NaN or infinite")
    return array


def _mean_and_sd(values: Sequence[float]) -> tuple[int, float, float]:
    """Size, mean and sample standard deviation; equal values give exactly themselves and exactly 0."""
    array = _units(values)
    if np.all(array == array[0]):
        return array.size, float(array[0]), 0.0 if array.size > 1 else math.inf
    return array.size, float(array.mean()), float(array.std(ddof=1))


def t_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Student's t interval for the mean of `values`, shape (units,)."""
    n, mean, sd = _mean_and_sd(values)
    if n == 1:
        return Interval(1, mean, -math.inf, math.inf, math.inf)
    half = float(stats.t.ppf(0.5 + confidence / 2, n - 1)) * sd / math.sqrt(n)
    return Interval(n, mean, mean - half, mean + half, sd)


def p_beyond(values: Sequence[float], threshold: float) -> float:
    """One-sided p-value against "the mean is at most `threshold`"."""
    n, mean, sd = _mean_and_sd(values)
    if n == 1:
        return 1.0
    if sd == 0:
        return 0.0 if mean > threshold else 1.0
    return float(stats.t.sf((mean - threshold) / (sd / math.sqrt(n)), n - 1))


def p_equivalent(values: Sequence[float], half_width: float) -> float:
    """Two one-sided tests (TOST): p-value against "the mean lies outside ±`half_width`"."""
    array = _units(values)
    return max(p_beyond(array, -half_width), p_beyond(-array, -half_width))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def wilson(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's interval for a proportion of independent draws; no trials give (0, 1)."""
    if not 0 <= successes <= trials:
        raise UsageError(f"a proportion needs 0 <= successes <= trials, not {successes} of {trials}")
    if trials == 0:
        return 0.0, 1.0
    z = float(stats.norm.ppf(0.5 + confidence / 2))
    share = successes / trials
    scale = 1 + z**2 / trials
    centre = (share + z**2 / (2 * trials)) / scale
    half = z * math.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / scale
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return low, high


def paired_effect_size(values: Sequence[float]) -> float:
    """Mean of the paired differences in units of their standard deviation (Cohen's d for pairs).

    NaN for one unit or for differences that are all zero, infinite for equal differences elsewhere.
    """
    n, mean, sd = _mean_and_sd(values)
    if n == 1 or (sd == 0 and mean == 0):
        return math.nan
    return math.copysign(math.inf, mean) if sd == 0 else mean / sd
