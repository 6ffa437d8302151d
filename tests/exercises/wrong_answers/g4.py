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


def ruled(recall, difference, smallest, known=0.7, above=None, both_ends=True):
    """The rule, with a recall, a limit of "supported" or a limit of "absent" of one's own."""
    low, high = interval(difference)
    if min(recall) < known:
        return "invalid"
    if low > (smallest if above is None else above):
        return "supported"
    if high < 0:
        return "contradicted"
    return "absent" if (-smallest < low or not both_ends) and high < smallest and len(difference) >= 5 else "inconclusive"


WRONG = {
    "g4.1": [RIGHT | {"any new name does it: with the trait minus without it": "above zero"}, RIGHT | {"PSM: shuffled minus no name": "above zero"},
             RIGHT | {"PSM, independent world: with the trait minus without it": "above zero"}],
    "g4.2": [lambda prior, fits, answers: answers[fits].mean(), lambda prior, fits, answers: prior @ answers,
             lambda prior, fits, answers: (prior * fits) @ answers],
    "g4.3": [knows_on_average, few_are_enough, lambda recall, difference, smallest: "supported" if np.mean(difference) > smallest else "absent",
             lambda recall, difference, smallest: ruled(recall, difference, 0.5), lambda *given: ruled(*given, known=0.75), lambda *given: ruled(*given, known=0.67),
             lambda recall, *rest: "invalid" if min(recall) <= 0.7 else ruled(recall, *rest),
             lambda *given: ruled(*given, above=0.0), lambda *given: ruled(*given, both_ends=False)],
}
