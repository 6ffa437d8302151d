"""One job of the workflow each: train a base model, execute a chapter, compute the verdicts, build the pages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psm.book.execute import THREAD_VARIABLES, execute_chapter
from psm.book.keys import python_path
from psm.book.plan import Plan, step_id
from psm.book.progress import emit, reported
from psm.errors import RunError, UsageError
from psm.files import replace_folder, workspace
from psm.training.recipe import THREADS

if TYPE_CHECKING:
    from psm.book.compare import Drift

REPORT_EVERY_S = 5.0


def run_job(kind: str, name: str, key: str, make: Callable[[], Plan]) -> None:
    """Run one job of the workflow: kind model (name 'world-sSEED'), chapter, ledger or pages.

    `key` is the key it was planned under; when its sources have changed since, it fails instead of running under it.
    Its events carry that key too, so that the run which started it hears of any failure, planning included.
    """
    with reported(step_id(kind, key, name)):
        plan = make()
        steps = {step.id: step for step in plan.steps()}
        if step_id(kind, key, name) not in steps:
            raise RunError(f"{kind} {name}".strip() + ": its sources changed since this run began; run it again")
        if kind == "model":
            world, _, seed = name.rpartition("-s")
            train_model(plan, world, int(seed))
        elif kind == "chapter":
            run_chapter(plan, name)
        elif kind == "ledger":
            make_ledger(plan)
        else:
            make_pages(plan)


def train_model(plan: Plan, world: str, seed: int) -> Path:
    """Train one base model of the plan, unless it stands in the store."""
    from psm.training.store import ensure

    job = plan.model(world, seed)
    try:
        return ensure(world, seed, plan.scale.name, _training_report(job.label, job.step_id))
    finally:
        _drop_if_empty(job.path.parent)


def _training_report(label: str, step_id: str) -> Callable[[int, int, float], None]:
    """A progress callback (step, steps, loss) that speaks every few seconds."""
    spoken_at = time.monotonic()

    def report(step: int, steps: int, loss: float) -> None:
        nonlocal spoken_at
        if step < steps and time.monotonic() - spoken_at < REPORT_EVERY_S:
            return
        spoken_at = time.monotonic()
        emit("at", step_id, f"step {step} of {steps}")
        print(f"{label}: step {step} of {steps}, loss {loss:.2f}", file=sys.stderr, flush=True)

    return report


def train_missing(plan: Plan, name: str) -> None:
    """Train the base models that one chapter still needs, each in a process of its own with its threads fixed."""
    job = plan.chapter(name)
    for model in job.base_models:
        if model.path.exists():
            continue
        print(f"{model.label} is missing: training it first", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", "psm", "job", "model", f"{model.world}-s{model.seed}", "--key", model.key,
                   "--scale", plan.scale.name, "--seeds", ",".join(map(str, plan.seeds)), "--chapters", name]
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(THREADS)), "PYTHONPATH": python_path()}
        if subprocess.run(command, env=environment, check=False).returncode != 0:
            raise RunError(f"{job.label} was not executed: {model.label} could not be trained")


def run_chapter(plan: Plan, name: str, again: bool = False) -> Path:
    """Execute one chapter of the plan and return its folder, telling on stderr which cell it is at."""
    job = plan.chapter(name)

    def report(text: str) -> None:
        emit("at", job.step_id, text)
        print(f"{job.label}: {text}", file=sys.stderr, flush=True)

    return execute_chapter(plan, name, again, report)


def forget_verdicts(plan: Plan) -> None:
    """Drop the scale's verdicts and the pages' stamps, which keys alone would keep after a run under the same key."""
    shutil.rmtree(workspace() / "ledger" / plan.scale.name, ignore_errors=True)
    for stamp in plan.pages_stamp.parent.glob(".pages-*.json"):
        stamp.unlink(missing_ok=True)


def ledger_rows(plan: Plan) -> list[dict[str, Any]]:
    """The verdicts of the plan's runs; a chapter without a finished run, or without measurements, counts as not run."""
    from psm.evidence.ledger import build_ledger
    from psm.evidence.registry import load_registry

    done = [job for job in plan.chapters if job.record.exists() and (job.folder / "measurements.csv").exists()]
    runs = {job.chapter.name: job.folder for job in done}
    return build_ledger(load_registry(plan.root / "claims.yml"), runs, plan.scale.name, plan.root)


def make_ledger(plan: Plan) -> Path:
    """Compute the verdicts of all finished runs and write them, whole, to the plan's ledger folder."""
    from psm.evidence.ledger import write_ledger

    making = plan.ledger_folder.with_name(f".making-{plan.ledger_key}-{os.getpid()}")
    try:
        write_ledger(making, ledger_rows(plan))
        replace_folder(making, plan.ledger_folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
        _drop_if_empty(plan.ledger_folder)
    return plan.ledger


def drifts(plan: Plan, chapters: Collection[str]) -> list[Drift]:
    """What drifted from the published edition, in the named chapters or (none named) in the whole book."""
    from psm.book.compare import compare_editions
    from psm.evidence.ledger import write_ledger

    published = plan.root / "evidence" / plan.scale.name
    if not (published / "ledger.json").is_file():
        raise UsageError(f"no {plan.scale.name} edition has been published in evidence/{plan.scale.name}")
    known = {job.chapter.name: job for job in plan.chapters}
    missing = [job.label for name, job in known.items() if not job.record.exists() and (name in chapters or not chapters)]
    if missing:
        raise UsageError(f"no current run at {plan.scale.name} scale of {', '.join(missing)}: run it first")
    runs = {name: job.folder for name, job in known.items() if (job.folder / "values.json").exists()}
    with tempfile.TemporaryDirectory(prefix="psm-compare-") as folder:
        write_ledger(folder, ledger_rows(plan))
        return compare_editions(Path(folder), published, chapters or None, runs)


def make_pages(plan: Plan) -> Path:
    """Build the pages and return their stamp; the old ones stay when that fails."""
    from psm.book.build import build_pages

    try:
        return build_pages(plan)
    finally:
        _drop_if_empty(plan.pages_stamp.parent)


def _drop_if_empty(folder: Path) -> None:
    """Take away a folder that the workflow engine made for a job whose output never came."""
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
