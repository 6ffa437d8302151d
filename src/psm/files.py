"""Files written whole or not at all, folders swapped by rename, and keys made from content."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from psm.errors import UsageError

MARKERS = ("claims.yml", "_toc.yml")


def project_root() -> Path:
    """Folder that holds `claims.yml` and `_toc.yml`: $PSM_PROJECT, the working folder or above, or the package's."""
    if os.environ.get("PSM_PROJECT"):
        return Path(os.environ["PSM_PROJECT"]).resolve()
    for start in (Path.cwd(), Path(__file__).resolve().parent):
        for folder in (start, *start.parents):
            if all((folder / marker).is_file() for marker in MARKERS):
                return folder
    raise UsageError("no book found here: run this inside the project's folder, or set PSM_PROJECT to it")


def workspace() -> Path:
    """Folder of everything that can be made again (base models, runs, logs): $PSM_HOME or `<root>/.psm`."""
    if os.environ.get("PSM_HOME"):
        return Path(os.environ["PSM_HOME"]).resolve()
    return project_root() / ".psm"


def write_whole(path: Path | str, content: str | bytes) -> None:
    """Write `content` to `path` through a temporary file beside it, so that no reader sees half of it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path | str, obj: Any) -> None:
    """Write `obj` as JSON with sorted keys, whole or not at all."""
    write_whole(path, json.dumps(obj, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read JSON. Raises UsageError that names the file when it is missing or corrupt."""
    try:
        return json.loads(Path(path).read_text())
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is corrupt ({error}): delete it and make it again") from None


def sha256_file(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def content_key(obj: Any) -> str:
    """Sixteen hex digits that change whenever the JSON form of `obj` changes."""
    canonical = json.dumps(obj, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def code_only(source: str) -> str:
    """Python source without comments and docstrings, so that rewording an explanation changes no key."""
    tree = ast.parse(source)
    for node in _definitions(tree):
        body = getattr(node, "body", None)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and body:
            first = body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
                node.body = body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def _definitions(node: ast.AST) -> Iterator[ast.AST]:
    """The module, classes and functions of a tree: all that can bear a docstring. Expressions are not visited."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield from _definitions(child)


def source_digest(paths: Iterable[Path | str]) -> str:
    """Digest of files, each by its name and content; Python files without comments and docstrings."""
    parts = []
    for path in sorted(Path(p) for p in paths):
        content = code_only(path.read_text()) if path.suffix == ".py" else path.read_bytes().hex()
        parts.append([path.name, content])
    return content_key(parts)


def replace_folder(new: Path | str, target: Path | str) -> None:
    """Put the finished folder `new` in the place of `target`, which is kept aside until that has succeeded.

    A kill between the two renames leaves the former folder aside; the next call puts it back before it begins.
    """
    new, target = Path(new), Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    old = target.with_name(f".{target.name}.old")
    if old.exists() and not target.exists():
        os.rename(old, target)
    shutil.rmtree(old, ignore_errors=True)
    try:
        if target.exists():
            os.rename(target, old)
        os.rename(new, target)
    except BaseException:
        if old.exists() and not target.exists():
            os.rename(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)
