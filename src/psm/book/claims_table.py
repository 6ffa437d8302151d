"""The ledger's main table: every claim with its persona world and its real model side by side, and the filters that act on it."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psm.book import badges, cards
from psm.book.badges import Row, anchor, interval, number
from psm.book.chapters import toc_parts
from psm.book.pages import Edition
from psm.book.plan import Plan

HEADS = ("Home", "Verdict", "Estimate", "Needed", "Controls", "Run again")
HOMES = {"world": "Persona world", "real": "Real model"}
NO_TEST = "no test"
NO_PART = "Outside the parts"


@dataclass(frozen=True)
class Place:
    """Where a chapter stands: its title without marks, the part of the book, and its address from the page being filled."""

    title: str
    part: str
    href: str


def places(edition: Edition, document: str) -> dict[str, Place]:
    """Every chapter's place as seen from `document`; the parts are the captions of `_toc.yml`."""
    parts, link = toc_parts(edition.plan.root), edition.link_from(document)
    return {name: Place(badges.plain(chapter.title), parts.get(chapter.path) or NO_PART, link(name)) for name, chapter in edition.chapters.items()}


def chapter_files(plan: Plan) -> dict[str, Place]:
    """Every chapter's place as seen from the project's root, where the README lies: its source."""
    parts = toc_parts(plan.root)
    return {job.chapter.name: Place(badges.plain(job.chapter.title), parts.get(job.chapter.path) or NO_PART,
                                    job.chapter.path.relative_to(plan.root).as_posix()) for job in plan.chapters}


def key(text: str) -> str:
    """A filter's value as it stands in an address: "not run" is not-run."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def claim_lines(rows: Sequence[Row], claim: str) -> list[tuple[str, Row | None]]:
    """A claim's lines: (home, its primary test's row) for each home, None where no test is registered for that home."""
    found = badges.primary_rows(rows, claim)
    return [(home, row) for home in HOMES for row in ([r for r in found if r["substrate"] == home] or [None])]


def statement(claim: str, place: Place) -> str:
    """A claim as its chapter's title, which leads to the chapter."""
    return f'<a href="{place.href}">{html.escape(claim)}: {html.escape(place.title)}</a>'


def check_words(row: Row, anchors: frozenset[str] = frozenset()) -> str:
    """How many of a test's controls hold, and by name each check that does not, leading to its line where there is one."""
    controls, training = row.get("control") or [], row.get("manipulation")
    held = sum(check["status"] == "holds" for check in controls)
    told = [f"{held} of {len(controls)} hold"] if controls and any(c["status"] in badges.CHECKS for c in controls) else []
    told += ["training took"] if training and training["status"] == "holds" else []
    for check in [*controls, *([training] if training else [])]:
        if check["status"] != "holds":
            name, mark = html.escape(check["id"]), badges.slug(check["id"])
            name = f'<a href="#{mark}">{name}</a>' if mark in anchors else name
            told.append(f'<span class="psm-small">{name}: {html.escape(check["status"])}</span>')
    return "<br>".join(told) or "none"


def estimate(row: Row) -> str:
    """A row's estimate, and below it its interval and the number of units."""
    if row.get("estimate") is None:
        return "–"
    spread = interval(row.get("ci_low"), row.get("ci_high"))
    small = " · ".join(part for part in ("no interval" if spread == "–" else spread, badges.units(row)) if part)
    return f'{number(row["estimate"])} {html.escape(row.get("unit") or "")}<br><span class="psm-small">{small}</span>'


def _again(row: Row, rows: Sequence[Row]) -> str:
    """The verdicts of the same test where its claim is false and on the world drawn at random."""
    null = next((r for r in rows if r["test"] == row["test"] and r["null_world"]), None)
    found = [("claim false", null), ("drawn at random", badges.confirmation_of(row, rows))]
    return "<br>".join(f'<span class="psm-small">{where}:</span> <a href="#{anchor(r)}">{html.escape(r["verdict"])}</a>'
                       for where, r in found if r is not None) or "–"


def _line(home: str, row: Row | None, rows: Sequence[Row], anchors: frozenset[str], part: str) -> str:
    """One line of the table, with what the filters look at."""
    verdict = row["verdict"] if row else NO_TEST
    data = {"part": key(part), "verdict": key(verdict), "home": home}
    if row is None:
        return cards.line(HOMES[home], [badges.pill(NO_TEST), ("No test of this claim is registered here.", 4)], HEADS, data)
    head = f'{HOMES[home]}<br><span class="psm-small">{html.escape(str(row.get("world") or ""))}</span>'
    shown = f'<a href="#{anchor(row)}">{badges.pill(verdict)}</a>'
    if row.get("estimate") is None:
        return cards.line(head, [shown, (html.escape(row.get("reason") or "No result."), 4)], HEADS, data)
    needed = f'{badges.needed(row) or "–"}<br><span class="psm-small">visible from {number(row.get("smallest_visible"))}</span>'
    cells = (shown, estimate(row), needed, check_words(row, anchors), _again(row, rows))
    return cards.line(head, cells, HEADS, data)


def table(rows: Sequence[Row], where: Mapping[str, Place]) -> str:
    """All claims of the ledger, a group of lines each, with the filters above."""
    anchors = frozenset(anchor(row) for row in rows)
    bodies, kept = [], []
    for claim in dict.fromkeys(row["claim"] for row in rows):
        place = where[next(row["chapter"] for row in rows if row["claim"] == claim)]
        lines = claim_lines(rows, claim)
        kept += [(place.part, row["verdict"] if row else NO_TEST, HOMES[home]) for home, row in lines]
        head = f'{statement(claim, place)} <span class="psm-small">{html.escape(place.part)}</span>'
        bodies.append(cards.group(head, [_line(home, row, rows, anchors, place.part) for home, row in lines], len(HEADS), key(f"claim {claim}")))
    caption = (f"All {len(bodies)} claims, each by its primary test in the persona world and on a real model. Under an estimate stand its 95 % interval "
               "and what it is taken over. “Visible from” is the true effect that "
               "a test of this size and spread tells from zero four times in five: where it is larger than what is needed, a null says little.")
    return filters(kept) + cards.table("All claims", caption, HEADS, bodies, "psm-wide psm-claims", "claims")


def filters(lines: Sequence[tuple[str, str, str]]) -> str:
    """The form that acts on the table, from each line's (part, verdict, home). Without JavaScript it stays hidden."""
    parts, verdicts, homes = ([line[i] for line in lines] for i in range(3))
    order = [*badges.VERDICTS, *dict.fromkeys(v for v in verdicts if v not in badges.VERDICTS)]
    chosen = (_choice("part", "Part", "all parts", {key(p): p for p in parts}, Counter(map(key, parts)))
              + _choice("verdict", "Verdict", "all verdicts", {key(v): v for v in order if v in verdicts}, Counter(map(key, verdicts)))
              + _choice("home", "Home", "both homes", {home: name for home, name in HOMES.items() if name in homes},
                        Counter({home: homes.count(name) for home, name in HOMES.items()})))
    return (f'<form class="psm-filter" data-psm-filter="claims" aria-label="Filter the table of claims" hidden>{chosen}'
            f'<button type="reset">Show all</button><output>{len(lines)} of {len(lines)} lines shown</output></form>')


def _choice(name: str, label: str, every: str, options: Mapping[str, str], count: Mapping[str, int]) -> str:
    listed = "".join(f'<option value="{html.escape(value)}">{html.escape(text)} ({count[value]})</option>' for value, text in options.items())
    return (f'<label>{label} <select name="{name}" autocomplete="off"><option value="">{every}</option>{listed}</select></label>')
