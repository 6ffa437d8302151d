"""Read or shift the residual stream after a block while a model runs.

A block of transformers 5.x returns the plain tensor (batch, positions, d); in a few older architectures it is the first
of a tuple. `output[0]` on the plain tensor would be the first text of the batch, so the two are told apart here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from psm.errors import UsageError
from psm.real.upper import block

if TYPE_CHECKING:
    from torch import Tensor, nn


@contextmanager
def capture(model: nn.Module, after: Iterable[int]) -> Iterator[dict[int, Tensor]]:
    """The residual stream after each block of `after`, (batch, positions, d), filled anew by every call inside.

    Detached from the graph, on the model's device. UsageError when there is no such block.
    """
    seen: dict[int, Tensor] = {}

    def keep(k: int, output: Any) -> None:
        seen[k] = _stream(output).detach()

    with ExitStack() as hooks:
        for k in after:
            handle = block(model, k).register_forward_hook(lambda module, args, output, k=k: keep(k, output))
            hooks.callback(handle.remove)
        yield seen


@contextmanager
def add(model: nn.Module, k: int, vector: Tensor) -> Iterator[None]:
    """While open, `vector` (d,), or (batch, positions, d), is added to the residual stream after block k.

    UsageError when there is no such block, or when the vector's last axis is not the model's width.
    """

    def shifted(module: nn.Module, args: tuple, output: Any) -> Any:
        stream = _stream(output)
        if vector.shape[-1:] != stream.shape[-1:]:
            raise UsageError(f"a vector of shape {tuple(vector.shape)} cannot be added to a residual stream of width {stream.shape[-1]}")
        moved = stream + vector.to(stream.device, stream.dtype)
        return (moved, *output[1:]) if isinstance(output, tuple) else moved

    handle = block(model, k).register_forward_hook(shifted)
    try:
        yield
    finally:
        handle.remove()


def _stream(output: Any) -> Tensor:
    """The residual stream in what a block returned."""
    return output[0] if isinstance(output, tuple) else output
