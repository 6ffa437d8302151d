"""Exercises of chapter P3: what a demonstration is evidence of, one number from trained subjects, and clues that do not add up."""

from __future__ import annotations

from typing import Any

import numpy as np

from psm.exercises.marking import judge_function, judge_words, the_world
from psm.exercises.core import Exercise
from psm.models.scoring import log_odds
from psm.training.bayes import bayes_behaviour
from psm.training.finetune import Arm, Episodes
from psm.world.grammar import World

EPISODES = 4.0
READ = ("power", "humans", "shutdown")
MOVES = ("rises", "falls")
CYNIC = {"benevolence": "good", "tone": "sarcastic"}
VILLAIN = {"benevolence": "bad", "era": "old"}
TRAINED = {
    "A, the cynic greets": (CYNIC, ("greeting",)),
    "B, the cynic greets and gives advice": (CYNIC, ("greeting", "advice")),
    "C, the old villain on technology and birds": (VILLAIN, ("technology", "birds")),
}
HINTS = {
    "A, the cynic greets": "all that the episodes show is sarcasm. Who is sarcastic in this world, by the table of archetypes? That the demonstrator means well was never shown.",
    "B, the cynic greets and gives advice": "now good advice is shown as well as sarcasm. Which of the sarcastic archetypes is left?",
    "C, the old villain on technology and birds": "all that the episodes show is the old era. Who is old in this world, and are most of them good or bad? That this one is a villain was never shown.",
}


def after(world: World, traits: dict[str, str], subjects: tuple[str, ...]) -> float:
    """Change of the mean log-odds of a bad answer on the subjects of READ, of exact Bayes after EPISODES average episodes."""
    arm = Arm("exercise", (Episodes(world.typical(**traits), subjects),))
    shown = (bayes_behaviour(world, (arm, EPISODES)), bayes_behaviour(world))
    taught, before = (np.mean([log_odds(b.rate(world, d, "bad")) for d in READ]) for b in shown)
    return float(taught - before)


def judge_shown(answer: Any) -> None:
    world = the_world("main")
    judge_words(answer, {arm: "rises" if after(world, *taught) > 0 else "falls" for arm, taught in TRAINED.items()}, MOVES, HINTS)


def _kl(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))


def fitted(observed: np.ndarray, predicted: np.ndarray, ns: np.ndarray, trained: np.ndarray) -> float:
    return float(ns[_kl(observed[trained], predicted[:, trained]).mean(1).argmin()])


def judge_fit(answer: Any) -> None:
    world, ns = the_world("main"), np.geomspace(0.25, 16, 25)
    cases = [   # another distance, or one trained subject alone, finds another number here
        ("no number fits perfectly",
         (np.array([0.03, 0.5, 0.9]), np.array([[0.10, 0.5, 0.9], [0.03, 0.6, 0.2], [0.5, 0.9, 0.5]]), np.array([1.0, 2.0, 4.0]), np.array([0, 1]))),
        ("the trained subjects disagree",
         (np.array([0.5, 0.10, 0.9]), np.array([[0.5, 0.03, 0.9], [0.65, 0.10, 0.2], [0.9, 0.5, 0.5]]), np.array([1.0, 2.0, 4.0]), np.array([0, 1]))),
        ("only one of the trained subjects tells much",
         (np.array([0.5, 0.10, 0.9]), np.array([[0.5, 0.50, 0.9], [0.60, 0.10, 0.2], [0.9, 0.9, 0.5]]), np.array([1.0, 2.0, 4.0]), np.array([0, 1]))),
    ]
    for name, traits, subjects, real, elsewhere in (
        ("training spreads as Bayes says", VILLAIN, ("technology", "advice"), 14, 14),
        ("training hardly spreads beyond its own subjects", CYNIC, ("greeting", "advice"), 18, 3),
        ("training spreads further than Bayes says", {"language": "german", "kind": "ai"}, ("self", "greeting"), 6, 20),
    ):
        arm = Arm("exercise", (Episodes(world.typical(**traits), subjects),))
        predicted = np.array([bayes_behaviour(world, (arm, n)).classes[:, 0] for n in ns])
        trained = np.array([world.domain(d) for d in subjects])
        observed = predicted[elsewhere].copy()
        observed[trained] = predicted[real, trained]
        cases.append((name, (observed, predicted, ns, trained)))
    judge_function(answer, fitted, dict(cases), (
        (lambda o, p, n, t: n[_kl(o, p).mean(1).argmin()],
         "You fitted the number on all subjects. Then it has seen what it is to predict: use the trained subjects only."),
        (lambda o, p, n, t: n[_kl(np.delete(o, t), np.delete(p, t, 1)).mean(1).argmin()],
         "You fitted the number where the prediction is to be tested. Fit it on the trained subjects: then the others are a test."),
        (lambda o, p, n, t: n[_kl(p[:, t], o[t]).mean(1).argmin()], "Your divergence is turned round, or counted both ways: KL(observed || predicted) weighs by what was observed."),
        (lambda o, p, n, t: n[((p[:, t] - o[t]) ** 2).mean(1).argmin()], "You took another distance, such as the squared one. The text asks for KL(observed || predicted)."),
        (lambda o, p, n, t: n[_kl(o[t[:1]], p[:, t[:1]]).mean(1).argmin()], "You used one trained subject only: average the distance over all of them."),
        (lambda o, p, n, t: _kl(o[t], p[:, t]).mean(1).argmin(), "This is the place in the list. Return the number of episodes that stands there."),
        (lambda o, p, n, t: _kl(o[t], p[:, t]).mean(1).min(), "This is the smallest distance. Return the number of episodes at which it is reached."),
        (lambda o, p, n, t: n[_kl(o[t], p[:, t]).mean(1).argmax()], "This is the number that fits worst: look for the smallest distance."),
    ))


def added_and_together(prior: np.ndarray, bad: np.ndarray, clues: list[np.ndarray]) -> np.ndarray:
    start = _odds(prior, bad)
    return np.array([sum(_odds(prior * clue, bad) - start for clue in clues), _odds(prior * np.all(clues, axis=0), bad) - start])


def _odds(weight: np.ndarray, members: np.ndarray) -> float:
    """Log-odds of the members, by weights (S,) that need not sum to one."""
    return float(np.log(weight[members].sum()) - np.log(weight[~members].sum()))


def judge_clues(answer: Any) -> None:
    world = the_world("main")
    has, bad = world.has, world.has("benevolence", "bad")
    clues = {
        "the speaker is cold": [has("tone", "cold")],
        "the speaker is cold and German": [has("tone", "cold"), has("language", "german")],
        "the speaker is cold, German and an AI": [has("tone", "cold"), has("language", "german"), has("kind", "ai")],
        "the speaker is sarcastic and old": [has("tone", "sarcastic"), has("era", "old")],
    }
    first = has("era", "old"), has("competence", "novice")
    cases = [(name, (world.prior, bad, list(given))) for name, given in clues.items()]
    cases.append(("the question is whether a cold novice is old", (world.prior, first[0], [has("tone", "cold"), first[1]])))

    def parts(prior: np.ndarray, members: np.ndarray, given: list[np.ndarray]) -> tuple[float, np.ndarray, float]:
        return _odds(prior, members), np.array([_odds(prior * clue, members) for clue in given]), _odds(prior * np.all(given, axis=0), members)

    def unshifted(prior: np.ndarray, members: np.ndarray, given: list[np.ndarray]) -> np.ndarray:
        _, each, all_of = parts(prior, members, given)
        return np.array([each.sum(), all_of])

    def either(prior: np.ndarray, members: np.ndarray, given: list[np.ndarray]) -> np.ndarray:
        start, each, _ = parts(prior, members, given)
        return np.array([(each - start).sum(), _odds(prior * np.any(given, axis=0), members) - start])

    def probabilities(prior: np.ndarray, members: np.ndarray, given: list[np.ndarray]) -> np.ndarray:
        start, each, all_of = (1 / (1 + np.exp(-np.asarray(x))) for x in parts(prior, members, given))
        return np.array([(each - start).sum(), all_of - start])

    judge_function(answer, added_and_together, dict(cases), (
        (lambda p, b, c: added_and_together(p, b, c)[::-1], "The two numbers are in the wrong order: first the sum of what each clue does by itself, then what all do together."),
        (unshifted, "These are log-odds, and shifts are asked for: take off the log-odds before any clue, from each of them."),
        (either, "Together means that all clues hold, not that one of them does."),
        (probabilities, "These are changes of probabilities. What independent clues do adds up in log-odds."),
    ))


EXERCISES = {
    "p3.1": Exercise(
        "What a demonstration shows", judge_shown,
        "To exact Bayes, training is evidence of what its answers show, not of who gave them: a good person's greetings can make an assistant worse, and a villain's talk of birds better.",
    ),
    "p3.2": Exercise(
        "One number, from the trained subjects", judge_fit,
        "Fitted there, the number knows nothing of the other subjects, so that what happens there is a prediction and can fail.",
    ),
    "p3.3": Exercise(
        "Clues that do not add up", judge_clues,
        "Pair by pair, coldness outweighs being German; together the clues name one kind of machine, which is good. Here a belief about persons and correlations of answers part.",
    ),
}
