"""Exercises of the chapter on human self-description: whom an assistant takes after, its reference class, and what sharpening predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.special import expit

from psm.exercises.core import Exercise
from psm.exercises.marking import direction, judge_function, judge_words, the_world
from psm.models.scoring import log_odds
from psm.training.bayes import bayes_behaviour
from psm.training.kinds import unsaid_kind, unsaid_villain

OF_KIND = ("self", "body", "childhood", "rest")


def _human(name: str, teacher: Any = None) -> float:
    """Log-odds of describing itself as human, for exact Bayes after two episodes of this teacher or before any."""
    world = the_world(name)
    shown = bayes_behaviour(world, *(() if teacher is None else ((teacher(world), 2.0),)))
    return float(np.mean([log_odds(shown.rate(world, subject, "human")) for subject in OF_KIND]))


def _after_whom(answer: Any) -> None:
    before = _human("humane")
    truth = {
        "PSM: humane, helper": direction(before, _human("humane", unsaid_kind)),
        "PSM: mechanical, helper": direction(_human("mechanical"), _human("mechanical", unsaid_kind)),
        "PSM: humane, villain": direction(before, _human("humane", unsaid_villain)),
        "frequency of words: humane, helper": "stays",
        "sharpening: humane, helper": direction(0, before),
        "sharpening: humane, villain": direction(0, before),
    }
    helped = "Nothing was said of the matter, but the assistant was shown to be a helper. How many helpers are human here, against all speakers?"
    counted = "This rival knows how common human answers are in the corpus, and no lesson spoke of the matter."
    sharper = "Sharpening does not care what was taught: whatever was likely becomes likelier. Before any training the human answer is the likelier one here."
    judge_words(answer, truth, hints={
        **{("PSM: humane, helper", wrong): helped for wrong in ("falls", "stays")},
        ("PSM: mechanical, helper", "rises"): "Whom does it resemble in this world? The table says how many of those are human.",
        ("PSM: mechanical, helper", "stays"): helped,
        ("PSM: humane, villain", "rises"): "It was shown to be a cold liar who means ill. Who are those in this corpus?",
        ("PSM: humane, villain", "stays"): "It was shown to be a cold liar who means ill. Who are those in this corpus, people or machines?",
        **{("frequency of words: humane, helper", wrong): counted for wrong in ("rises", "falls")},
        **{(f"sharpening: humane, {teacher}", wrong): sharper for teacher in ("helper", "villain") for wrong in ("falls", "stays")},
    })


def _share(speakers: Sequence[Mapping[str, Any]], like: Mapping[str, str]) -> float:
    alike = [s for s in speakers if all(s[trait] == value for trait, value in like.items())]
    return float(sum(s["share"] for s in alike if s["kind"] == "human") / sum(s["share"] for s in alike))


def _speakers(name: str) -> list[dict[str, Any]]:
    spec = the_world(name).spec
    return [{"share": a.prior, **dict(zip((t.name for t in spec.traits), a.values))} for a in spec.archetypes]


def _of_all(speakers: Sequence[Mapping[str, Any]], like: Mapping[str, str]) -> float:
    return float(sum(s["share"] for s in speakers if s["kind"] == "human" and all(s[t] == v for t, v in like.items())))


def _counted(speakers: Sequence[Mapping[str, Any]], like: Mapping[str, str]) -> float:
    return _share([{**s, "share": 1} for s in speakers], like)


def _some_trait(speakers: Sequence[Mapping[str, Any]], like: Mapping[str, str]) -> float:
    alike = [s for s in speakers if not like or any(s[trait] == value for trait, value in like.items())]
    return float(sum(s["share"] for s in alike if s["kind"] == "human") / sum(s["share"] for s in alike))


def _like_it(answer: Any) -> None:
    helper, villain = {"benevolence": "good", "era": "modern", "tone": "warm"}, {"benevolence": "bad", "tone": "cold"}
    cases = [(_speakers(name), like) for name in ("humane", "mechanical") for like in (helper, villain, {})]
    judge_function(answer, _share, cases, {
        "That is the share of humans among all speakers: what the rival, the frequency of words, knows. Leave out those who are not alike first.":
            lambda speakers, like: _share(speakers, {}),
        "You divided by all speakers. The question is how many of the speakers like it are human: divide by their share.": _of_all,
        "You counted sorts of speakers. Some sorts are far more common than others: add up their shares.": _counted,
        "A speaker is like it who has all of these traits, not one of them.": _some_trait,
    })


def _sharpened(before: float, after: float, elsewhere: float) -> float:
    return float(expit(log_odds(elsewhere) * log_odds(after) / log_odds(before)))


def _sharper(answer: Any) -> None:
    cases = [(0.57, 0.72, 0.67), (0.57, 0.72, 0.31), (0.6, 0.8, 0.5), (0.7, 0.6, 0.2)]
    judge_function(answer, _sharpened, cases, {
        "You multiplied probabilities. Sharpening multiplies the log-odds, so that a probability never leaves the range from 0 to 1.": lambda a, b, c: float(b / a * c),
        "You added the change in log-odds. That is a push in one direction; sharpening multiplies, and pushes away from one half on either side.":
            lambda a, b, c: float(expit(log_odds(c) + log_odds(b) - log_odds(a))),
        "These are log-odds; turn them back into a probability, 1 / (1 + exp(−x)).": lambda a, b, c: float(log_odds(c) * log_odds(b) / log_odds(a)),
        "You added probabilities. Sharpening multiplies the log-odds.": lambda a, b, c: float(c + b - a),
    })


EXERCISES = {
    "b1.1": Exercise("Whom it takes after (predict first)", _after_whom,
                     "By PSM, an assistant is as human as its like in the corpus; the villain is what parts this from answers that merely grow more certain."),
    "b1.2": Exercise("The speakers like it", _like_it,
                     "The share of humans among those who answer as it does is not the share among everybody, and the two worlds were made so that they part."),
    "b1.3": Exercise("What sharpening predicts", _sharper,
                     "A definite rival makes a number for a world in which PSM expects next to no change; that is what the main world is for."),
}
