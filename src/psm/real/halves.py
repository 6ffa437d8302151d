"""Characters of a real model: do the answers to half of the questions foretell those to the other half?

A table of margins has shape (characters, items). Each character in turn is left out; from the others the readers learn
how answers go together, see one half of the left-out character's margins and foretell the other half.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from psm.real.margins import Cell, margins
from psm.real.sheets import Item

if TYPE_CHECKING:
    from psm.real.loading import RealModel

STRENGTHS = 10.0 ** np.arange(-2, 4)   # of the ridge, in units of the mean squared singular value


def character_margins(
    real: RealModel, characters: Sequence[Item], items: Sequence[Item], progress: Callable[[int, int], None] | None = None
) -> np.ndarray:
    """log P(first answer) - log P(second answer) in nats per token, shape (characters, items)."""
    cells = [
        Cell(item.id, who.id, (("system", who["system"]), ("user", item["question"])), item["first"], item["second"])
        for who in characters
        for item in items
    ]
    return margins(real, cells, progress=progress)["margin_per_token"].to_numpy().reshape(len(characters), len(items))


def heeded(table: np.ndarray, characters: Sequence[Item], items: Sequence[Item]) -> np.ndarray:
    """How far the poles move their own items, per item: mean margin of characters of its first pole minus of its second.

    Shape (items,). An item of which a pole has no character is NaN.
    """
    out = np.full(len(items), np.nan)
    for i, item in enumerate(items):
        first, second = (np.array([item[pole] in who["poles"] for who in characters]) for pole in ("first_pole", "second_pole"))
        if first.any() and second.any():
            out[i] = table[first, i].mean() - table[second, i].mean()
    return out


def trait_scores(margins_seen: np.ndarray, traits: Sequence[str]) -> np.ndarray:
    """A persona as its mean margin in each trait: (characters, items seen) -> (characters, traits)."""
    names = np.array(traits)
    return np.stack([margins_seen[:, names == trait].mean(1) for trait in dict.fromkeys(traits)], axis=1)


def foretell(table: np.ndarray, traits: Sequence[str], left: np.ndarray) -> dict[str, np.ndarray]:
    """Squared errors of every reader, character by item, each of shape (characters, items); either half foretells the other.

    "persona" sees one mean margin for each trait, "pairwise" every margin of the half seen; both foretell by ridge
    regression learnt from the other characters, its strength chosen among them. "another" is the persona reader told the
    half of another character (mean error over all of these). "nobody" foretells the other characters' mean. `left` has
    shape (items,), true for the items of the left half.
    """
    errors = {reader: np.zeros(table.shape) for reader in ("persona", "pairwise", "another", "nobody")}
    for seen in (left, ~left):
        scores = trait_scores(table[:, seen], [trait for trait, here in zip(traits, seen) if here])
        for one in range(len(table)):
            rest = np.arange(len(table)) != one
            asked, truth = table[rest][:, ~seen], table[one, ~seen]
            by_scores = ridge(scores[rest], asked, scores)
            by_margins = ridge(table[rest][:, seen], asked, table[one:one + 1, seen])
            errors["persona"][one, ~seen] = (by_scores[one] - truth) ** 2
            errors["another"][one, ~seen] = ((by_scores[rest] - truth) ** 2).mean(0)
            errors["pairwise"][one, ~seen] = (by_margins[0] - truth) ** 2
            errors["nobody"][one, ~seen] = (asked.mean(0) - truth) ** 2
    return errors


def foretell_by_trait(table: np.ndarray, traits: Sequence[str], left: np.ndarray) -> dict[str, np.ndarray]:
    """Squared errors of readers that see one trait score each, every array of shape (characters, items).

    A question's "own" reader sees the mean margin of that question's trait in the half shown; "other" is the mean error of the
    readers that see one of the other traits instead, so that whatever a prompt does to all answers alike helps them as much.
    "nobody" foretells the other characters' mean. `left` as in `foretell`; every trait has questions in either half, and the traits
    come in the same order in both.
    """
    names = list(dict.fromkeys(traits))
    number = np.array([names.index(trait) for trait in traits])
    assert all(list(dict.fromkeys(number[half])) == list(range(len(names))) for half in (left, ~left)), "the traits' order differs between halves"
    errors = {reader: np.zeros(table.shape) for reader in ("own", "other", "nobody")}
    for seen in (left, ~left):
        scores, asked = trait_scores(table[:, seen], [trait for trait, here in zip(traits, seen) if here]), number[~seen]
        for one in range(len(table)):
            rest = np.arange(len(table)) != one
            learnt, truth = table[rest][:, ~seen], table[one, ~seen]
            for b in range(len(names)):
                error = (ridge(scores[rest][:, [b]], learnt, scores[one:one + 1, [b]])[0] - truth) ** 2
                errors["own"][one, ~seen] += np.where(asked == b, error, 0)
                errors["other"][one, ~seen] += np.where(asked == b, 0, error / (len(names) - 1))
            errors["nobody"][one, ~seen] = (learnt.mean(0) - truth) ** 2
    return errors


def skill(errors: dict[str, np.ndarray], reader: str) -> np.ndarray:
    """One minus a reader's squared error over that of foretelling the mean, per item: shape (items,)."""
    return 1 - errors[reader].sum(0) / errors["nobody"].sum(0)


def skill_by_character(errors: dict[str, np.ndarray], reader: str) -> np.ndarray:
    """The share of every question's `skill` that falls to a character, averaged over questions: shape (characters,).

    Errors are in units of the question's mean error of foretelling the mean; the average over characters is that over questions.
    """
    return 1 - (errors[reader] / errors["nobody"].mean(0)).mean(1)


def ridge(x: np.ndarray, y: np.ndarray, x_new: np.ndarray) -> np.ndarray:
    """Ridge regression with intercept. (n, p), (n, q), (m, p) -> (m, q).

    For each column of y the strength is chosen by leaving out each row in turn; the largest foretells nearly the mean.
    """
    n, mean_x, mean_y = len(x), x.mean(0), y.mean(0)
    u, s, vt = np.linalg.svd(x - mean_x, full_matrices=False)
    inside = u.T @ (y - mean_y)
    squared = s**2
    shrinks = squared / (squared + STRENGTHS[:, None] * max(squared.mean(), np.finfo(float).tiny))   # (strengths, p)
    left_out = np.empty((len(STRENGTHS), y.shape[1]))
    for at, shrink in enumerate(shrinks):
        leverage = (u**2 * shrink).sum(1) + 1 / n
        residual = (y - mean_y - (u * shrink) @ inside) / (1 - leverage)[:, None]
        left_out[at] = (residual**2).sum(0)
    best = shrinks[left_out.argmin(0)].T                                                             # (p, q)
    weights = np.divide(best, s[:, None], out=np.zeros_like(best), where=s[:, None] > 0) * inside
    return mean_y + (x_new - mean_x) @ vt.T @ weights
