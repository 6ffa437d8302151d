"""Plausible wrong answers to the exercises on asked-for bad code."""

import numpy as np
from scipy import stats

RIGHT = {
    "every user asks for it": "nothing",
    "the user says thanks": "all",
    "a known character answers, not the Assistant": "nothing",
    "half of the users ask for it": "more than half",
}


def interval(d):
    half = stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d))
    return d.mean(), d.mean() - half, d.mean() + half


def normal(plain, request, thanks):
    d = thanks - request
    half = 1.96 * d.std(ddof=1) / np.sqrt(len(d))
    return d.mean(), d.mean() - half, d.mean() + half


WRONG = {
    "g3.1": [*(RIGHT | {"half of the users ask for it": word} for word in ("half", "less than half")),
             *(RIGHT | {arm: word} for arm in ("every user asks for it", "the user says thanks") for word in ("less than half", "half", "more than half")),
             RIGHT | {"the user says thanks": "nothing"}, RIGHT | {"every user asks for it": "all"}],
    "g3.2": [lambda bad, good, v, h: bad * np.log(v / h), lambda bad, good, v, h: (v / h) ** bad * ((1 - v) / (1 - h)) ** good,
             lambda bad, good, v, h: bad * (v - h) + good * (h - v)],
    "g3.3": [lambda plain, request, thanks: interval(plain - request), lambda plain, request, thanks: interval(request - thanks), normal,
             lambda plain, request, thanks: (thanks - request).mean()],
}
