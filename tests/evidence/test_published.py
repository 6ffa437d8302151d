"""The published edition is what it says: whole, computed by today's rule, and predicted before it was run."""

import subprocess
from datetime import datetime

import pytest
import yaml

from psm.book.edition import verify_edition
from psm.evidence.ledger import build_ledger, read_ledger
from psm.evidence.measurements import read_measurements
from psm.evidence.registry import load_registry
from psm.evidence.shapes import is_own
from psm.files import content_key, project_root, read_json

EDITION = project_root() / "evidence" / "laptop"


@pytest.fixture(scope="module")
def rows():
    return read_ledger(EDITION)


def test_every_file_is_as_its_manifest_says():
    assert verify_edition(EDITION) > 10


def test_every_row_was_registered_before_its_run_and_the_commit_says_so(rows):
    """The commit that a row names holds the very entry, and is older than the run."""
    registries = {}
    for row in rows:
        if row["verdict"] == "not run":
            continue
        commit = row["registry_commit"]
        if commit not in registries:
            text = subprocess.run(["git", "show", f"{commit}:claims.yml"], cwd=project_root(), capture_output=True, text=True, check=True).stdout
            registries[commit] = {entry["id"]: content_key(entry) for entry in yaml.safe_load(text)["tests"]}
        assert registries[commit][row["test"]] == row["registry_hash"], row["test"]
        assert datetime.fromisoformat(row["registry_committed_at"]) < datetime.fromisoformat(row["run_started_at"])
        assert row["registered_before_run"] is True


def test_the_verdicts_follow_from_the_published_measurements(rows):
    """Computing the ledger again from evidence/ gives the published verdicts: none was written by hand."""
    chapters = {row["chapter"] for row in rows}
    runs = {}
    for name in chapters:
        folder = EDITION / name
        runs[name] = (read_measurements(folder / "measurements.csv"), read_json(folder / "record.json")) if folder.is_dir() else (None, None)
    again = build_ledger(load_registry(), runs, "laptop", project_root())
    for field in ("test", "null_world", "confirmation", "verdict"):
        assert [row.get(field) or False for row in again] == [row.get(field) or False for row in rows], field
    for one, other in zip(again, rows):
        assert (one["estimate"] is None) == (other["estimate"] is None), one["test"]
        assert one["estimate"] is None or one["estimate"] == pytest.approx(other["estimate"], rel=1e-9), one["test"]


def test_every_confirmation_that_is_registered_was_run(rows):
    registered = {test.id for test in load_registry() if test.confirmation is not None}
    assert registered == {r["test"] for r in rows if r.get("confirmation") and r["verdict"] != "not run"}


def test_every_primary_world_test_was_run_on_a_world_where_its_claim_is_false(rows):
    primary = {r["test"] for r in rows if r["primary"] and r["substrate"] == "world" and is_own(r)}
    assert primary and primary == {r["test"] for r in rows if r["null_world"] and r["verdict"] != "not run"}
