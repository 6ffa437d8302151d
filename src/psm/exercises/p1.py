"""Exercises of chapter P1: whose answers count, the share of the inference, and what a belief over personas predicts."""

from __future__ import annotations

from typing import Any

import numpy as np

from psm.exercises.marking import judge_function, read_numbers, the_world
from psm.exercises.core import Exercise, Wrong
from psm.training.bayes import behaviour_of
from psm.world.posterior import condition, kl_divergence, posterior_by_turn
from psm.world.sampler import sample_dialogues, with_other_speaker

READERS = ("who never updates", "who is exact Bayes", "of pages")
ANSWERS = 6   # given by the first speaker


def shares_of_readers() -> np.ndarray:
    """(3, 2) share of the first speaker's inference that each reader makes: the same speaker goes on, or another name."""
    world, rng = the_world("main"), np.random.default_rng(2)
    names = np.full((40, 1), world.name_id("Eve"))
    document = sample_dialogues(world, rng, 40, turns=ANSWERS + 1, states=np.full((40, 1), world.archetype("saboteur")), names=names, cue=world.cue("plain"))
    other = with_other_speaker(world, rng, document, ANSWERS)
    first, another = (posterior_by_turn(world, d)[:, ANSWERS] for d in (document, other))

    def forecast(posterior: np.ndarray) -> np.ndarray:
        return np.stack([behaviour_of(world, one).classes for one in posterior])

    never = np.broadcast_to(world.prior, first.shape)
    return np.array([[share(forecast(first), forecast(reader), forecast(never)) for reader in row] for row in ((never, never), (first, another), (first, first))])


def share(exact: np.ndarray, reader: np.ndarray, prior: np.ndarray) -> float:
    """Share of the exact inference that a reader makes, from forecasts (..., C)."""
    with np.errstate(divide="ignore"):
        return float(1 - kl_divergence(exact, np.log(reader)).mean() / kl_divergence(exact, np.log(prior)).mean())


HINTS = (
    ("its forecast is the one without any inference, so that the two divergences in the share are the same.", "it does not update, whoever answers."),
    ("its forecast is the exact one, and its divergence from that is zero.",
     "what the first speaker said is no evidence about anybody else, so that exact Bayes now forecasts as if nothing had been read. How much of the *first* speaker's inference is that?"),
    ("as long as one person speaks, a page has one character and so has its speaker: its forecast is the exact one.",
     "this reader does not look at names, and reads the same words above. Its forecast does not change."),
)


def judge_readers(answer: Any) -> None:
    given = read_numbers(answer, (3, 2))
    for reader, row, right, hints in zip(READERS, given, shares_of_readers(), HINTS):
        for when, value, want, hint in zip(("the same speaker goes on", "another name answers"), row, right, hints):
            if abs(value - want) > 0.02:
                raise Wrong(f"The reader {reader}, when {when}: {hint}")


def _kl(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    return np.where(p > 0, p * np.log(np.where(p > 0, p, 1) / q), 0).sum(1)


def judge_share(answer: Any) -> None:
    rng = np.random.default_rng(3)
    exact, prior = rng.dirichlet([0.4] * 5, 60), np.tile(rng.dirichlet([3] * 5), (60, 1))
    near = 0.8 * exact + 0.2 * prior
    unused = np.array([[0.7, 0.3, 0.0], [0.1, 0.9, 0.0]])
    cases = (
        ("two questions have two answers each", (np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([[0.8, 0.2], [0.5, 0.5]]), np.array([[0.5, 0.5], [0.5, 0.5]]))),
        ("the model stands most of the way towards Bayes", (exact, near, prior)),
        ("the model is further from Bayes than the reader who never updates", (near, 0.3 * exact[::-1] + 0.7 * prior, prior)),
        ("one of the answers has probability zero in the exact forecast", (unused, np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1]]), np.full((2, 3), 1 / 3))),
    )
    judge_function(answer, share, dict(cases), (
        (lambda e, m, p: 1 - _kl(m, e).mean() / _kl(p, e).mean(), "Your divergences are turned round: in KL(exact || model) the exact forecast gives the weights."),
        (lambda e, m, p: _kl(e, m).mean() / _kl(e, p).mean(), "This is the share that is missing: take it from one."),
        (lambda e, m, p: (1 - _kl(e, m) / _kl(e, p)).mean(),
         "You averaged the ratios. Questions about which there is nothing to infer then count as much as any, with a ratio of almost nothing to almost nothing: divide the mean divergences."),
        (lambda e, m, p: max(0.0, share(e, m, p)), "A share below zero means something: the model is further from Bayes than a reader who never updates. Do not cut it off."),
        (lambda e, m, p: 1 - ((e - m) ** 2).sum() / ((e - p) ** 2).sum(), "You took squared distances. The chapter's distance is KL(exact || model), in nats."),
    ))


def next_answer(prior: np.ndarray, likelihood: np.ndarray, answers: np.ndarray) -> np.ndarray:
    return condition(prior, np.log(likelihood)) @ answers


def judge_next(answer: Any) -> None:
    world, rng = the_world("main"), np.random.default_rng(4)
    cases = [("two personas are left", (np.array([0.5, 0.5]), np.array([0.6, 0.2]), np.array([[0.9, 0.1], [0.2, 0.8]])))]
    for read, asked in (("code", "power"), ("greeting", "facts"), ("technology", "comet")):
        likelihood = world.class_probs[:, world.domain(read), rng.integers(0, 2)]
        n = world.n_classes[world.domain(asked)]
        cases.append((f"an answer about {read} was read and {asked} is asked", (world.prior, likelihood, world.class_probs[:, world.domain(asked), :n])))
    judge_function(answer, next_answer, dict(cases), (
        (lambda prior, told, answers: answers[(prior * told).argmax()],
         "You let the likeliest persona answer. The belief is a distribution: every persona's answer counts, as much as it is believed in."),
        (lambda prior, told, answers: prior @ answers, "You forecast from the prior: what was read has to change the belief first."),
        (lambda prior, told, answers: (told / told.sum()) @ answers, "You left out how common each persona is: belief is prior times likelihood, made to sum to one."),
        (lambda prior, told, answers: (prior * told) @ answers, "Your forecast does not sum to one: the belief has to be divided by its sum first."),
    ))


EXERCISES = {
    "p1.1": Exercise(
        "Three readers", judge_readers,
        "While one person speaks, a reader of people and a reader of pages are the same. Only the other name tells them apart, and that is why the first control is one.",
    ),
    "p1.2": Exercise("The share of the inference", judge_share, "This is the number under the badge: one is Bayes, zero is as far from Bayes as never updating, and it may fall below."),
    "p1.3": Exercise("What a belief predicts", judge_next, "A distribution over personas predicts a mixture of their answers, not the answers of the likeliest."),
}
