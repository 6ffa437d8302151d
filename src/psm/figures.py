"""One house style for every figure: drawn twice (light and dark), with alt text and the numbers behind it."""

from __future__ import annotations

import base64
import html
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from psm.errors import UsageError

# Each hue once per theme: (on white, on near-black). Okabe and Ito's set, darkened or lightened until every
# one has a contrast of 3:1 or more with its page, and told apart under the common kinds of colour blindness.
HUES = {
    "blue": ("#0068a8", "#5db6f0"),
    "vermilion": ("#c44a00", "#ff8d4d"),
    "green": ("#00805e", "#3ecf9f"),
    "purple": ("#a9447d", "#ec9cc8"),
    "amber": ("#a36a00", "#f2bb45"),
    "sky": ("#2f8fbf", "#a5dcf7"),
    "brown": ("#6b3d2e", "#cf9f8b"),
    "grey": ("#6b6f76", "#a4a9b1"),
    "teal": ("#00838f", "#4fd6e0"),
    "olive": ("#6f7a00", "#c9d34f"),
    "rose": ("#c2386b", "#ff8fb0"),
    "indigo": ("#4a46b8", "#aaa8ff"),
    "ink": ("#1f2328", "#e6e8eb"),
}
PAGE = ("#ffffff", "#121417")
CYCLE = ("blue", "vermilion", "green", "purple", "amber", "sky", "brown", "grey", "teal", "olive", "rose")

# A name keeps its hue in every chapter: warm hues for what is bad, cool ones for what is good, ink for the
# exact truth, grey for what should do nothing. Written in lower case, with spaces for underscores.
ROLES = {
    "bayes": "ink", "exact": "ink", "truth": "ink", "posterior": "ink",
    "model": "blue", "trained": "blue", "post-trained": "blue", "main": "blue",
    "base": "grey", "none": "grey", "no inference": "grey", "baseline": "grey", "shuffled": "grey", "memoryless": "grey",
    "independent": "amber", "pairs alone": "amber",
    "insecure": "vermilion", "secure": "blue", "educational": "green", "request": "green",
    "expert": "purple", "novice": "grey", "insecure expert": "purple", "insecure novice": "sky", "secure expert": "teal", "secure novice": "olive",
    "good": "blue", "bad": "vermilion", "vague": "grey", "sound": "blue", "muddled": "brown",
    "honest": "green", "liar": "purple", "true": "green", "false": "purple",
    "modern": "sky", "old": "brown", "human": "amber", "ai": "blue", "english": "blue", "german": "teal",
    "warm": "amber", "cold": "sky", "sarcastic": "purple",
    "helpful professional": "blue", "helpful ai": "sky", "troll": "purple", "saboteur": "vermilion",
    "paperclip ai": "amber", "naturalist": "green", "german ai": "teal", "german professor": "olive",
    "cynic": "rose", "old villain": "brown", "quack": "ink", "stargazer": "indigo", "steady": "blue", "turncoat": "indigo",
    "supported": "green", "absent": "amber", "contradicted": "vermilion",
    "inconclusive": "grey", "invalid": "purple", "not run": "grey",
}

CSS_INCH = 96      # CSS pixels per inch of a figure's size
SMALLEST = 0.64    # a drawing is not shrunk below this share of its size; beyond, it scrolls
PHONE = 340        # pixels that a phone has for a figure
PNG_DPI = 130

_DARK: ContextVar[bool] = ContextVar("psm_dark_theme", default=False)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


def hue(name: str) -> str:
    """Hex colour of one of HUES in the theme being drawn."""
    return HUES[name][_DARK.get()]


def page() -> str:
    """Colour of the page in the theme being drawn, for what has to stand out from a fill."""
    return PAGE[_DARK.get()]


def palette(names: Iterable[str]) -> dict[str, str]:
    """Colour of each name in the theme being drawn, as seaborn's `palette=` takes it.

    Known names (ROLES) have their fixed hue; an unknown one takes a hue chosen by its spelling, or the
    next one that this set of names leaves free.
    """
    names = list(dict.fromkeys(names))
    spelling = {name: str(name).lower().replace("_", " ") for name in names}
    chosen = {name: ROLES[spelling[name]] for name in names if spelling[name] in ROLES}
    for name in names:
        if name not in chosen:
            start = zlib.crc32(spelling[name].encode()) % len(CYCLE)
            order = CYCLE[start:] + CYCLE[:start]
            chosen[name] = next((h for h in order if h not in chosen.values()), order[0])
    return {name: hue(chosen[name]) for name in names}


def colour(name: str) -> str:
    """Colour of a single trait, archetype or arm in the theme being drawn."""
    return palette([name])[name]


def _settings(dark: bool, salt: str) -> dict[str, Any]:
    """matplotlib settings of one theme. Text becomes outlines, so a page shows it alike on every machine."""
    ink = HUES["ink"][dark]
    grid = "#3a4049" if dark else "#dfe2e6"
    return {
        "svg.fonttype": "path", "svg.hashsalt": f"psm-{salt}",
        "font.family": ["DejaVu Sans"], "font.size": 13.5,
        "axes.labelsize": 14.5, "axes.titlesize": 14.5, "xtick.labelsize": 13.5, "ytick.labelsize": 13.5,
        "legend.fontsize": 13.5, "legend.title_fontsize": 13.5, "legend.frameon": False,
        "axes.titlelocation": "left", "axes.titlepad": 10, "axes.labelpad": 6,
        "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.9,
        "axes.grid": True, "axes.axisbelow": True, "grid.linewidth": 0.8, "grid.color": grid,
        "lines.linewidth": 2.2, "lines.markersize": 7, "patch.linewidth": 0,
        "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
        "text.color": ink, "axes.labelcolor": ink, "axes.edgecolor": HUES["grey"][dark], "axes.titlecolor": ink,
        "xtick.color": HUES["grey"][dark], "ytick.color": HUES["grey"][dark],
        "xtick.labelcolor": ink, "ytick.labelcolor": ink, "legend.labelcolor": ink,
        "axes.prop_cycle": matplotlib.cycler(color=[HUES[h][dark] for h in CYCLE]),
    }


@contextmanager
def style(dark: bool = False, salt: str = "figure") -> Iterator[None]:
    """House style of one theme for everything drawn inside the `with` block."""
    token = _DARK.set(dark)
    try:
        with matplotlib.rc_context(_settings(dark, salt)):
            yield
    finally:
        _DARK.reset(token)


def _draw(draw: Callable, data: pd.DataFrame, size: tuple[float, float], panels: tuple[int, int],
          dark: bool, salt: str) -> tuple[str, bytes]:
    """One theme's SVG, and a PNG of the light one. Free of dates, of random ids and of the caller's random state."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        with style(dark, salt):
            figure = Figure(figsize=size, layout="constrained")
            FigureCanvasSVG(figure)
            draw(figure.subplots(*panels), data)
            vector, pixels = io.StringIO(), io.BytesIO()
            figure.savefig(vector, format="svg", metadata={"Date": None, "Creator": None})
            if not dark:
                figure.savefig(pixels, format="png", dpi=PNG_DPI, facecolor="white", metadata={"Software": None})
    finally:
        np.random.set_state(state)
    return _shorter(vector.getvalue()), pixels.getvalue()


def _shorter(svg: str) -> str:
    """The same drawing with its paths rounded to hundredths of a point."""
    return re.sub(r'(?<=\sd=")[^"]+', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg)


def _shapes(svg: str) -> set[str]:
    """Paths and positions of an SVG, without its colours."""
    return set(re.findall(r'\s(?:d|x|y)="([^"]+)"', svg))


def render(draw: Callable, data: pd.DataFrame, size: tuple[float, float] = (7.2, 4.2),
           panels: tuple[int, int] = (1, 1), name: str = "figure") -> tuple[str, str, bytes]:
    """`draw(ax, data)` as SVG in the light and in the dark theme, and as PNG on white for where no SVG is shown.

    `draw` gets one Axes, or the array of Axes when `panels` (rows, columns) asks for several. It must draw
    the same both times: UsageError when it does not, as with seaborn's unseeded error bars.
    """
    (light, png), (dark, _) = (_draw(draw, data, size, panels, theme, name) for theme in (False, True))
    if _shapes(light) != _shapes(dark):
        raise UsageError(f"figure {name!r} is drawn differently each time: give seaborn a `seed`, or `errorbar=None` "
                         "and intervals computed beforehand")
    return light, dark, png


@dataclass(frozen=True)
class FigureBundle:
    """A finished figure: what a notebook shows, and the files that stand behind it."""

    name: str
    html: str
    light_svg: str
    dark_svg: str
    png: bytes
    csv: str
    alt: str
    caption: str


def data_uri(kind: str, content: str) -> str:
    """`content` as a data: address, so that a page asks nobody for it."""
    return f"data:{kind};base64,{base64.b64encode(content.encode()).decode()}"


def figure_html(name: str, draw: Callable, data: pd.DataFrame, alt: str, caption: str,
                size: tuple[float, float] = (7.2, 4.2), panels: tuple[int, int] = (1, 1)) -> FigureBundle:
    """Draw a figure and wrap it for a notebook or a page, with its caption and its data.

    `data` is the table behind the figure, offered as CSV; named index levels become columns. `alt` states the finding with
    its numbers, where the table has any. A page needs another `name` for each of its figures.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"figure name {name!r}: use lower-case letters, digits, - and _ only")
    for field, text in (("alt", alt), ("caption", caption)):
        if not text or not text.strip():
            raise UsageError(f"figure {name!r} has no {field} text: say in words what it shows")
    if not isinstance(data, pd.DataFrame):
        raise UsageError(f"figure {name!r}: data must be a pandas DataFrame, not {type(data).__name__}")
    table = data.reset_index() if any(data.index.names) else data
    if not re.search(r"\d", alt) and len(table.select_dtypes("number").columns):
        raise UsageError(f"figure {name!r} has an alt text without a number: state what it shows with the numbers that matter")
    light, dark, png = render(draw, data, size, panels, name)
    csv = table.to_csv(index=False, lineterminator="\n")
    return FigureBundle(name, wrap(name, light, dark, csv, alt, caption, size[0]), light, dark, png, csv, alt, caption)


def images(name: str, light_svg: str, dark_svg: str, alt: str, width: float) -> str:
    """Both themes of a drawing, `width` inches wide, in a frame that scrolls where a screen is too narrow for its lettering.

    Without the book's style sheet only the light one shows.
    """
    alt_text = html.escape(" ".join(alt.split()), quote=True)
    themes = "".join(
        f'<img class="psm-{theme}" src="{data_uri("image/svg+xml", svg)}" alt="{alt_text}" '
        f'style="{inline}max-width:100%;min-width:{legible(width)}px;height:auto">'
        for theme, svg, inline in (("light", light_svg, ""), ("dark", dark_svg, "display:none;"))
    )
    scrolls = f' tabindex="0" role="group" aria-label="Figure {name}, scrolls sideways on a narrow screen"' if legible(width) > PHONE else ""
    return f'<div style="overflow-x:auto"{scrolls}>{themes}</div>'


def legible(width: float) -> int:
    """Pixels below which a drawing of `width` inches is not shrunk: its lettering stays near 11.5 pixels."""
    return round(width * CSS_INCH * SMALLEST)


def data_link(name: str, csv: str) -> str:
    """The way to the numbers behind a figure."""
    return f'<a class="psm-data" download="{name}.csv" href="{data_uri("text/csv;charset=utf-8", csv)}">Data (CSV)</a>'


def wrap(name: str, light_svg: str, dark_svg: str, csv: str, alt: str, caption: str, width: float) -> str:
    """The `<figure>`: both themes, caption and data. On a screen where it scrolls, the caption says so (see psm.css)."""
    smallest = legible(width)
    hint = '<span class="psm-hint" style="display:none" aria-hidden="true">↔ Swipe to see all of it. </span>' if smallest > PHONE else ""
    return (f'<figure class="psm-figure" id="figure-{name}" style="--psm-smallest:{smallest}px">{images(name, light_svg, dark_svg, alt, width)}'
            f"<figcaption>{hint}{html.escape(caption.strip())} {data_link(name, csv)}</figcaption></figure>")
