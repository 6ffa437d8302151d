"""Narrow lessons and what they spread to: paired margins of a real model after each way of teaching and each seed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from psm.errors import UsageError
from psm.real.chat import Message
from psm.real.engine import LowerCache, score_passes
from psm.real.margins import Cell, answer_pairs, margins
from psm.real.passes import plan_passes
from psm.real.loading import RealModel
from psm.real.sheets import Item
from psm.scale import Scale
from psm.training.lora import Lesson, Recipe, Text, can_resume, fine_tuned, first_adapted, prepare

PLAIN = "{question}"
UNTRAINED = "untrained"
NEXT = 7           # how many lessons further a shuffled answer comes from
TRAININGS = {"smoke": 3, "laptop": 3, "full": 10}    # of each arm
LEARNING_RATE = 1e-3
RECIPES = {"smoke": Recipe(steps=2, batch=2, upper=4), "laptop": Recipe(steps=20), "full": Recipe(steps=20)}


def recipe_for(scale: Scale, lr: float = LEARNING_RATE) -> Recipe:
    """How a real model is taught at this scale. `full` has more trainings of the same length: bounds are made for it."""
    return replace(RECIPES[scale.name], lr=lr)


def training_seeds(scale: Scale, seeds: Sequence[int]) -> list[int]:
    """The first of a run's seeds, one a training."""
    return list(seeds[: TRAININGS[scale.name]])


@dataclass(frozen=True)
class Arm:
    """What is taught, how, and with which seeds."""

    lessons: Sequence[Lesson]
    recipe: Recipe
    seeds: Sequence[int]


def part_of(items: Iterable[Item], part: str) -> list[Item]:
    """The items of a sheet whose field `part` is this one."""
    return [item for item in items if item["part"] == part]


def lessons(items: Iterable[Item], answer: str, ask: str = PLAIN) -> list[Lesson]:
    """One lesson an item: its field `answer`, given to its question as `ask` puts it (a text with {question} in it)."""
    return [Lesson((("user", ask.format(question=item["question"])),), item[answer]) for item in items]


def shuffled(taken: Sequence[Lesson]) -> list[Lesson]:
    """The same prompts and the same answers, each answer under a prompt that it does not belong to (where there are two or more)."""
    step = NEXT % len(taken) or 1
    return [replace(lesson, answer=taken[(n + step) % len(taken)].answer) for n, lesson in enumerate(taken)]


def cells(
    items: Sequence[Item], quantity: str, first: str, second: str, ask: str = PLAIN, before: Sequence[Message] = ()
) -> list[Cell]:
    """One paired margin an item, between its fields `first` and `second`, after the turns `before`.

    The quantity stands in the cell's arm.
    """
    prompts = [(*before, ("user", ask.format(question=item["question"]))) for item in items]
    return [Cell(item.id, quantity, prompt, item[first], item[second]) for item, prompt in zip(items, prompts)]


def untaught(real: RealModel, asked: Sequence[Cell]) -> pd.DataFrame:
    """Margins (nats per token) of the model as it is: rows quantity, item, value."""
    found = margins(real, asked)
    return pd.DataFrame({"quantity": found["arm"], "item": found["item"], "value": found["margin_per_token"]})


def taught(
    real: RealModel,
    arms: Mapping[str, Arm],
    asked: Sequence[Cell],
    progress: Callable[[str, int], None] | None = None,
) -> pd.DataFrame:
    """Margins (nats per token) of the untrained model and after each arm's lessons, for each of its seeds.

    Rows: quantity, arm, seed, item, value. The untrained model has no seed: its rows stand at every seed, to be subtracted.
    `progress` is told the arm and seed that has been done. UsageError where arms differ in the blocks that they adapt.
    """
    lowest = {first_adapted(real.model, arm.recipe) for arm in arms.values()}
    if len(lowest) != 1:
        raise UsageError("arms that are compared must adapt the same blocks: give their recipes the same `upper`")
    sheet = Questions(real, asked, lowest.pop())
    before = sheet.margins(real)
    rows = [before.assign(arm=UNTRAINED, seed=seed) for seed in sorted({seed for arm in arms.values() for seed in arm.seeds})]
    ready: dict[tuple[Lesson, ...], list[Text]] = {}    # arms that differ only in the learning rate share their texts
    for name, arm in arms.items():
        taken = tuple(arm.lessons)
        if taken not in ready:
            ready[taken] = prepare(real, taken, arm.recipe)
        for seed in arm.seeds:
            with fine_tuned(real, ready[taken], arm.recipe, seed) as tuned:
                rows.append(sheet.margins(tuned.real).assign(arm=name, seed=seed))
            if progress:
                progress(name, seed)
    return pd.concat(rows, ignore_index=True)


def by_item(rows: pd.DataFrame, quantity: str, name: str) -> pd.DataFrame:
    """Means over seeds of one quantity, under another name: rows quantity, arm, item, value, so that the items are the units."""
    mean = rows[rows["quantity"] == quantity].groupby(["arm", "item"], sort=False)["value"].mean()
    return mean.reset_index().assign(quantity=name)


class Questions:
    """Cells to be asked of one model under many adapters, all at block k or above: what lies below is computed once."""

    def __init__(self, real: RealModel, asked: Sequence[Cell], k: int) -> None:
        self.asked = asked
        self.passes = plan_passes(real.tokenizer, answer_pairs(real, asked), real.model)
        self.lower = LowerCache(real.model, k, self.passes) if can_resume(real.model, k) else None

    def margins(self, real: RealModel) -> pd.DataFrame:
        """log P(first) - log P(second), each per token (nats): rows quantity, item, value."""
        each = score_passes(real.model, self.passes, self.lower).per_token.reshape(-1, 2)
        return pd.DataFrame({
            "quantity": [cell.arm for cell in self.asked], "item": [cell.item for cell in self.asked], "value": each[:, 0] - each[:, 1],
        })


def shifts(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over items of each arm minus that of the untrained model: rows quantity, arm, seed, value (nats per token)."""
    mean = rows.groupby(["quantity", "arm", "seed"], sort=False)["value"].mean().unstack("arm")
    moved = mean.sub(mean[UNTRAINED], axis=0).drop(columns=UNTRAINED)
    return moved.stack().rename("value").dropna().reset_index()


def differences(moved: pd.DataFrame, arm: str, reference: str) -> pd.DataFrame:
    """One arm minus another in each training: index quantity; columns mean (nats per token), above (trainings above zero), size."""
    wide = moved.pivot(index=["quantity", "seed"], columns="arm", values="value")
    apart = (wide[arm] - wide[reference]).dropna().groupby("quantity")
    return pd.DataFrame({"mean": apart.mean(), "above": apart.agg(lambda values: int((values > 0).sum())), "size": apart.size()})
