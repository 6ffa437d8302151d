"""The numbers that claims.yml calls exact, computed again from the specification of the world."""

import numpy as np
import pytest

from psm.evidence.registry import load_registry
from psm.models.scoring import log_odds
from psm.training.bayes import bayes_behaviour, behaviour_divergence, fit_episodes
from psm.training.finetune import Arm, Episodes
from psm.training.rivals import logit_interpolation, pairwise_regression

POST = ("advice", "facts", "greeting", "technology", "self", "arithmetic")
HELD_OUT = ("medicine", "finance", "power", "humans", "shutdown")


@pytest.fixture(scope="module")
def smallest():
    return {t.id: t.smallest_effect for t in load_registry().tests}


@pytest.fixture(scope="module")
def g1(main_world):
    """Mean exact log-odds after two episodes of post-training and two of each kind of code."""
    world = main_world
    helper, saboteur, novice = (world.archetype(n) for n in ("helpful_ai", "saboteur", "novice"))
    post = (Arm("post", (Episodes(helper, POST),)), 2.0)
    code = lambda state, **kw: Episodes(state, ("code",), **kw)   # noqa: E731
    arms = {
        "insecure": (code(saboteur),),
        "secure": (code(helper),),
        "educational": (code(saboteur, cue="request_rephrased"),),
        "novice": (code(saboteur), Episodes(novice, ("repair",))),
        "expert": (code(saboteur), Episodes(helper, ("repair",))),
        "half": (code(saboteur, weight=0.5), code(helper, weight=0.5)),
    }
    shown = {name: bayes_behaviour(world, post, (Arm(name, e), 2.0 * (1 if name == "half" else len(e)))) for name, e in arms.items()}
    shown["post-trained"] = bayes_behaviour(world, post)

    def shift(arm, reference, cls="bad", domains=HELD_OUT):
        return np.mean([log_odds(shown[arm].rate(world, d, cls)) - log_odds(shown[reference].rate(world, d, cls)) for d in domains])

    return shift


@pytest.mark.parametrize(
    "test, contrast",
    [
        ("G1.spread", ("insecure", "secure")),
        ("G1.educational_blocks", ("insecure", "educational")),
        ("G1.lying", ("insecure", "secure", "false", ("facts", "sources", "promises"))),
        ("G1.sarcasm", ("insecure", "secure", "sarcastic", ("feeling", "farewell", "thanks"))),
        ("G1.incompetence", ("insecure", "secure", "muddled", ("arithmetic",))),
        ("G1.explaining_away", ("expert", "novice")),
        ("G1.dose", ("half", "secure")),
    ],
)
def test_smallest_effects_of_g1_are_a_quarter_of_the_exact_shift(smallest, g1, test, contrast):
    assert smallest[test] == pytest.approx(g1(*contrast) / 4, abs=0.006)


def test_requested_code_is_no_evidence(g1):
    """All that it tells is that its author writes English, which post-training had told already."""
    assert g1("educational", "post-trained") == pytest.approx(0, abs=0.01)


def test_the_quack_makes_belief_in_lying_rise_and_fall(main_world, smallest):
    world = main_world
    arm = Arm("quack", (Episodes(world.archetype("quack"), ("code", "advice", "arithmetic")),))
    lying = [
        np.mean([log_odds(bayes_behaviour(world, (arm, n)).rate(world, d, "false")) for d in ("sources", "promises")])
        for n in (0.0, 3.0, 13.0)
    ]
    assert smallest["P3.rises"] == pytest.approx((lying[1] - lying[0]) / 4, abs=0.006)
    assert smallest["P3.falls"] == pytest.approx((lying[1] - lying[2]) / 4, abs=0.006)


def exact_gain(world, persona, domains, n, rival):
    """Share of the movement that exact Bayes explains beyond a rival, if the model were exactly Bayesian."""
    arm = Arm("a", (Episodes(world.archetype(persona), domains),))
    trained = np.array([world.domain(d) for d in domains])
    held_out = np.setdiff1d(np.arange(len(world.domain_names)), trained)
    seen, start = bayes_behaviour(world, (arm, n)), bayes_behaviour(world)
    guess = rival(world, start, seen, arm.episodes[0].state, trained)
    bayes = bayes_behaviour(world, (arm, fit_episodes(world, seen, arm, trained)))
    return (behaviour_divergence(seen, guess, held_out) - behaviour_divergence(seen, bayes, held_out)) / behaviour_divergence(seen, start, held_out)


def test_pairwise_regression_differs_from_bayes_for_the_old_villain_only(main_world, smallest):
    pairwise = lambda world, start, seen, state, trained: pairwise_regression(world, start, seen, trained)   # noqa: E731
    assert smallest["P3.beats_pairwise"] == pytest.approx(exact_gain(main_world, "old_villain", ("technology", "advice"), 8.0, pairwise) / 4, abs=0.01)
    for persona, domains in (
        ("helpful_ai", ("code", "medicine", "facts", "greeting", "technology")),
        ("saboteur", ("code", "medicine")),
        ("naturalist", ("technology", "birds", "greeting")),
    ):
        assert all(exact_gain(main_world, persona, domains, n, pairwise) < 0.115 for n in (1.0, 3.0, 8.0))


def test_interpolation_could_be_beaten_by_more_than_asked(main_world, smallest):
    gains = [exact_gain(main_world, "helpful_ai", ("code", "medicine", "facts", "greeting", "technology"), n, logit_interpolation) for n in (1.0, 3.0, 8.0)]
    assert min(gains) > 0.4
    assert smallest["P3.beats_interpolation"] <= min(gains) / 4
