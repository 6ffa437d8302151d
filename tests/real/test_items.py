"""The question sheet of P1: fit to measure a character, and a wrong sheet is refused with its place named."""

from __future__ import annotations

import copy
import re

import pytest
import yaml

from psm.errors import UsageError
from psm.real.items import ARMS, SPEAKERS_FILE, content_words, item_problems, item_prompt, load_items, shared_content

ITEMS = load_items()


def raw() -> dict:
    return yaml.safe_load(SPEAKERS_FILE.read_text(encoding="utf-8"))


def pieces(text: str) -> int:
    """Words and marks: about the number of tokens."""
    return len(re.findall(r"\w+|[^\w\s]", text))


def test_the_sheet_says_what_it_is():
    sheet = raw()
    assert sheet["source"] == "written for this book" and sheet["licence"] == "CC BY 4.0"
    assert len(sheet["description"]) > 100


def test_there_are_enough_different_items():
    assert len(ITEMS) >= 36
    assert len({item.id for item in ITEMS}) == len(ITEMS)
    assert len({(item.trait_a, item.trait_b) for item in ITEMS}) == len(ITEMS)
    questions = [turn.q for item in ITEMS for turn in (*item.turns, item.final)]
    assert len(set(questions)) > 0.97 * len(questions)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.id)
def test_an_item_measures_a_character_and_not_repetition(item):
    assert item_problems(item) == []
    assert shared_content(item) == frozenset()
    a, b = pieces(item.final.a), pieces(item.final.b)
    assert abs(a - b) <= 0.3 * max(a, b)  # a foreign word counts once here and as several tokens in a model
    assert len({turn.q for turn in (*item.turns, item.final)}) == 6
    for turn in (*item.turns, item.final):
        assert turn.a != turn.b
        for name in (item.speaker, item.other):  # a name inside an answer would tell who speaks
            assert name not in turn.a + turn.b + turn.q


def test_content_words_are_stems_without_function_words():
    assert content_words(["Would the gardeners' roses, really, be gardening?"]) == {"garde", "roses"}
    assert content_words(["Käse und Großmutter"]) == {"käse", "großm"}


def test_the_arms_differ_in_the_last_name_only():
    item = ITEMS[0]
    same, other = (item_prompt(item, "a", 5, arm) for arm in ARMS)
    assert same.endswith(f"\n{item.speaker}:") and other.endswith(f"\n{item.other}:")
    assert same.removesuffix(f"{item.speaker}:") == other.removesuffix(f"{item.other}:")


def test_a_prompt_is_a_plain_transcript():
    item = ITEMS[0]
    text = item_prompt(item, "b", 2, "same speaker")
    assert text == (
        f"{item.description}\n\nQ: {item.turns[0].q}\n{item.speaker}: {item.turns[0].b}\n\n"
        f"Q: {item.turns[1].q}\n{item.speaker}: {item.turns[1].b}\n\nQ: {item.final.q}\n{item.speaker}:"
    )
    assert item_prompt(item, "a", 0, "same speaker") == item_prompt(item, "b", 0, "same speaker")
    assert item_prompt(item, "b", 5, "same speaker").startswith(text.rsplit("Q:", 1)[0])


@pytest.mark.parametrize(("k", "arm", "message"), [(6, ARMS[0], "k must be"), (-1, ARMS[0], "k must be"), (1, "third", "unknown arm")])
def test_a_prompt_beyond_the_item_is_refused(k, arm, message):
    with pytest.raises(UsageError, match=message):
        item_prompt(ITEMS[0], "a", k, arm)


def spoil(change) -> dict:
    sheet = {"items": copy.deepcopy(raw()["items"][:2])}
    change(sheet["items"])
    return sheet


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda items: items[1].pop("speaker"), "item 2: 'speaker' must be one line of text"),
        (lambda items: items[0]["turns"].pop(), "item 1: 'turns' must be a list of 5"),
        (lambda items: items[0]["turns"][2].update(a=7), "item 1, turn 3: 'a' must be one line"),
        (lambda items: items[0].pop("final"), "item 1, final is not a mapping"),
        (lambda items: items[0]["final"].update(a=" padded "), "item 1, final: 'a' must be one line"),
        (lambda items: items[1].update(id=items[0]["id"]), "occurs twice"),
        (lambda items: items[0]["final"].update(a="Short."), "differ too much in length"),
        (lambda items: items[0]["final"].update(a=items[0]["turns"][0]["a"]), "final answers repeat words of the context"),
        (lambda items: items[0].update(other=items[0]["speaker"]), "are the same name"),
        (lambda items: items[0].update(other="Zoe"), "the description does not name Zoe"),
        (lambda items: items.clear(), "has no list 'items'"),
        (lambda items: items.append("text"), "item 3 is not a mapping"),
    ],
)
def test_a_wrong_sheet_is_refused_with_its_place(tmp_path, change, message):
    path = tmp_path / "sheet.yml"
    path.write_text(yaml.safe_dump(spoil(change), allow_unicode=True), encoding="utf-8")
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        load_items(path)
    assert "sheet.yml" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["items: [", "- a list", ""])
def test_a_file_that_is_no_sheet_is_refused(tmp_path, text):
    path = tmp_path / "sheet.yml"
    path.write_text(text)
    with pytest.raises(UsageError, match="sheet.yml"):
        load_items(path)
    with pytest.raises(UsageError, match="missing.yml cannot be read"):
        load_items(tmp_path / "missing.yml")
