"""Chapters declare themselves in their front matter; what is wrong there is said with file and field."""

import pytest

from psm.book.chapters import discover, get_chapter
from psm.errors import UsageError


def test_chapters_are_found_in_reading_order_and_plain_pages_are_not_chapters(project):
    project.chapter("beta", "1 + 1", front="claims: [T1]\nworlds: [main]\ntimeout_s: 7")
    project.chapter("alpha", "1 + 1")
    beta, alpha = discover()
    assert (beta.name, alpha.name) == ("beta", "alpha")
    assert (beta.title, beta.claims, beta.worlds, beta.timeout_s) == ("Chapter beta", ("T1",), ("main",), 7)
    assert beta.parameters == {"scale": "smoke", "seeds": [0], "k": 3}
    assert (alpha.claims, alpha.worlds, alpha.timeout_s, alpha.problem) == ((), (), None, "")


def test_parts_and_sections_of_the_contents_are_followed(project):
    project.chapter("one", "1")
    project.chapter("two", "1")
    project.chapter("three", "1")
    project.write("_toc.yml", "format: jb-book\nroot: index\nparts:\n- caption: P\n  chapters:\n  - file: chapters/three\n"
                              "    sections:\n    - file: chapters/one\n- caption: Q\n  chapters:\n  - file: chapters/two.md\n")
    assert [chapter.name for chapter in discover()] == ["three", "one", "two"]


@pytest.mark.parametrize(("front", "said"), [
    ("claim: [T1]", "psm.claim' is unknown"),
    ("worlds: [mian]", "psm.worlds' names the unknown world 'mian'"),
    ("worlds: main", "psm.worlds' is 'main', not a list"),
    ("worlds: [main, main]", "names one thing twice"),
    ("claims: [1]", "psm.claims' is [1], not a list of names"),
    ("timeout_s: 0", "psm.timeout_s' is 0"),
    ("timeout_s: true", "psm.timeout_s' is True"),
    ("timeout_s: soon", "psm.timeout_s' is 'soon'"),
    ("real_models: [gpt]", "psm.real_models' names the unknown model 'gpt'"),
    ("claims: [T1", "not valid YAML"),
])
def test_wrong_front_matter_is_named_with_file_and_field(project, front, said):
    project.chapter("fine", "1")
    project.chapter("wrong", "1", front=front)
    with pytest.raises(UsageError) as raised:
        discover()
    message = str(raised.value)
    assert "chapters/wrong.md" in message and said in message and "\n" not in message


def test_an_unknown_chapter_lists_the_known_ones(project):
    project.chapter("alpha", "1")
    project.chapter("beta", "1")
    with pytest.raises(UsageError, match="unknown chapter 'gamma': known chapters are alpha, beta"):
        get_chapter("gamma")
    assert get_chapter("beta").name == "beta"


def test_contents_that_name_a_missing_page_or_one_name_twice_are_refused(project):
    project.chapter("alpha", "1")
    project.write("_toc.yml", "format: jb-book\nroot: index\nchapters:\n- file: chapters/gone\n")
    with pytest.raises(UsageError, match="_toc.yml names the page 'chapters/gone'"):
        discover()
    (project.root / "other").mkdir()
    (project.root / "other" / "alpha.md").write_text((project.root / "chapters" / "alpha.md").read_text())
    project.write("_toc.yml", "format: jb-book\nroot: index\nchapters:\n- file: chapters/alpha\n- file: other/alpha\n")
    with pytest.raises(UsageError, match="two chapters are called 'alpha'"):
        discover()


@pytest.mark.parametrize(("parameters", "said"), [
    (None, "no cell tagged 'parameters'"),
    ("scale = 'smoke'\nseeds = list(range(3))", "parameters cell may hold only lines such as"),
    ("import os", "line 1 is not a simple assignment"),
    ("a = b = 1", "line 1 is not a simple assignment"),
    ("scale = 'smoke'\na = {1, 2}", "line 2 gives neither a number"),
])
def test_a_bad_parameters_cell_is_that_chapters_problem_only(project, parameters, said):
    project.chapter("bad", "1", parameters=parameters)
    project.chapter("good", "1")
    bad, good = discover()
    assert said in bad.problem and "chapters/bad.md" in bad.problem
    assert good.problem == ""
