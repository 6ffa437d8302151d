"""Executing one chapter so that its record tells the truth: a folder with record.json finished, and nothing else did."""

from __future__ import annotations

import csv
import logging
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nbformat
from filelock import FileLock, Timeout
from nbformat import NotebookNode

from psm.book import keys, notebooks, records
from psm.book.chapters import MODEL_PARAMETERS, Chapter
from psm.book.plan import ChapterJob, Plan
from psm.errors import RunError, UsageError
from psm.evidence.shapes import read_values
from psm.files import read_json, replace_folder, sha256_file, workspace, write_json, write_whole
from psm.real.loading import REAL_MODELS
from psm.training.recipe import THREADS

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
COLUMNS = ("quantity", "substrate", "world", "seed", "arm", "item", "value", "valid_mass")
Report = Callable[[str], None]


@dataclass
class Position:
    """The cell that the kernel is at: its place among the chapter's own code cells, and its source."""

    number: int = 0
    source: str = ""


def execute_chapter(plan: Plan, name: str, again: bool = False, report: Report | None = None) -> Path:
    """Execute one chapter of the plan and return its finished folder.

    A run that exists already is returned as it is unless `again`. Raises UsageError for parameters that do not fit
    and RunError, in one line, when the chapter did not finish; folders of earlier runs stay as they are.
    """
    job, report = plan.chapter(name), report or (lambda text: None)
    notebooks.checked_parameters(job.chapter, job.parameters)
    _demand_models(job)
    with _locked(job, plan.scale.name, report):
        if job.record.exists() and not again:
            return job.folder
        return _execute_locked(plan, job, report)


def _demand_models(job: ChapterJob) -> None:
    missing = [model.label for model in job.base_models if not model.path.exists()]
    if missing:
        raise UsageError(f"chapter {job.chapter.name} needs {', '.join(missing)}, not trained yet: 'psm run' or 'psm book' trains what is missing")


@contextmanager
def _locked(job: ChapterJob, scale: str, report: Report) -> Iterator[None]:
    """Hold this run's lock; a second process that asks for the same run waits here."""
    path = workspace() / "locks" / f"run-{scale}-{job.chapter.name}-{job.key}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        report("waiting for another process that executes it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _execute_locked(plan: Plan, job: ChapterJob, report: Report) -> Path:
    shelf = job.folder.parent
    shelf.mkdir(parents=True, exist_ok=True)
    for stale in shelf.glob(f".making-{job.key}-*"):
        shutil.rmtree(stale, ignore_errors=True)
    making = shelf / f".making-{job.key}-{os.getpid()}"
    making.mkdir()
    failed = workspace() / "failed" / plan.scale.name / job.chapter.name
    try:
        _make(plan, job, making, report)
        replace_folder(making, job.folder)
        shutil.rmtree(failed, ignore_errors=True)
    except RunError as error:
        partial = making / "executed.ipynb"
        if not partial.exists():
            raise
        _keep_partial(partial, failed)
        raise RunError(f"{error}; what ran is in {_shown(failed / partial.name, plan.root)}") from None
    finally:
        shutil.rmtree(making, ignore_errors=True)
        if job.folder.is_dir() and not any(job.folder.iterdir()):
            job.folder.rmdir()
    return job.folder


def _make(plan: Plan, job: ChapterJob, making: Path, report: Report) -> None:
    """Run the notebook and fill `making`, the record last."""
    chapter, source, package = job.chapter, notebooks.source_sha256(job.chapter), keys.package_digest()
    started, clock = records.now(), time.monotonic()
    notebook = notebooks.to_notebook(chapter)
    cells = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in notebook.cells)
    with records.Descendants() as kernel:
        executed = _run_kernel(plan, job, notebook, making, cells, report)
    _demand_files(chapter, making)
    _demand_unchanged(job, source, package)
    write_whole(making / "executed.ipynb", nbformat.writes(notebooks.without_noise(executed)) + "\n")
    write_json(making / "record.json", {
        "chapter": chapter.name,
        "key": job.key,
        "scale": plan.scale.name,
        "seeds": list(plan.seeds),
        "parameters": job.parameters,
        "source_sha256": source,
        "package_digest": package,
        "base_models": [{"id": f"{m.world}-s{m.seed}-{m.key}", "sha256": sha256_file(m.path)} for m in job.base_models],
        "real_models": read_json(making / REAL_MODELS) if (making / REAL_MODELS).is_file() else [],
        "versions": records.versions(),
        "hardware": records.hardware(),
        "threads": THREADS,
        "started_at": started,
        "finished_at": records.now(),
        "seconds": round(time.monotonic() - clock, 2),
        **records.git_state(plan.root),
        "exit": "ok",
        "cells": cells,
        "peak_memory_mb": round(kernel.peak_mb, 1),
    })


def _run_kernel(
    plan: Plan, job: ChapterJob, notebook: NotebookNode, making: Path, cells: int, report: Report
) -> NotebookNode:
    """Execute the notebook through papermill. Raises RunError unless its very last cell was reached."""
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    chapter, position, nonce = job.chapter, Position(), secrets.token_hex(16)
    timeout = _timeout(plan, job)
    notebook.cells.append(nbformat.v4.new_code_cell(f"('{nonce}', __import__('sys').prefix)"))

    def entered(cell: NotebookNode, cell_index: int) -> None:
        if not notebooks.is_injected(cell):
            position.number, position.source = position.number + 1, cell.source
            if position.number <= cells:
                report(f"cell {position.number} of {cells}")

    with tempfile.TemporaryDirectory(prefix="psm-kernel-") as scratch, environment(**_kernel_environment(plan, job, making, scratch)):
        source = Path(scratch) / "source.ipynb"
        nbformat.write(notebook, source)
        try:
            executed = papermill.execute_notebook(
                source, making / "executed.ipynb", job.parameters, kernel_name="python3", cwd=plan.root,
                progress_bar=False, log_output=False, execution_timeout=timeout,
                shutdown_kernel="immediate", extra_arguments=["--log-level=ERROR"], on_cell_execute=entered,
            )
        except PapermillExecutionError as error:
            raise _failure(chapter, position, cells, _error_text(error.ename, error.evalue)) from None
        except CellTimeoutError:
            raise _failure(chapter, position, cells, f"time-out after {timeout} s") from None
        except DeadKernelError:
            raise _failure(chapter, position, cells, "the kernel died (out of memory, or killed)") from None
        except Exception as error:
            raise RunError(f"chapter {chapter.name} could not be executed: {_error_text(type(error).__name__, str(error))}") from None
    if any(_has_exit(cell) for cell in executed.cells):
        raise _failure(chapter, position, cells, "the chapter called sys.exit(0)")
    _demand_last_cell(chapter, executed.cells.pop(), nonce)
    return executed


def _timeout(plan: Plan, job: ChapterJob) -> int | None:
    """Seconds that one cell may take; without limit where somebody put in a real model, of which nobody knows how large it is."""
    if any(job.parameters.get(name) != job.chapter.parameters.get(name) for name in MODEL_PARAMETERS):
        return None
    return job.chapter.timeout_s or plan.scale.cell_timeout_s


def _kernel_environment(plan: Plan, job: ChapterJob, making: Path, scratch: str) -> dict[str, str]:
    """What the kernel inherits."""
    return {
        **dict.fromkeys(THREAD_VARIABLES, str(THREADS)),
        "PSM_RUN_DIR": str(making), "PSM_STORE": "readonly",
        "PSM_DECLARED": os.pathsep.join(model.path.parent.name for model in job.base_models), "PSM_PROJECT": str(plan.root),
        "PSM_HOME": str(workspace()), "PYTHONHASHSEED": "0", "IPYTHONDIR": scratch,
        "PYTHONPATH": keys.python_path(),
    }


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Environment variables set for a while; what they were is put back afterwards."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _failure(chapter: Chapter, position: Position, cells: int, what: str) -> RunError:
    """The error of a chapter that stopped at a cell: which chapter, which cell, what happened."""
    if not 1 <= position.number <= cells:
        return RunError(f"chapter {chapter.name} failed outside its own cells: {what}")
    first = next((line.strip() for line in position.source.splitlines() if line.strip()), "")
    line = notebooks.line_of(chapter, position.source)
    where = f"{chapter.path.name} line {line}, " if line else ""
    return RunError(f"chapter {chapter.name} failed in code cell {position.number} ({where}'{first}'): {what}")


def _error_text(name: str, message: str) -> str:
    """Error name and message on one line."""
    if name == "SystemExit":
        return f"the chapter called sys.exit({message})"
    text = " ".join(message.split())
    return f"{name}: {text[:300]}" if text else name


def _has_exit(cell: NotebookNode) -> bool:
    return any(output.output_type == "error" and output.ename == "SystemExit" for output in cell.get("outputs", []))


def _demand_last_cell(chapter: Chapter, last: NotebookNode, nonce: str) -> None:
    """The cell that the executor appended must have printed its random word, in this Python."""
    printed = "".join(output.get("data", {}).get("text/plain", "") for output in last.get("outputs", []))
    if nonce not in printed:
        raise RunError(f"chapter {chapter.name} did not finish: its last cell was never reached")
    if repr(sys.prefix) not in printed:
        raise RunError(
            f"chapter {chapter.name} ran in another Python than psm: the Jupyter kernel 'python3' does not belong to "
            f"{sys.prefix}; mend it with '{sys.executable} -m ipykernel install --sys-prefix'"
        )


def _demand_files(chapter: Chapter, making: Path) -> None:
    """A chapter with claims must have left its measurements and values behind."""
    if not chapter.claims:
        return
    for name in ("measurements.csv", "values.json"):
        if not (making / name).is_file():
            raise RunError(f"chapter {chapter.name} wrote no {name}: its last line must be run.finish()")
    with open(making / "measurements.csv", newline="") as stream:
        header = tuple(next(csv.reader(stream), ()))
    if header != COLUMNS:
        raise RunError(f"chapter {chapter.name} wrote measurements.csv with columns {', '.join(header)}; expected {', '.join(COLUMNS)}")
    try:
        read_values(making / "values.json")
    except UsageError as error:
        raise RunError(f"chapter {chapter.name} wrote a values.json that cannot be read: {error}") from None


def _demand_unchanged(job: ChapterJob, source: str, package: str) -> None:
    """Whatever the key names must be what ran."""
    chapter = job.chapter
    keys.package_digest.cache_clear()
    if notebooks.source_sha256(chapter) != source:
        raise RunError(f"chapter {chapter.name} was edited while it ran: run it again")
    if keys.package_digest() != package:
        raise RunError(f"the source of psm was edited while chapter {chapter.name} ran: run it again")
    if keys.chapter_key(chapter, job.parameters, [model.key for model in job.base_models]) != job.key:
        raise RunError(f"chapter {chapter.name} began with other libraries or real models than it ended with: run it again")


def _keep_partial(partial: Path, failed: Path) -> None:
    """Keep the notebook of a failed run for reading, in place of the last failed one."""
    folder = failed.with_name(f".{failed.name}-{os.getpid()}")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(partial, folder / partial.name)
    replace_folder(folder, failed)


def _shown(path: Path, root: Path) -> Path:
    return path.relative_to(root) if path.is_relative_to(root) else path
