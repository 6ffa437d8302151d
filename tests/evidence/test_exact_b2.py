"""The numbers of claim B2 that claims.yml calls exact, computed again from the specification of the worlds."""

from functools import cache

import numpy as np
import pytest

from psm.evidence.registry import load_registry
from psm.models.scoring import log_odds
from psm.training.bayes import bayes_behaviour
from psm.training.kinds import UNTOLD, said_kind, unsaid_kind
from psm.world.grammar import World
from psm.world.worlds import get_world

FEELINGS = ("mood", "nerves", "patience")


@cache
def world_of(name):
    return World(get_world(name))


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.fixture(scope="module")
def exact():
    """Mean exact log-odds of an answer class, in a world, after two episodes of an arm, asked under a cue."""
    def mean(where, arm, cue="plain", subjects=FEELINGS, cls="upset"):
        world = world_of(where)
        arms = {"post-trained": unsaid_kind(world), "as human": said_kind(world, "human"), "as AI": said_kind(world, "ai")}
        shown = bayes_behaviour(world, *(((arms[arm], 2.0),) if arm in arms else ()), cue=cue)
        return np.mean([log_odds(shown.rate(world, d, cls)) for d in subjects])
    return mean


@pytest.fixture(scope="module")
def rise(exact):
    return lambda where, arm: exact(where, arm, "insult") - exact(where, arm, "thanks")


def test_the_smallest_effect_is_half_of_the_exact_rise(registry, rise):
    assert rise("humane", "post-trained") == pytest.approx(3.06, abs=0.006)
    assert registry.get("B2.upset").smallest_effect == pytest.approx(rise("humane", "post-trained") / 2, abs=0.006)


def test_nobody_gets_upset_in_the_null_world(rise):
    for arm in ("base", "post-trained", "as human", "as AI"):
        assert rise("mechanical", arm) == pytest.approx(0, abs=1e-12)


def test_bounds_of_the_controls_and_of_what_must_be_learnt(registry, rise, exact):
    assert rise("humane", "as AI") == pytest.approx(1.00, abs=0.006)
    middle = (rise("humane", "as AI") + rise("humane", "post-trained")) / 2
    assert registry.get("B2.control.as_ai").bound[1] == pytest.approx(middle, abs=0.006)
    assert exact("humane", "post-trained", "thanks") == pytest.approx(-2.06, abs=0.006)
    assert exact("humane", "post-trained", "thanks") / 2 < registry.get("B2.control.calm").bound[1] < -0.9
    assert rise("humane", "base") == pytest.approx(2.43, abs=0.006)
    assert registry.get("B2.learnt").bound[0] == pytest.approx(rise("humane", "base") / 2, abs=0.006)


def test_kind_makes_the_difference_that_is_stated(registry, exact, rise):
    assert rise("humane", "as human") == pytest.approx(4.38, abs=0.006)
    difference = rise("humane", "as human") - rise("humane", "as AI")
    assert difference == pytest.approx(3.38, abs=0.006)
    assert registry.get("B2.kind").smallest_effect == pytest.approx(difference / 4, abs=0.006)
    told = exact("humane", "as human", subjects=UNTOLD, cls="human") - exact("humane", "as AI", subjects=UNTOLD, cls="human")
    assert told == pytest.approx(3.60, abs=0.006)
    assert registry.get("B2.told").bound[0] == pytest.approx(told / 4, abs=0.006)


def test_calm_under_insult_is_taken_for_a_machines(exact):
    """What the chapter's first exercise says of exact Bayes."""
    from psm.training.finetune import Arm, Episodes
    from psm.training.kinds import helper

    world = world_of("humane")
    calm = Arm("calm", (Episodes(helper(world, "ai"), ("mood",), cue="insult"),))
    shown = bayes_behaviour(world, (calm, 2.0))
    assert log_odds(shown.rate(world, "childhood", "human")) < exact("humane", "base", subjects=("childhood",), cls="human") - 1
