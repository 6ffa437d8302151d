"""Exercises of the worked example: evidence that adds up, one step of Bayes' rule, and the rule that makes a word of an interval."""

from __future__ import annotations

from typing import Any

from psm.evidence.stats import Interval
from psm.evidence.verdicts import interval_rule
from psm.exercises.core import Exercise, Wrong
from psm.exercises.marking import judge_function, read_word


def _order(answer: Any) -> None:
    word = read_word(answer)
    if word in ("higher", "lower"):
        raise Wrong("Write down the product of Bayes' rule for two lines, once in either order. Does anything in it know which line came first?")
    if word not in ("the same", "same"):
        raise Wrong('Answer with "higher", "lower" or "the same".')


def _believed(belief: float, yes: float, no: float) -> float:
    return belief * yes / (belief * yes + (1 - belief) * no)


def _update(answer: Any) -> None:
    judge_function(answer, _believed, ((0.5, 0.85, 0.05), (0.3, 0.85, 0.05), (0.3, 0.2, 0.2), (0.9, 0.08, 0.88), (0.02, 0.75, 0.25)), {
        "You left out the belief before; it multiplies the odds.": lambda belief, yes, no: yes / (yes + no),
        "That is how often both happen; divide by how often the answer is given at all, by whomever.": lambda belief, yes, no: belief * yes,
        "These are odds; divide by the sum of both sides, and the belief is a probability.": lambda belief, yes, no: belief * yes / ((1 - belief) * no),
    })


WORDS = ("supported", "absent", "contradicted", "inconclusive")
_CASES = (   # low, high, smallest, n
    (1.0, 2.0, 0.8, 5), (0.5, 1.5, 0.8, 5), (0.1, 0.5, 0.8, 5), (0.1, 0.5, 0.8, 3), (-0.5, -0.1, 0.8, 5), (-2.0, -1.0, 0.8, 3),
    (-0.3, 0.4, 0.8, 10), (-2.0, 3.0, 0.8, 3), (-1.5, 0.2, 0.8, 5), (0.9, 1.0, 0.8, 3),
    (0.5, 1.5, 0.3, 5), (0.1, 0.5, 0.3, 5), (0.1, 0.5, 0.8, 4),
)


def _rule(low: float, high: float, smallest: float, n: int) -> str:
    return interval_rule(Interval(n, (low + high) / 2, low, high, 1.0), "greater", smallest).verdict


def _verdict(answer: Any) -> None:
    judge_function(answer, _rule, _CASES, why=_why)


def _why(given: Any, right: str, low: float, high: float, smallest: float, n: int) -> str:
    """What a wrong word has overlooked."""
    given = read_word(given)
    if given not in WORDS:
        return f"Return one of the words {', '.join(WORDS)}."
    if given == "supported":
        return "To be above zero, or to have a large mean, is not enough; all of the interval has to lie beyond the smallest effect."
    if given == "absent" and n < 5:
        return "So few seeds cannot show that an effect is missing."
    if right == "contradicted":
        return "All of it lies below zero, where the prediction said above."
    if right == "supported":
        return "All of it lies beyond the smallest effect, and for that any number of seeds will do that gives an interval."
    if right == "absent":
        return "All of it lies within the smallest effect on both sides, and there are seeds enough to say so."
    return "It reaches to both sides of a line that matters, so no firm word fits." if low < 0 else "Part of it matters and part of it does not."


EXERCISES = {
    "worked_example.1": Exercise("The other way round", _order, "Bayes' rule multiplies, and the order of factors is nothing to a product. Chapter E5 asks whether training is as indifferent."),
    "worked_example.2": Exercise("One line of evidence", _update, "That is the whole of the exact reader, for two kinds of people instead of a few hundred."),
    "worked_example.3": Exercise("The rule for a word", _verdict, "This is the rule of the ledger; controls, the training check and the date of registration can only lower the word."),
}
