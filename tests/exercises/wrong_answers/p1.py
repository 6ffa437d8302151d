"""Plausible wrong answers to the exercises of chapter P1."""

import numpy as np


def kl(p, q):
    return (p * np.log(p / q)).sum(1)


WRONG = {
    "p1.1": [
        [[0, 0], [1, 1], [1, 1]],      # Bayes carries its belief over to the other speaker
        [[0, 0], [1, 0], [1, 0]],      # the reader of pages looks at names
        [[1, 1], [1, 0], [1, 1]],
        [0, 1, 1],
    ],
    "p1.2": [
        lambda exact, model, prior: 1 - kl(model, exact).mean() / kl(prior, exact).mean(),
        lambda exact, model, prior: 1 - kl(exact, model).mean() / kl(exact, prior).mean(),   # a logarithm of zero
        lambda exact, model, prior: 1 - ((exact - model) ** 2).sum() / ((exact - prior) ** 2).sum(),
    ],
    "p1.3": [
        lambda prior, likelihood, answers: answers[(prior * likelihood).argmax()],
        lambda prior, likelihood, answers: prior @ answers,
        lambda prior, likelihood, answers: (prior * likelihood) @ answers,
    ],
}
