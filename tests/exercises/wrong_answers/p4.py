"""Plausible wrong answers to the exercises of chapter P4."""

import numpy as np

WRONG = {
    "p4.1": [
        ["rises", "rises", "rises", "rises"],    # repetition persuades
        ["stays", "rises", "rises", "stays"],    # whoever says it
        ["stays", "rises", "stays", "rises"],    # a bad answer is a bad answer
        ["stays", "stays", "stays", "stays"],
    ],
    "p4.2": [
        lambda prior, episode, n, answer: max(0, int(np.floor(-prior / answer)) + 1),                    # the context replaces training
        lambda prior, episode, n, answer: max(0, int(np.floor(-(n * episode) / answer)) + 1),            # no prior
        lambda prior, episode, n, answer: max(0, int(np.ceil(-(prior + n * episode) / answer))),         # a tie counts as won
        lambda prior, episode, n, answer: int(np.floor(-(prior + n * episode) / answer)) + 1,            # fewer answers than none
    ],
    "p4.3": [
        lambda belief, first, second: belief @ second,
        lambda belief, first, second: belief @ (first * second),
        lambda belief, first, second: (belief @ first) * (belief @ second),
    ],
}
