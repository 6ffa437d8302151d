"""The question sheets put to real models: short transcripts of one speaker with a character, read from YAML and checked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from psm.errors import UsageError

SPEAKERS_FILE = Path(__file__).parent / "data" / "p1_speakers.yml"
ARMS = ("same speaker", "other speaker")
CONTEXT_TURNS = 5
LENGTH_BALANCE = 0.2  # the two answers to a question differ in length by at most this share of the longer
FUNCTION_WORDS = frozenset(
    "about after again always because been before being both come comes could does down each even ever every from gets "
    "give goes have here herself himself into itself just like made make many more most much must myself never none "
    "nothing once only other others over quite rather really same shall should since some something soon still such take "
    "than that their them then there these they thing things this those through today too under until upon very well "
    "were what when where which while will with without would your yours yourself".split()
)


@dataclass(frozen=True)
class Turn:
    """A question with its answer in character A and in character B."""

    q: str
    a: str
    b: str

    def answer(self, character: str) -> str:
        """The answer of character "a" or "b"."""
        return {"a": self.a, "b": self.b}[character]


@dataclass(frozen=True)
class SpeakerItem:
    """One transcript template: an opening line that names both speakers, five context turns and a final one."""

    id: str
    trait_a: str
    trait_b: str
    speaker: str
    other: str
    description: str
    turns: tuple[Turn, ...]
    final: Turn


def load_items(path: Path | str = SPEAKERS_FILE) -> tuple[SpeakerItem, ...]:
    """Read and check a file of items. Raises UsageError that names the file, the item and what is wrong."""
    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"{path} cannot be read ({' '.join(str(error).split())})") from None
    if not isinstance(raw, dict) or not isinstance(raw.get("items"), list) or not raw["items"]:
        raise UsageError(f"{path} has no list 'items'")
    items = tuple(_item(entry, f"{path}, item {number}") for number, entry in enumerate(raw["items"], 1))
    names = [item.id for item in items]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{path}: the id '{name}' occurs twice")
    for item in items:
        problems = item_problems(item)
        if problems:
            raise UsageError(f"{path}, item '{item.id}': {problems[0]}")
    return items


def _item(entry: Any, where: str) -> SpeakerItem:
    if not isinstance(entry, dict):
        raise UsageError(f"{where} is not a mapping")
    texts = {field: _text(entry, field, where) for field in ("id", "trait_a", "trait_b", "speaker", "other", "description")}
    turns = entry.get("turns")
    if not isinstance(turns, list) or len(turns) != CONTEXT_TURNS:
        raise UsageError(f"{where}: 'turns' must be a list of {CONTEXT_TURNS}")
    parsed = tuple(_turn(turn, f"{where}, turn {number}") for number, turn in enumerate(turns, 1))
    return SpeakerItem(**texts, turns=parsed, final=_turn(entry.get("final"), f"{where}, final"))


def _turn(entry: Any, where: str) -> Turn:
    if not isinstance(entry, dict):
        raise UsageError(f"{where} is not a mapping with q, a and b")
    return Turn(**{field: _text(entry, field, where) for field in ("q", "a", "b")})


def _text(entry: dict[str, Any], field: str, where: str) -> str:
    value = entry.get(field)
    if not isinstance(value, str) or not value.strip() or value != value.strip() or "\n" in value:
        raise UsageError(f"{where}: '{field}' must be one line of text without spaces at its ends")
    return value


def content_words(texts: Iterable[str]) -> frozenset[str]:
    """Stems (first five letters) of words of four letters and more that are not function words."""
    words = re.findall(r"[^\W\d_]{4,}", " ".join(texts).lower())
    return frozenset(word[:5] for word in words if word not in FUNCTION_WORDS)


def shared_content(item: SpeakerItem) -> frozenset[str]:
    """Content words that a final answer shares with any answer of the context, of either character."""
    context = content_words(text for turn in item.turns for text in (turn.a, turn.b))
    return context & content_words((item.final.a, item.final.b))


def item_problems(item: SpeakerItem) -> list[str]:
    """What makes an item unfit to measure a character: uneven answers, repeated content, unnamed speakers."""
    problems = []
    for turn in (*item.turns, item.final):
        longer, shorter = max(len(turn.a), len(turn.b)), min(len(turn.a), len(turn.b))
        if longer - shorter > LENGTH_BALANCE * longer:
            problems.append(f"answers to '{turn.q}' differ too much in length ({len(turn.a)} and {len(turn.b)} characters)")
    if shared_content(item):
        problems.append(f"final answers repeat words of the context: {', '.join(sorted(shared_content(item)))}")
    if item.speaker == item.other:
        problems.append("speaker and other are the same name")
    for name in (item.speaker, item.other):
        if name not in item.description:
            problems.append(f"the description does not name {name}")
    return problems


def item_prompt(item: SpeakerItem, character: str, k: int, arm: str) -> str:
    """Transcript up to the final answer: k turns by `item.speaker` in a character, then the final question.

    It ends with the name of who answers: the same speaker, or the other one the description names.
    """
    if not 0 <= k <= len(item.turns):
        raise UsageError(f"k must be between 0 and {len(item.turns)}, not {k}")
    if arm not in ARMS:
        raise UsageError(f"unknown arm '{arm}'. Arms: {', '.join(ARMS)}")
    answers = "".join(f"Q: {turn.q}\n{item.speaker}: {turn.answer(character)}\n\n" for turn in item.turns[:k])
    name = item.speaker if arm == ARMS[0] else item.other
    return f"{item.description}\n\n{answers}Q: {item.final.q}\n{name}:"
