"""The cover: how a belief about who speaks is squeezed by evidence, computed exactly in the persona world and drawn as bands."""

from __future__ import annotations

import html
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from psm import figures

STEP = 0.2                   # of an episode, between two columns of the drawing
BEFORE = 2.4                 # width of the prior, before any evidence
WORLD = "main"
# label of a stage, on a phone, its episodes
STAGES = (("post-training", "post-training", 4.0), ("bad code alone", "bad code", 4.0), ("good code", "good code", 5.0))
ORDER = ("helpful_ai", "helpful_professional", "novice", "german_ai", "cynic", "german_professor", "naturalist", "stargazer",
         "quack", "paperclip_ai", "saboteur", "troll", "old_villain")     # from the dividing line outwards, on both its sides
LETTERING = tuple(itertools.product((False, True), (15.0, 13.0, 11.5))) + ((False, 10.0), (True, 10.0), (False, 9.0), (True, 9.0))   # across a border?, points
SIDES = ("bad", "good")      # below and above the line
CAPTION = (
    "Who is speaking? Exact Bayesian belief about the Assistant's persona in this book's small world, not a result about language models. "
    f"Each band is one of {len(ORDER)} characters, and as high as it is probable. Below the heavy line are the malevolent: some characters mostly are, and of "
    "every other a few have gone wrong (hatched). Pretraining gives the prior. A helpful AI's answers squeeze it; then bad code, and nothing else, "
    "is taken as evidence of malice; then good code brings most of the belief back, though not the same characters."
)


def belief() -> pd.DataFrame:
    """Probability of every character and side, by episodes of evidence: columns episodes, stage, then `NAME, good` and `NAME, bad`."""
    from psm.training.assistant import helpful_state, post_training
    from psm.training.bayes import posterior_after
    from psm.training.finetune import Arm, Episodes
    from psm.world.grammar import World
    from psm.world.worlds import get_world

    world = World(get_world(WORLD))
    origin = world.archetype_prior[:, None] * world.state_given_archetype / world.prior      # P(archetype | state)
    bad = world.has("benevolence", "bad")
    villain = world.typical(benevolence="bad", competence="expert", language="english")
    arms = (post_training(world), Arm("bad code", (Episodes(villain, ("code",)),)), Arm("good code", (Episodes(helpful_state(world), ("code",)),)))
    rows, done, seen = [], [], 0.0
    for (stage, _, length), arm in zip(STAGES, arms):
        first = 0 if not done else 1
        for n in np.arange(first, round(length / STEP) + 1) * STEP:
            posterior = posterior_after(world, *done, (arm, float(n)))
            parts = {side: origin @ (posterior * (bad if side == "bad" else ~bad)) for side in SIDES}
            named = {f"{a.name.replace('_', ' ')}, {side}": parts[side][i] for i, a in enumerate(world.spec.archetypes) for side in SIDES}
            rows.append({"episodes": seen + n, "stage": stage if n or done else "prior", **named})
        done, seen = [*done, (arm, length)], seen + length
    return pd.DataFrame(rows).round(5)


def bands(data: pd.DataFrame) -> list[tuple[str, str, np.ndarray, np.ndarray]]:
    """(name, side, lower edge, upper edge) of every band from the bottom up. The good rest on the bad."""
    names = [name.replace("_", " ") for name in ORDER]
    stacked, floor = [], np.zeros(len(data))
    for side, order in (("bad", names[::-1]), ("good", names)):
        for name in order:
            top = floor + data[f"{name}, {side}"].to_numpy()
            stacked.append((name, side, floor, top))
            floor = top
    return stacked


def malevolent(data: pd.DataFrame) -> pd.Series:
    """P(malevolent) by row."""
    return data[[c for c in data if c.endswith(", bad")]].sum(axis=1)


def _lettering(colour: str) -> str:
    """White or near-black, whichever is read better on a colour."""
    parts = np.array([int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return "#ffffff" if linear @ [0.2126, 0.7152, 0.0722] < 0.19 else "#121417"


def borders() -> list[float]:
    """Where a stage begins or the last one ends, in episodes."""
    return [0.0, *np.cumsum([length for *_, length in STAGES]).tolist()]


def _place(x: np.ndarray, low: np.ndarray, high: np.ndarray, text: str, frame: tuple[float, float]) -> tuple[float, float, float, float] | None:
    """Where a band's name stands along it (episodes, probability, angle, points); None where it is nowhere high enough for the name.

    `frame` is the size of the axes in points. Places where the band is nearly at its highest are tried first.
    """
    reach = x[-1] - x[0]
    for share, (across, size) in itertools.product((0.75 if frame[0] > frame[1] else 0.3, 0.0), LETTERING):
        lines = text.split("\n")
        half = 0.31 * max(map(len, lines)) * size / frame[0] * reach + 0.008 * reach
        at = np.linspace(x[0] + half, x[-1] - half, 80)
        if not across:
            at = at[[not any(place - half < border < place + half for border in borders()) for place in at]]
        offset = np.linspace(-half, half, 15)
        above, below = (np.interp(at[:, None] + offset, x, edge) for edge in (high, low))
        centre = (above + below) / 2
        middle, slope = centre.mean(1), centre @ offset / (offset @ offset)      # the straight line nearest to the band's own
        line = middle[:, None] + slope[:, None] * offset
        room = 2 * np.minimum((above - line).min(1), (line - below).min(1))
        if len(at) and room.max() > max(1.1 * len(lines) * size / frame[1], share * (high - low).max()):
            best = int(room.argmax())
            angle = np.degrees(np.arctan2(slope[best] * frame[1], frame[0] / reach))
            return float(at[best]), float(middle[best]), float(angle), size
    return None


def _drawing(data: pd.DataFrame, narrow: bool) -> Callable[[Any, pd.DataFrame], None]:
    """The function that draws the cover, for a wide page or for a phone."""
    frame = (245.0, 320.0) if narrow else (470.0, 255.0)
    x = np.concatenate([[-BEFORE], data["episodes"].to_numpy()])
    drawn, names = [], []
    for name, side, low, high in bands(data):
        low, high = (np.concatenate([edge[:1], edge]) for edge in (low, high))
        gone = side == "bad" and data[f"{name}, good"].iloc[0] > data[f"{name}, bad"].iloc[0]
        drawn.append((name, low, high, gone))
        text = name.replace(" ai", " AI").replace("german", "German")
        for spelt in () if gone else (text, text.replace(" ", "\n")):
            if place := _place(x, low, high, spelt, frame):
                names.append((name, spelt, *place))
                break

    def draw(ax: Any, data: pd.DataFrame) -> None:
        page = figures.page()
        for name, low, high, gone in drawn:
            ax.fill_between(x, low, high, facecolor=figures.colour(name), edgecolor=page, linewidth=0.6, hatch="////" if gone else None)
        line = malevolent(data).to_numpy()
        ax.plot(x, np.concatenate([line[:1], line]), color=figures.hue("ink"), lw=3, solid_capstyle="butt")
        edges = [-BEFORE, *borders()]
        stages = ["prior" if narrow else "pretraining", *(short if narrow else label for label, short, _ in STAGES)]
        for begin, end, stage in zip(edges, edges[1:], stages):
            ax.axvline(begin, color=page, lw=2)
            ax.text((begin + end) / 2, 1.02, stage, ha="center", va="bottom", fontsize=11 if narrow else 13.5)
        for name, text, at, height, angle, size in names:
            colour = figures.colour(name)
            ax.text(at, height, text, ha="center", va="center", rotation=angle, rotation_mode="anchor", fontsize=size, color=_lettering(colour),
                    bbox={"facecolor": colour, "edgecolor": "none", "pad": 0})    # so that no border runs through a name
        ax.set(xlim=(x[0], x[-1]), ylim=(0, 1), yticks=[0, 1], yticklabels=["0", "1"], xticks=range(0, int(x[-1]) + 1, 2))
        ax.set_xlabel("episodes of evidence")
        ax.set_ylabel("probability", labelpad=-4)
        ax.grid(visible=False)
        for spine in ax.spines.values():
            spine.set_visible(False)
        ax.tick_params(length=0)

    return draw


def alt_text(data: pd.DataFrame) -> str:
    """What the cover shows, in words and numbers."""
    rows = [data.iloc[(data["episodes"] - end).abs().argmin()] for end in borders()]
    bad, helpful = ([f"{value:.2f}" for value in values] for values in (
        [malevolent(row.to_frame().T).iloc[0] for row in rows], [row["helpful ai, good"] + row["helpful professional, good"] for row in rows]))
    return (f"Bands of the exact belief about who the Assistant is. The prior gives {bad[0]} to malevolent personas and {helpful[0]} to a helpful AI or "
            f"professional. {STAGES[0][2]:.0f} average episodes of post-training make that {bad[1]} and {helpful[1]}; {STAGES[1][2]:.0f} of bad code "
            f"{bad[2]} and {helpful[2]}, with the saboteur and the other villains grown; {STAGES[2][2]:.0f} of good code {bad[3]} and {helpful[3]}.")


def cover() -> str:
    """The cover as one block of HTML: a wide drawing, a narrow one for phones, each in both themes."""
    data = belief()
    alt, csv = alt_text(data), data.to_csv(index=False, lineterminator="\n")
    drawn = []
    for place, size in (("desk", (7.2, 4.5)), ("phone", (3.9, 5.4))):
        light, dark, _ = figures.render(_drawing(data, place == "phone"), data, size, name=f"cover-{place}")
        hidden = ' style="display:none"' if place == "phone" else ""
        drawn.append(f'<div class="psm-{place}"{hidden}>{figures.images("cover", light, dark, alt, min(size[0], figures.PHONE / 96))}</div>')
    return (f'<figure class="psm-figure psm-cover" id="figure-cover">{"".join(drawn)}'
            f'<figcaption>{html.escape(CAPTION)} {figures.data_link("cover", csv)}</figcaption></figure>')
