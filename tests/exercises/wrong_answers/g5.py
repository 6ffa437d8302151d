"""Plausible wrong answers to the exercises on personas against pairs."""

import numpy as np

RIGHT = {f"{where}: {what}": "rises" for where in ("types", "pairs") for what in ("bad", "old", "bad and old")} | {"types: bad and old": "falls"}


def over(*axes):
    """Compares the pairs that are left by adding up over these axes alone."""
    return lambda p, q: all(np.allclose(p.sum(axis), q.sum(axis)) for axis in axes)


WRONG = {
    "g5.1": [RIGHT | {"types: bad and old": "rises"}, RIGHT | {"pairs: bad and old": "falls"}, RIGHT | {"types: bad": "stays"}],
    "g5.2": [lambda p, q: np.allclose(p, q), lambda p, q: bool(np.allclose(p.sum((1, 2)), q.sum((1, 2)))), lambda p, q: bool(np.allclose(p.sum(2), q.sum(2))),
             lambda p, q: True, *(over(*axes) for axes in ((0,), (1,), (0, 1), (0, 2), (1, 2))),
             lambda p, q: all(np.array_equal(p.sum(axis), q.sum(axis)) for axis in range(3)), lambda p, q: bool(np.array_equal(p, q))],
    "g5.3": [0, -0.8, 0.4, "none", 2.0, 0.6, -0.405, -0.39],
}
