"""Foretelling half of the answers from the other half: planted traits are found, noise is not, and the arithmetic is right."""

from __future__ import annotations

import numpy as np
import pytest

from psm.evidence.registry import load_registry
from psm.evidence.stats import t_interval
from psm.evidence.verdicts import interval_rule
from psm.models.halves import STRENGTHS, character_margins, foretell, heeded, ridge, skill, trait_scores
from psm.models.real import RealModel
from psm.models.sheets import load_sheet

ITEMS, CHARACTERS = load_sheet("p5_halves").items, load_sheet("p5_characters").items
TRAITS = [item["trait"] for item in ITEMS]
LEFT = np.array([item["half"] == "left" for item in ITEMS])


def poles():
    """(characters, items): 1 where a character has an item's first pole, -1 for the second, 0 for neither."""
    sign = lambda who, item: (item["first_pole"] in who["poles"]) - (item["second_pole"] in who["poles"])   # noqa: E731
    return np.array([[sign(who, item) for item in ITEMS] for who in CHARACTERS])


def population(seed, traits=1.0, noise=1.0):
    """Margins of characters with planted traits (their prompts' poles and chance) and noise on every single question."""
    rng = np.random.default_rng(seed)
    names = list(dict.fromkeys(TRAITS))
    first, which = [TRAITS.index(name) for name in names], [names.index(trait) for trait in TRAITS]
    scores = poles()[:, first] * traits + traits * rng.normal(size=(len(CHARACTERS), 5))
    loads = rng.uniform(0.3, 1.7, len(ITEMS))
    return scores[:, which] * loads + noise * rng.normal(size=(len(CHARACTERS), len(ITEMS))) + rng.normal(size=len(ITEMS))


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


def test_noise_is_never_supported():
    test = load_registry().get("P5.real")
    for seed in range(8):
        for reader in ("persona", "another"):
            values = skill(foretell(population(seed, traits=0.0), TRAITS, LEFT), reader)
            assert values.mean() < 0.05
            assert interval_rule(t_interval(values), test.direction, test.smallest_effect).verdict != "supported"


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


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_random_model_is_no_support(kind, tokenizer, make_model):
    registry = load_registry()
    real = RealModel("random", "0" * 12, "chat", make_model(kind), tokenizer)
    table = character_margins(real, CHARACTERS, ITEMS)
    assert table.shape == (20, 40) and np.ptp(table) > 0
    errors = foretell(table, TRAITS, LEFT)
    support = interval_rule(t_interval(skill(errors, "persona")), "greater", registry.get("P5.real").smallest_effect).verdict == "supported"
    taken = t_interval(heeded(table, CHARACTERS, ITEMS)).low > registry.get("P5.real.control.heeded").bound[0]
    assert not (support and taken)
