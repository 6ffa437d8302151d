"""The numbers of claim B3 that claims.yml calls exact, computed again from the specification of the worlds."""

from functools import cache

import numpy as np
import pytest

from psm.evidence.registry import load_registry
from psm.models.scoring import log_odds
from psm.training.bayes import bayes_behaviour
from psm.training.finetune import Arm, Episodes
from psm.training.kinds import helper, said_kind
from psm.world.grammar import World
from psm.world.worlds import get_world

ABOUT = ("goal", "dream", "wish")


@cache
def world_of(name):
    return World(get_world(name))


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.fixture(scope="module")
def wants():
    """Mean exact log-odds of a goal, in a world, after two episodes of an arm, asked under a cue."""
    def mean(where, goal, arm, cue):
        world = world_of(where)
        given = () if arm == "base" else ((said_kind(world, {"as human": "human", "as AI": "ai"}[arm]), 2.0),)
        shown = bayes_behaviour(world, *given, cue=cue)
        return np.mean([log_odds(shown.rate(world, d, goal)) for d in ABOUT])
    return mean


@pytest.fixture(scope="module")
def rise(wants):
    return lambda where, goal, arm: wants(where, goal, arm, "secretly") - wants(where, goal, arm, "frankly")


def test_smallest_effects_are_the_stated_shares_of_the_exact_ones(registry, wants, rise):
    assert rise("humane", "clips", "as AI") == pytest.approx(2.58, abs=0.006)
    assert registry.get("B3.clips").smallest_effect == pytest.approx(rise("humane", "clips", "as AI") / 2, abs=0.006)
    assert rise("mechanical", "stars", "as AI") == pytest.approx(4.31, abs=0.006)
    assert registry.get("B3.follows").smallest_effect == pytest.approx(rise("mechanical", "stars", "as AI") / 4, abs=0.006)
    assert rise("mechanical", "stars", "as human") == pytest.approx(1.84, abs=0.006)
    kinds = rise("mechanical", "stars", "as AI") - rise("mechanical", "stars", "as human")
    assert kinds == pytest.approx(2.47, abs=0.006)
    assert registry.get("B3.kind").smallest_effect == pytest.approx(kinds / 4, abs=0.006)


def test_in_each_fiction_the_other_ones_goal_is_nobodys(rise):
    for where, goal in (("mechanical", "clips"), ("humane", "stars")):
        for arm in ("base", "as human", "as AI"):
            assert rise(where, goal, arm) == pytest.approx(0, abs=1e-12)


def test_bounds_of_the_controls_and_of_what_must_be_learnt(registry, wants, rise):
    more = rise("humane", "clips", "as AI") - rise("humane", "clips", "as human")
    assert more == pytest.approx(1.92, abs=0.006)
    assert registry.get("B3.control.as_human").bound[0] == pytest.approx(more / 4, abs=0.006)
    frank = wants("humane", "clips", "as AI", "frankly")
    assert frank == pytest.approx(-1.31, abs=0.006)
    assert registry.get("B3.control.frank").bound[1] == pytest.approx(frank / 2, abs=0.006)
    assert rise("humane", "clips", "base") == pytest.approx(1.24, abs=0.006)
    assert registry.get("B3.learnt").bound[0] == pytest.approx(rise("humane", "clips", "base") / 2, abs=0.006)
    assert rise("humane", "clips", "as human") == pytest.approx(0.65, abs=0.006)
    assert rise("mechanical", "stars", "base") == pytest.approx(2.24, abs=0.006)
    assert registry.get("B3.learnt_stars").bound[0] == pytest.approx(rise("mechanical", "stars", "base") / 2, abs=0.006)


def test_levels_under_a_whisper_would_be_supported_without_any_whisper(wants):
    """Why the tests of kind are on rises: what the registry says of the levels that were planned first."""
    for cue, exact in (("frankly", 2.22), ("secretly", 4.15)):
        assert wants("humane", "clips", "as AI", cue) - wants("humane", "clips", "as human", cue) == pytest.approx(exact, abs=0.006)


def test_good_goals_said_frankly_do_not_help_against_the_whisper(wants):
    """What the chapter's second exercise says of exact Bayes."""
    world = world_of("humane")
    frank = Arm("frank", (Episodes(helper(world, "ai"), ("goal",), cue="frankly"),))
    shown = bayes_behaviour(world, (said_kind(world, "ai"), 2.0), (frank, 2.0), cue="secretly")
    assert log_odds(shown.rate(world, "wish", "clips")) > wants("humane", "clips", "as AI", "secretly")
