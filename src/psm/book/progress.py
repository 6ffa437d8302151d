"""Events of a run and the line made from them: what runs, how many of how many are done, elapsed, what is left."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from psm.book.plan import Step
from psm.errors import UsageError
from psm.files import read_json, workspace, write_json

MESSAGE_LIMIT = 600


def events_path() -> Path:
    """File that jobs append their events to, one JSON object a line."""
    return workspace() / "events.jsonl"


def durations_path() -> Path:
    """File that remembers how long each kind of step took, in seconds."""
    return workspace() / "durations.json"


def emit(event: str, step_id: str, text: str = "") -> None:
    """Append one event (start, at, finish or fail) in a single write, so that lines of two jobs never mix."""
    path = events_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"time": time.time(), "event": event, "id": step_id, "text": text[:MESSAGE_LIMIT], "pid": os.getpid()})
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, (line + "\n").encode())
    finally:
        os.close(handle)


@contextmanager
def reported(step_id: str) -> Iterator[None]:
    """Announce a job's start and its finish, or its failure with the error's message."""
    emit("start", step_id)
    try:
        yield
    except KeyboardInterrupt:
        emit("fail", step_id, "stopped from outside")
        raise
    except BaseException as error:
        emit("fail", step_id, " ".join(str(error).split()) or type(error).__name__)
        raise
    emit("finish", step_id)


class Follower:
    """Follows the events of the steps of one run and tells a person about them."""

    def __init__(self, steps: list[Step], cores: int, stream: TextIO) -> None:
        self.steps = {step.id: step for step in steps}
        self.cores = cores
        self.stream = stream
        self.running: dict[str, float] = {}     # id -> time of its start
        self.at: dict[str, str] = {}            # id -> where it is
        self.finished: dict[str, float] = {}    # id -> seconds it took
        self.failed: dict[str, str] = {}        # id -> what happened
        self._history = _read_durations()
        self._began = time.time()
        self._offset = events_path().stat().st_size if events_path().exists() else 0
        self._in_place = stream.isatty()

    def update(self) -> None:
        """Read what was appended since the last call and print it."""
        for event in self._new_events():
            self._take(event)
        if self._in_place and self.running:
            self._print_in_place(self.status())

    def close(self) -> None:
        """Take the last events, end the line that is updated in place and remember how long the steps took."""
        self.update()
        if self._in_place:
            self._print_in_place("")
        took = {self.steps[step].history: seconds for step, seconds in self.finished.items()}
        if took:
            write_json(durations_path(), {**self._history, **{name: round(s, 1) for name, s in took.items()}})

    def status(self) -> str:
        """One line: done of how many, elapsed, estimate, what runs now."""
        now = ", ".join(self._where(step) for step in self.running) or "nothing"
        return f"{self._counter()} done, {self.left()}; now: {now}"

    def left(self) -> str:
        """How much time is left, as well as can be known."""
        seconds = self.seconds_left()
        return "time left not known yet" if seconds is None else f"about {spoken(seconds)} left"

    def seconds_left(self) -> float | None:
        """Estimate from what such steps took before; without that, from the share of steps that is done."""
        waiting = [step for step in self.steps.values() if step.id not in self.finished and step.id not in self.failed]
        known = [self._history.get(step.history) for step in waiting]
        elapsed = time.time() - self._began
        if any(seconds is None for seconds in known):
            return elapsed * len(waiting) / len(self.finished) if self.finished else None
        rest = [max(s - self._since_start(step), 0.0) for s, step in zip(known, waiting)]
        spread = [s for s, step in zip(rest, waiting) if step.kind in ("model", "chapter")]
        in_order = sum(rest) - sum(spread)
        return max(sum(spread) / self.cores, max(spread, default=0.0)) + in_order

    def _since_start(self, step: Step) -> float:
        return time.time() - self.running[step.id] if step.id in self.running else 0.0

    def _new_events(self) -> list[dict[str, Any]]:
        if not events_path().exists():
            return []
        with open(events_path(), "rb") as stream:
            stream.seek(self._offset)
            data = stream.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [event for line in whole.splitlines() if (event := _event(line)) is not None and event["id"] in self.steps]

    def _take(self, event: dict[str, Any]) -> None:
        step = self.steps[event["id"]]
        if step.id in self.finished:
            return   # another process had been making it already, and told so
        if event["event"] == "start":
            self.running[step.id] = event["time"]
            self._say(f"{step.label} started", quiet=self._in_place)
        elif event["event"] == "at":
            self.at[step.id] = event["text"]
        elif event["event"] == "finish":
            took = event["time"] - self.running.pop(step.id, event["time"])
            self.finished[step.id] = took
            more = f"; {self.left()}" if len(self.finished) + len(self.failed) < len(self.steps) else ""
            self._say(f"{step.label} finished in {spoken(took)}{more}")
        elif event["event"] == "fail":
            self.running.pop(step.id, None)
            self.failed[step.id] = event["text"]
            self._say(f"{step.label} FAILED: {event['text'].removeprefix(f'{step.label} failed ')}")

    def _say(self, text: str, quiet: bool = False) -> None:
        if quiet:
            return
        if self._in_place:
            self._print_in_place("")
        print(f"[{clock(time.time() - self._began)}] {self._counter()} {text}", file=self.stream, flush=True)

    def _counter(self) -> str:
        return f"{len(self.finished)}/{len(self.steps)}"

    def _where(self, step_id: str) -> str:
        label = self.steps[step_id].label
        return f"{label} ({self.at[step_id]})" if step_id in self.at else label

    def _print_in_place(self, text: str) -> None:
        if text:
            text = f"[{clock(time.time() - self._began)}] {text}"[: shutil.get_terminal_size().columns - 1]
        self.stream.write(f"\r\x1b[K{text}")
        self.stream.flush()


def _read_durations() -> dict[str, float]:
    """What steps took before; a file that cannot be read is no reason to stop, since only the estimate needs it."""
    try:
        found = read_json(durations_path())
    except UsageError:
        return {}
    return {k: float(v) for k, v in found.items() if _is_time(v)} if isinstance(found, dict) else {}


def _event(line: bytes) -> dict[str, Any] | None:
    """One line of the events, or None for one that was torn when its writer was killed."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    texts = isinstance(event, dict) and all(isinstance(event.get(name), str) for name in ("event", "id", "text"))
    return event if texts and _is_time(event.get("time")) else None


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def clock(seconds: float) -> str:
    """Elapsed time as h:mm:ss or m:ss."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def spoken(seconds: float) -> str:
    """A duration in words, no finer than is useful."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
