"""Measurements are checked, and the ledger's rows follow from them and from the registry."""

import csv
import json
import math
from dataclasses import replace

import pandas as pd
import pytest

from psm.errors import UsageError
from psm.evidence.ledger import build_ledger, format_table, markdown_table, read_ledger, write_ledger
from psm.evidence.measurements import COLUMNS, effects, read_measurements, validate
from psm.evidence.registry import entry_hash
from psm.evidence.verdicts import false_positive_rate

EFFECT = ("shift", "main", "bad")
BASE = ("shift", "main", "good")
TWIN = ("shift", "main", "twin")
TRAINED = ("trained", "main", "bad")
CELLS = {
    EFFECT: [1.2, 1.3, 1.1, 1.25, 1.15], BASE: [0.2, 0.25, 0.15, 0.2, 0.2], TWIN: [0.02, -0.03, 0.01, 0.04, -0.02],
    TRAINED: [2.0, 2.5, 1.8, 2.2, 2.1],
    ("shift", "independent", "bad"): [0.05, -0.02, 0.03, 0.0, 0.01], ("shift", "independent", "good"): [0.0, 0.01, 0.0, 0.02, -0.01],
}
RECORD = {"started_at": "2026-02-01T10:00:00+00:00", "scale": "laptop"}
WHOLE_RECORD = RECORD | {
    "chapter": "z1", "key": "f" * 16, "seeds": [0], "parameters": {}, "source_sha256": "ab" * 32, "package_digest": "d" * 16,
    "base_models": [{"id": "main-s0", "sha256": "12" * 32}], "versions": {}, "hardware": {}, "threads": 1,
    "finished_at": "2026-02-01T10:02:00+00:00", "seconds": 120.0, "commit": "", "dirty": None, "exit": "ok", "cells": 3, "peak_memory_mb": 5,
}


@pytest.fixture
def ledger(entries, registry, table, git, tmp_path):
    """Builds a ledger from changed entries or cells; the registry is committed on `day`, the run is of 1 February."""
    def make(cells=None, scale="laptop", day="2026-01-01", extra=(), record=RECORD):
        found = registry([*entries, *extra])
        if not (tmp_path / ".git").exists():
            git("init", "-q")
        if day:
            git("add", "claims.yml")
            git("commit", "-qm", "x", date=f"{day}T00:00:00+00:00")
        runs = {} if cells is None else {"z1": (validate(table(cells)), {**record, "scale": scale})}
        return build_ledger(found, runs, scale, tmp_path)
    return make


def one(rows, test="Z1.spread", null=False, confirmation=False):
    (row,) = [row for row in rows if (row["test"], row["null_world"], row["confirmation"]) == (test, null, confirmation)]
    return row


CONFIRMED = {("shift", "confirmatory", "bad"): [0.9, 1.0, 0.8], ("shift", "confirmatory", "good"): [0.1, 0.1, 0.1]}


def test_a_supported_primary_with_all_its_fields(ledger, entries, registry, git):
    rows = ledger(CELLS)
    row = one(rows)
    assert [(r["test"], r["null_world"], r["verdict"]) for r in rows] == [
        ("Z1.spread", False, "supported"), ("Z1.spread", True, "absent"), ("Z1.control.twin", False, "holds"),
        ("Z1.trained", False, "holds")]
    assert row["estimate"] == pytest.approx(1.0) and row["per_seed"] == pytest.approx([1.0, 1.05, 0.95, 1.05, 0.95])
    assert row["seeds"] == [0, 1, 2, 3, 4] and row["n_units"] == 5
    assert row["ci_low"] < row["estimate"] < row["ci_high"]
    assert (row["threshold"], row["direction"], row["unit"], row["primary"]) == (0.5, "greater", "log-odds", True)
    assert row["rival"] == {"name": "narrow learning", "predicts": 0.0} and row["discriminating"] is True
    assert [(c["id"], c["status"], c["bound"]) for c in row["control"]] == [("Z1.control.twin", "holds", [-0.3, 0.3])]
    assert row["manipulation"]["status"] == "holds" and row["manipulation"]["bound"] == [1.0, None]
    assert row["registry_commit"] == git("rev-parse", "HEAD") and row["registry_hash"] == entry_hash(registry(entries).get("Z1.spread"))
    assert row["registry_committed_at"] == "2026-01-01T00:00:00+00:00" and row["run_started_at"] == RECORD["started_at"]
    assert row["registered_before_run"] is True and row["valid_mass"] == 0.98 and row["scale"] == "laptop"
    assert one(rows, null=True)["world"] == "independent"


def test_a_reversed_effect_is_contradicted(ledger):
    assert one(ledger({**CELLS, EFFECT: CELLS[BASE], BASE: CELLS[EFFECT]}))["verdict"] == "contradicted"


def test_a_drifting_control_is_invalid(ledger):
    row = one(ledger({**CELLS, TWIN: [0.9, 1.0, 1.1, 0.95, 1.0]}))
    assert row["verdict"] == "invalid" and row["control"][0]["status"] == "fails" and row["discriminating"] is None


def test_an_untrained_arm_is_invalid(ledger):
    row = one(ledger({**CELLS, TRAINED: [2.0, 2.5, 0.1, 2.2, 2.1]}))
    assert row["verdict"] == "invalid" and row["reason"].startswith("Not trained")


@pytest.mark.parametrize("missing", [TWIN, TRAINED])
def test_a_check_that_was_not_run_bars_support(ledger, missing):
    row = one(ledger({cell: values for cell, values in CELLS.items() if cell != missing}))
    assert row["verdict"] == "inconclusive" and "not run" in row["reason"]


def test_four_seeds_show_no_absence(ledger):
    flat = {**CELLS, EFFECT: [0.2, 0.26, 0.15, 0.21, 0.2]}
    assert one(ledger(flat))["verdict"] == "absent"
    row = one(ledger({cell: values[:4] for cell, values in flat.items()}, day=None))
    assert row["verdict"] == "inconclusive" and "too few" in row["reason"]


def test_a_test_registered_after_its_run_is_never_supported(ledger):
    row = one(ledger(CELLS, day="2026-03-01"))
    assert row["verdict"] == "inconclusive" and row["registered_before_run"] is False
    assert "Z1.spread" in row["reason"] and "not registered before" in row["reason"]


def test_an_uncommitted_test_is_never_supported(ledger):
    row = one(ledger(CELLS, day=None))
    assert (row["verdict"], row["registry_commit"], row["registered_before_run"]) == ("inconclusive", "uncommitted", False)


def test_a_bound_changed_after_the_run_counts_as_late(ledger, entries):
    ledger(CELLS)
    entries[1]["bound"] = [-5.0, 5.0]
    row = one(ledger(CELLS, day="2026-03-01"))
    assert row["verdict"] == "inconclusive" and "Z1.control.twin was not registered" in row["reason"]
    assert row["registry_committed_at"] == "2026-01-01T00:00:00+00:00"


def test_a_run_without_a_record_proves_no_order(ledger):
    assert one(ledger(CELLS, record={}))["registered_before_run"] is False


def test_a_null_world_that_fools_the_rule_is_counted(ledger):
    leak = {**CELLS, ("shift", "independent", "bad"): [1.2, 1.3, 1.1, 1.25, 1.15]}
    assert false_positive_rate(ledger(CELLS))["fooled"] == 0
    rows = ledger(leak, day=None)
    assert one(rows, null=True)["verdict"] == "supported"
    found = false_positive_rate(rows)
    assert (found["fooled"], found["of"]) == (1, 1)
    assert "supported (fooled)" in format_table(rows)


def test_a_null_world_row_needs_no_date_but_needs_training(ledger):
    leak = {**CELLS, ("shift", "independent", "bad"): [1.2, 1.3, 1.1, 1.25, 1.15]}
    assert one(ledger(leak, day="2026-03-01"), null=True)["verdict"] == "supported"
    untrained = {**leak, ("trained", "independent", "bad"): [0.0] * 5}
    assert one(ledger(untrained, day=None), null=True)["verdict"] == "invalid"


def test_a_primary_without_a_confirmation_has_no_such_row(ledger):
    assert not any(row["confirmation"] for row in ledger({**CELLS, **CONFIRMED}))


def test_the_confirmation_stands_below_the_null_world_with_its_own_threshold(ledger, entries):
    entries[0]["confirmation"] = {"world": "confirmatory", "smallest_effect": 0.3}
    rows = ledger({**CELLS, **CONFIRMED, TWIN: [9.0] * 5})      # a control that fails in the main world
    assert [(r["test"], r["null_world"], r["confirmation"]) for r in rows[:4]] == [
        ("Z1.spread", False, False), ("Z1.spread", True, False), ("Z1.spread", False, True), ("Z1.control.twin", False, False)]
    row, own = one(rows, confirmation=True), one(rows)
    assert own["verdict"] == "invalid" and row["verdict"] == "supported" and row["control"] == []
    assert (row["world"], row["threshold"], own["threshold"], row["seeds"]) == ("confirmatory", 0.3, 0.5, [0, 1, 2])
    assert row["estimate"] == pytest.approx(0.8) and row["manipulation"]["status"] == "not run"
    assert row["registered_before_run"] is True and row["discriminating"] is True and row["registry_hash"] == own["registry_hash"]
    assert row["primary"] is True and row["p_holm"] is None and one(rows, null=True)["threshold"] == 0.5
    assert false_positive_rate(rows)["of"] == 1


@pytest.mark.parametrize(("values", "verdict"), [
    ([0.9, 1.0, 0.8], "supported"), ([0.2, 0.22, 0.18], "inconclusive"), ([-0.9, -1.0, -0.8], "contradicted"), ([0.9, 0.1, 0.5], "inconclusive")])
def test_a_test_can_fail_where_it_is_confirmed(ledger, entries, values, verdict):
    entries[0]["confirmation"] = {"world": "confirmatory"}
    rows = ledger({**CELLS, **CONFIRMED, ("shift", "confirmatory", "bad"): values})
    assert one(rows, confirmation=True)["verdict"] == verdict and one(rows)["verdict"] == "supported"


def test_a_confirmation_needs_training_where_measured_and_its_date(ledger, entries):
    entries[0]["confirmation"] = {"world": "confirmatory"}
    measured = ("trained", "confirmatory", "bad")
    late = one(ledger({**CELLS, **CONFIRMED, measured: [2.0] * 3}, day="2026-03-01"), confirmation=True)
    assert late["verdict"] == "inconclusive" and late["registered_before_run"] is False
    assert late["reason"].count("Z1.spread and Z1.trained was not registered before its run") == 1
    found = {
        tuple(trained): one(ledger({**CELLS, **CONFIRMED, measured: trained}, day=None), confirmation=True)
        for trained in ([2.0, 2.0, 0.1], [2.0, 2.0])
    }
    assert found[2.0, 2.0, 0.1]["verdict"] == "invalid"
    assert found[2.0, 2.0]["verdict"] == "inconclusive" and found[2.0, 2.0]["manipulation"]["status"] == "undecided"


def test_a_confirmation_that_was_not_run_or_is_smoke_says_so(ledger, entries):
    entries[0]["confirmation"] = {"world": "confirmatory"}
    row = one(ledger(CELLS), confirmation=True)
    assert row["verdict"] == "not run" and "No measurements of shift in confirmatory" in row["reason"]
    smoke = ledger({cell: values[:1] for cell, values in {**CELLS, **CONFIRMED}.items()}, scale="smoke", day=None)
    assert one(smoke, confirmation=True)["verdict"] == "no verdict (smoke)" and one(smoke, confirmation=True)["estimate"] == pytest.approx(0.8)


def test_holm_corrects_the_secondary_tests_of_a_claim(ledger, secondary):
    weak = [0.72, 0.95, 0.66, 0.9, 0.58]
    alone = ledger({**CELLS, ("shift", "main", "weak"): weak}, extra=[secondary("Z1.weak", "weak")])
    assert one(alone, "Z1.weak")["verdict"] == "supported"
    crowd = [secondary("Z1.weak", "weak"), *(secondary(f"Z1.never{i}", f"never{i}") for i in range(3))]
    row = one(ledger({**CELLS, ("shift", "main", "weak"): weak}, extra=crowd), "Z1.weak")
    assert row["verdict"] == "inconclusive" and row["p_value"] < 0.025 < row["p_holm"]


def test_smoke_shows_values_and_no_verdict(ledger):
    rows = ledger({cell: values[:1] for cell, values in CELLS.items()}, scale="smoke")
    row = one(rows)
    assert {r["verdict"] for r in rows} == {"no verdict (smoke)"}
    assert row["estimate"] == pytest.approx(1.0) and row["ci_low"] is None and row["ci_high"] is None
    assert row["discriminating"] is None and row["p_value"] is None and row["control"][0]["status"] == "not judged"


@pytest.mark.parametrize("scale", ["laptop", "smoke"])
def test_a_chapter_that_did_not_run(ledger, scale):
    rows = ledger(None, scale=scale)
    assert {row["verdict"] for row in rows} == {"not run"}
    assert "Chapter z1 has no finished run" in one(rows)["reason"] and one(rows)["estimate"] is None


def test_a_run_of_another_scale_is_refused(registry, entries, table, tmp_path):
    with pytest.raises(UsageError, match="of scale smoke, the ledger of scale laptop"):
        build_ledger(registry(entries), {"z1": (validate(table(CELLS)), {"scale": "smoke"})}, "laptop", tmp_path)


def test_an_exploratory_test_has_no_verdict(ledger, secondary):
    entry = secondary("Z1.look", "bad", kind="exploratory")
    row = one(ledger(CELLS, extra=[entry]), "Z1.look")
    assert row["verdict"] == "no verdict (exploratory)" and row["discriminating"] is True


def test_a_run_folder_serves_as_well_as_its_content(registry, entries, table, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    validate(table(CELLS)).to_csv(folder / "measurements.csv", index=False)
    (folder / "record.json").write_text(json.dumps(WHOLE_RECORD))
    found = registry(entries)
    pair = (read_measurements(folder / "measurements.csv"), RECORD)
    assert build_ledger(found, {"z1": folder}, "laptop", tmp_path) == build_ledger(found, {"z1": pair}, "laptop", tmp_path)


def test_a_ledger_is_written_and_read_back(ledger, tmp_path):
    rows = ledger(CELLS)
    write_ledger(tmp_path / "out", rows)
    assert read_ledger(tmp_path / "out") == rows
    with open(tmp_path / "out" / "ledger.csv") as stream:
        flat = list(csv.DictReader(stream))
    assert len(flat) == len(rows) and flat[0]["control"] == "Z1.control.twin: holds" and flat[0]["seeds"] == "0; 1; 2; 3; 4"
    assert flat[0]["rival"] == "narrow learning (0.0)" and flat[0]["registered_before_run"] == "yes"
    assert json.loads((tmp_path / "out" / "ledger.json").read_text())[0]["verdict"] == "supported"


@pytest.mark.parametrize(("text", "said"), [("{}", "is no ledger"), ('[{"claim": "x"}]', "row 1 lacks test"), ("[", "corrupt")])
def test_a_broken_ledger_is_refused(tmp_path, text, said):
    (tmp_path / "ledger.json").write_text(text)
    with pytest.raises(UsageError, match=said):
        read_ledger(tmp_path)


@pytest.mark.parametrize(("field", "value"), [
    ("estimate", "1.0"), ("estimate", math.nan), ("ci_low", "low"), ("verdict", 3), ("primary", "yes"), ("control", "T1"),
    ("control", [{"id": "T1"}]), ("bound", [1.0]), ("direction", "up"), ("threshold", []), ("run_started_at", "yesterday"), ("rival", "habit"),
    ("confirmation", "no"), ("manipulation", [1]), ("seeds", 5), ("reason", 1), ("substrate", "dream"),
])
def test_a_ledger_with_a_field_of_another_form_is_refused(ledger, tmp_path, field, value):
    rows = ledger(CELLS)
    (tmp_path / "ledger.json").write_text(json.dumps([rows[0], rows[1] | {field: value}]))
    with pytest.raises(UsageError, match=f"row 2 has {field} of another form") as caught:
        read_ledger(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("content", "said"), [
    ([WHOLE_RECORD], "a mapping was expected"), ({}, "chapter, key"), (WHOLE_RECORD | {"started_at": "yesterday"}, "started_at missing or"),
    (WHOLE_RECORD | {"started_at": None}, "started_at"), (WHOLE_RECORD | {"seconds": "long"}, "seconds"),
    (WHOLE_RECORD | {"base_models": ["main"]}, "base_models"), (WHOLE_RECORD | {"dirty": 1}, "dirty"), (WHOLE_RECORD | {"cells": True}, "cells"),
    ({name: value for name, value in WHOLE_RECORD.items() if name != "seeds"}, "seeds"),
])
def test_a_record_of_another_form_is_refused_in_one_line(registry, entries, table, tmp_path, content, said):
    validate(table(CELLS)).to_csv(tmp_path / "measurements.csv", index=False)
    (tmp_path / "record.json").write_text(json.dumps(content))
    with pytest.raises(UsageError, match=f"record.json is no record of a run: .*{said}") as caught:
        build_ledger(registry(entries), {"z1": tmp_path}, "laptop", tmp_path)
    assert "\n" not in str(caught.value)


def test_tables_for_people(ledger, secondary):
    rows = ledger(CELLS, extra=[secondary("Z1.a_secondary_with_a_name_that_goes_on_and_on", "bad", kind="exploratory")])
    lines = format_table(rows).splitlines()
    assert max(map(len, lines)) <= 120 and len(lines) == 2 + len(rows)
    assert lines[0].split()[:3] == ["claim", "test", "where"]
    assert "1.00 [0.94, 1.06]" in lines[2] and "> 0.5" in lines[2] and "1/1" in lines[2] and lines[2].endswith("supported")
    assert "independent (null)" in lines[3] and "-0.3..0.3" in lines[4] and "1.." in lines[5]
    assert len({line.index("  ", 0) for line in lines[2:]}) == 1
    assert len(format_table(rows, kinds=["primary"]).splitlines()) == 4
    assert format_table([]) == "no tests to show"
    page = markdown_table(rows, {"z1": "chapters/z1.html"}).splitlines()
    assert len(page) == 3 and page[2].startswith("| [Z1](chapters/z1.html) | Z1.spread | main |") and page[2].endswith("**supported** | absent | - |")


def test_tables_tell_a_confirmation_from_the_test_itself(ledger, entries):
    entries[0]["confirmation"] = {"world": "confirmatory"}
    rows = ledger({**CELLS, **CONFIRMED, ("shift", "confirmatory", "bad"): [0.4, 0.42, 0.38]})
    assert "confirmatory (conf.)  0.30 [" in format_table(rows).splitlines()[4]
    page = markdown_table(rows).splitlines()
    assert len(page) == 3 and page[2].endswith("**supported** | absent | inconclusive |")
    assert {line.count("|") for line in page} == {10}


def frame(**changes):
    row = {"quantity": "q", "substrate": "world", "world": "main", "seed": 0, "arm": "a", "item": "i", "value": 1.0, "valid_mass": 0.9}
    return pd.DataFrame([row, {**row, "item": "j", **changes}])


@pytest.mark.parametrize(("changes", "said"), [
    ({"value": math.nan}, "row 2 .*item j.*value"), ({"value": math.inf}, "row 2 .*value"), ({"value": "much"}, "row 2 .*value"),
    ({"substrate": "dream"}, "row 2 .*substrate"), ({"seed": None}, "row 2 .*needs a seed"), ({"seed": 1.5}, "row 2: seed"),
    ({"arm": ""}, "row 2 .*arm is empty"), ({"valid_mass": 1.4}, "row 2 .*valid_mass"), ({"valid_mass": "x"}, "row 2 .*valid_mass"),
    ({"item": "i"}, "row 2 .*second row"),
])
def test_a_bad_row_is_named(changes, said, tmp_path):
    with pytest.raises(UsageError, match=said):
        validate(frame(**changes))
    path = tmp_path / "measurements.csv"
    frame(**changes).to_csv(path, index=False)
    with pytest.raises(UsageError, match=f"measurements.csv: {said}"):
        read_measurements(path)


def test_wrong_columns_and_files_are_named(tmp_path):
    with pytest.raises(UsageError, match="missing: value; unknown: score"):
        validate(frame().rename(columns={"value": "score"}))
    with pytest.raises(UsageError, match="no such file"):
        read_measurements(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(UsageError, match="not a readable table"):
        read_measurements(tmp_path / "empty.csv")
    assert validate(pd.DataFrame(columns=list(COLUMNS))).empty


def test_measurements_survive_the_file_to_the_last_bit(tmp_path):
    kept = validate(frame(value=1 / 3, valid_mass=None))
    kept.to_csv(tmp_path / "m.csv", index=False)
    pd.testing.assert_frame_equal(read_measurements(tmp_path / "m.csv"), kept)


def chosen(tidy, test, null=False):
    return effects(validate(tidy), test.id, test.substrate, test.null if null else test.select)


def test_effects_are_paired_within_the_seed(entries, registry):
    test = registry(entries).get("Z1.spread")
    rows = [("bad", 0, "x", 3.0), ("bad", 0, "y", 5.0), ("good", 0, "x", 1.0), ("good", 0, "y", 1.0),
            ("bad", 2, "x", 2.0), ("good", 2, "x", 4.0), ("bad", 2, "y", 2.0), ("good", 2, "y", 2.0)]
    tidy = pd.DataFrame([{"quantity": "shift", "substrate": "world", "world": "main", "seed": s, "arm": a, "item": i, "value": v,
                          "valid_mass": None} for a, s, i, v in rows])
    found = chosen(tidy, test)
    assert (found.unit, found.seeds, list(found.values), found.valid_mass) == ("seed", [0, 2], [3.0, -1.0], None)
    with pytest.raises(UsageError, match="Z1.spread: arms bad and good do not cover .* 1 unpaired, the first at seed 2, item y"):
        chosen(tidy.iloc[:-1], test)
    assert "no measurements of shift in independent" in chosen(tidy, test, null=True).missing
    there = tidy.assign(substrate="real", seed=None, item=[f"i{n}" for n in range(len(tidy))])
    away = effects(validate(there), test.id, "real", replace(test.select, place="a-model"))
    assert len(away) == 0 and away.missing == "no model called a-model was at hand, so shift was not measured"
    other = effects(validate(there), test.id, "real", replace(test.select, quantity="size"))
    assert other.missing == "no measurements of size in main"
    entries[0]["select"]["arm"] = "bda"
    mistyped = chosen(tidy, registry(entries).get("Z1.spread"))
    assert len(mistyped) == 0 and "there are: bad, good" in mistyped.missing
    entries[0]["select"].update(arm="bad", items=["y"])
    assert list(chosen(tidy, registry(entries).get("Z1.spread")).values) == [4.0, 0.0]
    entries[0]["select"].update(items=["z"])
    with pytest.raises(UsageError, match="Z1.spread: field `select.items`: arm bad was not measured on z"):
        chosen(tidy, registry(entries).get("Z1.spread"))


def test_a_real_model_without_training_is_paired_by_item(entries, registry):
    entries[0].update(substrate="real", select={"quantity": "margin", "model": "tiny", "arm": "bad", "reference": "good"}, controls=[])
    del entries[0]["null_world"], entries[0]["manipulation"]
    test = registry(entries).get("Z1.spread")
    tidy = pd.DataFrame([{"quantity": "margin", "substrate": "real", "world": "tiny", "seed": None, "arm": arm, "item": f"t{i}",
                          "value": value + i, "valid_mass": None} for arm, value in (("bad", 2.0), ("good", 1.5)) for i in range(3)])
    found = chosen(tidy, test)
    assert (found.unit, found.labels, list(found.values), found.seeds) == ("item", ("t0", "t1", "t2"), [0.5] * 3, [])
    tidy.loc[0, "seed"] = 3
    with pytest.raises(UsageError, match="some of its measurements have a seed"):
        chosen(tidy.iloc[:3], registry([{**entries[0], "select": {"quantity": "margin", "model": "tiny", "arm": "bad"}},
                                                  *entries[1:]]).get("Z1.spread"))
