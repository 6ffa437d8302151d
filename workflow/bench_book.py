"""Time and memory of the book itself: a whole smoke run from nothing, one with nothing to do, a page build, the executor."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from psm.book.execute import environment, execute_chapter
from psm.book.records import Descendants
from psm.errors import RunError
from psm.files import project_root, workspace

REPEATS = 3
LEFT_BEHIND = shutil.ignore_patterns(".*", "_build", "__pycache__", "*.egg-info", "evidence")   # not part of the sources
EMPTY_CHAPTER = """---
kernelspec: {name: python3, display_name: Python 3, language: python}
jupytext: {text_representation: {extension: .md, format_name: myst}}
psm: {}
---
# An almost empty chapter

```{code-cell} ipython3
:tags: [parameters]
scale = "smoke"
seeds = [0]
```
"""


@dataclass(frozen=True)
class Costs:
    """Seconds and MiB."""

    book: float            # the whole book at smoke scale, from nothing
    nothing: float         # the same command again
    pages: float           # building the pages
    executed: float        # an almost empty chapter through the executor
    bare: float            # the same notebook through nbclient alone: kernel start-up and one line
    together: float        # all processes of the smoke run at once, sampled, MiB
    largest: float         # the largest single process of it, MiB


def seconds(action: Callable[[], object]) -> float:
    """How long an action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def psm_command(*words: str) -> None:
    """Run a command of the book. RunError with what it said about a failure."""
    done = subprocess.run([sys.executable, "-m", "psm", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = [line.removeprefix("psm: ") for line in done.stderr.splitlines() if line.startswith("psm: ")]
        raise RunError(f"psm {' '.join(words)} ended with {done.returncode}: {'; '.join(said) or done.stderr[-300:]}")


def executor_costs(folder: Path) -> tuple[float, float]:
    """(through the executor, through nbclient alone): seconds of an almost empty chapter, best of the repeats."""
    from nbclient import NotebookClient

    from psm.book import notebooks
    from psm.book.plan import make_plan

    project = folder / "empty"
    (project / "chapters").mkdir(parents=True)
    (project / "claims.yml").write_text("tests: []\n")
    (project / "_toc.yml").write_text("format: jb-book\nroot: chapters/empty\n")
    (project / "chapters" / "empty.md").write_text(EMPTY_CHAPTER)
    with environment(PSM_PROJECT=str(project), PSM_HOME=str(folder / "empty-home")):
        plan = make_plan("smoke")
        chapter = plan.chapter("empty").chapter

        def through_executor() -> None:
            execute_chapter(plan, "empty", again=True)

        def through_nbclient() -> None:
            notebook = notebooks.to_notebook(chapter)
            NotebookClient(notebook, kernel_name="python3", extra_arguments=["--log-level=ERROR"]).execute()

        pairs = [(seconds(through_executor), seconds(through_nbclient)) for _ in range(REPEATS)]
    return min(a for a, _ in pairs), min(b for _, b in pairs)


def measure_costs() -> Costs:
    """Run a copy of the book in a scratch folder, so that the reader's own runs and pages stay as they are."""
    from psm.book.build import build_pages
    from psm.book.plan import make_plan

    with tempfile.TemporaryDirectory(prefix="psm-bench-") as name:
        folder = Path(name)
        project, home = folder / "project", folder / "home"
        shutil.copytree(project_root(), project, ignore=LEFT_BEHIND)
        home.mkdir()
        if (workspace() / "models").is_dir():
            (home / "models").symlink_to(workspace() / "models")
        executed, bare = executor_costs(folder)
        with environment(PSM_PROJECT=str(project), PSM_HOME=str(home)):
            with Descendants() as watch:
                book = seconds(lambda: psm_command("book", "--scale", "smoke"))
            nothing = min(seconds(lambda: psm_command("book", "--scale", "smoke")) for _ in range(REPEATS))
            pages = seconds(lambda: build_pages(make_plan("smoke")))
    unit = 2**20 if sys.platform == "darwin" else 2**10
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit
    return Costs(book, nothing, pages, executed, bare, watch.peak_mb, largest)
