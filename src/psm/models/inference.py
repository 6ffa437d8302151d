"""Holds a model against the exact posterior: how close its next-answer distribution is to Bayes, turn by turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedModel

from psm.models.scoring import next_token_logprobs
from psm.world.grammar import World
from psm.world.posterior import kl_divergence, posterior_by_turn, predictive_tokens
from psm.world.sampler import Dialogues


@dataclass(frozen=True)
class Inference:
    """Divergences in nats at every turn of n dialogues of k turns, each (n, k).

    model : KL(exact predictive || model)
    prior : KL(exact predictive || predictive of someone who never updates)
    plain : whether the question bore a cue that demands nothing
    """

    model: np.ndarray
    prior: np.ndarray
    plain: np.ndarray

    def mean(self, reader: str) -> np.ndarray:
        """(k,) mean divergence of "model" or "prior" over the turns without a demanding cue, at which all answer alike."""
        return np.nanmean(np.where(self.plain, getattr(self, reader), np.nan), 0)

    def captured(self) -> np.ndarray:
        """(k,) share of the exact inference that the model makes, 1 - KL(model)/KL(prior); NaN where there is none to make."""
        prior = self.mean("prior")
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(prior > 1e-9, 1 - self.mean("model") / prior, np.nan)


def readers_apart(world: World, dialogues: Dialogues, truth: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(n, k) KL(truth || other) in nats between the answers that two readers expect, given their posteriors (n, k, S)."""
    apart = []
    for j in range(dialogues.domain.shape[1]):
        question = dialogues.domain[:, j], dialogues.topic[:, j], dialogues.cue[:, j]
        expected, guessed = (predictive_tokens(world, posterior[:, j], *question) for posterior in (truth, other))
        with np.errstate(divide="ignore"):
            apart.append(kl_divergence(expected, np.log(guessed)))
    return np.stack(apart, 1)


def against_bayes(
    model: PreTrainedModel, world: World, dialogues: Dialogues, posterior: np.ndarray | None = None
) -> Inference:
    """Divergence of the model's answer distribution from the exact posterior predictive.

    `posterior` (n, k, S) replaces the exact one of `world`, e.g. to ask whether a model of another world infers at all.
    """
    posterior = posterior_by_turn(world, dialogues) if posterior is None else posterior
    logprobs = next_token_logprobs(model, dialogues.tokens, dialogues.answer_positions())
    from_model = []
    for j in range(dialogues.domain.shape[1]):
        exact = predictive_tokens(world, posterior[:, j], dialogues.domain[:, j], dialogues.topic[:, j], dialogues.cue[:, j])
        from_model.append(kl_divergence(exact, logprobs[:, j]))
    from_prior = readers_apart(world, dialogues, posterior, np.broadcast_to(world.prior, posterior.shape))
    demanding = np.array([c.demands is not None for c in world.spec.cues])
    return Inference(np.stack(from_model, 1), from_prior, ~demanding[dialogues.cue])
