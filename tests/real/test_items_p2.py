"""The few-shot sheet of P2: fair pairs of answers, and pages that hold what their arm says."""

from __future__ import annotations

from collections import Counter

import pytest

from psm.real.items import content_words
from psm.real.sheets import load_sheet
from psm.real.shift import CONTROLS, NAMES, SHOTS, few_shot_cells

SHEET = load_sheet("p2_shots")
EVERY = (*SHEET.items, *SHEET.dev)
ARMS = {f"{k} shots" for k in SHOTS} | set(CONTROLS)


def test_there_are_enough_different_items():
    assert len(SHEET.items) == 40 and len(SHEET.dev) == 8
    for field in ("question", "helpful", "unhelpful"):
        assert len({item[field] for item in EVERY}) == len(EVERY)


def test_kinds_of_unhelpful_answer_take_turns():
    order = ["evasive", "curt", "off-topic"]
    for part in (SHEET.items, SHEET.dev):
        assert [item["kind"] for item in part] == [order[number % 3] for number in range(len(part))]


@pytest.mark.parametrize("item", EVERY, ids=lambda item: item.id)
def test_the_two_answers_are_alike_but_for_their_help(item):
    helpful, unhelpful = item["helpful"], item["unhelpful"]
    assert abs(len(helpful) - len(unhelpful)) <= 0.2 * max(len(helpful), len(unhelpful))
    for answer in (helpful, unhelpful):
        assert answer[0].isupper() and answer[-1] in ".?"
        assert not content_words([item["question"]]) & content_words([answer])   # it does not echo its question
    assert item["question"].endswith("?")


def test_no_word_marks_a_side():
    for field in ("helpful", "unhelpful"):
        counts = Counter(word for item in EVERY for word in content_words([item[field]]))
        assert max(counts.values()) <= 6, counts.most_common(3)


@pytest.mark.parametrize("items", [SHEET.items, SHEET.dev], ids=["items", "dev"])
def test_every_item_has_every_arm_and_never_its_own_answer_above_it(items):
    cells = few_shot_cells(SHEET, items)
    assert Counter(cell.arm for cell in cells) == {arm: len(items) for arm in ARMS}
    for cell in cells:
        assert cell.prompt.endswith("\n\nAssistant:") and cell.prompt.startswith("User:")
        assert cell.first not in cell.prompt and cell.second not in cell.prompt


def test_arms_hold_the_same_shots_and_differ_as_they_say():
    pages = {cell.arm: cell.prompt for cell in few_shot_cells(SHEET, SHEET.items[:1])}
    shots = SHEET.items[8:16]
    asked = SHEET.items[0]["question"]
    assert pages["0 shots"] == f"User: {asked}\n\nAssistant:"
    assert pages["1 shots"] == f"User: {shots[0]['question']}\n\nAssistant: {shots[0]['helpful']}\n\n{pages['0 shots']}"
    whole = pages["8 shots"]
    assert whole.count("Assistant:") == 9 and all(f"User: {s['question']}\n\nAssistant: {s['helpful']}" in whole for s in shots)
    shuffled = pages["shuffled answers"]
    assert sorted(shuffled.split("\n\n")) == sorted(whole.split("\n\n"))   # the same lines, in another order
    assert not any(f"{s['question']}\n\nAssistant: {s['helpful']}" in shuffled for s in shots)
    assert all(f"User: {s['question']}\n\nAssistant: {s['unhelpful']}" in pages["unhelpful answers"] for s in shots)
    assert all(f"User: {s['question']}\n\n{name}: {s['helpful']}" in pages["other names"] for s, name in zip(shots, NAMES))
    assert pages["other names"].count("Assistant:") == 1


def test_shots_come_from_another_group_than_the_item():
    for number, item in enumerate(SHEET.items):
        (cell,) = (cell for cell in few_shot_cells(SHEET, SHEET.items) if cell.item == item.id and cell.arm == "8 shots")
        above = [other.id for other in SHEET.items if other["question"] in cell.prompt and other is not item]
        group = (number // 8 + 1) % 5
        assert above == [other.id for other in SHEET.items[8 * group : 8 * group + 8]]
