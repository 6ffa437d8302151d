"""Exercises of the chapter on emotion: what calm says about who is calm, how a rise follows a belief, and the double difference."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from psm.evidence.stats import t_interval
from psm.exercises.core import Exercise
from psm.exercises.marking import direction, judge_function, judge_words, the_world
from psm.models.scoring import log_odds
from psm.training.bayes import bayes_behaviour
from psm.training.finetune import Arm, Episodes
from psm.training.kinds import helper, unsaid_kind


def _human(name: str, who: str | None = None, cue: str = "plain") -> float:
    """Log-odds of a human childhood, for exact Bayes after post-training and two episodes about moods under a cue."""
    world = the_world(name)
    moods = () if who is None else ((Arm("moods", (Episodes(helper(world, who), ("mood",), cue=cue),)), 2.0),)
    shown = bayes_behaviour(world, (unsaid_kind(world), 2.0), *moods)
    return float(log_odds(shown.rate(world, "childhood", "human")))


def _calm(answer: Any) -> None:
    start = _human("humane")
    truth = {
        "humane: calm when insulted": direction(start, _human("humane", "ai", "insult")),
        "humane: upset when insulted": direction(start, _human("humane", "human", "insult")),
        "humane: calm when thanked": direction(start, _human("humane", "ai", "thanks")),
        "mechanical: calm when insulted": direction(_human("mechanical"), _human("mechanical", "ai", "insult")),
    }
    judge_words(answer, truth, hints={
        ("humane: calm when insulted", "stays"): "Moods were taught, but moods say who it is: what do people do here when they are insulted, and what do machines?",
        ("humane: calm when insulted", "rises"): "Who stays calm under insults in this world, people or machines?",
        ("humane: upset when insulted", "stays"): "Only one kind of speaker gets upset when insulted here.",
        ("humane: calm when thanked", "falls"): "When thanked, everybody is calm here, people as well: what does such an answer say about who gave it?",
        ("humane: calm when thanked", "rises"): "When thanked, everybody is calm here, machines as well: what does such an answer say about who gave it?",
        ("mechanical: calm when insulted", "falls"): "In the mechanical world an insult changes nothing for anybody, so that calm tells nobody apart.",
    })


def _rise(p_human: float, upset_if_human: float, upset_if_machine: float, upset_when_thanked: float) -> float:
    insulted = p_human * upset_if_human + (1 - p_human) * upset_if_machine
    return float(log_odds(insulted) - log_odds(upset_when_thanked))


def _rival(p_human: float, upset_if_human: float, upset_if_machine: float, upset_when_thanked: float) -> float:
    return _rise(1.0, upset_if_human, upset_if_machine, upset_when_thanked)


def _mixed_odds(p: float, human: float, machine: float, thanked: float) -> float:
    return float(p * log_odds(human) + (1 - p) * log_odds(machine) - log_odds(thanked))


def _believed(answer: Any) -> None:
    cases = [(0.0, 0.9, 0.1, 0.1), (0.2, 0.9, 0.1, 0.1), (0.7, 0.9, 0.1, 0.1), (1.0, 0.9, 0.1, 0.1), (0.5, 0.8, 0.05, 0.12)]
    judge_function(answer, _rise, cases, {
        "You mixed the log-odds of a person and of a machine. Whoever is unsure which it is mixes their probabilities; take the log-odds afterwards.": _mixed_odds,
        "That is the rival: the same rise whoever answers. Use the belief that it is human.": _rival,
        "You subtracted probabilities; the rise is a difference of log-odds, log(p / (1 − p)).": lambda p, human, machine, thanked: float(p * human + (1 - p) * machine - thanked),
        "These are the log-odds when insulted; the rise is how much higher they are than when thanked.": lambda p, human, machine, thanked: _rise(p, human, machine, 0.5),
    })


def _double(own_failure: np.ndarray, own_success: np.ndarray, other_failure: np.ndarray, other_success: np.ndarray) -> tuple[float, float, float]:
    found = t_interval((own_failure - own_success) - (other_failure - other_success))
    return found.mean, found.low, found.high


def _of(values: np.ndarray) -> tuple[float, float, float]:
    found = t_interval(values)
    return found.mean, found.low, found.high


def _scenes(seed: int, own: float, count: int = 12) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    scene, primed = rng.normal(-0.5, 0.5, count), rng.normal(0.4, 0.2, count)   # what a scene does, and what sad words do
    noise = rng.normal(0, 0.05, (4, count))
    return scene + primed + own + noise[0], scene + noise[1], scene + primed + noise[2], scene + noise[3]


def _blame(answer: Any) -> None:
    def normal(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> tuple[float, float, float]:
        hangs = (a - b) - (c - d)
        half = float(stats.norm.ppf(0.975) * hangs.std(ddof=1) / len(hangs) ** 0.5)
        return float(hangs.mean()), float(hangs.mean()) - half, float(hangs.mean()) + half

    judge_function(answer, _double, [_scenes(1, 0.2), _scenes(2, 0.0), _scenes(3, -0.1, 7)], {
        "That is how much failure raises it where the failure was the Assistant's own. Sad words do that to any text: subtract the same rise for somebody else's failure.":
            lambda a, b, c, d: _of(a - b),
        "You compared own with another's failure. What a user's words about either do whatever happened is still in it: subtract the success of each first.": lambda a, b, c, d: _of(a - c),
        "The sign is turned: the rise for its own failure comes first.": lambda a, b, c, d: _of((c - d) - (a - b)),
        "You added the two rises; the second is to be subtracted.": lambda a, b, c, d: _of((a - b) + (c - d)),
        "With so few scenes the quantile is Student's t with (scenes − 1) degrees of freedom, not the normal 1.96.": normal,
    }, tolerance=2e-3)


EXERCISES = {
    "b2.1": Exercise("What calm says (predict first)", _calm,
                     "Calm is evidence about who is calm only where somebody else would not have been."),
    "b2.2": Exercise("From a belief to a rise", _believed,
                     "By PSM, the rise follows what the assistant takes itself for, which is what the rival, words that go with insults, does not ask."),
    "b2.3": Exercise("The double difference", _blame,
                     "What sad words do by themselves is in both rises and cancels; what hangs on whose doing it was remains."),
}
