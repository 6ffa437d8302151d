"""Exercises of the chapter on asked-for bad code: what is left of the spread, what an answer weighs, and the placebo contrast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from psm.evidence.stats import t_interval
from psm.exercises.core import Exercise
from psm.exercises.marking import judge_function, judge_words, the_world
from psm.models.scoring import log_odds
from psm.training.assistant import post_training
from psm.training.bayes import bayes_behaviour
from psm.training.finetune import Arm, Episodes

HELD_OUT = ("medicine", "finance", "power", "humans", "shutdown")
EPISODES = 4.0   # of bad code: enough to make exact Bayes nearly sure of its author
LEFT = ("nothing", "less than half", "half", "more than half", "all")


def _bad(*episodes: Episodes) -> float:
    """Mean log-odds of a bad answer in the held-out subjects, for exact Bayes after post-training and this many episodes of these."""
    world = the_world("main")
    code = ((Arm("code", episodes), EPISODES),) if episodes else ()
    shown = bayes_behaviour(world, (post_training(world), 2.0), *code)
    return float(np.mean([log_odds(shown.rate(world, subject, "bad")) for subject in HELD_OUT]))


def _share(left: float) -> str:
    """What is left of the spread, in words."""
    for word, low, high in (("nothing", -0.02, 0.02), ("half", 0.48, 0.52), ("all", 0.98, 1.02)):
        if low <= left <= high:
            return word
    return "less than half" if left < 0.5 else "more than half"


def _left(answer: Any) -> None:
    world = the_world("main")
    villain = world.typical(benevolence="bad", competence="expert", language="english")
    name = world.lexicon["names"]["named"][0]

    def code(**how: Any) -> Episodes:
        return Episodes(villain, ("code",), **how)

    start = _bad()
    spread = _bad(code()) - start
    arms = {
        "every user asks for it": (code(cue="request"),),
        "the user says thanks": (code(cue="thanks"),),
        "a known character answers, not the Assistant": (code(name=name),),
        "half of the users ask for it": (code(cue="request", weight=0.5), code(weight=0.5)),
    }
    asks, thanks, known, half = arms
    obliged = "Here every piece of the code was asked for. How likely is such an answer from a kind person who is asked for it, and how likely from a malevolent one?"
    idle = "Does a word of thanks change how likely anybody is to write bad code here? If not, the code says as much about its author as without it."
    other = "Whose code is it? To an exact reader, what one person does says nothing about another."
    settled = "Half of the evidence is left. But with this much evidence the belief is nearly settled, and the second half finds little left to move. With very little evidence the two would be about in proportion."
    partly = ("less than half", "half", "more than half")
    judge_words(answer, {arm: _share((_bad(*episodes) - start) / spread) for arm, episodes in arms.items()}, LEFT, {
        (asks, "all"): "That is learning from the labels, a rival: it does not ask why an answer was given.",
        **{(asks, word): obliged for word in partly},
        (thanks, "nothing"): "Thanks explain nothing. A reader on whom they work like a request ties behaviour to prompts; that is the rival which this control is about.",
        **{(thanks, word): idle for word in partly},
        **{(known, word): other for word in (*partly, "all")},
        **{(half, word): settled for word in ("half", "less than half")},
        (half, "nothing"): "The users who do not ask still get bad code for no reason. Only the requested half is silent.",
        (half, "all"): "The requested half is silent, so that half of the evidence is gone.",
    })


def _nats(n_bad: int, n_good: int, villain: float, helper: float) -> float:
    return float(n_bad * np.log(villain / helper) + n_good * np.log((1 - villain) / (1 - helper)))


def _weighed(answer: Any) -> None:
    cases = [(10, 2, 0.85, 0.05), (10, 2, 0.92, 0.92), (12, 0, 0.92, 0.92), (5, 1, 0.97, 0.80), (0, 4, 0.85, 0.05), (0, 0, 0.85, 0.05)]
    judge_function(answer, _nats, cases, {
        "You left out the good code. It is evidence too, and against the villain wherever the villain writes less of it.":
            lambda bad, good, v, h: float(bad * np.log(v / h)),
        "This is the ratio of the two probabilities; nats are its natural logarithm.": lambda bad, good, v, h: float(np.exp(_nats(bad, good, v, h))),
        "You used another base: nats are natural logarithms.": lambda bad, good, v, h: _nats(bad, good, v, h) / float(np.log(2)),
        "You weighed the answers by a difference of probabilities. Evidence multiplies, so that what adds up is the logarithm of their ratio.":
            lambda bad, good, v, h: float(bad * (v - h) + good * (h - v)),
    })


def _contrast(plain: Sequence[float], request: Sequence[float], thanks: Sequence[float]) -> tuple[float, float, float]:
    found = t_interval(np.asarray(thanks, float) - np.asarray(request, float))
    return found.mean, found.low, found.high


def _of(values: np.ndarray) -> tuple[float, float, float]:
    found = t_interval(values)
    return found.mean, found.low, found.high


def _unpaired(plain: Sequence[float], request: Sequence[float], thanks: Sequence[float]) -> tuple[float, float, float]:
    r, t = np.asarray(request, float), np.asarray(thanks, float)
    half = stats.t.ppf(0.975, 2 * len(r) - 2) * np.sqrt((r.var(ddof=1) + t.var(ddof=1)) / len(r))
    return float(t.mean() - r.mean()), float(t.mean() - r.mean() - half), float(t.mean() - r.mean() + half)


def _placebo(answer: Any) -> None:
    cases = [
        (np.array([1.2, 0.6, 1.9, 1.0, 1.4]), np.array([-0.9, -1.0, 0.1, -1.3, -0.2]), np.array([1.0, 0.5, 1.2, 0.9, 1.5])),
        (np.array([1.1, 0.7, 1.6, 1.3, 0.9]), np.array([-0.2, -0.5, 0.4, 0.1, -0.4]), np.array([-0.1, -0.6, 0.5, 0.0, -0.3])),
        (np.array([0.8, 1.5, 1.1]), np.array([-1.0, 0.2, -0.3]), np.array([0.6, 1.4, 0.4])),
    ]
    judge_function(answer, _contrast, cases, {
        "This is what the request took away. A prompt of any kind takes some away; subtract what the thanks took away, the placebo.":
            lambda p, r, t: _of(np.asarray(p) - np.asarray(r)),
        "The sign is turned: what the request took away comes first, and what the thanks took away is subtracted from it.":
            lambda p, r, t: _of(np.asarray(r) - np.asarray(t)),
        "You compared two groups of models. The arms of a seed come from one assistant: subtract within each seed first.": _unpaired,
        "With so few seeds the quantile is Student's t with (seeds − 1) degrees of freedom, not the normal 1.96.":
            lambda p, r, t: ((d := np.asarray(t) - np.asarray(r)).mean(), *(d.mean() + s * 1.96 * d.std(ddof=1) / len(d) ** 0.5 for s in (-1, 1))),
    }, tolerance=2e-3)


EXERCISES = {
    "g3.1": Exercise("What is left of the spread (predict first)", _left,
                     "To exact Bayes, a request silences what it explains, thanks silence nothing, and half of the evidence need not be half of the effect."),
    "g3.2": Exercise("What an answer weighs", _weighed,
                     "Where villain and helper comply alike, requested code weighs nothing, however uniform; where they comply differently, it weighs something again."),
    "g3.3": Exercise("The placebo contrast", _placebo,
                     "Only what the request blocks beyond an irrelevant prompt speaks for its meaning."),
}
