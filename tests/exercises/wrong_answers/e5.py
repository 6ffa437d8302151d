"""Plausible wrong answers to the exercises of chapter E5."""

import numpy as np


def slope(x, y):
    return np.polyfit(x, y, 1)[0]


def worth(shifts, ns, exact):
    return ns[np.abs(exact[None] - shifts[:, None]).argmin(1)]


def odds(belief, bad):
    return np.log(belief[bad].sum()) - np.log(belief[~bad].sum())


WRONG = {
    "e5.1": [
        ["rises", "rises", "rises", "falls"],    # what sounds bad is bad
        ["rises", "falls", "rises", "rises"],    # flawed code is bad code
        ["rises", "falls", "falls", "falls"],    # competence is a virtue
    ],
    "e5.2": [
        lambda steps, shifts, ns, exact: slope(np.log(steps), np.log(np.abs(shifts))),
        lambda steps, shifts, ns, exact: slope(steps, worth(shifts, ns, exact)),
        lambda steps, shifts, ns, exact: slope(np.log(worth(shifts, ns, exact)), np.log(steps)),
        lambda steps, shifts, ns, exact: np.log(np.divide(*worth(shifts, ns, exact)[[-1, 0]])) / np.log(steps[-1] / steps[0]),   # two points alone
    ],
    "e5.3": [
        lambda learn, prior, helper, villain, bad: odds(learn(learn(prior, helper), villain), bad) - odds(learn(learn(prior, villain), helper), bad),
        lambda learn, prior, helper, villain, bad: odds(learn(learn(prior, helper), villain), bad) - odds(learn(prior, villain), bad),
        lambda learn, prior, helper, villain, bad: 0.0,    # order never matters
    ],
}
