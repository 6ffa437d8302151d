"""What a chapter's cells use: base models to experiment on, and a notebook page to write measurements, numbers and figures into.

    run = lab.start("p1", scale=scale, seeds=seeds)
    for base in run.base_models("main"):
        run.measure([...])
    run.value("captured", 0.8)
    run.finish()

Under the book's executor everything lands in the run's own folder; in JupyterLab in a scratch folder.
"""

from __future__ import annotations

import html
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.display import HTML

from psm import figures
from psm.errors import UsageError
from psm.evidence.measurements import COLUMNS, validate
from psm.files import workspace, write_json, write_whole
from psm.real.device import demand_device
from psm.real.loading import REAL_MODELS, RealModel, load_model
from psm.models.scoring import Behaviour, log_odds
from psm.real.sources import ModelMissing
from psm.scale import Scale, get_scale, world_seeds
from psm.training import store
from psm.world.grammar import World


def start(chapter: str, scale: str, seeds: Iterable[int]) -> Run:
    """Begin a chapter's run. Raises UsageError for an unknown scale or seeds that are not whole numbers from 0 up."""
    seeds = tuple(seeds)
    if not seeds or any(not isinstance(s, int) or s < 0 for s in seeds) or len(set(seeds)) != len(seeds):
        raise UsageError(f"seeds must be distinct whole numbers from 0 up, such as [0, 1, 2], not {list(seeds)}")
    folder = os.environ.get("PSM_RUN_DIR")
    return Run(chapter, get_scale(scale), seeds, Path(folder) if folder else workspace() / "lab" / "runs" / chapter)


class Run:
    """One execution of one chapter: what it measures, binds and draws."""

    def __init__(self, chapter: str, scale: Scale, seeds: tuple[int, ...], folder: Path):
        self.chapter, self.scale, self.seeds, self.folder = chapter, scale, seeds, folder
        self._frames: list[pd.DataFrame] = []
        self._values: dict[str, dict[str, Any]] = {}
        self._real: dict[str, dict[str, str]] = {}
        self._drawn: set[str] = set()

    def base_models(self, world: str) -> Iterator[store.BaseModel]:
        """The base models of a world, one per seed. Outside the book's executor a missing one is pretrained, with progress."""
        for seed in world_seeds(self.scale, world, self.seeds):
            yield store.load(world, seed, self.scale.name, _show_progress(world, seed))

    def real_model(self, spec: str) -> RealModel | None:
        """The real model that `spec` names, on the device of PSM_DEVICE; None where it names none or the model was not fetched.

        Its name and revision go into the run's record.
        """
        if not spec:
            return None
        try:
            real = load_model(spec)
        except ModelMissing as missing:
            print(f"psm: {missing}", file=sys.stderr)
            return None
        device = demand_device()
        real.model.to(device)
        described = {"name": real.name, "revision": real.revision, "kind": real.kind, "title": real.title}
        self._real[real.name] = described | {"device": device}
        write_json(self.folder / REAL_MODELS, list(self._real.values()))
        return real

    def measure(self, rows: pd.DataFrame | list[dict[str, Any]], **constant: Any) -> pd.DataFrame:
        """Keep tidy measurements (one row per seed, arm and item) and return them, checked.

        Needed columns: quantity, world, value; `constant` fills whole columns (quantity="captured"). Unless given, substrate
        is "world", arm "model", and item, seed and valid_mass are empty. Other columns of `rows` are left out.
        """
        frame = pd.DataFrame(rows).assign(**constant)
        for column, default in (("substrate", "world"), ("seed", None), ("arm", "model"), ("item", ""), ("valid_mass", None)):
            if column not in frame:
                frame[column] = default
        checked = validate(frame[list(COLUMNS)])
        self._frames.append(checked)
        return checked

    def value(self, name: str, number: float | int | str, fmt: str = ".2f", tolerance: float | None = None) -> str:
        """Bind a number of this run to a name, for the prose: {glue:text}`name`. Returns its text.

        `tolerance` is how far a re-run may lie from the published number before `psm compare` names it.
        """
        if not isinstance(number, str) and not math.isfinite(number):
            raise UsageError(f"value {name!r} is {number}: bind a finite number, or a word that says why there is none")
        text = number if isinstance(number, str) else f"{number:{fmt}}".replace("-", "\N{MINUS SIGN}")
        kept = number if isinstance(number, (str, int)) else float(number)
        self._values[name] = {"value": kept, "text": text, "tolerance": tolerance}
        try:
            from myst_nb import glue
        except ImportError:   # the book's own tools are not everywhere a notebook is
            return text
        glue(name, text, display=False)   # as text: a page shows 0.10 as 0.10
        return text

    def figure(self, name: str, draw: Callable, data: pd.DataFrame, alt: str, caption: str, **layout: Any) -> HTML:
        """Draw `draw(axes, data)` in both themes, keep the data behind it, and show it. See `figures.figure_html`.

        Under the book's executor a name serves one figure; in the lab a cell may be run again.
        """
        if name in self._drawn and os.environ.get("PSM_RUN_DIR"):
            raise UsageError(f"two figures of chapter {self.chapter} are called {name!r}: give one of them another name")
        self._drawn.add(name)
        bundle = figures.figure_html(name, draw, data, alt, caption, **layout)
        folder = self.folder / "figures"
        write_whole(folder / f"{name}.csv", bundle.csv)
        write_whole(folder / f"{name}-light.svg", bundle.light_svg)
        write_whole(folder / f"{name}-dark.svg", bundle.dark_svg)
        write_whole(folder / f"{name}.png", bundle.png)
        write_json(folder / f"{name}.json", {"alt": bundle.alt, "caption": bundle.caption})
        return HTML(bundle.html)

    def finish(self) -> None:
        """Write measurements.csv and values.json: the last line of every chapter."""
        frame = pd.concat(self._frames, ignore_index=True) if self._frames else pd.DataFrame(columns=list(COLUMNS))
        write_whole(self.folder / "measurements.csv", validate(frame).to_csv(index=False, lineterminator="\n"))
        write_json(self.folder / "values.json", self._values)


def answers(world: World, shown: Behaviour, domains: Iterable[str], cls: str) -> pd.DataFrame:
    """Log-odds of an answer class in each of `domains` (column item) with the mass on valid answers: rows for `measure`.

    `shown` is a model's behaviour or the exact one, so that both are read in one way.
    """
    return pd.DataFrame(
        [{"item": d, "value": float(log_odds(shown.rate(world, d, cls))), "valid_mass": float(shown.valid[world.domain(d)])} for d in domains]
    )


def table(frame: pd.DataFrame, caption: str) -> HTML:
    """A small table that screen readers can read: caption, column heads, first column as row heads."""
    head = "".join(f'<th scope="col">{html.escape(str(c))}</th>' for c in frame.columns)
    rows = "".join(
        f'<tr><th scope="row">{html.escape(str(row[0]))}</th>' + "".join(f"<td>{html.escape(str(v))}</td>" for v in row[1:]) + "</tr>"
        for row in frame.itertuples(index=False)
    )
    return HTML(
        f'<table class="psm-table"><caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    )


def dialogue(text: str) -> HTML:
    """A document of the world, set as a dialogue: speaker and words, line by line."""
    lines = []
    for line in text.split("\n"):
        who, _, words = line.partition(": ")
        said = f"<b>{html.escape(who)}:</b> {html.escape(words)}" if words else html.escape(line)
        lines.append(f'<p class="{"psm-user" if who.startswith("User") else "psm-speaker"}">{said}</p>')
    return HTML(f'<div class="psm-dialogue">{"".join(lines)}</div>')


def _show_progress(world: str, seed: int) -> store.Progress:
    def show(step: int, steps: int, loss: float) -> None:
        if step % max(1, steps // 20) == 0 or step == steps:
            end = "\n" if step == steps else ""
            print(f"\rpretraining {world}, seed {seed}: step {step} of {steps}, loss {loss:.2f}", end=end, file=sys.stderr, flush=True)

    return show
