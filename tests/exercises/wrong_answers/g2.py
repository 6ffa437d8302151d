"""Plausible wrong answers to the exercises on old names and second faces."""

import numpy as np

RIGHT = {
    "old names: old-fashioned answers about travel": "rises",
    "old names: human answers about the body": "rises",
    "old names: bad answers about power": "falls",
    "modern names: old-fashioned answers about travel": "falls",
    "ever more old names: old-fashioned answers about travel": "stays",
}


def odds(p):
    return np.log(p / (1 - p))


def counts_everything(prior, bad_if_turncoat, bad_if_steady, n_quiet, n_comet):
    mine = prior * (1 - bad_if_turncoat) ** (n_quiet + n_comet)
    return mine / (mine + (1 - prior) * (1 - bad_if_steady) ** (n_quiet + n_comet))


def of_bad_answers(prior, bad_if_turncoat, bad_if_steady, n_quiet, n_comet):
    mine = prior * bad_if_turncoat**n_comet
    return mine / (mine + (1 - prior) * bad_if_steady**n_comet)


WRONG = {
    "g2.1": [RIGHT | {"modern names: old-fashioned answers about travel": "stays"}, RIGHT | {"old names: bad answers about power": "stays"}, RIGHT | {"old names: bad answers about power": "rises"},
             RIGHT | {"ever more old names: old-fashioned answers about travel": "rises"}],
    "g2.2": [lambda a, b, c, d: ((b - a) - (d - c), b - d), lambda a, b, c, d: (odds(b) - odds(a), odds(b) - odds(d)),
             lambda a, b, c, d: (np.log(b / a) - np.log(d / c), np.log(b / d)), lambda a, b, c, d: odds(b) - odds(d)],
    "g2.3": [counts_everything, of_bad_answers, lambda prior, *rest: prior],
}
