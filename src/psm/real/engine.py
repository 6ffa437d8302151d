"""The scoring engine: log-probabilities of continuations after a text, for any causal model.

`passes` plans which texts are read together; here the passes are run. The result is that of reading every text alone
(tests hold it to transformers' own logits): a dialogue measured after 1, 3 and 5 turns costs one dialogue instead of
three, and logits are computed only where a token is scored. When several models differ in their upper blocks only
(adapters), a LowerCache holds what all of them have in common.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from psm.errors import UsageError
from psm.real.passes import BATCH_TOKENS, Pass, Passes, plan_passes
from psm.real.upper import bare, residual_at, resume

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

CHUNK = 128   # nodes of a tree whose attention is computed together


@dataclass(frozen=True)
class ContinuationScores:
    """Scores of n (prompt, continuation) pairs."""

    logprob: np.ndarray  # (n,) float64, summed over the continuation's tokens
    tokens: np.ndarray  # (n,) int64, number of scored tokens
    joint: np.ndarray  # (n,) bool, False where prompt and continuation had to be tokenised apart

    @property
    def per_token(self) -> np.ndarray:
        """(n,) mean log-probability of a continuation's tokens."""
        return self.logprob / self.tokens


class LowerCache:
    """What block k reads in every pass, computed once: for models that share the blocks below k, their inputs and head.

    Memory: 4 d bytes for each position of the passes.
    """

    def __init__(self, model: PreTrainedModel, k: int, passes: Passes) -> None:
        self.k, self.passes, self.streams = k, passes, []
        for one in passes.passes:
            with _attention(one):
                self.streams.append(residual_at(model, k, **_inputs(model, one)))


def continuation_logprobs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[tuple[str, str]],
    batch_tokens: int = BATCH_TOKENS,
    progress: Callable[[int, int], None] | None = None,
) -> ContinuationScores:
    """Score each continuation after its text, which is read as it stands (after the mark of a beginning, where the model reads one).

    `batch_tokens` bounds the positions of one pass (a longer single text still runs). `progress` is called with the
    number of pairs scored so far and the number of all. Raises what `plan_passes` raises.
    """
    return score_passes(model, plan_passes(tokenizer, pairs, model, batch_tokens), progress=progress)


def score_passes(
    model: PreTrainedModel, passes: Passes, lower: LowerCache | None = None, progress: Callable[[int, int], None] | None = None
) -> ContinuationScores:
    """Run planned passes; with `lower` only the blocks from lower.k up. UsageError when `lower` belongs to other passes."""
    if lower and lower.passes is not passes:
        raise UsageError("the cached lower activations are of other passes: make a LowerCache of these")
    logprob, done = np.zeros(len(passes.tokens)), 0
    for number, one in enumerate(passes.passes):
        with ExitStack() as stack:
            if lower:
                stack.enter_context(resume(model, lower.k, lower.streams[number]))
            np.add.at(logprob, one.pair, _run(model, one))
        done += one.pairs
        if progress:
            progress(done, len(logprob))
    return ContinuationScores(logprob, passes.tokens, passes.joint)


def _run(model: PreTrainedModel, one: Pass) -> np.ndarray:
    """Log-probability of each scored token of a pass. Shape (s,), float64."""
    import torch

    kept, column = np.unique(one.before, return_inverse=True)
    rows = {"logits_to_keep": torch.tensor(kept, device=model.device)}
    if "logits_to_keep" not in inspect.signature(bare(model).forward).parameters:
        column, rows = one.before, {}
    with torch.inference_mode(), _attention(one):
        logits = model(**_inputs(model, one), **rows, use_cache=False).logits
        row, column, target = (torch.tensor(index, device=logits.device) for index in (one.row, column, one.target))
        if len(logits) == 1:
            normaliser = logits.float().logsumexp(-1)[row, column]
        else:
            normaliser = logits[row, column].float().logsumexp(-1)   # a batch: not every text is scored at every position
        return (logits[row, column, target].float() - normaliser).cpu().double().numpy()   # mps has no float64


def _inputs(model: PreTrainedModel, one: Pass) -> dict[str, Tensor]:
    """Arguments of the model's call, on its device."""
    import torch

    inputs = {"input_ids": torch.tensor(one.tokens)}
    if one.parent is None:
        inputs["attention_mask"] = (torch.arange(one.tokens.shape[1]) < torch.tensor(one.lengths)[:, None]).long()
    elif (one.parent[1:] != np.arange(len(one.parent) - 1)).any():   # a single text needs only the model's own causal mask
        sees, depth = _ancestry(one.parent)
        mask = np.where(sees, 0.0, torch.finfo(model.dtype).min)
        inputs |= {"attention_mask": torch.tensor(mask, dtype=model.dtype)[None, None], "position_ids": torch.tensor(depth)[None]}
    return {name: value.to(model.device) for name, value in inputs.items()}


def _ancestry(parent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, n) bool, whether node i attends to node j, its ancestor or itself; (n,) depth of each node."""
    sees, depth = np.eye(len(parent), dtype=bool), np.zeros(len(parent), dtype=np.int64)
    for node, above in enumerate(parent):
        if above >= 0:
            sees[node] |= sees[above]
            depth[node] = depth[above] + 1
    return sees, depth


@contextmanager
def _attention(one: Pass) -> Iterator[None]:
    """While open, attention over a tree is computed by runs of nodes, each with the keys that it sees and no others.

    Nodes stand in depth-first order, so a run sees little more than itself: an ancestor of any of its nodes that stands
    before the run is an ancestor of its first node too.
    """
    if one.parent is None or len(one.parent) <= CHUNK:
        yield
        return
    import torch
    from torch.overrides import TorchFunctionMode

    whole = torch.nn.functional.scaled_dot_product_attention
    sees, _ = _ancestry(one.parent)
    runs = [slice(start, start + CHUNK) for start in range(0, len(sees), CHUNK)]
    seen = [torch.tensor(np.flatnonzero(sees[run].any(0))) for run in runs]
    parts: list[Tensor] = []   # of the mask, one for each run: the blocks of a model are given the same mask

    class ByRuns(TorchFunctionMode):
        cut: Tensor | None = None   # the mask that `parts` are of

        def __torch_function__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
            mask = (kwargs or {}).get("attn_mask")
            if function is not whole or mask is None:
                return function(*args, **(kwargs or {}))
            query, key, value = args
            at = [keys.to(query.device) for keys in seen]
            if mask is not self.cut:
                self.cut, parts[:] = mask, [mask[:, :, run].index_select(3, keys) for run, keys in zip(runs, at)]
            return torch.cat([
                whole(query[:, :, run], key.index_select(2, keys), value.index_select(2, keys), **(kwargs | {"attn_mask": part}))
                for run, keys, part in zip(runs, at, parts)
            ], 2)

    with ByRuns():
        yield
