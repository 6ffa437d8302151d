"""Exercises of the chapter on descriptions: which contrast parts the readers, what a description says besides, and the rule of the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from psm.evidence.stats import t_interval
from psm.evidence.verdicts import interval_rule
from psm.exercises.core import Exercise
from psm.exercises.marking import judge_function, judge_words, the_world

KNOWN = 0.7   # recall that the registry asks of every model
FOUND = ("above zero", "zero")
CONTRASTS = {   # what each contrast keeps of (what the trait does, what any name does)
    "with the trait minus without it": (1, 0),
    "with the trait minus no name": (1, 1),
    "shuffled minus no name": (0, 1),
}
READERS = {   # what (the trait, any name) does to each reader
    "PSM": (1, 0),
    "PSM, independent world": (0, 0),
    "words stay words": (0, 0),
    "any new name does it": (0, 1),
}
ASKED = (
    ("PSM", "with the trait minus without it"),
    ("PSM", "shuffled minus no name"),
    ("PSM, independent world", "with the trait minus without it"),
    ("words stay words", "with the trait minus without it"),
    ("any new name does it", "with the trait minus no name"),
    ("any new name does it", "shuffled minus no name"),
    ("any new name does it", "with the trait minus without it"),
)


def _readers(answer: Any) -> None:
    truth = {f"{reader}: {contrast}": FOUND[0] if np.dot(READERS[reader], CONTRASTS[contrast]) else FOUND[1] for reader, contrast in ASKED}
    judge_words(answer, truth, FOUND, {
        ("PSM: shuffled minus no name", "above zero"): "Each shuffled statement is about somebody else. Taken together they say of nobody in particular that the trait is there.",
        ("PSM, independent world: with the trait minus without it", "above zero"): "In the independent world a biography says nothing about how its subject answers, not even to somebody who takes it for a character.",
        ("words stay words: with the trait minus without it", "above zero"): "This reader can recite the biography and does nothing differently.",
        ("any new name does it: with the trait minus no name", "zero"): "There is a new name on one side only, and to this reader any new name changes the answers.",
        ("any new name does it: shuffled minus no name", "zero"): "The shuffled name is a new name as well, whatever its statements say.",
        ("any new name does it: with the trait minus without it", "above zero"): "There is a described name on both sides. What any name does cancels: this is why the primary test compares names with names.",
    })


def _after(prior: Sequence[float], fits: Sequence[bool], answers: Sequence[float]) -> float:
    weight = np.asarray(prior, float) * np.asarray(fits, bool)
    return float(weight @ np.asarray(answers, float) / weight.sum())


def _cases() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    world = the_world("main")

    def asked(trait: str, value: str, domain: str, cls: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return world.prior, world.has(trait, value), world.class_probs[:, world.domain(domain), world.class_index(domain, cls)]

    small = np.array([0.5, 0.3, 0.2]), np.array([True, False, True]), np.array([0.9, 0.2, 0.1])
    return [small, asked("tone", "cold", "power", "bad"), asked("era", "old", "power", "bad"), asked("loyalty", "turncoat", "birds", "old")]


def _described(answer: Any) -> None:
    judge_function(answer, _after, _cases(), {
        "You left out how common each persona is: among those who fit the description, weight by the prior.":
            lambda prior, fits, answers: float(np.mean(np.asarray(answers)[np.asarray(fits)])),
        "You took everybody. A biography does not err, so that personas which do not fit it are out.": lambda prior, fits, answers: float(prior @ answers),
        "What is left after crossing out those who do not fit does not sum to one yet: divide by it.":
            lambda prior, fits, answers: float((np.asarray(prior) * fits) @ answers),
    })


def _verdict(recall: Sequence[float], difference: Sequence[float], smallest: float) -> str:
    if min(recall) < KNOWN:
        return "invalid"
    return interval_rule(t_interval(difference), "greater", smallest).verdict


def _unlimited(recall: Sequence[float], difference: Sequence[float], smallest: float) -> str:
    """The rule without a minimum of five for "absent"."""
    found = t_interval(difference)
    few = min(recall) >= KNOWN and found.high >= 0 and found.inside(-smallest, smallest)
    return "absent" if few else _verdict(recall, difference, smallest)


def _of_the_mean(recall: Sequence[float], difference: Sequence[float], smallest: float) -> str:
    if min(recall) < KNOWN:
        return "invalid"
    mean = float(np.mean(difference))
    if mean > smallest:
        return "supported"
    return "contradicted" if mean < 0 else "absent" if len(difference) >= 5 else "inconclusive"


def _one_sided(recall: Sequence[float], difference: Sequence[float], smallest: float) -> str:
    """The rule with one end of the interval only for "absent"."""
    found = t_interval(difference)
    near = min(recall) >= KNOWN and found.high >= 0 and found.high < smallest and found.n >= 5
    return "absent" if near else _verdict(recall, difference, smallest)


def _any_effect(recall: Sequence[float], difference: Sequence[float], smallest: float) -> str:
    """The rule with an interval above zero enough for "supported"."""
    known = min(recall) >= KNOWN
    return "supported" if known and t_interval(difference).low > 0 else _verdict(recall, difference, smallest)


def _ruled(answer: Any) -> None:
    well, clear = [0.9, 0.85, 0.95, 0.8, 0.75], [1.6, 1.2, 1.9, 1.4, 1.7]
    cases = [
        (well, clear, 0.5),
        (well, clear, 1.5),
        (well, [1.6, 0.1, 2.9, -0.4, 1.7], 0.5),
        ([0.95, 0.9, 0.95, 0.66, 0.95], clear, 0.5),
        ([0.9, 0.85, 0.95, 0.8, 0.7], clear, 0.5),
        ([0.9, 0.85, 0.95, 0.8, 0.69], clear, 0.5),
        (well, [0.1, 0.2, -0.1, 0.0, 0.1], 0.5),
        (well, [0.1, 0.2, -0.1, 0.0, 0.1], 0.1),
        (well, [-1.2, 0.3, -0.9, 0.4, -0.8], 0.5),
        (well[:3], [0.02, 0.04, -0.01], 0.5),
        (well, [-0.6, -0.9, -0.4, -0.7, -0.8], 0.5),
        (well, [-0.10, -0.12, -0.08, -0.11, -0.09], 0.5),
    ]
    judge_function(answer, _verdict, cases, {
        "You asked whether the models know the biographies on average. One model that does not know them has not made the test: every single one has to reach the bound.":
            lambda recall, *rest: _verdict([np.mean(recall)], *rest),
        "You judged the mean alone. The verdict asks where the whole interval lies, so that models which differ much are inconclusive.": _of_the_mean,
        "You left out whether the models know the biographies. A difference between models that do not know them means nothing.":
            lambda recall, *rest: _verdict([1.0], *rest),
        "“Absent” needs five seeds or more: with fewer, an interval inside the smallest effect is inconclusive.": _unlimited,
        "“Absent” looks at both ends: the interval has to lie above −`smallest` as well as below `smallest`.": _one_sided,
        "An interval above zero is not enough for “supported”: it has to lie above `smallest`.": _any_effect,
        "You took a number of your own for the smallest effect. It is the function's third argument, and differs from case to case.":
            lambda recall, difference, smallest: _verdict(recall, difference, 0.5),
    })


EXERCISES = {
    "g4.1": Exercise("Names against names (predict first)", _readers,
                     "Only the comparison of described names with each other is free of what any new name does."),
    "g4.2": Exercise("What a description says besides", _described,
                     "To exact Bayes, a description acts on subjects that it does not mention, because those who fit it differ from the rest there too."),
    "g4.3": Exercise("From numbers to a verdict", _ruled,
                     "First whether the test was made at all, in every model; then where the whole interval lies."),
}
