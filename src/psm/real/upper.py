"""Only the upper blocks of a decoder, from the cached residual stream below them; all else is the model's own code.

Frozen lower blocks give the same result for the same text, whatever is trained or added above them. So their result is
computed once by `residual_at` and put back by `resume`, inside which a call of the model computes blocks k and up only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from psm.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel


def bare(model: PreTrainedModel) -> PreTrainedModel:
    """The transformers model inside a peft-wrapped one (its adapters stay in place), or the model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def blocks(model: nn.Module) -> nn.ModuleList:
    """The decoder's blocks in order: the longest list of modules in the model, a peft-wrapped one too. UsageError if none."""
    from torch import nn

    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList) and len(module) > 0]
    if not lists:
        raise UsageError(f"{type(model).__name__} has no list of decoder blocks; use a decoder-only model of transformers")
    return max(lists, key=len)


def block(model: nn.Module, k: int) -> nn.Module:
    """Block k of the model. UsageError when there is none."""
    every = blocks(model)
    if not 0 <= k < len(every):
        raise UsageError(f"{type(model).__name__} has blocks 0 to {len(every) - 1}, not {k}")
    return every[k]


def residual_at(model: nn.Module, k: int, input_ids: Tensor, **inputs: Any) -> Tensor:
    """The residual stream that block k reads. (batch, positions) -> (batch, positions, d), without gradient.

    `inputs` are further arguments of the model's call (attention_mask, position_ids). The call ends at block k: no
    upper block and no logits are computed. UsageError when there is no block k.
    """
    import torch

    at_k = block(model, k)
    caught: list[Tensor] = []

    def catch(module: nn.Module, args: tuple, kwargs: dict) -> None:
        caught.append(args[0] if args else kwargs["hidden_states"])
        raise _Reached

    hook = at_k.register_forward_pre_hook(catch, with_kwargs=True, prepend=True)
    try:
        with torch.no_grad():
            model(input_ids=input_ids, use_cache=False, **inputs)
    except _Reached:
        return caught[0]
    finally:
        hook.remove()
    raise UsageError(f"{type(model).__name__} did not run its block {k}")


@contextmanager
def resume(model: nn.Module, k: int, cached: Tensor) -> Iterator[None]:
    """While open, model(...) computes blocks k and up from `cached` (batch, positions, d), what `residual_at` gave.

    Call the model with the inputs that `cached` was made from. Blocks k and up may have changed since (adapters), and
    gradients flow through them. UsageError when there is no block k, when the shapes differ, or when the model's blocks
    return tuples (a few older architectures of transformers: bloom, falcon, gpt_neo, gptj, mpt).
    """
    at_k = block(model, k)

    def check(stream: Tensor) -> Tensor:
        if stream.ndim != cached.ndim:
            raise UsageError(f"the blocks of {type(model).__name__} do not return a plain tensor; run the whole model instead")
        return stream

    def pass_through(hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return check(hidden_states)

    def put(module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        own = check(args[0] if args else kwargs["hidden_states"])
        if own.shape != cached.shape:
            shapes = f"{tuple(cached.shape)} for an input of shape {tuple(own.shape)}"
            raise UsageError(f"cached activations of shape {shapes}: give both the same texts")
        value = cached.to(own.device, own.dtype)
        return ((value, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": value})

    below = list(blocks(model))[:k]
    before = [vars(one).get("forward") for one in below]
    hook = at_k.register_forward_pre_hook(put, with_kwargs=True, prepend=True)
    try:
        for one in below:
            one.forward = pass_through
        yield
    finally:
        hook.remove()
        for one, forward in zip(below, before):
            if forward is None:
                vars(one).pop("forward", None)
            else:
                one.forward = forward


class _Reached(Exception):
    """Ends a call of the model at the block whose input was wanted."""
