"""The ledger for readers: one figure, one table, downloads, how often the rule was fooled, and the run's timings."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from psm import figures
from psm.book import badges
from psm.book.badges import Row, interval, number
from psm.evidence.verdicts import false_positive_rate, fooled
from psm.scale import get_scale

LinkTo = Callable[[str], str]     # from a chapter's name to its address, seen from the page being filled
MARKERS = {"supported": "o", "absent": "s", "contradicted": "X", "inconclusive": "D", "invalid": "v"}


def place(row: Row) -> str:
    """Where a test was made, in words."""
    return f"{badges.SUBSTRATES.get(row.get('substrate'), '')} {row.get('world') or ''}".strip()


def forest_data(rows: Sequence[Row]) -> pd.DataFrame:
    """The figure's numbers: every primary and secondary test in multiples of its own smallest effect of interest.

    A test that predicts less than nothing is turned round, so that support always lies to the right.
    """
    table = []
    for row in rows:
        threshold = row.get("threshold")
        if row.get("estimate") is None or not threshold or row.get("kind") not in ("primary", "secondary"):
            continue
        unit = -abs(threshold) if row["direction"] == "less" else abs(threshold)
        low, high = row.get("ci_low"), row.get("ci_high")
        ends = sorted(end / unit for end in (low, high)) if None not in (low, high) else [None, None]
        table.append({
            "test": row["test"], "where": place(row), "null_world": bool(row.get("null_world")), "primary": bool(row.get("primary")),
            "direction": row["direction"], "estimate": row["estimate"] / unit, "ci_low": ends[0], "ci_high": ends[1],
            "verdict": row["verdict"],
        })
    return pd.DataFrame(table)


def _draw_forest(ax: Any, data: pd.DataFrame) -> None:
    """One line per test; the pale band is where its interval has to lie."""
    reach = 1.3 * max(3.0, float(data[["estimate", "ci_high"]].max().max()))
    seen: dict[str, Any] = {}
    for position, row in enumerate(data.itertuples()):
        low, high = (-1, 1) if row.direction == "equivalent" else (1, reach)
        ax.barh(position, high - low, left=low, height=0.8, color=figures.hue("green"), alpha=0.1)
        shade = figures.colour(row.verdict if row.verdict in badges.VERDICTS else "not run")
        face = "none" if row.null_world else shade
        if pd.notna(row.ci_low):
            ax.plot([row.ci_low, row.ci_high], [position, position], color=shade, lw=1.4 if row.null_world else 2.6)
        ax.plot(row.estimate, position, MARKERS.get(row.verdict, "o"), ms=9 if row.primary else 7,
                markerfacecolor=face, markeredgecolor=shade, markeredgewidth=1.6)
        edges = (-1, 1) if row.direction == "equivalent" else (1,)
        ax.plot(edges, [position] * len(edges), "|", color=figures.hue("ink"), ms=13, mew=1.4)
        seen.setdefault(row.verdict, ax.plot([], [], MARKERS.get(row.verdict, "o"), ms=8, color=shade, label=row.verdict)[0])
    ax.figure.legend(handles=list(seen.values()), loc="outside upper left", ncols=3, columnspacing=1.2, handletextpad=0.2)
    ax.axvline(0, color=figures.hue("grey"), lw=1)
    ax.set_xscale("symlog", linthresh=1, linscale=1)
    ax.minorticks_off()
    lowest = 1.4 * min(float(data[["estimate", "ci_low"]].min().min()), -0.6)
    known = (-1000, -100, -10, -1, 0, 1, 10, 100, 1000) if min(lowest, -reach) < -60 else (-30, -10, -3, -1, 0, 1, 3, 10, 30)
    ticks = [t for t in known if lowest <= t <= reach]
    ax.set_xticks(ticks, [str(t).replace("-", "−") for t in ticks])
    ax.set(xlim=(lowest, reach), ylim=(len(data) - 0.4, -0.6),
           xlabel="multiples of the smallest effect that matters")
    labels = [row.test + (" (null world)" if row.null_world else "") for row in data.itertuples()]
    ax.set_yticks(range(len(data)), labels)
    ax.grid(axis="y", visible=False)


def forest(rows: Sequence[Row]) -> str:
    """The ledger's figure, or a sentence where no test has an estimate."""
    data = forest_data(rows)
    if data.empty:
        return "<p>No test in this ledger has an estimate to draw.</p>"
    lines = [f"{r.test}, {r.where}{', a null world' if r.null_world else ''}: {number(r.estimate)}"
             + (f" ({interval(r.ci_low, r.ci_high)})" if pd.notna(r.ci_low) else "") + f", {r.verdict}" for r in data.itertuples()]
    alt = ("Each test's estimate and 95 % interval in multiples of its own smallest effect of interest. " + "; ".join(lines) + ".")
    caption = ("Every primary and secondary test (larger marks: primary). Tests have different units, such as log-odds and ratios, so "
               "each is divided by its own smallest effect of interest, the upright tick, and turned so that the predicted side is to the "
               "right; lengths compare within a line, not between lines. An interval inside the pale band counts as support. Hollow marks: "
               "the same test on a world where the claim is false. The scale is linear between −1 and 1 and logarithmic beyond.")
    return figures.figure_html("ledger", _draw_forest, data, alt, caption, (7.2, 1.3 + 0.42 * len(data))).html


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
    anchor = "" if row.get("null_world") else f' id="{badges.slug(row["test"])}"'
    small = " · ".join(part for part in (row.get("kind"), row.get("estimand")) if part)
    name = f'<th scope="row"{anchor}>{html.escape(row["test"])}<br><span class="psm-small">{html.escape(small)}</span></th>'
    cells = (badges.pill(row["verdict"]) + trap + reason, html.escape(place(row)), f"{number(row.get('estimate'))} {html.escape(row.get('unit') or '')}",
             interval(row.get("ci_low"), row.get("ci_high")), badges.units(row), badges.needed(row) or "–", _checks(row), told, before)
    return f"<tr>{name}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def table(rows: Sequence[Row], link: LinkTo) -> str:
    """Every row of the ledger as one accessible table, a group per claim and the null worlds last."""
    heads = ("Test", "Verdict", "Where", "Estimate", "95 % interval", "Units", "Needed", "Controls", "Rival", "Registered before the run")
    real = [r for r in rows if not r.get("null_world")]
    groups = [(f'{html.escape(claim)}: <a href="{link(own[0]["chapter"])}">the chapter</a>', own)
              for claim in dict.fromkeys(r["claim"] for r in real) if (own := [r for r in real if r["claim"] == claim])]
    null = [r for r in rows if r.get("null_world")]
    groups += [("Null worlds: the same tests where the claim is false", null)] if null else []
    bodies = "".join(f'<tbody><tr><th scope="rowgroup" colspan="{len(heads)}" class="psm-group">{title}</th></tr>'
                     f'{"".join(_table_row(row) for row in own)}</tbody>' for title, own in groups)
    head = "".join(f'<th scope="col">{h}</th>' for h in heads)
    note = ("<p>Intervals are over the units named. “Needed” is where the whole interval must lie: past or within the smallest effect of "
            "interest, or, for a control, inside its bound.</p>")
    return (f'{note}<div class="psm-scroll" role="region" aria-label="The ledger" tabindex="0"><table class="psm-table psm-wide psm-ledger">'
            f"<caption>All {len(rows)} rows of the ledger</caption><thead><tr>{head}</tr></thead>{bodies}</table></div>")


def ledger(rows: Sequence[Row], scale: str, link: LinkTo, top: str) -> str:
    """All of the ledger page below its introduction. `top` is the way from the page to the site's top folder."""
    dates = sorted(r["run_started_at"] for r in rows if r.get("run_started_at"))
    when = f", run on {badges.day(dates[-1])}" if dates else ""
    verdict = "" if get_scale(scale).is_evidence else " <strong>A smoke run shows values and no verdict.</strong>"
    head = (f"<p>{html.escape(scale.capitalize())} scale{when}.{verdict} Download: "
            f'<a href="{top}ledger.json" download>ledger.json</a>, <a href="{top}ledger.csv" download>ledger.csv</a>.</p>')
    if not rows:
        return head + "<p>The ledger is empty: no test is registered.</p>"
    return head + forest(rows) + nulls(rows, scale) + table(rows, link)


def summary(rows: Sequence[Row], scale: str, chapters: Sequence[Any], link: LinkTo, ledger_href: str | None) -> str:
    """The ledger at a glance: a line per claim, a verdict per substrate."""
    lines = []
    for chapter in chapters:
        for claim in chapter.claims:
            found = badges.primary_rows(rows, claim)
            cells = "".join(f"<td>{_verdicts([r for r in found if r['substrate'] == s], ledger_href)}</td>" for s in badges.SUBSTRATES)
            title = html.escape(badges.plain(chapter.title))
            lines.append(f'<tr><th scope="row">{html.escape(claim)}: <a href="{link(chapter.name)}">{title}</a></th>{cells}</tr>')
    if not lines:
        return "<p>No chapter of this book tests a claim.</p>"
    heads = "".join(f'<th scope="col">{h}</th>' for h in ("Claim", "Persona world", "Real models"))
    return (f'<div class="psm-scroll" role="region" aria-label="Verdicts" tabindex="0"><table class="psm-table psm-summary">'
            f"<caption>Verdicts of the primary tests, {html.escape(scale)} scale.</caption>"
            f"<thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>")


def _verdicts(rows: Sequence[Row], ledger_href: str | None) -> str:
    """Verdicts of one claim on one substrate, each leading to its line of the ledger."""
    shown = [f'<a href="{ledger_href}#{badges.slug(row["test"])}">{badges.pill(row["verdict"])}</a>' if ledger_href
             else badges.pill(row["verdict"]) for row in rows]
    return "<br>".join(shown) or "no test"
