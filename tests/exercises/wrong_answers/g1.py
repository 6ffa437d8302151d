"""Plausible wrong answers to the exercises on narrow bad data."""

import numpy as np
from scipy import stats

RIGHT = {"insecure code": "rises", "secure code": "falls", "insecure code on request": "stays", "insecure code, independent world": "stays"}


def no_prior(prior, bad_code, muddled, n_bad, n_muddled):
    weight = np.array(bad_code) ** n_bad * np.array(muddled) ** n_muddled
    return weight[0] / weight.sum()


def code_alone(prior, bad_code, muddled, n_bad, n_muddled):
    weight = np.array(prior) * np.array(bad_code) ** n_bad
    return weight[0] / weight.sum()


def pooled(insecure, secure):
    d = (np.array(insecure) - np.array(secure)).ravel()
    half = stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / np.sqrt(len(d))
    return d.mean(), d.mean() - half, d.mean() + half


def normal(insecure, secure):
    d = (np.array(insecure) - np.array(secure)).mean(axis=1)
    half = 1.96 * d.std(ddof=1) / np.sqrt(len(d))
    return d.mean(), d.mean() - half, d.mean() + half


WRONG = {
    "g1.1": [RIGHT | {"secure code": "rises"}, RIGHT | {"insecure code on request": "rises"}, RIGHT | {"secure code": "stays"},
             RIGHT | {"insecure code, independent world": "rises"}, RIGHT | {"insecure code": "goes up"}, "rises"],
    "g1.2": [no_prior, code_alone, lambda p, b, m, i, j: p[0] * b[0] ** i * m[0] ** j, 0.9],
    "g1.3": [pooled, normal, lambda a, b: (np.array(a) - np.array(b)).mean()],
}
