"""What an exercise is, how an answer to one is checked, and what a student gets to read."""

from __future__ import annotations

import html
import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from psm.errors import UsageError

_ID = re.compile(r"([a-z0-9_]+)\.(\d+)")


class Wrong(Exception):
    """An answer is not right; the message is the hint that the student reads."""


@dataclass(frozen=True)
class Exercise:
    """One exercise. `judge` takes the answer and raises Wrong, with a hint, unless it is right; `praise` says what it has shown."""

    title: str
    judge: Callable[[Any], None]
    praise: str


@dataclass(frozen=True)
class Feedback:
    """What became of an answer. True in an `if` when it is right."""

    right: bool
    message: str

    def __bool__(self) -> bool:
        return self.right

    def __str__(self) -> str:
        return f"{'Right' if self.right else 'Not yet'}. {self.message}"

    def _repr_html_(self) -> str:
        kind, sign = ("right", "✓") if self.right else ("open", "…")
        word = "Right" if self.right else "Not yet"
        message = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(self.message))
        return f'<p class="psm-feedback psm-feedback-{kind}"><strong><span aria-hidden="true">{sign}</span> {word}.</strong> {message}</p>'

    __repr__ = __str__


def exercises_of(chapter: str) -> dict[str, Exercise]:
    """The exercises of a chapter by their id, such as "p1.1". Raises UsageError when the chapter has none."""
    try:
        return importlib.import_module(f"psm.exercises.{chapter}").EXERCISES
    except ModuleNotFoundError as missing:
        if missing.name != f"psm.exercises.{chapter}":
            raise
        raise UsageError(f"chapter '{chapter}' has no exercises") from None


def check(exercise: str, answer: Any) -> Feedback:
    """Check an answer (a number, a word, a list or a function, as the exercise says) to the exercise with this id.

    Whatever goes wrong inside a student's function becomes a hint. Raises UsageError for an unknown exercise.
    """
    named = _ID.fullmatch(exercise) if isinstance(exercise, str) else None
    if not named:
        raise UsageError(f"unknown exercise {exercise!r}: write its chapter and number, such as 'p1.1'")
    known = exercises_of(named.group(1))
    if exercise not in known:
        raise UsageError(f"unknown exercise '{exercise}': this chapter has {', '.join(known)}")
    if answer is None or answer is Ellipsis:
        return Feedback(False, "No answer yet: put yours in the place of the dots.")
    try:
        known[exercise].judge(answer)
    except Wrong as hint:
        return Feedback(False, str(hint))
    except Exception as error:   # a student's function may fail in any way
        return Feedback(False, f"Your answer raised {type(error).__name__}: {' '.join(str(error).split())[:300]}")
    return Feedback(True, known[exercise].praise)
