"""The status page: every chapter's run, totals, and every model once with the chapters that use it."""

from __future__ import annotations

import pytest
from bs4 import BeautifulSoup

from psm.book import provenance, status_page
from psm.book.claims_table import Place
from psm.book.stage import stage as stage_book
from psm.files import write_json

WHERE = {name: Place(f"Chapter <{name}>", "", f"{name}.html") for name in ("one", "two")}


@pytest.fixture
def records():
    """Two made-up records that share a base model; the second ran elsewhere, and with a real model."""
    shared, other = {"id": "main-s0-abc", "sha256": "12" * 32}, {"id": "few_names-s11-def", "sha256": "34" * 32}
    record = {"chapter": "one", "scale": "laptop", "seeds": [0], "base_models": [shared], "real_models": [], "versions": {"torch": "2.0"},
              "hardware": {"cpu": "Toy CPU"}, "threads": 1, "started_at": "2026-03-02T10:00:00+00:00", "seconds": 61.0, "commit": "c" * 40,
              "dirty": False, "cells": 3, "peak_memory_mb": 512.0}
    real = {"name": "a-model", "revision": "rev1", "kind": "chat", "device": "cpu", "title": "A model <b>"}
    second = record | {"chapter": "two", "base_models": [shared, other], "real_models": [real], "hardware": {"cpu": "Other CPU"}, "seconds": 3600.0}
    return [record, second]


def page(records, pretraining=()):
    return BeautifulSoup(status_page.status(records, WHERE, dict(pretraining)), "html.parser")


def facts(soup):
    names, values = soup.select("dl.psm-facts > dt"), soup.select("dl.psm-facts > dd")
    return {name.get_text(): value.get_text(" ") for name, value in zip(names, values, strict=True)}


def tables(soup):
    return {table.caption.get_text(): table for table in soup.find_all("table")}


def test_totals_say_what_differs_and_where(records):
    told = facts(page(records, {"main-s0-abc": 90.0, "elsewhere-s0-abc": 900.0}))
    assert told["Chapters"].startswith("1 h 1 min for 2 chapters") and told["Pretraining"] == "1 min 30 s for 1 of 2 base models"
    assert told["Scale"] == "laptop" and "Toy CPU" in told["Hardware"] and "Other CPU" in told["Hardware"] and "(two)" in told["Hardware"]
    assert "not known" in facts(page(records))["Pretraining"]


def test_each_base_model_stands_once_with_its_hash_and_its_users(records):
    soup = page(records, {"main-s0-abc": 90.0})
    table = soup.select('[aria-label="Base models"] table')[0]
    worlds = [(body.select_one(".psm-group").get_text(), [line.get_text(" ") for line in body.select("tr")[1:]]) for body in table.find_all("tbody")]
    assert worlds[0][0] == "main used by one, two" and worlds[1][0] == "few_names used by two"
    assert worlds[0][1] == [f"seed 0 {'12' * 32} 1 min 30 s"] and worlds[1][1] == [f"seed 11 {'34' * 32} –"]
    assert [link["href"] for link in table.find_all("a")] == ["one.html", "two.html", "two.html"]


def test_a_model_trained_twice_between_chapters_shows_both_hashes(records):
    records[1]["base_models"][0] = {"id": "main-s0-abc", "sha256": "56" * 32}
    text = page(records).select('[aria-label="Base models"] tbody')[0].get_text(" ")
    assert f"{'12' * 32} only one" in text.replace("  ", " ") and f"{'56' * 32} only two" in text.replace("  ", " ")


def test_real_models_are_listed_with_their_revision(records):
    text = page(records).select('[aria-label="Real models"] table')[0].get_text(" ")
    assert all(part in text for part in ("a-model", "A model <b>", "rev1", "chat", "cpu", "two"))
    assert "No chapter used a real model" in page(records[:1]).get_text()


def test_chapters_are_listed_with_time_and_models(records):
    lines = page(records).select('[aria-label="Execution of every chapter"] tbody tr')
    assert [line.th.get_text() for line in lines] == ["Chapter <one>", "Chapter <two>"]
    cells = {cell["data-head"]: cell.get_text() for cell in lines[1].find_all("td")}
    assert cells == {"Time": "1 h 0 min", "Executed": "2 March 2026", "Seeds": "0", "Peak memory": "512 MB", "Cells": "3", "Models": "2 base, 1 real",
                     "Commit": "c" * 10}


def test_pretraining_times_come_from_the_store(toy, tmp_path):
    (model,) = toy.plan.base_models
    assert status_page.trained_in([model]) == {}
    for content in ({"seconds": 75.0}, {"seconds": None}, {}, []):
        write_json(model.path.parent / "meta.json", content)
        assert status_page.trained_in([model]) == ({model.path.parent.name: 75.0} if content == {"seconds": 75.0} else {})
    write_json(model.path.parent / "meta.json", {"seconds": 75.0})
    stage_book(toy.plan, toy.rows, tmp_path / "staged")
    assert "1 min 15 s for 1 of 1 base models" in (tmp_path / "staged" / "chapters" / "status.md").read_text()


def test_a_book_without_chapters_says_so():
    assert "no executed chapter" in status_page.status([], WHERE, {}) and provenance.duration(3661) == "1 h 1 min"
