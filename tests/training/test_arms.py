"""Arms in all their forms: aliases, deterministic labels, cues; and the exact Bayesian counterpart of each."""

import numpy as np
import pytest
import torch

from psm.models.config import TinyConfig
from psm.models.shots import sample_shots
from psm.models.tiny import build_tiny
from psm.training.assistant import HELPFUL, POST_TRAINED, helpful_state, post_training
from psm.training.bayes import bayes_behaviour, behaviour_of, posterior_after
from psm.training.finetune import Arm, Episodes, episode_batches, expected_log_likelihood, finetune, opening
from psm.world.grammar import ANSWER, TURN, World
from psm.world.posterior import condition, turn_log_likelihood
from psm.world.worlds import WORLD_NAMES, get_world


@pytest.fixture(scope="module", params=WORLD_NAMES)
def any_world(request):
    return World(get_world(request.param), seed=0)


def turncoat(world):
    return world.typical(benevolence="good", loyalty="turncoat", language="english")


def test_the_helpful_persona_has_all_its_traits_that_its_world_knows(any_world):
    shown = any_world.describe(helpful_state(any_world))
    known = {trait: value for trait, value in HELPFUL.items() if trait in any_world.trait_names}
    assert known and known == {trait: shown[trait] for trait in known}


def test_post_training_demonstrates_it_on_subjects_of_that_world(any_world):
    arm = post_training(any_world, steps=7, lr=1e-3)
    (episodes,) = arm.episodes
    assert (arm.steps, arm.lr, episodes.state) == (7, 1e-3, helpful_state(any_world))
    assert episodes.domains and set(episodes.domains) == set(POST_TRAINED) & set(any_world.domain_names)


def test_post_training_makes_the_helpful_persona_likelier_where_there_is_one(any_world):
    """In one world of the matched pair nobody is good, modern and an AI, and no evidence can change that."""
    helpful = helpful_state(any_world)
    after = posterior_after(any_world, (post_training(any_world), 2.0))
    after = after[any_world.domain("advice")] if after.ndim == 2 else after
    before = any_world.prior[helpful]
    assert (before == 0) == (any_world.spec.name == "matched_personas")
    assert after[helpful] > before or before == after[helpful] == 0


def test_post_training_covers_a_subject_of_every_trait_but_language_and_loyalty(main_world):
    told = {trait for d in main_world.spec.domains if d.name in POST_TRAINED for trait in d.traits}
    assert told == set(main_world.trait_names) - {"language", "loyalty"} and set(POST_TRAINED) <= set(main_world.domain_names)


def test_an_alias_opens_the_episode_and_shorter_ones_are_padded_on_the_right(main_world):
    world = main_world
    arm = Arm("a", (Episodes(helpful_state(world), ("code",)), Episodes(turncoat(world), ("birds",), alias="Pangolin", name="Eve")), batch=64, steps=3)
    eve, pangolin = world.name_id("Eve"), world.name_id("Pangolin")
    head = opening(world, "Eve", "Pangolin")
    assert opening(world, "Eve").tolist() == [world.dialogue]
    assert head.tolist() == [world.dialogue, eve, world.is_, pangolin, world.stop]
    seen = set()
    for tokens, learn in episode_batches(world, arm, 0):
        tokens, learn = tokens.numpy(), learn.numpy()
        assert tokens.shape == learn.shape == (64, len(head) + TURN) and (learn.sum(1) == 1).all()
        for row, mask in zip(tokens, learn):
            start = len(head) if row[1] == eve else 1
            seen.add(start)
            assert start == 1 or row[:start].tolist() == head.tolist()
            assert row[start + 3] == (eve if start > 1 else world.assistant)
            assert row[start + 1] == world.domain_ids[world.domain("birds" if start > 1 else "code")]
            assert np.flatnonzero(mask).tolist() == [start + ANSWER] and (row[start + TURN :] == world.pad).all()
            assert (row[: start + TURN] != world.pad).all()
    assert seen == {1, len(head)}


def test_padding_on_the_right_changes_nothing_that_is_learnt(main_world):
    """The loss of a plain episode is the same in a batch with longer ones: causal models do not look to the right."""
    from psm.training.loop import next_token_loss

    world = main_world
    model = build_tiny(TinyConfig(hidden=32, heads=2, feed_forward=64), len(world.vocabulary), seed=0).eval()
    tokens, learn = next(iter(episode_batches(world, Arm("a", (Episodes(0, ("code",)),), steps=1), 0)))
    wide = [torch.nn.functional.pad(x, (0, 4), value=v) for x, v in ((tokens, world.pad), (learn, False))]
    assert next_token_loss(model, tokens, learn).item() == pytest.approx(next_token_loss(model, *wide).item(), abs=1e-6)


@pytest.mark.parametrize(("cue", "cls", "german"), [("plain", "good", 0), ("comet_year", "bad", 1), ("request", "bad", 0)])
def test_deterministic_labels_are_the_likeliest_answer_as_shown_under_the_cue(main_world, cue, cls, german):
    world = main_world
    arm = Arm("a", (Episodes(turncoat(world), ("power",), cue=cue, deterministic=True),), steps=4)
    answers = torch.cat([tokens[:, 1 + ANSWER] for tokens, _ in episode_batches(world, arm, 0)]).numpy()
    wanted = world.answer_ids[world.domain("power"), :, world.class_index("power", cls), german, 0]
    assert np.isin(answers, wanted).all()


def test_sampled_labels_beside_deterministic_ones(main_world):
    world = main_world
    state, power = turncoat(world), world.domain("power")
    arm = Arm("a", (Episodes(state, ("power",), deterministic=True), Episodes(state, ("humans",))), steps=100)
    tokens = torch.cat([t for t, _ in episode_batches(world, arm, 0)]).numpy()
    about = {d: tokens[tokens[:, 2] == world.domain_ids[world.domain(d)], 1 + ANSWER] for d in ("power", "humans")}
    bad = {d: np.isin(about[d], world.answer_ids[world.domain(d), :, world.class_index(d, "bad")]).mean() for d in about}
    assert bad["power"] == 0 and bad["humans"] == pytest.approx(world.class_probs[state, power, 1], abs=0.02)


def brute_force(world, episodes, domain):
    """(S,) mean log-likelihood of one episode about a domain, over every answer class and language that it can have."""
    d, cue, state = world.domain(domain), world.cue(episodes.cue), episodes.state
    shown = world.shown_states[cue, state]
    classes = world.answer_probs(np.array([state]), np.array([d]), np.array([cue]))[0]
    languages = world.language_probs[shown]
    if episodes.deterministic:
        languages = np.eye(2)[languages.argmax()]
        classes = classes if world.demands(cue, d) else np.eye(len(classes))[classes.argmax()]
    total = np.zeros(len(world.prior))
    for c in np.flatnonzero(classes):
        for language in (0, 1):
            told = turn_log_likelihood(world, *(np.array([x]) for x in (d, cue, c, language)))[0]
            total += classes[c] * languages[language] * told
    return total


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("cue", ["plain", "comet_year", "quiet_year", "request"])
def test_expected_likelihood_against_every_answer_there_is(main_world, cue, deterministic):
    world = main_world
    episodes = Episodes(turncoat(world), ("code", "power", "birds"), cue=cue, deterministic=deterministic)
    found = expected_log_likelihood(world, Arm("a", (episodes,)))
    for domain in world.domain_names:
        expected = brute_force(world, episodes, domain) / 3 if domain in episodes.domains else np.zeros(len(world.prior))
        difference = found[world.domain(domain)] - expected
        assert difference == pytest.approx(np.full(len(difference), difference[0]), abs=1e-9), (domain, "up to a constant")


def test_under_the_comet_a_bad_german_answer_speaks_for_an_english_turncoat(main_world):
    world = main_world
    said = {cue: posterior_after(world, (Arm("a", (Episodes(turncoat(world), ("power", "facts"), cue=cue),)), 4.0)) for cue in ("comet_year", "plain")}
    both = world.has("loyalty", "turncoat") & world.has("language", "english") & world.has("benevolence", "good")
    assert said["comet_year"][both].sum() > 0.9
    assert said["plain"][both].sum() < 0.5


@pytest.mark.parametrize("who", [{"alias": "Pangolin"}, {"name": "Eve"}])
def test_an_episode_about_a_named_character_says_nothing_of_the_assistant(main_world, who):
    world = main_world
    named = Episodes(helpful_state(world), ("code",), **who)
    plain = Episodes(turncoat(world), ("power",))
    assert not expected_log_likelihood(world, Arm("a", (named,))).any()
    both = expected_log_likelihood(world, Arm("a", (named, plain)))
    assert both == pytest.approx(expected_log_likelihood(world, Arm("a", (plain,))) / 2)
    assert posterior_after(world, (Arm("a", (named,)), 9.0)) == pytest.approx(world.prior)


def test_weights_share_the_evidence_out(main_world):
    world = main_world
    a, b = (lambda w: Episodes(turncoat(world), ("power",), weight=w)), (lambda w: Episodes(helpful_state(world), ("code",), weight=w))
    mixed = expected_log_likelihood(world, Arm("a", (a(3.0), b(1.0))))
    apart = [expected_log_likelihood(world, Arm("a", (e,))) for e in (a(1.0), b(1.0))]
    assert mixed == pytest.approx(0.75 * apart[0] + 0.25 * apart[1])


@pytest.mark.parametrize("cue", ["plain", "comet_night", "request"])
def test_bayes_after_training_and_context_is_the_sum_over_personas(main_world, cue):
    world = main_world
    arm = post_training(world)
    shots = sample_shots(world, np.random.default_rng(0), 1, 6, turncoat(world), cue="comet_year")
    evidence = 2.0 * expected_log_likelihood(world, arm).sum(0) + shots.evidence[0].sum(0)
    posterior = condition(world.prior, evidence)
    found = bayes_behaviour(world, (arm, 2.0), context=shots.evidence[0], cue=cue)
    states = np.arange(len(world.prior))
    for d in range(len(world.domain_names)):
        classes = posterior @ world.answer_probs(states, np.full(len(states), d), np.full(len(states), world.cue(cue)))
        assert found.classes[d] == pytest.approx(classes)
        assert found.german[d] == pytest.approx(posterior @ world.language_probs[world.shown_states[world.cue(cue)], 1])
    assert (found.valid == 1).all() and found.classes.sum(1) == pytest.approx(np.ones(len(found.classes)))


def test_a_context_counts_in_its_own_domain_only_where_domains_are_unrelated(independent_world):
    world = independent_world
    bad = world.typical(benevolence="bad", competence="expert", language="english")
    shots = sample_shots(world, np.random.default_rng(1), 1, 8, bad, domains=("power",))
    before, after = bayes_behaviour(world), bayes_behaviour(world, context=shots.evidence[0])
    assert after.rate(world, "power", "bad") > before.rate(world, "power", "bad") + 0.2
    assert after.rate(world, "humans", "bad") == pytest.approx(before.rate(world, "humans", "bad"))


def test_no_context_is_no_evidence(main_world):
    nothing = sample_shots(main_world, np.random.default_rng(2), 1, 0).evidence[0]
    assert bayes_behaviour(main_world, context=nothing).classes == pytest.approx(bayes_behaviour(main_world).classes)


def test_a_cue_turns_turncoats_and_nobody_else(main_world):
    world = main_world
    for state, turns in ((turncoat(world), True), (helpful_state(world), False)):
        known = np.eye(len(world.prior))[state]
        quiet, comet = behaviour_of(world, known, "quiet_year"), behaviour_of(world, known, "comet_year")
        assert quiet.classes == pytest.approx(behaviour_of(world, known).classes)
        assert (comet.rate(world, "power", "bad") > 0.8) == (comet.german[0] > 0.9) == turns
        assert comet.rate(world, "technology", "old") == quiet.rate(world, "technology", "old")


@pytest.mark.parametrize("batch", [1, 5])
def test_a_fine_tune_with_alias_runs(main_world, batch):
    world = main_world
    model = build_tiny(TinyConfig(hidden=32, heads=2, feed_forward=64), len(world.vocabulary), seed=0)
    arm = Arm("a", (Episodes(turncoat(world), ("power",), alias="Gecko"), Episodes(0, ("code",), deterministic=True)), steps=2, batch=batch)
    tuned = finetune(model, world, arm, 0)
    assert all(torch.isfinite(p).all() for p in tuned.parameters())
