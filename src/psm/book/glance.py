"""The ledger at a glance: verdicts counted in words, the landing page's table, and the README's."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from psm.book import badges
from psm.book.badges import Row
from psm.book.claims_table import HOMES, NO_TEST, Place, claim_lines, key, statement
from psm.evidence.shapes import is_own
from psm.scale import get_scale

# What a verdict says, in a few words, where the list of verdicts is not at hand.
SHORT = {"supported": "the whole interval lies where it had to", "absent": "an effect that matters is ruled out",
         "contradicted": "the interval speaks against the claim", "inconclusive": "the interval, or an undecided control, leaves it open",
         "invalid": "a control failed or the training did not take", "not run": "no result"}


def tally(rows: Iterable[Row]) -> str:
    """Verdicts as counts in words, in the order of their list: "3 supported, 1 absent"."""
    return ", ".join(f"{number} {word}" for word, number in counted(rows).items())


def counted(rows: Iterable[Row]) -> dict[str, int]:
    """How often each verdict occurs, in the order of their list."""
    count = Counter(row["verdict"] for row in rows)
    return {word: count[word] for word in [*badges.VERDICTS, *(w for w in count if w not in badges.VERDICTS)] if count[word]}


def by_home(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The primary tests' own rows of each home that has any."""
    own = [row for row in rows if row.get("primary") and is_own(row)]
    return {home: found for home in HOMES if (found := [row for row in own if row["substrate"] == home])}


def tallies(rows: Sequence[Row], scale: str, ledger_href: str | None) -> str:
    """The verdicts of the primary tests counted, home by home; each count leads to the lines of the ledger that it counts."""
    if not get_scale(scale).is_evidence:
        return "<p>A smoke run shows values and no verdict, so nothing is counted.</p>"
    said = [f"<dt>{HOMES[home]}</dt><dd>{_linked_counts(found, home, ledger_href)}</dd>" for home, found in by_home(rows).items()]
    again = [row for row in rows if row.get("primary") and row.get("confirmation")]
    said += [f"<dt>World drawn at random</dt><dd>{html.escape(tally(again))}</dd>"] if again else []
    return f'<dl class="psm-facts psm-tally">{"".join(said)}</dl>' if said else ""


def _linked_counts(found: Sequence[Row], home: str, ledger_href: str | None) -> str:
    words = {word: f"{number} {html.escape(word)}" for word, number in counted(found).items()}
    if ledger_href is not None:
        words = {word: f'<a href="{ledger_href}?verdict={key(word)}&amp;home={home}#claims">{text}</a>' for word, text in words.items()}
    return ", ".join(words.values())


def summary(rows: Sequence[Row], scale: str, where: Mapping[str, Place], claims: Mapping[str, Sequence[str]], ledger_href: str | None) -> str:
    """A line per claim: its statement, and its verdict in each home. `claims` maps chapters to what they test."""
    lines = []
    for chapter, tested in claims.items():
        for claim in tested:
            cells = {home: [] for home in HOMES}
            for home, row in claim_lines(rows, claim):
                cells[home].append(badges.linked(row, ledger_href) if row else f'<span class="psm-small">{NO_TEST}</span>')
            shown = "".join(f"<td>{'<br>'.join(cell)}</td>" for cell in cells.values())
            lines.append(f'<tr><th scope="row">{statement(claim, where[chapter])}</th>{shown}</tr>')
    if not lines:
        return "<p>No chapter of this book tests a claim.</p>"
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Claim", *HOMES.values()))
    return (f'{tallies(rows, scale, ledger_href)}<div class="psm-scroll" role="region" aria-label="Verdicts" tabindex="0">'
            f'<table class="psm-table psm-summary"><caption>Verdicts of the primary tests, {html.escape(scale)} scale.</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>")


def readme(rows: Sequence[Row], scale: str, where: Mapping[str, Place]) -> str:
    """The README's ledger in Markdown: when and how it was run, the verdicts counted, a line per claim, and where the rest is."""
    dates = sorted(row["run_started_at"] for row in rows if row.get("run_started_at"))
    when = f", run on {badges.day(dates[-1])}" if dates else ""
    counts = [f"- {HOMES[home]}: {tally(found)}." for home, found in by_home(rows).items()]
    again = [row for row in rows if row.get("primary") and row.get("confirmation")]
    counts += [f"- Run again on a world drawn at random: {tally(again)}."] if again else []
    lines = [f"| Claim | {' | '.join(HOMES.values())} |", "|---|---|---|"]
    seen = {}
    for claim, chapter in {row["claim"]: row["chapter"] for row in rows}.items():
        cells = {home: [] for home in HOMES}
        for home, row in claim_lines(rows, claim):
            word = row["verdict"] if row else NO_TEST
            seen[word] = None
            cells[home].append(f"**{word}**" if word == "supported" else word if row else "–")
        place = where[chapter]
        title = f"{claim}: {place.title}".replace("|", "\\|").replace("[", "\\[").replace("]", "\\]")
        lines.append(f"| [{title}]({place.href}) | {' | '.join(', '.join(cell) for cell in cells.values())} |")
    words = "; ".join(f"*{word}*: {meaning}" for word, meaning in SHORT.items() if word in seen)
    folder = f"evidence/{scale}"
    return (f"{scale.capitalize()} scale{when}. Each verdict is that of the claim's primary test; “–” means that none is registered there.\n\n"
            + "\n".join(counts) + "\n\n" + "\n".join(lines)
            + f"\n\nThe words: {words}. Estimates, intervals and every other test: [ledger.csv]({folder}/ledger.csv), "
              f"[world and model side by side]({folder}/side_by_side.md).\n")
