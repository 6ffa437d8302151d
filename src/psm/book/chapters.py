"""What the book consists of: the pages of `_toc.yml`, and what each chapter declares about itself."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from psm.errors import UsageError
from psm.files import project_root
from psm.world.worlds import WORLD_NAMES

FIELDS = ("claims", "worlds", "timeout_s", "real_models", "prerequisites")
MODEL_PARAMETERS = ("model", "base", "chat")   # parameters that name a real model: a known name, a folder or a hub id


@dataclass(frozen=True)
class Chapter:
    """A page that is executed. `problem` says why its parameters cell cannot be used ('' when it can)."""

    name: str
    path: Path
    title: str
    claims: tuple[str, ...] = ()
    worlds: tuple[str, ...] = ()
    timeout_s: int | None = None
    real_models: tuple[str, ...] = ()
    prerequisites: tuple[str, ...] = ()     # names of chapters to read before
    parameters: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


def toc_pages(root: Path | None = None) -> tuple[Path, ...]:
    """Every page named in `_toc.yml`, in reading order. Raises UsageError for a page that is not there."""
    root = root or project_root()
    tree = _toc(root)
    names = [tree["root"], *_files_below(tree)]
    return tuple(_page_path(root, str(name)) for name in names)


def toc_parts(root: Path | None = None) -> dict[Path, str]:
    """The part of the book that each page stands in, by the captions of `_toc.yml`; '' for a page outside the named parts."""
    root = root or project_root()
    parts = dict.fromkeys(toc_pages(root), "")
    for part in _toc(root).get("parts") or []:
        parts |= {_page_path(root, str(name)): str(part.get("caption") or "") for name in _files_below(part)}
    return parts


def _toc(root: Path) -> dict[str, Any]:
    """What `_toc.yml` says. Raises UsageError when it is missing or no table of contents."""
    toc = root / "_toc.yml"
    try:
        tree = yaml.safe_load(toc.read_text())
    except FileNotFoundError:
        raise UsageError(f"{toc} does not exist: it lists the pages of the book") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{toc} is not valid YAML: {_one_line(error)}") from None
    if not isinstance(tree, dict) or "root" not in tree:
        raise UsageError(f"{toc} has no 'root' page")
    return tree


def _files_below(node: Any) -> list[str]:
    """The `file` entries of a part of the table of contents, depth first."""
    if isinstance(node, list):
        return [name for entry in node for name in _files_below(entry)]
    if not isinstance(node, dict):
        return []
    own = [node["file"]] if "file" in node else []
    return own + [name for key in ("parts", "chapters", "sections") for name in _files_below(node.get(key))]


def _page_path(root: Path, name: str) -> Path:
    for candidate in (root / name, root / f"{name}.md"):
        if candidate.is_file():
            return candidate
    raise UsageError(f"_toc.yml names the page '{name}', but {name}.md does not exist")


def discover(root: Path | None = None) -> tuple[Chapter, ...]:
    """All chapters of the book in reading order: the pages whose front matter has a `psm:` mapping."""
    root = root or project_root()
    chapters = [chapter for page in toc_pages(root) if (chapter := read_chapter(page, root))]
    seen: dict[str, Path] = {}
    for chapter in chapters:
        if chapter.name in seen:
            raise UsageError(f"two chapters are called '{chapter.name}': {seen[chapter.name]} and {chapter.path}; rename one")
        seen[chapter.name] = chapter.path
    for chapter in chapters:
        if unknown := [name for name in chapter.prerequisites if name not in seen or name == chapter.name]:
            raise UsageError(f"{chapter.path.name}: front matter field 'psm.prerequisites' names {', '.join(unknown)}, no other chapter of the book")
    return tuple(chapters)


def get_chapter(name: str, root: Path | None = None) -> Chapter:
    """The chapter called `name`. Raises UsageError that lists the known ones."""
    return select([name], discover(root))[0]


def select(names: list[str] | tuple[str, ...], chapters: tuple[Chapter, ...]) -> tuple[Chapter, ...]:
    """The named chapters, in reading order. Raises UsageError for a name that is not known."""
    known = {chapter.name for chapter in chapters}
    for name in names:
        if name not in known:
            listed = ", ".join(chapter.name for chapter in chapters) or "none: _toc.yml names no chapter"
            raise UsageError(f"unknown chapter '{name}': known chapters are {listed}")
    return tuple(chapter for chapter in chapters if chapter.name in names)


def read_chapter(path: Path, root: Path | None = None) -> Chapter | None:
    """Read one page. None when it is a plain page; UsageError names file and field when what it declares is wrong."""
    root = root or project_root()
    shown = path.relative_to(root) if path.is_relative_to(root) else path
    try:
        text = path.read_text()
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown} is not UTF-8 text: {_one_line(error)}") from None
    front = _front_matter(text, shown)
    declared = front.get("psm")
    if declared is None:
        return None
    if not re.fullmatch(r"[A-Za-z0-9_-]+", path.stem):
        raise UsageError(f"{shown}: a chapter is named after its file, so '{path.stem}' may hold only letters, digits, - and _")
    values = _declared(declared, shown)
    parameters, problem = _parameters(text, shown)
    return Chapter(path.stem, path, _title(front, text, path.stem), **values, parameters=parameters, problem=problem)


def _front_matter(text: str, shown: Path) -> dict[str, Any]:
    if not text.startswith("---\n"):
        return {}
    end = text.find("\n---", 4)
    if end < 0:
        raise UsageError(f"{shown}: the front matter opened with '---' is never closed")
    try:
        front = yaml.safe_load(text[4:end]) or {}
    except yaml.YAMLError as error:
        raise UsageError(f"{shown}: the front matter is not valid YAML: {_one_line(error)}") from None
    if not isinstance(front, dict):
        raise UsageError(f"{shown}: the front matter is not a mapping")
    return front


def _declared(declared: Any, shown: Path) -> dict[str, Any]:
    """The `psm:` mapping, checked field by field."""
    if not isinstance(declared, dict):
        raise UsageError(f"{shown}: front matter field 'psm' is {declared!r}, not a mapping")
    for key in declared:
        if key not in FIELDS:
            raise UsageError(f"{shown}: front matter field 'psm.{key}' is unknown: use {', '.join(FIELDS)}")
    values = {name: _names(declared.get(name), name, shown) for name in ("claims", "worlds", "real_models", "prerequisites")}
    for world in values["worlds"]:
        if world not in WORLD_NAMES:
            raise UsageError(f"{shown}: front matter field 'psm.worlds' names the unknown world '{world}': known are {', '.join(WORLD_NAMES)}")
    _demand_real_models(values["real_models"], shown)
    timeout = declared.get("timeout_s")
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int) or timeout < 1):
        raise UsageError(f"{shown}: front matter field 'psm.timeout_s' is {timeout!r}, not a whole number of seconds")
    return {**values, "timeout_s": timeout}


def _demand_real_models(names: tuple[str, ...], shown: Path) -> None:
    from psm.real.sources import known_models

    known = [model.name for model in known_models()]
    for name in names:
        if name not in known:
            raise UsageError(f"{shown}: front matter field 'psm.real_models' names the unknown model '{name}': known are {', '.join(known)}")


def _names(value: Any, name: str, shown: Path) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise UsageError(f"{shown}: front matter field 'psm.{name}' is {value!r}, not a list of names")
    if len(set(value)) != len(value):
        raise UsageError(f"{shown}: front matter field 'psm.{name}' names one thing twice: {', '.join(value)}")
    return tuple(value)


def _title(front: dict[str, Any], text: str, fallback: str) -> str:
    if isinstance(front.get("title"), str):
        return front["title"]
    headings = (line[2:].strip() for line in text.splitlines() if line.startswith("# "))
    return next(headings, fallback)


def _parameters(text: str, shown: Path) -> tuple[dict[str, Any], str]:
    """Defaults of the parameters cell, and what is wrong with the cell ('' when nothing is)."""
    import jupytext

    cells = [c for c in jupytext.reads(text, fmt="md:myst").cells if "parameters" in c.metadata.get("tags", [])]
    if len(cells) != 1:
        count = "no cell" if not cells else f"{len(cells)} cells"
        return {}, f"{shown} has {count} tagged 'parameters': it needs one that sets scale and seeds"
    try:
        body = ast.parse(cells[0].source).body
        return {_target(statement): _default(statement) for statement in body}, ""
    except (SyntaxError, ValueError, AttributeError) as error:
        return {}, f"{shown}: the parameters cell may hold only lines such as 'scale = \"smoke\"' ({_one_line(error)})"


def _target(statement: ast.stmt) -> str:
    """The name that a simple assignment sets."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    if len(targets) != 1 or not isinstance(targets[0], ast.Name):
        raise ValueError(f"line {statement.lineno} is not a simple assignment")
    return targets[0].id


def _default(statement: ast.stmt) -> Any:
    """The value that a simple assignment gives, of one of the kinds that a parameter can have."""
    value = ast.literal_eval(statement.value)
    plain = isinstance(value, (bool, int, float, str)) or (isinstance(value, list) and all(type(v) is int for v in value))
    if not plain:
        raise ValueError(f"line {statement.lineno} gives neither a number, a text, true or false, nor a list of whole numbers")
    return value


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
