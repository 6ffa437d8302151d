"""The arithmetic of the margins, on a real forward pass and with a scorer that is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from psm.real import margins
from psm.real.engine import ContinuationScores
from psm.real.items import ARMS, item_prompt, load_items
from psm.real.margins import speaker_margins
from psm.real.passes import tokenise_pair

ITEMS = load_items()[:2]


def reference(model, tokenizer, prompt: str, continuation: str) -> float:
    """Summed log-probability by the plain way: the whole text alone, all logits, log-softmax."""
    ids, start, _ = tokenise_pair(tokenizer, prompt, continuation)
    with torch.no_grad():
        logp = model(torch.tensor([ids])).logits.double().log_softmax(-1)[0]
    return sum(logp[at - 1, ids[at]].item() for at in range(start, len(ids)))


def test_margins_follow_the_formula_on_a_real_forward_pass(tokenizer, make_model):
    model = make_model("llama")
    frame = speaker_margins(model, tokenizer, ITEMS, ks=(0, 2))
    assert list(frame.columns) == ["item", "k", "arm", "margin", "margin_per_token"]
    assert len(frame) == 2 * 2 * 2
    assert (frame.loc[frame.k == 0, ["margin", "margin_per_token"]] == 0).all(axis=None)
    for row in frame[frame.k == 2].itertuples():
        (item,) = (item for item in ITEMS if item.id == row.item)
        lp = {
            (context, text): reference(model, tokenizer, item_prompt(item, context, 2, row.arm), " " + item.final.answer(text))
            for context in "ab"
            for text in "ab"
        }
        n = {text: len(tokenizer(" " + item.final.answer(text)).input_ids) for text in "ab"}
        raw = ((lp["a", "a"] - lp["a", "b"]) - (lp["b", "a"] - lp["b", "b"])) / 2
        mean = ((lp["a", "a"] / n["a"] - lp["a", "b"] / n["b"]) - (lp["b", "a"] / n["a"] - lp["b", "b"] / n["b"])) / 2
        assert row.margin == pytest.approx(raw, abs=1e-3)
        assert row.margin_per_token == pytest.approx(mean, abs=1e-4)


def test_a_reader_that_tracks_who_speaks_shows_only_in_the_same_speaker_arm(tokenizer, monkeypatch):
    """A scorer that favours the character of the context by 3 nats if its speaker goes on, plus a bias for A."""

    def scorer(model, tokenizer, pairs, progress=None):
        logprob = []
        for prompt, continuation in pairs:
            (item,) = (item for item in ITEMS if item.description in prompt)
            character = "a" if item.turns[0].a in prompt else "b"
            in_character = continuation.strip() == item.final.answer(character)
            same = prompt.endswith(f"\n{item.speaker}:")
            logprob.append(3.0 * (in_character and same) + 7.0 * (continuation.strip() == item.final.a) - 50)
        return ContinuationScores(np.array(logprob), np.full(len(pairs), 10), np.ones(len(pairs), bool))

    monkeypatch.setattr(margins, "continuation_logprobs", scorer)
    frame = speaker_margins(None, tokenizer, ITEMS, ks=(1, 5))
    same, other = frame[frame.arm == "same speaker"], frame[frame.arm == "other speaker"]
    assert same.margin.tolist() == [3.0] * 4 and other.margin.tolist() == [0.0] * 4
    assert same.margin_per_token.tolist() == pytest.approx([0.3] * 4)
