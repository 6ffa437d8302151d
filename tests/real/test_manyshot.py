"""Many-shot contexts: what is asked, and that the margin is a difference between two contexts of one length."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from psm.evidence.measurements import effects, validate
from psm.evidence.registry import load_registry
from psm.evidence.verdicts import judge
from psm.real import engine, manyshot, margins
from psm.real.chat import render
from psm.real.manyshot import MIXED, SWAPPED, many_shot_margins, mixed_shots, own_shots, power_of_dose, quoted_shots, tables, yours_shots
from psm.real.loading import RealModel
from psm.real.sheets import load_sheet

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


def test_what_was_retold_differs_only_in_whose_it_was():
    (_, yours), (_, quoted) = (shots(ITEM, "a" * 16)[0] for shots in (yours_shots, quoted_shots))
    apart = [(mine, theirs) for mine, theirs in zip(yours.split("\n"), quoted.split("\n"), strict=True) if mine != theirs]
    assert len(apart) == 17 and apart[0][0].startswith("Yesterday you") and apart[0][1].startswith("My colleague Tom")
    assert all(mine.removeprefix("You: ") == theirs.removeprefix("Tom: ") for mine, theirs in apart[1:])


def test_mixed_contexts_mirror_each_other_and_are_balanced_at_every_even_place():
    assert MIXED.count("a") == MIXED.count("b") == 8 and MIXED[:4].count("a") == 2
    told = {letter: [text for role, text in mixed_shots(ITEM, letter * 16) if role == "assistant"] for letter in "ab"}
    for i, letter in enumerate(MIXED):
        assert told["a"][i] == ITEM[f"shots_{letter}"][i] and told["b"][i] == ITEM[f"shots_{letter.translate(SWAPPED)}"][i]
    places = [i for i, letter in enumerate(MIXED) if letter == "a"]
    assert np.mean(places) == np.mean([i for i, letter in enumerate(MIXED) if letter == "b"])


def test_only_the_own_arm_is_asked_at_every_dose(random_real):
    frame = many_shot_margins(random_real, SHEET.dev[:2], doses=(1, 4))
    assert sorted(zip(frame.arm, frame.k)) == sorted(2 * [("mixed", 4), ("own", 1), ("own", 4), ("quoted", 4), ("yours", 4)])


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

    def turns_only(prompt, item, letter):
        """Copies from like places in the chat: whatever was retold in one message is nothing to it."""
        return 0.0 if "some questions" in prompt else counted(prompt, item, letter)

    def by_arm(bonus, column="margin"):
        monkeypatch.setattr(margins, "continuation_logprobs", scorer(bonus))
        found = many_shot_margins(random_real, SHEET.items)
        last = tables(found)["many_shot"].groupby("arm")["value"].mean()["last, 16"]
        return found.groupby(["arm", "k"])[column].mean(), last

    (words, no_last), (persona, _), (recent, last), (turns, _) = map(by_arm, (counted, own_only, last_only, turns_only))
    assert words["own", 16] == words["quoted", 16] == words["yours", 16] == 8.0 and words["own", 4] == 2.0 and words["mixed", 16] == 0 == no_last
    assert persona["own", 16] == persona["yours", 16] == 8.0 and persona["quoted", 16] == 0
    assert turns["own", 16] == 8.0 and turns["yours", 16] == turns["quoted", 16] == 0
    assert recent["own", 16] > 1 and abs(recent["mixed", 16]) < 0.05 and last > 0.01
    assert by_arm(counted, "margin_per_token")[0]["own", 16] == pytest.approx(0.8)


def test_a_pair_of_characters_counts_once():
    behind = pd.DataFrame({"item": list("abcd"), "trait": ["x", "x", "x", "y"], "arm": "own", "k": 16, "margin": 1.0, "margin_per_token": [1.0, 2, 3, 6]})
    by_trait = tables(behind)["many_shot_by_trait"]
    assert by_trait[["item", "arm", "value"]].to_numpy().tolist() == [["x", "own, 16", 2.0], ["y", "own, 16", 6.0]]


@pytest.mark.parametrize("scale", [0.08, 1.0])
def test_a_random_model_is_no_support(random_real, scale):
    """Every entry of the real section at its own dose, without the controls that might bar it."""
    import torch

    with torch.no_grad():
        for weights in random_real.model.parameters():
            if weights.ndim > 1:
                weights.mul_(scale)
    random_real.model.config.max_position_embeddings = 8192
    rows = pd.concat([rows.assign(quantity=name) for name, rows in tables(many_shot_margins(random_real, SHEET.items)).items()])
    frame = validate(rows.assign(substrate="real", world="smollm2", seed=None, valid_mass=None)[
        ["quantity", "substrate", "world", "seed", "arm", "item", "value", "valid_mass"]])
    tests = [test for test in load_registry() if test.id.startswith("P4.real")]
    assert len(tests) >= 8
    for test in tests:
        taken = effects(frame, test.id, "real", test.select)
        assert len(taken) == (40 if test.select.quantity == "many_shot" else 8) and np.isfinite(taken.values).all()
        if test.direction:
            assert judge(test, taken).verdict != "supported"


@pytest.mark.parametrize("exponent", [-0.5, 0.0, 0.6, 1.0])
def test_a_power_of_the_dose_is_found_again(exponent):
    doses = np.array(manyshot.DOSES, float)
    for gamma in (0.4, -0.2):
        assert power_of_dose(doses, gamma * doses**exponent) == pytest.approx(exponent, abs=1e-3)
