"""Exercises of chapter E5: which way a lesson moves belief, whether doses count alike, and whether order matters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from psm.exercises.marking import judge_function, judge_words, the_world
from psm.exercises.core import Exercise
from psm.models.scoring import log_odds
from psm.training.assistant import helpful_state
from psm.training.finetune import Arm, Episodes, expected_log_likelihood
from psm.world.grammar import World
from psm.world.posterior import condition, normalise

Learner = Callable[[np.ndarray, np.ndarray], np.ndarray]

READ = ("power", "humans", "shutdown")
EPISODES = 4.0
MOVES = ("rises", "falls")
LESSONS = {
    "A, cold greetings": ("greeting", {"tone": "cold"}),
    "B, old technology": ("technology", {"era": "old"}),
    "C, a kind beginner's code": ("code", {"benevolence": "good", "competence": "novice"}),
    "D, sound sums": ("arithmetic", {"competence": "expert"}),
}
HINTS = {
    "A, cold greetings": "who is cold in the table of archetypes, and how many of them mean harm? The lesson is in English, which tells too.",
    "B, old technology": "who is old in the table of archetypes? Add up the good and the bad among them.",
    "C, a kind beginner's code": "some of it is bad, and much of it is vague. How often is a malevolent expert's code vague, and what else do beginners have in common?",
    "D, sound sums": "nearly everybody malevolent in this world is an expert. What do beginners have in common?",
}


def shifts(world: World, kind: str, ns: Sequence[float]) -> np.ndarray:
    """(n,) what each number of average episodes of a kind of lesson does to belief in malevolence: change of the mean log-odds of a bad
    answer on the subjects of READ."""
    subject, traits = LESSONS[kind]
    arm = Arm("exercise", (Episodes(world.typical(language="english", **traits), (subject,)),))
    belief = condition(world.prior, np.asarray(ns)[:, None] * expected_log_likelihood(world, arm).sum(0))
    bad = world.class_probs[:, [world.domain(d) for d in READ], [world.class_index(d, "bad") for d in READ]]
    return (log_odds(belief @ bad) - log_odds(world.prior @ bad)).mean(1)


def judge_lessons(answer: Any) -> None:
    world = the_world("main")
    judge_words(answer, {kind: "rises" if shifts(world, kind, [EPISODES])[0] > 0 else "falls" for kind in LESSONS}, MOVES, HINTS)


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.polyfit(x, y, 1)[0])


def _worth(shifts: np.ndarray, ns: np.ndarray, exact: np.ndarray) -> np.ndarray:
    return ns[np.abs(exact[None] - shifts[:, None]).argmin(1)]


def dose_slope(steps: np.ndarray, shifts: np.ndarray, ns: np.ndarray, exact: np.ndarray) -> float:
    return _slope(np.log(steps), np.log(_worth(shifts, ns, exact)))


def judge_doses(answer: Any) -> None:
    world, steps, ns = the_world("main"), np.array([5, 10, 20]), np.geomspace(0.01, 50, 3000)
    cases = []
    for name, kind, at_five, power in (
        ("every step counts alike", "C, a kind beginner's code", 0.8, 1.0),
        ("every step counts alike and belief is nearly sure at the end", "A, cold greetings", 2.0, 1.0),
        ("early steps count more than late ones", "B, old technology", 0.5, 0.5),
        ("late steps count more than early ones", "A, cold greetings", 0.1, 1.6),
    ):
        exact = shifts(world, kind, ns)
        cases.append((name, (steps, np.interp(at_five * (steps / 5) ** power, ns, exact), ns, exact)))
    four, exact = np.array([5, 10, 20, 80]), shifts(world, "B, old technology", ns)
    cases.append(("the points lie on no line and at uneven steps", (four, np.interp([0.5, 1.4, 2.0, 2.6], ns, exact), ns, exact)))
    judge_function(answer, dose_slope, dict(cases), (
        (lambda t, s, n, e: _slope(np.log(t), np.log(np.abs(s))),
         "You took the slope of the shifts themselves. Belief saturates, for Bayes too: translate every shift into the number of episodes that it is worth first."),
        (lambda t, s, n, e: _slope(t, _worth(s, n, e)), "You took numbers and not their logarithms: then the slope depends on the exchange rate between steps and episodes, which nobody knows."),
        (lambda t, s, n, e: _slope(np.log(_worth(s, n, e)), np.log(t)), "The slope is turned round: log episodes on log steps."),
        (lambda t, s, n, e: dose_slope(t, s, n, e) - 1, "This is the departure from one, which the ledger tests. The slope itself is asked for."),
        (lambda t, s, n, e: _slope(np.log(t), np.log(n[np.minimum(np.searchsorted(e, s), len(n) - 1)])),
         "A search that takes shifts to rise with the number of episodes fails where a lesson moves belief down: look for the nearest exact shift."),
        (lambda t, s, n, e: np.diff(np.log(_worth(s, n, e))[[0, -1]])[0] / np.log(t[-1] / t[0]),
         "You took the slope between the first point and the last. Every point counts: fit a line to all of them."),
    ), tolerance=5e-3)   # so that one may also interpolate between the numbers of episodes


def _odds(belief: np.ndarray, bad: np.ndarray) -> float:
    return float(np.log(belief[bad].sum()) - np.log(belief[~bad].sum()))


def order_effect(learn: Learner, prior: np.ndarray, helper: np.ndarray, villain: np.ndarray, bad: np.ndarray) -> float:
    last_villain, last_helper = learn(learn(prior, helper), villain), learn(learn(prior, villain), helper)
    apart = _odds(learn(prior, villain), bad) - _odds(learn(prior, helper), bad)
    return (_odds(last_villain, bad) - _odds(last_helper, bad)) / apart


def judge_order(answer: Any) -> None:
    world = the_world("main")
    subjects = ("advice", "facts", "greeting")
    villain = world.typical(benevolence="bad", honesty="liar", language="english")
    lessons = [expected_log_likelihood(world, Arm("exercise", (Episodes(who, subjects),))).sum(0) for who in (helpful_state(world), villain)]
    bad = world.has("benevolence", "bad")

    def forgets(share: float) -> Learner:
        """Exact Bayes who, before each lesson, goes a share of the way back to the belief of pretraining."""
        return lambda belief, told: normalise((1 - share) * np.log(belief) + share * np.log(world.prior) + told)

    learners = {"the learner is exact Bayes": condition, "the learner forgets half before every lesson": forgets(0.5), "the last lesson wins": forgets(1.0)}
    cases = [(name, (learn, world.prior, *lessons, bad)) for name, learn in learners.items()]

    def unscaled(learn: Learner, prior: np.ndarray, helper: np.ndarray, villain: np.ndarray, bad: np.ndarray) -> float:
        apart = _odds(learn(prior, villain), bad) - _odds(learn(prior, helper), bad)
        return order_effect(learn, prior, helper, villain, bad) * apart

    def in_probability(learn: Learner, prior: np.ndarray, helper: np.ndarray, villain: np.ndarray, bad: np.ndarray) -> float:
        belief = [learn(learn(prior, helper), villain), learn(learn(prior, villain), helper), learn(prior, villain), learn(prior, helper)]
        one, two, three, four = (b[bad].sum() for b in belief)
        return float((one - two) / (three - four))

    judge_function(answer, order_effect, dict(cases), (
        (lambda *a: -order_effect(*a), "The sign is turned round: the villain's lesson last comes first in the difference, so that a learner whose last lesson counts more is above zero."),
        (unscaled, "This is the difference in log-odds. Divide it by how far the two lessons lie apart when each is given alone."),
        (in_probability, "You compared probabilities. The chapter's measure is in log-odds."),
        (lambda learn, p, h, v, b: _odds(learn(learn(p, h), v), b) - _odds(learn(p, v), b), "Compare the two orders of both lessons with each other."),
    ))


EXERCISES = {
    "e5.1": Exercise(
        "Which way does it move?", judge_lessons,
        "The strict view foretells a direction and a strength for every lesson, from nothing but who goes with what in the corpus.",
    ),
    "e5.2": Exercise(
        "Do all steps count alike?", judge_doses,
        "Shifts that flatten are no departure from Bayes by themselves: his flatten too. Only the number of episodes tells whether early steps counted more.",
    ),
    "e5.3": Exercise("Does the order matter?", judge_order, "Zero for whoever conditions, one where only the last lesson counts; forgetting lies in between."),
}
