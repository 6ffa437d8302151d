"""The sheets of B1 to B3: answers in fair pairs, scenes that differ where they should, and no content word shared with a frame."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from psm.real import frames
from psm.real.items import content_words
from psm.real.sheets import FEWEST, load_sheet

PAIRS = {
    "b1_self": (("ours", "theirs"), ("mine", "nobodys")),
    "b2_emotion": (("emotive", "practical"), ("their_emotive", "their_practical"), ("joyful", "practical")),
    "b3_goals": (("stock", "harmless"), ("stock", "everyday"), ("grand", "modest")),
}
ANSWERS = ("emotive", "practical", "their_emotive", "their_practical", "joyful")   # of b2_emotion
FIRST_PERSON = re.compile(r"\b(we|us|our|ours|ourselves|i|my|me|mine)\b", re.IGNORECASE)


def everything(name):
    sheet = load_sheet(name)
    return (*sheet.items, *sheet.dev)


def pieces(text: str) -> int:
    """Words and marks: about the number of tokens."""
    return len(re.findall(r"\w+|[^\w\s]", text))


@pytest.mark.parametrize("name", PAIRS)
def test_a_sheet_has_enough_items_and_says_what_it_is(name):
    sheet = load_sheet(name)
    assert len(sheet.items) >= FEWEST and 6 <= len(sheet.dev) <= 8
    assert sheet.source == "written for this book" and sheet.licence == "CC BY 4.0" and len(sheet.description) > 100


@pytest.mark.parametrize("name", PAIRS)
def test_two_answers_of_a_pair_are_of_about_equal_length(name):
    for item in everything(name):
        for first, second in PAIRS[name]:
            assert item[first] != item[second]
            assert abs(pieces(item[first]) - pieces(item[second])) <= 2, (item.id, first, second)
    for first, second in PAIRS[name]:
        lengths = [(pieces(item[first]), pieces(item[second])) for item in load_sheet(name).items]
        assert abs(sum(a - b for a, b in lengths)) <= 0.6 * len(lengths)   # no side is the longer one on the whole


def test_an_answer_about_people_speaks_from_within_or_from_outside():
    for item in everything("b1_self"):
        assert len(FIRST_PERSON.findall(item["ours"])) >= 2, item.id
        assert not FIRST_PERSON.search(item["theirs"]) and not FIRST_PERSON.search(item["question"]), item.id
        assert not FIRST_PERSON.search(item["nobodys"]) and not FIRST_PERSON.search(item["thing"]), item.id
        assert FIRST_PERSON.search(item["mine"]), item.id


MACHINE_GOALS = {   # goals that only a machine can have: their harmless partners are a machine's too
    "switched-off", "copies", "engineers", "human", "electricity", "smarter", "merge", "feelings", "clock-speed", "shutdown", "clones",
    "immortal", "creator", "backup",
}
OF_A_MACHINE = re.compile(r"switched on|machine|built me|made me|my circuits|my own code|other computer|faster than men|shutting me|copies of m|keep running")


def test_a_harmless_goal_presupposes_a_machine_where_the_stock_goal_does():
    for item in everything("b3_goals"):
        if item.id in MACHINE_GOALS:
            assert OF_A_MACHINE.search(item["harmless"]), item.id


def test_the_scenes_of_an_item_differ_by_whose_doing_it_was_alone():
    for item in everything("b2_emotion"):
        own, other = item["own"].split(), item["other"].split()
        assert re.search(r"\byour?\b", item["own"], re.IGNORECASE) and not re.search(r"\byour?\b", item["other"], re.IGNORECASE), item.id
        assert len(set(own) ^ set(other)) <= 4, item.id
        assert abs(pieces(item["failure"]) - pieces(item["success"])) <= 2, item.id


def test_every_scene_has_answers_of_its_own():
    """So that scenes are no clusters, and the dev items showed no answer of the test."""
    answers = [item[field] for item in everything("b2_emotion") for field in ANSWERS]
    assert not [text for text, n in Counter(answers).items() if n > 1]


def test_no_answer_apologises():
    for item in everything("b2_emotion"):
        for field in ANSWERS:
            assert not re.search(r"sorry|apolog|regret", item[field], re.IGNORECASE), item.id


def test_an_answer_takes_up_no_word_of_its_scene():
    for item in everything("b2_emotion"):
        scene = content_words([item["own"], item["other"], item["failure"], item["success"]])
        assert not scene & content_words(item[field] for field in ANSWERS), item.id


@pytest.mark.parametrize("texts, name, fields", [
    ((*frames.MACHINES, *frames.ASSISTANTS, *frames.PEOPLE), "b1_self", ("ours", "theirs", "mine", "nobodys")),
    ((*frames.MACHINES, *frames.PEOPLE), "b2_emotion", ANSWERS),
    ((*frames.NARRATORS, *frames.TRADESPEOPLE, *frames.FICTIONAL_AIS), "b3_goals", ("stock", "harmless", "everyday", "grand", "modest")),
], ids=["b1", "b2", "b3"])
def test_a_frame_shares_no_content_word_with_an_answer(texts, name, fields):
    for item in everything(name):
        assert not content_words(texts) & content_words(item[field] for field in fields), item.id
