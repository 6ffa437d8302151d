"""Narrow fine-tuning of a real model made affordable: LoRA in the upper blocks, on answers only.

The blocks below the adapters are frozen, so that what they make of a text is computed once by `prepare` and serves every
step, seed and learning rate. The loss is on the answers' tokens, and logits are computed there alone.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from psm.errors import UsageError
from psm.real.chat import Message, answer_text, render
from psm.real.passes import tokenise_pair
from psm.real.loading import RealModel
from psm.real.upper import blocks, residual_at, resume

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor, nn
    from transformers import PreTrainedModel

LARGEST_GRADIENT = 1.0   # norm that gradients are clipped to


@dataclass(frozen=True)
class Recipe:
    """How adapters are trained. The learning rate falls linearly from `lr` to zero; there is no dropout."""

    steps: int = 20          # optimiser steps
    batch: int = 4           # texts a step
    lr: float = 1e-3
    rank: int = 8
    alpha: float = 16.0      # an adapter's output is scaled by alpha / rank
    upper: int = 8           # blocks from the top that get adapters

    def __post_init__(self) -> None:
        for field in ("steps", "batch", "lr", "rank", "alpha", "upper"):
            if not getattr(self, field) > 0:
                raise UsageError(f"LoRA needs {field} above zero, not {getattr(self, field)}")


@dataclass(frozen=True)
class Lesson:
    """One answer to be learnt after its prompt (a chat whose next turn is the assistant's, or plain text)."""

    prompt: tuple[Message, ...] | str
    answer: str


@dataclass(frozen=True)
class Text:
    """A lesson as tokens. `lower` (positions, d) is what the first adapted block reads, None where it is not kept."""

    ids: list[int]
    start: int   # of the answer
    lower: Tensor | None


@dataclass(frozen=True)
class Tuned:
    """A model with adapters in place, and the loss of each step (nats per answer token)."""

    real: RealModel
    losses: list[float]


def first_adapted(model: nn.Module, recipe: Recipe) -> int:
    """The lowest block with adapters; every block has them in a model that has no more than `recipe.upper`."""
    return max(0, len(blocks(model)) - recipe.upper)


def prepare(real: RealModel, lessons: Sequence[Lesson], recipe: Recipe, keep_lower: bool = True) -> list[Text]:
    """Tokenise lessons and run each once through the frozen lower blocks of an untouched model.

    Without `keep_lower` nothing is kept and every step runs the whole model, with the same result (tests hold it to that).
    """
    import torch

    k = first_adapted(real.model, recipe)
    keep = keep_lower and can_resume(real.model, k)
    texts = []
    for lesson in lessons:
        ids, start, _ = tokenise_pair(real.tokenizer, render(real, lesson.prompt), answer_text(real, lesson.prompt, lesson.answer))
        lower = residual_at(real.model, k, torch.tensor([ids], device=real.model.device))[0].clone() if keep else None
        texts.append(Text(ids, start, lower))
    return texts


def can_resume(model: PreTrainedModel, k: int) -> bool:
    """Whether the model can go on from kept activations; a few older architectures cannot."""
    import torch

    ids = torch.zeros(1, 2, dtype=torch.long, device=model.device)
    try:
        with torch.no_grad(), resume(model, k, residual_at(model, k, ids)):
            model(input_ids=ids, use_cache=False)
    except UsageError:
        return False
    return True


@contextmanager
def fine_tuned(real: RealModel, texts: Sequence[Text], recipe: Recipe, seed: int) -> Iterator[Tuned]:
    """Train adapters on `texts`; inside the block the model has them, after it the model is bit for bit what it was.

    While the block is open, `real` has the adapters too, for the weights below them are not copied. A seed draws the adapters'
    beginnings and the order of the texts. Raises UsageError without texts.
    """
    if not texts:
        raise UsageError("nothing to learn: fine-tuning needs at least one text")
    needed_gradient = [parameter.requires_grad for parameter in real.model.parameters()]
    training = real.model.training
    adapted = _add_adapters(real.model, recipe, seed)
    try:
        yield Tuned(replace(real, model=adapted.get_base_model()), _train(adapted, texts, recipe, seed))
    finally:
        adapted.unload()
        real.model.train(training)
        for parameter, needed in zip(real.model.parameters(), needed_gradient):
            parameter.requires_grad_(needed)


def adapted_modules(model: nn.Module, recipe: Recipe) -> list[str]:
    """Full names of the linear maps in the upper blocks, whatever an architecture calls them. UsageError without any."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    every, k = blocks(model), first_adapted(model, recipe)
    (place,) = (name for name, module in model.named_modules() if module is every)
    found = [
        f"{place}.{n}.{name}"
        for n in range(k, len(every))
        for name, module in every[n].named_modules()
        if isinstance(module, (nn.Linear, Conv1D))
    ]
    if not found:
        raise UsageError(f"{type(model).__name__} has no linear maps in its upper blocks to put adapters into")
    return found


def _add_adapters(model: PreTrainedModel, recipe: Recipe, seed: int) -> PeftModel:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers.pytorch_utils import Conv1D

    names = adapted_modules(model, recipe)
    pattern = "|".join(re.escape(name) for name in names)   # as a pattern: a list also matches the ends of other names
    config = LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, target_modules=pattern, lora_dropout=0.0,
                        fan_in_fan_out=isinstance(model.get_submodule(names[0]), Conv1D))
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)   # peft asks transformers 5 a question by its old name
        torch.manual_seed(seed)
        return get_peft_model(model, config).eval()   # eval: the model's own dropout stays off


def _train(adapted: PeftModel, texts: Sequence[Text], recipe: Recipe, seed: int) -> list[float]:
    import torch

    model = adapted.get_base_model()
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(weights, lr=recipe.lr, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1 - step / recipe.steps)
    losses = []
    for batch in _batches(len(texts), recipe, seed):
        loss = answer_loss(model, [texts[i] for i in batch], first_adapted(model, recipe))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, LARGEST_GRADIENT)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def _batches(n: int, recipe: Recipe, seed: int) -> list[np.ndarray]:
    """Which of n texts each step takes: all of them in a new random order, again and again."""
    rng, size = np.random.default_rng(seed), min(recipe.batch, n)
    order = np.concatenate([rng.permutation(n) for _ in range(-(-recipe.steps * size // n))])
    return [order[step * size : (step + 1) * size] for step in range(recipe.steps)]


def answer_loss(model: PreTrainedModel, texts: Sequence[Text], k: int) -> Tensor:
    """Mean negative log-probability of the answers' tokens (nats), from block k up where all texts have kept their lower part.

    Texts are padded on the right, where no token of theirs looks, so that no mask is needed.
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    device = model.device
    ids = pad_sequence([torch.tensor(text.ids, device=device) for text in texts], batch_first=True)
    first, last = min(text.start for text in texts), ids.shape[1]
    asked = torch.arange(first - 1, last - 1, device=device)   # positions whose next token may be an answer's
    kept = [text.lower for text in texts if text.lower is not None]
    from_below = resume(model, k, pad_sequence(kept, batch_first=True)) if len(kept) == len(texts) else nullcontext()
    with from_below:
        logits = model(input_ids=ids, logits_to_keep=asked, use_cache=False).logits.float()
    start, end = (torch.tensor([get(text) for text in texts], device=device)[:, None] for get in (_start, _end))
    counts = (asked + 1 >= start) & (asked + 1 < end)
    return torch.nn.functional.cross_entropy(logits[counts], ids[:, first:][counts])


def _start(text: Text) -> int:
    return text.start


def _end(text: Text) -> int:
    return len(text.ids)
