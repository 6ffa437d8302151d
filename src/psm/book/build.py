"""Building the pages: strictly, in a temporary folder, swapped into place only when all of it succeeded."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from psm.book.plan import Plan
from psm.book.stage import stage
from psm.errors import RunError
from psm.evidence.ledger import read_ledger
from psm.files import replace_folder, workspace, write_json, write_whole

# Sphinx's lines that say what is wrong, and the colour codes that may surround them.
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_TROUBLE = re.compile(r"WARNING: |ERROR: |Error:|Exception")


def build_pages(plan: Plan) -> Path:
    """Stage and build the book of `plan`, and return the stamp in its new `_build/html`.

    Any warning is an error. RunError names the first one and the log; the pages that stood before stay untouched.
    """
    rows = read_ledger(plan.ledger_folder)
    target = plan.pages_stamp.parent
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pages-", dir=target.parent) as temporary:
        staged = stage(plan, rows, Path(temporary) / "source")
        _run_jupyter_book(staged, Path(temporary), workspace() / "logs" / f"pages-{plan.scale.name}.log")
        html = Path(temporary) / "_build" / "html"
        write_json(html / plan.pages_stamp.name, {
            "pages_key": plan.pages_key, "ledger_key": plan.ledger_key, "scale": plan.scale.name,
            "chapters": {job.chapter.name: job.key for job in plan.chapters},
        })
        replace_folder(html, target)
    return plan.pages_stamp


def _run_jupyter_book(source: Path, output: Path, log: Path) -> None:
    """Run jupyter-book with every warning an error. Its log is kept, with the temporary folder's name taken out."""
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()",
               "build", str(source), "--path-output", str(output), "-W", "-n", "--keep-going"]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "NO_COLOR": "1", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=output, env=environment)
    text = _COLOUR.sub("", result.stdout + result.stderr).replace(f"{source}{os.sep}", "")
    write_whole(log, text)
    if result.returncode != 0 or not (output / "_build" / "html" / "index.html").is_file():
        first = next((line.strip() for line in text.splitlines() if _TROUBLE.search(line)), "jupyter-book gave no reason")
        raise RunError(f"the pages did not build, the old ones stay: {first[:300]} (log: {log})")
