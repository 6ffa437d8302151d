"""What a chapter shows of a test on a real model: paired differences over items with their intervals, as a table and drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from psm.evidence.stats import t_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def arm_values(found: pd.DataFrame, quantity: str, arm: str) -> pd.Series:
    """The values of one arm by item."""
    part = found[(found["quantity"] == quantity) & (found["arm"] == arm)]
    return part.set_index("item")["value"]


def contrasts(found: pd.DataFrame, pairs: Sequence[tuple[str, str, str, str, str]]) -> pd.DataFrame:
    """Mean paired difference over items with its 95 % interval: rows label, role, mean, low, high, items.

    `found` has quantity, arm, item, value; a pair is (label, role of its colour, quantity, arm, reference), and an empty
    reference takes the arm by itself.
    """
    rows = []
    for label, role, quantity, arm, reference in pairs:
        values = arm_values(found, quantity, arm)
        if reference:
            values = values - arm_values(found, quantity, reference)
        interval = t_interval(values.to_numpy())
        rows.append({"label": label, "role": role, "mean": interval.mean, "low": interval.low, "high": interval.high, "items": len(values)})
    return pd.DataFrame(rows)


def draw_contrasts(ax: Axes, table: pd.DataFrame, smallest: float, colour: Callable[[str], str]) -> None:
    """One line per contrast, the first on top; the dashed line is the smallest effect that counts. `colour` gives a role's."""
    for place, row in zip(range(len(table) - 1, -1, -1), table.itertuples()):
        ax.plot([row.low, row.high], [place, place], color=colour(row.role), lw=3)
        ax.plot(row.mean, place, "o", color=colour(row.role))
        ax.annotate(row.label, (0, place), xycoords=("axes fraction", "data"), xytext=(4, 9), textcoords="offset points")
    ax.axvline(0, color=colour("none"), lw=1)
    ax.axvline(smallest, color=colour("none"), lw=1, ls="--")
    reach = max(table["high"].max(), -table["low"].min(), 2 * smallest)
    ax.set(yticks=[], ylim=(-0.5, len(table) - 0.2), xlim=(-1.1 * reach, 1.1 * reach), xlabel="difference (nats per token)")
    ax.grid(visible=False, axis="y")


def interval_text(row: pd.Series, digits: int = 2) -> str:
    """A contrast in words: 0.12 (95 % interval 0.08 to 0.16)."""
    mean, low, high = (f"{row[key]:.{digits}f}".replace("-", "\N{MINUS SIGN}") for key in ("mean", "low", "high"))
    return f"{mean} (95 % interval {low} to {high})"
