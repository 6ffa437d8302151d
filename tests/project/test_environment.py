"""pyproject.toml, constraints.txt and environment.yml describe one environment, and the code imports nothing beyond it."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import lru_cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]

# Why a dependency that no file imports is there all the same.
NOT_IMPORTED = {
    "jupyter-book": "builds the pages, run as a command",
    "ipykernel": "the kernel of every chapter",
    "snakemake": "schedules the book, run as a command",
    "gguf": "transformers imports it to read a GGUF file",
    "hypothesis": "tests",
    "jupyterlab": "`make lab`, run as a command",
    "sphinx-tippy": "named in _config.yml: glossary terms under the pointer",
    "sphinx-mathjax-offline": "named in _config.yml: MathJax without a network",
    "accelerate": "transformers imports it to read a GGUF file, and for its Trainer",
    "pytest-xdist": "runs the tests on all cores",
}
# Imported here, but parts of a declared dependency that pins them itself.
PART_OF = {"sphinx": "jupyter-book", "docutils": "jupyter-book", "myst-nb": "jupyter-book", "jupyter-client": "nbclient", "ipython": "ipykernel",
           "pybtex": "jupyter-book", "jsonschema": "nbformat", "beautifulsoup4": "jupyter-book"}
# What prints and checks the pages: the command says how to have it, and nothing else of the book needs it.
IN_A_BROWSER = ("src/psm/book/browser.py", "src/psm/book/pdf.py", "tests/browser/", "tests/pages/test_pdf.py")


def requirements(pyproject: dict) -> dict[str, list[Requirement]]:
    """Direct dependencies by group: `main` and each extra."""
    groups = {"main": pyproject["project"]["dependencies"], **pyproject["project"]["optional-dependencies"]}
    return {group: [Requirement(line) for line in lines] for group, lines in groups.items()}


def pins(lines: list[str]) -> dict[str, str]:
    """Version by canonical name, from `name==version` lines; comments and pip options are passed over."""
    plain = [line for line in lines if line.strip() and not line.startswith(("#", "-"))]
    return {canonicalize_name(name): version for name, version in (line.strip().split("==") for line in plain)}


def disagreements(pyproject: dict, constraints: list[str], environment: dict) -> list[str]:
    """What the three files say differently, a sentence each; empty when they agree."""
    found = []
    groups, exact = requirements(pyproject), pins(constraints)
    pip_lines = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    conda = pins(pip_lines)
    for requirement in (r for group in groups.values() for r in group):
        name = canonicalize_name(requirement.name)
        if name not in exact:
            found.append(f"{name} is in pyproject.toml and not pinned in constraints.txt")
        elif exact[name] not in requirement.specifier:
            found.append(f"constraints.txt has {name}=={exact[name]}, pyproject.toml wants {requirement.specifier}")
    wanted = {canonicalize_name(r.name) for r in groups["main"] + groups["test"]}
    found += [f"environment.yml lacks {name}" for name in sorted(wanted - set(conda))]
    found += [f"environment.yml names {name}, pyproject.toml does not" for name in sorted(set(conda) - wanted)]
    found += [
        f"environment.yml has {name}=={version}, constraints.txt {exact.get(name)}"
        for name, version in conda.items() if exact.get(name) != version
    ]
    for option in ("-c constraints.txt", "-e .[test]"):
        if option not in pip_lines:
            found.append(f"environment.yml's pip section lacks {option!r}")
    return found


@pytest.fixture
def files() -> tuple[dict, list[str], dict]:
    """The three files, parsed."""
    return (
        tomllib.loads((ROOT / "pyproject.toml").read_text()),
        (ROOT / "constraints.txt").read_text().splitlines(),
        yaml.safe_load((ROOT / "environment.yml").read_text()),
    )


def test_the_three_files_agree(files):
    assert disagreements(*files) == []


def test_a_dependency_without_pin_is_found(files):
    pyproject, constraints, environment = files
    lines = [line for line in constraints if not line.lower().startswith("torch==")]
    assert "torch is in pyproject.toml and not pinned in constraints.txt" in disagreements(pyproject, lines, environment)


def test_a_pin_outside_the_allowed_range_is_found(files):
    pyproject, constraints, environment = files
    lines = ["jupyter-book==2.0.1" if line.startswith("jupyter-book==") else line for line in constraints]
    found = disagreements(pyproject, lines, environment)
    assert any(sentence.startswith("constraints.txt has jupyter-book==2.0.1") for sentence in found)
    assert any(sentence.startswith("environment.yml has jupyter-book==") for sentence in found)


def test_a_dependency_added_to_pyproject_only_is_found(files):
    pyproject, constraints, environment = files
    pyproject["project"]["dependencies"].append("rich>=13")
    assert disagreements(pyproject, constraints, environment) == ["environment.yml lacks rich"]


def test_constraints_are_exact_sorted_and_without_local_labels(files):
    lines = [line for line in files[1] if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines), "one `name==version` a line, no +local label"
    names = [canonicalize_name(line.split("==")[0]) for line in lines]
    assert names == sorted(set(names)), "sorted, each name once"


def test_the_version_is_the_same_everywhere(files):
    version = files[0]["project"]["version"]
    assert f'__version__ = "{version}"' in (ROOT / "src/psm/__init__.py").read_text()
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version


def code_cells(page: str) -> str:
    """Python of a MyST page's code cells, magics and cell options left out."""
    cells = re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```", page, re.M | re.S)
    lines = [line for cell in cells for line in re.sub(r"\A---\n.*?^---\n", "", cell, flags=re.M | re.S).splitlines()]
    return "\n".join(line for line in lines if not line.startswith((":", "%", "!")))


def imported(source: str) -> set[str]:
    """Top-level names of the modules that Python source imports, wherever in it the import stands."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def sources() -> list[tuple[Path, str, tuple[str, ...]]]:
    """(file, its Python, groups of dependencies it may use) of all code in the repository."""
    found = [(path, path.read_text(), ("main",)) for path in sorted((ROOT / "src").rglob("*.py"))]
    found += [(path, path.read_text(), ("main", "bench")) for path in sorted((ROOT / "workflow").rglob("*.py"))]
    found += [(path, path.read_text(), ("main", "test")) for path in sorted((ROOT / "tests").rglob("*.py"))]
    found += [(path, code_cells(path.read_text()), ("main",)) for path in sorted((ROOT / "chapters").rglob("*.md"))]
    return [(path, source, groups + ("browser",) if path.relative_to(ROOT).as_posix().startswith(IN_A_BROWSER) else groups)
            for path, source, groups in found]


@lru_cache
def installed() -> dict[str, list[str]]:
    """Distributions by the modules that they install."""
    return dict(packages_distributions())


def distribution(module: str) -> str:
    """Canonical name of the distribution that a module comes from, or that a declared dependency brings it in with."""
    name = canonicalize_name(installed().get(module, [module])[0])
    return PART_OF.get(name, name)


def used() -> dict[str, list[tuple[Path, tuple[str, ...]]]]:
    """Distribution -> the files that import it, with the groups each may use."""
    table: dict[str, list[tuple[Path, tuple[str, ...]]]] = {}
    local = {"psm"} | {path.stem for path in (ROOT / "tests").rglob("*.py")} | {path.stem for path in (ROOT / "workflow").glob("*.py")}
    for path, source, groups in sources():
        for module in imported(source) - local - set(sys.stdlib_module_names):
            table.setdefault(distribution(module), []).append((path, groups))
    return table


def test_every_import_is_declared(files):
    declared = {group: {canonicalize_name(r.name) for r in rs} for group, rs in requirements(files[0]).items()}
    missing = [
        f"{path.relative_to(ROOT)} imports {name}, which pyproject.toml does not declare under {' or '.join(groups)}"
        for name, places in used().items()
        for path, groups in places
        if not any(name in declared[group] for group in groups)
    ]
    assert missing == []


def test_every_dependency_is_used(files):
    declared = {canonicalize_name(r.name) for group in requirements(files[0]).values() for r in group}
    assert declared - set(used()) <= set(NOT_IMPORTED), "declared in pyproject.toml, but imported by no file"


def test_imports_are_found_in_cells_and_inside_functions():
    page = "text\n```{code-cell} ipython3\n:tags: [x]\n%matplotlib inline\nimport one.two\n```\nimport not_code\n"
    assert imported(code_cells(page)) == {"one"}
    assert imported("def f():\n    from three.four import g\n    from . import five\n") == {"three"}
