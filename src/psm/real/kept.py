"""Models kept in the workspace: made in a hidden folder under a lock, renamed into place, and never trusted without their hashes.

`source.json` is the last file written in a model's folder, so a folder that exists is complete.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from psm.errors import UsageError
from psm.files import content_key, read_json, sha256_file, workspace, write_json

RECORD = "source.json"
PART = ".part-"
LARGE = 10_000_000  # bytes from which on a file's digest is remembered
Progress = Callable[[str], None]


class ModelMissing(UsageError):
    """A real model that has not been fetched yet."""


@dataclass(frozen=True)
class Resolved:
    """A model that is on this machine, as far as it can be described without loading it."""

    name: str  # what pages and evidence call it
    revision: str  # 12 digits that pin it: of its weights' SHA-256, or of the hub's commit
    kind: str  # "base" or "chat"
    folder: Path
    title: str
    licence: str
    spec: str  # names it from any working folder


def models_folder() -> Path:
    """Folder of all that was fetched."""
    return workspace() / "models"


def read_record(folder: Path) -> dict[str, Any] | None:
    """The record of a model's folder, or None when it is absent or torn, or a file it names is missing. Hashes nothing."""
    try:
        record = read_json(folder / RECORD)
    except (UsageError, OSError):
        return None
    whole = isinstance(record, dict) and isinstance(record.get("files"), dict) and record["files"]
    return record if whole and all((folder / name).is_file() for name in record["files"]) else None


def damaged(folder: Path, record: dict[str, Any], digest_of: Callable[[Path], str] = sha256_file) -> str | None:
    """Name of the first file that is not as it was when it was fetched, or None. Reads everything."""
    for name, digest in record["files"].items():
        if not (folder / name).is_file() or digest_of(folder / name) != digest:
            return name
    return None


def demand_intact(folder: Path, record: dict[str, Any], command: str, digest_of: Callable[[Path], str] = sha256_file) -> None:
    """Raises UsageError that names a damaged file and the command that mends it."""
    bad = damaged(folder, record, digest_of)
    if bad:
        raise UsageError(f"{folder / bad} is damaged (its SHA-256 is not the recorded one): {command}")


@contextlib.contextmanager
def workshop(parent: Path, say: Progress) -> Iterator[Callable[[], contextlib.AbstractContextManager[Path]]]:
    """Hold the lock of `parent`, waited for where it is taken; gives a function that opens a hidden folder there, gone at its end."""
    parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(parent / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say("waiting for another fetch")
        lock.acquire()
    try:
        yield lambda: _part(parent)
    finally:
        lock.release()


@contextlib.contextmanager
def _part(parent: Path) -> Iterator[Path]:
    for left_over in parent.glob(f"{PART}*"):  # of a fetch that was killed; nobody else holds the lock
        shutil.rmtree(left_over, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix=PART) as part:
        yield Path(part)


@contextlib.contextmanager
def watched(folder: Path, size: int, say: Progress, every: float = 5.0) -> Iterator[None]:
    """Say every few seconds how many of `size` bytes lie in `folder`."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(every):
            say(f"  {min(_bytes_below(folder), size) / 1e6:.0f} of {size / 1e6:.0f} MB")

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # moved away meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total


def remembered_digest(path: Path) -> str:
    """SHA-256 of a file; a large one is read again only when its size or its time of change has altered."""
    stat = path.stat()
    if stat.st_size < LARGE:
        return sha256_file(path)
    seen = [str(path.resolve()), stat.st_size, stat.st_mtime_ns]
    memory = models_folder() / "digests" / f"{content_key(seen[0])}.json"
    try:
        kept = read_json(memory)
    except UsageError:
        kept = None
    if isinstance(kept, dict) and kept.get("seen") == seen and isinstance(kept.get("sha256"), str):
        return kept["sha256"]
    digest = sha256_file(path)
    write_json(memory, {"seen": seen, "sha256": digest})
    return digest
