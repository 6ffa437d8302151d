"""What a model writes: seeded samples in batches, by transformers' own generate with its key-value cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from psm.errors import UsageError
from psm.models.chat import Message, render
from psm.models.passes import token_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from psm.models.real import RealModel

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
    the turn. The same prompts, seed and batch give the same texts on one machine; the state of torch's random numbers
    is left as it was. `progress` is called with the number of texts written and of all. UsageError for an empty prompt,
    or one that leaves no room for `n_tokens`.
    """
    import torch

    texts = [render(real, prompt) for prompt in prompts]
    ids = [token_ids(real.tokenizer, text) for text in texts]
    _check_room(real, texts, ids, n_tokens)
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))   # like lengths together: less padding
    written = [""] * len(ids)
    devices = [real.model.device] if real.model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.inference_mode():
        torch.manual_seed(seed)
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            for i, text in zip(chosen, _generate(real, [ids[i] for i in chosen], n_tokens, temperature)):
                written[i] = text
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


def _generate(real: RealModel, ids: Sequence[list[int]], n_tokens: int, temperature: float) -> list[str]:
    """Continuations of some prompts, padded on the left so that all of them go on at the same position."""
    import torch
    from transformers import GenerationConfig

    ends = _ends(real.tokenizer)
    padding = ends[0] if ends else 0
    width = max(map(len, ids))
    tokens = torch.tensor([[padding] * (width - len(row)) + row for row in ids], device=real.model.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids], device=real.model.device)
    drawn = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0} if temperature > 0 else {"do_sample": False}
    config = GenerationConfig(max_new_tokens=n_tokens, pad_token_id=padding, eos_token_id=ends or None, use_cache=True, **drawn)
    made = real.model.generate(input_ids=tokens, attention_mask=mask, generation_config=config)[:, width:].tolist()
    return [real.tokenizer.decode(_until(row, ends), skip_special_tokens=True) for row in made]


def _ends(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Ids that end a turn or a text."""
    known = tokenizer.get_vocab()
    ends = [known[token] for token in END_OF_TURN if token in known]
    return list(dict.fromkeys([*ends, *([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id])]))


def _until(row: Sequence[int], ends: Sequence[int]) -> list[int]:
    """The tokens before the first that ends the text."""
    stop = next((at for at, token in enumerate(row) if token in ends), len(row))
    return list(row[:stop])
