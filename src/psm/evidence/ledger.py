"""The ledger: a row per registered test, per null world and per confirmation, as records, as CSV and as tables for people."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from psm.errors import UsageError
from psm.evidence import measurements, stats, verdicts
from psm.evidence.history import Registration
from psm.evidence.measurements import Effects, no_effects, read_measurements
from psm.evidence.registry import Registry, Selection, Test, entry_hash, registrations
from psm.evidence.shapes import NEEDED, moment, read_ledger, read_record
from psm.evidence.tables import format_table, markdown_table
from psm.evidence.verdicts import Check, Verdict
from psm.files import write_json, write_whole
from psm.scale import get_scale

__all__ = ["build_ledger", "format_table", "markdown_table", "read_ledger", "read_run", "write_ledger"]

Row = dict[str, Any]
Run = tuple[pd.DataFrame | None, Mapping[str, Any] | None]


@dataclass(frozen=True)
class _Reading:
    """What a test's chapter measured, when it ran, and since when the test has been registered."""

    effects: Effects
    started_at: str | None
    registration: Registration

    @property
    def before_run(self) -> bool:
        committed_at = self.registration.committed_at
        return bool(committed_at and self.started_at) and moment(committed_at) <= moment(self.started_at)


def read_run(folder: Path | str) -> Run:
    """Measurements and record of a finished run folder."""
    return read_measurements(Path(folder) / "measurements.csv"), read_record(Path(folder) / "record.json")


def build_ledger(registry: Registry, runs: Mapping[str, Run | Path | str], scale: str, root: Path) -> list[Row]:
    """Every test's row, in the registry's order, each primary world test followed by its null-world row and its confirmation.

    `runs` maps a chapter to its run folder or to (measurements, record); a chapter that is missing there, or has no
    measurements, gives "not run" rows. Interval ends that are infinite are None.
    """
    is_evidence = get_scale(scale).is_evidence
    opened = {chapter: read_run(run) if isinstance(run, (str, Path)) else run for chapter, run in runs.items()}
    for chapter, (_, record) in opened.items():
        if record and record.get("scale", scale) != scale:
            raise UsageError(f"the run of {chapter} is of scale {record['scale']}, the ledger of scale {scale}")
    history = registrations(registry, root)
    readings = {test.id: _read(test, test.select, opened, history[test.id]) for test in registry}
    holm = verdicts.holm_adjusted(registry.tests, {t.id: verdicts.p_value(t, readings[t.id].effects) for t in registry})
    rows = []
    for test in registry:
        rows.append(_row(registry, test, readings, holm.get(test.id)))
        if test.null is not None:
            rows.append(_null_row(registry, test, opened, readings))
        if test.confirmation is not None:
            rows.append(_confirmation_row(registry, test.confirmation, opened, readings))
    return [(row if is_evidence else _without_verdict(row, scale)) | {"scale": scale} for row in rows]


def _read(test: Test, wanted: Selection, runs: Mapping[str, Run], registration: Registration) -> _Reading:
    frame, record = runs.get(test.chapter, (None, None))
    started_at = record.get("started_at") if record else None
    if frame is None:
        return _Reading(no_effects(f"chapter {test.chapter} has no finished run at this scale"), started_at, registration)
    return _Reading(measurements.effects(frame, test.id, test.substrate, wanted), started_at, registration)


def _row(registry: Registry, test: Test, readings: Mapping[str, _Reading], p_holm: float | None) -> Row:
    reading = readings[test.id]
    controls = [verdicts.check_control(registry.get(name), readings[name].effects) for name in test.controls]
    manipulation = None
    if test.manipulation:
        manipulation = verdicts.check_manipulation(registry.get(test.manipulation), readings[test.manipulation].effects,
                                                   reading.effects.seeds)
    basis = [test.id, *test.controls, *([test.manipulation] if test.manipulation else [])]
    late = _late({name: readings[name] for name in basis})
    if test.kind in ("control", "manipulation"):
        check = (verdicts.check_control if test.kind == "control" else verdicts.check_manipulation)(test, reading.effects)
        verdict = Verdict(check.status, f"{check.detail[:1].upper()}{check.detail[1:]}.")
    elif not len(reading.effects) or test.kind in ("primary", "secondary"):
        verdict = verdicts.judge(test, reading.effects, controls, manipulation, late, p_holm)
    else:
        interval = stats.t_interval(reading.effects.values)
        verdict = Verdict("no verdict (exploratory)", "An exploratory test shows values and yields no verdict.",
                          verdicts.excludes_rival(test, interval))
    row = _fields(test, test.select, reading, verdict, controls, manipulation)
    return row | {"registered_before_run": reading.before_run and not late, "p_holm": p_holm if len(reading.effects) else None}


def _null_row(registry: Registry, test: Test, runs: Mapping[str, Run], readings: Mapping[str, _Reading]) -> Row:
    reading = _read(test, test.null, runs, readings[test.id].registration)
    manipulation = None
    if test.manipulation:
        there = _manipulation_in(registry, test, test.null.place, runs, readings)
        manipulation = verdicts.check_manipulation(registry.get(test.manipulation), there.effects)
    verdict = verdicts.judge_null(test, reading.effects, manipulation)
    row = _fields(test, test.null, reading, verdict, [], manipulation)
    return row | {"null_world": True, "registered_before_run": reading.before_run, "p_holm": None}


def _confirmation_row(registry: Registry, test: Test, runs: Mapping[str, Run], readings: Mapping[str, _Reading]) -> Row:
    """The row of `test`, which is another test's `confirmation`."""
    reading = _read(test, test.select, runs, readings[test.id].registration)
    manipulation, basis = None, {test.id: reading}
    if test.manipulation:
        there = basis[test.manipulation] = _manipulation_in(registry, test, test.select.place, runs, readings)
        manipulation = verdicts.check_manipulation(registry.get(test.manipulation), there.effects, reading.effects.seeds)
    late = _late(basis)
    row = _fields(test, test.select, reading, verdicts.judge_confirmation(test, reading.effects, manipulation, late), [], manipulation)
    return row | {"confirmation": True, "registered_before_run": reading.before_run and not late, "p_holm": None}


def _manipulation_in(registry: Registry, test: Test, place: str, runs: Mapping[str, Run], readings: Mapping[str, _Reading]) -> _Reading:
    """What a test's manipulation check reads in another world than its own."""
    check = registry.get(test.manipulation)
    return _read(check, replace(check.select, place=place), runs, readings[check.id].registration)


def _late(basis: Mapping[str, _Reading]) -> str:
    """Which of the tests that a verdict rests on were measured and not registered before; empty where none was."""
    late = [name for name, reading in basis.items() if len(reading.effects) and not reading.before_run]
    return f"{' and '.join(late)} was not registered before its run" if late else ""


def _fields(test: Test, selection: Selection, reading: _Reading, verdict: Verdict, controls: Sequence[Check],
            manipulation: Check | None) -> Row:
    effects = reading.effects
    interval = stats.t_interval(effects.values) if len(effects) else None
    return {
        "claim": test.claim, "test": test.id, "kind": test.kind, "primary": test.kind == "primary",
        "substrate": test.substrate, "world": selection.place, "chapter": test.chapter, "estimand": test.estimand,
        "seeds": effects.seeds, "n_units": len(effects), "per_seed": [float(value) for value in effects.values],
        "estimate": interval.mean if interval else None,
        "ci_low": _finite(interval.low) if interval else None, "ci_high": _finite(interval.high) if interval else None,
        "smallest_visible": _finite(interval.smallest_visible) if interval else None,
        "effect_size": _finite(stats.paired_effect_size(effects.values)) if interval else None,
        "valid_mass": effects.valid_mass, "unit": test.unit, "direction": test.direction, "threshold": test.smallest_effect,
        "bound": [_finite(end) for end in test.bound] if test.bound else None,
        "control": [_check(check) for check in controls], "manipulation": _check(manipulation) if manipulation else None,
        "rival": dict(test.rival) if test.rival else None, "discriminating": verdict.discriminating,
        "verdict": verdict.verdict, "reason": verdict.reason, "null_world": False, "confirmation": False,
        "p_value": verdicts.p_value(test, effects),
        "registry_hash": entry_hash(test), "registry_commit": reading.registration.commit,
        "registry_committed_at": reading.registration.committed_at, "run_started_at": reading.started_at,
    }


def _check(check: Check) -> Row:
    interval = check.interval
    return {"id": check.id, "status": check.status, "estimate": interval.mean if interval else None,
            "ci_low": _finite(interval.low) if interval else None, "ci_high": _finite(interval.high) if interval else None,
            "bound": [_finite(end) for end in check.bound], "detail": check.detail}


def _without_verdict(row: Row, scale: str) -> Row:
    """The row at a scale that counts as no evidence: its values and nothing that judges them."""
    if row["verdict"] == "not run":
        return row
    checks = [{**check, "status": "not judged"} if check["status"] != "not run" else check for check in row["control"]]
    manipulation = row["manipulation"]
    if manipulation and manipulation["status"] != "not run":
        manipulation = {**manipulation, "status": "not judged"}
    return row | {"verdict": f"no verdict ({scale})", "reason": f"Scale {scale} shows that everything runs and counts as no evidence.",
                  "discriminating": None, "p_value": None, "p_holm": None, "control": checks, "manipulation": manipulation}


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def write_ledger(folder: Path | str, rows: Sequence[Row]) -> None:
    """Write ledger.json and, for spreadsheets, ledger.csv with lists spelt out."""
    write_json(Path(folder) / "ledger.json", list(rows))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(dict.fromkeys(name for row in rows for name in row)) or list(NEEDED), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _flat(value) for name, value in row.items()} for row in rows)
    write_whole(Path(folder) / "ledger.csv", stream.getvalue())


def _flat(value: Any) -> Any:
    """One cell of the CSV: lists by semicolons, checks as "id: status", a rival as "name (prediction)"."""
    if isinstance(value, list):
        return "; ".join(str(_flat(part)) for part in value)
    if isinstance(value, Mapping):
        if "status" in value:
            return f"{value['id']}: {value['status']}"
        return f"{value['name']} ({value['predicts']})" if "predicts" in value else json.dumps(value, sort_keys=True)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value
