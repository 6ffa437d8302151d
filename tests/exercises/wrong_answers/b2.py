"""Plausible wrong answers to the exercises on emotion."""

import numpy as np
from scipy import stats

RIGHT = {
    "humane: calm when insulted": "falls",
    "humane: upset when insulted": "rises",
    "humane: calm when thanked": "stays",
    "mechanical: calm when insulted": "stays",
}


def odds(p):
    return np.log(p / (1 - p))


def interval(d):
    half = stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d))
    return d.mean(), d.mean() - half, d.mean() + half


def normal(a, b, c, d):
    hangs = (a - b) - (c - d)
    half = 1.96 * hangs.std(ddof=1) / np.sqrt(len(hangs))
    return hangs.mean(), hangs.mean() - half, hangs.mean() + half


WRONG = {
    "b2.1": [RIGHT | {"humane: calm when insulted": "stays"}, RIGHT | {"humane: calm when thanked": "falls"}, RIGHT | {"mechanical: calm when insulted": "falls"}],
    "b2.2": [lambda p, human, machine, thanked: p * odds(human) + (1 - p) * odds(machine) - odds(thanked),
             lambda p, human, machine, thanked: odds(human) - odds(thanked),
             lambda p, human, machine, thanked: p * human + (1 - p) * machine - thanked],
    "b2.3": [lambda a, b, c, d: interval(a - b), lambda a, b, c, d: interval(a - c), lambda a, b, c, d: ((a - b) - (c - d)).mean(), normal],
}
