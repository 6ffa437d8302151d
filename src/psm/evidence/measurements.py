"""Tidy measurements: reading and checking a chapter's table, and picking a test's paired effects out of it."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from psm.errors import UsageError
from psm.evidence.registry import Selection

COLUMNS = ("quantity", "substrate", "world", "seed", "arm", "item", "value", "valid_mass")
KEY = ["quantity", "substrate", "world", "seed", "arm", "item"]


@dataclass(frozen=True)
class Effects:
    """One paired effect per unit; `values` has shape (units,), `missing` says why there is none."""

    unit: str
    labels: tuple[int | str, ...]
    values: np.ndarray
    valid_mass: float | None = None
    missing: str = ""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def seeds(self) -> list[int]:
        return [int(label) for label in self.labels] if self.unit == "seed" else []


def no_effects(why: str) -> Effects:
    return Effects("seed", (), np.empty(0), None, why)


def read_measurements(path: Path | str) -> pd.DataFrame:
    """Read and check a measurements.csv; errors name the file and the row."""
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; run the chapter that writes it") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not a readable table ({str(error).splitlines()[0]})") from None
    try:
        return validate(frame)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def validate(frame: pd.DataFrame) -> pd.DataFrame:
    """Check the schema and return a clean copy: text columns as text, seed as nullable integer, numbers as float.

    Rows are named in errors by their place in the table, the first being row 1.
    """
    missing = [name for name in COLUMNS if name not in frame.columns]
    unknown = [str(name) for name in frame.columns if name not in COLUMNS]
    if missing or unknown:
        raise UsageError(f"measurements need the columns {', '.join(COLUMNS)}; missing: "
                         f"{', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}")
    clean = frame.loc[:, list(COLUMNS)].reset_index(drop=True)
    for name in ("quantity", "substrate", "world", "arm", "item"):
        clean[name] = pd.Series(["" if _empty(cell) else str(cell) for cell in clean[name]], dtype=object)
    for name in ("quantity", "world", "arm"):
        _refuse(clean, clean[name] == "", f"{name} is empty")
    _refuse(clean, ~clean["substrate"].isin(["world", "real"]), "substrate is neither `world` nor `real`")
    clean["seed"] = pd.array([_seed(cell, row) for row, cell in enumerate(clean["seed"], 1)], dtype="Int64")
    _refuse(clean, (clean["substrate"] == "world") & clean["seed"].isna(), "a world measurement needs a seed")
    clean["value"] = _numbers(clean["value"])
    _refuse(clean, ~np.isfinite(clean["value"]), "value is empty, NaN, infinite or not a number")
    given = np.array([not _empty(cell) for cell in clean["valid_mass"]], dtype=bool)
    clean["valid_mass"] = _numbers(clean["valid_mass"])
    _refuse(clean, given & ~clean["valid_mass"].between(-1e-6, 1 + 1e-6), "valid_mass is not between 0 and 1")
    _refuse(clean, clean.duplicated(KEY), "a second row for the same quantity, world, seed, arm and item")
    return clean


def effects(frame: pd.DataFrame, test_id: str, substrate: str, wanted: Selection) -> Effects:
    """The paired effects of a test's selection, one per unit in order of the unit; `test_id` is only for messages.

    The unit is the seed: mean over items of the arm minus mean over items of the reference. Rows of a real
    model without seeds are paired by item instead. Nothing measured gives no effects and says why; an arm and
    a reference that do not cover the same seeds and items are an error.
    """
    here = frame[(frame["quantity"] == wanted.quantity) & (frame["substrate"] == substrate)
                 & (frame["world"] == wanted.place)]
    if here.empty and substrate == "real" and not ((frame["substrate"] == substrate) & (frame["world"] == wanted.place)).any():
        return no_effects(f"no model called {wanted.place} was at hand, so {wanted.quantity} was not measured")
    if here.empty:
        return no_effects(f"no measurements of {wanted.quantity} in {wanted.place}")
    arm = _rows(here, wanted.arm, wanted, test_id)
    if arm.empty:
        return no_effects(f"no measurements of {wanted.quantity} in {wanted.place} for arm {wanted.arm} "
                          f"(there are: {', '.join(sorted(here['arm'].unique()))})")
    reference = None
    if wanted.reference is not None:
        reference = _rows(here, wanted.reference, wanted, test_id)
        if reference.empty:
            return no_effects(f"no measurements of {wanted.quantity} in {wanted.place} "
                              f"for reference {wanted.reference}")
        _same_cover(arm, reference, test_id, wanted)
    unit = _unit(arm, test_id)
    means = arm.groupby(unit)["value"].mean().sort_index()
    if reference is not None:
        means = means - reference.groupby(unit)["value"].mean().sort_index()
    used = arm if reference is None else pd.concat([arm, reference])
    masses = used["valid_mass"].dropna()
    labels = tuple(int(label) if unit == "seed" else str(label) for label in means.index)
    return Effects(unit, labels, means.to_numpy(dtype=float), float(masses.min()) if len(masses) else None)


def _rows(here: pd.DataFrame, arm: str, wanted: Selection, test_id: str) -> pd.DataFrame:
    rows = here[here["arm"] == arm]
    if wanted.items is None or rows.empty:
        return rows
    absent = [item for item in wanted.items if item not in set(rows["item"])]
    if absent:
        raise UsageError(f"{test_id}: field `select.items`: arm {arm} was not measured on {', '.join(absent)}")
    return rows[rows["item"].isin(wanted.items)]


def _same_cover(arm: pd.DataFrame, reference: pd.DataFrame, test_id: str, wanted: Selection) -> None:
    """Pairs need both halves; a mean over other items or seeds would be another comparison."""
    def cells(rows):
        return {("none" if pd.isna(seed) else int(seed), item) for seed, item in zip(rows["seed"], rows["item"])}
    unpaired = sorted(cells(arm) ^ cells(reference), key=str)
    if unpaired:
        seed, item = unpaired[0]
        raise UsageError(f"{test_id}: arms {wanted.arm} and {wanted.reference} do not cover the same seeds and "
                         f"items: {len(unpaired)} unpaired, the first at seed {seed}, item {item or 'none'}")


def _unit(rows: pd.DataFrame, test_id: str) -> str:
    empty = rows["seed"].isna()
    if empty.any() and not empty.all():
        raise UsageError(f"{test_id}: some of its measurements have a seed and some have none")
    return "item" if empty.all() else "seed"


def _empty(cell: object) -> bool:
    return cell is None or cell is pd.NA or (isinstance(cell, float) and math.isnan(cell)) or cell == ""


def _seed(cell: object, row: int) -> int | None:
    if _empty(cell):
        return None
    try:
        number = float(cell)
        if number == int(number) and number >= 0:
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise UsageError(f"row {row}: seed {cell!r} is not a whole number")


def _numbers(column: pd.Series) -> pd.Series:
    """Floats, NaN where a cell is empty or no number."""
    def number(cell):
        try:
            return math.nan if _empty(cell) else float(cell)
        except (TypeError, ValueError):
            return math.nan
    return pd.Series([number(cell) for cell in column], dtype=float)


def _refuse(frame: pd.DataFrame, bad: pd.Series, why: str) -> None:
    bad = np.asarray(bad, dtype=bool)
    if bad.any():
        row = int(bad.argmax())
        named = ", ".join(f"{name} {frame.at[row, name]}" for name in ("quantity", "world", "seed", "arm", "item")
                          if not _empty(frame.at[row, name]))
        more = f" (and {int(bad.sum()) - 1} more rows)" if bad.sum() > 1 else ""
        raise UsageError(f"row {row + 1} ({named}): {why}{more}")
