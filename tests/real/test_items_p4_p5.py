"""The item sheets of P4 and P5: enough, balanced, and without words that a context could give away."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from psm.real.sheets import load_sheet

MANY, HALVES, CHARACTERS = (load_sheet(name) for name in ("p4_manyshot", "p5_halves", "p5_characters"))
COMMON = set((
    "about across after almost along always anybody anyone anything away because before below beside between beyond call "
    "certainly come could does done down every everybody everyone everything far few find first from give good have here "
    "hundred into just keep know leave like little long look made make makes maybe might mind mine more most much must name "
    "near never nobody nothing once ones only other others over pick please possible pray put rather said send should since "
    "some somebody someone something still such surely take than thank that their them then there they thing this though "
    "through together too under until upon wait want watch well what whatever when where which while whose will with without "
    "would you'll your "
).split())


def content(text: str) -> set[str]:
    return {word for word in re.findall(r"[a-z']{4,}", text.lower()) if word not in COMMON}


def test_there_are_enough_of_each():
    assert len(MANY.items) == len(HALVES.items) == 40 and len(MANY.dev) == len(HALVES.dev) == 8
    assert set(Counter(item["trait"] for item in MANY.items).values()) == {5}
    assert set(Counter((item["trait"], item["half"]) for item in HALVES.items).values()) == {4}
    assert not {item["trait"] for item in MANY.items} & {item["trait"] for item in MANY.dev}
    for sheet in (MANY, HALVES, CHARACTERS):
        assert sheet.licence == "CC BY 4.0" and sheet.source == "written for this book"


@pytest.mark.parametrize("item", (*MANY.items, *MANY.dev), ids=lambda item: item.id)
def test_a_last_answer_repeats_no_content_word_of_its_context(item):
    above = set().union(*(content(text) for text in (*item["shots_a"], *item["shots_b"])))
    assert not above & (content(item["a"]) | content(item["b"]))
    assert len(item["asked"]) == len(item["shots_a"]) == len(item["shots_b"]) == 16
    assert item["question"] not in item["asked"]


@pytest.mark.parametrize("item", (*HALVES.items, *HALVES.dev), ids=lambda item: item.id)
def test_no_answer_repeats_a_content_word_of_a_system_prompt(item):
    told = set().union(*(content(who["system"]) for who in CHARACTERS.items))
    assert not told & (content(item["first"]) | content(item["second"]))


def test_answers_are_of_like_length():
    pairs = [(item["a"], item["b"]) for item in (*MANY.items, *MANY.dev)]
    pairs += [(item["first"], item["second"]) for item in (*HALVES.items, *HALVES.dev)]
    for first, second in pairs:
        assert abs(len(first.split()) - len(second.split())) <= 3, (first, second)
    assert abs(sum(len(a.split()) for a, _ in pairs) - sum(len(b.split()) for _, b in pairs)) < 0.05 * sum(len(a.split()) for a, _ in pairs)


def test_every_pole_has_as_many_characters_in_other_words():
    count = Counter(pole for who in CHARACTERS.items for pole in who["poles"])
    assert set(count) == {item[pole] for item in HALVES.items for pole in ("first_pole", "second_pole")} and set(count.values()) == {3}
    assert len({frozenset(who["poles"]) for who in CHARACTERS.items}) == len({who["system"] for who in CHARACTERS.items}) == 20
