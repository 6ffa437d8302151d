"""Set-up refuses what cannot work in one line, and starts over what was cut off. pip is a stand-in: nothing is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# A Python that passes the checks; `-m venv` makes an environment whose pip notes what it was asked and fails on demand.
WORKING = """#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then
    mkdir -p .venv/bin
    printf '#!/bin/sh\\necho "$@" >> pip.log\\n[ ! -e broken ]\\n' > .venv/bin/python
    chmod +x .venv/bin/python
fi
"""
OLD = """#!/bin/sh
case "$*" in *version_info*) exit 1;; -V) echo "Python 3.9.2";; esac
"""
NO_VENV = """#!/bin/sh
case "$*" in *ensurepip*) exit 1;; esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project folder as far as set-up sees one."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "workflow/set-up.sh"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def set_up(folder: Path, python: str = WORKING) -> subprocess.CompletedProcess:
    """`make setup` with a stand-in for Python."""
    stand_in = folder / "python-stand-in"
    stand_in.write_text(python)
    stand_in.chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(["make", "setup", f"PYTHON={stand_in}"], cwd=folder, capture_output=True, text=True, env=environment)


def asked(folder: Path) -> list[str]:
    """What pip was asked, a line each."""
    log = folder / "pip.log"
    return log.read_text().splitlines() if log.exists() else []


@pytest.mark.parametrize(("python", "says"), [(OLD, "is Python 3.9.2"), (NO_VENV, "apt install python3-venv")])
def test_a_python_that_cannot_serve_is_refused_in_one_line(folder, python, says):
    done = set_up(folder, python)
    lines = [line for line in done.stderr.splitlines() if line.startswith("set-up:")]
    assert done.returncode != 0 and len(lines) == 1 and says in lines[0]
    assert not (folder / ".venv").exists()


def test_torch_is_installed_first_by_its_pin_then_the_rest(folder):
    assert set_up(folder).returncode == 0
    first, second = asked(folder)
    pin = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("torch=="))
    assert first.endswith(f"-c constraints.txt {pin}") and second.endswith("-c constraints.txt -e .[test]")


def test_set_up_is_skipped_until_something_changes(folder):
    set_up(folder)
    set_up(folder)
    assert len(asked(folder)) == 2
    with open(folder / "constraints.txt", "a") as stream:
        stream.write("# changed\n")
    set_up(folder)
    assert len(asked(folder)) == 4
    assert len(list((folder / ".venv").glob("ready-*"))) == 1


def test_a_half_finished_set_up_is_started_over(folder):
    (folder / "broken").touch()
    assert set_up(folder).returncode != 0
    (folder / ".venv" / "half-installed").touch()
    (folder / "broken").unlink()
    assert set_up(folder).returncode == 0
    assert not (folder / ".venv" / "half-installed").exists() and not (folder / ".venv" / "unfinished").exists()


def test_a_set_up_at_work_is_not_disturbed(folder):
    (folder / ".venv").mkdir()
    (folder / ".venv" / "unfinished").write_text(f"{os.getpid()}\n")
    done = set_up(folder)
    assert done.returncode != 0 and f"process {os.getpid()}" in done.stderr
    assert asked(folder) == []
