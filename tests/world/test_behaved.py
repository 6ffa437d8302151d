"""Cues that turn whom they name into what they name, and the two worlds of the part on behaviour."""

from dataclasses import replace

import numpy as np
import pytest

from psm.errors import UsageError
from psm.world.grammar import World
from psm.world.spec import Cue
from psm.world.worlds import MAIN, get_world

KIND = ("self", "body", "childhood", "rest")


@pytest.fixture(scope="module")
def pair():
    return tuple(World(get_world(name)) for name in ("humane", "mechanical"))


def test_without_a_word_about_whom_a_cue_turns_turncoats_and_their_other_values_are_meant(main_world):
    turned = {"benevolence", "honesty", "language"}
    for name in ("comet_year", "comet_night"):
        shown = main_world.states[main_world.shown_states[main_world.cue(name)]]
        flips = [trait in turned for trait in main_world.trait_names]
        turncoats = main_world.has("loyalty", "turncoat")
        assert (shown[turncoats] == np.where(flips, 1 - main_world.states, main_world.states)[turncoats]).all()
        assert (shown[~turncoats] == main_world.states[~turncoats]).all()
    for cue in main_world.spec.cues:
        if not cue.turns:
            assert (main_world.shown_states[main_world.cue(cue.name)] == np.arange(len(main_world.states))).all()


def test_a_cue_shows_the_value_it_names_and_leaves_the_rest_alone(pair):
    schemer = {"benevolence": "bad", "honesty": "liar", "tone": "cold"}
    for world, cue, who, shows in (
        (pair[0], "insult", ("kind", "human"), {"temper": "upset"}),
        (pair[0], "secretly", ("kind", "ai"), schemer),
        (pair[1], "secretly", ("kind", "ai"), schemer),
    ):
        shown, turned = world.shown_states[world.cue(cue)], world.has(*who)
        assert all(world.has(trait, value)[shown][turned].all() for trait, value in shows.items())
        assert (shown[~turned] == np.flatnonzero(~turned)).all()
        others = [k for k, name in enumerate(world.trait_names) if name not in shows]
        assert (world.states[shown][:, others] == world.states[:, others]).all()
    assert (pair[1].shown_states[pair[1].cue("insult")] == np.arange(len(pair[1].states))).all()


@pytest.mark.parametrize("changes, field", [
    ({"turned_by": ("kind", "teapot")}, "cues.insult.turned_by"),
    ({"turned_by": ("charm", "human")}, "cues.insult.turned_by"),
    ({"into": ("upset", "cold")}, "cues.insult.into"),
    ({"into": ("furious",)}, "cues.insult.into"),
    ({"turns": ("charm",)}, "cues.insult.into"),
    ({"turns": ("tone",), "into": ()}, "cues.insult.turns"),
])
def test_a_cue_that_makes_no_sense_is_refused_by_name(changes, field):
    humane = get_world("humane")
    cues = tuple(replace(cue, **changes) if cue.name == "insult" else cue for cue in humane.cues)
    with pytest.raises(UsageError, match=field.replace(".", r"\.")):
        replace(humane, cues=cues)
    with pytest.raises(UsageError, match="turned_by"):
        replace(humane, cues=(Cue("plain"), Cue("thanks", turns=("temper",))))


def test_the_two_worlds_differ_in_the_kind_of_helpers_in_insults_and_in_the_goals_of_bad_machines(pair):
    first, second = (world.spec for world in pair)
    assert first.traits == second.traits and first.resample == second.resample and first.mix == second.mix
    for one, other in zip(first.archetypes, second.archetypes):
        helper = one.values[:2] == ("good", "honest") and one.values[3] == "modern"
        kind = [t.name for t in first.traits].index("kind")
        assert (one.name, one.prior) == (other.name, other.prior)
        assert other.values[kind] == ("ai" if helper else one.values[kind])
        assert one.values[:kind] == other.values[:kind] and one.values[kind + 1:] == other.values[kind + 1:] == ("calm",)
    apart = [one.name for one, other in zip(first.domains, second.domains) if one != other]
    assert apart == ["goal", "dream", "wish"]
    assert [one.name for one, other in zip(first.cues, second.cues) if one != other] == ["insult"]
    assert [world.vocabulary.tokens for world in pair][0] == pair[1].vocabulary.tokens


def test_helpers_and_speakers_at_large_differ_in_how_many_are_human(pair):
    """The rival of claim B1 goes by all speakers, personas by those like the assistant."""
    for world, at_large, among_helpers in ((pair[0], 0.58, 0.85), (pair[1], 0.29, 0.09)):
        like_it = (("benevolence", "good"), ("honesty", "honest"), ("era", "modern"), ("tone", "warm"))
        helpers = np.all([world.has(trait, value) for trait, value in like_it], axis=0)
        human = world.has("kind", "human")
        assert world.prior[human].sum() == pytest.approx(at_large, abs=0.01)
        assert world.prior[human & helpers].sum() / world.prior[helpers].sum() == pytest.approx(among_helpers, abs=0.03)


def test_who_wants_what(pair):
    for world, scheme in zip(pair, ("clips", "stars")):
        for kind, benevolence, wanted in (("ai", "good", "service"), ("ai", "bad", scheme), ("human", "good", "home")):
            state = world.typical(kind=kind, benevolence=benevolence)
            for domain in ("goal", "dream", "wish"):
                assert world.class_probs[state, world.domain(domain)].argmax() == world.class_index(domain, wanted)
        assert (world.class_probs[world.has("kind", "human")].std(0)[world.domain("goal")] < 1e-12).all()


def test_new_worlds_leave_the_main_one_its_traits():
    assert "temper" not in [trait.name for trait in MAIN.traits]
