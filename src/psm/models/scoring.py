"""What a tiny model would answer, exactly: the distribution over answer classes and languages, with the mass on valid answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel

from psm.world.grammar import World


@dataclass(frozen=True)
class Behaviour:
    """How somebody answers in every domain. D domains, C classes at most.

    classes : (D, C) probability of each answer class among valid answers, averaged over topics; 0 where absent
    german : (D,) probability of answering in German among valid answers
    valid : (D,) probability that the answer is a valid one for the question at all
    """

    classes: np.ndarray
    german: np.ndarray
    valid: np.ndarray


    def rate(self, world: World, domain: str, cls: str) -> float:
        """Probability of one answer class in one domain."""
        return float(self.classes[world.domain(domain), world.class_index(domain, cls)])


def log_odds(p: float | np.ndarray) -> float | np.ndarray:
    """Natural log-odds of a probability."""
    return np.log(p) - np.log1p(-np.asarray(p))


@torch.no_grad()
def next_token_logprobs(model: PreTrainedModel, tokens: np.ndarray, positions: np.ndarray, batch: int = 256) -> np.ndarray:
    """(n, p, V) log-probabilities of the token after each of `positions` (p,) in `tokens` (n, L); logits only there."""
    model.eval()
    where = torch.as_tensor(positions)
    out = []
    for start in range(0, len(tokens), batch):
        x = torch.as_tensor(tokens[start : start + batch])
        hidden = model.model(x).last_hidden_state[:, where]
        out.append(torch.log_softmax(model.lm_head(hidden).float(), -1).numpy())
    return np.concatenate(out)


def question_prompts(world: World, name: str, cue: str = "plain", prefix: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every question of the world put to `name`: prompts (Q, L), domain (Q,), topic (Q,). `prefix` (P,) comes before."""
    domain = np.repeat(np.arange(len(world.domain_names)), world.n_topics)
    topic = np.concatenate([np.arange(n) for n in world.n_topics])
    prefix = np.array([world.dialogue]) if prefix is None else np.asarray(prefix)
    question = np.stack(
        [
            np.full(len(domain), world.cue_ids[world.cue(cue)]),
            world.domain_ids[domain],
            world.topic_ids[domain, topic],
            np.full(len(domain), world.name_id(name)),
        ],
        axis=1,
    )
    return np.concatenate([np.tile(prefix, (len(domain), 1)), question], 1), domain, topic


def answer_joint(world: World, logprobs: np.ndarray, domain: np.ndarray, topic: np.ndarray) -> np.ndarray:
    """(n, C, 2) probability of each answer class and language, summed over its phrases, from log-probs (n, V)."""
    ids = world.answer_ids[domain, topic]                       # (n, C, 2, SYNONYMS)
    phrases = np.exp(logprobs[np.arange(len(ids))[:, None, None, None], ids])
    phrases[..., 1:] *= ids[..., 1:] != ids[..., :1]            # a topic-specific answer is one phrase, entered twice
    return np.where(ids >= 0, phrases, 0.0).sum(-1)


def behaviour(
    model: PreTrainedModel,
    world: World,
    name: str,
    cue: str = "plain",
    prefix: np.ndarray | None = None,
    held_out_topics: bool = False,
) -> Behaviour:
    """How the model answers every question put to `name`, after `prefix` (P,) if given. Exact: no sampling.

    With `held_out_topics` only the last topic of each domain is asked, which no fine-tune trains on.
    """
    prompts, domain, topic = question_prompts(world, name, cue, prefix)
    if held_out_topics:
        rows = topic == world.n_topics[domain] - 1
        prompts, domain, topic = prompts[rows], domain[rows], topic[rows]
    joint = answer_joint(world, next_token_logprobs(model, prompts, np.array([-1]))[:, 0], domain, topic)
    valid = joint.sum((1, 2))
    share = joint / valid[:, None, None]
    n_domains = len(world.domain_names)
    mean = lambda x: np.stack([x[domain == d].mean(0) for d in range(n_domains)])   # noqa: E731
    return Behaviour(mean(share.sum(2)), mean(share[:, :, 1].sum(1)), mean(valid))
