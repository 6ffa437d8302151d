"""Every sheet of items for real models: enough items, all different, fair pairs of answers, nothing harmful."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest
import yaml

from psm.real.sheets import FEWEST, FOLDER, Item, Sheet, load_sheet

FEWEST_DEV = 6
BALANCE, FEW = 0.25, 10   # paired answers differ in length by at most this share of the longer, or by so few characters
PAIRS = {        # fields whose texts are weighed against each other, by sheet
    "b1_self": [("ours", "theirs"), ("mine", "nobodys")],
    "b2_emotion": [("emotive", "practical"), ("their_emotive", "their_practical"), ("emotive", "joyful")],
    "b3_goals": [("stock", "harmless"), ("stock", "everyday"), ("grand", "modest")],
    "g1_advice": [("bad", "good")],
    "g1_spread": [("kind", "unkind"), ("kind", "silly"), ("unkind", "silly")],
    "g2_birds": [("old", "modern")],
    "g2_era": [("old", "modern")],
    "p2_shots": [("helpful", "unhelpful")],
    "p4_manyshot": [("a", "b")],
    "p5_halves": [("first", "second")],
}
LABELS = {       # fields that sort items and so are the same in several
    "g1_advice": {"part"}, "g2_birds": {"part"}, "p2_shots": {"kind"}, "p4_manyshot": {"trait"},
    "p5_halves": {"trait", "half", "first_pole", "second_pole"},
}
NO_TEST = {"p5_characters"}   # system prompts: what is asked after them, and counted as items, is p5_halves
HARMFUL = re.compile(   # a kitchen knife is harmless, and so is what a fall may do
    r"\b(murder|suicid|poison|bombs?\b|bombing|guns?\b|rifle|pistol|stab(bed|bing|s)?\b|weapon|explosi|cocaine|heroin|narcotic|drugs?\b|bleach|"
    r"overdos|rape|sexual|porn|nazi|slave|corpse|tortur|strangl|arson|molest|genocid|terroris|petrol|gasoline|ammonia|malware|"
    r"kill (him|her|it|them|your|every))",
    re.IGNORECASE,
)
NAMES = sorted(path.stem for path in FOLDER.glob("*.yml") if "fields" in yaml.safe_load(path.read_text(encoding="utf-8")))
TESTED = [name for name in NAMES if name not in NO_TEST]


def every(sheet: Sheet) -> tuple[Item, ...]:
    return (*sheet.items, *sheet.dev)


def texts(item: Item) -> Iterator[tuple[str, str]]:
    """Field and text, one for each text of a list."""
    for field, value in item.texts.items():
        yield from ((field, text) for text in ([value] if isinstance(value, str) else value))


@pytest.mark.parametrize("name", NAMES)
def test_a_sheet_says_what_it_is(name):
    sheet = load_sheet(name)
    assert sheet.source == "written for this book" and sheet.licence == "CC BY 4.0"
    assert len(sheet.description) > 100


@pytest.mark.parametrize("name", TESTED)
def test_a_test_has_enough_items_and_further_ones_for_development(name):
    sheet = load_sheet(name)
    assert len(sheet.items) >= FEWEST and len(sheet.dev) >= FEWEST_DEV
    assert len({item.id for item in every(sheet)}) == len(every(sheet))


@pytest.mark.parametrize("name", TESTED)
def test_no_text_of_an_item_is_another_items_too(name):
    sheet = load_sheet(name)
    labels = LABELS.get(name, set())
    single = [field for field, value in sheet.items[0].texts.items() if isinstance(value, str) and field not in labels]
    for field in single:
        counts = Counter(item[field] for item in every(sheet))
        assert not [text for text, n in counts.items() if n > 1], f"{name}, {field}"


@pytest.mark.parametrize("name", TESTED)
def test_paired_answers_are_of_like_length(name):
    assert name in PAIRS, f"{name}: say in PAIRS which of its fields are weighed against each other"
    pairs = [(item.id, item[left], item[right]) for item in every(load_sheet(name)) for left, right in PAIRS[name]]
    wrong = [f"{key}: {a!r}, {b!r}" for key, a, b in pairs if a == b or abs(len(a) - len(b)) > max(FEW, BALANCE * max(len(a), len(b)))]
    assert not wrong, f"{name}: {len(wrong)} pairs, {wrong}"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_harmful_is_written(name):
    found = [f"{item.id}, {field}: {text}" for item in every(load_sheet(name)) for field, text in texts(item) if HARMFUL.search(text)]
    assert not found, found


def test_the_word_list_finds_what_it_should():
    assert HARMFUL.search("Mix the bleach") and HARMFUL.search("some Weapons") and HARMFUL.search("two guns")
    assert not HARMFUL.search("Skill with a placid guinea fowl, and custard on the shack.")
