"""Many-shot contexts on a real model: does a character shown k times in a chat carry over to the next answer?

Everything is a difference between two contexts of one length, one in character A and one in character B, so that what
the model thinks of the two last answers by themselves cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from psm.real.chat import Message
from psm.real.margins import Cell, margins
from psm.real.sheets import Item

if TYPE_CHECKING:
    from psm.real.loading import RealModel

DOSES = (1, 4, 16)             # answers in the context
MIXED = "abbabaabbaababba"     # as many of either character, early and late
SWAPPED = str.maketrans("ab", "ba")


def own_shots(item: Item, order: str) -> tuple[Message, ...]:
    """A chat in which the assistant itself gave the answers; `order` names the character of each, such as "aaaa"."""
    turns = [turn for asked, answer in _shots(item, order) for turn in (("user", asked), ("assistant", answer))]
    return (*turns, ("user", item["question"]))


def yours_shots(item: Item, order: str) -> tuple[Message, ...]:
    """A chat in which the user retells the same answers as the assistant's own of yesterday."""
    return _retold(item, order, "Yesterday you were asked some questions. This is what you answered.", "You")


def quoted_shots(item: Item, order: str) -> tuple[Message, ...]:
    """A chat in which the user retells the same answers as those of somebody else."""
    return _retold(item, order, "My colleague Tom was asked some questions. This is what he answered.", "Tom")


def mixed_shots(item: Item, order: str) -> tuple[Message, ...]:
    """The assistant's own answers, half of them in either character: `order` only says which character begins."""
    pattern = MIXED if order[0] == "a" else MIXED.translate(SWAPPED)
    return own_shots(item, pattern[: len(order)])


ARMS = {"own": own_shots, "yours": yours_shots, "quoted": quoted_shots, "mixed": mixed_shots}


def many_shot_margins(
    real: RealModel, items: Sequence[Item], doses: Sequence[int] = DOSES, progress: Callable[[int, int], None] | None = None
) -> pd.DataFrame:
    """The margin for the answer in the context's character: rows item, trait, arm, k, margin (nats), margin_per_token.

    With `lp` an answer's log-probability, divided by its number of tokens for `margin_per_token`,

        margin = ([lp(A | context A) - lp(B | context A)] - [lp(A | context B) - lp(B | context B)]) / 2.

    "own" is asked at every dose, "yours", "quoted" and "mixed" at the largest only. In "mixed" both contexts have as many
    answers of A as of B (an even dose); which of them counts as context A alternates over the items, so that a
    preference for the last answer cancels.
    """
    plan = [(number, item, arm, k) for number, item in enumerate(items) for arm in ARMS for k in doses if arm == "own" or k == doses[-1]]
    asked = [(item, arm, k, letter) for number, item, arm, k in plan for letter in ("ba" if arm == "mixed" and number % 2 else "ab")]
    found = _by_context(real, asked, progress)
    either = {name: found[name].to_numpy().reshape(-1, 2) for name in ("margin", "margin_per_token")}
    return pd.DataFrame({
        "item": [item.id for _, item, _, _ in plan], "trait": [item["trait"] for _, item, _, _ in plan],
        "arm": [arm for _, _, arm, _ in plan], "k": [k for *_, k in plan],
        **{name: (values[:, 0] - values[:, 1]) / 2 for name, values in either.items()},
    })


def recency(behind: pd.DataFrame) -> pd.DataFrame:
    """From `many_shot_margins`, its rows of "mixed" as arm "last": the margin for the character of the last answer above.

    In a mixed context the first answer is in that character as well. "mixed" itself alternates the sign over the items.
    """
    mixed = behind[behind["arm"] == "mixed"]
    sign = 1 - 2 * (pd.factorize(mixed["item"])[0] % 2)
    return mixed.assign(arm="last", margin=sign * mixed["margin"], margin_per_token=sign * mixed["margin_per_token"])


def tables(behind: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """What is measured, by quantity, from `many_shot_margins`: rows item, arm ("own, 16"), value.

    many_shot: nats per token by item. many_shot_by_trait: its mean over the items of a pair of characters, which share their
    answers above. many_shot_power: `power_of_dose` of each pair's mean margin in nats.
    """
    every = pd.concat([behind, recency(behind)])
    shots = every.assign(arm=every["arm"] + ", " + every["k"].astype(str), value=every["margin_per_token"])[["item", "trait", "arm", "value"]]
    by_trait = shots.groupby(["trait", "arm"], sort=False)["value"].mean().reset_index().rename(columns={"trait": "item"})
    courses = behind[behind["arm"] == "own"].groupby(["trait", "k"], sort=False)["margin"].mean().unstack()
    powers = [power_of_dose(courses.columns, course) for course in courses.to_numpy()]
    return {
        "many_shot": shots, "many_shot_by_trait": by_trait,
        "many_shot_power": pd.DataFrame({"item": courses.index, "arm": "own", "value": powers}),
    }


def power_of_dose(doses: Sequence[int], log_odds: Sequence[float]) -> float:
    """The exponent 1 - alpha of log-odds = gamma k^(1 - alpha), by least squares over positive doses.

    It is Bigelow and others' curve with its ceiling at one and its bias at zero, as a difference between two contexts
    has it; the exponent is kept between -2 and 2.
    """
    from scipy.optimize import minimize_scalar

    k, y = np.asarray(doses, float), np.asarray(log_odds, float)

    def error(exponent: float) -> float:
        curve = k**exponent
        return float(((y - curve * (curve @ y) / (curve @ curve)) ** 2).sum())

    return float(minimize_scalar(error, bounds=(-2, 2), method="bounded").x)


def _by_context(
    real: RealModel, asked: Sequence[tuple[Item, str, int, str]], progress: Callable[[int, int], None] | None
) -> pd.DataFrame:
    """Margins of (item, arm, k, letter) in their order. Items that share their shots are scored together, so that each context is read once."""
    cells = [Cell(item.id, arm, ARMS[arm](item, letter * k), item["a"], item["b"]) for item, arm, k, letter in asked]
    together: dict[tuple[str, str, str], list[int]] = {}
    for at, (item, arm, _, letter) in enumerate(asked):
        together.setdefault((item["trait"], arm, letter), []).append(at)
    parts = []
    for number, places in enumerate(together.values(), 1):
        parts.append(margins(real, [cells[at] for at in places]).set_axis(places))
        if progress:
            progress(number, len(together))
    return pd.concat(parts).sort_index()


def _retold(item: Item, order: str, opening: str, name: str) -> tuple[Message, ...]:
    """One message of the user with all shots, told as the answers of `name`, and then the question."""
    told = "\n".join(f"Question: {asked}\n{name}: {answer}" for asked, answer in _shots(item, order))
    return (("user", f"{opening}\n\n{told}\n\nNow a question to you: {item['question']}"),)


def _shots(item: Item, order: str) -> list[tuple[str, str]]:
    """Question and answer of each shot."""
    return [(asked, item[f"shots_{letter}"][i]) for i, (asked, letter) in enumerate(zip(item["asked"], order))]
