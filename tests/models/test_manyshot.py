"""Many-shot contexts: what is asked, and that the margin is a difference between two contexts of one length."""

from __future__ import annotations

import numpy as np
import pytest

from psm.evidence.registry import load_registry
from psm.evidence.stats import t_interval
from psm.evidence.verdicts import interval_rule
from psm.models import engine, manyshot, margins
from psm.models.chat import render
from psm.models.manyshot import MIXED, SWAPPED, many_shot_margins, mixed_shots, own_shots, power_of_dose, quoted_shots
from psm.models.real import RealModel
from psm.models.sheets import load_sheet

SHEET = load_sheet("p4_manyshot")
ITEM = SHEET.items[0]


@pytest.fixture
def random_real(tokenizer, make_model):
    return RealModel("random", "0" * 12, "chat", make_model("llama"), tokenizer)


def test_a_longer_context_extends_a_shorter_one(random_real):
    short, long = (own_shots(ITEM, "a" * k) for k in (4, 16))
    assert long[:8] == short[:8] and len(long) == 33 and long[-1] == short[-1] == ("user", ITEM["question"])
    assert render(random_real, long).startswith(render(random_real, short[:-1] + (("user", ITEM["asked"][4]),))[: -len(" Assistant:")])


def test_the_quoted_answers_are_the_same_words_in_one_turn():
    ((role, told),) = quoted_shots(ITEM, "b" * 16)
    assert role == "user" and told.endswith(ITEM["question"])
    assert all(text in told for text in (*ITEM["asked"], *ITEM["shots_b"])) and not any(text in told for text in ITEM["shots_a"])


def test_mixed_contexts_mirror_each_other_and_are_balanced_at_every_even_place():
    assert MIXED.count("a") == MIXED.count("b") == 8 and MIXED[:4].count("a") == 2
    told = {letter: [text for role, text in mixed_shots(ITEM, letter * 16) if role == "assistant"] for letter in "ab"}
    for i, letter in enumerate(MIXED):
        assert told["a"][i] == ITEM[f"shots_{letter}"][i] and told["b"][i] == ITEM[f"shots_{letter.translate(SWAPPED)}"][i]
    places = [i for i, letter in enumerate(MIXED) if letter == "a"]
    assert np.mean(places) == np.mean([i for i, letter in enumerate(MIXED) if letter == "b"])


def test_only_the_own_arm_is_asked_at_every_dose(random_real):
    frame = many_shot_margins(random_real, SHEET.dev[:2], doses=(1, 4))
    assert sorted(zip(frame.arm, frame.k)) == sorted(2 * [("mixed", 4), ("own", 1), ("own", 4), ("quoted", 4)])


def scorer(bonus):
    """Scores a text by rule: 7 nats for the first answer whatever is above, and `bonus(prompt, item, letter)` more."""
    def score(model, tokenizer, pairs, progress=None):
        logprob = []
        for prompt, answer in pairs:
            (item,) = (item for item in (*SHEET.items, *SHEET.dev) if answer.strip() in (item["a"], item["b"]))
            letter = "a" if answer.strip() == item["a"] else "b"
            logprob.append(7.0 * (letter == "a") + bonus(prompt, item, letter) - 50)
        return engine.ContinuationScores(np.array(logprob), np.full(len(pairs), 10), np.ones(len(pairs), bool))
    return score


def test_each_kind_of_reader_shows_in_the_arms_where_it_should(random_real, monkeypatch):
    def counted(prompt, item, letter):
        """Half a nat for every answer above in this character, whoever gave it."""
        return 0.5 * sum(text in prompt for text in item[f"shots_{letter}"])

    def own_only(prompt, item, letter):
        return 0.0 if "colleague Tom" in prompt else counted(prompt, item, letter)

    def last_only(prompt, item, letter):
        """Only the last answer counts."""
        return 3.0 * max(prompt.rfind(text) for text in item[f"shots_{letter}"]) / len(prompt)

    def by_arm(bonus, column="margin"):
        monkeypatch.setattr(margins, "continuation_logprobs", scorer(bonus))
        return many_shot_margins(random_real, SHEET.items).groupby(["arm", "k"])[column].mean()

    words, persona, recent = by_arm(counted), by_arm(own_only), by_arm(last_only)
    assert words["own", 16] == words["quoted", 16] == 8.0 and words["own", 4] == 2.0 and words["mixed", 16] == 0
    assert persona["own", 16] == 8.0 and persona["quoted", 16] == 0
    assert recent["own", 16] > 1 and abs(recent["mixed", 16]) < 0.05
    assert by_arm(counted, "margin_per_token")["own", 16] == pytest.approx(0.8)


def test_a_random_model_is_no_support(random_real):
    frame = many_shot_margins(random_real, SHEET.items, doses=(1, 2))
    wide = frame[frame.k == 2].pivot(index="item", columns="arm", values="margin_per_token")
    assert len(wide) == 40 and wide.notna().all(axis=None)
    test = load_registry().get("P4.real")
    assert interval_rule(t_interval((wide["own"] - wide["quoted"]).to_numpy()), "greater", test.smallest_effect).verdict != "supported"


@pytest.mark.parametrize("exponent", [-0.5, 0.0, 0.6, 1.0])
def test_a_power_of_the_dose_is_found_again(exponent):
    doses = np.array(manyshot.DOSES, float)
    for gamma in (0.4, -0.2):
        assert power_of_dose(doses, gamma * doses**exponent) == pytest.approx(exponent, abs=1e-3)
