"""The scoring engine: log-probabilities of continuations after a text, for any causal model.

Prompts that share a beginning are run once: the texts of a pass are merged into a tree of tokens and each token
attends to its own ancestors only, at its own depth. The result is that of running every text alone (tests hold it to
transformers' own logits); a dialogue measured after 1, 3 and 5 turns costs one dialogue instead of three.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from psm.errors import UsageError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SHARING_CHECKED = ("llama", "gpt2")  # full attention at explicit positions; any other architecture runs text by text


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


def tokenise_pair(tokenizer: PreTrainedTokenizerBase, prompt: str, continuation: str) -> tuple[list[int], int, bool]:
    """Token ids of the whole text, number of them that belong to the prompt, and whether they were tokenised jointly.

    The whole string is tokenised as the model would read it. If the prompt's own tokens are not a prefix of that
    (a token spans the boundary), prompt and continuation are tokenised apart, so that exactly the continuation's
    characters are scored; the third value then is False.
    """
    prompt_ids = tokenizer(prompt, add_special_tokens=False).input_ids
    whole = tokenizer(prompt + continuation, add_special_tokens=False).input_ids
    joint = whole[: len(prompt_ids)] == prompt_ids and len(whole) > len(prompt_ids)
    ids = whole if joint else prompt_ids + tokenizer(continuation, add_special_tokens=False).input_ids
    if not prompt_ids or len(ids) == len(prompt_ids):
        raise UsageError(f"a prompt and its continuation both need text (prompt {prompt!r}, continuation {continuation!r})")
    return ids, len(prompt_ids), joint


def continuation_logprobs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[tuple[str, str]],
    batch_tokens: int = 384,
    progress: Callable[[int, int], None] | None = None,
) -> ContinuationScores:
    """Score each continuation after its plain-text prompt: no chat template, no special tokens.

    `batch_tokens` bounds the distinct tokens of one pass (a longer single text still runs). `progress` is called with
    the number of pairs scored so far and the number of all.
    """
    texts = [tokenise_pair(tokenizer, prompt, continuation) for prompt, continuation in pairs]
    longest = max((len(ids) for ids, _, _ in texts), default=0)
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit and longest > limit:
        raise UsageError(f"a text of {longest} tokens does not fit this model's {limit} positions")
    order = sorted(range(len(texts)), key=lambda i: texts[i][0])  # neighbours share the longest beginnings
    budget = batch_tokens if model.config.model_type in SHARING_CHECKED else 0
    logprob = np.zeros(len(texts))
    done = 0
    while done < len(order):
        tree = _grow_tree([texts[i][0] for i in order[done:]], budget)
        chunk = order[done : done + len(tree.paths)]
        logprob[chunk] = _score_tree(model, tree, [texts[i][1] for i in chunk])
        done += len(chunk)
        if progress:
            progress(done, len(order))
    tokens = np.array([len(ids) - start for ids, start, _ in texts], dtype=np.int64)
    return ContinuationScores(logprob, tokens, np.array([joint for _, _, joint in texts], dtype=bool))


@dataclass(frozen=True)
class TokenTree:
    """Texts merged by their common beginnings. A node comes after its parent; -1 is the parent of a first token."""

    token: list[int]
    parent: list[int]
    paths: list[list[int]]  # for each text the node of each of its tokens


def _grow_tree(texts: Sequence[list[int]], budget: int) -> TokenTree:
    """Merge as many of the first texts as fit `budget` nodes, at least one."""
    nodes: dict[tuple[int, int], int] = {}
    tree = TokenTree([], [], [])
    for ids in texts:
        path = _walk(nodes, ids)
        if tree.paths and len(tree.token) + len(ids) - len(path) > budget:
            break
        for value in ids[len(path) :]:
            above = path[-1] if path else -1
            nodes[above, value] = len(tree.token)
            path.append(len(tree.token))
            tree.token.append(value)
            tree.parent.append(above)
        tree.paths.append(path)
    return tree


def _walk(nodes: dict[tuple[int, int], int], ids: list[int]) -> list[int]:
    """The nodes of the longest beginning of `ids` that is in the tree already."""
    path: list[int] = []
    for value in ids:
        node = nodes.get((path[-1] if path else -1, value))
        if node is None:
            break
        path.append(node)
    return path


def _score_tree(model: PreTrainedModel, tree: TokenTree, starts: Sequence[int]) -> np.ndarray:
    """Summed log-probability of each text's tokens from `starts` on. Shape (texts,)."""
    import torch

    n = len(tree.token)
    sees = torch.zeros(n, n, dtype=torch.bool)  # sees[i, j]: node i attends to node j, its ancestor or itself
    depth = torch.zeros(n, dtype=torch.long)
    for node, above in enumerate(tree.parent):
        if above >= 0:
            sees[node] = sees[above]
            depth[node] = depth[above] + 1
        sees[node, node] = True
    mask = None  # a single text needs only the model's own causal mask
    if len(tree.paths) > 1:
        mask = torch.zeros(n, n, dtype=model.dtype).masked_fill(~sees, torch.finfo(model.dtype).min)[None, None]
    scored = [(text, path[at - 1], path[at]) for text, path in enumerate(tree.paths) for at in range(starts[text], len(path))]
    rows = sorted({before for _, before, _ in scored})
    row_of = {node: row for row, node in enumerate(rows)}
    token = torch.tensor(tree.token)
    with torch.inference_mode():
        logits = model(
            input_ids=token[None],
            attention_mask=mask,
            position_ids=depth[None],
            logits_to_keep=torch.tensor(rows),
            use_cache=False,
        ).logits[0].float()
        normaliser = logits.logsumexp(-1)
        row = torch.tensor([row_of[before] for _, before, _ in scored])
        each = logits[row, token[[node for _, _, node in scored]]] - normaliser[row]
    total = np.zeros(len(tree.paths))
    np.add.at(total, [text for text, _, _ in scored], each.double().numpy())
    return total
