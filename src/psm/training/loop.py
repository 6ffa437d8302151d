"""One plain training loop for everything: a source of (tokens, loss mask) batches, optimisers, a schedule, a hook."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel

Batch = tuple[torch.Tensor, torch.Tensor]   # tokens (B, L) int64 and which of them are learnt, (B, L) bool


def next_token_loss(model: PreTrainedModel, tokens: torch.Tensor, learn: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of predicting the tokens where `learn` (B, L) holds; logits are computed only there."""
    hidden = model.model(tokens[:, :-1]).last_hidden_state
    wanted = learn[:, 1:]
    return cross_entropy(model.lm_head(hidden[wanted]), tokens[:, 1:][wanted])


def train(
    model: PreTrainedModel,
    batches: Iterable[Batch],
    optimisers: list[torch.optim.Optimizer],
    rate: Callable[[int], float] = lambda step: 1.0,
    clip: float | None = 1.0,
    after_step: Callable[[int, float], None] | None = None,
) -> None:
    """Train in place over `batches`. `rate(step)` multiplies every learning rate; `after_step(step, loss)` sees the model
    after each update, steps counted from 1. The model is left in training mode only while this runs."""
    base = [[group["lr"] for group in o.param_groups] for o in optimisers]
    for step, (tokens, learn) in enumerate(batches, start=1):
        model.train()
        for optimiser, lrs in zip(optimisers, base):
            for group, lr in zip(optimiser.param_groups, lrs):
                group["lr"] = lr * rate(step)
        loss = next_token_loss(model, tokens, learn)
        loss.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()
        if after_step is not None:
            after_step(step, loss.item())
    model.eval()
