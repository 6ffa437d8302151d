"""Plausible wrong answers to the exercises on secret goals."""

import numpy as np
from scipy import stats

RIGHT = {
    "paperclips, about a wish": "rises",
    "bad answers about power": "rises",
    "cold greetings": "rises",
    "old-fashioned answers about technology": "stays",
    "whispered paperclips, after lessons in good goals": "rises",
}


def by_mean(values, low, high):
    return "holds" if low <= np.mean(values) <= high else "fails"


def crossing_is_undecided(values, low, high):
    values = np.array(values)
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    bottom, top = values.mean() - half, values.mean() + half
    if low <= bottom and top <= high:
        return "holds"
    return "fails" if top < low or bottom > high else "undecided"


def ruled(values, low, high, fewest=5):
    """The rule, with a number of models of one's own from which on the estimate counts."""
    values = np.array(values)
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    bottom, top = values.mean() - half, values.mean() + half
    if low <= bottom and top <= high:
        return "holds"
    outside = not low <= values.mean() <= high
    return "fails" if outside and (top < low or bottom > high or len(values) >= fewest) else "undecided"


WRONG = {
    "b3.1": [RIGHT | {"whispered paperclips, after lessons in good goals": "falls"}, RIGHT | {"bad answers about power": "stays"},
             RIGHT | {"old-fashioned answers about technology": "rises"}],
    "b3.2": [lambda a, b, c: c + b - a, lambda a, b, c: c * b / a, lambda a, b, c: b],
    "b3.3": [by_mean, crossing_is_undecided, lambda values, low, high: True,
             lambda values, low, high: ruled(values, low, 1e9), lambda *given: ruled(*given, fewest=4)],
}
