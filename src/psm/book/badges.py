"""The verdict as a reader meets it: its words, its badge under a chapter's title, and the numbers beside it."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psm.scale import get_scale

Row = dict[str, Any]

# verdict: (sign, what it means). The landing page's list and every badge come from here.
VERDICTS = {
    "supported": ("✓", "The interval lies beyond the smallest effect that was fixed beforehand as mattering, and every "
                       "control held."),
    "absent": ("○", "The interval lies wholly inside that smallest effect: where an effect was predicted, this counts "
                    "against the theory."),
    "contradicted": ("✕", "The interval lies beyond zero on the wrong side."),
    "inconclusive": ("?", "The interval is too wide to say: it fits an effect that matters and one that does not."),
    "invalid": ("!", "A control did not hold, or the training that the test rests on did not take. The estimate is shown "
                     "and means nothing."),
    "not run": ("–", "No result is in this ledger."),
}
NO_VERDICT = "values, no verdict"
SUBSTRATES = {"world": "persona world", "real": "real model"}


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


def slug(test: str) -> str:
    """Anchor of a test's line on the ledger page."""
    return "test-" + re.sub(r"[^a-z0-9]+", "-", test.lower()).strip("-")


def verdict_of(row: Row, scale: str) -> str:
    """The word to show: at a scale that is no evidence a row that ran has none."""
    word = row.get("verdict") or "not run"
    return word if get_scale(scale).is_evidence or word == "not run" else NO_VERDICT


def css_class(word: str) -> str:
    """Style class of a verdict's word."""
    return f"psm-is-{word.replace(' ', '-')}" if word in VERDICTS else "psm-is-none"


def pill(row: Row, scale: str) -> str:
    """The verdict alone, as sign and word; the sign keeps it readable without colour."""
    word = verdict_of(row, scale)
    sign = VERDICTS[word][0] if word in VERDICTS else "·"
    return f'<span class="psm-pill {css_class(word)}"><span aria-hidden="true">{sign}</span> {html.escape(word)}</span>'


def units(row: Row) -> str:
    """How many independent units stand behind an estimate."""
    if row.get("substrate") == "real" and row.get("n_units"):
        return f"{row['n_units']} item templates"
    count = len(row.get("seeds") or ()) or row.get("n_units") or 0
    return f"{count} seed{'' if count == 1 else 's'}"


def requirement(row: Row) -> str:
    """What the estimate had to do to count as support."""
    threshold, unit = row.get("threshold"), html.escape(row.get("unit") or "")
    if threshold is None:
        return ""
    size = number(abs(threshold))
    words = {"greater": f"above {size}", "less": f"below −{size}", "equivalent": f"between −{size} and {size}"}
    return f"To count as support it had to lie {words[row['direction']]}{' ' + unit if unit else ''}."


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


def _badge(row: Row, scale: str, ledger_href: str | None) -> str:
    """One test's badge."""
    word = verdict_of(row, scale)
    where = html.escape(SUBSTRATES.get(row.get("substrate"), ""))
    world = html.escape(str(row.get("world") or ""))
    head = f'{pill(row, scale)} <strong>{html.escape(row["claim"])}</strong> in the {where}{f" “{world}”" if world else ""}'
    if row.get("substrate") == "real":
        head = head.replace(" in the real model", " for the real model")
    lines = []
    if row.get("estimate") is not None:
        unit = html.escape(row.get("unit") or "")
        spread = interval(row.get("ci_low"), row.get("ci_high"))
        spread = f"95 % interval {spread}, {units(row)}" if spread != "–" else f"{units(row)}, no interval"
        lines.append(f"Estimate <strong>{number(row['estimate'])}</strong>{' ' + unit if unit else ''} ({spread}). {requirement(row)}")
        if word in VERDICTS and (sentence := rival_sentence(row)):
            lines.append(sentence)
    if word == NO_VERDICT:
        lines.append("A smoke run shows that everything runs. It is no evidence.")
    elif word != "supported" and row.get("reason"):
        lines.append(f'<span class="psm-reason">{html.escape(row["reason"])}</span>')
    run = f", run on {day(row['run_started_at'])}" if row.get("run_started_at") else ""
    link = f' · <a href="{ledger_href}#{slug(row["test"])}">the test in the ledger</a>' if ledger_href else ""
    foot = f"{html.escape(row['test'])} · {html.escape(scale)} scale{run}{link}"
    body = "".join(f"<p>{line.strip()}</p>" for line in lines)
    return f'<div class="psm-verdict {css_class(word)}"><p class="psm-verdict-head">{head}</p>{body}<p class="psm-verdict-foot">{foot}</p></div>'


def primary_rows(rows: Sequence[Row], claim: str) -> list[Row]:
    """The rows that decide a claim: its primary tests, without those on worlds where it is false."""
    return [r for r in rows if r["claim"] == claim and r.get("primary") and not r.get("null_world")]


def chapter_badges(claims: Sequence[str], rows: Sequence[Row], scale: str, ledger_href: str | None) -> str:
    """All badges of a chapter as one block of HTML, without blank lines, so that Markdown leaves it alone."""
    if not claims:
        cards = ['<div class="psm-verdict psm-is-none"><p class="psm-verdict-head">No verdict here</p>'
                 "<p>This chapter tests no claim: it shows what the other chapters rest on.</p></div>"]
    else:
        cards = []
        for claim in claims:
            found = primary_rows(rows, claim)
            missing = {"claim": claim, "test": claim, "verdict": "not run", "reason": "The ledger holds no primary test of this claim."}
            cards += [_badge(row, scale, ledger_href) for row in found] or [_missing(missing, scale)]
    return f'<section class="psm-verdicts" aria-label="Verdict">{"".join(cards)}</section>'


def _missing(row: Row, scale: str) -> str:
    """Badge of a claim that no row of the ledger speaks about."""
    return (f'<div class="psm-verdict {css_class("not run")}"><p class="psm-verdict-head">{pill(row, scale)} '
            f'<strong>{html.escape(row["claim"])}</strong></p><p>{row["reason"]}</p></div>')


def verdict_words() -> str:
    """The list of verdicts and what each means."""
    items = "".join(f'<dt>{pill({"verdict": word}, "laptop")}</dt><dd>{meaning}</dd>' for word, (_, meaning) in VERDICTS.items())
    return f'<dl class="psm-words">{items}</dl>'
