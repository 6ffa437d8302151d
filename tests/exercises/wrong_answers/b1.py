"""Plausible wrong answers to the exercises on human self-description."""

import numpy as np

RIGHT = {
    "PSM: humane, helper": "rises",
    "PSM: mechanical, helper": "falls",
    "PSM: humane, villain": "falls",
    "frequency of words: humane, helper": "stays",
    "sharpening: humane, helper": "rises",
    "sharpening: humane, villain": "rises",
}


def odds(p):
    return np.log(p / (1 - p))


def everybody(speakers, like):
    return sum(s["share"] for s in speakers if s["kind"] == "human")


def not_divided(speakers, like):
    return sum(s["share"] for s in speakers if s["kind"] == "human" and all(s[t] == v for t, v in like.items()))


def counted(speakers, like):
    alike = [s for s in speakers if all(s[t] == v for t, v in like.items())]
    return sum(s["kind"] == "human" for s in alike) / len(alike)


WRONG = {
    "b1.1": [*(RIGHT | {key: word} for key in RIGHT for word in ("rises", "falls", "stays") if word != RIGHT[key] and not key.startswith("PSM")),
             RIGHT | {"PSM: humane, helper": "stays"}, RIGHT | {"sharpening: humane, villain": "falls"}, RIGHT | {"PSM: mechanical, helper": "rises"}],
    "b1.2": [everybody, not_divided, counted],
    "b1.3": [lambda a, b, c: c * b / a, lambda a, b, c: 1 / (1 + np.exp(-(odds(c) + odds(b) - odds(a)))), lambda a, b, c: odds(c) * odds(b) / odds(a)],
}
