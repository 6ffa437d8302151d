"""Words, numbers and functions given as answers: what is right passes in any spelling, and each kind of fault gets a hint that names it."""

from fractions import Fraction

import numpy as np
import pytest

from psm.exercises import check
from psm.exercises.core import Wrong
from psm.exercises.marking import judge_function, judge_words, read_number, read_numbers

TRUTH = {"first": "rises", "second": "falls"}
HINTS = {"first": "look at the first", ("second", "rises"): "look at the second"}
CASES = {"the list is short": (np.array([1.0, 2.0]),), "the list is long": (np.array([1.0, 2.0, 4.0, 8.0]),)}
SLIPS = [(np.sum, "You forgot to divide."), (np.max, "You took the largest.")]


@pytest.mark.parametrize("answer", [
    ["rises", "falls"], ("rises", "falls"), np.array(["rises", "falls"]), [" Rises", "FALLS "],
    {"first": "rises", "second": "falls"}, {"second": np.str_("Falls"), "first": "rises ", "third": "left over"},
])
def test_the_right_words_pass_in_any_sequence_and_spelling(answer):
    judge_words(answer, TRUTH, ("rises", "falls"), HINTS)


@pytest.mark.parametrize("answer, hint", [
    (["falls", "falls"], "“first” is not yet right. Look at the first"),
    ({"first": "rises", "second": "rises"}, "“second” is not yet right. Look at the second"),
    (["rises", "STAYS"], "“second” is not yet right. Work it out again"),
    (["rises"], "2 questions"),
    ("rises", "Give 2 words"),
    (["rises", ...], "No answer yet for “second”"),
    ({"first": "rises"}, "No answer yet for “second”"),
    (["rises", "grows"], "“grows” is no answer for “second”"),
    (["rises", None], "No answer yet"),
    ([["rises"], ["falls"]], "Give 2 words"),
    ({"rises", "falls"}, "Give 2 words"),
    ({"one": "rises"}, "Give 2 words"),
    (7, "Give 2 words"),
])
def test_a_wrong_word_is_named(answer, hint):
    with pytest.raises(Wrong, match=hint):
        judge_words(answer, TRUTH, hints=HINTS)


def test_numbers_come_in_the_shape_asked_for():
    assert read_numbers([[1, Fraction(1, 2)]], (1, 2)).tolist() == [[1, 0.5]]
    for answer, hint in (([1, 2], "2 numbers side by side"), ([[1, ...]], "dots"), ("many", "dots"), ([[1, np.nan]], "not a number"), ([[1, 2], [3]], "dots")):
        with pytest.raises(Wrong, match=hint):
            read_numbers(answer, (1, 2))


def test_one_number_of_any_kind_is_read_and_nothing_else():
    assert [read_number(x) for x in (0.5, Fraction(1, 2), np.float32(0.5), np.array(0.5))] == [0.5] * 4 and read_number(2) == 2.0
    for answer in (True, np.bool_(True), np.array(True), "0.5", np.str_("0.5"), b"1", [0.5], np.array([0.5]), np.nan, np.inf, 1j, [1, [2, 3]], {}, ...):
        with pytest.raises(Wrong, match="a single number"):
            read_number(answer)


def test_a_right_function_passes_however_it_returns_its_result():
    judge_function(lambda x: float(x.mean()), np.mean, CASES)
    judge_function(lambda x: Fraction(x.mean()), np.mean, CASES)
    judge_function(lambda x: np.array(x.mean()), np.mean, list(CASES.values()))
    judge_function(lambda x: list(2 * x), lambda x: 2 * x, CASES)
    for word in ("Long ", np.str_("long")):
        judge_function(lambda x, word=word: word if len(x) > 2 else "short", lambda x: "long" if len(x) > 2 else "short", CASES)
    for kind in (bool, int, float, np.bool_, np.array):
        judge_function(lambda x, kind=kind: kind(len(x) > 2), lambda x: len(x) > 2, CASES)


def spoils(x):
    x[:] = 0
    return 0.0


@pytest.mark.parametrize("function, hint", [
    (np.sum, "^You forgot to divide"),
    (np.median, "Where the list is long, it returns 3, and it should return 3.75"),
    (lambda x: None, "nothing yet"),
    (lambda x: ..., "nothing yet"),
    (lambda x: x.mean() if len(x) < 3 else None, "^Where the list is long, it returns nothing: some way"),
    (lambda x: x, "should return one number, and returns"),
    (lambda x: (1.0, (2.0, 3.0)), "should return one number"),
    (lambda x: "a", "should return one number, and returns 'a'"),
    (lambda x: x.mean() if len(x) < 3 else np.nan, "the list is long.*not a number"),
    (lambda x: x.sum() if len(x) < 3 else np.nan, "^You forgot to divide"),    # told by the case that gives a number
    (spoils, "Where the list is short, it returns 0, and it should return 1.5"),
    (3.75, "the function itself"),
])
def test_a_wrong_function_is_told_what_is_wrong(function, hint):
    with pytest.raises(Wrong, match=hint):
        judge_function(function, np.mean, CASES, SLIPS)
    assert CASES["the list is short"][0].tolist() == [1.0, 2.0], "a student's function must not spoil the cases"


def test_a_mistake_that_fits_one_case_alone_is_not_blamed():
    with pytest.raises(Wrong, match="^Where the list is long"):
        judge_function(lambda x: x.mean() if len(x) < 3 else x.sum(), np.mean, CASES, SLIPS)
    with pytest.raises(Wrong, match="^Where the list is short"):
        judge_function(lambda x: x.sum() if len(x) < 3 else 0.0, np.mean, CASES, SLIPS)


def test_a_slip_that_cannot_be_computed_is_passed_over():
    with pytest.raises(Wrong, match="^Where the list is short"):
        judge_function(lambda x: 0.0, np.mean, CASES, {"Divided by nothing.": lambda x: 1 / 0})


@pytest.mark.parametrize("result", [(1.0, (2.0, 3.0)), (1.0, 2.0), 1.0, (..., ..., ...)])
def test_three_numbers_side_by_side_are_asked_for_by_that_name(result):
    with pytest.raises(Wrong, match="^It should return 3 numbers side by side, and returns"):
        judge_function(lambda x: result, lambda x: (1.0, 2.0, 3.0), CASES)


def test_words_and_truths_are_no_numbers_and_a_reason_is_added():
    for function in (lambda x: 1.0, lambda x: "medium", lambda x: True):
        with pytest.raises(Wrong, match="should return 'long'. Too bad: the list is long"):
            judge_function(function, lambda x: "long", CASES, why=lambda given, right, x: f"Too bad: the list is {right}")
    for function in (lambda x: 0, lambda x: 0.7, lambda x: "True", lambda x: [True], lambda x: x):
        with pytest.raises(Wrong, match="should return True"):
            judge_function(function, lambda x: True, CASES)
    with pytest.raises(Wrong, match=r"^For the arguments \(2, 'a'\) it returns 0"):
        judge_function(lambda n, s: 0, lambda n, s: n, [(2, "a")])


def skill_of(foretold, actual, average):
    return 1 - np.sum((foretold - actual) ** 2) / np.sum((average - actual) ** 2)


def interpolated_slope(steps, shifts, ns, exact):
    order = np.argsort(exact)
    return np.polyfit(np.log(steps), np.log(np.interp(shifts, exact[order], ns[order])), 1)[0]


def shouted(low, high, smallest, n):
    word = "supported" if low > smallest else "contradicted" if high < 0 else "absent" if -smallest < low and high < smallest and n > 4 else "inconclusive"
    return np.str_(word.capitalize() + " ")


BAYES, PAGES = ["Rises", "stays", "stays", "stays"], ["rises", "rises", "stays", "stays"]


@pytest.mark.parametrize("exercise, answer", [
    ("p2.1", [BAYES, PAGES]), ("p2.1", np.array([BAYES, PAGES])), ("p2.1", BAYES + PAGES),
    ("p5.1", "b, c"), ("p5.1", ["b ", "C"]), ("p5.1", np.array(["B", "C"])), ("p5.1", {"b", "c"}),
    ("worked_example.1", "Same"), ("worked_example.1", np.str_(" The same ")),
    ("worked_example.2", lambda belief, yes, no: Fraction(belief * yes) / Fraction(belief * yes + (1 - belief) * no)),
    ("worked_example.3", shouted),
    ("world.3", lambda world, speaker, subject: np.bool_(world == "matched_pairwise" or (speaker and (subject or world == "main")))),
    ("world.3", lambda world, speaker, subject: int(world == "matched_pairwise" or (speaker and (subject or world == "main")))),
    ("p4.2", lambda prior, episode, n, answer: max(0, int(np.floor(-(prior + n * episode) / answer)) + 1)),
    ("p5.2", skill_of),
    ("e5.2", interpolated_slope),
])
def test_a_right_answer_passes_in_other_spellings(exercise, answer):
    found = check(exercise, answer)
    assert found, found.message


def hint_to(exercise, answer):
    found = check(exercise, answer)
    assert not found
    return found.message


def test_what_a_wrong_answer_shows_is_named():
    kl = lambda p, q: p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))   # noqa: E731
    assert "turned round" in hint_to("p3.2", lambda o, p, n, t: n[kl(p[:, t], o[t]).mean(1).argmin()])
    assert "squared" in hint_to("p3.2", lambda o, p, n, t: n[((p[:, t] - o[t]) ** 2).mean(1).argmin()])
    assert "one trained subject only" in hint_to("p3.2", lambda o, p, n, t: n[kl(o[t[0]], p[:, t[0]]).argmin()])
    assert "all subjects" in hint_to("p3.2", lambda o, p, n, t: n[kl(o, p).mean(1).argmin()])
    assert "average that is given" in hint_to("p5.2", lambda f, a, m: 1 - ((f - a) ** 2).sum() / ((a - a.mean(0)) ** 2).sum())
    assert "Fewer than no answers" in hint_to("p4.2", lambda p, e, n, a: int(np.floor(-(p + n * e) / a)) + 1)
    assert "first point and the last" in hint_to(
        "e5.2", lambda t, s, n, e: np.log(n[np.abs(e - s[-1]).argmin()] / n[np.abs(e - s[0]).argmin()]) / np.log(t[-1] / t[0]))
    assert "it multiplies the odds" in hint_to("worked_example.2", lambda belief, yes, no: yes / (yes + no))
    assert "one of the words supported" in hint_to("worked_example.3", lambda *given: "perhaps")
    assert "without `return`" in hint_to("worked_example.3", lambda low, high, smallest, n: "supported" if low > smallest else None)
