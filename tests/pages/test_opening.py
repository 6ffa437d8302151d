"""How a chapter opens: the verdict word first, long reasons folded, then a line of reading time, prerequisites and links."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
import yaml

from psm.book import launch
from psm.book.chapters import discover
from psm.book.stage import stage

BOOK = Path(__file__).resolve().parents[2]


def opened(toy, tmp_path, name="b/beta", rows=None):
    stage(toy.plan, toy.rows if rows is None else rows, tmp_path / "staged")
    return nbformat.read(tmp_path / "staged" / "chapters" / f"{name}.ipynb", as_version=4).cells[1].source


def test_the_verdict_word_comes_first_and_reasons_are_folded_away(toy, tmp_path, row):
    shown = opened(toy, tmp_path, rows=[row(verdict="inconclusive")])
    assert re.search(r'class="psm-verdict-head"><span class="psm-pill psm-is-inconclusive"', shown)
    before, _, folded = shown.partition("<details>")
    assert "1.25" in before and "0.90 to 1.60" in before and "above 0.50" in before
    assert "A made-up reason." not in before and "A made-up reason." in folded.partition("</details>")[0]
    assert "2 March 2026" in folded and "open" not in re.findall(r"<details[^>]*>", shown)[0]


def test_what_to_read_before_is_linked_by_claim_or_by_title(toy, tmp_path):
    alpha, beta = toy.plan.chapters
    needed = replace(beta, chapter=replace(beta.chapter, prerequisites=("alpha",)))
    toy.plan = replace(toy.plan, chapters=(alpha, needed))
    shown = opened(toy, tmp_path)
    assert 'read before: <a href="../a/alpha.html">The toy world is made up</a>' in shown
    turned = replace(alpha, chapter=replace(alpha.chapter, prerequisites=("beta",)))
    toy.plan = replace(toy.plan, chapters=(turned, beta))
    assert 'read before: <a href="../b/beta.html">T1</a>' in opened(toy, tmp_path / "2", "a/alpha")


def test_nothing_is_said_of_prerequisites_where_there_are_none(toy, tmp_path):
    shown = opened(toy, tmp_path)
    assert "minutes to read" in shown and "read before" not in shown


def test_links_to_run_it_follow_and_are_escaped(toy, tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "links", lambda chapter, edition: [("Open <it>", 'x?a=1&b="2"')])
    assert '<li><a href="x?a=1&amp;b=&quot;2&quot;">Open &lt;it&gt;</a></li>' in opened(toy, tmp_path)


def test_every_chapter_that_rests_on_the_world_says_so_and_nothing_rests_on_a_later_one():
    chapters = discover(BOOK)
    place = {chapter.name: i for i, chapter in enumerate(chapters)}
    for chapter in chapters:
        if chapter.claims:
            assert "world" in chapter.prerequisites, chapter.name
        assert all(place[name] < place[chapter.name] for name in chapter.prerequisites), chapter.name


def settings():
    return yaml.safe_load((BOOK / "_config.yml").read_text())["sphinx"]["config"]


@pytest.mark.parametrize("href, skipped", [
    ("../glossary.html#term-persona", False), ("glossary.html#term-persona", False), ("#term-persona", False),
    ("../ledger.html#test-g1", True), ("#the-claim", True), ("https://example.org/glossary.html", True), ("references.html#id1", True)])
def test_only_terms_of_the_glossary_have_tips(href, skipped):
    assert any(re.match(rule, href) for rule in settings()["tippy_skip_urls"]) == skipped


def test_tips_ask_nobody_for_anything():
    config = settings()
    assert config["tippy_js"] == [] and config["tippy_enable_wikitips"] is False and config["tippy_enable_doitips"] is False
    scripts = (BOOK / "_static" / "vendor" / "popper-and-tippy.min.js").read_text()
    assert scripts.index("@popperjs/core v2") < scripts.index("tippy.js v6") and "sourceMappingURL" not in scripts
    assert {"LICENSE-popper.txt", "LICENSE-tippy.txt"} <= {path.name for path in (BOOK / "_static" / "vendor").iterdir()}
