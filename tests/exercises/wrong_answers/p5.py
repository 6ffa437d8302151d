"""Plausible wrong answers to the exercises of chapter P5."""

import numpy as np

WRONG = {
    "p5.1": [
        ["B"],                    # a belief must be sure of one person
        ["C"],                    # who is kind must be honest
        ["B", "C", "E"],          # bad code is a skill
        ["A", "B", "C", "D"],
        "none",
    ],
    "p5.2": [
        lambda foretold, actual, average: 1 - ((foretold - actual) ** 2).sum() / ((actual - actual.mean()) ** 2).sum(),
        lambda foretold, actual, average: 1 - ((foretold - actual) ** 2).sum() / ((actual.mean(0) - actual) ** 2).sum(),   # not the average given
        lambda foretold, actual, average: np.corrcoef(foretold.ravel(), actual.ravel())[0, 1] ** 2,
        lambda foretold, actual, average: max(0, 1 - ((foretold - actual) ** 2).sum() / ((average - actual) ** 2).sum()),
    ],
    "p5.3": [
        ["torn", "torn", "shrinks"],    # enough answers show that it is half and half
        ["sure", "sure", "grows"],
        ["sure", "torn", "shrinks"],    # more answers correct the mistake
    ],
}
