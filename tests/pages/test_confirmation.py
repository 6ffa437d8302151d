"""Confirmation rows: shown beside the test they confirm, on a page of their own, and never taken for its verdict."""

from __future__ import annotations

import re

import pytest

from psm import figures
from psm.book import badges, confirmation_page, forest, glance, ledger_page
from psm.book.compare import compare_editions
from psm.book.claims_table import Place
from psm.book.confirmation_page import agreement, confirmation, counted, pairs
from psm.book.stage import stage as stage_book
from psm.evidence.tables import markdown_table
from psm.files import write_json


@pytest.fixture
def again(row):
    """A made-up confirmation row."""
    return lambda **changes: row(**{"world": "confirmatory", "confirmation": True, "n_units": 3, "seeds": [0, 1, 2], "control": [], **changes})


def test_the_page_shows_both_worlds_with_their_own_thresholds(row, again):
    page = confirmation([row(), row(null_world=True, verdict="absent"), again(estimate=1.0, ci_low=0.2, ci_high=1.8, threshold=0.4, verdict="inconclusive")], "laptop", "ledger.html")
    line = re.search(r'<tr role="row"><th scope="row".*</tr>', page).group()
    own, other, agree = re.findall(r"<td[^>]*><div>(.*?)</div></td>", line)
    assert "supported" in own and "1.25" in own and "0.90 to 1.60" in own and "5 seeds" in own and "above 0.50" in own
    assert "inconclusive" in other and "1.00" in other and "0.20 to 1.80" in other and "3 seeds" in other and "above 0.40" in other
    assert agree == "no" and 'href="ledger.html#test-t1-made-up"' in line
    assert "T1.made-up, persona world main: 2.50" in page and "T1.made-up, persona world confirmatory, drawn at random: 2.50 (0.50 to 4.50), inconclusive" in page
    assert "null world" not in page and "absent" not in page
    assert "Of the 1 primary test that is supported in the world of its design, on the world drawn at random: 1 inconclusive." in page


def test_supported_tests_are_counted_apart_from_the_others(row, again):
    outcomes = [("supported", "supported"), ("supported", "inconclusive"), ("supported", "contradicted"), ("supported", "supported"),
                ("invalid", "supported"), ("absent", "not run")]
    found = [(row(test=f"T{i}", verdict=a), again(test=f"T{i}", verdict=b)) for i, (a, b) in enumerate(outcomes)]
    first, second = counted(found).split(". ")
    assert first == ("Of the 4 primary tests that are supported in the world of their design, on the world drawn at random: "
                     "2 supported, 1 contradicted, 1 inconclusive")
    assert second == "Of the 2 primary tests that are not supported in the world of their design, on the world drawn at random: 1 supported, 1 not run."


@pytest.mark.parametrize(("own", "there", "said"), [
    ({"verdict": "supported"}, {"verdict": "supported"}, "yes"),
    ({"verdict": "supported"}, {"verdict": "contradicted"}, "no"),
    ({"verdict": "inconclusive"}, {"verdict": "supported"}, "no"),
    ({"verdict": "invalid"}, {"verdict": "supported"}, "not comparable"),
    ({"verdict": "invalid"}, {"verdict": "invalid"}, "yes"),
    ({"verdict": "supported"}, {"verdict": "invalid"}, "no"),
    ({"verdict": "absent"}, {"verdict": "inconclusive"}, "cannot be said: 3 units"),
    ({"verdict": "absent"}, {"verdict": "supported"}, "no"),
    ({"verdict": "supported", "direction": "equivalent"}, {"verdict": "inconclusive"}, "cannot be said"),
    ({"verdict": "supported"}, {"verdict": "not run", "estimate": None}, "–"),
    ({"verdict": "no verdict (smoke)"}, {"verdict": "no verdict (smoke)"}, "–"),
])
def test_whether_two_verdicts_agree(row, again, own, there, said):
    assert agreement(row(**own), again(**there)).startswith(said)


@pytest.mark.parametrize("rows", [0, 1])
def test_where_nothing_was_measured_the_page_says_so(row, again, rows):
    page = confirmation([row(), *[again(verdict="not run", estimate=None, ci_low=None, ci_high=None)] * rows], "laptop", None)
    assert "Nothing has been measured on this world yet" in page and "<table" not in page and "<figure" not in page


def test_what_was_partly_measured_or_not_registered_is_named(row, again):
    page = confirmation([row(), again(), row(test="T2.a", claim="T2"), again(test="T2.a", verdict="not run", estimate=None), row(test="T3.a", claim="T3"),
                         row(test="T1.real", substrate="real", world="tiny")], "laptop", None)
    assert "Not registered for this world: T3.a." in page and page.count("not run") >= 1
    assert [a["test"] for a, _ in pairs([row(), again(), row(test="T3.a")])] == ["T1.made-up"]


def test_smoke_counts_nothing(row, again):
    page = confirmation([row(verdict="no verdict (smoke)"), again(verdict="no verdict (smoke)")], "smoke", None)
    assert "nothing is counted" in page and "1.25" in page


def test_a_confirmation_is_never_the_claims_verdict(row, again):
    rows = [row(verdict="absent"), row(null_world=True), again(verdict="supported")]
    assert badges.primary_rows(rows, "T1") == rows[:1]
    shown = badges.chapter_badges(["T1"], rows, "laptop", "../ledger.html")
    assert shown.count("psm-verdict-head") == 1 and "psm-verdict psm-is-absent" in shown
    assert 'without its controls: <a href="../ledger.html#test-t1-made-up-confirmation"><span class="psm-pill psm-is-supported">' in shown
    assert "drawn at random" not in badges.chapter_badges(["T1"], rows[:2], "laptop", None)
    assert "drawn at random" not in badges.chapter_badges(["T1"], rows, "smoke", None)


def test_the_summary_counts_it_apart_and_shows_it_as_no_claims_verdict(row, again):
    where = {"beta": Place("A made-up claim", "Toy part", "beta.html")}
    shown = glance.summary([row(verdict="absent"), again(verdict="supported")], "laptop", where, {"beta": ["T1"]}, "ledger.html")
    assert ["absent" in cell for cell in re.findall(r"<td>(.*?)</td>", shown)] == [True, False] and "no test" in shown
    assert "<dt>World drawn at random</dt><dd>1 supported</dd>" in shown
    assert "drawn at random" not in glance.summary([row()], "laptop", where, {"beta": ["T1"]}, None)


def test_the_readme_and_the_nulls_leave_it_aside(row, again):
    rows = [row(verdict="absent"), row(null_world=True, verdict="absent"), again(verdict="supported")]
    assert markdown_table(rows).splitlines()[-1].endswith("| **absent** | absent | supported |")
    assert "Of 1 such tests, 0 came out as supported" in ledger_page.nulls(rows, "laptop")
    assert glance.tally(rows) == "1 supported, 2 absent"
    assert glance.by_home(rows) == {"world": rows[:1]}
    told = glance.readme(rows, "laptop", {"beta": Place("A made-up claim", "Toy part", "b/beta.md")})
    assert "Persona world, 1 claims: 1 absent." not in told and "Persona world: 1 absent." in told
    assert "Run again on a world drawn at random: 1 supported." in told and "| [T1: A made-up claim](b/beta.md) | absent | – |" in told


def test_drifts_are_told_apart_by_their_world(tmp_path, row, again):
    def write(name, rows):
        write_json(tmp_path / name / "ledger.json", rows)
        return tmp_path / name

    published = write("published", [row(), row(null_world=True, world="independent"), again()])
    moved = write("here", [row(), row(null_world=True, world="independent"), again(estimate=9.0, verdict="absent")])
    assert [d.quantity for d in compare_editions(moved, published)] == [
        "T1.made-up on confirming world confirmatory estimate", "T1.made-up on confirming world confirmatory verdict"]
    without = write("without", [row(), row(null_world=True, world="independent")])
    (drift,) = compare_editions(without, published)
    assert (drift.quantity, drift.kind) == ("T1.made-up on confirming world confirmatory", "missing")


def many(row, again):
    """As many rows as a ledger of ten claims has."""
    rows = []
    for claim in [f"T{i}" for i in range(10)]:
        rows += [row(claim=claim, test=f"{claim}.control", kind="control", primary=False, direction=None, threshold=None, bound=[None, 0.3], verdict="holds")]
        rows += [row(claim=claim, test=f"{claim}.main"), row(claim=claim, test=f"{claim}.main", null_world=True, verdict="absent", estimate=-900.0), again(claim=claim, test=f"{claim}.main")]
        rows += [row(claim=claim, test=f"{claim}.side{i}", kind="secondary", primary=False) for i in range(5)]
    return rows


def test_a_ledger_of_ninety_rows_draws_its_primary_tests_and_lists_them_all(row, again):
    rows = many(row, again)
    data = forest.forest_data(rows)
    assert len(rows) == 90 and len(data) == 30 and list(data["run"][:3]) == ["own", "null", "confirmation"]
    assert "An arrowhead stands for" in forest.every_primary(rows)
    table = ledger_page.every_test(rows, {"beta": Place("A made-up claim", "Toy part", "beta.html")})
    ids = re.findall(r'id="([^"]+)"', table)
    assert len(ids) == len(set(ids)) == 90 + 10
    assert re.findall(r'<details class="psm-fold" id="([^"]+)">', table) == [f"test-claim-t{i}" for i in range(10)]
    first = table.split('id="test-claim-t0"')[1].split('id="test-claim-t1"')[0]
    assert re.findall(r'id="([^"]+)"', first)[:4] == ["test-t0-main", "test-t0-main-null", "test-t0-main-confirmation", "test-t0-side0"]
    assert first.rindex('id="test-t0-control"') > first.rindex('id="test-t0-side4"')


def test_the_figures_fit_a_phone(row, again):
    """Of the house's width, and a line high enough for its label."""
    shown = forest.every_primary(many(row, again))
    smallest = f"min-width:{figures.legible(7.2)}px"
    assert shown.count(smallest) == 2
    assert forest.INCHES * 72 > 1.3 * 13.5
    assert confirmation_page.confirmation(many(row, again), "laptop", None).count(smallest) == 2


def test_a_staged_book_links_to_lines_that_are_there(toy, tmp_path):
    stage_book(toy.plan, toy.rows, tmp_path / "staged")
    page = (tmp_path / "staged" / "chapters" / "confirmation.md").read_text()
    ledger = (tmp_path / "staged" / "chapters" / "ledger.md").read_text()
    assert "psm:" not in page and "2.50 (1.80 to 3.20)" in page
    fragments = re.findall(r'href="ledger.html#([^"]+)"', page)
    assert fragments and all(f'id="{fragment}"' in ledger for fragment in fragments)
