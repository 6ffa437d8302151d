"""Every exercise accepts its chapter's own solution and rejects the plausible wrong answers of `wrong_answers/`."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path

import jupytext
import pytest

from psm.book.chapters import discover
from psm.errors import UsageError
from psm.exercises import Exercise, Wrong, check, core, exercises_of

BOOK = Path(__file__).resolve().parents[2]
CHAPTERS = {chapter.name: chapter for chapter in discover(BOOK)}
WRONG = {name: runpy.run_path(str(path))["WRONG"] for name in CHAPTERS
         if (path := Path(__file__).parent / "wrong_answers" / f"{name}.py").is_file()}
EVERY = [(name, exercise) for name in CHAPTERS for exercise in exercises_of(name)]


def cells(chapter: str, tag: str) -> list[str]:
    """Sources of a chapter's code cells with a tag."""
    notebook = jupytext.reads(CHAPTERS[chapter].path.read_text(), fmt="md:myst")
    return [cell.source for cell in notebook.cells if cell.cell_type == "code" and tag in cell.metadata.get("tags", [])]


def asked(source: str) -> str:
    """Id of the exercise that a cell's last line checks."""
    last = ast.parse(source).body[-1].value
    assert isinstance(last, ast.Call) and last.func.id == "check", f"the cell must end with check(...):\n{source}"
    return last.args[0].value


def feedback(source: str, namespace: dict):
    """Run a cell as a notebook does and return the value of its last expression."""
    *body, last = ast.parse(source).body
    exec(compile(ast.Module(body, []), "cell", "exec"), namespace)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_sets_two_exercises_or_more_and_solves_each(chapter):
    expected = [f"{chapter}.{number}" for number in range(1, len(exercises_of(chapter)) + 1)]
    assert len(expected) >= 2 and list(exercises_of(chapter)) == expected
    for tag in ("exercise", "solution"):
        assert [asked(source) for source in cells(chapter, tag)] == expected, f"cells tagged {tag}"


@pytest.mark.parametrize("chapter, exercise", EVERY)
def test_the_blank_is_no_answer_and_the_solution_is_right(chapter, exercise):
    number = int(exercise.rsplit(".", 1)[1]) - 1
    namespace: dict = {}
    blank = feedback(cells(chapter, "exercise")[number], namespace)
    assert not blank, "the blank is accepted"
    solved = feedback(cells(chapter, "solution")[number], namespace)
    assert solved, solved.message


@pytest.mark.parametrize("chapter, exercise", EVERY)
def test_two_plausible_wrong_answers_get_a_hint(chapter, exercise):
    answers = WRONG[chapter][exercise]
    assert len(answers) >= 2
    for answer in answers:
        found = check(exercise, answer)
        assert not found and len(found.message) > 20 and "raised" not in found.message, f"{answer!r}: {found}"


def test_an_answer_that_raises_becomes_a_hint(monkeypatch):
    def judge(answer):
        if answer() != 1:
            raise Wrong("It must be one.")

    monkeypatch.setattr(core, "exercises_of", lambda chapter: {"toy.1": Exercise("One", judge, "It is one.")})
    assert check("toy.1", lambda: 1) and check("toy.1", lambda: 1).message == "It is one."
    assert str(check("toy.1", lambda: 2)) == "Not yet. It must be one."
    failed = check("toy.1", lambda: 1 / 0)
    assert not failed and "ZeroDivisionError" in failed.message
    assert "&lt;b&gt;" in core.Feedback(False, "<b>")._repr_html_() and "<code>return</code>" in core.Feedback(False, "end with `return`")._repr_html_()


@pytest.mark.parametrize("name, words", [("p1.99", "this chapter has p1.1"), ("nothing.1", "has no exercises"), ("p1", "chapter and number"), (3, "chapter and number")])
def test_an_unknown_exercise_is_named(name, words):
    with pytest.raises(UsageError, match=words):
        check(name, 1)
