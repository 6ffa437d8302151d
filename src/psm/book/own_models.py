"""Another real model for a chapter: `psm run CHAPTER --model X`, checked before anything runs and judged afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from psm.book import provenance
from psm.book.chapters import MODEL_PARAMETERS, Chapter, discover
from psm.book.notebooks import with_stable_ids
from psm.book.plan import Plan
from psm.errors import UsageError
from psm.evidence.shapes import read_record, read_values
from psm.files import write_whole

if TYPE_CHECKING:
    from psm.real.sources import Resolved

GLUED = re.compile(r"\{glue:text\}`([^`]+)`")
HOW_ASKED = {"chat": "a chat model, asked in its own template", "base": "a base model: conversations are put to it as plain text"}
Say = Callable[[str], None]


def asked_models(chapter: Chapter, options: Mapping[str, str | None], parameters: Mapping[str, object]) -> dict[str, str]:
    """The models that a person named, by parameter (model, base, chat): with --model and its like, or with -p.

    Raises UsageError for one that the chapter has no parameter for, or that is named twice.
    """
    asked = {}
    for name in MODEL_PARAMETERS:
        given = options.get(name)
        if given is not None and name in parameters:
            raise UsageError(f"--{name} and -p {name}=... name the same thing: write only one of them")
        if given is not None and name not in chapter.parameters:
            raise UsageError(f"chapter {chapter.name} does not take --{name}: {_who_takes(name)}")
        spec = given if given is not None else parameters.get(name)
        if isinstance(spec, str):
            asked[name] = spec
    return asked


def _who_takes(name: str) -> str:
    takers = [chapter.name for chapter in discover() if name in chapter.parameters]
    return f"chapters that take it are {', '.join(takers)}" if takers else "no chapter of this book takes it"


def at_hand(asked: Mapping[str, str], say: Say) -> dict[str, Resolved]:
    """The models named, by parameter, each fetched if need be and known to be usable before anything runs.

    Says of each which one it is, where it lies and how conversations will be put to it. Raises UsageError in one line for a model that
    cannot be had or does not fit, or where two different ones would go by the same name.
    """
    from psm.real.convert import check_opens
    from psm.real.device import demand_device
    from psm.real.loading import require_template

    found = {parameter: _fetched(spec, say) for parameter, spec in asked.items() if spec}
    for parameter, model in found.items():
        if parameter == "chat":
            require_template(model, "--chat")
        check_opens(model.folder)
        say(f"--{parameter}: {model.name} is {HOW_ASKED[model.kind]}")
    _demand_apart(found)
    if found:
        demand_device()
    return found


def _fetched(spec: str, say: Say) -> Resolved:
    from psm.real.sources import ModelMissing, fetch, resolve

    try:
        return resolve(spec, say)
    except ModelMissing:
        fetch(spec, say)
        return resolve(spec, say)


def _demand_apart(found: Mapping[str, Resolved]) -> None:
    """Measurements bear a model's name: two models of one name could not be told apart."""
    first: dict[str, str] = {}
    for parameter, model in found.items():
        other = first.setdefault(model.name, parameter)
        if found[other].spec != model.spec:
            raise UsageError(f"--{other} and --{parameter} are two models called '{model.name}': rename one of the folders")


def places(chapter: Chapter, found: Mapping[str, Resolved]) -> dict[str, str]:
    """For each model that the registry names, the one that stood in its place: the parameters' defaults to the models found."""
    return {default: model.name for name, model in found.items() if (default := chapter.parameters[name])}


def judge_own(plan: Plan, chapter: Chapter, found: Mapping[str, Resolved]) -> str:
    """Judge the chapter's tests of real models on the models found and return a table of them.

    The rows (ledger.json, ledger.csv) and a page to read (page.ipynb) are put beside its measurements; the published ledger
    knows nothing of them.
    """
    from psm.evidence.ledger import write_ledger
    from psm.evidence.own_model import own_rows
    from psm.evidence.registry import load_registry
    from psm.evidence.tables import format_table, markdown_table

    folder = plan.chapter(chapter.name).folder
    if not (folder / "measurements.csv").is_file():
        return f"chapter {chapter.name} measured nothing: no verdicts"
    rows = own_rows(load_registry(plan.root / "claims.yml"), chapter.name, folder, places(chapter, found), plan.scale.name, plan.root)
    names = ", ".join(dict.fromkeys(model.name for model in found.values()))
    head = f"Tests of real models in chapter {chapter.name}, judged for {names} (not part of the published ledger):"
    write_ledger(folder, rows)
    write_whole(folder / "page.ipynb", nbformat.writes(_page(folder, f"{head}\n\n{markdown_table(rows, kinds=None)}")) + "\n")
    return f"{head}\n{format_table(rows)}\nTo read: {folder / 'page.ipynb'}"


def _page(folder: Path, verdicts: str) -> NotebookNode:
    """The executed chapter with its numbers in its sentences, the verdicts above it and its provenance below."""
    notebook, values = nbformat.read(folder / "executed.ipynb", as_version=4), read_values(folder / "values.json")
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = GLUED.sub(lambda match: values.get(match[1], {}).get("text", match[0]), cell.source)
    box = provenance.box(read_record(folder / "record.json"))
    notebook.cells = [new_markdown_cell(verdicts), *notebook.cells, new_markdown_cell(box)]
    return with_stable_ids(notebook)
