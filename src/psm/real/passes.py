"""Which texts a model reads together, and which of their tokens are scored: planned once, run for any number of models.

Where the architecture allows it the texts of a pass are merged into a tree of tokens, so that a common beginning is
read once, and each token attends to its own ancestors at its own depth. Elsewhere texts of like length make a batch,
padded on the right, of which each distinct text is read once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from psm.errors import UsageError

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

BATCH_TOKENS = 1024     # with fewer the matrix products are slower, with more only the memory grows
SHARING_CHECKED = ("llama", "gpt2", "qwen2")   # tested against each text alone
STRETCHED = ("dynamic", "longrope")            # positions encoded differently as the longest text of a pass grows
PADDING = 0             # any token will do: no scored token attends to it


@dataclass(frozen=True)
class Pass:
    """One call of a model: its input and what is scored in it. s scored tokens."""

    tokens: np.ndarray          # (batch, positions) int64
    parent: np.ndarray | None   # (positions,) of a tree, batch 1: the node before each node, -1 before a first token
    lengths: np.ndarray         # (batch,) tokens that are not padding
    pair: np.ndarray            # (s,) whose score a scored token counts to
    row: np.ndarray             # (s,) its text in the batch
    before: np.ndarray          # (s,) the position that predicts it
    target: np.ndarray          # (s,) its id

    @property
    def pairs(self) -> int:
        """Number of pairs that are scored in this pass."""
        return len(np.unique(self.pair))


@dataclass(frozen=True)
class Passes:
    """All passes over n (prompt, continuation) pairs."""

    passes: list[Pass]
    tokens: np.ndarray   # (n,) int64, number of scored tokens of each pair
    joint: np.ndarray    # (n,) bool, False where prompt and continuation had to be tokenised apart

    @property
    def positions(self) -> int:
        """Positions that a model computes, padding included."""
        return sum(one.tokens.size for one in self.passes)


@dataclass(frozen=True)
class Text:
    """A tokenised pair: its number, its ids, and where the continuation begins."""

    pair: int
    ids: list[int]
    start: int


def token_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Tokens of a text, after the mark of a beginning where the model reads one (a chat template writes its own)."""
    plain = tokenizer(text, add_special_tokens=False).input_ids
    mark = tokenizer.bos_token_id
    marked = mark is not None and tokenizer("a").input_ids[:1] == [mark]
    return [mark, *plain] if marked and plain[:1] != [mark] else plain


def tokenise_pair(tokenizer: PreTrainedTokenizerBase, prompt: str, continuation: str) -> tuple[list[int], int, bool]:
    """Token ids of the whole text, number of them that belong to the prompt, and whether they were tokenised jointly.

    The whole string is tokenised as the model would read it. If the prompt's own tokens are not a prefix of that
    (a token spans the boundary), prompt and continuation are tokenised apart, so that exactly the continuation's
    characters are scored; the third value then is False.
    """
    prompt_ids, whole = token_ids(tokenizer, prompt), token_ids(tokenizer, prompt + continuation)
    joint = whole[: len(prompt_ids)] == prompt_ids and len(whole) > len(prompt_ids)
    ids = whole if joint else prompt_ids + tokenizer(continuation, add_special_tokens=False).input_ids
    if not prompt or len(ids) == len(prompt_ids):
        raise UsageError(f"a prompt and its continuation both need text (prompt {prompt!r}, continuation {continuation!r})")
    return ids, len(prompt_ids), joint


def shares_beginnings(config: PretrainedConfig) -> bool:
    """Whether texts may be merged into a tree: full attention under a mask that is given, at positions that are given."""
    rope = getattr(config, "rope_parameters", None) or {}
    return (
        config.model_type in SHARING_CHECKED
        and set(getattr(config, "layer_types", None) or ["full_attention"]) == {"full_attention"}
        and rope.get("rope_type") not in STRETCHED
        and config._attn_implementation in ("sdpa", "eager")
    )


def plan_passes(
    tokenizer: PreTrainedTokenizerBase, pairs: Sequence[tuple[str, str]], model: PreTrainedModel, batch_tokens: int = BATCH_TOKENS
) -> Passes:
    """Tokenise, group and batch (prompt, continuation) pairs of text, each read as it stands.

    Nothing is added but the mark of a beginning, once, where the model reads one.

    `batch_tokens` bounds the positions of one pass (a longer single text still runs). UsageError when a side of a pair
    is empty, or a text is longer than the model's positions.
    """
    tokenised = [tokenise_pair(tokenizer, prompt, continuation) for prompt, continuation in pairs]
    longest = max((len(ids) for ids, _, _ in tokenised), default=0)
    limit = getattr(model.config, "max_position_embeddings", None)
    if limit and longest > limit:
        raise UsageError(f"a text of {longest} tokens does not fit this model's {limit} positions")
    texts = [Text(pair, ids, start) for pair, (ids, start, _) in enumerate(tokenised)]
    plan = _plan_trees if shares_beginnings(model.config) else _plan_batches
    return Passes(
        plan(texts, batch_tokens),
        np.array([len(ids) - start for ids, start, _ in tokenised], dtype=np.int64),
        np.array([joint for _, _, joint in tokenised], dtype=bool),
    )


@dataclass(frozen=True)
class TokenTree:
    """Texts merged by their common beginnings. A node comes after its parent; -1 is the parent of a first token."""

    token: list[int]
    parent: list[int]
    paths: list[list[int]]  # for each text the node of each of its tokens


def grow_tree(texts: Sequence[list[int]], budget: int) -> TokenTree:
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


def _plan_trees(texts: Sequence[Text], budget: int) -> list[Pass]:
    """Texts in the order of their ids, so that neighbours share the longest beginnings: nodes stand in depth-first order."""
    texts = sorted(texts, key=lambda text: text.ids)
    passes, done = [], 0
    while done < len(texts):
        tree = grow_tree([text.ids for text in texts[done:]], budget)
        scored = [
            (text.pair, 0, path[at - 1], text.ids[at])
            for text, path in zip(texts[done:], tree.paths)
            for at in range(text.start, len(path))
        ]
        token = np.array([tree.token], dtype=np.int64)
        passes.append(Pass(token, np.array(tree.parent), np.array([token.size]), *np.array(scored, dtype=np.int64).T))
        done += len(tree.paths)
    return passes


def _plan_batches(texts: Sequence[Text], budget: int) -> list[Pass]:
    """Texts of like length together, the longest first, each distinct text read once."""
    readers: dict[tuple[int, ...], list[Text]] = {}
    for text in texts:
        readers.setdefault(tuple(text.ids), []).append(text)
    distinct = sorted(readers, key=lambda ids: (-len(ids), ids))
    passes, done = [], 0
    while done < len(distinct):
        width = len(distinct[done])
        batch = distinct[done : done + max(1, budget // width)]
        tokens = np.full((len(batch), width), PADDING, dtype=np.int64)
        for row, ids in enumerate(batch):
            tokens[row, : len(ids)] = ids
        scored = [
            (text.pair, row, at - 1, ids[at])
            for row, ids in enumerate(batch)
            for text in readers[ids]
            for at in range(text.start, len(ids))
        ]
        passes.append(Pass(tokens, None, np.array([len(ids) for ids in batch]), *np.array(scored, dtype=np.int64).T))
        done += len(batch)
    return passes
