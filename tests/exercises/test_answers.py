"""Words, numbers and functions given as answers: what is right passes, and each kind of fault gets a hint that names it."""

import numpy as np
import pytest

from psm.exercises.answers import held, numbers, words
from psm.exercises.core import Wrong

TRUTH = {"first": "rises", "second": "falls"}
HINTS = {"first": "look at the first", "second": "look at the second"}
CASES = (("the list is short", (np.array([1.0, 2.0]),)), ("the list is long", (np.array([1.0, 2.0, 4.0, 8.0]),)))


@pytest.mark.parametrize("answer", [["rises", "falls"], ("rises", "falls"), np.array(["rises", "falls"])])
def test_the_right_words_pass_in_any_sequence(answer):
    words(answer, TRUTH, ("rises", "falls"), HINTS)


@pytest.mark.parametrize("answer, hint", [
    (["falls", "falls"], "first: look at the first"),
    (["rises", "rises"], "second: look at the second"),
    (["rises"], "2 questions"),
    ("rises", "2 questions"),
    (["rises", ...], "second: no word yet"),
    (["rises", "grows"], "not one of the words"),
    (7, "a list of 2 words"),
    ({"first": "rises", "second": "falls"}, "a list of 2 words"),
])
def test_a_wrong_word_is_named(answer, hint):
    with pytest.raises(Wrong, match=hint):
        words(answer, TRUTH, ("rises", "falls"), HINTS)


def test_numbers_come_in_the_shape_asked_for():
    assert numbers([[1, 2]], (1, 2)).tolist() == [[1, 2]] and numbers(3, ()) == 3
    for answer, hint in (([1, 2], "1 by 2"), ([[1, ...]], "dots"), ("many", "dots"), ([[1, np.nan]], "not a number"), ([[1, 2], [3]], "dots")):
        with pytest.raises(Wrong, match=hint):
            numbers(answer, (1, 2))


def test_a_right_function_passes_however_it_returns_its_numbers():
    held(lambda x: float(x.mean()), np.mean, CASES)
    held(lambda x: list(2 * x), lambda x: 2 * x, CASES)


def spoils(x):
    x[:] = 0
    return 0.0


@pytest.mark.parametrize("function, hint", [
    (np.sum, "^You forgot to divide"),
    (np.median, "Wrong where the list is long: expected 3.75, and your function gives 3"),
    (lambda x: None, "nothing yet"),
    (lambda x: x, "one number"),
    (lambda x: "a", "returns str"),
    (lambda x: x.mean() if len(x) < 3 else np.nan, "the list is long.*not a number"),
    (lambda x: x.sum() if len(x) < 3 else np.nan, "^You forgot to divide"),    # told by the case that gives a number
    (spoils, "Wrong where the list is short: expected 1.5"),
    (3.75, "the function itself"),
])
def test_a_wrong_function_is_told_what_is_wrong(function, hint):
    with pytest.raises(Wrong, match=hint):
        held(function, np.mean, CASES, [(np.sum, "You forgot to divide."), (np.max, "You took the largest.")])
    assert CASES[0][1][0].tolist() == [1.0, 2.0], "a student's function must not spoil the cases"


def test_a_mistake_that_fits_one_case_alone_is_not_blamed():
    with pytest.raises(Wrong, match="^Wrong where"):
        held(lambda x: x.sum() if len(x) < 3 else 0.0, np.mean, CASES, [(np.sum, "You forgot to divide.")])
