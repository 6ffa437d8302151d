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

Cases = Mapping[str, tuple] | Sequence[tuple]   # the arguments of each case, under what the case is called or without a name
Slips = Mapping[str, Callable[..., Any]] | Sequence[tuple[Callable[..., Any], str]]   # wrong functions, each with the hint to give

DIRECTIONS = ("rises", "falls", "stays")
NOTICEABLE = 0.05   # a change in log-odds, or in whatever is compared, that counts as one
SHOWN = 160         # characters of a case that a hint quotes
LOOK_AGAIN = "Work it out again from what the text says about each."


@lru_cache(maxsize=4)
def the_world(name: str) -> World:
    """A world ready to reason about, kept between checks. Its arrays are shared: read them only."""
    return World(get_world(name))


def direction(before: float, after: float, noticeable: float = NOTICEABLE) -> str:
    """Whether something rises, falls or stays."""
    if abs(after - before) <= noticeable:
        return "stays"
    return "rises" if after > before else "falls"


def read_word(word: Any) -> str:
    """A word as it is compared: without spaces around it, and in small letters."""
    return str(word).strip().lower()


def judge_words(
    answer: Any, truth: Mapping[str, str], allowed: Sequence[str] = DIRECTIONS, hints: Mapping[Any, str] | None = None
) -> None:
    """Hold words against the right ones: a dict with a word for each question of `truth`, or a list in their order.

    `hints` says what to look at, for (question, wrong word) or for a question whatever the word.
    """
    given = _words_by_question(answer, truth)
    for question in truth:
        if given.get(question) is None or given[question] is Ellipsis:
            raise Wrong(f"No answer yet for “{question}”.")
    for question, right in truth.items():
        said = read_word(given[question])
        if said not in map(read_word, allowed):
            raise Wrong(f"“{given[question]}” is no answer for “{question}”: write one of {', '.join(allowed)}.")
        if said != read_word(right):
            hint = (hints or {}).get((question, said)) or (hints or {}).get(question) or LOOK_AGAIN
            raise Wrong(f"“{question}” is not yet right. {hint[0].upper()}{hint[1:]}")


def _words_by_question(answer: Any, truth: Mapping[str, str]) -> Mapping[str, Any]:
    if isinstance(answer, Mapping) and set(answer) & set(truth):
        return answer
    listed = [answer] if isinstance(answer, str) and len(truth) == 1 else answer
    if not isinstance(listed, (list, tuple, np.ndarray)) or np.ndim(np.asarray(listed, object)) != 1:
        raise Wrong(f"Give {len(truth)} words, as a list in the order of the questions or a dict with a word for each of: {', '.join(truth)}.")
    if len(listed) != len(truth):
        raise Wrong(f"There are {len(truth)} questions, and your answer has {len(listed)} words: give one for each, in the order of the questions.")
    return dict(zip(truth, listed))


def read_number(answer: Any) -> float:
    """A finite number of whatever kind, or a hint that one is wanted."""
    try:
        alone = np.asarray(answer)
        number = float(answer) if alone.shape == () and alone.dtype.kind not in "bUSmM" else np.nan
    except (TypeError, ValueError, OverflowError):
        number = np.nan
    if not np.isfinite(number):
        raise Wrong("The answer is a single number, such as 0.5.")
    return number


def read_numbers(answer: Any, shape: tuple[int, ...]) -> np.ndarray:
    """An answer as an array of this shape, or a hint where it is none."""
    wanted = f"numbers in the shape {' by '.join(map(str, shape))}"
    try:
        given = np.asarray(answer, float)
    except (TypeError, ValueError):
        raise Wrong(f"Give {wanted}: there is something else in your answer, or dots are left.") from None
    if given.shape != shape:
        raise Wrong(f"Give {wanted}; your answer is {_sized(given.shape)}.")
    if not np.isfinite(given).all():
        raise Wrong("Your answer holds a number that is infinite or not a number (NaN): look for a division by zero or a logarithm of zero.")
    return given


def judge_function(
    answer: Any, truth: Callable[..., Any], cases: Cases, slips: Slips | None = None, tolerance: float = 1e-6,
    why: Callable[..., str] | None = None,
) -> None:
    """Hold a function against the right one on every case. A wrong one that does what a slip does gets the slip's hint; any other
    gets the case that fails, and what `why(given, right, *arguments)` says of it.
    """
    if not callable(answer):
        raise Wrong("The answer is the function itself: its name, without brackets and arguments behind it.")
    names, arguments = (list(cases), list(cases.values())) if isinstance(cases, Mapping) else ([None] * len(cases), list(cases))
    with np.errstate(all="ignore"):
        given = [answer(*copy.deepcopy(case)) for case in arguments]
        right = [truth(*copy.deepcopy(case)) for case in arguments]
    silent = [k for k, value in enumerate(given) if value is None or value is Ellipsis]
    if len(silent) == len(given):
        raise Wrong("Your function returns nothing yet: put its body in the place of the dots, and let it return the result.")
    if silent:
        raise Wrong(f"{_where(names[silent[0]], arguments[silent[0]])} it returns nothing: some way through your function ends without `return`.")
    missed = [k for k, (mine, theirs) in enumerate(zip(given, right)) if not _same(mine, theirs, tolerance)]
    if not missed:
        return
    for hint, slip in _pairs(slips):
        if _explains([_quietly(slip, case) for case in arguments], given, missed, tolerance):
            raise Wrong(hint)
    first = missed[0]
    _raise_for(given[first], right[first], _where(names[first], arguments[first]),
               why(given[first], right[first], *arguments[first]) if why else "")


def _pairs(slips: Slips | None) -> list[tuple[str, Callable[..., Any]]]:
    return list(slips.items()) if isinstance(slips, Mapping) else [(hint, slip) for slip, hint in slips or ()]


def _where(name: str | None, arguments: tuple) -> str:
    if name is not None:
        return f"Where {name},"
    text = _brief(arguments)
    return "On one of the check's cases" if text.endswith("…") else f"For the arguments ({text})"


def _raise_for(mine: Any, theirs: Any, where: str, reason: str) -> None:
    """Say what is wrong with one result."""
    if not isinstance(theirs, (str, bool, np.bool_)):
        wanted, found = np.shape(theirs), _shape(mine)
        if found is None or found != wanted:
            raise Wrong(f"It should return {_sized(wanted)}, and returns {_brief((mine,))}.")
        if not _whole(mine) and _whole(theirs):
            raise Wrong(f"{where} it gives a number that is infinite or not a number (NaN): look for a logarithm of zero or a division by zero.")
    raise Wrong(f"{where} it returns {_brief((mine,))}, and it should return {_brief((theirs,))}.{f' {reason}' if reason else ''}")


def _sized(shape: tuple[int, ...]) -> str:
    if shape == ():
        return "one number"
    return f"{shape[0]} numbers side by side" if len(shape) == 1 else f"numbers in the shape {' by '.join(map(str, shape))}"


def _numbers(value: Any) -> np.ndarray | None:
    """A result as numbers; None where it is a word, ragged or something else."""
    if isinstance(value, (str, bytes)):
        return None
    try:
        return np.asarray(value, float)
    except (TypeError, ValueError):
        return None


def _shape(value: Any) -> tuple[int, ...] | None:
    numbers = _numbers(value)
    return None if numbers is None else numbers.shape


def _whole(value: Any) -> bool:
    """Whether a result is a word or finite numbers, so that it can be compared."""
    numbers = _numbers(value)
    return isinstance(value, str) if numbers is None else bool(np.isfinite(numbers).all())


def _explains(slipped: Sequence[Any], given: Sequence[Any], missed: Sequence[int], tolerance: float) -> bool:
    """Whether a slip gives what the student's function gives wherever both give something, a case that failed among these."""
    comparable = [k for k, pair in enumerate(zip(slipped, given)) if all(map(_whole, pair))]
    return bool(set(comparable) & set(missed)) and all(_same(given[k], slipped[k], tolerance) for k in comparable)


def _quietly(function: Callable[..., Any], arguments: tuple) -> Any:
    """What a slip gives; NaN where even that fails."""
    try:
        with np.errstate(all="ignore"):
            return function(*copy.deepcopy(arguments))
    except (ArithmeticError, ValueError, IndexError, TypeError):
        return np.nan


def _same(mine: Any, theirs: Any, tolerance: float) -> bool:
    """Whether two results are one: words in any spelling of case and spaces, truths also as 0 and 1, numbers within the tolerance."""
    if isinstance(theirs, str):
        return isinstance(mine, str) and read_word(mine) == read_word(theirs)
    one, other = _numbers(mine), _numbers(theirs)
    if one is None or other is None or one.shape != other.shape:
        return False
    if isinstance(theirs, (bool, np.bool_)):
        return float(one) == float(other)
    return bool(np.allclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True))


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
        return repr(value.item() if isinstance(value, np.generic) else value)

    text = ", ".join(map(plain, values))
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
