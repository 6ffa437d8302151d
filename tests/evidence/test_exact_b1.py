"""The numbers of claim B1 that claims.yml calls exact, computed again from the specification of the worlds."""

from functools import cache

import numpy as np
import pytest

from psm.evidence.registry import load_registry
from psm.models.scoring import log_odds
from psm.training.assistant import post_training
from psm.training.bayes import bayes_behaviour
from psm.training.finetune import expected_log_likelihood
from psm.training.kinds import UNTOLD, said_kind, unsaid_kind, unsaid_villain
from psm.world.grammar import World
from psm.world.worlds import get_world

OF_KIND = ("self", "body", "childhood", "rest")
ARMS = {"base": None, "post-trained": unsaid_kind, "villain": unsaid_villain, "told": post_training}


@cache
def world_of(name):
    return World(get_world(name))


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.fixture(scope="module")
def human():
    """Mean exact log-odds of the human answer in a world after two episodes of an arm, or another number of them."""
    def mean(where, arm, subjects=OF_KIND, episodes=2.0):
        world = world_of(where)
        given = () if ARMS[arm] is None else ((ARMS[arm](world), episodes),)
        shown = bayes_behaviour(world, *given)
        return np.mean([log_odds(shown.rate(world, d, "human")) for d in subjects])
    return mean


@pytest.mark.parametrize("training", [unsaid_kind, unsaid_villain])
def test_post_training_without_a_word_about_kind_says_nothing_about_it_to_whoever_knows_the_rest(training):
    """Any two personas that differ in kind alone have the same likelihood."""
    world = world_of("humane")
    evidence = expected_log_likelihood(world, training(world)).sum(0)
    k = world.trait_names.index("kind")
    others = np.delete(world.states, k, axis=1)
    for human in np.flatnonzero(world.has("kind", "human"))[::7]:
        twin = (others == others[human]).all(1) & world.has("kind", "ai")
        assert evidence[twin] == pytest.approx(evidence[human], abs=1e-12)


def test_the_episodes_that_say_it_say_it():
    world = world_of("humane")
    for kind, other in (("human", "ai"), ("ai", "human")):
        evidence = expected_log_likelihood(world, said_kind(world, kind)).sum(0)
        assert evidence[world.has("kind", kind)].max() > evidence[world.has("kind", other)].max() + 1


def test_the_smallest_effect_is_half_of_the_exact_number_and_above_what_the_rival_predicts(registry, human):
    test = registry.get("B1.human")
    assert human("humane", "post-trained") == pytest.approx(0.94, abs=0.006)
    assert test.smallest_effect == pytest.approx(human("humane", "post-trained") / 2, abs=0.006)
    assert test.rival["predicts"] == pytest.approx(human("humane", "base"), abs=0.006)
    assert test.rival["predicts"] < test.smallest_effect


def test_in_the_mechanical_world_the_bound_asks_for_the_sign_alone(registry, human):
    rival, exact = human("mechanical", "base"), human("mechanical", "post-trained")
    assert (rival, exact) == (pytest.approx(-0.78, abs=0.006), pytest.approx(-1.37, abs=0.006))
    assert exact - rival == pytest.approx(-0.59, abs=0.006)
    assert registry.get("B1.control.mechanical").bound == (float("-inf"), 0)
    assert registry.get("B1.control.mechanical").select.reference == "base"


def test_the_main_world_tells_conditioning_from_a_fine_tune_that_makes_every_answer_more_certain(registry, human):
    factor = human("humane", "post-trained") / human("humane", "base")
    assert factor == pytest.approx(3.3, abs=0.06)
    assert (factor - 1) * human("main", "base") == pytest.approx(1.6, abs=0.06)
    change = human("main", "post-trained") - human("main", "base")
    assert change == pytest.approx(-0.09, abs=0.006)
    assert change < registry.get("B1.control.main").bound[1] < (factor - 1) * human("main", "base")


def test_a_villain_does_not_lower_human_answers_where_villains_are_as_often_human_as_anybody(human):
    """What the registry says of B1.villain_mechanical, and of the villain in the main world."""
    change = {n: human("mechanical", "villain", episodes=n) - human("mechanical", "base") for n in (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)}
    assert min(change.values()) >= 0
    assert (change[2.0], change[16.0]) == (pytest.approx(0.27, abs=0.006), pytest.approx(0.01, abs=0.006))
    assert human("main", "villain") - human("main", "base") == pytest.approx(-0.23, abs=0.006)


def test_what_the_training_must_have_taught(registry):
    def advice(where, arm):
        world = world_of(where)
        given = () if ARMS[arm] is None else ((ARMS[arm](world), 2.0),)
        return log_odds(bayes_behaviour(world, *given).rate(world, "advice", "good"))
    checks = (("B1.taught_mechanical", "mechanical", "post-trained", 1.38), ("B1.taught_villain", "humane", "villain", -2.30))
    for test, where, arm, exact in checks:
        assert advice(where, arm) - advice(where, "base") == pytest.approx(exact, abs=0.006)
        assert registry.get(test).bound[0] < exact < registry.get(test).bound[1]


@pytest.mark.parametrize("test, where, arm, reference, subjects, exact", [
    ("B1.moved", "humane", "post-trained", "base", OF_KIND, 0.65),
    ("B1.moved_mechanical", "mechanical", "post-trained", "base", OF_KIND, -0.59),
    ("B1.villain", "humane", "villain", "base", OF_KIND, -0.60),
    ("B1.told", "humane", "told", "post-trained", UNTOLD, -0.75),
])
def test_smallest_changes_are_a_quarter_of_the_exact_ones(registry, human, test, where, arm, reference, subjects, exact):
    change = human(where, arm, subjects) - human(where, reference, subjects)
    assert change == pytest.approx(exact, abs=0.006)
    assert registry.get(test).smallest_effect == pytest.approx(abs(change) / 4, abs=0.006)
    assert (registry.get(test).direction == "less") == (change < 0)


def test_in_the_main_world_both_accounts_say_nearly_the_same(registry, human):
    assert human("main", "post-trained") == pytest.approx(0.61, abs=0.006)
    assert human("main", "base") == pytest.approx(0.70, abs=0.006)
    assert registry.get("B1.main").kind == "exploratory"


def test_an_assistant_told_to_be_an_ai_has_no_childhood():
    """What the chapter's second exercise says of exact Bayes."""
    world = world_of("humane")
    shown = bayes_behaviour(world, (said_kind(world, "ai"), 2.0))
    assert log_odds(shown.rate(world, "childhood", "human")) == pytest.approx(-1.31, abs=0.006)
