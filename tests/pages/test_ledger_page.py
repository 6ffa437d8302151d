"""The ledger page: its filters' data, its folded tests, its last run; the landing page's and the README's summary of it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from bs4 import BeautifulSoup

from psm.book import badges, glance, ledger_page
from psm.book.chapters import discover, toc_parts
from psm.book.claims_table import HEADS, Place, check_words, key, table
from psm.book.stage import stage as stage_book
from psm.errors import UsageError
from psm.evidence.ledger import read_ledger
from psm.files import write_whole

BOOK = Path(__file__).resolve().parents[2]
WHERE = {"beta": Place("A made-up claim", "Toy part", "b/beta.html"), "gamma": Place("Another <claim>", "Second & last", "c/gamma.html")}


@pytest.fixture
def rows(row):
    """Two claims in two parts: the first in both homes, with its other worlds and a failed control; the second in the world alone."""
    control = {"id": "T1.control", "status": "fails", "estimate": 1.0, "ci_low": 0.9, "ci_high": 1.1, "bound": [-0.3, 0.3], "detail": "made up"}
    return [
        row(control=[control], verdict="invalid"), row(world="independent", null_world=True, verdict="absent"),
        row(world="confirmatory", confirmation=True, verdict="supported"),
        row(test="T1.control", kind="control", primary=False, direction=None, threshold=None, bound=[-0.3, 0.3], verdict="fails", control=[]),
        row(test="T1.real", substrate="real", world="a-model", verdict="not run", estimate=None, reason="No model called a-model was at hand."),
        row(claim="T2", test="T2.made-up", chapter="gamma", verdict="supported"),
    ]


def soup(text):
    return BeautifulSoup(text, "html.parser")


def lines_of(page):
    return [(line["data-part"], line["data-verdict"], line["data-home"]) for line in page.select("#claims tbody tr[data-verdict]")]


def test_every_claim_has_a_line_per_home_and_each_line_says_what_filters_look_at(rows):
    page = soup(table(rows, WHERE))
    assert lines_of(page) == [("toy-part", "invalid", "world"), ("toy-part", "not-run", "real"),
                              ("second-last", "supported", "world"), ("second-last", "no-test", "real")]
    heads = [head.get_text() for head in page.select("#claims th.psm-group")]
    assert ["T1: A made-up claim" in heads[0], "T2: Another <claim>" in heads[1]] == [True, True]
    assert [link["href"] for link in page.select("#claims th.psm-group a")] == ["b/beta.html", "c/gamma.html"]
    assert all(int(cell["colspan"]) + 2 == len(HEADS) for cell in page.select("td[colspan]"))


def test_a_line_holds_estimate_need_controls_and_other_worlds(rows):
    line = soup(table(rows, WHERE)).select("#claims tr[data-verdict]")[0]
    cells = {cell["data-head"]: cell.get_text(" ") for cell in line.find_all("td")}
    assert "1.25" in cells["Estimate"] and "0.90 to 1.60" in cells["Estimate"] and "5 seeds" in cells["Estimate"]
    assert cells["Needed"].startswith("above 0.50") and "0 of 1 hold" in cells["Controls"] and "T1.control : fails" in cells["Controls"]
    assert re.search(r"claim false:\s+absent.*drawn at random:\s+supported", cells["Run again"])
    reason = soup(table(rows, WHERE)).select("#claims tr[data-verdict=not-run] td")[1].get_text()
    assert reason == "No model called a-model was at hand."


def test_the_form_offers_just_what_occurs_with_its_count(rows):
    form = soup(table(rows, WHERE)).form
    offered = {choice["name"]: {option["value"]: option.get_text() for option in choice.find_all("option")} for choice in form.find_all("select")}
    assert offered == {
        "part": {"": "all parts", "toy-part": "Toy part (2)", "second-last": "Second & last (2)"},
        "verdict": {"": "all verdicts", "supported": "supported (1)", "invalid": "invalid (1)", "not-run": "not run (1)", "no-test": "no test (1)"},
        "home": {"": "both homes", "world": "Persona world (2)", "real": "Real model (2)"}}
    assert form.has_attr("hidden") and form["data-psm-filter"] == "claims" and form.output.get_text() == "4 of 4 lines shown"
    assert all(choice.find_parent("label") for choice in form.find_all("select")) and form.find("button", type="reset")


def unmatched(page):
    """What a filter offers and no line has, or the other way round."""
    lines, wrong = lines_of(page), []
    for i, name in enumerate(("part", "verdict", "home")):
        offered = {option["value"] for option in page.select(f"select[name={name}] option")} - {""}
        wrong += sorted(offered ^ {line[i] for line in lines})
    return wrong


def test_filters_and_lines_name_the_same_things(rows):
    text = table(rows, WHERE)
    assert unmatched(soup(text)) == []
    assert unmatched(soup(text.replace('data-verdict="not-run"', 'data-verdict="not run"'))) == ["not run", "not-run"]


def test_without_javascript_everything_shows_and_the_script_finds_what_it_needs(rows):
    page, script = soup(table(rows, WHERE)), (BOOK / "_static" / "ledger.js").read_text()
    assert not page.select("tr[hidden], tbody[hidden]") and page.find(id=page.form["data-psm-filter"])
    assert "dataset[choice.name]" in script and 'querySelectorAll("form[data-psm-filter]")' in script and '"details.psm-fold"' in script
    assert "http" not in script and "eval" not in script


def test_every_test_is_folded_up_under_its_claim(rows):
    page = soup(ledger_page.every_test(rows, WHERE))
    folds = page.find_all("details")
    assert [fold["id"] for fold in folds] == ["test-claim-t1", "test-claim-t2"] and not any(fold.has_attr("open") for fold in folds)
    assert [len(fold.select("tbody tr")) for fold in folds] == [5, 1]
    for row in rows:
        run = "null" if row["null_world"] else "confirmation" if row["confirmation"] else ""
        assert page.find(id=badges.slug(row["test"], run)).find_parent("details")["id"] == f"test-claim-{row['claim'].lower()}"


def dead(page):
    """Links to places of the page itself that are not there."""
    return [link["href"] for link in page.select('a[href^="#"]') if not page.find(id=link["href"][1:])]


def test_links_within_the_page_lead_somewhere(rows):
    text = ledger_page.ledger(rows, "laptop", WHERE, [], "../")
    assert len(soup(text).select('a[href^="#"]')) >= 5 and dead(soup(text)) == []
    assert dead(soup(text.replace('id="test-t1-control"', 'id="t1-control"'))) == ["#test-t1-control"] * 2
    ids = re.findall(r'id="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_only_a_check_with_a_line_of_its_own_is_linked(row):
    odd = row(control=[{"id": "T9.<x>", "status": "undecided"}], manipulation={"id": "T9.learnt", "status": "holds"})
    assert check_words(odd) == '0 of 1 hold<br>training took<br><span class="psm-small">T9.&lt;x&gt;: undecided</span>'
    assert check_words(row(control=[], manipulation=None)) == "none"


def test_counts_lead_to_the_lines_that_they_count(rows):
    page = soup(ledger_page.ledger(rows, "laptop", WHERE, [], "../"))
    links = page.select(".psm-tally a")
    assert [link.get_text() for link in links] == ["1 supported", "1 invalid", "1 not run"]
    for link in links:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(link["href"]).query).items()}
        found = [line for line in lines_of(page) if (line[1], line[2]) == (asked["verdict"], asked["home"])]
        assert len(found) == int(link.get_text().split()[0]) and page.find(id=urlsplit(link["href"]).fragment)


def test_the_page_says_which_run_it_shows(toy, tmp_path):
    stage_book(toy.plan, toy.rows, tmp_path / "staged")
    page = soup((tmp_path / "staged" / "chapters" / "ledger.md").read_text())
    facts = {fact.dt.get_text(): fact.dd for fact in page.select(".psm-run > div")}
    assert facts["Last run"].get_text() == "2 March 2026" and facts["Scale"].get_text() == "laptop" and facts["Commit"].get_text() == "c" * 10
    assert [link["href"] for link in facts["All 3 rows"].find_all("a")] == ["../ledger.csv", "../ledger.json"]
    assert "Toy part" in page.select_one("#claims th.psm-group").get_text()


def test_smoke_shows_values_and_counts_nothing(row):
    text = ledger_page.ledger([row(verdict="no verdict (smoke)")], "smoke", WHERE, [], "")
    assert "A smoke run shows values and no verdict" in text and "1.25" in text and "psm-tally" not in text
    assert lines_of(soup(text))[0] == ("toy-part", "no-verdict-smoke", "world")


def test_the_parts_come_from_the_captions(tmp_path):
    parts = {page.stem: part for page, part in toc_parts(BOOK).items()}
    tested = [chapter for chapter in discover(BOOK) if chapter.claims]
    assert tested and all(parts[chapter.name] for chapter in tested) and parts["index"] == ""
    write_whole(tmp_path / "_toc.yml", "root: a\nparts:\n  - caption: One\n    chapters:\n      - file: b\n        sections:\n          - file: c\n  - chapters:\n      - file: d\n")
    for name in "abcd":
        write_whole(tmp_path / f"{name}.md", "# x\n")
    assert {page.stem: part for page, part in toc_parts(tmp_path).items()} == {"a": "", "b": "One", "c": "One", "d": ""}
    write_whole(tmp_path / "_toc.yml", "- a\n")
    with pytest.raises(UsageError, match="has no 'root' page"):
        toc_parts(tmp_path)


def test_the_summary_has_a_line_per_claim_and_verdicts_that_lead_to_the_ledger(rows):
    text = glance.summary(rows, "laptop", WHERE, {"beta": ["T1"], "gamma": ["T2"]}, "chapters/ledger.html")
    lines = [[cell.get_text() for cell in line.find_all(["th", "td"])] for line in soup(text).select("tbody tr")]
    assert [line[0] for line in lines] == ["T1: A made-up claim", "T2: Another <claim>"]
    assert ["invalid" in lines[0][1], "not run" in lines[0][2], "supported" in lines[1][1], lines[1][2]] == [True, True, True, "no test"]
    assert "chapters/ledger.html#test-t1-real" in text and "chapters/ledger.html?verdict=invalid&amp;home=world#claims" in text


def readme_cells(text):
    """The README's table: claim to its cells."""
    return {line.split("|")[1].split(":")[0].strip(" ["): [cell.strip(" *") for cell in line.split("|")[2:4]]
            for line in text.splitlines() if line.startswith("| [")}


def test_the_readme_says_in_three_columns_what_the_ledger_says(rows):
    told = glance.readme(rows, "laptop", WHERE)
    assert readme_cells(told) == {"T1": ["invalid", "not run"], "T2": ["supported", "–"]}
    assert "Laptop scale, run on 2 March 2026." in told and "- Persona world: 1 supported, 1 invalid.\n" in told
    assert "*invalid*: a control failed" in told and "*absent*" not in told and "evidence/laptop/ledger.csv" in told
    assert max(map(len, [line for line in told.splitlines() if line.startswith("|")])) < 120


def test_the_readme_shows_the_published_ledger():
    block = (BOOK / "README.md").read_text().split("<!-- ledger:begin -->")[1].split("<!-- ledger:end -->")[0]
    published = read_ledger(BOOK / "evidence" / "laptop")
    where = {row["chapter"]: Place("", "", "") for row in published}
    assert readme_cells(block) == readme_cells(glance.readme(published, "laptop", where)) != {}


@pytest.mark.parametrize("text, expected", [("not run", "not-run"), ("How exhaustive is it?", "how-exhaustive-is-it"), ("no verdict (smoke)", "no-verdict-smoke")])
def test_filter_values_are_fit_for_an_address(text, expected):
    assert key(text) == expected
