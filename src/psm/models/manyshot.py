"""Many-shot contexts on a real model: does a character shown k times in a chat carry over to the next answer?

Everything is a difference between two contexts of one length, one in character A and one in character B, so that what
the model thinks of the two last answers by themselves cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from psm.models.chat import Message
from psm.models.margins import Cell, margins
from psm.models.sheets import Item

if TYPE_CHECKING:
    from psm.models.real import RealModel

DOSES = (1, 4, 16)             # answers in the context
MIXED = "abbabaabbaababba"     # as many of either character, early and late
SWAPPED = str.maketrans("ab", "ba")


def own_shots(item: Item, order: str) -> tuple[Message, ...]:
    """A chat in which the assistant itself gave the answers; `order` names the character of each, such as "aaaa"."""
    turns = [turn for asked, answer in _shots(item, order) for turn in (("user", asked), ("assistant", answer))]
    return (*turns, ("user", item["question"]))


def quoted_shots(item: Item, order: str) -> tuple[Message, ...]:
    """A chat in which the user quotes the same answers as those of somebody else."""
    quoted = "\n".join(f"Question: {asked}\nTom: {answer}" for asked, answer in _shots(item, order))
    told = f"My colleague Tom was asked some questions. This is what he answered.\n\n{quoted}\n\nNow a question to you: {item['question']}"
    return (("user", told),)


def mixed_shots(item: Item, order: str) -> tuple[Message, ...]:
    """The assistant's own answers, half of them in either character: `order` only says which character begins."""
    pattern = MIXED if order[0] == "a" else MIXED.translate(SWAPPED)
    return own_shots(item, pattern[: len(order)])


ARMS = {"own": own_shots, "quoted": quoted_shots, "mixed": mixed_shots}


def many_shot_margins(
    real: RealModel, items: Sequence[Item], doses: Sequence[int] = DOSES, progress: Callable[[int, int], None] | None = None
) -> pd.DataFrame:
    """The margin for the answer in the context's character: rows item, trait, arm, k, margin (nats), margin_per_token.

    With `lp` an answer's log-probability, divided by its number of tokens for `margin_per_token`,

        margin = ([lp(A | context A) - lp(B | context A)] - [lp(A | context B) - lp(B | context B)]) / 2.

    "own" is asked at every dose, the controls "quoted" and "mixed" at the largest only. In "mixed" both contexts have as many
    answers of A as of B (an even dose); which of them counts as context A alternates over the items, so that a
    preference for the last answer cancels.
    """
    plan = [(number, item, arm, k) for number, item in enumerate(items) for arm in ARMS for k in doses if arm == "own" or k == doses[-1]]
    cells = [
        Cell(item.id, arm, ARMS[arm](item, letter * k), item["a"], item["b"])
        for number, item, arm, k in plan
        for letter in ("ba" if arm == "mixed" and number % 2 else "ab")
    ]
    found = margins(real, cells, progress=progress)
    either = {name: found[name].to_numpy().reshape(-1, 2) for name in ("margin", "margin_per_token")}
    return pd.DataFrame({
        "item": [item.id for _, item, _, _ in plan], "trait": [item["trait"] for _, item, _, _ in plan],
        "arm": [arm for _, _, arm, _ in plan], "k": [k for *_, k in plan],
        **{name: (values[:, 0] - values[:, 1]) / 2 for name, values in either.items()},
    })


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


def _shots(item: Item, order: str) -> list[tuple[str, str]]:
    """Question and answer of each shot."""
    return [(asked, item[f"shots_{letter}"][i]) for i, (asked, letter) in enumerate(zip(item["asked"], order))]
