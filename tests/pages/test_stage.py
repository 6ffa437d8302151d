"""Staging: the badge of each verdict, citation and provenance, refusals, and the markers of plain pages."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser

import nbformat
import pytest

from psm.book import badges, forest, ledger_page, pages
from psm.book.stage import stage as stage_book
from psm.errors import RunError, UsageError
from psm.evidence.tables import side_by_side
from psm.files import write_json, write_whole


def staged(toy, tmp_path, rows=None, scale="laptop"):
    folder = tmp_path / "staged"
    stage_book(toy.at_scale(scale), toy.rows if rows is None else rows, folder)
    return folder


def chapter(folder, name="b/beta"):
    return nbformat.read(folder / "chapters" / f"{name}.ipynb", as_version=4)


def badge(folder):
    """Source of the cell right under the title."""
    cells = chapter(folder).cells
    assert cells[0].source.startswith("# A made-up claim")
    return cells[1].source


@pytest.mark.parametrize("verdict", sorted(badges.VERDICTS))
def test_each_verdict_has_its_badge_under_the_title(toy, tmp_path, row, verdict):
    shown = badge(staged(toy, tmp_path, [row(verdict=verdict)]))
    assert f"psm-verdict {badges.css_class(verdict)}" in shown and f"</span> {verdict}</span>" in shown
    assert "1.25" in shown and "0.90 to 1.60" in shown and "5 seeds" in shown and "above 0.50" in shown
    assert "2 March 2026" in shown and "laptop scale" in shown
    assert ("A made-up reason." in shown) == (verdict != "supported")
    assert 'href="../ledger.html#test-t1-made-up"' in shown


def test_the_badge_keeps_to_primary_tests_and_leaves_null_worlds_out(toy, tmp_path, row):
    rows = [row(test="T1.main"), row(test="T1.real", substrate="real", world="tiny", n_units=36, seeds=[]),
            row(test="T1.null", null_world=True), row(test="T1.side", primary=False, kind="secondary"), row(claim="T2", test="T2.other")]
    shown = badge(staged(toy, tmp_path, rows))
    assert shown.count("psm-verdict-head") == 2
    assert "T1.main" in shown and "T1.real" in shown and "36 items" in shown
    assert not any(name in shown for name in ("T1.null", "T1.side", "T2.other"))


@pytest.mark.parametrize("direction, words", [
    ("greater", "above 0.50"), ("less", "below −0.50"), ("equivalent", "between −0.50 and 0.50")])
def test_what_was_needed_follows_the_direction(row, direction, words):
    assert badges.needed(row(direction=direction)) == words


def test_a_claim_without_a_row_reads_not_run(toy, tmp_path):
    assert "not run" in badge(staged(toy, tmp_path, []))


def test_a_chapter_without_claims_says_so(toy, tmp_path):
    cells = chapter(staged(toy, tmp_path), "a/alpha").cells
    assert "tests no claim" in cells[1].source
    assert cells[2].source.startswith("Words under the title")


def test_smoke_shows_values_and_no_verdict(toy, tmp_path, row):
    rows = [row(verdict="no verdict (smoke)", reason="Scale smoke counts as no evidence.", discriminating=None)]
    shown = badge(staged(toy, tmp_path, rows, "smoke"))
    assert "Smoke run: values, no verdict" in shown and "1.25" in shown
    assert "psm-is-none" in shown and "psm-is-supported" not in shown


@pytest.mark.parametrize("discriminating, words", [(True, "excludes what the rival"), (False, "does not tell"), (None, "")])
def test_the_badge_says_whether_the_rival_is_excluded(toy, tmp_path, row, discriminating, words):
    shown = badge(staged(toy, tmp_path, [row(discriminating=discriminating)]))
    assert (words in shown) if words else ("rival" not in shown)
    assert "plain &lt;habit&gt;" in shown or not words


def test_text_of_the_ledger_is_escaped(toy, tmp_path, row):
    shown = badge(staged(toy, tmp_path, [row(verdict="absent", reason="<script>alert(1)</script>\n\nwell")]))
    assert "<script>" not in shown


def test_the_end_says_how_to_cite_and_where_it_comes_from(toy, tmp_path):
    cite, box = (cell.source for cell in chapter(staged(toy, tmp_path)).cells[-2:])
    assert "Doe, Jane; The toy makers (2026). A made-up claim" in cite and "version 9.8.7" in cite
    assert "@incollection{psm-beta-2026," in cite and "{Doe, Jane and {The toy makers}}" in cite
    for shown in ("laptop", "0, 1", "cccccccccc", "2 min 5 s", "512 MB", "Toy CPU", "torch 2.13.0", "main-s0-", "121212121212", "depth 3"):
        assert shown in box


def test_the_injected_parameters_are_folded_and_paths_of_the_machine_left_out(toy, tmp_path):
    notebook = chapter(staged(toy, tmp_path))
    injected = [cell for cell in notebook.cells if "injected-parameters" in cell.metadata.get("tags", [])]
    assert len(injected) == 1 and "hide-cell" in injected[0].metadata["tags"]
    assert "papermill" not in notebook.metadata and "secret" not in nbformat.writes(notebook)


def test_no_page_stands_twice_and_staging_is_repeatable(toy, tmp_path):
    first, second = staged(toy, tmp_path / "1"), staged(toy, tmp_path / "2")
    names = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    stems = [p.with_suffix("") for p in names if p.suffix in (".md", ".ipynb") and p.parts[0] != "_extra"]
    assert len(stems) == len(set(stems)) == 6
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


def test_a_notebook_that_holds_an_error_is_refused(toy, tmp_path):
    toy.run_chapter("beta", [nbformat.v4.new_output("error", ename="ValueError", evalue="it broke", traceback=[])])
    with pytest.raises(RunError, match="chapter beta: cell .* ValueError: it broke"):
        staged(toy, tmp_path)


@pytest.mark.parametrize("spoil, message", [
    (lambda job: job.record.unlink(), "chapter beta has no finished run"),
    (lambda job: (job.folder / "executed.ipynb").unlink(), "chapter beta: its run holds no executed.ipynb"),
])
def test_an_unfinished_chapter_is_refused(toy, tmp_path, spoil, message):
    spoil(toy.plan.chapter("beta"))
    with pytest.raises(RunError, match=message):
        staged(toy, tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}", "null", '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{}]}', "\x00"])
def test_a_damaged_notebook_is_refused_in_one_line(toy, tmp_path, text):
    (toy.plan.chapter("beta").folder / "executed.ipynb").write_text(text)
    with pytest.raises(RunError, match="^chapter beta: .*executed.ipynb is no notebook") as caught:
        staged(toy, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("record", [[], {"exit": "ok"}, "ok"])
def test_a_damaged_record_is_refused_in_one_line(toy, tmp_path, record):
    write_json(toy.plan.chapter("beta").record, record)
    with pytest.raises(UsageError, match="record.json is no record of a run") as caught:
        staged(toy, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_record_that_does_not_say_ok_is_refused(toy, tmp_path):
    toy.run_chapter("beta", exit="killed")
    with pytest.raises(RunError, match="chapter beta ended with 'killed'"):
        staged(toy, tmp_path)


def test_a_chapter_of_the_book_that_is_not_in_the_run_is_refused(toy, tmp_path):
    from dataclasses import replace

    part = replace(toy.plan, chapters=toy.plan.chapters[:1])
    with pytest.raises(RunError, match="chapter beta is a page of the book"):
        stage_book(part, toy.rows, tmp_path / "staged")


def test_a_chapter_without_a_title_is_refused(toy, tmp_path):
    job = toy.plan.chapter("beta")
    path = job.folder / "executed.ipynb"
    path.write_text(path.read_text().replace("# A made-up claim", "A made-up claim"))
    with pytest.raises(RunError, match="chapter beta has no title"):
        staged(toy, tmp_path)


def test_an_unknown_marker_is_an_error(toy, tmp_path):
    write_whole(toy.root / "index.md", "# Home\n\n<!-- psm:legder -->\n")
    with pytest.raises(UsageError, match="index.md has the unknown marker '<!-- psm:legder -->': known are ledger"):
        staged(toy, tmp_path)


def test_no_marker_is_left(toy, tmp_path):
    folder = staged(toy, tmp_path)
    assert not [p for p in folder.rglob("*.md") if "_extra" not in p.parts and "psm:" in p.read_text()]


def test_the_status_page_lists_every_chapter(toy, tmp_path):
    text = (staged(toy, tmp_path) / "chapters" / "status.md").read_text()
    assert "A made-up claim with emphasis" in text and "The toy world is made up" in text
    assert "4 min 10 s in all" in text and 'href="b/beta.html"' in text


class Tables(HTMLParser):
    """Collects header cells and what they hold."""

    def __init__(self):
        super().__init__()
        self.headers, self.scopes, self.captions, self._open = [], [], 0, False

    def handle_starttag(self, tag, attributes):
        if tag == "th":
            self.headers.append("")
            self.scopes.append(dict(attributes).get("scope"))
        self._open = self._open or tag == "th"
        self.captions += tag == "caption"

    def handle_endtag(self, tag):
        self._open = self._open and tag != "th"

    def handle_data(self, data):
        if self._open:
            self.headers[-1] += data


def test_the_ledger_table_is_accessible_and_complete(toy, tmp_path, row):
    rows = [row(), row(test="T1.control", kind="control", primary=False, direction=None, threshold=None, bound=[None, 0.3], verdict="holds",
                       control=[], rival=None, discriminating=None), row(test="T1.null", null_world=True, world="independent", verdict="supported")]
    text = (staged(toy, tmp_path, rows) / "chapters" / "ledger.md").read_text()
    tables = Tables()
    tables.feed(text)
    assert tables.captions == 2 and all(h.strip() for h in tables.headers)
    assert set(tables.scopes) == {"col", "row", "rowgroup"}
    assert all(r["test"] in text for r in rows) and "at most 0.30" in text and "The rule was fooled." in text
    ids = re.findall(r'id="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_world_and_model_stand_side_by_side(toy, tmp_path, row):
    real = row(test="T1.real", substrate="real", world="a-model", n_units=40, seeds=[], smallest_visible=0.0137)
    text = (staged(toy, tmp_path, [real, row()]) / "chapters" / "ledger.md").read_text()
    shown = text[text.index("All claims in one table"):text.index("Every test</h2>")]
    assert "40 items" in shown and "0.014" in shown and shown.index(">main<") < shown.index("a-model")
    lines = [line for line in side_by_side([real, row()]).splitlines() if line.startswith("| T1")]
    assert [("a-model" in line, "40 items" in line) for line in lines] == [(False, False), (True, True)]


def test_the_downloads_hold_the_whole_ledger(toy, tmp_path):
    folder = staged(toy, tmp_path)
    assert json.loads((folder / "_extra" / "ledger.json").read_text()) == toy.rows
    with open(folder / "_extra" / "ledger.csv", newline="") as stream:
        assert [line["test"] for line in csv.DictReader(stream)] == [r["test"] for r in toy.rows]


def test_the_forest_is_in_multiples_of_the_threshold(row):
    data = forest.forest_data([
        row(), row(direction="less", estimate=-1.0, ci_low=-1.5, ci_high=-0.5), row(direction="equivalent", estimate=0.1, ci_low=0, ci_high=0.2),
        row(kind="control", primary=False), row(estimate=None), row(ci_low=None, ci_high=None)])
    assert data["estimate"].tolist() == [2.5, 2.0, 0.2, 2.5]
    assert data["ci_low"].tolist()[:3] == [1.8, 1.0, 0.0] and data["ci_high"].tolist()[:3] == [3.2, 3.0, 0.4]


def test_the_forests_alt_text_holds_the_same_numbers(row):
    assert "T1.made-up, persona world main: 2.50 (1.80 to 3.20), supported" in forest.every_primary([row()])


@pytest.mark.parametrize("verdicts, words", [
    (["absent", "supported"], "Of 2 such tests, 1 came out as supported (T1.null1)"),
    (["absent"], "Of 1 such tests, 0 came out as supported;"),
    (["not run"], "None of these runs has a verdict"),
    (["absent"], "Some of these rows are the same measurements as a control of the test, judged here by the rule itself."),
    (["absent"], "A null world in which nothing moves is an easy one."),
    (["absent", "invalid", "not run"], "Of 1 such tests, 0 came out as supported;"),
    ([], "No test of this ledger has been run on a world where its claim is false"),
])
def test_how_often_the_rule_was_fooled(row, verdicts, words):
    rows = [row(), *(row(test=f"T1.null{i}", null_world=True, verdict=v) for i, v in enumerate(verdicts))]
    assert words in ledger_page.nulls(rows, "laptop")


def test_null_worlds_without_verdicts_are_not_counted(row):
    shown = ledger_page.nulls([row(), row(null_world=True, verdict="no verdict (smoke)"), row(null_world=True, verdict="invalid")], "smoke")
    assert "nothing can be said" in shown and not re.search(r"\d", shown)


def test_an_empty_ledger_is_said_to_be_empty(toy, tmp_path):
    assert "no test is registered" in (staged(toy, tmp_path, []) / "chapters" / "ledger.md").read_text()


@pytest.mark.parametrize("source, target, expected", [
    ("index", "chapters/ledger", "chapters/ledger.html"), ("chapters/a/x", "chapters/ledger", "../ledger.html"),
    ("chapters/ledger", "chapters/b/y", "b/y.html"), ("chapters/a/x", "index", "../../index.html")])
def test_addresses_are_relative(source, target, expected):
    assert pages.address(source, target) == expected


@pytest.mark.parametrize("value, text", [
    (1.234, "1.23"), (-12.34, "−12.3"), (0.0123, "0.012"), (0.00123, "0.0012"), (150.6, "151"), (0, "0"), (None, "–"), (float("nan"), "–")])
def test_numbers_read_well(value, text):
    assert badges.number(value) == text
