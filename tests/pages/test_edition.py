"""The published edition: refused unless it is clean and complete, written whole, and checked against its manifest."""

from __future__ import annotations

import json
import subprocess

import pytest

from psm.book import edition
from psm.book.edition import make_edition, verify_edition, write_edition
from psm.errors import RunError, UsageError
from psm.files import sha256_file, write_json, write_whole

README = "# Toy\n\nBefore.\n\n<!-- ledger:begin -->\nold\n<!-- ledger:end -->\n\nAfter.\n"


def git(root, *arguments):
    subprocess.run(["git", "-C", str(root), "-c", "user.name=toy", "-c", "user.email=toy@example.org", *arguments], check=True, capture_output=True)


@pytest.fixture
def clean(toy, monkeypatch):
    """The made-up book in a git repository with nothing left to commit, planned as its runs are."""
    write_whole(toy.root / "README.md", README)
    write_whole(toy.root / ".gitignore", ".psm/\n_build/\n")
    git(toy.root, "init", "-q")
    git(toy.root, "add", ".")
    git(toy.root, "commit", "-qm", "toy")
    monkeypatch.setattr(edition, "make_plan", toy.at_scale)
    return toy


def test_an_edition_holds_every_file_with_its_provenance(clean):
    folder = make_edition("laptop")
    assert folder == clean.root / "evidence" / "laptop"
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    beta = {"beta/measurements.csv", "beta/values.json", "beta/record.json", "beta/figures/toy.csv", "beta/figures/toy.json"}
    assert beta | {"ledger.json", "ledger.csv"} <= set(manifest["files"])
    line = manifest["files"]["beta/measurements.csv"]
    assert line["key"] == "f" * 16 and line["commit"] == "c" * 40 and line["started_at"] == "2026-03-02T10:00:00+00:00"
    assert len(manifest["commit"]) == 40 and manifest["scale"] == "laptop"
    assert not list(folder.rglob("*.svg")) and not list(folder.rglob("*.ipynb"))
    assert json.loads((folder / "ledger.json").read_text()) == clean.rows
    assert verify_edition(folder) == len(manifest["files"]) == 15


def test_an_edition_holds_the_executed_notebooks(clean):
    folder = make_edition("laptop")
    assert sorted(p.name for p in (folder.parent / "notebooks").iterdir()) == ["alpha.ipynb", "beta.ipynb"]
    line = json.loads((folder / "MANIFEST.json").read_text())["files"]["../notebooks/beta.ipynb"]
    assert line["chapter"] == "beta" and line["sha256"] == sha256_file(folder.parent / "notebooks" / "beta.ipynb")


def sha256sum(folder):
    return subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True, text=True, check=False)


def test_sha256sum_accepts_the_checksums_and_they_cover_everything(clean):
    folder = make_edition("laptop")
    done = sha256sum(folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": OK") == 16 and "MANIFEST.json: OK" in done.stdout and "../notebooks/beta.ipynb: OK" in done.stdout
    write_whole(folder.parent / "notebooks" / "beta.ipynb", "{}")
    assert sha256sum(folder).returncode != 0


def test_another_scale_takes_the_notebooks_over_and_both_editions_verify(clean, monkeypatch):
    laptop = make_edition("laptop")
    git(clean.root, "add", ".")
    git(clean.root, "commit", "-qm", "edition")
    full = write_edition(clean.at_scale("full"), "e" * 40)
    assert verify_edition(full) == 15 and verify_edition(laptop) == 13
    assert sha256sum(full).returncode == sha256sum(laptop).returncode == 0


def test_an_edition_holds_world_and_model_side_by_side(clean):
    text = (make_edition("laptop") / "side_by_side.md").read_text()
    assert text.startswith("# World and real model side by side, laptop scale") and "| T1 |" not in text   # no test of the toy is about a real model


def test_the_readme_gets_the_ledger_between_its_marks(clean):
    make_edition("laptop")
    text = (clean.root / "README.md").read_text()
    assert text.startswith("# Toy\n\nBefore.\n\n<!-- ledger:begin -->\n") and text.endswith("<!-- ledger:end -->\n\nAfter.\n")
    assert "| [T1: A made-up claim with emphasis](chapters/b/beta.md) | **supported** | – |" in text and "\nold\n" not in text


def test_smoke_is_refused(clean):
    with pytest.raises(UsageError, match="smoke is no evidence"):
        make_edition("smoke")


def test_a_dirty_tree_is_refused(clean):
    write_whole(clean.root / "index.md", "# Changed\n")
    with pytest.raises(UsageError, match="uncommitted changes"):
        make_edition("laptop")
    assert not (clean.root / "evidence").exists()


def test_a_tree_outside_git_is_refused(toy):
    with pytest.raises(UsageError, match="not a git repository"):
        make_edition("laptop")


@pytest.mark.parametrize("spoil, message", [
    (lambda toy: toy.plan.chapter("beta").record.unlink(), "no finished laptop run of beta"),
    (lambda toy: toy.plan.ledger.unlink(), "no verdicts for these runs"),
    (lambda toy: (toy.plan.chapter("beta").folder / "values.json").unlink(), "the run of beta holds no values.json"),
    (lambda toy: write_whole(toy.root / "README.md", "# no marks\n"), "README.md needs the lines"),
])
def test_anything_missing_is_refused_and_nothing_written(clean, spoil, message):
    spoil(clean)
    with pytest.raises(UsageError, match=message):
        write_edition(clean.plan, "e" * 40)
    assert not (clean.root / "evidence" / "laptop").exists()
    assert "T1.made-up" not in (clean.root / "README.md").read_text()


@pytest.mark.parametrize("dirty, how", [(True, "with uncommitted changes"), (None, "outside a git repository")])
def test_a_run_of_uncommitted_sources_is_refused(clean, dirty, how):
    clean.run_chapter("beta", dirty=dirty)
    with pytest.raises(UsageError, match=rf"^beta ran {how}: commit, then run it again \(psm run beta --scale laptop\)$"):
        make_edition("laptop")
    assert not (clean.root / "evidence").exists()


def test_verdicts_of_an_earlier_run_under_the_same_key_are_refused(clean):
    clean.run_chapter("beta", started_at="2026-03-02T11:00:00+00:00")
    with pytest.raises(UsageError, match="the verdicts are of other runs than these .T1.made-up.: delete .*ledger"):
        make_edition("laptop")
    assert not (clean.root / "evidence").exists()


def test_a_verdict_of_no_run_is_refused_once_its_chapter_has_one(clean, row):
    write_json(clean.plan.ledger, [row(), row(test="T1.real", verdict="not run", estimate=None, run_started_at=None)])
    with pytest.raises(UsageError, match="of other runs than these .T1.real."):
        make_edition("laptop")


def test_an_edition_is_verified_before_it_takes_the_place_of_the_old_one(clean, monkeypatch):
    folder = make_edition("laptop")
    before = (folder / "MANIFEST.json").read_bytes()
    real = edition.write_ledger
    monkeypatch.setattr(edition, "write_ledger", lambda folder, rows: (real(folder, rows), write_whole(folder / "stray.csv", "x\n")))
    with pytest.raises(RunError, match="stray.csv is not in the manifest"):
        write_edition(clean.plan, "e" * 40)
    assert (folder / "MANIFEST.json").read_bytes() == before and not (folder / "stray.csv").exists()


@pytest.mark.parametrize("manifest", [[], {}, {"files": []}, {"files": {"a": 1}}])
def test_a_manifest_of_another_form_is_named(clean, manifest):
    folder = make_edition("laptop")
    write_json(folder / "MANIFEST.json", manifest)
    with pytest.raises(RunError, match="MANIFEST.json lists no files"):
        verify_edition(folder)


@pytest.mark.parametrize("early", [False, None])
def test_a_test_registered_after_its_run_is_refused(clean, row, early):
    write_json(clean.plan.ledger, [row(), row(test="T1.late", registered_before_run=early)])
    with pytest.raises(UsageError, match="not registered before its run: T1.late"):
        make_edition("laptop")


def test_a_test_that_was_not_run_need_not_be_registered_before(clean, row):
    write_json(clean.plan.ledger, [row(), row(test="T1.real", verdict="not run", estimate=None, registered_before_run=False)])
    assert make_edition("laptop").is_dir()


def test_a_chapter_that_tests_no_claim_need_not_measure(clean):
    (clean.plan.chapter("alpha").folder / "measurements.csv").unlink()
    folder = make_edition("laptop")
    assert not (folder / "alpha" / "measurements.csv").exists() and (folder / "alpha" / "record.json").is_file()


def test_a_failed_edition_leaves_the_old_one(clean):
    folder = make_edition("laptop")
    before = {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    (clean.plan.chapter("beta").folder / "measurements.csv").unlink()
    with pytest.raises(UsageError, match="holds no measurements.csv"):
        write_edition(clean.plan, "e" * 40)
    assert {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    assert sorted(p.name for p in folder.parent.iterdir()) == ["laptop", "notebooks"]


@pytest.mark.parametrize("spoil, message", [
    (lambda folder: write_whole(folder / "beta" / "measurements.csv", "other\n"), "beta/measurements.csv was changed"),
    (lambda folder: (folder / "ledger.csv").unlink(), "ledger.csv is missing"),
    (lambda folder: write_whole(folder / "stray.csv", "x\n"), "stray.csv is not in the manifest"),
    (lambda folder: write_whole(folder.parent / "notebooks" / "beta.ipynb", "{}"), "../notebooks/beta.ipynb was changed"),
    (lambda folder: write_whole(folder.parent / "notebooks" / "stray.ipynb", "{}"), "../notebooks/stray.ipynb is not in the manifest"),
    (lambda folder: (folder.parent / "notebooks" / "beta.ipynb").unlink(), "../notebooks/beta.ipynb is missing"),
    (lambda folder: (folder / "SHA256SUMS").unlink(), "SHA256SUMS is missing"),
    (lambda folder: write_whole(folder / "SHA256SUMS", f"{'0' * 64}  ledger.csv\n"), "SHA256SUMS is wrong about ledger.csv"),
])
def test_a_changed_edition_is_noticed(clean, spoil, message):
    folder = make_edition("laptop")
    spoil(folder)
    with pytest.raises(RunError, match=message):
        verify_edition(folder)
