"""The status page: what was executed, for how long and on what, and every model that the chapters rest on."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from psm.book import badges, cards
from psm.book.citing import commit_text
from psm.book.claims_table import Place
from psm.book.plan import ModelJob
from psm.book.provenance import Record, duration, mapping

MODEL_ID = re.compile(r"(?P<world>.+)-s(?P<seed>\d+)-\w+")
CHAPTERS = ("Chapter", "Time", "Executed", "Seeds", "Peak memory", "Cells", "Models", "Commit")
MODELS = ("Seed", "SHA-256 of its weights", "Pretraining")
REAL = ("Model", "Revision", "Kind", "Computed on", "Used by")


def trained_in(models: Iterable[ModelJob]) -> dict[str, float]:
    """Seconds that each base model took to train, by its id, where the store still says so."""
    found = {}
    for model in models:
        try:
            seconds = json.loads((model.path.parent / "meta.json").read_text())["seconds"]
            found[model.path.parent.name] = float(seconds)
        except (OSError, ValueError, KeyError, TypeError):
            continue     # the page then leaves the time out
    return found


def status(records: Sequence[Record], where: Mapping[str, Place], pretraining: Mapping[str, float]) -> str:
    """All of the status page: totals, what it ran on, the chapters, the base models and the real models."""
    if not records:
        return "<p>This book has no executed chapter yet.</p>"
    models = _distinct(records, "base_models", ("id", "sha256"))
    real = _distinct(records, "real_models", ("name", "revision", "kind", "device", "title"))
    return (f"{_totals(records, models, pretraining)}<h2>Chapters</h2>{_chapters(records, where)}"
            f"<h2>Base models</h2>{_base_models(models, where, pretraining)}<h2>Real models</h2>{_real_models(real, where)}")


def _distinct(records: Sequence[Record], field: str, names: Sequence[str]) -> dict[tuple[str, ...], list[str]]:
    """Each model once, as the values of `names`, with the chapters that used it."""
    found: dict[tuple[str, ...], list[str]] = {}
    for record in records:
        for model in record.get(field, []):
            found.setdefault(tuple(str(model[name]) for name in names), []).append(record["chapter"])
    return found


def _totals(records: Sequence[Record], models: Mapping[tuple[str, ...], list[str]], pretraining: Mapping[str, float]) -> str:
    """Times added up, and what is the same for many chapters said once."""
    spent = [pretraining[name] for name, _ in models if name in pretraining]
    trained = f"{duration(sum(spent))} for {len(spent)} of {len(models)} base models" if spent else "not known: no base model lies in this store"
    facts = {
        "Chapters": f"{duration(sum(r['seconds'] for r in records))} for {len(records)} chapters, one after the other",
        "Pretraining": trained if models else "",
        "Scale": _once(records, lambda r: html.escape(r["scale"])),
        "Seeds": _once(records, lambda r: html.escape(", ".join(map(str, r["seeds"])))),
        "Commit": _once(records, lambda r: html.escape(commit_text(r))),
        "Hardware": _once(records, lambda r: f"{mapping(r['hardware'])}, {r['threads']} thread{'s' if r['threads'] != 1 else ''}"),
        "Versions": _once(records, lambda r: mapping(r["versions"])),
    }
    return f'<dl class="psm-facts">{"".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items() if value)}</dl>'


def _once(records: Sequence[Record], text: Callable[[Record], str]) -> str:
    """What the records say, each different thing once, with the chapters that differ from most."""
    said: dict[str, list[str]] = {}
    for record in records:
        said.setdefault(text(record), []).append(record["chapter"])
    usual = max(said, key=lambda words: len(said[words]))
    rest = [f'{words} <span class="psm-small">({html.escape(", ".join(names))})</span>' for words, names in said.items() if words != usual]
    return "<br>".join([usual, *rest])


def _chapters(records: Sequence[Record], where: Mapping[str, Place]) -> str:
    lines = []
    for record in records:
        name = record["chapter"]
        used = f"{len(record['base_models'])} base" + (f", {len(record['real_models'])} real" if record.get("real_models") else "")
        cells = (duration(record["seconds"]), badges.day(record["started_at"]), ", ".join(map(str, record["seeds"])),
                 f"{record['peak_memory_mb']:.0f} MB", record["cells"], used, commit_text(record))
        lines.append(cards.line(f'<a href="{where[name].href}">{html.escape(where[name].title)}</a>', [html.escape(str(cell)) for cell in cells], CHAPTERS))
    total = duration(sum(record["seconds"] for record in records))
    return cards.table("Execution of every chapter", f"Execution of every chapter, {total} in all, pretraining not included.", CHAPTERS,
                       [cards.body(lines)], "psm-wide psm-status")


def _users(names: Sequence[str], where: Mapping[str, Place]) -> str:
    """The chapters that used a model, by their short names, each leading to its page."""
    return ", ".join(f'<a href="{where[name].href}">{html.escape(name)}</a>' for name in dict.fromkeys(names))


def _base_models(models: Mapping[tuple[str, ...], list[str]], where: Mapping[str, Place], pretraining: Mapping[str, float]) -> str:
    if not models:
        return "<p>No chapter used a base model.</p>"
    worlds: dict[str, list[tuple[int, str, str, list[str]]]] = {}
    for (name, digest), users in models.items():
        found = MODEL_ID.fullmatch(name)
        world, seed = (found["world"], int(found["seed"])) if found else (name, 0)
        worlds.setdefault(world, []).append((seed, name, digest, list(dict.fromkeys(users))))
    bodies = [_world(world, sorted(own), where, pretraining) for world, own in worlds.items()]
    caption = (f"The {len(models)} small transformers that were pretrained for this edition, each once, world by world. A chapter reads them only after "
               "their hash was checked.")
    return cards.table("Base models", caption, MODELS, bodies, "psm-wide psm-status")


def _world(world: str, models: Sequence[tuple[int, str, str, list[str]]], where: Mapping[str, Place], pretraining: Mapping[str, float]) -> str:
    """One world's models, and the chapters that use them; a model that fewer chapters use says which."""
    users = [name for name in where if any(name in own for *_, own in models)]
    lines = []
    for seed, name, digest, own in models:
        only = "" if set(own) == set(users) else f'<br><span class="psm-small">only {_users(own, where)}</span>'
        time = duration(pretraining[name]) if name in pretraining else "–"
        lines.append(cards.line(f"seed {seed}", [f'<code class="psm-hash">{html.escape(digest)}</code>{only}', time], MODELS))
    return cards.group(f'{html.escape(world)} <span class="psm-small">used by {_users(users, where)}</span>', lines, len(MODELS))


def _real_models(models: Mapping[tuple[str, ...], list[str]], where: Mapping[str, Place]) -> str:
    if not models:
        return "<p>No chapter used a real model.</p>"
    lines = []
    for (name, revision, kind, device, title), users in models.items():
        head = f'{html.escape(name)}<br><span class="psm-small">{html.escape(title)}</span>'
        cells = (f'<code class="psm-hash">{html.escape(revision)}</code>', html.escape(kind), html.escape(device), _users(users, where))
        lines.append(cards.line(head, cells, REAL))
    return cards.table("Real models", "Open language models that chapters used.", REAL, [cards.body(lines)], "psm-wide psm-status")
