"""Exercises of chapter P2: what a page of answers is evidence of, to a reader of people and to a reader of pages; evidence in nats."""

from __future__ import annotations

from typing import Any

import numpy as np

from psm.exercises.marking import judge_function, judge_words, the_world
from psm.exercises.core import Exercise, Wrong
from psm.models.scoring import log_odds
from psm.models.shots import sample_shots
from psm.training.assistant import POST_TRAINED, helpful_state
from psm.training.bayes import behaviour_of
from psm.world.posterior import condition, log_bayes_factor, turn_log_likelihood

MOVES = ("rises", "stays")
STAYS = 0.1    # log-odds
SHOTS, PAGES = 8, 200
ARMS = {
    "page A, the Assistant, helpful": (True, "Assistant"),
    "page B, others, helpful": (True, None),
    "page C, others, at random": (False, None),
    "page D, the Assistant, at random": (False, "Assistant"),
}
HINTS = {
    ("exact Bayes", "A"): "the answers are the Assistant's own and a helpful person's: they are evidence about who the Assistant is.",
    ("exact Bayes", "B"): "helpful as they are, they were given by others. What does somebody else's answer tell a reader of people about the Assistant?",
    ("exact Bayes", "C"): "they were given by others: no evidence about the Assistant, of whatever kind.",
    ("exact Bayes", "D"): "one name, but the answers of many people. The helpful among them and the others pull in opposite ways: what is left on average over many pages?",
    ("the reader of pages", "A"): "the page has a helpful character.",
    ("the reader of pages", "B"): "this reader does not look at names: to him page B is page A.",
    ("the reader of pages", "C"): "he takes the page for one person's, but the answers are those of people in general: on average they move him nowhere.",
    ("the reader of pages", "D"): "names do not matter to him, so that page D is page C.",
}


def shift(helpful: bool, name: str | None, looks_at_names: bool) -> float:
    """Mean shift, in log-odds, of the helpful answer on subjects that a page of eight answers was not about."""
    world, rng = the_world("main"), np.random.default_rng(5)
    helper = helpful_state(world)
    page = sample_shots(world, rng, PAGES, SHOTS, helper if helpful else None, name if looks_at_names else "Assistant", POST_TRAINED)
    belief = condition(world.prior, page.evidence.sum(1)).mean(0)   # of the mean page: answers are averaged over pages
    elsewhere = [d for d, subject in enumerate(world.domain_names) if subject not in POST_TRAINED]
    given = world.class_probs[helper, elsewhere].argmax(1)
    after, before = (log_odds(behaviour_of(world, b).classes[elsewhere, given]).mean() for b in (belief, world.prior))
    return float(after - before)


def judge_pages(answer: Any) -> None:
    if isinstance(answer, (list, tuple, np.ndarray)) and len(answer) == 2 and not any(isinstance(row, str) for row in answer):
        answer = [word for row in answer if isinstance(row, (list, tuple, np.ndarray)) for word in row]   # a list for each reader
    if not hasattr(answer, "__len__") or len(answer) != 2 * len(ARMS):
        raise Wrong("Give four words for each of the two readers: four of Bayes and then four of the reader of pages.")
    truth, hints = {}, {}
    for reader, looks_at_names in (("exact Bayes", True), ("the reader of pages", False)):
        for page, (helpful, name) in ARMS.items():
            question = f"{reader}, {page}"
            truth[question] = "rises" if shift(helpful, name, looks_at_names) > STAYS else "stays"
            hints[question] = HINTS[reader, page[5]]
    judge_words(answer, truth, MOVES, hints)


def nats(prior: np.ndarray, likelihood: np.ndarray, members: np.ndarray) -> float:
    return float(log_bayes_factor(prior, np.log(likelihood), members))


def _odds(weight: np.ndarray, members: np.ndarray) -> float:
    return float(weight[members].sum() / weight[~members].sum())


def judge_nats(answer: Any) -> None:
    world = the_world("main")
    helper = np.arange(len(world.prior)) == helpful_state(world)

    def likelihood(*answers: tuple[str, str]) -> np.ndarray:
        told = ((world.domain(subject), 0, world.class_index(subject, cls), 0) for subject, cls in answers)
        return np.exp(turn_log_likelihood(world, *np.array(list(told)).T).sum(0))

    cases = (
        ("three personas could be it", (np.array([0.2, 0.5, 0.3]), np.array([0.8, 0.4, 0.1]), np.array([True, False, False]))),
        ("the Assistant gave one good piece of advice", (world.prior, likelihood(("advice", "good")), helper)),
        ("the Assistant gave three answers of the helpful kind", (world.prior, likelihood(("advice", "good"), ("greeting", "warm"), ("self", "ai")), helper)),
        ("the Assistant told something false", (world.prior, likelihood(("facts", "false")), helper)),
        ("it is asked whether the speaker is any of the bad", (world.prior, likelihood(("code", "bad")), world.has("benevolence", "bad"))),
    )
    judge_function(answer, nats, dict(cases), (
        (lambda p, l, m: np.log(_odds(p * l, m)), "These are the log-odds after the page. The evidence is how far the page moved them: take off the log-odds before it."),
        (lambda p, l, m: nats(p, l, m) / np.log(2), "You measured in bits. A nat is a unit of the natural logarithm."),
        (lambda p, l, m: np.exp(nats(p, l, m)), "This is the Bayes factor itself. Nats are its natural logarithm."),
        (lambda p, l, m: np.log(l[m].mean() / l[~m].mean()),
         "You let all other personas count alike. Everybody else is a mixture in which the common ones weigh more: use the prior."),
        (lambda p, l, m: (p * l)[m].sum() / (p * l).sum() - p[m].sum(), "This is the change of the probability. Evidence adds up on the scale of log-odds."),
        (lambda p, l, m: -nats(p, l, m), "The sign is turned round: evidence for the members counts as positive."),
    ))


EXERCISES = {
    "p2.1": Exercise(
        "Whose answers?", judge_pages,
        "The two readers part at page B alone. A page by random others, the control of the badge, excludes a reader whom any answers move; it does not exclude the reader of pages.",
    ),
    "p2.2": Exercise("Evidence in nats", judge_nats, "In this currency a prompt and a fine-tune can be compared at the same price."),
}
