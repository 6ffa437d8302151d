"""What other theories predict for the domains that were not trained on: rivals that the Bayesian account has to beat.

Each takes what was seen in the trained domains, before and after, and predicts the behaviour everywhere.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from psm.models.scoring import Behaviour
from psm.training.bayes import behaviour_divergence, behaviour_of
from psm.world.grammar import World

FLOOR = 1e-6   # probabilities are kept above it before logarithms are taken


def interpolate(start: Behaviour, goal: Behaviour, share: float) -> Behaviour:
    """Behaviour part of the way from start to goal, in log space: share 0 is start, 1 is goal."""
    def mix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        blend = np.exp((1 - share) * np.log(np.maximum(a, FLOOR)) + share * np.log(np.maximum(b, FLOOR))) * (a > 0)
        return blend / blend.sum(-1, keepdims=True)

    german = mix(np.stack([1 - start.german, start.german], -1), np.stack([1 - goal.german, goal.german], -1))[:, 1]
    return Behaviour(mix(start.classes, goal.classes), german, np.ones(len(german)))


def logit_interpolation(world: World, start: Behaviour, seen: Behaviour, state: int, trained: np.ndarray) -> Behaviour:
    """Rival: training moves every domain the same share of the way to the demonstrated persona `state`, whatever the prior
    says. The share is fitted on the trained domains."""
    goal = behaviour_of(world, np.eye(len(world.prior))[state])
    loss = lambda share: behaviour_divergence(seen, interpolate(start, goal, share), trained)   # noqa: E731
    return interpolate(start, goal, minimize_scalar(loss, bounds=(0.0, 1.5), method="bounded").x)


def pairwise_regression(world: World, start: Behaviour, seen: Behaviour, trained: np.ndarray, ridge: float = 1e-4) -> Behaviour:
    """Rival: correlated traits, no persona. Shifts elsewhere are the linear regression, over the world's personas, of each
    domain's answers on those of the trained domains, kept within what some persona does; it knows pairwise moments only."""
    classes = world.class_probs.reshape(len(world.prior), -1)                          # (S, D*C)
    german = np.repeat(world.language_probs[:, 1:], len(world.domain_names), axis=1)   # (S, D)
    features = np.concatenate([classes, german], 1)
    centred = features - world.prior @ features
    covariance = (centred * world.prior[:, None]).T @ centred
    n_domains, most = start.classes.shape
    inputs = np.concatenate([(trained[:, None] * most + np.arange(most)).ravel(), n_domains * most + trained])
    inside = covariance[np.ix_(inputs, inputs)]
    shift = np.concatenate([(seen.classes - start.classes)[trained].ravel(), (seen.german - start.german)[trained]])
    moved = covariance[:, inputs] @ np.linalg.solve(inside + ridge * np.eye(len(inputs)), shift)
    low, high = world.class_probs.min(0), world.class_probs.max(0)   # a linear guess may leave what any persona does
    new = np.clip(start.classes + moved[: n_domains * most].reshape(n_domains, most), low, high)
    speaks = world.language_probs[:, 1]
    new_german = np.clip(start.german + moved[n_domains * most :], speaks.min(), speaks.max())
    return Behaviour(new / new.sum(1, keepdims=True), new_german, np.ones(n_domains))
