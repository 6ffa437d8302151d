"""The ledger for readers: one figure, one table, downloads, how often the rule was fooled, and the verdicts at a glance."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from psm.book import badges, forest
from psm.book.badges import Row, interval, number
from psm.evidence.shapes import is_own
from psm.evidence.verdicts import false_positive_rate, fooled
from psm.scale import get_scale

LinkTo = Callable[[str], str]     # from a chapter's name to its address, seen from the page being filled
KINDS = ("primary", "secondary", "control", "manipulation", "exploratory")     # in the order of a claim's lines
HEADS = ("Test", "Verdict", "Where", "Estimate", "95 % interval", "Units", "Needed", "Controls", "Rival", "Registered before the run")


def tally(rows: Sequence[Row]) -> str:
    """Verdicts as counts in words, in the order of their list: "3 supported, 1 absent"."""
    count = Counter(row["verdict"] for row in rows)
    return ", ".join(f"{count[word]} {word}" for word in [*badges.VERDICTS, *(w for w in count if w not in badges.VERDICTS)] if count[word])


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


def _counts(rows: Sequence[Row], scale: str) -> str:
    """What came out of the primary and of the secondary tests, in a sentence."""
    if not get_scale(scale).is_evidence:
        return ""
    said = [f"{kind} tests: {tally(own)}" for kind in ("primary", "secondary") if (own := [r for r in rows if is_own(r) and r["kind"] == kind])]
    text = "; ".join(said)
    return f"<p>{text[:1].upper()}{text[1:]}.</p>" if said else ""


def _checks(row: Row) -> str:
    """What became of a test's controls and of its manipulation check."""
    checks = [*(row.get("control") or []), *([row["manipulation"]] if row.get("manipulation") else [])]
    return "<br>".join(f"{html.escape(c['id'])}: {html.escape(c['status'])}" for c in checks) or "–"


def _table_row(row: Row) -> str:
    rival = html.escape(row["rival"]["name"]) if row.get("rival") else ""
    told = {True: f"excluded: {rival}", False: f"not excluded: {rival}"}.get(row.get("discriminating"), "–")
    reason = f'<br><span class="psm-small">{html.escape(row["reason"])}</span>' if row.get("reason") else ""
    trap = "<br><strong>The rule was fooled.</strong>" if fooled(row) else ""
    before = {True: "yes", False: "no"}.get(row.get("registered_before_run"), "–")
    run = "" if is_own(row) else "null" if row["null_world"] else "confirmation"
    small = {"null": "the same where the claim is false", "confirmation": "the same on a world drawn at random, controls left out"}.get(
        run, " · ".join(part for part in (row.get("kind"), row.get("estimand")) if part))
    name = (f'<th scope="row" id="{badges.slug(row["test"], run)}">{html.escape(row["test"])}<br>'
            f'<span class="psm-small">{html.escape(small)}</span></th>')
    cells = (badges.pill(row["verdict"]) + trap + reason, html.escape(forest.place(row)),
             f"{number(row.get('estimate'))} {html.escape(row.get('unit') or '')}",
             interval(row.get("ci_low"), row.get("ci_high")), badges.units(row), badges.needed(row) or "–", _checks(row), told, before)
    return f"<tr>{name}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def table(rows: Sequence[Row], link: LinkTo) -> str:
    """Every row of the ledger as one accessible table, a group per claim: primary tests first, each with its other worlds."""
    groups = {claim: [r for r in rows if r["claim"] == claim] for claim in dict.fromkeys(r["claim"] for r in rows)}
    bodies = "".join(_group(claim, own, link) for claim, own in groups.items())
    head = "".join(f'<th scope="col">{h}</th>' for h in HEADS)
    jump = " · ".join(f'<a href="#{badges.slug("claim " + claim)}">{html.escape(claim)}</a>' for claim in groups)
    note = ("<p>Intervals are over the units named. “Needed” is where the whole interval must lie: past or within the smallest effect of "
            f"interest, or, for a control, inside its bound. Claims: {jump}.</p>")
    return (f'{note}<div class="psm-scroll" role="region" aria-label="The ledger" tabindex="0"><table class="psm-table psm-wide psm-ledger">'
            f"<caption>All {len(rows)} rows of the ledger</caption><thead><tr>{head}</tr></thead>{bodies}</table></div>")


def side_by_side(rows: Sequence[Row], link: LinkTo) -> str:
    """The primary tests of every claim that a real model was meant for too: the world's line above the model's.

    Empty where no primary test is about a real model.
    """
    bodies = []
    for claim in dict.fromkeys(r["claim"] for r in rows):
        found = sorted(badges.primary_rows(rows, claim), key=lambda r: tuple(badges.SUBSTRATES).index(r["substrate"]))
        if not any(r["substrate"] == "real" for r in found):
            continue
        head = f'<th scope="rowgroup" rowspan="{len(found)}"><a href="{link(found[0]["chapter"])}">{html.escape(claim)}</a></th>'
        bodies.append("<tbody>" + "".join(f"<tr>{head if r is found[0] else ''}{_beside(r)}</tr>" for r in found) + "</tbody>")
    if not bodies:
        return ""
    columns = ("Claim", "Where", "Verdict", "Estimate", "95 % interval", "Units", "Needed", "Smallest visible effect", "Controls")
    heads = "".join(f'<th scope="col">{name}</th>' for name in columns)
    return ("<h2>The world and a real model side by side</h2><p>Primary tests of the claims that were put to both. The <em>smallest visible "
            "effect</em> is the true effect that a test of this size and spread tells from zero four times in five: where it is larger than what is "
            "needed, a null says little.</p>"
            '<div class="psm-scroll" role="region" aria-label="World and real model" tabindex="0"><table class="psm-table psm-wide psm-side">'
            "<caption>World and real model side by side</caption><thead><tr>"
            f"{heads}</tr></thead>{''.join(bodies)}</table></div>")


def _beside(row: Row) -> str:
    estimate = f"{number(row['estimate'])} {html.escape(row.get('unit') or '')}" if row.get("estimate") is not None else "–"
    cells = (html.escape(forest.place(row)), badges.pill(row["verdict"]), estimate, interval(row.get("ci_low"), row.get("ci_high")),
             badges.units(row) if row.get("n_units") else "–", badges.needed(row) or "–", number(row.get("smallest_visible")), _checks(row))
    return "".join(f"<td>{cell}</td>" for cell in cells)


def _group(claim: str, rows: Sequence[Row], link: LinkTo) -> str:
    """One claim's lines. Sorting keeps the registry's order within a kind, and a test's other worlds right below it."""
    ordered = sorted(rows, key=lambda r: KINDS.index(r["kind"]) if r["kind"] in KINDS else len(KINDS))
    title = f'{html.escape(claim)}: <a href="{link(rows[0]["chapter"])}">the chapter</a>'
    return (f'<tbody><tr><th scope="rowgroup" colspan="{len(HEADS)}" class="psm-group" id="{badges.slug("claim " + claim)}">{title}</th></tr>'
            f'{"".join(map(_table_row, ordered))}</tbody>')


def ledger(rows: Sequence[Row], scale: str, link: LinkTo, top: str) -> str:
    """All of the ledger page below its introduction. `top` is the way from the page to the site's top folder."""
    dates = sorted(r["run_started_at"] for r in rows if r.get("run_started_at"))
    when = f", run on {badges.day(dates[-1])}" if dates else ""
    verdict = "" if get_scale(scale).is_evidence else " <strong>A smoke run shows values and no verdict.</strong>"
    head = (f"<p>{html.escape(scale.capitalize())} scale{when}.{verdict} Download: "
            f'<a href="{top}ledger.json" download>ledger.json</a>, <a href="{top}ledger.csv" download>ledger.csv</a>.</p>')
    if not rows:
        return head + "<p>The ledger is empty: no test is registered.</p>"
    return head + _counts(rows, scale) + forest.every_primary(rows) + nulls(rows, scale) + side_by_side(rows, link) + _every_test(rows, link)


def _every_test(rows: Sequence[Row], link: LinkTo) -> str:
    return "<h2>Every test</h2>" + table(rows, link)


def summary(rows: Sequence[Row], scale: str, chapters: Sequence[Any], link: LinkTo, ledger_href: str | None) -> str:
    """The ledger at a glance: a line per claim, a verdict per substrate, and the confirmation where there is one."""
    heads = ["Claim", "Persona world", "Real models"] + (["World drawn at random"] if any(r.get("confirmation") for r in rows) else [])
    lines = []
    for chapter in chapters:
        for claim in chapter.claims:
            found = badges.primary_rows(rows, claim)
            parts = [[r for r in found if r["substrate"] == s] for s in badges.SUBSTRATES]
            parts += [[again for r in found if (again := badges.confirmation_of(r, rows))]] if len(heads) > 3 else []
            cells = "".join(f"<td>{'<br>'.join(badges.linked(r, ledger_href) for r in part) or 'no test'}</td>" for part in parts)
            title = html.escape(badges.plain(chapter.title))
            lines.append(f'<tr><th scope="row">{html.escape(claim)}: <a href="{link(chapter.name)}">{title}</a></th>{cells}</tr>')
    if not lines:
        return "<p>No chapter of this book tests a claim.</p>"
    head = "".join(f'<th scope="col">{h}</th>' for h in heads)
    return (f'<div class="psm-scroll" role="region" aria-label="Verdicts" tabindex="0"><table class="psm-table psm-summary">'
            f"<caption>Verdicts of the primary tests, {html.escape(scale)} scale.</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>")
