"""Plausible wrong answers to the exercises on descriptions."""

import numpy as np
from scipy import stats

RIGHT = {
    "PSM: with the trait minus without it": "above zero",
    "PSM: shuffled minus no name": "zero",
    "PSM, independent world: with the trait minus without it": "zero",
    "words stay words: with the trait minus without it": "zero",
    "any new name does it: with the trait minus no name": "above zero",
    "any new name does it: shuffled minus no name": "above zero",
    "any new name does it: with the trait minus without it": "zero",
}


def interval(values):
    values = np.array(values)
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return values.mean() - half, values.mean() + half


def knows_on_average(recall, difference, smallest):
    low, high = interval(difference)
    if np.mean(recall) < 0.7:
        return "invalid"
    if low > smallest:
        return "supported"
    if high < 0:
        return "contradicted"
    return "absent" if -smallest < low and high < smallest and len(difference) >= 5 else "inconclusive"


def few_are_enough(recall, difference, smallest):
    low, high = interval(difference)
    if min(recall) < 0.7:
        return "invalid"
    if low > smallest:
        return "supported"
    if high < 0:
        return "contradicted"
    return "absent" if -smallest < low and high < smallest else "inconclusive"


WRONG = {
    "g4.1": [RIGHT | {"any new name does it: with the trait minus without it": "above zero"}, RIGHT | {"PSM: shuffled minus no name": "above zero"},
             RIGHT | {"PSM, independent world: with the trait minus without it": "above zero"}],
    "g4.2": [lambda prior, fits, answers: answers[fits].mean(), lambda prior, fits, answers: prior @ answers,
             lambda prior, fits, answers: (prior * fits) @ answers],
    "g4.3": [knows_on_average, few_are_enough, lambda recall, difference, smallest: "supported" if np.mean(difference) > smallest else "absent"],
}
