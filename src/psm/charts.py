"""What chapters show of a test on a real model: paired differences with their intervals, and shifts by training."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from psm import figures
from psm.evidence.stats import t_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes


LABEL = 64     # characters of a label on one line


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


def draw_contrasts(ax: Axes, table: pd.DataFrame, smallest: float) -> None:
    """One line per contrast, the first on top, its label above it; the dashed line is the smallest effect that counts.

    Zero and the smallest effect are drawn beside the intervals only, so that no line runs through a label.
    """
    for place, row in zip(range(len(table) - 1, -1, -1), table.itertuples()):
        ax.plot([row.low, row.high], [place, place], color=figures.colour(row.role), lw=3)
        ax.plot(row.mean, place, "o", color=figures.colour(row.role))
        for at, how in ((0, "-"), (smallest, "--")):
            ax.plot([at, at], [place - 0.32, place + 0.24], color=figures.colour("none"), lw=1.2, ls=how, zorder=1)
        label = textwrap.fill(row.label, LABEL)
        ax.annotate(label, (0, place + 0.27), xycoords=("axes fraction", "data"), xytext=(2, 0), textcoords="offset points", va="bottom")
    reach = max(table["high"].max(), -table["low"].min(), 2 * smallest)
    ax.set(yticks=[], ylim=(-0.5, len(table) - 0.2), xlim=(-1.1 * reach, 1.1 * reach), xlabel="difference (nats per token)")
    ax.locator_params(axis="x", nbins=6)
    ax.spines["left"].set_visible(False)
    ax.grid(visible=False)


def draw_shifts(ax: Axes, moved: pd.DataFrame, rows: Mapping[str, str], roles: Mapping[str, str]) -> None:
    """One dot a seed: `rows` maps quantities to the labels of the figure's rows, `roles` arms to the roles of their colours."""
    apart = 0.5 / len(roles)
    for line, quantity in enumerate(rows):
        for number, (arm, role) in enumerate(roles.items()):
            dots = moved[(moved["quantity"] == quantity) & (moved["arm"] == arm)]["value"]
            y = line + apart * (number - (len(roles) - 1) / 2)
            ax.plot(dots, [y] * len(dots), "o", color=figures.colour(role), alpha=0.8, label=arm if line == 0 else None)
    ax.axvline(0, color=figures.colour("none"), lw=1)
    ax.set(yticks=range(len(rows)), yticklabels=list(rows.values()), ylim=(len(rows) - 0.4, -0.6))
    ax.set(xlabel="shift by training (nats per token)")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(roles), frameon=False)


def interval_text(row: pd.Series, digits: int = 2) -> str:
    """A contrast in words: 0.12 (95 % interval 0.08 to 0.16)."""
    mean, low, high = (f"{row[key]:.{digits}f}".replace("-", "\N{MINUS SIGN}") for key in ("mean", "low", "high"))
    return f"{mean} (95 % interval {low} to {high})"
