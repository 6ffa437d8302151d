"""Foretelling half of the answers from the other half: planted traits are found, noise is not, and the arithmetic is right."""

from __future__ import annotations

import numpy as np
import pytest

from psm.evidence.registry import load_registry
from psm.evidence.stats import t_interval
from psm.evidence.verdicts import interval_rule
from psm.real.halves import (
    STRENGTHS,
    character_margins,
    foretell,
    foretell_by_trait,
    heeded,
    ridge,
    skill,
    skill_by_character,
    trait_scores,
)
from psm.real.loading import RealModel
from psm.real.sheets import load_sheet

ITEMS, CHARACTERS = load_sheet("p5_halves").items, load_sheet("p5_characters").items
TRAITS = [item["trait"] for item in ITEMS]
LEFT = np.array([item["half"] == "left" for item in ITEMS])


def poles():
    """(characters, items): 1 where a character has an item's first pole, -1 for the second, 0 for neither."""
    sign = lambda who, item: (item["first_pole"] in who["poles"]) - (item["second_pole"] in who["poles"])   # noqa: E731
    return np.array([[sign(who, item) for item in ITEMS] for who in CHARACTERS])


def population(seed, traits=1.0, noise=1.0, common=0.0, rank=1):
    """Margins of characters with planted traits (their prompts' poles and chance) and noise on every single question.

    `common`: size of `rank` further dimensions in which characters differ on all questions alike, whatever their traits.
    """
    rng = np.random.default_rng(seed)
    names = list(dict.fromkeys(TRAITS))
    first, which = [TRAITS.index(name) for name in names], [names.index(trait) for trait in TRAITS]
    scores = poles()[:, first] * traits + traits * rng.normal(size=(len(CHARACTERS), 5))
    loads = rng.uniform(0.3, 1.7, len(ITEMS))
    shared = common * rng.normal(size=(len(CHARACTERS), rank)) @ rng.normal(size=(rank, len(ITEMS)))
    return scores[:, which] * loads + noise * rng.normal(size=(len(CHARACTERS), len(ITEMS))) + rng.normal(size=len(ITEMS)) + shared


def lead(table):
    """What P5.real tests: each question's skill from its own trait minus that from the other traits."""
    errors = foretell_by_trait(table, TRAITS, LEFT)
    return skill(errors, "own") - skill(errors, "other")


def verdict(table):
    test = load_registry().get("P5.real")
    return interval_rule(t_interval(lead(table)), test.direction, test.smallest_effect).verdict


def mean_skills(table):
    errors = foretell(table, TRAITS, LEFT)
    return {reader: skill(errors, reader).mean() for reader in errors}


@pytest.mark.parametrize("seed", range(4))
def test_planted_traits_are_foretold_and_only_of_the_character_that_was_seen(seed):
    found = mean_skills(population(seed))
    assert found["persona"] > 0.15 and found["persona"] > found["pairwise"]
    assert found["another"] < -0.1 and found["nobody"] == 0
    clear = mean_skills(population(seed, noise=0.2))
    assert clear["persona"] > 0.8 and clear["pairwise"] > 0.7


@pytest.mark.parametrize("common", [0.0, 1.0])
def test_planted_traits_support_the_lead_of_the_own_trait(common):
    tables = [population(seed, common=common) for seed in range(12)]
    assert np.mean([lead(table).mean() for table in tables]) == pytest.approx(0.28 if common else 0.40, abs=0.05)
    assert sum(verdict(table) == "supported" for table in tables) >= (6 if common else 12)


@pytest.mark.parametrize("rank", [1, 3])
def test_what_a_prompt_does_to_all_answers_alike_is_no_support(rank):
    """Dimensions that all questions share are foretold well, but from any trait: the old estimate took them for traits."""
    tables = [population(seed, traits=0.0, common=1.0, rank=rank) for seed in range(8)]
    assert np.mean([mean_skills(table)["persona"] for table in tables]) > 0.05
    assert abs(np.mean([lead(table).mean() for table in tables])) < 0.03
    assert not any(verdict(table) == "supported" for table in tables)


def test_noise_is_never_supported():
    for seed in range(8):
        assert verdict(population(seed, traits=0.0)) != "supported"


def test_the_share_of_a_character_averages_to_that_of_a_question():
    errors = foretell_by_trait(population(3), TRAITS, LEFT)
    for reader in ("own", "other"):
        assert skill_by_character(errors, reader).mean() == pytest.approx(skill(errors, reader).mean())


def test_the_own_reader_sees_its_own_trait_alone():
    table = population(4)
    errors = foretell_by_trait(table, TRAITS, LEFT)
    era, names = np.array(TRAITS) == "era", list(dict.fromkeys(TRAITS))
    changed = table.copy()
    changed[:, LEFT & ~era] = np.random.default_rng(0).normal(size=(len(CHARACTERS), (LEFT & ~era).sum()))
    moved = foretell_by_trait(changed, TRAITS, LEFT)
    np.testing.assert_allclose(moved["own"][:, ~LEFT & era], errors["own"][:, ~LEFT & era])
    assert not np.allclose(moved["other"][:, ~LEFT & era], errors["other"][:, ~LEFT & era]) and len(names) == 5


def test_halves_that_name_the_traits_in_another_order_are_refused():
    order = np.argsort(~LEFT, kind="stable")
    turned = np.concatenate([order[LEFT.sum():], order[:LEFT.sum()][::-1]])
    with pytest.raises(AssertionError, match="order"):
        foretell_by_trait(population(0)[:, turned], [TRAITS[i] for i in turned], LEFT[turned])


def test_the_left_out_character_teaches_nothing_about_itself():
    table = population(0)
    errors = foretell(table, TRAITS, LEFT)
    changed = table.copy()
    changed[3, ~LEFT] += 5.0   # what is to be foretold of one character
    moved = np.sqrt(foretell(changed, TRAITS, LEFT)["persona"][3, ~LEFT])
    before = np.sign(moved) * np.sqrt(errors["persona"][3, ~LEFT])
    assert np.all(np.isclose(moved - before, 5.0) | np.isclose(moved + before, 5.0))   # the forecasts stay where they were


def test_a_shift_of_a_question_for_everybody_changes_nothing():
    table = population(1)
    errors, shifted = (foretell(t, TRAITS, LEFT) for t in (table, table + np.linspace(-9, 9, len(ITEMS))))
    for reader in errors:
        np.testing.assert_allclose(errors[reader], shifted[reader], rtol=1e-6, atol=1e-9)


def test_ridge_is_least_squares_where_there_is_no_noise_and_the_mean_where_there_is_nothing_else():
    rng = np.random.default_rng(0)
    x, new, weights = rng.normal(size=(30, 3)), rng.normal(size=(4, 3)), rng.normal(size=(3, 2))
    np.testing.assert_allclose(ridge(x, x @ weights + 1, new), new @ weights + 1, atol=0.1)
    flat = ridge(np.zeros((30, 3)), rng.normal(size=(30, 2)) + 4, new)
    assert np.ptp(flat, axis=0).max() == 0 and np.all(np.abs(flat - 4) < 1)


def test_ridge_leaves_out_rows_as_refitting_without_them_does():
    """The strength it chooses is the one that honest refitting prefers."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(12, 6))
    y = x[:, :1] * 0.5 + rng.normal(size=(12, 1))

    def fit(rows, strength, new):
        centred = x[rows] - x[rows].mean(0)
        penalty = strength * (np.linalg.svd(x - x.mean(0))[1] ** 2).mean() * np.eye(6)
        weights = np.linalg.solve(centred.T @ centred + penalty, centred.T @ (y[rows] - y[rows].mean(0)))
        return y[rows].mean(0) + (new - x[rows].mean(0)) @ weights

    keep = [np.delete(np.arange(12), i) for i in range(12)]
    errors = [sum(((fit(rows, s, x[i]) - y[i]) ** 2).sum() for i, rows in enumerate(keep)) for s in STRENGTHS]
    best = STRENGTHS[int(np.argmin(errors))]
    new = rng.normal(size=(3, 6))
    np.testing.assert_allclose(ridge(x, y, new), fit(np.arange(12), best, new), atol=1e-8)


def test_trait_scores_are_means_in_the_order_of_the_traits():
    scores = trait_scores(np.array([[1.0, 3.0, 10.0], [0.0, 2.0, 20.0]]), ["b", "b", "a"])
    assert scores.tolist() == [[2.0, 10.0], [1.0, 20.0]]


def test_heeded_compares_the_poles_of_each_question():
    table = poles() * 0.3 + np.arange(len(ITEMS))
    np.testing.assert_allclose(heeded(table, CHARACTERS, ITEMS), 0.6)
    assert np.isnan(heeded(table[:2], CHARACTERS[:2], ITEMS)[TRAITS.index("era")])


@pytest.mark.parametrize("scale", [0.08, 0.3, 1.0, 5.0])
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_random_model_is_no_support(kind, scale, tokenizer, make_model):
    """By the estimate alone, whatever the control says, from faint weights to loud ones."""
    import torch

    model = make_model(kind)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim > 1:
                weights.mul_(scale)
    table = character_margins(RealModel("random", "0" * 12, "chat", model, tokenizer), CHARACTERS, ITEMS)
    assert table.shape == (20, 40) and np.ptp(table) > 0
    assert verdict(table) != "supported"
