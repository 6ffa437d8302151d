"""How to cite: plain references and BibTeX that a parser reads, and each page's own list of works."""

from __future__ import annotations

import re

import nbformat
import pytest
from pybtex.database import parse_string

from psm.book import bibliography, citing
from psm.book.stage import stage
from psm.files import write_whole

CFF = """cff-version: 1.2.0
title: "100 % toys & {braces}: a book_of #1"
version: 1.2.3
date-released: "2026-04-05"
repository-code: https://github.com/somebody/toy-book
authors:
  - {family-names: Doe, given-names: Jane}
  - name: The toy makers & friends
"""


def bibtex_in(text):
    """The one entry of a text's BibTeX block, parsed."""
    entries = parse_string(re.search(r"```bibtex\n(.*?)\n```", text, re.S)[1], "bibtex").entries
    assert len(entries) == 1
    return next(iter(entries.items()))


def book(toy, scale="laptop"):
    records = [{"finished_at": "2026-03-02T10:02:05+00:00", "commit": "c" * 40, "dirty": False}] * 2
    return citing.cite_book(citing.read_citation(toy.root), records, scale)


def test_the_book_is_cited_with_version_day_commit_and_address(toy):
    write_whole(toy.root / "CITATION.cff", CFF)
    text = book(toy)
    assert text.startswith("Doe, Jane; The toy makers & friends (2026). *100 % toys & {braces}: a book_of #1*. Version 1.2.3 of 5 April 2026, "
                           "laptop scale, commit cccccccccc. https://github.com/somebody/toy-book\n")
    key, entry = bibtex_in(text)
    assert key == "psm-2026" and entry.fields["url"] == "https://github.com/somebody/toy-book"
    assert entry.fields["title"] == r"{100 \% toys \& (braces): a book\_of \#1}"
    assert [str(person) for person in entry.persons["author"]] == ["Doe, Jane", r"{The toy makers \& friends}"]
    assert "1.2.3" in entry.fields["note"] and "cccccccccc" in entry.fields["note"]


def test_without_release_and_address_the_last_run_gives_the_day(toy):
    text = book(toy)
    assert "Version 9.8.7 of 2 March 2026, laptop scale" in text and "http" not in text
    assert "url" not in bibtex_in(text)[1].fields


def test_each_chapters_bibtex_parses(toy, tmp_path):
    write_whole(toy.root / "CITATION.cff", CFF)
    stage(toy.plan, toy.rows, tmp_path / "staged")
    for name, title in (("a/alpha", "The toy world is made up"), ("b/beta", "A made-up claim with emphasis")):
        cells = nbformat.read(tmp_path / "staged" / "chapters" / f"{name}.ipynb", as_version=4).cells
        key, entry = bibtex_in(cells[-2].source)
        assert key == f"psm-{name[2:]}-2026" and entry.fields["title"] == f"{{{title}}}" and entry.fields["edition"] == "version 1.2.3"


def test_the_marker_cites_the_book(toy, tmp_path):
    write_whole(toy.root / "chapters" / "status.md", "# Status\n\n<!-- psm:status -->\n\n<!-- psm:cite-book -->\n")
    stage(toy.plan, toy.rows, tmp_path / "staged")
    assert bibtex_in((tmp_path / "staged" / "chapters" / "status.md").read_text())[0] == "psm-2026"


@pytest.mark.parametrize("text, keys, prefixed", [
    ("as {cite:p}`a2026one` says", ["a2026one"], "as {cite:p}`g-a2026one` says"),
    ("{cite:t}`a,b` and {cite}`b, c`", ["a", "b", "c"], "{cite:t}`g-a,g-b` and {cite}`g-b, g-c`"),
    ("{cite:p}`{see}a{p. 3},b`", ["a", "b"], "{cite:p}`{see}g-a{p. 3},g-b`"),
    ("`{cite}` stays, {doc}`a` too", [], "`{cite}` stays, {doc}`a` too"),
])
def test_citations_get_their_pages_prefix(text, keys, prefixed):
    assert bibliography.cited(text) == keys
    assert bibliography.with_prefix(text, "g-") == prefixed


def test_a_chapter_that_cites_ends_with_its_own_list(toy, tmp_path):
    path = toy.plan.chapter("beta").folder / "executed.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source += "\n\nIt is so {cite:p}`xie2022explanation`."
    write_whole(path, nbformat.writes(notebook))
    stage(toy.plan, toy.rows, tmp_path / "staged")
    cells = nbformat.read(tmp_path / "staged" / "chapters" / "b" / "beta.ipynb", as_version=4).cells
    assert cells[-3].source.startswith("## References\n\n```{bibliography}\n:filter: docname in docnames\n") and ":keyprefix: b-beta-\n" in cells[-3].source
    assert any("{cite:p}`b-beta-xie2022explanation`" in cell.source for cell in cells)
    other = nbformat.read(tmp_path / "staged" / "chapters" / "a" / "alpha.ipynb", as_version=4).cells
    assert not any("{bibliography}" in cell.source for cell in other)


def test_plain_pages_get_a_list_and_the_front_page_and_the_list_of_all_works_stay():
    text = "# Page\n\n{cite:p}`a`\n"
    assert bibliography.with_list(text, "chapters/page") == ("# Page\n\n{cite:p}`page-a`\n\n## References\n\n```{bibliography}\n"
                                                             ":filter: docname in docnames\n:style: plain\n:keyprefix: page-\n```\n")
    assert bibliography.with_list(text, "index") == text
    assert bibliography.with_list(text + "```{bibliography}\n```\n", "chapters/references") == text + "```{bibliography}\n```\n"
    assert bibliography.with_list("# Page\n", "chapters/page") == "# Page\n"
