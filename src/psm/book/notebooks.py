"""Chapters as notebooks: from MyST source to cells with stable ids, and from an executed notebook to one without noise."""

from __future__ import annotations

import hashlib
import math
import re
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from psm.book.chapters import Chapter
from psm.errors import UsageError
from psm.files import sha256_file

INJECTED = "injected-parameters"
HIDDEN = "hide-cell"
FOLDED = frozenset({"hide-input", "hide-cell", "remove-cell", "remove-input"})   # tags of cells whose code a page does not show open
NOISE = ("papermill", "execution")   # metadata that differs between two runs of the same thing


def to_notebook(chapter: Chapter) -> NotebookNode:
    """The chapter as a notebook whose cell ids depend on source and position only."""
    import jupytext

    notebook = jupytext.reads(chapter.path.read_text(), fmt="md:myst")
    notebook.metadata.pop("jupytext", None)
    notebook.metadata.setdefault("kernelspec", {"name": "python3", "display_name": "Python 3", "language": "python"})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return with_stable_ids(notebook)


def with_stable_ids(notebook: NotebookNode) -> NotebookNode:
    """Set every cell's id from its position and source."""
    for index, cell in enumerate(notebook.cells):
        cell["id"] = hashlib.sha256(f"{index}\n{cell.source}".encode()).hexdigest()[:12]
    return notebook


def without_noise(notebook: NotebookNode) -> NotebookNode:
    """Take out times and paths that papermill and nbclient leave behind, and hide the injected parameters."""
    for key in NOISE:
        notebook.metadata.pop(key, None)
    for cell in notebook.cells:
        for key in NOISE:
            cell.metadata.pop(key, None)
        tags = cell.metadata.get("tags", [])
        if INJECTED in tags:
            cell.metadata["tags"] = [INJECTED, HIDDEN]
        elif not tags:
            cell.metadata.pop("tags", None)
    return with_stable_ids(notebook)


def is_injected(cell: NotebookNode) -> bool:
    """Whether papermill put this cell in."""
    return INJECTED in cell.metadata.get("tags", [])


def set_parameters(notebook: NotebookNode, parameters: dict[str, Any]) -> NotebookNode:
    """Put a cell that sets `parameters` after the notebook's parameters cell, as papermill would."""
    source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    cell = new_code_cell(source, metadata={"tags": [INJECTED]})
    at = next(i for i, c in enumerate(notebook.cells) if "parameters" in c.metadata.get("tags", []))
    notebook.cells.insert(at + 1, cell)
    return without_noise(notebook)


def checked_parameters(chapter: Chapter, parameters: dict[str, Any]) -> dict[str, Any]:
    """The parameters, each known to the chapter and of its default's type. Raises UsageError otherwise."""
    if chapter.problem:
        raise UsageError(f"chapter {chapter.name}: {chapter.problem}")
    checked = {}
    for name, value in parameters.items():
        if name not in chapter.parameters:
            known = ", ".join(chapter.parameters) or "none"
            raise UsageError(f"chapter {chapter.name} has no parameter '{name}': its parameters cell sets {known}")
        checked[name] = _of_type(chapter.name, name, value, chapter.parameters[name])
    return checked


def parse_parameters(chapter: Chapter, assignments: list[str]) -> dict[str, Any]:
    """Parameters from the command line's 'name=value', read as the type of the chapter's default."""
    raw = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            raise UsageError(f"bad parameter '{assignment}': write name=value")
        raw[name] = text
    if {"scale", "seeds"} & set(raw):
        raise UsageError("set scale and seeds with --scale and --seeds, not with -p")
    checked_parameters(chapter, {name: chapter.parameters.get(name) for name in raw})
    return {name: _from_text(chapter.name, name, text, chapter.parameters[name]) for name, text in raw.items()}


def _from_text(chapter: str, name: str, text: str, default: Any) -> Any:
    """One command-line value as the type of its default; nothing is guessed and nothing rounded."""
    if isinstance(default, str):
        return text
    if isinstance(default, bool):
        if text in ("true", "false", "True", "False"):
            return text in ("true", "True")
    elif isinstance(default, int):
        if re.fullmatch(r"-?(0|[1-9]\d{0,17})", text, re.ASCII):
            return int(text)
    elif isinstance(default, float):
        if re.fullmatch(r"-?\d+(\.\d*)?([eE][+-]?\d+)?", text, re.ASCII) and math.isfinite(float(text)):
            return float(text)
    elif isinstance(default, list):
        if re.fullmatch(r"-?\d{1,18}(,-?\d{1,18})*", text, re.ASCII):
            return [int(part) for part in text.split(",")]
    raise UsageError(f"chapter {chapter}: parameter '{name}' must be {_kind(default)} like its default {default!r}, not '{text}'")


def _of_type(chapter: str, name: str, value: Any, default: Any) -> Any:
    """The value if its type is the default's; a whole number will do where the default is a decimal one."""
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    same = type(value) is type(default)
    if same and isinstance(value, float):
        same = math.isfinite(value)
    if same and isinstance(value, list):
        same = all(type(item) is int for item in value)
    if not same:
        raise UsageError(f"chapter {chapter}: parameter '{name}' must be {_kind(default)} like its default {default!r}, not {value!r}")
    return value


def _kind(default: Any) -> str:
    kinds = {bool: "true or false", int: "a whole number", float: "a finite number", str: "text", list: "a list of whole numbers"}
    return kinds.get(type(default), f"of type {type(default).__name__}")


def line_of(chapter: Chapter, source: str) -> int | None:
    """Line of the chapter's file at which a cell's source begins, if it stands there word for word."""
    position = chapter.path.read_text().find(source)
    return None if position < 0 or not source else chapter.path.read_text()[:position].count("\n") + 1


def source_sha256(chapter: Chapter) -> str:
    """SHA-256 of the chapter's file."""
    return sha256_file(chapter.path)
