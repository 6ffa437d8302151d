"""A model of random weights has learnt nothing, so no chapter may find a claim supported in it.

Every chapter that takes a real model is found by itself. Of its cells, those in sections that measure one are run as they
stand, at the scale of the edition and with all items; of the others only imports, functions and constants are.
"""

from __future__ import annotations

import ast
import itertools
from pathlib import Path
from types import SimpleNamespace

import jupytext
import pytest

from psm import lab
from psm.book.chapters import discover
from psm.book.own_models import places
from psm.evidence import ledger
from psm.evidence.history import Registration
from psm.evidence.measurements import read_measurements
from psm.evidence.own_model import own_rows
from psm.evidence.registry import load_registry
from psm.evidence.tables import format_table
from psm.training import lora

BOOK = Path(__file__).resolve().parents[2]
CHAPTERS = [chapter for chapter in discover(BOOK) if "run.real_model(" in chapter.path.read_text()]
STEPS = 6    # of LoRA, at most: adapters that learnt a little, without the time of a whole training
MODELS = {    # what stands in for the parameters model, base and chat: shape, whether it has a chat template, spread of its weights
    "loud": {"model": ("llama", True, 0.25), "base": ("gpt2", False, 0.25), "chat": ("llama", True, 0.25)},
    "faint": {"model": ("llama", True, 0.02), "base": ("opt", False, 0.02), "chat": ("opt", True, 0.02)},
}


def sections(path):
    """The chapter's code cells by section, in order: (cell, whether its section measures a real model)."""
    parts = [[]]
    for cell in jupytext.reads(path.read_text(), fmt="md:myst").cells:
        if cell.cell_type == "code":
            parts[-1].append(cell)
        elif any(line.startswith("## ") for line in cell.source.splitlines()):
            parts.append([])
    return [(cell, any('substrate="real"' in other.source for other in part)) for part in parts for cell in part]


def definitions(source):
    """Only what a cell defines: imports, functions, classes, constants in capitals, the run and the real models."""
    def kept(node):
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)):
            return True
        names = [name.id for target in getattr(node, "targets", ()) for name in ast.walk(target) if isinstance(name, ast.Name)]
        return any(name.isupper() or name == "run" for name in names) or "run.real_model(" in ast.unparse(node)

    tree = ast.parse(source)
    tree.body = [node for node in tree.body if kept(node)]
    return tree


def run_real_part(chapter, folder, parameters):
    """Run what the chapter does with real models; returns its measurements."""
    space = {}
    for cell, real in sections(chapter.path):
        exec(compile(cell.source if real else definitions(cell.source), chapter.path.name, "exec"), space)
        if "parameters" in cell.metadata.get("tags", ()):
            space |= parameters
    space["run"].finish()
    return read_measurements(folder / "measurements.csv")


def few_steps(monkeypatch):
    """Let every training of adapters end early."""
    whole = lora._batches
    monkeypatch.setattr(lora, "_batches", lambda *arguments: whole(*arguments)[:STEPS])


# loud and faint weights take turns: what a claim's tests share they share in every chapter, and time is short
@pytest.mark.parametrize(("chapter", "loudness"), list(zip(CHAPTERS, itertools.cycle(MODELS))), ids=lambda one: getattr(one, "name", one))
def test_a_model_of_random_weights_supports_nothing(chapter, loudness, random_model, tmp_path, monkeypatch):
    named = {}
    for name, (shape, chat, spread) in MODELS[loudness].items():
        if name in chapter.parameters:
            named[name] = str(random_model(tmp_path / f"random-{name}", shape, chat, spread))
    monkeypatch.setenv("PSM_RUN_DIR", str(tmp_path))
    monkeypatch.setattr(lab.Run, "figure", lambda *_, **__: None)
    few_steps(monkeypatch)
    frame = run_real_part(chapter, tmp_path, {"scale": "laptop", "seeds": [5, 6, 7, 8, 9], **named})
    # nothing may bar support but the measurements themselves
    registered = Registration("0" * 40, "2020-01-01T00:00:00+00:00")
    monkeypatch.setattr(ledger, "registrations", lambda tests, root: {test.id: registered for test in tests})
    there = places(chapter, {name: SimpleNamespace(name=f"random-{name}") for name in named})
    run = (frame, {"started_at": "2030-01-01T00:00:00+00:00", "scale": "laptop"})
    rows = own_rows(load_registry(BOOK / "claims.yml"), chapter.name, run, there, "laptop", BOOK)
    print(format_table(rows))
    assert any(row["primary"] and row["verdict"] != "not run" for row in rows), "the chapter measured nothing that its primary test reads"
    fooled = {row["test"]: row["reason"] for row in rows if row["verdict"] == "supported"}
    assert not fooled
