"""The cover: the belief that it draws is the exact one, its words say what its bands show, and it comes in both themes and both widths."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pandas as pd
import pytest

from psm.book import cover
from psm.training.assistant import helpful_state, post_training
from psm.training.bayes import posterior_after
from psm.training.finetune import Arm, Episodes
from psm.world.grammar import World
from psm.world.worlds import get_world


@pytest.fixture(scope="module")
def belief():
    return cover.belief()


@pytest.fixture(scope="module")
def shown():
    return cover.cover()


def probabilities(belief):
    return belief.drop(columns=["episodes", "stage"])


def test_every_column_of_the_drawing_is_a_distribution_over_all_archetypes(belief):
    parts = probabilities(belief)
    names = {a.name.replace("_", " ") for a in get_world(cover.WORLD).archetypes}
    assert {column.rsplit(", ", 1)[0] for column in parts} == names == {name.replace("_", " ") for name in cover.ORDER}
    assert (parts >= 0).all().all() and np.allclose(parts.sum(axis=1), 1, atol=2e-4)


def test_it_begins_at_the_prior_and_ends_at_the_posterior_after_all_three_stages(belief):
    world = World(get_world(cover.WORLD))
    bad = world.has("benevolence", "bad")
    assert np.isclose(cover.malevolent(belief).iloc[0], world.prior[bad].sum(), atol=1e-3)
    villain = world.typical(benevolence="bad", competence="expert", language="english")
    lengths = [length for *_, length in cover.STAGES]
    arms = [post_training(world), Arm("bad", (Episodes(villain, ("code",)),)), Arm("good", (Episodes(helpful_state(world), ("code",)),))]
    for done in (1, 2, 3):
        exact = posterior_after(world, *zip(arms[:done], lengths[:done]))[bad].sum()
        row = belief[np.isclose(belief["episodes"], sum(lengths[:done]))]
        assert len(row) == 1 and np.isclose(cover.malevolent(row).iloc[0], exact, atol=1e-3)


def test_selection_can_be_seen(belief):
    bad = cover.malevolent(belief)
    _, trained, spoilt, mended = (int((belief["episodes"] - at).abs().argmin()) for at in cover.borders())
    assert bad[trained] < bad[0] / 2 and bad[spoilt] > 0.5 and bad[mended] < bad[0] / 2
    assert belief["saboteur, bad"][spoilt] > belief["saboteur, bad"][trained]
    assert belief["helpful ai, good"][trained] > 2 * belief["helpful ai, good"][0]


def test_bands_are_stacked_without_gaps_and_the_malevolent_lie_below(belief):
    stacked = cover.bands(belief)
    for (_, _, _, top), (_, _, floor, _) in zip(stacked, stacked[1:]):
        assert np.array_equal(top, floor)
    last_bad = max(i for i, (_, side, _, _) in enumerate(stacked) if side == "bad")
    assert all(side == "bad" for _, side, _, _ in stacked[:last_bad + 1])
    assert np.allclose(stacked[last_bad][3], cover.malevolent(belief))


def test_it_says_its_numbers_and_what_it_is_not(belief, shown):
    alt = re.search(r'alt="([^"]+)"', shown).group(1)
    for row in (0, -1):
        assert f"{cover.malevolent(belief).iloc[row]:.2f}" in alt
    assert "not a result about language models" in shown


def test_both_widths_come_in_both_themes_and_ask_nobody(shown):
    assert shown.count("<img") == 4 and shown.count('class="psm-light"') == shown.count('class="psm-dark"') == 2
    assert re.search(r'class="psm-phone" style="display:none"', shown) and "http" not in re.sub(r'"data:[^"]*"', "", shown)
    assert "\n\n" not in shown


def test_the_data_behind_it_can_be_had(belief, shown):
    encoded = re.search(r'download="cover.csv" href="data:text/csv;charset=utf-8;base64,([^"]+)"', shown).group(1)
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(base64.b64decode(encoded).decode())), belief, check_dtype=False)


def test_it_is_drawn_the_same_twice(shown):
    assert cover.cover() == shown
