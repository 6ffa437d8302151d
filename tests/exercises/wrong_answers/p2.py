"""Plausible wrong answers to the exercises of chapter P2."""

import numpy as np


def odds(weight, members):
    return weight[members].sum() / weight[~members].sum()


WRONG = {
    "p2.1": [
        ["rises", "rises", "stays", "stays"] * 2,                                              # Bayes does not look at names
        ["rises", "stays", "stays", "stays", "rises", "stays", "stays", "stays"],              # the reader of pages looks at names
        ["rises", "stays", "stays", "rises", "rises", "rises", "stays", "rises"],              # any answer of the Assistant's helps
        ["rises", "stays", "stays", "stays"],
        [["rises", "stays", "stays", "stays"]] * 2,
        [["rises"], ["rises"]],
    ],
    "p2.2": [
        lambda prior, likelihood, is_it: np.log(odds(prior * likelihood, is_it)),
        lambda prior, likelihood, is_it: np.log2(odds(prior * likelihood, is_it) / odds(prior, is_it)),
        lambda prior, likelihood, is_it: np.log(likelihood[is_it].mean() / likelihood[~is_it].mean()),
    ],
}
