"""A run is held against the published edition: what drifted is named, and only that."""

import json
import shutil

import pytest

from psm.book.compare import compare_editions, format_drifts
from psm.errors import UsageError

ROW = {"claim": "Z1", "test": "Z1.spread", "kind": "primary", "primary": True, "substrate": "world", "world": "main", "scale": "laptop",
       "estimate": 1.0, "ci_low": 0.8, "ci_high": 1.2, "verdict": "supported", "null_world": False, "chapter": "z1"}
NULL = ROW | {"world": "independent", "estimate": 0.01, "ci_low": -0.01, "ci_high": 0.03, "verdict": "absent", "null_world": True}
VALUES = {
    "own": {"value": 2.0, "text": "2.00", "tolerance": 0.3},
    "large": {"value": -4.0, "text": "-4.00", "tolerance": None},       # 5 % of it
    "small": {"value": 0.1, "text": "0.10", "tolerance": None},         # 0.02
    "word": {"value": "saboteur", "text": "saboteur", "tolerance": None},
}
TOLERANCE = {"own": 0.3, "large": 0.2, "small": 0.02}


def write(folder, values, rows):
    (folder / "z1").mkdir(parents=True, exist_ok=True)
    (folder / "z1" / "values.json").write_text(json.dumps(values))
    (folder / "ledger.json").write_text(json.dumps(rows))
    return folder


@pytest.fixture
def editions(tmp_path):
    """The published edition, and a maker of a run in which something was changed."""
    published = write(tmp_path / "published", VALUES, [ROW, NULL])

    def run(values=None, rows=None):
        return write(tmp_path / "here", VALUES if values is None else values, [ROW, NULL] if rows is None else rows), published
    return run


def moved(name, by):
    return {**VALUES, name: {**VALUES[name], "value": VALUES[name]["value"] + by}}


def test_the_same_numbers_do_not_drift(editions):
    assert compare_editions(*editions()) == []
    assert "nothing drifted" in format_drifts([])


@pytest.mark.parametrize("name", TOLERANCE)
@pytest.mark.parametrize("sign", [1, -1])
def test_twice_the_tolerance_is_named_and_half_of_it_is_not(editions, name, sign):
    (drift,) = compare_editions(*editions(moved(name, sign * 2 * TOLERANCE[name])))
    assert (drift.chapter, drift.quantity, drift.kind) == ("z1", name, "changed")
    assert drift.published == VALUES[name]["value"] and drift.tolerance == pytest.approx(TOLERANCE[name])
    assert f"z1: {name}: published" in format_drifts([drift])
    assert compare_editions(*editions(moved(name, sign * TOLERANCE[name] / 2))) == []


@pytest.mark.parametrize(("row", "name", "tolerance"), [(ROW, "Z1.spread estimate", 0.1), (NULL, "Z1.spread on null world independent estimate", 0.02)])
def test_an_estimate_of_the_ledger(editions, row, name, tolerance):
    other = NULL if row is ROW else ROW
    (drift,) = compare_editions(*editions(rows=[row | {"estimate": row["estimate"] + 2 * tolerance}, other]))
    assert drift.quantity == name and drift.tolerance == pytest.approx(tolerance)
    assert compare_editions(*editions(rows=[row | {"estimate": row["estimate"] + tolerance / 2}, other])) == []


def test_the_published_tolerance_counts_not_the_one_of_the_run(editions):
    lax = moved("own", 0.6)
    lax["own"]["tolerance"] = 99
    assert [d.quantity for d in compare_editions(*editions(lax))] == ["own"]


def test_another_verdict_or_word_is_a_drift(editions):
    changed = {**VALUES, "word": {**VALUES["word"], "value": "troll"}}
    drifts = compare_editions(*editions(changed, [ROW | {"verdict": "inconclusive"}, NULL]))
    assert [d.quantity for d in drifts] == ["word", "Z1.spread verdict"]
    assert "published supported, here inconclusive" in format_drifts(drifts)


def test_a_number_that_is_gone_or_not_finite_is_a_drift(editions):
    assert [d.quantity for d in compare_editions(*editions(rows=[ROW | {"estimate": None}, NULL]))] == ["Z1.spread estimate"]
    broken = {**VALUES, "own": {**VALUES["own"], "value": float("nan")}}
    assert [d.quantity for d in compare_editions(*editions(broken))] == ["own"]


def test_missing_and_extra_quantities_are_drifts(editions):
    values = {name: value for name, value in VALUES.items() if name != "own"} | {"new": {"value": 1, "text": "1", "tolerance": None}}
    drifts = compare_editions(*editions(values, [ROW, ROW | {"test": "Z1.new"}]))
    assert [(d.quantity, d.kind) for d in drifts] == [
        ("new", "extra"), ("own", "missing"), ("Z1.spread on null world independent", "missing"), ("Z1.new", "extra")]
    text = format_drifts(drifts)
    assert "z1: own: published 2, missing here" in text and "not in the published edition" in text


def test_missing_and_extra_chapters_are_drifts(editions):
    here, published = editions()
    shutil.copytree(here / "z1", here / "z2")
    shutil.rmtree(here / "z1")
    assert [(d.chapter, d.kind) for d in compare_editions(here, published)] == [("z1", "missing"), ("z2", "extra")]
    assert [d.chapter for d in compare_editions(here, published, chapters=["z2"])] == ["z2"]
    assert compare_editions(here, published, runs={"z1": here / "z2"}) == []
    with pytest.raises(UsageError, match="no chapter z9"):
        compare_editions(here, published, chapters=["z9"])


def test_only_like_is_compared_with_like(editions, tmp_path):
    with pytest.raises(UsageError, match="scale smoke, the published edition of scale laptop"):
        compare_editions(*editions(rows=[ROW | {"scale": "smoke"}]))
    with pytest.raises(UsageError, match="ledger.json does not exist"):
        compare_editions(editions()[0], tmp_path / "nowhere")
    with pytest.raises(UsageError, match="does not map names to values"):
        compare_editions(*editions(values={"own": 3}))


@pytest.mark.parametrize("tolerance", ["0.3", [0.3], True, -0.1])
def test_a_tolerance_that_is_no_number_is_named(editions, tolerance):
    here, published = editions()
    write(published, {**VALUES, "own": {**VALUES["own"], "tolerance": tolerance}}, [ROW, NULL])
    with pytest.raises(UsageError, match="values.json: the tolerance of own is .* must be a number from 0 up"):
        compare_editions(here, published)
