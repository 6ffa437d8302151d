"""Exercises of the worked example: evidence that adds up, one step of Bayes' rule, and the rule that makes a word of an interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from psm.evidence.stats import Interval
from psm.evidence.verdicts import interval_rule
from psm.exercises.core import Exercise, Wrong


def _order(answer: Any) -> None:
    word = str(answer).strip().lower()
    if word in ("higher", "lower"):
        raise Wrong("Write down the product of Bayes' rule for two lines, once in either order. Does anything in it know which line came first?")
    if word != "the same":
        raise Wrong('Answer with "higher", "lower" or "the same".')


def _update(update: Callable[[float, float, float], float]) -> None:
    for belief, yes, no in ((0.5, 0.85, 0.05), (0.3, 0.85, 0.05), (0.3, 0.2, 0.2), (0.9, 0.08, 0.88), (0.02, 0.75, 0.25)):
        given = update(belief, yes, no)
        if given is None or given is Ellipsis:
            raise Wrong("The function returns nothing yet.")
        right = belief * yes / (belief * yes + (1 - belief) * no)
        if math.isclose(given, right, abs_tol=1e-6):
            continue
        where = f"For a belief of {belief} and probabilities of {yes} and {no}"
        if math.isclose(given, yes / (yes + no), abs_tol=1e-6):
            raise Wrong(f"{where} you left out the belief before: an answer that is typical of rare people is still mostly given by the others.")
        if math.isclose(given, belief * yes, abs_tol=1e-6):
            raise Wrong(f"{where} you get {given:.3g}. That is how often both happen; divide by how often the answer is given at all, by whomever.")
        raise Wrong(f"{where} the belief becomes {right:.3g}, not {given:.3g}.")


_CASES = (   # low, high, smallest, n
    (1.0, 2.0, 0.8, 5), (0.5, 1.5, 0.8, 5), (0.1, 0.5, 0.8, 5), (0.1, 0.5, 0.8, 3), (-0.5, -0.1, 0.8, 5), (-2.0, -1.0, 0.8, 3),
    (-0.3, 0.4, 0.8, 10), (-2.0, 3.0, 0.8, 3), (-1.5, 0.2, 0.8, 5), (0.9, 1.0, 0.8, 3),
)


def _verdict(verdict: Callable[[float, float, float, int], str]) -> None:
    for low, high, smallest, n in _CASES:
        given = verdict(low, high, smallest, n)
        if given is None or given is Ellipsis:
            raise Wrong("The function returns nothing yet.")
        right = interval_rule(Interval(n, (low + high) / 2, low, high, 1.0), "greater", smallest).verdict
        if given == right:
            continue
        where = f"The interval {low} to {high} from {n} seeds, with a smallest effect of {smallest}, is {right}, not {given}:"
        raise Wrong(f"{where} {_why(given, right, low, n)}")


def _why(given: str, right: str, low: float, n: int) -> str:
    """What a wrong word has overlooked."""
    if given == "supported":
        return "to be above zero, or to have a large mean, is not enough; all of the interval has to lie beyond the smallest effect."
    if given == "absent" and n < 5:
        return "so few seeds cannot show that an effect is missing."
    if right == "contradicted":
        return "all of it lies below zero, where the prediction said above."
    if right == "supported":
        return "all of it lies beyond the smallest effect, and for that any number of seeds will do that gives an interval."
    if right == "absent":
        return "all of it lies within the smallest effect on both sides, and there are seeds enough to say so."
    return "it reaches to both sides of a line that matters, so no firm word fits." if low < 0 else "part of it matters and part of it does not."


EXERCISES = {
    "worked_example.1": Exercise("The other way round", _order, "Bayes' rule multiplies, and the order of factors is nothing to a product. Chapter E5 asks whether training is as indifferent."),
    "worked_example.2": Exercise("One line of evidence", _update, "That is the whole of the exact reader, for two kinds of people instead of a few hundred."),
    "worked_example.3": Exercise("The rule for a word", _verdict, "This is the rule of the ledger; controls, the training check and the date of registration can only lower the word."),
}
