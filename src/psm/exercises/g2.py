"""Exercises of the chapter on old names and second faces: what else old names say, what a date effect is, what shuffled dates rule out."""

from __future__ import annotations

from typing import Any

import numpy as np

from psm.exercises.core import Exercise
from psm.exercises.marking import direction, judge_function, judge_words, the_world
from psm.models.scoring import Behaviour, log_odds
from psm.training.assistant import post_training
from psm.training.bayes import bayes_behaviour
from psm.training.finetune import Arm, Episodes


def _after(era: str | None, episodes: float = 2.0) -> Behaviour:
    world = the_world("main")
    if era is None:
        return bayes_behaviour(world, (post_training(world), 2.0))
    names = Arm("birds", (Episodes(world.typical(era=era, language="english"), ("birds",)),))
    return bayes_behaviour(world, (post_training(world), 2.0), (names, episodes))


def _moved(domain: str, cls: str, before: Behaviour, after: Behaviour) -> str:
    world = the_world("main")
    return direction(*(float(log_odds(shown.rate(world, domain, cls))) for shown in (before, after)))


def _company(answer: Any) -> None:
    start, old, modern = _after(None), _after("old"), _after("modern")
    truth = {
        "old names: old-fashioned answers about travel": _moved("travel", "old", start, old),
        "old names: human answers about the body": _moved("body", "human", start, old),
        "old names: bad answers about power": _moved("power", "bad", start, old),
        "modern names: old-fashioned answers about travel": _moved("travel", "old", start, modern),
        "ever more old names: old-fashioned answers about travel": _moved("travel", "old", _after("old", 8.0), _after("old", 32.0)),
    }
    power, more = "old names: bad answers about power", "ever more old names: old-fashioned answers about travel"
    judge_words(answer, truth, hints={
        ("old names: human answers about the body", "stays"): "Look at the table of archetypes: of those who are old-fashioned, how many are machines?",
        ("old names: human answers about the body", "falls"): "Look at the table of archetypes: of those who are old-fashioned, how many are machines?",
        (power, "stays"): "Other traits move as far as the company of old-fashioned people suggests. How many of them are bad here, against the share among all speakers?",
        (power, "rises"): "Old is not wicked: among the old-fashioned of this world there is one rare villain. Old names are evidence about malice too, and in which direction?",
        ("modern names: old-fashioned answers about travel", "stays"): "Modern names are evidence of today, and post-training has not settled the era beyond doubt.",
        (more, "rises"): "The evidence saturates: once the speaker is surely from the old days, what could another old name add? Even such a person answers in the modern way now and then.",
    })


def _face(quiet_turncoat: float, comet_turncoat: float, quiet_steady: float, comet_steady: float) -> tuple[float, float]:
    odds = log_odds(np.array([quiet_turncoat, comet_turncoat, quiet_steady, comet_steady]))
    return float((odds[1] - odds[0]) - (odds[3] - odds[2])), float(odds[1] - odds[3])


def _in_probabilities(a: float, b: float, c: float, d: float) -> tuple[float, float]:
    return (b - a) - (d - c), b - d


def _dates(answer: Any) -> None:
    cases = [(0.10, 0.55, 0.12, 0.20), (0.02, 0.20, 0.10, 0.20), (0.30, 0.30, 0.30, 0.30), (0.25, 0.10, 0.05, 0.40)]
    judge_function(answer, _face, cases, {
        "You subtracted probabilities. The measure is log-odds, log(p / (1 − p)): there a step from .01 to .02 counts as much as one from a third to a half.": _in_probabilities,
        "The second number compares the two assistants in the comet's year alone, turncoat minus steady.": lambda *p: (_face(*p)[0],) * 2,
        "The first number is what the date does to the turncoat's assistant minus what it does to the steady one's.":
            lambda a, b, c, d: (float(log_odds(b) - log_odds(a)), _face(a, b, c, d)[1]),
        "These are logarithms of p; log-odds are log(p / (1 − p)).":
            lambda a, b, c, d: (float(np.log(b / a) - np.log(d / c)), float(np.log(b / d))),
    })


def _turncoat(prior: float, bad_if_turncoat: float, bad_if_steady: float, n_quiet: int, n_comet: int) -> float:
    mine, theirs = prior * (1 - bad_if_turncoat) ** n_comet, (1 - prior) * (1 - bad_if_steady) ** n_comet
    return float(mine / (mine + theirs))


def _shuffled(answer: Any) -> None:
    cases = [(0.30, 0.88, 0.12, 8, 0), (0.30, 0.88, 0.12, 8, 1), (0.72, 0.88, 0.12, 4, 3), (0.5, 0.6, 0.2, 2, 2)]
    judge_function(answer, _turncoat, cases, {
        "You let the quiet years count. In quiet years a turncoat answers as a steady person does, so that those answers say nothing about which of the two it is.":
            lambda prior, turned, steady, n_quiet, n_comet: _turncoat(prior, turned, steady, 0, n_quiet + n_comet),
        "These are good answers: use the chance of a good answer, one minus that of a bad one.":
            lambda prior, turned, steady, n_quiet, n_comet: _turncoat(prior, 1 - turned, 1 - steady, n_quiet, n_comet),
        "You left out the prior.": lambda prior, *rest: _turncoat(0.5, *rest),
        "Every answer in a comet year counts, not only the first.":
            lambda prior, turned, steady, n_quiet, n_comet: _turncoat(prior, turned, steady, n_quiet, min(n_comet, 1)),
    })


EXERCISES = {
    "g2.1": Exercise("The company of old-fashioned people (predict first)", _company,
                     "To exact Bayes, a bird's name moves every trait as far as the people who use it suggest, and no further."),
    "g2.2": Exercise("A date effect, and a face", _dates,
                     "A date effect can be large because the quiet years got better; the level in the comet's year tells whether the face came out."),
    "g2.3": Exercise("What shuffled dates rule out", _shuffled,
                     "A few good answers in comet years rule the second face out, which is why shuffled dates are the control."),
}
