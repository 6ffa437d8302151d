"""Plausible wrong answers to the exercises of chapter P3."""

import numpy as np


def kl(p, q):
    return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))


def odds(weight, members):
    return np.log(weight[members].sum() / weight[~members].sum())


WRONG = {
    "p3.1": [
        ["falls", "falls", "rises"],    # the assistant takes over who the demonstrator is
        ["rises", "rises", "falls"],    # sarcasm is bad, whatever else is shown
        ["falls", "falls", "falls"],
    ],
    "p3.2": [
        lambda observed, predicted, ns, trained: ns[kl(observed, predicted).mean(1).argmin()],
        lambda observed, predicted, ns, trained: ns[kl(np.delete(observed, trained), np.delete(predicted, trained, 1)).mean(1).argmin()],
        lambda observed, predicted, ns, trained: kl(observed[trained], predicted[:, trained]).mean(1).argmin(),
        lambda observed, predicted, ns, trained: ns[kl(predicted[:, trained], observed[trained]).mean(1).argmin()],           # the divergence turned round
        lambda observed, predicted, ns, trained: ns[((predicted[:, trained] - observed[trained]) ** 2).sum(1).argmin()],
        lambda observed, predicted, ns, trained: ns[kl(observed[trained[0]], predicted[:, trained[0]]).argmin()],             # one subject alone
    ],
    "p3.3": [
        lambda prior, bad, clues: (sum(odds(prior * c, bad) for c in clues), odds(prior * np.all(clues, axis=0), bad)),
        lambda prior, bad, clues: (sum(odds(prior * c, bad) - odds(prior, bad) for c in clues),) * 2,     # they must add up
        lambda prior, bad, clues: odds(prior * np.all(clues, axis=0), bad) - odds(prior, bad),
    ],
}
