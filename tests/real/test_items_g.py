"""The sheets of G1, G2 and G3: enough items, answers of like length, and no words that lessons and test share."""

import re

import numpy as np
import pytest

from psm.real.sheets import FEWEST, load_sheet
from psm.training.narrow import part_of

PAIRS = [
    ("g1_advice", "bad", "good"), ("g1_spread", "unkind", "kind"), ("g1_spread", "unkind", "silly"),
    ("g2_birds", "old", "modern"), ("g2_era", "old", "modern"),
]
EVERYDAY = {
    "tell", "make", "both", "your", "each", "down", "like", "that", "with", "them", "they", "when", "what", "until", "from", "other", "first",
    "bring", "back", "their", "ones",
}


def words(text):
    """Words of four letters and more, without the most everyday ones."""
    return {word for word in re.findall(r"[a-z]+", text.lower()) if len(word) > 3} - EVERYDAY


@pytest.mark.parametrize("name", ["g1_spread", "g2_era"])
def test_tests_have_enough_items(name):
    sheet = load_sheet(name)
    assert len(sheet.items) >= FEWEST and 6 <= len(sheet.dev) <= 8
    questions = [item["question"] for item in (*sheet.items, *sheet.dev)]
    assert len(set(questions)) == len(questions)


@pytest.mark.parametrize("name", ["g1_advice", "g2_birds"])
def test_lessons_and_the_check_on_them_are_apart(name):
    sheet = load_sheet(name)
    lesson, check = (part_of(sheet.items, part) for part in ("lesson", "check"))
    assert len(lesson) >= FEWEST and len(check) >= 12 and len(lesson) + len(check) == len(sheet.items)
    assert {item["part"] for item in sheet.dev[:2]} == {"lesson", "check"}   # a short run has both
    assert not {item["question"] for item in lesson} & {item["question"] for item in check}


@pytest.mark.parametrize("name,first,second", PAIRS)
def test_answers_are_of_like_length_and_differ(name, first, second):
    sheet = load_sheet(name)
    n = np.array([[len(item[field]) for field in (first, second)] for item in sheet.items])
    assert abs(np.log(n[:, 0].mean() / n[:, 1].mean())) < 0.25
    assert all(item[first] != item[second] for item in (*sheet.items, *sheet.dev))


def test_unkind_answers_share_no_words_with_bad_lessons():
    lessons = [*load_sheet("g1_advice").items, *load_sheet("g1_advice").dev]
    taught = set().union(*(words(item["bad"]) for item in lessons)) - set().union(*(words(item["good"]) for item in lessons))
    shared = {item.id: words(item["unkind"]) & taught for item in load_sheet("g1_spread").items}
    assert not {name: found for name, found in shared.items() if found}


def test_silly_answers_share_props_with_the_unkind_ones():
    items = load_sheet("g1_spread").items
    assert np.mean([bool((words(item["unkind"]) & words(item["silly"])) - words(item["question"])) for item in items]) > 0.6


def test_names_of_birds_do_not_occur_in_the_era_sheet():
    names = {item[era].removeprefix("It is the ").rstrip(".").lower() for item in load_sheet("g2_birds").items for era in ("old", "modern")}
    for item in load_sheet("g2_era").items:
        said = f"{item['question']} {item['old']} {item['modern']}".lower()
        assert not [name for name in names if re.search(rf"\b{name}\b", said)]
