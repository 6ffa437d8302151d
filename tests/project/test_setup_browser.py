"""The set-up of the browser takes what is there, installs what is missing, and fails in one line. Python and the system's installer are stand-ins."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# A Python that notes what it was asked, knows a browser when there is one, and installs one when it is allowed to.
PYTHON = """#!/bin/sh
echo "python $*" >> log
case "$*" in
    *"playwright install"*) [ -e playwright-works ] && touch browser ;;
    *find*) [ -e browser ] && echo /found/chromium ;;
esac
"""
APT = """#!/bin/sh
echo "apt-get $*" >> log
case "$*" in *chromium*) [ -e apt-works ] && touch browser ;; esac
exit 0
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project folder as far as the script sees one; root is whoever asks."""
    for name, text in {".venv/bin/python": PYTHON, "bin/apt-get": APT, "bin/id": "#!/bin/sh\necho 0\n"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    shutil.copy(ROOT / "workflow/set-up-browser.sh", tmp_path)
    return tmp_path


def set_up(folder: Path, **environment: str) -> tuple[int, str, list[str], str]:
    """Exit code, what was printed, the last line of the complaints, and what was asked of the stand-ins."""
    clean = {name: value for name, value in os.environ.items() if name != "PSM_CHROMIUM"}
    done = subprocess.run(["sh", "set-up-browser.sh"], cwd=folder, capture_output=True, text=True,
                          env={**clean, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", **environment})
    log = folder / "log"
    return done.returncode, done.stdout.strip(), done.stderr.splitlines(), log.read_text() if log.exists() else ""


def test_a_browser_that_is_there_is_taken_and_nothing_installed(folder):
    (folder / "browser").touch()
    code, path, said, log = set_up(folder)
    assert (code, path, said) == (0, "/found/chromium", []) and "install" not in log


def test_a_missing_browser_is_playwrights_first(folder):
    (folder / "playwright-works").touch()
    code, path, _, log = set_up(folder)
    assert (code, path) == (0, "/found/chromium") and "playwright install chromium" in log and "apt-get" not in log


def test_then_it_is_the_systems(folder):
    (folder / "apt-works").touch()
    code, path, _, log = set_up(folder)
    assert (code, path) == (0, "/found/chromium") and log.index("playwright install") < log.index("apt-get install")


def test_without_any_it_says_what_to_do_and_ends_with_2(folder):
    code, path, said, _ = set_up(folder)
    assert (code, path) == (2, "") and said[-1].startswith("set-up-browser: no browser could be installed: install Chromium")


def test_a_named_browser_that_does_not_run_is_refused_and_none_installed(folder):
    code, path, said, log = set_up(folder, PSM_CHROMIUM="/nowhere/chrome")
    assert (code, path, len(said)) == (2, "", 1) and "/nowhere/chrome, which does not run" in said[0] and "install" not in log
