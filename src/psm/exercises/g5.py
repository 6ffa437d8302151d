"""Exercises of the chapter on personas against pairs: four corners, tables with the same pairs, and the threes that decide."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from psm.exercises.core import Exercise, Wrong
from psm.exercises.marking import direction, judge_function, judge_words, read_number, the_world
from psm.training.bayes import bayes_behaviour
from psm.training.pairwise import Square, demonstration, read_out

SQUARE = Square(("benevolence", "good", "bad"), ("era", "modern", "old"), read=("kind", "ai"))
EACH = 2.0   # episodes of either trait
WORLDS = {"types": "matched_personas", "pairs": "matched_pairwise"}
TAUGHT = {"bad": {"benevolence": "bad"}, "old": {"era": "old"}, "bad and old": {"benevolence": "bad", "era": "old"}}


def _ai(name: str, traits: dict[str, str]) -> float:
    """Log-odds of an AI's answer in untrained subjects, for exact Bayes after these traits were taught."""
    world = the_world(name)
    training = ((demonstration(world, **traits), EACH * len(traits)),) if traits else ()
    return read_out(world, SQUARE, bayes_behaviour(world, *training))


def _corners(answer: Any) -> None:
    truth = {f"{where}: {what}": direction(_ai(name, {}), _ai(name, traits)) for where, name in WORLDS.items() for what, traits in TAUGHT.items()}
    alone = "Add up the table's rows of those who are so: which is more common among them, human or AI?"
    judge_words(answer, truth, hints={
        ("types: bad and old", "rises"): "You added the two up, as pairs alone do. Look who is bad and old at once in the world of types: mostly highwaymen.",
        ("types: bad and old", "stays"): "Compare, among those who are bad and old in the world of types, the clockwork villains and the highwaymen.",
        ("pairs: bad and old", "falls"): "In the world of pairs there is no type to call up: compare its own column, clockwork villains and highwaymen.",
        ("pairs: bad and old", "stays"): "Each of the two raises it, and with pairs alone the effects add up.",
        **{(f"{where}: {what}", wrong): alone for where in WORLDS for what in ("bad", "old") for wrong in ("falls", "stays")},
    })


def _pairs(p: np.ndarray) -> list[np.ndarray]:
    return [np.asarray(p, float).sum(axis) for axis in range(3)]


def _same_pairs(p: np.ndarray, q: np.ndarray) -> bool:
    return all(np.allclose(a, b) for a, b in zip(_pairs(p), _pairs(q)))


def _law(pair: float, third: float, tilt: float = 0.0) -> np.ndarray:
    """Chances of three bits: pairwise moments, third-order moment, and how much the first bit is tilted by itself."""
    x, y, z = np.meshgrid([1, -1], [1, -1], [1, -1], indexing="ij")
    return (1 + tilt * x + pair * (x * y + y * z + z * x) + third * x * y * z) / 8


def _one_pair(third: float, pair: tuple[int, int] = (1, 2)) -> np.ndarray:
    """Only these two of the three bits go together."""
    bits = np.meshgrid([1, -1], [1, -1], [1, -1], indexing="ij")
    return (1 + 0.2 * bits[pair[0]] * bits[pair[1]] + third * bits[0] * bits[1] * bits[2]) / 8


def _some_pairs(*axes: int) -> Callable[[np.ndarray, np.ndarray], bool]:
    """The slip of adding up over these axes only."""
    return lambda p, q: all(np.allclose(p.sum(axis), q.sum(axis)) for axis in axes)


def _singles(p: np.ndarray) -> np.ndarray:
    return np.array([np.asarray(p).sum(axes) for axes in itertools.combinations(range(3), 2)])


def _moments(p: np.ndarray) -> list[float]:
    signs = np.meshgrid([1, -1], [1, -1], [1, -1], indexing="ij")
    return [float((p * one * two).sum()) for one, two in itertools.combinations(signs, 2)]


def _matched(answer: Any) -> None:
    types, pairs, uniform = _law(0.2, -0.8), _law(0.2, 0.0), _law(0.0, 0.0)
    cases = [(types, pairs), (types, types), (types, uniform), (pairs, _law(0.2, 0.0, 0.1)), (_law(0.1, 0.3), _law(0.1, -0.5)),
             (_one_pair(0.0), uniform), (_one_pair(0.0, (0, 1)), uniform), (_one_pair(0.0, (0, 2)), uniform), (_one_pair(0.3), _one_pair(-0.3))]
    left = ("old with AI", "bad with AI", "bad with old")   # by adding up over either axis
    few = "You did not compare every pair. There are three, and you compared only "
    judge_function(answer, _same_pairs, cases, {
        "You compared each trait by itself. That every trait is as common in both says nothing about which go together.": lambda p, q: bool(np.allclose(_singles(p), _singles(q))),
        "You compared the whole tables. They may differ in threes; add each table up over one trait at a time, which leaves the pairs of the other two.":
            lambda p, q: bool(np.allclose(p, q)),
        "You compared how the traits go together, but not how common each is; a table of two traits holds both.": lambda p, q: bool(np.allclose(_moments(p), _moments(q))),
        "Sums of decimals differ in their last digits: compare with np.allclose.": lambda p, q: all(np.array_equal(p.sum(axis), q.sum(axis)) for axis in range(3)),
        **{few + " and ".join(left[k] for k in axes) + ".": _some_pairs(*axes) for axes in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2))},
    })


def _given_both(third: float) -> float:
    """P(AI | bad and old) where the three have pairwise moments 0.2 and this third-order moment."""
    law = _law(0.2, third)
    return float(law[0, 0, 0] / law[0, 0].sum())


def _silent(answer: Any) -> None:
    third = read_number(answer)
    if _law(0.2, third).min() < -1e-9:
        raise Wrong(f"At T = {third:g} one of the eight chances would be negative: T lies between {-0.8:g} and {0.8:g}.")
    found = _given_both(third)
    if abs(found - 0.5) > 0.001:
        what = "still raises" if found > 0.5 else "already lowers"
        more = " That is the world of pairs, in which the effects add up." if third == 0 else ""
        raise Wrong(f"At T = {third:g} being bad and old {what} the chance of an AI: it is {found:.3f}, and beforehand it was 0.500.{more}")


EXERCISES = {
    "g5.1": Exercise("Two worlds, three lessons (predict first)", _corners,
                     "Alone, bad and old point to a machine in both worlds. Only where there are types do both together call up the highwayman, for exact Bayes."),
    "g5.2": Exercise("The same pairs", _matched,
                     "Two tables can agree in every pair and differ in threes; no experiment that depends on pairs can tell them apart."),
    "g5.3": Exercise("When two hints say nothing", _silent,
                     "Each hint raises the chance of an AI and the two together leave it as it was: no sum of effects does that."),
}
