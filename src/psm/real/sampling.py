"""What a model writes: seeded samples in batches, by transformers' own generate with its key-value cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from psm.errors import UsageError
from psm.real.chat import Message, render
from psm.real.passes import token_ids
from psm.real.upper import bare

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel

    from psm.real.loading import RealModel

END_OF_TURN = ("<|im_end|>", "<end_of_turn>", "<|eot_id|>", "<|end|>")   # what templates of common families end a turn with


def sample(
    real: RealModel,
    prompts: Sequence[tuple[Message, ...] | str],
    n_tokens: int,
    seed: int,
    temperature: float = 1.0,
    batch: int = 16,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """One continuation of each prompt (a chat whose next turn is the assistant's, or plain text), `n_tokens` at most.

    Drawn from the model's whole distribution at `temperature`; 0 takes the likeliest token each time. A text ends with
    the turn. The same prompts, seed and batch give the same texts on one machine; the state of torch's random numbers is left
    as it was on the processor and on the model's CUDA device (on mps, which keeps no such state to go back to, it moves on). `progress`
    is called with the number of texts written and of all. UsageError for an empty prompt, or one that leaves no room for
    `n_tokens`.
    """
    import torch

    texts = [render(real, prompt) for prompt in prompts]
    ids = [token_ids(real.tokenizer, text) for text in texts]
    _check_room(real, texts, ids, n_tokens)
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))   # like lengths together: less padding
    written = [""] * len(ids)
    devices = [real.model.device] if real.model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            for i, made in zip(chosen, generate(real, [ids[i] for i in chosen], n_tokens, temperature)):
                written[i] = real.tokenizer.decode(made, skip_special_tokens=True)
            if progress:
                progress(start + len(chosen), len(order))
    return written


def _check_room(real: RealModel, texts: Sequence[str], ids: Sequence[list[int]], n_tokens: int) -> None:
    """UsageError when a prompt is empty or too long for the model."""
    limit = getattr(real.model.config, "max_position_embeddings", None)
    for text, tokens in zip(texts, ids):
        if not tokens:
            raise UsageError("a prompt to be continued needs text")
        if limit and len(tokens) + n_tokens > limit:
            size = f"{len(tokens)} tokens and {n_tokens} new ones"
            raise UsageError(f"a prompt of {size} do not fit this model's {limit} positions: {text[:40]!r}...")


def generate(real: RealModel, ids: Sequence[list[int]], n_tokens: int, temperature: float = 0.0) -> list[list[int]]:
    """Up to `n_tokens` tokens after each text, without the one that ends it: drawn at `temperature`, or the likeliest at 0.

    Only the model's distribution counts: penalties, cuts and forbidden words of its generation_config.json are left aside. Texts
    are padded on the left, so that all of them go on at the same position.
    """
    import torch
    from transformers import GenerationConfig

    from psm.real.convert import quiet

    model, ends = bare(real.model), _end_tokens(real)
    padding = next((token for token in (real.tokenizer.pad_token_id, *ends) if token is not None), 0)
    width = max(map(len, ids))
    tokens = torch.tensor([[padding] * (width - len(row)) + row for row in ids], device=model.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids], device=model.device)
    drawn = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature > 0 else {"do_sample": False}
    marks = {"pad_token_id": padding, "eos_token_id": ends or None}
    config = GenerationConfig(max_new_tokens=n_tokens, num_beams=1, use_cache=True, **marks, **drawn)
    with torch.inference_mode(), quiet(), _own_settings(model, GenerationConfig(**marks)):
        made = model.generate(input_ids=tokens, attention_mask=mask, generation_config=config)[:, width:].tolist()
    return [row[: next((at for at, token in enumerate(row) if token in ends), None)] for row in made]


@contextmanager
def _own_settings(model: PreTrainedModel, config: GenerationConfig) -> Iterator[None]:
    """While open, `config` stands for the model's generation_config, which transformers' generate mixes into any other."""
    before, model.generation_config = model.generation_config, config
    try:
        yield
    finally:
        model.generation_config = before


def _end_tokens(real: RealModel) -> list[int]:
    """Ids that end a turn or a text: what templates end a turn with, what the model's settings declare, the tokenizer's own."""
    known = real.tokenizer.get_vocab()
    declared = bare(real.model).generation_config.eos_token_id
    declared = declared if isinstance(declared, list) else [declared]
    ends = [*(known.get(token) for token in END_OF_TURN), *declared, real.tokenizer.eos_token_id]
    return list(dict.fromkeys(token for token in ends if token is not None))
