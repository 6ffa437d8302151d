"""The verdict as a reader meets it: its words, its badge under a chapter's title, and the numbers beside it."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psm.evidence.shapes import is_own
from psm.scale import get_scale

Row = dict[str, Any]

# verdict: (sign, what it means). The landing page's list and every badge come from here.
VERDICTS = {
    "supported": ("✓", "The interval lies beyond the smallest effect that was fixed beforehand as mattering (or, where no effect "
                       "was predicted, wholly inside it), and every control held."),
    "absent": ("○", "The interval lies wholly inside that smallest effect: where an effect was predicted, this counts "
                    "against the theory."),
    "contradicted": ("✕", "The interval lies beyond zero on the wrong side, however small the effect (or, where no effect was "
                          "predicted, wholly beyond the smallest effect)."),
    "inconclusive": ("?", "The interval fits both an effect that matters and one that does not, or something bars a better "
                          "verdict: too few seeds, an undecided control, a prediction registered too late."),
    "invalid": ("!", "A control failed, or the training that the test rests on did not take. The estimate is shown "
                     "and means nothing."),
    "not run": ("–", "No result is in this ledger."),
}
CHECKS = {"holds": ("✓", "supported"), "fails": ("!", "invalid"), "undecided": ("?", "inconclusive")}   # sign, looks like
SUBSTRATES = {"world": "persona world", "real": "real model"}
WHERE = {"world": "in the persona world", "real": "for the real model"}


def number(value: Any) -> str:
    """A number for reading: about three digits, a true minus sign, and a dash where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    size = abs(value)
    digits = 0 if size >= 100 or size == 0 else 1 if size >= 10 else 2 if size >= 0.1 else 3 if size >= 0.01 else 4
    return f"{value:.{digits}f}".replace("-", "−").replace("inf", "∞")


def interval(low: Any, high: Any) -> str:
    """Both ends of an interval in words; an open or missing end is a dash."""
    return "–" if low is None and high is None else f"{number(low)} to {number(high)}"


def day(stamp: str | None) -> str:
    """The day of an ISO time stamp, as in `3 March 2026`."""
    if not stamp:
        return "–"
    moment = datetime.fromisoformat(stamp)
    return f"{moment.day} {moment:%B %Y}"


def plain(title: str) -> str:
    """A title without Markdown's marks for emphasis, code and maths."""
    return re.sub(r"[*`$]|(?<!\w)_|_(?!\w)", "", title)


def slug(test: str, run: str = "") -> str:
    """Anchor of a test's line on the ledger page; `run` is "null" or "confirmation" for the same test on another world."""
    return "test-" + re.sub(r"[^a-z0-9]+", "-", f"{test} {run}".lower()).strip("-")


def css_class(word: str) -> str:
    """Style class of a verdict or of what became of a check."""
    word = CHECKS[word][1] if word in CHECKS else word
    return f"psm-is-{word.replace(' ', '-')}" if word in VERDICTS else "psm-is-none"


def pill(word: str) -> str:
    """The verdict alone, as sign and word; the sign keeps it readable without colour."""
    sign = (VERDICTS | CHECKS).get(word, ("·",))[0]
    return f'<span class="psm-pill {css_class(word)}"><span aria-hidden="true">{sign}</span> {html.escape(word)}</span>'


def units(row: Row) -> str:
    """How many independent units stand behind an estimate."""
    if row.get("substrate") == "real" and row.get("n_units") and not row.get("seeds"):
        return f"{row['n_units']} items"
    count = len(row.get("seeds") or ()) or row.get("n_units") or 0
    return f"{count} seed{'' if count == 1 else 's'}"


def needed(row: Row) -> str:
    """Where the whole interval has to lie: past or within the smallest effect, or inside a control's bound."""
    if row.get("bound"):
        low, high = row["bound"]
        if None in (low, high):
            return f"at least {number(low)}" if high is None else f"at most {number(high)}"
        return f"between {number(low)} and {number(high)}"
    if row.get("threshold") is None:
        return ""
    size = abs(row["threshold"])
    return {"greater": f"above {number(size)}", "less": f"below {number(-size)}",
            "equivalent": f"between {number(-size)} and {number(size)}"}[row["direction"]]


def rival_sentence(row: Row) -> str:
    """Whether the interval excludes what the rival explanation predicts."""
    rival, discriminating = row.get("rival"), row.get("discriminating")
    if not rival:
        return ""
    name = html.escape(rival["name"] if isinstance(rival, dict) else str(rival))
    if discriminating is None:
        return ""
    if discriminating:
        return f"The interval excludes what the rival, {name}, predicts."
    return f"It does not tell the theory from the rival, {name}."


def _estimate(row: Row) -> str:
    """The estimate in a sentence, and what it had to be."""
    unit = f" {html.escape(row['unit'])}" if row.get("unit") else ""
    spread = interval(row.get("ci_low"), row.get("ci_high"))
    spread = f"{units(row)}, no interval" if spread == "–" else f"95 % interval {spread}, {units(row)}"
    return f"<strong>{number(row['estimate'])}</strong>{unit} ({spread}). Support needs all of it {needed(row)}."


def _badge(row: Row, again: Row | None, scale: str, ledger_href: str | None) -> str:
    """One test's badge: the verdict and the estimate; folded away, why it is no better, its confirmation and the way to the ledger."""
    word = row.get("verdict") or "not run"
    where = f"{WHERE[row['substrate']]} “{html.escape(str(row.get('world') or ''))}”"
    lines = [_estimate(row)] if row.get("estimate") is not None else []
    more = []
    if not get_scale(scale).is_evidence and word != "not run":
        lines.append("Smoke run: values, no verdict. It shows that everything runs and is no evidence.")
    else:
        more += [sentence] if (sentence := rival_sentence(row)) else []
        more += [f'<span class="psm-reason">{html.escape(row["reason"])}</span>'] if word != "supported" and row.get("reason") else []
    if again is not None and get_scale(scale).is_evidence:
        more.append(f"The same test on a world drawn at random, without its controls: {linked(again, ledger_href)}")
    foot = f"{html.escape(row['test'])} · {html.escape(scale)} scale"
    foot += f", run on {day(row['run_started_at'])}" if row.get("run_started_at") else ""
    foot += f' · <a href="{ledger_href}#{slug(row["test"])}">the test in the ledger</a>' if ledger_href else ""
    return _card(word, f"{pill(word)} <strong>{html.escape(row['claim'])}</strong> {where}", lines, more, foot)


def _card(word: str, head: str, lines: Sequence[str], more: Sequence[str] = (), foot: str = "") -> str:
    """The frame of a badge. What `more` and `foot` say opens on demand."""
    body = "".join(f"<p>{line}</p>" for line in lines)
    if more or foot:
        summary = "Why, and what it does not tell" if more else "Where it comes from"
        folded = "".join(f"<p>{line}</p>" for line in more) + (f'<p class="psm-verdict-foot">{foot}</p>' if foot else "")
        body += f"<details><summary>{summary}</summary>{folded}</details>"
    return f'<div class="psm-verdict {css_class(word)}"><p class="psm-verdict-head">{head}</p>{body}</div>'


def run_of(row: Row) -> str:
    """Which run of a test a row is: "" for its own, "null" where its claim is false, "confirmation" on the world drawn at random."""
    return "" if is_own(row) else "null" if row["null_world"] else "confirmation"


def anchor(row: Row) -> str:
    """Anchor of a row's line on the ledger page."""
    return slug(row["test"], run_of(row))


def linked(row: Row, ledger_href: str | None) -> str:
    """The verdict of a row, leading to its line of the ledger."""
    return f'<a href="{ledger_href}#{anchor(row)}">{pill(row["verdict"])}</a>' if ledger_href else pill(row["verdict"])


def primary_rows(rows: Sequence[Row], claim: str) -> list[Row]:
    """The rows that decide a claim: its primary tests, without those on worlds where it is false or that confirm it."""
    return [r for r in rows if r["claim"] == claim and r.get("primary") and is_own(r)]


def confirmation_of(row: Row, rows: Sequence[Row]) -> Row | None:
    """The row of the same test on the confirmatory world."""
    return next((r for r in rows if r["test"] == row["test"] and r.get("confirmation")), None)


def chapter_badges(claims: Sequence[str], rows: Sequence[Row], scale: str, ledger_href: str | None) -> str:
    """All badges of a chapter as one block of HTML, without blank lines, so that Markdown leaves it alone."""
    cards = []
    for claim in claims:
        missing = _card("not run", f"{pill('not run')} <strong>{html.escape(claim)}</strong>",
                        ["The ledger holds no primary test of this claim."])
        cards += [_badge(row, confirmation_of(row, rows), scale, ledger_href) for row in primary_rows(rows, claim)] or [missing]
    if not claims:
        cards.append(_card("none", "<strong>No verdict here</strong>", ["This chapter tests no claim: it shows what the other chapters rest on."]))
    return f'<section class="psm-verdicts" aria-label="Verdict">{"".join(cards)}</section>'


def verdict_words() -> str:
    """The list of verdicts and what each means."""
    items = "".join(f"<dt>{pill(word)}</dt><dd>{meaning}</dd>" for word, (_, meaning) in VERDICTS.items())
    return f'<dl class="psm-words">{items}</dl>'
