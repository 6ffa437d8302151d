"""The ledger for readers: its last run and downloads, one figure, one table of all claims, and every test, folded up claim by claim."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from psm.book import badges, cards, claims_table, forest, glance
from psm.book.badges import Row, anchor, number
from psm.book.citing import commit_text
from psm.book.claims_table import Place, check_words
from psm.evidence.verdicts import false_positive_rate, fooled
from psm.scale import get_scale

KINDS = {"primary": "primary", "secondary": "secondary", "exploratory": "exploratory", "control": "controls", "manipulation": "checks of the training"}
HEADS = ("Test", "Verdict", "Estimate", "Needed", "Controls", "Rival")


def nulls(rows: Sequence[Row], scale: str) -> str:
    """How often the rule said `supported` where the claim is false by construction."""
    if not any(r.get("null_world") and r.get("estimate") is not None for r in rows):
        return "<p>No test of this ledger has been run on a world where its claim is false.</p>"
    rate = false_positive_rate(rows)
    if not get_scale(scale).is_evidence or not rate["of"]:
        return ("<p>Tests also ran on worlds where their claim is false. None of these runs has a verdict, so nothing can be said of "
                "how often the rule is fooled.</p>")
    named = f" ({html.escape(', '.join(rate['tests']))})" if rate["tests"] else ""
    return (f"<p><strong>How often is the rule fooled?</strong> Primary tests are also run on worlds in which their claim is false. "
            f"Of {rate['of']} such tests, {rate['fooled']} came out as supported{named}; the 95 % interval for the rule's rate of "
            f"false support is {number(rate['low'])} to {number(rate['high'])}. Some of these rows are the same measurements as a "
            "control of the test, judged here by the rule itself. A null world in which nothing moves is an easy one.</p>")


def run_facts(rows: Sequence[Row], scale: str, records: Sequence[Mapping[str, Any]], top: str) -> str:
    """When the last run was, at which scale and commit, and the downloads."""
    dates = sorted(r["run_started_at"] for r in rows if r.get("run_started_at"))
    commits = " and ".join(dict.fromkeys(html.escape(commit_text(r)) for r in records))
    files = " ".join(f'<a class="psm-download" href="{top}ledger.{kind}" download>{kind.upper()}</a>' for kind in ("csv", "json"))
    verdict = "" if get_scale(scale).is_evidence else " <strong>A smoke run shows values and no verdict.</strong>"
    facts = {"Last run": badges.day(dates[-1]) if dates else "", "Scale": f"{html.escape(scale)}{verdict}", "Commit": commits,
             f"All {len(rows)} rows": files}
    return (f'<dl class="psm-facts psm-run">'
            f"{''.join(f'<div><dt>{name}</dt><dd>{value}</dd></div>' for name, value in facts.items() if value)}</dl>")


def _test_line(row: Row, anchors: frozenset[str]) -> str:
    """One row of the ledger, with everything that is known of it."""
    rival = html.escape(row["rival"]["name"]) if row.get("rival") else ""
    told = {True: f"excluded: {rival}", False: f"not excluded: {rival}"}.get(row.get("discriminating"), "–")
    reason = f'<br><span class="psm-small">{html.escape(row["reason"])}</span>' if row.get("reason") else ""
    trap = "<br><strong>The rule was fooled.</strong>" if fooled(row) else ""
    before = {True: "registered before the run", False: "not registered before the run"}.get(row.get("registered_before_run"))
    before = f'<br><span class="psm-small">{before}</span>' if before else ""
    run = badges.run_of(row)
    small = {"null": "the same where the claim is false", "confirmation": "the same on a world drawn at random, controls left out"}.get(
        run, " · ".join(part for part in (row.get("kind"), row.get("estimand")) if part))
    head = f'{html.escape(row["test"])}<br><span class="psm-small">{html.escape(f"{forest.place(row)} · {small}")}</span>'
    checks = check_words(row, anchors) if row.get("control") or row.get("manipulation") else "–"
    cells = (badges.pill(row["verdict"]) + trap + reason + before, claims_table.estimate(row), badges.needed(row) or "–", checks, told)
    return cards.line(head, cells, HEADS, anchor=anchor(row))


def every_test(rows: Sequence[Row], where: Mapping[str, Place]) -> str:
    """Every row of the ledger, folded up claim by claim: primary tests first, each with its other worlds below it.

    A part opens by a click, and by an address that names a test inside.
    """
    anchors = frozenset(anchor(row) for row in rows)
    groups = {claim: [r for r in rows if r["claim"] == claim] for claim in dict.fromkeys(r["claim"] for r in rows)}
    return "".join(_folded(claim, own, where, anchors) for claim, own in groups.items())


def _folded(claim: str, rows: Sequence[Row], where: Mapping[str, Place], anchors: frozenset[str]) -> str:
    """One claim's lines. Sorting keeps the registry's order within a kind."""
    order = {kind: i for i, kind in enumerate(KINDS)}
    ordered = sorted(rows, key=lambda r: order.get(r["kind"], len(order)))
    count = Counter(row["kind"] for row in rows)
    told = ", ".join(f"{count[kind]} {word}" for kind, word in KINDS.items() if count[kind])
    name, title = html.escape(claim), html.escape(where[rows[0]["chapter"]].title)
    listed = cards.table(f"Every test of {claim}", f"{len(rows)} rows of the ledger: {told}", HEADS,
                         [cards.body([_test_line(row, anchors) for row in ordered])], "psm-wide psm-tests")
    return (f'<details class="psm-fold" id="{badges.slug("claim " + claim)}"><summary><strong>{name}</strong> {title} '
            f'<span class="psm-small">{len(rows)} rows</span></summary>{listed}</details>')


def ledger(rows: Sequence[Row], scale: str, where: Mapping[str, Place], records: Sequence[Mapping[str, Any]], top: str) -> str:
    """All of the ledger page below its introduction. `top` is the way from the page to the site's top folder."""
    head = run_facts(rows, scale, records, top)
    if not rows:
        return head + "<p>The ledger is empty: no test is registered.</p>"
    tests = ("<p>Where an interval is given, it is over the units named. “Needed” is where all of it must lie: past or within the smallest effect "
             "of interest, or, for a control, inside its bound. A click on a claim shows its tests.</p>")
    return (f"{head}{glance.tallies(rows, scale, '')}<h2>All claims in one figure</h2>{forest.every_primary(rows)}{nulls(rows, scale)}"
            f"<h2>All claims in one table</h2>{claims_table.table(rows, where)}<h2>Every test</h2>{tests}{every_test(rows, where)}")
