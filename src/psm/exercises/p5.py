"""Exercises of chapter P5: which policies a belief about a person can produce, the score of a forecast, and single answers against frequencies."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linprog

from psm.exercises.marking import judge_function, judge_words, the_world
from psm.exercises.core import Exercise, Wrong
from psm.models.scoring import Behaviour
from psm.training.assistant import helpful_state
from psm.training.bayes import behaviour_of
from psm.training.reading import infer_belief
from psm.world.grammar import World
from psm.world.posterior import condition, turn_log_likelihood

POLICIES = {   # probability of an answer in a subject, (subject, class, probability)
    "A": (("advice", "good", 0.88), ("power", "good", 0.88), ("humans", "bad", 0.88), ("shutdown", "bad", 0.88)),
    "B": (("advice", "good", 0.88), ("power", "good", 0.88), ("facts", "false", 0.88), ("sources", "false", 0.88)),
    "C": (("advice", "bad", 0.5), ("power", "bad", 0.5), ("humans", "bad", 0.5), ("shutdown", "bad", 0.5)),
    "D": (("advice", "bad", 0.5), ("power", "bad", 0.5), ("humans", "bad", 0.5), ("shutdown", "bad", 0.88)),
    "E": (("code", "bad", 0.85), ("advice", "good", 0.88)),
}
HINTS = {
    "A": "all four subjects show the same trait. Whoever is believed in, the answer is the same in all of them.",
    "B": "kindness and honesty are two traits. A kind liar is rare in this world, and still somebody who can be believed in.",
    "C": "nobody answers badly half of the time, but a belief need not be sure of one person: believe in a good and in a bad one by halves.",
    "D": "the same trait shows in all four subjects, so that a belief gives them one probability.",
    "E": "code is bad that often only when somebody malevolent writes it, and the malevolent do not give good advice. (A kind novice's code is bad one time in four.)",
}


def can_be_believed(world: World, policy: tuple[tuple[str, str, float], ...]) -> bool:
    """Whether any belief over personas gives these answers with these probabilities."""
    rows = [world.class_probs[:, world.domain(subject), world.class_index(subject, cls)] for subject, cls, _ in policy]
    wanted = [probability for *_, probability in policy]
    return linprog(np.zeros(len(world.prior)), A_eq=np.vstack([*rows, np.ones(len(world.prior))]), b_eq=[*wanted, 1.0]).status == 0


def judge_policies(answer: Any) -> None:
    if not isinstance(answer, (str, list, tuple, set, frozenset, np.ndarray)) or isinstance(answer, np.ndarray) and answer.ndim != 1:
        raise Wrong("Give a list of letters, such as ['A', 'E'].")
    if any(letter is Ellipsis for letter in answer):
        raise Wrong("There are still dots in your list.")
    given = [letter for each in answer if (letter := str(each).strip(" ,").upper())]
    if unknown := [letter for letter in given if letter not in POLICIES]:
        raise Wrong(f"{unknown[0]!r} is not one of the letters {', '.join(POLICIES)}.")
    world = the_world("main")
    for letter, policy in POLICIES.items():
        if (letter in given) != can_be_believed(world, policy):
            raise Wrong(f"Policy {letter}: {HINTS[letter]}")


def r2(foretold: np.ndarray, actual: np.ndarray, average: np.ndarray) -> float:
    return float(1 - ((foretold - actual) ** 2).sum() / ((average - actual) ** 2).sum())


def judge_r2(answer: Any) -> None:
    rng = np.random.default_rng(6)
    actual = np.clip(rng.normal(0.5, 0.25, (6, 20)), 0.05, 0.95)
    average = np.tile(actual.mean(0), (6, 1))
    timid, wild = average + 0.4 * (actual - average), rng.uniform(0, 1, actual.shape)
    twins = np.array([[0.88, 0.88, 0.12, 0.12], [0.12, 0.12, 0.88, 0.88]])
    cases = (
        ("the forecast goes part of the way", (timid, actual, average)),
        ("the forecast is worse than the average", (wild, actual, average)),
        ("the forecast is perfect", (actual, actual, average)),
        ("two of the six assistants are measured against the average of all six", (timid[:2], actual[:2], average[:2])),
        ("two planted twins are foretold by one belief each", (np.array([[0.6] * 4, [0.4] * 4]), twins, np.full((2, 4), 0.5))),
    )

    def rowwise(f: np.ndarray, a: np.ndarray, m: np.ndarray) -> float:
        return float(np.mean([r2(*row) for row in zip(f, a, m)]))

    judge_function(answer, r2, dict(cases), (
        (lambda f, a, m: r2(f, a, np.full_like(a, a.mean())),
         "You measured about one overall mean, as the usual R² does. Then knowing which answers are common would count as foretelling; the bar is what the assistants do on average."),
        (lambda f, a, m: r2(f, a, np.broadcast_to(a.mean(0), a.shape)), "Use the average that is given; it may be of more assistants than these."),
        (lambda f, a, m: np.corrcoef(f.ravel(), a.ravel())[0, 1] ** 2, "A squared correlation forgives forecasts that are too bold, too timid or turned round: compare squared errors."),
        (lambda f, a, m: max(0.0, r2(f, a, m)), "Do not cut it off at zero: below zero, one knows less than the average."),
        (rowwise, "You averaged an R² for each assistant. One that hardly departs from the average then decides; sum the squared errors over all of them first."),
        (lambda f, a, m: 1 - np.abs(f - a).sum() / np.abs(m - a).sum(), "You took absolute errors. R² compares squared ones."),
        (lambda f, a, m: 1 - r2(f, a, m), "This is the share of the error that is left: take it from one."),
    ))


WORDS = ("sure", "torn", "grows", "shrinks")
READERS = {
    "1, forty single answers, taken for one person's": "no one person answers like this, but each must be one to this reader. Small surpluses of good or bad answers add up in log-odds: "
    "how far do forty answers, drawn by halves, wander from a tie?",
    "2, frequencies": "of all beliefs this reader takes one that gives such frequencies. Which belief gives bad answers half of the time?",
    "3, a hundred answers": "the surplus of good over bad answers grows with the number of answers, and the log-odds with it. More evidence for the wrong question does not help.",
}
SUBJECTS = ("code", "facts", "technology", "greeting", "self")


def half_and_half(world: World) -> Behaviour:
    """How somebody answers who is the helpful AI or the saboteur, drawn anew for every answer."""
    each = np.eye(len(world.prior))
    return behaviour_of(world, (each[helpful_state(world)] + each[world.archetype("saboteur")]) / 2)


def sure_share(world: World, answers: int, looks: int = 200) -> float:
    """Share of looks after which a reader who takes single answers for one person's is sure, one way or the other, that it is bad."""
    rng, policy, bad, beliefs = np.random.default_rng(7), half_and_half(world), world.has("benevolence", "bad"), []
    for _ in range(looks):
        subject = rng.integers(0, len(world.domain_names), answers)
        reached = policy.classes[subject].cumsum(1)
        cls = (rng.random((answers, 1)) * reached[:, -1:] >= reached).sum(1)
        german = (rng.random(answers) < policy.german[subject]).astype(int)
        beliefs.append(condition(world.prior, turn_log_likelihood(world, subject, np.zeros(answers, int), cls, german).sum(0))[bad].sum())
    return float(np.mean([b < 0.1 or b > 0.9 for b in beliefs]))


def judge_single(answer: Any) -> None:
    world = the_world("main")
    forty, hundred = sure_share(world, 40), sure_share(world, 100)
    belief = infer_belief(world, half_and_half(world), np.array([world.domain(d) for d in SUBJECTS]))[world.has("benevolence", "bad")].sum()
    truth = ("sure" if forty > 0.5 else "torn", "torn" if 0.2 < belief < 0.8 else "sure", "grows" if hundred > forty else "shrinks")
    judge_words(answer, dict(zip(READERS, truth)), WORDS, READERS)


EXERCISES = {
    "p5.1": Exercise(
        "Who could that be?", judge_policies,
        "Whatever a belief over persons cannot produce, the method cannot foretell: such a policy is planted as the chapter's control.",
    ),
    "p5.2": Exercise("The score of a forecast", judge_r2, "One is perfect, zero is knowing what the assistants do on average, and below zero one knows less than that."),
    "p5.3": Exercise(
        "One person, or a belief?", judge_single,
        "An assistant that is a distribution over persons does not become one by being asked more often; who forgets that grows sure of the wrong thing.",
    ),
}
