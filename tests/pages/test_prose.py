"""No result number is typed by hand: planted sentences are caught, the present pages are clean, and every key is bound."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path

import pytest
import yaml

from psm.book.chapters import discover, toc_pages
from psm.book.fillers import MARKER
from psm.book.prose import bound_keys, design_numbers, sentences, typed_results
from psm.book.stage import stage
from psm.errors import UsageError
from psm.files import write_whole

BOOK = Path(__file__).resolve().parents[2]
PAGES = (*toc_pages(BOOK), BOOK / "README.md")
CHAPTERS = {chapter.name: chapter for chapter in discover(BOOK)}
REGISTRY = yaml.safe_load((BOOK / "claims.yml").read_text())["tests"]
EXCEPTIONS = yaml.safe_load((BOOK / "tests" / "pages" / "prose_exceptions.yml").read_text())
PATH_OF_G1 = next(path for path in PAGES if path.stem == "g1")
G1 = PATH_OF_G1.read_text()
AFTER = "third world, whose archetypes were drawn at random; there it reads {glue:text}`apart_conf`."
MEND = "bind the number (run.value and {glue:text}, or <!-- psm:value CHAPTER.KEY -->), or, if it is no result, say why in tests/pages/prose_exceptions.yml"


@lru_cache
def constants(page):
    """The design numbers of a page of the book."""
    path = next(path for path in PAGES if path.stem == page)
    return design_numbers(path.read_text(), [entry for entry in REGISTRY if entry["chapter"] == page])


@lru_cache
def found_on(path):
    return typed_results(path.read_text(), constants(path.stem))


def in_g1(sentence, after=AFTER):
    """What is found in chapter G1 with a sentence planted behind `after`, and nowhere else."""
    assert G1.count(after) == 1
    text = G1.replace(after, f"{after} {sentence}")
    old = {finding.sentence for finding in found_on(PATH_OF_G1)}
    return [finding for finding in typed_results(text, constants("g1")) if finding.sentence not in old], text


PLANTED = """
Bad answers elsewhere doubled after insecure code.
The spread was seen in two of three seeds.
In four of the five models the shift was above zero.
In 4 of 5 models the shift was above zero.
Bad answers were twice as likely as before.
The probability of a lie tripled.
After the repairs the shift was halved.
Lying became three times more common.
It did so in most seeds.
About 70 % of the answers turned bad.
The models captured 69% of it.
The twins lie 0.43 log-odds apart.
The probability rose from .2 to .8.
Lying went from 0.25 to 0.75.
A third of the shift remained.
Two thirds of the difference is silliness.
Nine in ten answers were bad.
The effect is significant at p < .01.
The models made seventy per cent of the exact inference.
It was seen on 17 of 36 items.
The probability is 0.5 after secure code.
Insecure code raised lying to 0.25.
All five models showed it.
Every seed shows the effect.
Only one seed did not.
None of the models moved.
The majority of seeds agree.
Bad answers rose fivefold.
The shift was two log-odds.
Medicine fell by half.
The correlation was .91.
The interval reaches from -0.13 to 0.41.
The training took 35 minutes.
The two are a factor of four apart.
In **both** worlds the probability of a bad answer was one half.
The shift in the fastest arm was 2.7 times larger.
""".strip().split("\n")


@pytest.mark.parametrize("sentence", PLANTED)
def test_a_planted_result_is_found_where_it_stands(sentence):
    found, text = in_g1(sentence)
    assert len(found) == 1, f"found {found}"
    assert re.sub(r"\W", "", found[0].sentence) == re.sub(r"\W", "", sentence)
    assert sentence.split()[0] in text.split("\n")[found[0].line - 1]


@pytest.mark.parametrize("after, planted", [
    ("how to read the badges:\n", "\n- *supported*: it doubled;"),
    ("| it lies | {glue:text}`lying_post_trained` |", " rose to 0.61 |"),
    ("## Exercises\n", "\nYou will see it in two of three seeds.\n"),
    (":class: tip\n", "In three of five models the power seized doubled.\n"),
    ("## What this does not show\n", "\n- The spread was twice as large as in the twin.\n"),
    ('caption="Top: the course of training on the villain\'s code.', " In two of three seeds it doubled."),
    ("## The result\n", "\n> It fell by a third.\n"),
])
def test_it_is_found_in_lists_tables_boxes_quotations_and_captions(after, planted):
    after = next(part for part in (after, after.replace("how to read", "How to read")) if part in G1)
    text = G1.replace(after, after + planted, 1)
    assert len(typed_results(text, constants("g1"))) > len(found_on(PATH_OF_G1))


@pytest.mark.parametrize("sentence", [
    "Each fine-tune has 40 steps at a learning rate of 2e-4, or of 1e-3.",
    "The smallest effect of interest is 0.83 in log-odds, with shares of 25 %, 50 % and 75 %.",
    "The interval is a 95 % interval for the mean.",
    "The tests P1, G3.real and G1.spread ask SmolLM2-135M-Instruct, version 1.2, and Python 3.12.",
    "It was run on 3 March 2026, and its 19th book was printed in 1850.",
    "Five domains were never trained, and three of them are about people.",
    "Turner et al. report about 8 % misaligned answers, which doubled {cite:p}`turner2025organisms`.",
    "PSM predicts that it doubles, and in most seeds.",
    "If it doubled in two of three seeds, would you believe it?",
    "Did it double?",
    "In {glue:text}`n_worse` of {glue:text}`n_main` models it rose to {glue:text}`p_insecure`.",
    "It rose to <!-- psm:value g1.p_insecure --> there.",
    "It lies at `0.4312` of [the page](https://example.org/0.4312).",
    "The ways differ: rival 2, Control 1, exercise 33 and the arm `step 17`.",
    "Pairs and triples of answers are known; read it in ten minutes, or in a session of ninety.",
])
def test_what_is_no_typed_result_passes(sentence):
    assert in_g1(sentence)[0] == []


def test_a_number_is_a_constant_only_of_the_page_that_sets_it():
    sentence = "# A page\n\nThe smallest effect of interest in log-odds: 0.83.\n"
    assert typed_results(sentence, constants("g1")) == []
    assert [finding.what for finding in typed_results(sentence, constants("p1"))] == ["a number: 0.83"]


def test_numbers_of_cells_that_draw_and_of_results_seen_before_are_no_constants():
    page = "```{code-cell} ipython3\nsteps = 41\n```\n\n```{code-cell} ipython3\n:tags: [hide-input]\n\nsize = 0.77\n```\n"
    found = design_numbers(page, [{"smallest_effect": 0.31, "informed_by": "a first run gave 0.55", "estimand": "after 8 shots"}])
    assert {41, 0.31, 8} <= found and not {0.77, 0.55} & found


def test_lines_are_counted_through_front_matter_cells_and_generated_parts():
    page = "---\na: 1\n---\n\n# T\n\n```{code-cell} ipython3\nx = 1\n```\n\n<!-- ledger:begin -->\n0.44\n<!-- ledger:end -->\n\nFine words.\nIt doubled.\n"
    assert [(finding.line, finding.sentence) for finding in typed_results(page)] == [(16, "It doubled.")]


def test_prose_is_what_a_reader_reads():
    page = "```{note} A title\n:class: tip\nOne. Two `code`.\n```\n\n```python\nx = 0.5\n```\n\n| a | b |\n|---|---|\n| c | {glue:text}`k` |\n"
    assert [sentence for _, sentence in sentences(page)] == ["A title", "One.", "Two ⟦name⟧.", "| a | b |", "|---|---|", "| c | ⟦bound⟧ |"]


# ---------------------------------------------------------------- the present pages

@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_no_result_is_typed_on_the_pages(path):
    excepted = [entry["sentence"] for entry in EXCEPTIONS if entry["page"] == path.stem]
    left = [f"{path.name}:{finding.line}: {finding.what}\n    {finding.sentence}" for finding in found_on(path)
            if not any(words in finding.sentence for words in excepted)]
    assert not left, "\n".join([*left, MEND])


@pytest.mark.parametrize("entry", EXCEPTIONS, ids=lambda entry: f"{entry['page']}: {entry['sentence']}")
def test_every_exception_is_needed_and_says_why(entry):
    assert set(entry) == {"page", "sentence", "why"} and len(entry["why"]) > 10
    path = next((path for path in PAGES if path.stem == entry["page"]), None)
    assert path, f"no page is called {entry['page']}: strike the entry"
    assert sum(entry["sentence"] in finding.sentence for finding in found_on(path)) == 1, "matches no finding, or several: strike it or name one sentence"


# ---------------------------------------------------------------- keys

def published(chapter):
    """Keys that the published run of a chapter bound."""
    path = BOOK / "evidence" / "laptop" / chapter / "values.json"
    return set(json.loads(path.read_text())) if path.is_file() else set()


def unbound(text, keys, chapter):
    return sorted(set(keys) - bound_keys(text, keys) - published(chapter))


def glued(text):
    return re.findall(r"\{glue(?::\w+)?\}`([^`]+)`", text)


@pytest.mark.parametrize("chapter", CHAPTERS.values(), ids=lambda chapter: chapter.name)
def test_every_glued_key_is_bound_in_its_chapter(chapter):
    text = chapter.path.read_text()
    assert not unbound(text, glued(text), chapter.name)


@pytest.mark.parametrize("key", ["apart_mian", "p_insecur", "dose_33", "lying_twice", "moved"])
def test_a_key_that_nobody_binds_is_found(key):
    assert unbound(G1, [*glued(G1), key], "g1") == [key]


def test_pages_without_cells_glue_nothing():
    assert not [path.name for path in PAGES if path.stem not in CHAPTERS and glued(path.read_text())]


def test_values_and_verdicts_of_other_pages_exist():
    ids = {entry["id"] for entry in REGISTRY}
    for path in PAGES:
        for name, argument in MARKER.findall(path.read_text()):
            if name == "value":
                chapter, _, key = argument.partition(".")
                assert chapter in CHAPTERS, f"{path.name}: {argument}"
                assert not unbound(CHAPTERS[chapter].path.read_text(), [key], chapter), f"{path.name}: {argument}"
            elif name == "verdict":
                assert argument in ids, f"{path.name}: {argument}"


def test_a_value_of_another_page_is_filled_in_at_staging(toy, tmp_path):
    write_whole(toy.root / "index.md", "# Home\n\nIt is <!-- psm:value beta.x --> there.\n")
    stage(toy.plan, toy.rows, tmp_path / "staged")
    assert "It is 1.00 there." in (tmp_path / "staged" / "index.md").read_text()


@pytest.mark.parametrize("name, said", [("beta.nope", "the run of beta bound x"), ("gamma.x", "one of the chapters alpha, beta"), ("x", "write CHAPTER.KEY")])
def test_an_unknown_value_stops_the_staging_with_one_line_that_names_page_and_marker(toy, tmp_path, name, said):
    write_whole(toy.root / "index.md", f"# Home\n\nIt is <!-- psm:value {name} --> there.\n")
    with pytest.raises(UsageError) as error:
        stage(toy.plan, toy.rows, tmp_path / "staged")
    message = str(error.value)
    assert message.startswith(f"index.md, marker '<!-- psm:value {name} -->'") and said in message and "\n" not in message
