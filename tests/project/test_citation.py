"""CITATION.cff: valid by the format's own schema, and in step with the package."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((Path(__file__).parent / "cff" / "schema-1.2.0.json").read_text())


def problems(cff: dict) -> list[str]:
    """What the schema of the Citation File Format 1.2.0 finds wrong."""
    checker = jsonschema.Draft7Validator(SCHEMA, format_checker=jsonschema.FormatChecker())
    return [error.message for error in checker.iter_errors(json.loads(json.dumps(cff, default=str)))]


@pytest.fixture
def cff() -> dict:
    return yaml.safe_load((ROOT / "CITATION.cff").read_text())


def test_the_citation_file_is_valid(cff):
    assert problems(cff) == []


def test_it_stays_valid_with_a_repository(cff):
    assert problems(cff | {"repository-code": "https://github.com/somebody/psm-book"}) == []


@pytest.mark.parametrize("spoil", [
    {"date-released": "23.11.2026"}, {"authors": []}, {"titel": "typo"}, {"license": "MITT"}, {"repository-code": "somewhere"},
    {"references": [{"type": "blog", "authors": [{"name": "no title"}]}]},
])
def test_a_fault_is_found(cff, spoil):
    assert problems(cff | spoil)


def test_a_release_has_its_day(cff):
    assert re.fullmatch(r"20\d\d-[01]\d-[0-3]\d", cff["date-released"])
