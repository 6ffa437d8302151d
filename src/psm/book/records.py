"""Provenance: what ran, where, when, with which versions, and how much memory it took."""

from __future__ import annotations

import os
import platform
import threading
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from psm.book.repository import git

PACKAGES = ("psm", "torch", "transformers", "numpy", "scipy", "pandas", "papermill", "nbclient", "jupytext", "ipykernel")
SAMPLE_S = 0.2


def now() -> str:
    """The time in UTC, as ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages a result may depend on; packages that are absent are left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    if "psm" not in found:
        import psm

        found["psm"] = psm.__version__
    return found


def hardware() -> dict[str, Any]:
    """Processor, cores and memory of this machine."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 1,
        "memory_mb": round(psutil.virtual_memory().total / 2**20),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def git_state(root: Path) -> dict[str, Any]:
    """Commit of the project and whether its files differ from it; '' and None outside a git repository."""
    commit = git(root, "rev-parse", "HEAD")
    status = git(root, "status", "--porcelain")
    return {"commit": commit or "", "dirty": None if status is None else bool(status)}


class Descendants:
    """Watches the processes that this one starts: their memory together (sampled), and whether any is left over."""

    def __init__(self) -> None:
        self.peak_mb = 0.0
        self._before = set(psutil.Process().children(recursive=True))
        self._seen: set[psutil.Process] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Descendants:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._sample()
        self._kill_left_over()

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self._sample()

    def _sample(self) -> None:
        processes = set(psutil.Process().children(recursive=True)) - self._before
        self._seen |= processes
        self.peak_mb = max(self.peak_mb, sum(_resident_mb(process) for process in processes))

    def _kill_left_over(self) -> None:
        left = [process for process in self._seen if process.is_running()]
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(left, timeout=5)


def _resident_mb(process: psutil.Process) -> float:
    try:
        return process.memory_info().rss / 2**20
    except psutil.Error:
        return 0.0
