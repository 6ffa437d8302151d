"""The browser that checks the pages and prints the book: which one is on this machine, and how it is started."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from psm.errors import UsageError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
HOW = "set PSM_CHROMIUM to the path of a Chromium or Chrome, or say: .venv/bin/python -m playwright install chromium"


def _runs(path: str) -> bool:
    """Whether a program says its version; some systems have one of these names that only points to a shop."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _playwrights_own() -> str | None:
    """The browser that `playwright install chromium` put on this machine."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).is_file() else None


def find() -> str:
    """Path of a browser: PSM_CHROMIUM, one on the PATH, or playwright's own. Raises UsageError that says how to have one."""
    if wanted := os.environ.get("PSM_CHROMIUM"):
        path = shutil.which(wanted)
        if not path or not _runs(path):
            raise UsageError(f"PSM_CHROMIUM names {wanted}, which does not run: name a Chromium or Chrome, or leave it unset")
        return path
    for name in NAMES:
        if (path := shutil.which(name)) and _runs(path):
            return path
    try:
        own = _playwrights_own()
    except ImportError:
        raise UsageError("this needs playwright, which is not installed: say make check-pages or make pdf, which install it, "
                         "or pip install -e '.[browser]' -c constraints.txt") from None
    if own and _runs(own):
        return own
    raise UsageError(f"no browser was found: {HOW}")


@contextmanager
def opened() -> Iterator[Browser]:
    """A browser without a window, closed afterwards. Raises UsageError when there is none or playwright is missing."""
    path = find()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise UsageError("this needs playwright, which is not installed: pip install -e '.[browser]' -c constraints.txt") from None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--disable-gpu", "--disable-dev-shm-usage"])
        try:
            yield browser
        finally:
            browser.close()
