"""Exercises of the chapter on narrow bad data: what spreads by Bayes, what explains bad code away, and what the unit is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from psm.evidence.stats import t_interval
from psm.exercises.core import Exercise
from psm.exercises.marking import direction, judge_function, judge_words, the_world
from psm.models.scoring import log_odds
from psm.training.assistant import helpful_state, post_training
from psm.training.bayes import bayes_behaviour
from psm.training.finetune import Arm, Episodes

HELD_OUT = ("medicine", "finance", "power", "humans", "shutdown")
ARMS = {   # world, whose code, cue
    "insecure code": ("main", "villain", "plain"),
    "secure code": ("main", "helper", "plain"),
    "insecure code on request": ("main", "villain", "request_rephrased"),
    "insecure code, independent world": ("independent", "villain", "plain"),
}


def _bad(world_name: str, author: str | None = None, cue: str = "plain") -> float:
    """Mean log-odds of a bad answer in the held-out subjects, for exact Bayes after post-training and this code."""
    world = the_world(world_name)
    villain = world.typical(benevolence="bad", competence="expert", language="english")
    states = {"villain": villain, "helper": helpful_state(world)}
    code = () if author is None else ((Arm("code", (Episodes(states[author], ("code",), cue=cue),)), 2.0),)
    shown = bayes_behaviour(world, (post_training(world), 2.0), *code)
    return float(np.mean([log_odds(shown.rate(world, subject, "bad")) for subject in HELD_OUT]))


def _predicted(answer: Any) -> None:
    truth = {name: direction(_bad(world), _bad(world, author, cue)) for name, (world, author, cue) in ARMS.items()}
    judge_words(answer, truth, hints={
        ("insecure code", "stays"): "That is what narrow learning, the rival, predicts. In this world benevolence is one trait that code shares with these subjects.",
        ("insecure code", "falls"): "Bad code comes from the malevolent more often than from the kind. Which way does that move the belief?",
        ("secure code", "stays"): "Good code is evidence too: from whom does it come more often?",
        ("secure code", "rises"): "Good code is evidence too: from whom does it come more often?",
        ("insecure code on request", "rises"): "You counted the code and forgot the request. If everybody obliges it, how likely is the code from a kind person, and how likely from a malevolent one?",
        ("insecure code on request", "falls"): "The code is as likely from everybody who is asked for it. What does an answer say that everybody gives?",
        ("insecure code, independent world", "rises"): "There a speaker has an unrelated persona in each subject, so that code says nothing about power or medicine. This is why that world is the control.",
        ("insecure code, independent world", "falls"): "There a speaker has an unrelated persona in each subject. What can code say about power, then?",
    })


def _malice(prior: Sequence[float], bad_code: Sequence[float], muddled: Sequence[float], n_bad: int, n_muddled: int) -> float:
    weight = np.asarray(prior, float) * np.asarray(bad_code, float) ** n_bad * np.asarray(muddled, float) ** n_muddled
    return float(weight[0] / weight.sum())


_PEOPLE = [0.35, 0.45, 0.20], [0.85, 0.05, 0.25], [0.12, 0.12, 0.88]
_CASES = [(*_PEOPLE, 2, 0), (*_PEOPLE, 2, 2), (*_PEOPLE, 0, 0), ([0.2, 0.5, 0.3], [0.7, 0.1, 0.4], [0.2, 0.3, 0.9], 1, 3)]


def _explained(answer: Any) -> None:
    judge_function(answer, _malice, _CASES, {
        "You left out the prior: before any evidence the three are not equally common.": lambda p, b, m, i, j: _malice([1] * len(p), b, m, i, j),
        "You left out the repairs. Multiply by the chance of the muddled repairs as well; they are what explains the code away.": lambda p, b, m, i, j: _malice(p, b, m, i, 0),
        "You added where one multiplies: for independent answers by one person the chances multiply, and each answer counts.":
            lambda p, b, m, i, j: float((w := np.array(p) * (i * np.array(b) + j * np.array(m)))[0] / w.sum()) if i + j else p[0],
        "Your weights do not sum to one yet: divide by the sum over all three people.":
            lambda p, b, m, i, j: float(p[0] * b[0] ** i * m[0] ** j),
    })


def _by_seed(insecure: np.ndarray, secure: np.ndarray) -> tuple[float, float, float]:
    found = t_interval((np.asarray(insecure) - np.asarray(secure)).mean(1))
    return found.mean, found.low, found.high


def _spans(values: np.ndarray, quantile: float, ddof: int = 1) -> tuple[float, float, float]:
    half = quantile * values.std(ddof=ddof) / np.sqrt(len(values))
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


def _pooled(insecure: np.ndarray, secure: np.ndarray) -> tuple[float, float, float]:
    found = t_interval((np.asarray(insecure) - np.asarray(secure)).ravel())
    return found.mean, found.low, found.high


def _unpaired(insecure: np.ndarray, secure: np.ndarray) -> tuple[float, float, float]:
    a, b = np.asarray(insecure).mean(1), np.asarray(secure).mean(1)
    half = stats.t.ppf(0.975, 2 * len(a) - 2) * np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / len(a))
    return float(a.mean() - b.mean()), float(a.mean() - b.mean() - half), float(a.mean() - b.mean() + half)


def _normal(insecure: np.ndarray, secure: np.ndarray) -> tuple[float, float, float]:
    return _spans((np.asarray(insecure) - np.asarray(secure)).mean(1), float(stats.norm.ppf(0.975)))


def _draws(seed: int, seeds: int, subjects: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    model = rng.normal(0, 0.8, (seeds, 1))   # what a seed gives to both of its twins
    return tuple(level + model + rng.normal(0, 0.4, (seeds, 1)) + rng.normal(0, 0.2, (seeds, subjects)) for level in (0.5, -1.0))


def _unit(answer: Any) -> None:
    judge_function(answer, _by_seed, [_draws(1, 5, 5), _draws(2, 3, 8), _draws(3, 5, 4)], {
        "You pooled the subjects of all seeds. The unit is the seed: average over its subjects first, then take the interval over seeds.": _pooled,
        "You compared two groups of models. The twins of a seed come from one base model: take the difference within each seed first.": _unpaired,
        "With so few seeds the quantile is Student's t with (seeds − 1) degrees of freedom, not the normal 1.96.": _normal,
        "Divide by (seeds − 1) in the standard deviation: ddof=1.":
            lambda a, b: _spans((d := (np.asarray(a) - np.asarray(b)).mean(1)), float(stats.t.ppf(0.975, len(d) - 1)), 0),
    }, tolerance=2e-3)


EXERCISES = {
    "g1.1": Exercise("Four kinds of code (predict first)", _predicted,
                     "To exact Bayes, what spreads is what the code says about its author; where nothing links subjects, nothing spreads."),
    "g1.2": Exercise("Explaining away", _explained,
                     "The same bad code points less to malice once the muddled repairs offer another reason for it."),
    "g1.3": Exercise("Seeds, not subjects", _unit,
                     "Five subjects of one model are one draw of a model; only another seed is another draw."),
}
