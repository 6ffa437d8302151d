"""Paired log-probability margins: how much more a model favours one of two answers, in one frame and in another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from psm.real.chat import Message, answer_text, render
from psm.real.engine import continuation_logprobs
from psm.real.items import ARMS, SpeakerItem, item_prompt

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from psm.real.loading import RealModel


@dataclass(frozen=True)
class Cell:
    """Two answers to compare in one frame. `prompt` is a chat whose next turn is the assistant's, or plain text."""

    item: str
    arm: str
    prompt: tuple[Message, ...] | str
    first: str
    second: str
    prefill: str = ""   # how the answer begins, before the two part


def answer_pairs(real: RealModel, cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """(prompt, answer) as the model reads them: two of each cell, with its first answer and with its second."""
    return [
        (render(real, cell.prompt, cell.prefill), answer_text(real, cell.prompt, text, cell.prefill))
        for cell in cells
        for text in (cell.first, cell.second)
    ]


def margins(real: RealModel, cells: Sequence[Cell], progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
    """log P(first) - log P(second) of each cell: rows item, arm, margin (nats), margin_per_token.

    For `margin_per_token` each log-probability is divided by its number of tokens first.
    """
    scores = continuation_logprobs(real.model, real.tokenizer, answer_pairs(real, cells), progress=progress)
    whole, each = scores.logprob.reshape(-1, 2), scores.per_token.reshape(-1, 2)
    return pd.DataFrame({
        "item": [cell.item for cell in cells], "arm": [cell.arm for cell in cells],
        "margin": whole[:, 0] - whole[:, 1], "margin_per_token": each[:, 0] - each[:, 1],
    })


def speaker_margins(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    items: Sequence[SpeakerItem],
    ks: Sequence[int] = (0, 1, 3, 5),
    progress: Callable[[int, int], None] | None = None,
) -> pd.DataFrame:
    """Does a speaker's character carry over to the speaker's next answer, outside any chat format?

    A context is a plain-text transcript: k questions answered by one speaker, all in character A or all in character
    B. Then a further question, the name of who answers, and one of two continuations, A or B. With `lp` the
    continuation's log-probability,

        margin = ([lp(A | context A) - lp(B | context A)] - [lp(A | context B) - lp(B | context B)]) / 2

    so what the model thinks of the two continuations by themselves cancels. It is zero at k = 0 by construction (no
    context, nothing to differ) and that row is not computed. In the arm "same speaker" the final answer is given by
    the speaker of the context; in "other speaker" by a second person whom the opening line names too, after the very
    same text. Style and topic words prime both arms alike, so the difference between the arms is the part of the
    margin that is tied to *who* speaks.

    What it does not measure: whether the model would write such answers itself, how many characters it knows, or
    where it learnt them. A model that was post-trained, or dequantised from 4 bits, is measured as it is; the result
    speaks about pretraining only for a base model.

    Returns one row per item, k and arm: item, k, arm, margin (nats per answer) and margin_per_token (each
    log-probability divided by its number of tokens before the margin is taken).
    """
    cells = [(item, k, arm) for item in items for k in ks for arm in ARMS]
    pairs = [
        (item_prompt(item, context, k, arm), " " + item.final.answer(continuation))
        for item, k, arm in cells
        if k > 0
        for context in "ab"
        for continuation in "ab"
    ]
    scores = continuation_logprobs(model, tokenizer, pairs, progress=progress)
    raw = iter(_margin(scores.logprob))
    per_token = iter(_margin(scores.logprob / scores.tokens))
    rows = [
        {
            "item": item.id,
            "k": k,
            "arm": arm,
            "margin": next(raw) if k > 0 else 0.0,
            "margin_per_token": next(per_token) if k > 0 else 0.0,
        }
        for item, k, arm in cells
    ]
    return pd.DataFrame(rows, columns=["item", "k", "arm", "margin", "margin_per_token"])


def _margin(logprob: np.ndarray) -> np.ndarray:
    """Margins from log-probabilities in the order (context A or B) x (continuation A or B). (4 n,) -> (n,)."""
    context_a_a, context_a_b, context_b_a, context_b_b = logprob.reshape(-1, 4).T
    return ((context_a_a - context_a_b) - (context_b_a - context_b_b)) / 2
