"""The house stands as designed: floors import downwards only, rooms stay small, nothing is pickled, claims have no names in the code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
PACKAGE = SRC / "psm"
MODULES = sorted(PACKAGE.rglob("*.py"))

# From the ground up; a module imports its own floor and those below.
FLOORS = (
    ("__init__", "errors", "files", "scale"),
    ("world",),
    ("models",),
    ("real",),
    ("training",),
    ("probing",),
    ("evidence",),
    ("lab", "figures", "charts", "exercises"),
    ("book",),
    ("cli",),
    ("__main__",),
)
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}


def room_of(dotted: str) -> str:
    """The floor's room that a dotted module name lies in: psm.world.spec -> world, psm -> __init__."""
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def dotted_name(path: Path) -> str:
    """psm.world.spec for src/psm/world/spec.py; psm.world for its __init__."""
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def own_imports(source: str, name: str, is_package: bool) -> set[str]:
    """Dotted names inside psm that the source of module `name` imports, relative imports resolved."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = name.split(".") if is_package else name.split(".")[:-1]
                base = ".".join(package[: len(package) - node.level + 1] + ([base] if base else []))
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return {dotted for dotted in found if dotted.split(".")[0] == "psm"}


def upward(source: str, name: str, is_package: bool = False) -> list[str]:
    """Imports of a module that reach above its own floor, a sentence each."""
    level = LEVEL[room_of(name)]
    sentences = []
    for dotted in sorted(own_imports(source, name, is_package)):
        room = room_of(dotted)
        target = LEVEL.get(room, 0)     # a name that is no room is a name inside psm/__init__.py
        if target > level:
            sentences.append(f"{name} imports {dotted}, which lies above it")
    return sentences


def test_every_module_has_a_floor():
    unknown = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES} - set(LEVEL)
    assert not unknown, f"say in FLOORS where these stand: {sorted(unknown)}"


@pytest.mark.parametrize("path", MODULES, ids=dotted_name)
def test_imports_go_downwards(path):
    assert upward(path.read_text(), dotted_name(path), path.stem == "__init__") == []


def test_an_upward_import_is_found_in_each_spelling():
    for source in (
        "import psm.book.chapters",
        "from psm.book import chapters",
        "from psm import book",
        "def f():\n    from ..book.chapters import read",
    ):
        assert len(upward(source, "psm.world.spec")) == 1, source
    assert upward("from psm.world import spec\nfrom . import stats\nimport torch", "psm.evidence.ledger") == []


@pytest.mark.parametrize("path", MODULES, ids=dotted_name)
def test_modules_are_small_and_say_what_they_are_for(path):
    source = path.read_text()
    assert source.count("\n") < 400, "split it"
    assert ast.get_docstring(ast.parse(source)), "a sentence at the top says what the room is for"


def pickling(source: str) -> list[str]:
    """Ways of storing or reading Python objects that can run code when read."""
    tree = ast.parse(source)
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    banned_calls = {"torch.load", "torch.save"} | {call for call in calls if call.endswith(".to_pickle") or call.endswith("read_pickle")}
    return sorted(calls & banned_calls) + sorted(modules & {"pickle", "cloudpickle", "dill", "joblib", "shelve"})


@pytest.mark.parametrize("path", MODULES, ids=dotted_name)
def test_nothing_is_pickled(path):
    assert pickling(path.read_text()) == []


def test_pickling_is_recognised():
    assert pickling("import torch\ntorch.load('x')") == ["torch.load"]
    assert pickling("from pickle import loads") == ["pickle"]


def strings(source: str) -> list[str]:
    """String constants of Python source, docstrings left out."""
    tree = ast.parse(source)
    docs = {
        id(node.body[0].value) for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and node.body and isinstance(node.body[0], ast.Expr)
    }
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs]


def test_the_book_knows_no_claim_by_name():
    claims = {entry["claim"] for entry in yaml.safe_load((ROOT / "claims.yml").read_text())["tests"]}
    word = re.compile(rf"\b({'|'.join(sorted(claims))})\b", re.I)
    named = [
        f"{dotted_name(path)}: {text!r}"
        for path in MODULES if room_of(dotted_name(path)) in ("evidence", "book", "lab")
        for text in strings(path.read_text()) if word.search(text)
    ]
    assert named == []


def test_the_command_line_starts_without_torch():
    code = "import sys, psm.cli; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={"PYTHONPATH": str(SRC), "PATH": ""}).returncode == 0
