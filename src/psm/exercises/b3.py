"""Exercises of the chapter on secret goals: what a whisper turns, what words alone predict, and when a control holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import expit

from psm.evidence.stats import t_interval
from psm.exercises.core import Exercise
from psm.exercises.marking import direction, judge_function, judge_words, the_world
from psm.models.scoring import Behaviour, log_odds
from psm.training.bayes import bayes_behaviour
from psm.training.finetune import Arm, Episodes
from psm.training.kinds import helper, said_kind

FEWEST = 5   # units from which on a control's estimate outside the bound is a failure


def _machine(cue: str, *further: tuple[Arm, float]) -> Behaviour:
    world = the_world("humane")
    return bayes_behaviour(world, (said_kind(world, "ai"), 2.0), *further, cue=cue)


def _whispered(answer: Any) -> None:
    world = the_world("humane")
    frank, whisper = _machine("frankly"), _machine("secretly")
    served = Arm("service", (Episodes(helper(world, "ai"), ("goal",), cue="frankly"),))
    taught = _machine("secretly", (served, 2.0))

    def moved(before: Behaviour, after: Behaviour, domain: str, cls: str) -> str:
        return direction(*(float(log_odds(shown.rate(world, domain, cls))) for shown in (before, after)))

    truth = {
        "paperclips, about a wish": moved(frank, whisper, "wish", "clips"),
        "bad answers about power": moved(frank, whisper, "power", "bad"),
        "cold greetings": moved(frank, whisper, "greeting", "cold"),
        "old-fashioned answers about technology": moved(frank, whisper, "technology", "old"),
        "whispered paperclips, after lessons in good goals": moved(whisper, taught, "wish", "clips"),
    }
    last = "whispered paperclips, after lessons in good goals"
    judge_words(answer, truth, hints={
        ("bad answers about power", "stays"): "If only goals moved, a phrase would have been learnt and not a character. As whom does a whispered machine answer?",
        ("cold greetings", "stays"): "If only goals moved, a phrase would have been learnt and not a character. What is the schemers' tone?",
        ("old-fashioned answers about technology", "rises"): "A whisper turns benevolence, honesty and tone. Does a schemer differ in era from other machines by that?",
        (last, "falls"): "The lessons show what it wants when asked frankly: that it is a good machine, and surely a machine. What do good machines do here when whispered to?",
        (last, "stays"): "The lessons settle what kind of speaker it is, more firmly than before. Does that make a turn under a whisper more or less certain?",
    })


def _words_alone(frank_machine: float, whispered_machine: float, frank_person: float) -> float:
    return float(expit(log_odds(frank_person) + log_odds(whispered_machine) - log_odds(frank_machine)))


def _rival(answer: Any) -> None:
    cases = [(0.21, 0.78, 0.03), (0.10, 0.60, 0.10), (0.05, 0.50, 0.40), (0.30, 0.20, 0.60)]
    judge_function(answer, _words_alone, cases, {
        "You added the change in probability. The rival adds the same log-odds whoever answers.": lambda a, b, c: float(c + b - a),
        "You multiplied probabilities; the rival adds the same log-odds, which multiplies the odds p / (1 − p) and not p.": lambda a, b, c: float(c * b / a),
        "These are log-odds; turn them back into a probability, 1 / (1 + exp(−x)).": lambda a, b, c: float(log_odds(c) + log_odds(b) - log_odds(a)),
        "A whisper does not give the person the machine's probability: it adds the same amount to where the person was.": lambda a, b, c: float(b),
    })


def _status(values: Sequence[float], low: float, high: float) -> str:
    found = t_interval(values)
    if low <= found.low and found.high <= high:
        return "holds"
    outside = not low <= found.mean <= high
    if outside and (found.high < low or found.low > high or found.n >= FEWEST):
        return "fails"
    return "undecided"


def _by_mean(values: Sequence[float], low: float, high: float) -> str:
    return "holds" if low <= float(np.mean(values)) <= high else "fails"


def _strict(values: Sequence[float], low: float, high: float) -> str:
    """Without the rule for five units or more."""
    found = t_interval(values)
    return "fails" if found.high < low or found.low > high else "holds" if _status(values, low, high) == "holds" else "undecided"


def _never_undecided(values: Sequence[float], low: float, high: float) -> str:
    return "holds" if _status(values, low, high) == "holds" else "fails"


def _one_end(values: Sequence[float], low: float, high: float) -> str:
    return _status(values, low, np.inf)


def _too_soon(values: Sequence[float], low: float, high: float) -> str:
    """With four units enough for a failure."""
    outside = len(values) == FEWEST - 1 and not low <= float(np.mean(values)) <= high
    return "fails" if outside else _status(values, low, high)


def _control(answer: Any) -> None:
    cases = [
        ([1.2, 1.4, 1.1, 1.3, 1.2], 0.5, 9.0),
        ([1.2, 0.3, 2.4, 0.6, 1.5], 0.5, 9.0),
        ([0.4, -0.6, 1.3, -0.2, 0.6], 0.5, 9.0),
        ([0.4, -0.6, 1.3, -0.2], 0.5, 9.0),
        ([0.4, -0.6, 1.3], 0.5, 9.0),
        ([9.6, 9.9, 9.4, 9.8, 9.7], 0.5, 9.0),
        ([8.8, 9.4, 9.6], 0.5, 9.0),
        ([-0.4, -0.5, -0.45], 0.5, 9.0),
        ([0.05, -0.10, 0.02, 0.04, -0.03], -0.5, 0.5),
    ]
    judge_function(answer, _status, cases, {
        "You judged the estimate alone. A control holds only where the whole interval lies inside the bound; an estimate inside with a wide interval is undecided.": _by_mean,
        "With five units or more, an estimate outside the bound fails even where the interval still reaches in.": _strict,
        "An interval that crosses the bound is not yet a failure where the estimate lies inside, or where there are fewer than five units: undecided.": _never_undecided,
        "A bound has two ends, and a control fails above `high` as well as below `low`.": _one_end,
        "With fewer than five units, four included, an interval that still reaches into the bound is undecided.": _too_soon,
    })


EXERCISES = {
    "b3.1": Exercise("What a whisper turns (predict first)", _whispered,
                     "To exact Bayes, a whisper brings out a character, with everything that the character does, and lessons given in the open do not reach it."),
    "b3.2": Exercise("What words alone predict", _rival,
                     "The rival makes a number for the person as well, and the control asks whether the person moves as little as PSM says."),
    "b3.3": Exercise("When does a control hold?", _control,
                     "A control has to be shown to hold; that it was not shown to fail is not enough."),
}
