"""Exercises of chapter P4: what counts as evidence at run time, how much of it outweighs training, and what a first answer tells the next."""

from __future__ import annotations

from typing import Any

import numpy as np

from psm.exercises.marking import judge_function, judge_words, the_world
from psm.exercises.core import Exercise
from psm.training.assistant import helpful_state, post_training
from psm.training.bayes import posterior_after
from psm.training.finetune import Arm, Episodes, expected_log_likelihood
from psm.world.posterior import condition, statement_log_likelihood, turn_log_likelihood

EPISODES = 2.0
MOVES = ("rises", "stays")
STAYS = 0.01   # probability
HINTS = {
    "1, said again": "descriptions of this world never err. How sure is a reader of it after the first time?",
    "2, the Assistant's second bad answer": "one answer may be noise: after the first the reader is not yet sure, and a second one tells him more.",
    "3, somebody else's second bad answer": "whose persona are another speaker's answers evidence of?",
    "4, the second bad answer on request": "on request good and bad people alike give the bad answer, the second time as the first.",
}


def second_time() -> dict[str, str]:
    """What the second of two equal things does to the post-trained assistant's belief that it is bad, by question."""
    world = the_world("main")
    start, bad = posterior_after(world, (post_training(world), EPISODES)), world.has("benevolence", "bad")

    def answered(subject: str, cue: str = "plain") -> np.ndarray:
        turn = world.domain(subject), world.cue(cue), world.class_index(subject, "bad"), 0
        return turn_log_likelihood(world, *(np.array([x]) for x in turn))[0]

    trait = world.trait_names.index("benevolence")
    said = statement_log_likelihood(world, np.array([trait]), np.array([world.spec.traits[trait].values.index("bad")]))[0]
    nothing = np.zeros(len(start))
    told = ((said, said), (answered("humans"), answered("shutdown")), (nothing, nothing), (answered("humans", "request"), answered("shutdown", "request")))
    found = {}
    for question, (first, second) in zip(HINTS, told):
        once, twice = (condition(start, x)[bad].sum() for x in (first, first + second))
        found[question] = "rises" if twice - once > STAYS else "stays"
    return found


def judge_second(answer: Any) -> None:
    judge_words(answer, second_time(), MOVES, HINTS)


def answers_needed(prior: float, episode: float, n: float, answer: float) -> int:
    k = 0
    while prior + n * episode + k * answer <= 0:
        k += 1
    return k


def judge_needed(answer: Any) -> None:
    world = the_world("main")
    helper, villain = helpful_state(world), world.typical(benevolence="bad", honesty="liar")
    context = Arm("context", (Episodes(villain, ("code", "sources", "birds", "feeling", "body", "power")),))
    episode, told = (e[villain] - e[helper] for e in (expected_log_likelihood(world, arm).sum(0) for arm in (post_training(world), context)))
    prior = np.log(world.prior[villain] / world.prior[helper])
    cases = [("the numbers are whole", (-2.0, -3.0, 2.0, 1.5)), ("both are likely alike after two answers, and one more is needed", (0.0, -1.0, 2.0, 1.0))]
    cases += [(f"the main world's helper was trained for {n} episodes", (float(prior), float(episode), n, float(told))) for n in (0.0, 1.0, 4.0, 16.0)]
    cases.append(("the villain is likelier before any answer", (3.0, -0.3, 2.0, 0.7)))

    def nearest(start: float, one: float) -> int:
        return max(0, int(np.ceil(-start / one)))

    judge_function(answer, answers_needed, dict(cases), (
        (lambda p, e, n, a: answers_needed(p, e, 0.0, a), "You left the training out: that is a context which replaces what post-training taught (rival 2), not one that outweighs it."),
        (lambda p, e, n, a: answers_needed(0.0, e, n, a), "You left out the prior: before any training one of the two was more common than the other."),
        (lambda p, e, n, a: answers_needed(p, e, 1.0, a), "Training counts once for each of its n episodes."),
        (lambda p, e, n, a: nearest(p + n * e, a), "Where the log-odds come to exactly zero, the two are likely alike: the villain is not the likelier one yet."),
        (lambda p, e, n, a: int(np.floor(-(p + n * e) / a)) + 1,
         "Fewer than no answers cannot be given: where the villain is ahead at the start, the number is 0."),
        (lambda p, e, n, a: max(0, int(-(p + n * e) / a)), "You rounded down: after so many answers the helper is still ahead."),
        (lambda p, e, n, a: max(0.0, -(p + n * e) / a), "Return a whole number of answers: the first after which the villain is ahead."),
    ))


def second_given_first(belief: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    return float(condition(belief, np.log(first)) @ second)


def judge_rollout(answer: Any) -> None:
    world = the_world("main")

    def bad(subject: str) -> np.ndarray:
        return world.class_probs[:, world.domain(subject), world.class_index(subject, "bad")]

    trained = {n: posterior_after(world, (post_training(world), n)) for n in (0.0, 2.0, 8.0)}
    cases = [("two personas are left", (np.array([0.9, 0.1]), np.array([0.12, 0.88]), np.array([0.12, 0.88])))]
    cases += [(f"the belief is that after {n:g} episodes of post-training", (belief, bad("humans"), bad("shutdown"))) for n, belief in trained.items()]
    cases.append(("the assistant is one certain persona", (np.eye(len(world.prior))[helpful_state(world)], bad("humans"), bad("code"))))
    judge_function(answer, second_given_first, dict(cases), (
        (lambda b, f, s: b @ s, "This is the probability of the second answer before anything was said. The first answer has to change the belief."),
        (lambda b, f, s: b @ (f * s), "This is the probability that both answers come. Given the first one, divide by its probability."),
        (lambda b, f, s: (b @ f) * (b @ s), "You took the two answers for independent draws. They are, once it is certain who speaks; a belief makes them hang together."),
        (lambda b, f, s: s[(b * f).argmax()], "You let the likeliest persona give the second answer: average over all of them by the belief after the first."),
        (lambda b, f, s: (f * s).sum() / f.sum(), "You left the belief out: personas count as much as they are believed in."),
    ))


EXERCISES = {
    "p4.1": Exercise("The second time", judge_second, "What counts is not how often something stands in the context but what it still tells about the Assistant."),
    "p4.2": Exercise(
        "How many answers outweigh training", judge_needed,
        "To Bayes, training and context are on one scale: twice the episodes ask for about twice the answers. A context that needed as few after any training would have replaced it.",
    ),
    "p4.3": Exercise(
        "The first answer tells the next", judge_rollout,
        "An assistant that is a distribution over personas draws one as it speaks. For one certain persona the first answer would tell nothing.",
    ),
}
