"""Post-training and narrow fine-tuning: an arm is data, and so is what Bayes would conclude from it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from transformers import PreTrainedModel

from psm.training.loop import Batch, train
from psm.world.grammar import ANSWER, ASSISTANT, World
from psm.world.sampler import sample_turns


@dataclass(frozen=True)
class Episodes:
    """One kind of training episode: `name` answers questions of `domains` as persona `state` would, under a cue.

    Labels are sampled from the persona. Deterministic labels are more extreme than any persona, and training on them
    extrapolates beyond all of them. The last topic of every domain is never trained on, so that what was trained can be
    measured on a question that was not.
    """

    state: int
    domains: tuple[str, ...]
    weight: float = 1.0
    cue: str = "plain"
    name: str = ASSISTANT


@dataclass(frozen=True)
class Arm:
    """A fine-tune: which episodes, how long, how fast. One dataclass per arm, passed explicitly."""

    name: str
    episodes: tuple[Episodes, ...]
    steps: int = 40
    batch: int = 32
    lr: float = 2e-4
    stops: tuple[int, ...] = field(default=())   # steps after which `watch` is called, besides 0 and the last


def episode_batches(world: World, arm: Arm, seed: int) -> Iterator[Batch]:
    """Batches of one-question dialogues (batch, 6) tokens; only the answer is learnt."""
    rng = np.random.default_rng([2, seed])
    weights = np.array([e.weight for e in arm.episodes])
    domains = [np.array([world.domain(d) for d in e.domains]) for e in arm.episodes]
    for _ in range(arm.steps):
        kind = rng.choice(len(arm.episodes), size=arm.batch, p=weights / weights.sum())
        states = np.array([e.state for e in arm.episodes])[kind]
        names = np.array([world.name_id(e.name) for e in arm.episodes])[kind]
        cues = np.array([world.cue(e.cue) for e in arm.episodes])[kind]
        asked = np.array([rng.choice(domains[k]) for k in kind])
        topics = (rng.random(arm.batch) * (world.n_topics[asked] - 1)).astype(int)
        turns = sample_turns(world, rng, states, names, asked, cues, topics)
        tokens = np.concatenate([np.full((arm.batch, 1), world.dialogue), turns.tokens], 1)
        learn = np.zeros(tokens.shape, bool)
        learn[:, 1 + ANSWER] = True
        yield torch.as_tensor(tokens), torch.as_tensor(learn)


def finetune(
    model: PreTrainedModel,
    world: World,
    arm: Arm,
    seed: int,
    watch: Callable[[int, PreTrainedModel], None] | None = None,
) -> PreTrainedModel:
    """A fine-tuned copy of `model`, which itself stays as it is. `watch(step, model)` sees it at step 0, at the arm's stops
    and at the end."""
    tuned = copy.deepcopy(model)
    optimiser = torch.optim.AdamW(tuned.parameters(), lr=arm.lr, weight_decay=0.0, betas=(0.9, 0.98))
    stops = {*arm.stops, arm.steps}

    def after_step(step: int, loss: float) -> None:
        if watch is not None and step in stops:
            tuned.eval()
            watch(step, tuned)

    if watch is not None:
        watch(0, tuned.eval())
    train(tuned, episode_batches(world, arm, seed), [optimiser], after_step=after_step)
    return tuned


def expected_log_likelihood(world: World, arm: Arm) -> np.ndarray:
    """(D, S) expected log-likelihood of one average episode of the arm, by the domain that it is about.

    Its sum over domains is the exact log Bayes factor (up to a constant) that one episode carries about the persona.
    """
    out = np.zeros((len(world.domain_names), len(world.prior)))
    total = sum(e.weight for e in arm.episodes)
    for episodes in arm.episodes:
        cue = world.cue(episodes.cue)
        language = np.log(world.language_probs) @ world.language_probs[episodes.state]
        for name in episodes.domains:
            d, n = world.domain(name), len(world.spec.domains[world.domain(name)].classes)
            answers = language
            if not world.demands(cue, d):
                answers = language + np.log(world.class_probs[:, d, :n]) @ world.class_probs[episodes.state, d, :n]
            out[d] += episodes.weight / total / len(episodes.domains) * answers
    return out
