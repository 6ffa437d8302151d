"""How answers to exercises are read and judged: words, numbers, and functions that are held against an exact reference."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from psm.exercises.core import Wrong
from psm.world.grammar import World
from psm.world.worlds import get_world

Cases = Sequence[tuple[str, tuple]]                      # what a case is called, and its arguments
Mistakes = Sequence[tuple[Callable[..., Any], str]]      # a function that a student may have written, and the hint to give then


@lru_cache(maxsize=4)
def world_called(name: str) -> World:
    """The world of this name, made once. Its arrays are shared: read them only."""
    return World(get_world(name))


def words(answer: Any, truth: Mapping[str, str], known: Sequence[str], hints: Mapping[str, str]) -> None:
    """Judge a list of words, one for each question of `truth` in its order. `hints` has one for each question."""
    given = [answer] if isinstance(answer, str) else answer
    if isinstance(given, Mapping) or not hasattr(given, "__len__"):
        raise Wrong(f"Give a list of {len(truth)} words, in the order of the questions.")
    if len(given) != len(truth):
        raise Wrong(f"There are {len(truth)} questions, and your answer has {len(given)} words: give one for each, in their order.")
    for (question, right), word in zip(truth.items(), given):
        if word is Ellipsis:
            raise Wrong(f"{question}: no word yet in the place of the dots.")
        if word not in known:
            raise Wrong(f"{question}: {word!r} is not one of the words {', '.join(known)}.")
        if word != right:
            raise Wrong(f"{question}: {hints[question]}")


def numbers(answer: Any, shape: tuple[int, ...]) -> np.ndarray:
    """An answer as an array of this shape; a hint where it is none."""
    wanted = "one number" if shape == () else f"numbers in the shape {' by '.join(map(str, shape))}"
    try:
        given = np.asarray(answer, float)
    except (TypeError, ValueError):
        raise Wrong(f"Give {wanted}: there is something else in your answer, or dots are left.") from None
    if given.shape != shape:
        raise Wrong(f"Give {wanted}, not in the shape {given.shape}.")
    if not np.isfinite(given).all():
        raise Wrong("Your answer holds a number that is infinite or not a number (NaN): look for a division by zero or a logarithm of zero.")
    return given


def held(answer: Any, reference: Callable[..., Any], cases: Cases, mistakes: Mistakes = (), tolerance: float = 1e-6) -> None:
    """Hold a student's function against an exact one on every case. A known mistake gets its own hint, any other the case that fails."""
    if not callable(answer):
        raise Wrong("Give the function itself: its name, without brackets behind it.")
    right = [np.asarray(reference(*arguments), float) for _, arguments in cases]
    found = []
    for (_, arguments), want in zip(cases, right):
        with np.errstate(all="ignore"):
            got = answer(*copy.deepcopy(arguments))
        if got is None or got is Ellipsis:
            raise Wrong("Your function returns nothing yet: it has to end with `return` and the result.")
        found.append(_compared(got, want))
    failed = [case for case, (got, want) in enumerate(zip(found, right)) if not _near(got, want, tolerance)]
    if not failed:
        return
    for mistake, hint in mistakes:
        if _explains([_quietly(mistake, arguments) for _, arguments in cases], found, failed, tolerance):
            raise Wrong(hint)
    label, got, want = cases[failed[0]][0], found[failed[0]], right[failed[0]]
    if not np.isfinite(got).all():
        raise Wrong(f"Where {label}, your function gives a number that is infinite or not a number (NaN): look for a logarithm of zero or a division by zero.")
    raise Wrong(f"Wrong where {label}: expected {_shown(want)}, and your function gives {_shown(got)}.")


def _explains(mistaken: Sequence[np.ndarray], found: Sequence[np.ndarray], failed: Sequence[int], tolerance: float) -> bool:
    """Whether a mistaken function gives what the student's gives, wherever both give numbers, a case that failed among these."""
    comparable = [case for case, pair in enumerate(zip(mistaken, found)) if all(np.isfinite(x).all() for x in pair)]
    return bool(set(comparable) & set(failed)) and all(_near(mistaken[case], found[case], tolerance) for case in comparable)


def _compared(got: Any, want: np.ndarray) -> np.ndarray:
    try:
        result = np.asarray(got, float)
    except (TypeError, ValueError):
        raise Wrong(f"Your function returns {type(got).__name__}, where it has to return numbers.") from None
    if result.shape != want.shape:
        wanted = "one number" if want.shape == () else f"{want.size} numbers, shape {want.shape}"
        raise Wrong(f"Your function has to return {wanted}; yours returns the shape {result.shape}.")
    return result


def _quietly(function: Callable[..., Any], arguments: tuple) -> np.ndarray:
    """What a mistaken function gives; NaN where even that fails."""
    try:
        with np.errstate(all="ignore"):
            return np.asarray(function(*copy.deepcopy(arguments)), float)
    except (ArithmeticError, ValueError, IndexError):
        return np.array(np.nan)


def _near(got: np.ndarray, want: np.ndarray, tolerance: float) -> bool:
    return got.shape == want.shape and bool(np.allclose(got, want, rtol=tolerance, atol=tolerance))


def _shown(value: np.ndarray) -> str:
    flat = [f"{x:.4g}" for x in value.ravel()[:4]]
    return flat[0] if value.shape == () else f"[{', '.join(flat)}{', …' if value.size > 4 else ''}]"
