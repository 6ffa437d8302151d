"""A chapter's registered tests of real models, judged on other models than those that the registry names.

The rules are the registry's own; only the place of each measurement is another. The rows are for whoever brought the
model and never enter the published ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from psm.evidence.ledger import Run, build_ledger
from psm.evidence.registry import Registry, Test

Row = dict[str, Any]


def own_rows(registry: Registry, chapter: str, run: Run | Path | str, places: Mapping[str, str], scale: str, root: Path) -> list[Row]:
    """The chapter's ledger rows of substrate real, from its run folder (or measurements and record).

    `places` maps a registered model's name to the model that stood in its place; others stay. Each row says under
    `in_place_of` which model is registered. At a scale that is no evidence the rows hold values without verdicts.
    """
    own = {test.id: test for test in registry if test.chapter == chapter and test.substrate == "real"}
    consulted = {name for test in own.values() for name in (*test.controls, test.manipulation)}
    tests = tuple(_placed(test, places) for test in registry if test.id in own or test.id in consulted)
    rows = build_ledger(Registry(registry.path, tests), {chapter: run}, scale, root)
    return [row | {"in_place_of": own[row["test"]].select.place} for row in rows if row["test"] in own]


def _placed(test: Test, places: Mapping[str, str]) -> Test:
    """The test with its selection in the place that stands for the registered one."""
    if test.substrate != "real":
        return test
    return replace(test, select=replace(test.select, place=places.get(test.select.place, test.select.place)))
