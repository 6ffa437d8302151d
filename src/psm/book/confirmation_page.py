"""The confirmation for readers: every primary test where it was designed and on the world drawn at random, side by side."""

from __future__ import annotations

import html
from collections.abc import Sequence

from psm.book import badges, cards, forest
from psm.book.badges import Row, interval, number
from psm.book.glance import tally
from psm.evidence.shapes import is_own
from psm.evidence.verdicts import FEWEST_FOR_EQUIVALENCE, JUDGED
from psm.scale import get_scale

HEADS = ("Test", "World it was designed on", "World drawn at random", "Do they agree?")


def pairs(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Each primary test's own row with its confirmation."""
    own = [row for row in rows if row.get("primary") and is_own(row)]
    return [(row, again) for row in own if (again := badges.confirmation_of(row, rows))]


def agreement(own: Row, again: Row) -> str:
    """Whether the two verdicts of a test are the same, or why that cannot be said."""
    if again["verdict"] not in (*JUDGED, "invalid") or own["verdict"] not in (*JUDGED, "invalid"):
        return "–"
    if own["verdict"] == "invalid" and again["verdict"] != "invalid":
        return "not comparable: a control or the training failed where it was designed, and controls are left out here"
    if own["verdict"] == again["verdict"]:
        return "yes"
    needs_many = own["verdict"] == "absent" or own["verdict"] == "supported" and own["direction"] == "equivalent"
    if needs_many and again["verdict"] == "inconclusive" and (again.get("n_units") or 0) < FEWEST_FOR_EQUIVALENCE:
        return f"cannot be said: {again['n_units']} units are too few to show that an effect is missing"
    return "no"


def counted(found: Sequence[tuple[Row, Row]]) -> str:
    """How the tests that were supported came out again, and how the others did."""
    sentences = []
    for supported, what in ((True, "supported"), (False, "not supported")):
        again = [b for a, b in found if (a["verdict"] == "supported") is supported]
        one, many = f"test that is {what} in the world of its design", f"tests that are {what} in the world of their design"
        if again:
            sentences.append(f"Of the {len(again)} primary {one if len(again) == 1 else many}, on the world drawn at random: {tally(again)}.")
    return " ".join(sentences)


def _cell(row: Row) -> str:
    """Verdict, estimate, interval and what it needed, one below the other."""
    if row.get("estimate") is None:
        return badges.pill(row["verdict"])
    spread = interval(row.get("ci_low"), row.get("ci_high"))
    small = f"{'no interval' if spread == '–' else spread}; {badges.units(row)}; needed {badges.needed(row) or '–'}"
    return (f"{badges.pill(row['verdict'])}<br>{number(row['estimate'])} {html.escape(row.get('unit') or '')}"
            f'<br><span class="psm-small">{html.escape(small)}</span>')


def _line(own: Row, again: Row, ledger_href: str | None) -> str:
    name = html.escape(own["test"])
    name = f'<a href="{ledger_href}#{badges.slug(own["test"])}">{name}</a>' if ledger_href else name
    return cards.line(name, (_cell(own), _cell(again), html.escape(agreement(own, again))), HEADS)


def confirmation(rows: Sequence[Row], scale: str, ledger_href: str | None) -> str:
    """All of the confirmation page that depends on results: the count, the figure, the table, and what was left out."""
    found = pairs(rows)
    if not any(again.get("estimate") is not None for _, again in found):
        return "<p><strong>Nothing has been measured on this world yet</strong>, so there is nothing to set side by side.</p>"
    count = counted(found) if get_scale(scale).is_evidence else "A smoke run shows values and no verdict, so nothing is counted."
    table = cards.table("Both worlds", f"The primary tests in both worlds, {html.escape(scale)} scale. Intervals are 95 % intervals over seeds.", HEADS,
                        [cards.body([_line(own, again, ledger_href) for own, again in found])])
    paired = {own["test"] for own, _ in found}
    left = [r["test"] for r in rows if r.get("primary") and is_own(r) and r["substrate"] == "world" and r["test"] not in paired]
    rest = f"<p>Not registered for this world: {html.escape(', '.join(left))}.</p>" if left else ""
    return f"<p>{count}</p>{forest.beside_confirmation(rows)}{table}{rest}"
