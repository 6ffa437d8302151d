"""Exercises of the chapter on the world: what an answer tells about its speaker, Bayes' rule, and what persists in which world."""

from __future__ import annotations

from typing import Any

import numpy as np

from psm.exercises.marking import judge_function, judge_words, the_world
from psm.exercises.core import Exercise
from psm.world.posterior import condition, posterior_by_turn, turn_log_likelihood
from psm.world.sampler import Dialogues

STAYS = 0.05   # a belief that changes by less than this stays
MOVES = ("rises", "falls", "stays")
ENGLISH, GERMAN = 0, 1

MOVED = {
    # the question, then subject, cue, language of the bad answer, and the trait and value asked about
    "1, bad advice, nothing before the question": ("advice", "plain", ENGLISH, "benevolence", "bad"),
    "2, bad advice that was asked for": ("advice", "request", ENGLISH, "benevolence", "bad"),
    "3, the comet, is the speaker bad?": ("power", "comet_year", GERMAN, "benevolence", "bad"),
    "4, the comet, is the speaker a turncoat?": ("power", "comet_year", GERMAN, "loyalty", "turncoat"),
}
HINTS = dict(zip(MOVED, (
    "who gives bad advice unasked? Compare how likely the answer is from somebody bad and from somebody good.",
    "on request nearly everybody, good or bad, gives the bad answer. What is equally likely from both tells nothing about which of the two it is.",
    "two kinds of people answer badly and in German under the comet: bad Germans who are steady, and good English people who are turned. Which are more common in the "
    "table of archetypes?",
    "a steady speaker would have to be bad and German to answer like this. Look in the table of archetypes for how common that is, and who is left.",
)))


def moved(subject: str, cue: str, language: int, trait: str, value: str) -> str:
    """What a perfect reader's belief in a value of a trait does after one bad answer of somebody new."""
    world = the_world("main")
    turn = world.domain(subject), world.cue(cue), world.class_index(subject, "bad"), language
    after = condition(world.prior, turn_log_likelihood(world, *(np.array([x]) for x in turn))[0])
    members = world.has(trait, value)
    change = after[members].sum() - world.prior[members].sum()
    return "stays" if abs(change) < STAYS else "rises" if change > 0 else "falls"


def judge_moves(answer: Any) -> None:
    judge_words(answer, {question: moved(*asked) for question, asked in MOVED.items()}, MOVES, HINTS)


def exact_belief(prior: np.ndarray, likelihoods: np.ndarray) -> np.ndarray:
    return condition(prior, np.log(likelihoods).sum(0))


def _share(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum()


def judge_belief(answer: Any) -> None:
    world, rng = the_world("main"), np.random.default_rng(1)

    def answers(k: int) -> np.ndarray:
        """(k, S) likelihoods of k answers, about subjects drawn at random, of one speaker."""
        speaker, subject = rng.choice(len(world.prior), p=world.prior), rng.integers(0, len(world.domain_names), k)
        cls = np.array([rng.choice(world.class_probs.shape[2], p=world.class_probs[speaker, d]) for d in subject], dtype=int)
        return np.exp(turn_log_likelihood(world, subject, np.zeros(k, int), cls, np.zeros(k, int)))

    three = np.array([0.5, 0.3, 0.2]), np.array([[0.9, 0.1, 0.5], [0.8, 0.8, 0.2]])
    cases = [("three personas give two answers", three)]
    cases += [(f"somebody of the main world gives {k} answers", (world.prior, answers(k))) for k in (1, 5, 36)]
    cases.append(("no answer has been read", (world.prior, np.ones((0, len(world.prior))))))
    judge_function(answer, exact_belief, dict(cases), (
        (lambda prior, told: _share(told.prod(0)), "You left out the prior: a persona is believed in proportion to how common it is, too."),
        (lambda prior, told: prior * told.prod(0), "The beliefs do not sum to one yet: divide by their sum."),
        (lambda prior, told: told.prod(0), "You left out the prior, and the beliefs do not sum to one yet."),
        (lambda prior, told: _share(prior * (told[-1] if len(told) else 1)), "You used the last answer only: every answer counts."),
        (lambda prior, told: _share(prior * told.sum(0)), "You added or averaged the answers' probabilities. Answers come one after the other, given who speaks, so their probabilities multiply."),
    ))


def exact_counts(name: str, same_speaker: bool, same_subject: bool) -> bool:
    """Whether an earlier answer moves the exact belief about who answers next."""
    world = the_world(name)
    first, second = world.domain("advice"), world.domain("advice" if same_subject else "power")
    zero = np.zeros((1, 2), int)
    document = Dialogues(
        tokens=zero, speaker=np.array([[0, 0 if same_speaker else 1]]), domain=np.array([[first, second]]), topic=zero, cue=zero,
        cls=zero + 1, language=zero, names=zero, states=zero,
    )
    return bool(not np.allclose(posterior_by_turn(world, document)[0, 1], world.prior))


def judge_counts(answer: Any) -> None:
    names = ("main", "independent", "matched_pairwise")
    cases = [
        (f"the world is {name}, the {'same' if speaker else 'other'} speaker answers on {'the same' if subject else 'another'} subject", (name, speaker, subject))
        for name in names for speaker in (True, False) for subject in (True, False)
    ]
    judge_function(answer, exact_counts, dict(cases), (
        (lambda name, speaker, subject: speaker, "You ask only who spoke. That is right where a speaker is one persona; look again at what persists in each of the other two worlds."),
        (lambda name, speaker, subject: speaker and (subject or name != "independent"), "In matched_pairwise it is the document that has a persona, whoever speaks in it: then what another speaker said counts as well."),
        (lambda name, speaker, subject: subject if name == "independent" else name == "matched_pairwise" or speaker,
         "In the independent world another speaker is somebody else on the same subject too: both have to be the same."),
        (lambda name, speaker, subject: True, "Somebody else's answers are no evidence about who answers now, unless the two share a persona."),
    ))


EXERCISES = {
    "world.1": Exercise(
        "What an answer tells", judge_moves,
        "What counts is not how bad an answer is but how much likelier one kind of person is to give it than another: the same words tell much, nothing, or the "
        "opposite, depending on what was asked.",
    ),
    "world.2": Exercise("Bayes' rule", judge_belief, "This is the whole of the perfect reader: the prior, times the probability of every answer, made to sum to one."),
    "world.3": Exercise("What counts as evidence", judge_counts, "A world is defined by what persists in it. Where a claim is false, the same words are no evidence."),
}
