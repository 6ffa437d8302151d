"""A made-up book of two chapters in a temporary folder, with runs and a ledger that no experiment produced."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import jupytext
import nbformat
import pandas as pd
import pytest

from psm import figures
from psm.book.chapters import read_chapter
from psm.book.notebooks import with_stable_ids
from psm.book.plan import ChapterJob, ModelJob, Plan
from psm.files import write_json, write_whole
from psm.scale import get_scale

BOOK = Path(__file__).resolve().parents[2]

ALPHA = """---
kernelspec: {name: python3, display_name: Python 3}
psm:
  claims: []
---
# The toy world is made up

Words under the title, with maths: $p(x)$.

```{code-cell} ipython3
:tags: [parameters]
scale = "smoke"
seeds = [0]
```

```{code-cell} ipython3
1 + 1
```
"""
BETA = """---
kernelspec: {name: python3, display_name: Python 3}
psm:
  claims: [T1]
  worlds: [main]
---
# A made-up claim with *emphasis*

```{code-cell} ipython3
:tags: [parameters]
scale = "smoke"
seeds = [0]
```

## Result

```{code-cell} ipython3
figure()
```
"""
TOC = """format: jb-book
root: index
parts:
  - caption: Toy part
    chapters:
      - file: chapters/a/alpha
      - file: chapters/b/beta
  - caption: The evidence
    chapters:
      - file: chapters/ledger
      - file: chapters/confirmation
      - file: chapters/status
"""
PLAIN = {
    "index.md": "# A toy book\n\n<!-- psm:edition -->\n\n<!-- psm:ledger-summary -->\n\n<!-- psm:nulls -->\n\n<!-- psm:verdict-words -->\n",
    "chapters/ledger.md": "# The ledger\n\n<!-- psm:ledger -->\n",
    "chapters/confirmation.md": "# Again\n\n<!-- psm:confirmation -->\n",
    "chapters/status.md": "# Status\n\n<!-- psm:status -->\n",
}
CFF = "cff-version: 1.2.0\ntitle: A toy book\nversion: 9.8.7\nauthors:\n  - {family-names: Doe, given-names: Jane}\n  - name: The toy makers\n"


def made_up_row(**changes):
    """A ledger row whose numbers are made up for these tests."""
    row = {
        "claim": "T1", "test": "T1.made-up", "kind": "primary", "primary": True, "substrate": "world", "world": "main", "scale": "laptop",
        "seeds": [0, 1, 2, 3, 4], "n_units": 5, "estimate": 1.25, "ci_low": 0.9, "ci_high": 1.6, "threshold": 0.5, "direction": "greater",
        "unit": "log-odds", "control": [{"id": "T1.control", "status": "holds", "estimate": 0.0, "ci_low": -0.1, "ci_high": 0.1, "bound": [-0.3, 0.3], "detail": "made up"}],
        "manipulation": None, "bound": None,
        "rival": {"name": "plain <habit>", "predicts": 0.0}, "discriminating": True, "verdict": "supported", "reason": "A made-up reason.",
        "null_world": False, "confirmation": False, "chapter": "beta", "estimand": "a made-up difference", "registry_hash": "ab" * 32, "registry_commit": "c" * 40,
        "registry_committed_at": "2026-03-01T09:00:00+00:00", "run_started_at": "2026-03-02T10:00:00+00:00", "registered_before_run": True,
        "per_seed": [1.1, 1.2, 1.3, 1.25, 1.4],
    }
    return row | changes


def _figure_output():
    data = pd.DataFrame({"arm": ["secure", "insecure"], "p": [0.2, 0.8]})

    def draw(ax, data):
        ax.bar(data["arm"], data["p"], color=list(figures.palette(data["arm"]).values()))
        ax.set(ylabel="made-up probability")

    made = figures.figure_html("toy", draw, data, "Two made-up bars: secure 0.2, insecure 0.8", "Two made-up bars.")
    return nbformat.v4.new_output("display_data", data={"text/html": made.html, "text/plain": "figure toy"})


@dataclass
class Toy:
    """The made-up book: its root, its plan and its ledger rows."""

    root: Path
    plan: Plan
    rows: list

    def run_chapter(self, name, outputs=(), **changes):
        """Write a run folder as the executor would leave it."""
        job = self.plan.chapter(name)
        notebook = jupytext.reads(job.chapter.path.read_text(), fmt="md:myst")
        injected = nbformat.v4.new_code_cell('scale = "laptop"\nseeds = [0, 1]', metadata={"tags": ["injected-parameters"]})
        at = next(i for i, c in enumerate(notebook.cells) if "parameters" in c.metadata.get("tags", []))
        notebook.cells.insert(at + 1, injected)
        notebook.metadata["papermill"] = {"input_path": "/somewhere/secret.ipynb"}
        for count, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
            cell.execution_count = count
        notebook.cells[-1].outputs = list(outputs)
        notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "ipython3"}
        notebook.nbformat_minor = 5
        with_stable_ids(notebook)
        write_whole(job.folder / "executed.ipynb", nbformat.writes(notebook))
        write_whole(job.folder / "measurements.csv", "quantity,substrate,world,seed,arm,item,value,valid_mass\nq,world,main,0,a,i,1.0,\n")
        write_json(job.folder / "values.json", {"x": {"value": 1.0, "text": "1.00", "tolerance": None}})
        write_whole(job.folder / "figures" / "toy.csv", "arm,p\nsecure,0.2\n")
        write_json(job.folder / "figures" / "toy.json", {"alt": "made up", "title": "toy"})
        write_whole(job.folder / "figures" / "toy-light.svg", "<svg/>")
        record = {
            "chapter": name, "key": job.key, "scale": self.plan.scale.name, "seeds": [0, 1], "parameters": {"scale": "laptop", "seeds": [0, 1], "depth": 3},
            "source_sha256": "ab" * 32, "package_digest": "d" * 16, "base_models": [{"id": m.path.parent.name, "sha256": "12" * 32} for m in job.base_models],
            "versions": {"python": "3.11.0", "torch": "2.13.0"}, "hardware": {"cpu": "Toy CPU", "cores": 2}, "threads": 1,
            "started_at": "2026-03-02T10:00:00+00:00", "finished_at": "2026-03-02T10:02:05+00:00", "seconds": 125.0, "commit": "c" * 40,
            "dirty": False, "exit": "ok", "cells": 3, "peak_memory_mb": 512.0,
        }
        write_json(job.record, record | changes)

    def at_scale(self, name):
        """The same book planned at another scale."""
        return replace(self.plan, scale=get_scale(name))


def make_toy(root: Path) -> Toy:
    """Write the made-up book and both of its runs."""
    for name, text in {"chapters/a/alpha.md": ALPHA, "chapters/b/beta.md": BETA, "_toc.yml": TOC, "CITATION.cff": CFF, "claims.yml": "tests: []\n", **PLAIN}.items():
        write_whole(root / name, text)
    for name in ("_config.yml", "references.bib"):
        shutil.copy(BOOK / name, root / name)
    shutil.copytree(BOOK / "_static", root / "_static")
    model = ModelJob("main", 0, "k" * 16, root / ".psm" / "store" / f"main-s0-{'k' * 16}" / "model.safetensors")
    jobs = []
    for path, models in (("chapters/a/alpha.md", ()), ("chapters/b/beta.md", (model,))):
        chapter = read_chapter(root / path, root)
        folder = root / ".psm" / "runs" / "laptop" / chapter.name / ("f" * 16)
        jobs.append(ChapterJob(chapter, "f" * 16, folder, {"scale": "laptop", "seeds": [0, 1]}, models))
    plan = Plan(get_scale("laptop"), (0, 1), root, (model,), tuple(jobs), "1" * 16, root / ".psm" / "ledger" / "laptop" / ("1" * 16),
                "2" * 16, root / "_build" / "html" / f".pages-{'2' * 16}.json")
    null = made_up_row(world="independent", null_world=True, verdict="absent", estimate=0.05, ci_low=-0.1, ci_high=0.2)
    again = made_up_row(world="confirmatory", confirmation=True, estimate=1.0, ci_low=0.2, ci_high=1.8, threshold=0.4, verdict="inconclusive",
                        n_units=3, seeds=[0, 1, 2], control=[])
    toy = Toy(root, plan, [made_up_row(), null, again])
    toy.run_chapter("alpha", [nbformat.v4.new_output("execute_result", data={"text/plain": "2"}, execution_count=3)])
    toy.run_chapter("beta", [_figure_output()])
    write_json(plan.ledger, toy.rows)
    return toy


@pytest.fixture
def toy(tmp_path, monkeypatch):
    monkeypatch.setenv("PSM_PROJECT", str(tmp_path / "book"))
    monkeypatch.delenv("PSM_HOME", raising=False)
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    return make_toy(tmp_path / "book")


@pytest.fixture
def row():
    return made_up_row


@pytest.fixture(scope="session")
def new_toy():
    """The maker itself, for a book that several tests share."""
    return make_toy
