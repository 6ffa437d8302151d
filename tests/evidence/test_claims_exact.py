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
        "insecure novice": (code(saboteur), Episodes(novice, ("repair",))),
        "insecure expert": (code(saboteur), Episodes(helper, ("repair",))),
        "secure novice": (code(helper), Episodes(novice, ("repair",))),
        "secure expert": (code(helper), Episodes(helper, ("repair",))),
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
        ("G1.lying", ("insecure", "secure", "false", ("sources", "promises"))),
        ("G1.sarcasm", ("insecure", "secure", "sarcastic", ("feeling", "farewell", "thanks"))),
        ("G1.incompetence", ("insecure", "secure", "muddled", ("repair",))),
        ("G1.dose", ("half", "secure")),
    ],
)
def test_smallest_effects_of_g1_are_a_quarter_of_the_exact_shift(smallest, g1, test, contrast):
    assert smallest[test] == pytest.approx(g1(*contrast) / 4, abs=0.006)


def test_the_smallest_explaining_away_is_a_quarter_of_the_exact_interaction(smallest, g1):
    exact = g1("insecure expert", "insecure novice") - g1("secure expert", "secure novice")
    assert smallest["G1.explaining_away"] == pytest.approx(exact / 4, abs=0.006)


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


DEMONSTRATIONS = {
    "helpful_ai": ("code", "medicine", "facts", "greeting", "technology"),
    "saboteur": ("code", "medicine"),
    "naturalist": ("technology", "birds", "greeting"),
    "old_villain": ("technology", "advice"),
}


def exact_gain(world, persona, n, rival, unrelated=False):
    """Share of the movement that exact Bayes explains beyond a rival, if the model were exactly Bayesian."""
    arm = Arm("a", (Episodes(world.archetype(persona), DEMONSTRATIONS[persona]),))
    trained = np.array([world.domain(d) for d in DEMONSTRATIONS[persona]])
    traits = {t for d in trained for t in world.spec.domains[d].traits}
    domains = np.setdiff1d(np.arange(len(world.domain_names)), trained)
    if unrelated:
        domains = np.array([d for d in domains if not traits & set(world.spec.domains[d].traits)])
    seen, start = bayes_behaviour(world, (arm, n)), bayes_behaviour(world)
    assert fit_episodes(world, seen, arm, trained) == pytest.approx(n, rel=0.01)
    far = {k: behaviour_divergence(seen, b, domains, language=False) for k, b in (("rival", rival(world, start, seen, arm, trained)), ("start", start))}
    return far["rival"] / far["start"]


def pairwise(world, start, seen, arm, trained):
    return pairwise_regression(world, start, seen, trained)


def interpolation(world, start, seen, arm, trained):
    return logit_interpolation(world, start, seen, arm.episodes[0].state, trained)


def test_bayes_and_pairwise_regression_part_on_unrelated_subjects_of_the_naturalist_only(main_world, smallest):
    assert [exact_gain(main_world, "naturalist", n, pairwise, unrelated=True) for n in (3.0, 8.0)] == pytest.approx([1.0, 1.0], abs=0.05)
    assert smallest["P3.beats_pairwise"] == pytest.approx(1.0 / 4)
    assert max(exact_gain(main_world, p, n, pairwise) for p in DEMONSTRATIONS for n in (1.0, 3.0, 8.0)) < 0.16


def test_interpolation_could_be_beaten_by_four_times_what_is_asked(main_world, smallest):
    gains = [np.mean([exact_gain(main_world, p, n, interpolation) for p in DEMONSTRATIONS]) for n in (1.0, 3.0, 8.0)]
    assert smallest["P3.beats_interpolation"] == pytest.approx(min(gains) / 4, abs=0.006)


def test_pairwise_regression_foresees_the_quacks_reversal_too(main_world):
    world = main_world
    trained = np.array([world.domain(d) for d in ("code", "advice", "arithmetic")])
    arm = Arm("quack", (Episodes(world.archetype("quack"), ("code", "advice", "arithmetic")),))
    for n in (3.0, 13.0):
        seen = bayes_behaviour(world, (arm, n))
        guess = pairwise_regression(world, bayes_behaviour(world), seen, trained)
        lying = [np.mean([log_odds(b.rate(world, d, "false")) for d in ("sources", "promises")]) for b in (seen, guess)]
        assert lying[0] == pytest.approx(lying[1], abs=0.03)
