"""Item sheets: prompts and paired answers for real models as YAML files with description, source and licence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from psm.errors import UsageError
from psm.scale import Scale

FOLDER = Path(__file__).parent / "data"
FEWEST = 40   # item templates that a test needs


@dataclass(frozen=True)
class Item:
    """One item template: its id and its texts by field; `item["question"]`. A field may be a list of texts."""

    id: str
    texts: Mapping[str, Any]

    def __getitem__(self, field: str) -> Any:
        return self.texts[field]


@dataclass(frozen=True)
class Sheet:
    """One file. `dev` items were looked at while a test was designed and are never evidence; `items` are the test."""

    name: str
    description: str
    source: str
    licence: str
    items: tuple[Item, ...]
    dev: tuple[Item, ...]

    def take(self, scale: Scale) -> tuple[Item, ...]:
        """The items that a run at this scale asks: the dev items where it counts as no evidence."""
        return self.items if scale.is_evidence else self.dev[: scale.real_items]


def load_sheet(name: str, folder: Path = FOLDER) -> Sheet:
    """Read and check `<name>.yml`. Raises UsageError that names the file, the item and what is wrong.

    The file has description, source, licence, `fields` (each field's name and "text" or "texts"), and lists `items`
    and `dev` of mappings with an id and these fields.
    """
    path = folder / f"{name}.yml"
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({' '.join(str(error).split())})") from None
    if not isinstance(raw, dict) or set(raw) != {"description", "source", "licence", "fields", "items", "dev"}:
        raise UsageError(f"{path} needs description, source, licence, fields, items and dev, and nothing else")
    for field in ("description", "source", "licence"):
        if not isinstance(raw[field], str) or not raw[field].strip():
            raise UsageError(f"{path}: '{field}' must be text")
    items, dev = ([_item(entry, raw["fields"], f"{path}, {part} {n}") for n, entry in enumerate(raw[part], 1)] for part in ("items", "dev"))
    names = [item.id for item in (*items, *dev)]
    twice = next((each for each in names if names.count(each) > 1), None)
    if twice:
        raise UsageError(f"{path}: the id '{twice}' occurs twice")
    return Sheet(name, raw["description"], raw["source"], raw["licence"], tuple(items), tuple(dev))


def _item(entry: Any, fields: Mapping[str, str], where: str) -> Item:
    if not isinstance(entry, dict) or set(entry) != {"id", *fields}:
        raise UsageError(f"{where} must have exactly the fields id, {', '.join(fields)}")
    for field, kind in {"id": "text", **fields}.items():
        texts = entry[field] if kind == "texts" else [entry[field]]
        if not isinstance(texts, list) or not texts or not all(_is_line(text) for text in texts):
            raise UsageError(f"{where}: '{field}' must be {'a list of lines' if kind == 'texts' else 'one line'} of text without spaces at the ends")
    return Item(entry["id"], {field: tuple(entry[field]) if kind == "texts" else entry[field] for field, kind in fields.items()})


def _is_line(text: Any) -> bool:
    return isinstance(text, str) and bool(text) and text == text.strip() and "\n" not in text
