"""Content keys: what a chapter's run, the ledger and the pages depend on, as short names for their folders."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psm
from psm.book.chapters import MODEL_PARAMETERS, Chapter, toc_pages
from psm.book.repository import git
from psm.errors import UsageError
from psm.files import content_key, sha256_file, source_digest

NUMERIC_PACKAGES = ("torch", "transformers", "numpy", "scipy", "pandas")   # a change of version may change every number
NOT_SCIENCE = ("book", "exercises", "cli.py", "__main__.py")
SITE_FILES = ("_config.yml", "_toc.yml", "references.bib", "CITATION.cff", "pyproject.toml", "constraints.txt")
SITE_FOLDERS = ("_static", "_ext", "_templates", "static")


def package_folder() -> Path:
    """Folder of the package that is running."""
    return Path(psm.__file__).resolve().parent


def python_path() -> str:
    """PYTHONPATH with which another process finds this very package, whatever its working folder."""
    others = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    return os.pathsep.join(dict.fromkeys([str(package_folder().parent), *others]))


def versions() -> dict[str, str]:
    """Versions of the packages that compute the numbers, without importing them."""
    return {name: _version(name) for name in NUMERIC_PACKAGES}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


@lru_cache(maxsize=1)
def package_digest() -> str:
    """Digest of the science: the package without `book/`, `exercises/` and the command line, data files included."""
    folder = package_folder()
    science = [path for path in _files_below(folder) if path.relative_to(folder).parts[0] not in NOT_SCIENCE]
    return content_key({str(path.relative_to(folder)): source_digest([path]) for path in science})


def exercises_digest(chapter: str) -> str:
    """Digest of a chapter's own exercises and of what all judges share, so that an edit to one chapter's re-runs no other."""
    folder = package_folder() / "exercises"
    return source_digest(path for path in (folder / "core.py", folder / "marking.py", folder / f"{chapter}.py") if path.is_file())


def evidence_digest() -> str:
    """Digest of the code that turns measurements into verdicts; cheap to run again, so comments count too."""
    return _bytes_digest(package_folder(), _files_below(package_folder() / "evidence"))


def bookmaking_digest() -> str:
    """Digest of the code that turns runs and verdicts into pages; cheap to run again, so comments count too."""
    folder = package_folder()
    return _bytes_digest(folder, [*_files_below(folder / "book"), folder / "figures.py"])


def _files_below(folder: Path) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in files if "__pycache__" not in path.parts and not path.name.startswith(".")]


def _bytes_digest(folder: Path, paths: Iterable[Path]) -> str:
    """Digest of files, each under its path from `folder`."""
    return content_key({str(path.relative_to(folder)): sha256_file(path) for path in paths if path.is_file()})


def chapter_key(chapter: Chapter, parameters: dict[str, Any], model_keys: list[str]) -> str:
    """Key of one chapter's run: its source, its parameters, its models, the package and the numeric libraries."""
    real = real_model_specs(chapter, parameters)
    return content_key({
        "source": sha256_file(chapter.path),
        "parameters": parameters,
        "base_models": sorted(model_keys),
        "real_models": {spec: _real_model_digest(spec) for spec in real},
        "package": package_digest(),
        "exercises": exercises_digest(chapter.name),
        "versions": versions(),
        **_other_device(real),
    })


def real_model_specs(chapter: Chapter, parameters: dict[str, Any]) -> list[str]:
    """Every real model that a run of the chapter may use: those it declares and those that its parameters name."""
    named = (parameters.get(name) for name in MODEL_PARAMETERS)
    return sorted({*chapter.real_models, *(spec for spec in named if isinstance(spec, str) and spec)})


def _real_model_digest(spec: str) -> str | None:
    """SHA-256 of a real model's weights, or None while it is not at hand."""
    from psm.real.sources import local_digest

    try:
        return local_digest(spec)
    except UsageError:
        return None


def _other_device(real: list[str]) -> dict[str, str]:
    """The device of the real models where it is another than the processor, whose last digits it does not share."""
    from psm.real.device import CPU, wanted_device

    device = wanted_device() if real else CPU
    return {} if device == CPU else {"device": device}


def registry_commit(root: Path) -> str:
    """Commit that last changed `claims.yml`, or '' outside a git repository."""
    return git(root, "log", "-1", "--format=%H", "--", "claims.yml") or ""


def ledger_key(root: Path, scale: str, chapter_keys: dict[str, str]) -> str:
    """Key of the verdicts: the registry and its commit, the runs judged, and the rule's code."""
    return content_key({
        "scale": scale,
        "registry": sha256_file(root / "claims.yml"),
        "commit": registry_commit(root),
        "chapters": chapter_keys,
        "evidence": evidence_digest(),
    })


def pages_key(root: Path, ledger: str, chapter_keys: dict[str, str]) -> str:
    """Key of the pages: the verdicts, the runs shown, every page's source and the code that builds them."""
    sources = {path for path in toc_pages(root)} | {root / name for name in SITE_FILES}
    for name in SITE_FOLDERS:
        sources |= set(_files_below(root / name)) if (root / name).is_dir() else set()
    return content_key({
        "ledger": ledger,
        "chapters": chapter_keys,
        "sources": _bytes_digest(root, sources),
        "bookmaking": bookmaking_digest(),
    })
