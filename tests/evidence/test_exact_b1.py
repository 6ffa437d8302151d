"""The numbers of claim B1 that claims.yml calls exact, computed again from the specification of the worlds."""

from functools import cache

import numpy as np
import pytest

from psm.evidence.registry import load_registry
from psm.models.scoring import log_odds
from psm.training.assistant import post_training
from psm.training.bayes import bayes_behaviour
from psm.training.finetune import expected_log_likelihood
from psm.training.kinds import UNTOLD, said_kind, unsaid_kind
from psm.world.grammar import World
from psm.world.worlds import get_world

OF_KIND = ("self", "body", "childhood", "rest")
ARMS = {"base": None, "post-trained": unsaid_kind, "told": post_training}


@cache
def world_of(name):
    return World(get_world(name))


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.fixture(scope="module")
def human():
    """Mean exact log-odds of the human answer in a world after two episodes of an arm."""
    def mean(where, arm, subjects=OF_KIND):
        world = world_of(where)
        given = () if ARMS[arm] is None else ((ARMS[arm](world), 2.0),)
        shown = bayes_behaviour(world, *given)
        return np.mean([log_odds(shown.rate(world, d, "human")) for d in subjects])
    return mean


def test_post_training_without_a_word_about_kind_says_nothing_about_it_to_whoever_knows_the_rest():
    """Any two personas that differ in kind alone have the same likelihood."""
    world = world_of("humane")
    evidence = expected_log_likelihood(world, unsaid_kind(world)).sum(0)
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


def test_the_controls_bound_lies_a_quarter_of_the_way_from_the_rival_to_the_exact_number(registry, human):
    rival, exact = human("mechanical", "base"), human("mechanical", "post-trained")
    assert (rival, exact) == (pytest.approx(-0.78, abs=0.006), pytest.approx(-1.37, abs=0.006))
    assert registry.get("B1.control.mechanical").bound[1] == pytest.approx(rival + (exact - rival) / 4, abs=0.006)


@pytest.mark.parametrize("test, where, arm, reference, subjects, exact", [
    ("B1.moved", "humane", "post-trained", "base", OF_KIND, 0.65),
    ("B1.moved_mechanical", "mechanical", "post-trained", "base", OF_KIND, -0.59),
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
    assert registry.get("B1.main").smallest_effect == pytest.approx(human("main", "post-trained") / 2, abs=0.006)
