"""The forest figures: tests of different units side by side, each in multiples of its own smallest effect of interest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from psm import figures
from psm.book import badges
from psm.book.badges import Row, interval, number

MARKERS = {"supported": "o", "absent": "s", "contradicted": "X", "inconclusive": "D", "invalid": "v"}
RUNS = {"null": "where it is false", "confirmation": "drawn at random"}     # the same test elsewhere: a small mark under the test's own
LEFT_EDGE, RIGHT_EDGE = -12.0, 60.0     # beyond these a mark is an arrow at the edge
LINE, BELOW, GAP = 1.0, 0.5, 0.35       # height of a test's line and of a small mark below it, and room between claims
INCHES = 0.34                           # of a line


def place(row: Row) -> str:
    """Where a test was made, in words."""
    return f"{badges.SUBSTRATES.get(row.get('substrate'), '')} {row.get('world') or ''}".strip()


def forest_data(rows: Sequence[Row]) -> pd.DataFrame:
    """A figure's numbers: every primary test with an estimate, also on its other worlds, in multiples of its own smallest effect.

    A test that predicts less than nothing is turned round, so that support always lies to the right.
    """
    table = []
    for row in rows:
        threshold = row.get("threshold")
        if row.get("estimate") is None or not threshold or row.get("kind") != "primary":
            continue
        unit = -abs(threshold) if row["direction"] == "less" else abs(threshold)
        low, high = row.get("ci_low"), row.get("ci_high")
        ends = sorted(end / unit for end in (low, high)) if None not in (low, high) else [None, None]
        table.append({
            "claim": row["claim"], "test": row["test"], "run": "null" if row.get("null_world") else "confirmation" if row.get("confirmation") else "own",
            "where": place(row), "direction": row["direction"], "estimate": row["estimate"] / unit, "ci_low": ends[0], "ci_high": ends[1],
            "verdict": row["verdict"],
        })
    return pd.DataFrame(table)


def _positions(data: pd.DataFrame) -> list[float]:
    """Heights of the marks from the top: small ones close below their test's own, a line per test, more room between claims."""
    heights, at, starts, claims = [], 0.0, set(_starts(data)), list(data["claim"])
    for i, claim in enumerate(claims):
        if i:
            at += BELOW if i not in starts else LINE + (GAP if claim != claims[i - 1] else 0)
        heights.append(at)
    return heights


def _starts(data: pd.DataFrame) -> list[int]:
    """Where each test's marks begin."""
    tests, runs = list(data["test"]), list(data["run"])
    return [i for i, test in enumerate(tests) if runs[i] == "own" or not i or test != tests[i - 1]]


def _label(row: pd.Series) -> str:
    """What stands before a test's line: its claim, and where it was made, in a word."""
    real = row["where"].startswith(badges.SUBSTRATES["real"])
    return f"{row['claim']} {row['where'].removeprefix(badges.SUBSTRATES['real']).strip() if real else 'world'}"


def _inside(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _band(ax: Any, rows: pd.DataFrame, heights: Sequence[float], high: float) -> None:
    """The pale band where the intervals of one test have to lie, with its edges."""
    ends = (-1, 1) if rows["direction"].iloc[0] == "equivalent" else (1, high)
    top, bottom = heights[0] - 0.38, heights[-1] + (0.38 if len(heights) == 1 else 0.25)
    ax.barh((top + bottom) / 2, ends[1] - ends[0], left=ends[0], height=bottom - top, color=figures.hue("green"), alpha=0.12)
    ax.vlines([end for end in ends if abs(end) == 1], top, bottom, color=figures.hue("ink"), lw=1.3)


def _mark(ax: Any, row: Any, at: float, low: float, high: float) -> None:
    """One estimate with its interval; small where the test was run elsewhere, hollow where its claim is false."""
    shade, own = _shade(row.verdict), row.run == "own"
    if pd.notna(row.ci_low):
        ax.plot([_inside(e, low, high) for e in (row.ci_low, row.ci_high)], [at, at], color=shade, lw=2.8 if own else 1.3, alpha=1 if own else 0.8)
    beyond = "<" if row.estimate < low else ">" if row.estimate > high else None
    ax.plot(_inside(row.estimate, low, high), at, beyond or MARKERS.get(row.verdict, "o"), ms=9 if own else 5.5, clip_on=False,
            markerfacecolor="none" if row.run == "null" else shade, markeredgecolor=shade, markeredgewidth=1.6 if own else 1.2)


def _shade(verdict: str) -> str:
    return figures.colour(verdict if verdict in badges.VERDICTS else "not run")


def _draw(ax: Any, data: pd.DataFrame) -> None:
    """A line per test; the pale band is where its interval has to lie."""
    ends = data[["estimate", "ci_low", "ci_high"]].astype(float)
    low, high = max(LEFT_EDGE, 1.4 * min(float(ends.min().min()), -0.6)), min(RIGHT_EDGE, 1.3 * max(3.0, float(ends.max().max())))
    heights, starts = _positions(data), _starts(data)
    for start, end in zip(starts, [*starts[1:], len(data)]):
        _band(ax, data.iloc[start:end], heights[start:end], high)
    for at, row in zip(heights, data.itertuples()):
        _mark(ax, row, at, low, high)
    _legend(ax, data)
    ax.axvline(0, color=figures.hue("grey"), lw=1)
    ax.set_xscale("symlog", linthresh=1, linscale=1)
    ax.minorticks_off()
    ticks = [t for t in (-10, -3, -1, 0, 1, 3, 10, 30) if low <= t <= high]
    ax.set_xticks(ticks, [str(t).replace("-", "−") for t in ticks])
    ax.set(xlim=(low, high), ylim=(heights[-1] + 0.6, -0.6), xlabel="multiples of the smallest effect that matters")
    ax.set_yticks([heights[i] for i in starts], [_label(data.iloc[i]) for i in starts])
    ax.grid(axis="y", visible=False)


def _legend(ax: Any, data: pd.DataFrame) -> None:
    """What shapes and sizes mean, as far as they occur."""
    words = [*badges.VERDICTS, *dict.fromkeys(word for word in data["verdict"] if word not in badges.VERDICTS)]
    handles = [ax.plot([], [], MARKERS.get(word, "o"), ms=8, color=_shade(word), label=word)[0] for word in words if word in set(data["verdict"])]
    grey = figures.hue("grey")
    handles += [ax.plot([], [], "o", ms=5.5, markeredgecolor=grey, markerfacecolor="none" if run == "null" else grey, label=words)[0]
                for run, words in RUNS.items() if run in set(data["run"])]
    ax.figure.legend(handles=handles, loc="outside upper left", ncols=3, columnspacing=1.2, handletextpad=0.2)


def _figure(name: str, data: pd.DataFrame, what: str, caption: str) -> str:
    said = {"own": "", "null": ", a null world", "confirmation": ", drawn at random"}
    lines = [f"{r.test}, {r.where}{said[r.run]}: {number(r.estimate)}"
             + (f" ({interval(r.ci_low, r.ci_high)})" if pd.notna(r.ci_low) else "") + f", {r.verdict}" for r in data.itertuples()]
    beyond = data["estimate"].lt(LEFT_EDGE).any() or data["estimate"].gt(RIGHT_EDGE).any()
    caption += " An arrowhead stands for an estimate beyond the edge." if beyond else ""
    size = (7.2, 1.6 + INCHES * (_positions(data)[-1] + LINE))
    return figures.figure_html(name, _draw, data, f"{what} {'; '.join(lines)}.", caption, size).html


def every_primary(rows: Sequence[Row]) -> str:
    """The ledger's figure, or a sentence where no test has an estimate."""
    data = forest_data(rows)
    if data.empty:
        return "<p>No primary test in this ledger has an estimate to draw.</p>"
    return _figure(
        "ledger", data, "Each primary test's estimate and 95 % interval in multiples of its own smallest effect of interest.",
        "Every primary test. Tests have different units, such as log-odds and ratios, so each is divided by its own smallest effect of "
        "interest, the upright tick, and turned so that the predicted side is to the right; lengths compare within a line, not between "
        "lines. An interval inside the pale band counts as support if the controls hold. Small marks below a test are the same test on a world "
        "where the claim is false (hollow) and on one drawn at random (filled). The scale is linear between −1 and 1 and logarithmic beyond. Secondary "
        "tests and controls stand under “Every test”.")


def beside_confirmation(rows: Sequence[Row]) -> str:
    """Each primary test that ran on the confirmatory world as two marks: where it was designed, and there."""
    data = forest_data([row for row in rows if not row.get("null_world")])
    confirmed = set(data[data["run"] == "confirmation"]["test"]) if len(data) else set()
    if not confirmed:
        return ""
    return _figure(
        "confirmation", data[data["test"].isin(confirmed)].reset_index(drop=True),
        "Primary tests in the world they were designed on and in the one drawn at random, estimate and 95 % interval in multiples of the "
        "smallest effect of interest of each.",
        "Each primary test twice: in the world that it was designed on (large mark) and in the one drawn at random (small mark). Each mark is "
        "divided by its own smallest effect of interest, the upright tick, and turned so that the predicted side is to the right. An "
        "interval inside the pale band counts as support. Intervals over three seeds are wide. The scale is linear between −1 and 1 and "
        "logarithmic beyond.")
