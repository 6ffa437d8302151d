"""What judges of exercises share: reading words and numbers, holding a student's function against the right one on several
cases, and naming the slip that a wrong answer shows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from psm.exercises.core import Wrong
from psm.world.grammar import World
from psm.world.worlds import get_world

DIRECTIONS = ("rises", "falls", "stays")
NOTICEABLE = 0.05   # a change in log-odds, or in whatever is compared, that counts as one
SHOWN = 160         # characters of a case that a hint quotes


@lru_cache(maxsize=4)
def the_world(name: str) -> World:
    """A world ready to reason about, kept between checks."""
    return World(get_world(name))


def direction(before: float, after: float, noticeable: float = NOTICEABLE) -> str:
    """Whether something rises, falls or stays."""
    if abs(after - before) <= noticeable:
        return "stays"
    return "rises" if after > before else "falls"


def judge_words(
    answer: Any, truth: Mapping[str, str], allowed: Sequence[str] = DIRECTIONS, hints: Mapping[tuple[str, str], str] | None = None
) -> None:
    """Hold a dict of words against the right ones. `hints` says, for (key, wrong word), what to look at."""
    if not isinstance(answer, Mapping):
        raise Wrong(f"The answer is a dict with a word for each of: {', '.join(truth)}.")
    for key in truth:
        if answer.get(key) in (None, Ellipsis):
            raise Wrong(f"No answer yet for “{key}”.")
    for key, right in truth.items():
        said = str(answer[key]).strip().lower()
        if said not in allowed:
            raise Wrong(f"“{answer[key]}” is no answer for “{key}”: write one of {', '.join(allowed)}.")
        if said != right:
            raise Wrong(f"“{key}” is not yet right. {(hints or {}).get((key, said), 'Ask what these answers say about who gives them.')}")


def read_number(answer: Any) -> float:
    """A finite number, or a hint that one is wanted."""
    if isinstance(answer, bool) or not isinstance(answer, (int, float, np.number)) or not np.isfinite(answer):
        raise Wrong("The answer is a single number, such as 0.5.")
    return float(answer)


def judge_function(
    answer: Any, truth: Callable, cases: Sequence[tuple], slips: Mapping[str, Callable] | None = None, tolerance: float = 1e-6
) -> None:
    """Hold a function against the right one on every case. A wrong one that agrees with a slip on all cases gets its hint."""
    if not callable(answer):
        raise Wrong("The answer is the function itself, without brackets and arguments behind its name.")
    given = [answer(*copy.deepcopy(case)) for case in cases]
    if any(value is None or value is Ellipsis for value in given):
        raise Wrong("Your function returns nothing yet: put its body in the place of the dots, and let it return the result.")
    right = [truth(*case) for case in cases]
    missed = [k for k, (mine, theirs) in enumerate(zip(given, right)) if not _same(mine, theirs, tolerance)]
    if not missed:
        return
    for hint, slip in (slips or {}).items():
        if all(_same(mine, slip(*case), tolerance) for mine, case in zip(given, cases)):
            raise Wrong(hint)
    first = missed[0]
    mine, theirs, arguments = given[first], right[first], _brief(cases[first])
    if isinstance(theirs, tuple) and np.shape(mine) != np.shape(theirs):
        raise Wrong(f"It should return {len(theirs)} numbers, as its first line says, and returns {_brief((mine,))}.")
    where = "On one of the check's cases" if arguments.endswith("…") else f"For the arguments ({arguments})"
    raise Wrong(f"{where} it returns {_brief((mine,))}, and it should return {_brief((theirs,))}.")


def _same(one: Any, other: Any, tolerance: float) -> bool:
    if isinstance(other, (str, bool, np.bool_)) or isinstance(one, str):
        return type(one) in (type(other), np.bool_) and bool(one == other)
    try:
        one, other = np.asarray(one, float), np.asarray(other, float)
    except (TypeError, ValueError):
        return False
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True))


def _brief(values: Sequence[Any]) -> str:
    """Values as a student would type them, rounded and cut to a line."""
    def plain(value: Any) -> str:
        if isinstance(value, (tuple, list)):
            inner = ", ".join(plain(v) for v in value)
            return f"[{inner}]" if isinstance(value, list) else f"({inner})"
        if isinstance(value, np.ndarray):
            return " ".join(np.array2string(value, precision=3, separator=", ").split())
        if isinstance(value, (float, np.floating)):
            return f"{value:.4g}"
        return repr(value)

    text = ", ".join(map(plain, values))
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
