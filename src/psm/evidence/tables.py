"""The ledger as a table for people: plain text for the terminal, Markdown for pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psm.evidence.shapes import is_own
from psm.evidence.verdicts import fooled

Row = dict[str, Any]
WIDTH = 120
HEADS = ("claim", "test", "where", "estimate [95 %]", "needed", "controls", "verdict")
WIDEST = (6, 32, 20, 24, 11, 8, 24)    # of each column; where they do not fit together, the test's name gives way
SHORTEST_TEST = 15


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if 0.1 <= abs(value) < 1000 or value == 0 else f"{value:.2g}"


def _estimate(row: Row) -> str:
    if row["estimate"] is None:
        return "-"
    if row.get("ci_low") is None and row.get("ci_high") is None:
        return f"{_number(row['estimate'])} [no limits]"
    return f"{_number(row['estimate'])} [{_number(row['ci_low'])}, {_number(row['ci_high'])}]"


def _needed(row: Row) -> str:
    """What the interval must do: beyond the smallest effect, within it, or (a control) inside its bound."""
    if row.get("bound"):
        low, high = row["bound"]
        return f"{'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'}"
    if row.get("threshold") is None:
        return "-"
    size = f"{row['threshold']:g}"
    return {"greater": f"> {size}", "less": f"< -{size}", "equivalent": f"±{size}"}.get(row.get("direction"), size)


def _controls(row: Row) -> str:
    """Controls that hold out of all."""
    checks = row.get("control") or []
    return f"{sum(check['status'] == 'holds' for check in checks)}/{len(checks)}" if checks else "-"


def _verdict(row: Row) -> str:
    return f"{row['verdict']} (fooled)" if fooled(row) else row["verdict"]


def _cells(row: Row) -> tuple[str, ...]:
    where = f"{row['world']}{' (null)' if row['null_world'] else ' (conf.)' if row.get('confirmation') else ''}"
    return row["claim"], row["test"], where, _estimate(row), _needed(row), _controls(row), _verdict(row)


def _fit(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[:width - 1]}…"


def format_table(rows: Sequence[Row], kinds: Sequence[str] | None = None, width: int = WIDTH) -> str:
    """An aligned plain-text table of at most `width` columns; `kinds` picks kinds of tests, all by default."""
    shown = [_cells(row) for row in rows if kinds is None or row["kind"] in kinds]
    if not shown:
        return "no tests to show"
    table = [HEADS, *shown]
    widths = [min(limit, max(len(line[i]) for line in table)) for i, limit in enumerate(WIDEST)]
    over = sum(widths) + 2 * (len(widths) - 1) - width
    if over > 0:
        widths[1] = max(SHORTEST_TEST, widths[1] - over)
    lines = ["  ".join(_fit(cell, size).ljust(size) for cell, size in zip(line, widths)).rstrip() for line in table]
    return "\n".join([lines[0], "-" * min(width, sum(widths) + 2 * (len(widths) - 1)), *lines[1:]])


def side_by_side(rows: Sequence[Row]) -> str:
    """A Markdown table of the primary tests of the claims that a real model was meant for: the world's line, then the model's."""
    both = {row["claim"] for row in rows if row["kind"] == "primary" and row["substrate"] == "real"}
    lines = ["| Claim | Test | Where | Estimate [95 %] | Units | Needed | Smallest visible effect | Controls | Verdict |", "|---|---|---|---|---|---|---|---|---|"]
    for row in sorted((r for r in rows if r["claim"] in both and r["kind"] == "primary" and is_own(r)), key=lambda r: _order(r, rows)):
        claim, test, where, estimate, needed, _, verdict = _cells(row)
        units = f"{row['n_units']} {'seeds' if row['seeds'] else 'items'}" if row["n_units"] else "-"
        checks = [*(row.get("control") or []), *([row["manipulation"]] if row.get("manipulation") else [])]
        told = "<br>".join(f"{check['id']}: {check['status']}" for check in checks) or "-"
        cells = (claim, test, where, estimate, units, needed, _number(row.get("smallest_visible")), told, f"**{verdict}**")
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _order(row: Row, rows: Sequence[Row]) -> tuple[int, bool]:
    """Claims as the ledger has them, the world before the model."""
    return next(i for i, other in enumerate(rows) if other["claim"] == row["claim"]), row["substrate"] == "real"


def markdown_table(rows: Sequence[Row], links: Mapping[str, str] | None = None, kinds: Sequence[str] | None = ("primary",)) -> str:
    """A Markdown table, by default of the primary tests; `links` maps chapters to addresses.

    The last two columns are the verdicts of the same test where its claim is false and on the confirmatory world.
    """
    lines = ["| Claim | Test | Where | Estimate [95 %] | Needed | Controls | Verdict | Where the claim is false | Drawn at random |",
             "|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        if not is_own(row) or kinds is not None and row["kind"] not in kinds:
            continue
        again = [r for r in rows if r["test"] == row["test"] and not is_own(r)]
        others = [next((_verdict(r) for r in again if r["null_world"] is null), "-") for null in (True, False)]
        cells = [cell.replace("|", "\\|") for cell in (*_cells(row), *others)]
        address = (links or {}).get(row["chapter"])
        if address:
            cells[0] = f"[{cells[0]}]({address})"
        cells[6] = f"**{cells[6]}**"
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
